"""The chat without a browser: who answers what, and what its twin says."""

from threading import Event

import pytest
from widget_examples import from_browser, make_chat

from llmlab import village
from llmlab.gpt import GPT, GPTConfig
from llmlab.talking import SKILLS, MessageTooLong, Speaker, Word
from llmlab.tokenizer import Tokenizer
from llmlab.widgets import Chat


class Teller(Speaker):
    """Says "one two three …", a word whenever it may, and notes what it was told."""

    def __init__(self, words=3):
        tokenizer = Tokenizer()
        config = GPTConfig(vocab_size=262, context=8, layers=1, heads=1, width=2)
        super().__init__(GPT(config), tokenizer)
        self.words, self.told, self.asked = words, [], 0
        self.begun, self.may = Event(), Event()
        self.may.set()

    def stream(self, message, temperature=1.0, earlier=()):
        self.told.append(list(earlier))
        self.asked += 1
        yield Word("(a remark) ")
        for number in range(self.words):
            yield Word(f"{self.asked}.{number} ", (("word", 0.5), ("other", 0.25)))
            self.begun.set()
            assert self.may.wait(10)


def ask(chat, message="hi", temperature=1.0, **content):
    """As the view asks; returns when it is answered."""
    from_browser(chat, type="ask", message=message, temperature=temperature, **content)
    chat.wait()


def sent(chat, monkeypatch):
    """Collects what the chat sends to its view while it is writing."""
    messages = []
    monkeypatch.setattr(chat, "send", messages.append)
    return messages


def test_asking_from_python_answers_with_every_model():
    chat = make_chat(temperature=0.7)
    assert chat.ask("hello") == {"base": "hello 0.7", "ppo": "HELLO"}
    assert chat.ask("hello", temperature=1.5)["base"] == "hello 1.5"
    assert [exchange["message"] for exchange in chat.exchanges] == ["hello", "hello"]


def test_a_message_from_the_browser_is_answered_and_the_status_returns_to_rest():
    chat = make_chat()
    seen = []
    chat.observe(lambda change: seen.append(change["new"].get("message")), "live")
    ask(chat, temperature=0.5)
    assert chat.exchanges[-1]["answers"] == {"base": "hi 0.5", "ppo": "HI"}
    assert seen == ["hi", None]


def test_a_broken_model_is_a_sentence_for_a_person_and_an_error_for_a_program():
    def broken(message, temperature):
        raise ValueError("the message is longer than the context")

    def worse(message, temperature):
        raise ZeroDivisionError("division by zero")

    chat = Chat({"broken": broken, "worse": worse, "fine": lambda m, t: "fine"})
    ask(chat)
    assert chat.exchanges[-1]["answers"] == {
        "broken": "broken could not answer: the message is longer than the context.",
        "worse": "worse could not answer: ZeroDivisionError: division by zero.",
        "fine": "fine",
    }
    with pytest.raises(ValueError, match="longer than the context"):
        chat.ask("hi")
    with pytest.raises(ValueError, match="longer than the context"):
        Chat({"broken": broken}, examples=["hi"])


def test_every_answer_keeps_the_temperature_at_which_it_was_made():
    chat = make_chat(temperature=0.7, examples=["hi"])
    ask(chat, "ho", 1.5)
    assert [exchange["temperature"] for exchange in chat.exchanges] == [0.7, 1.5]
    assert "Answered at temperature 0.7" in chat.static_html()


def test_a_message_too_long_is_one_sentence_for_all_and_no_exchange():
    def short_sighted(message, temperature):
        if len(message) > 5:
            raise MessageTooLong("That message is longer than I can read: about 2.")
        return message

    chat = Chat({"one": lambda m, t: m, "other": short_sighted}, examples=["hi"])
    for _ in range(2):  # the second time it is told anew
        seen = []
        chat.observe(lambda change, seen=seen: seen.append(change["new"]), "refused")
        ask(chat, "a long one")
        refused = {
            "message": "a long one",
            "why": "That message is longer than I can read: about 2.",
        }
        assert seen[-1] == refused and chat.live == {}
        assert [exchange["message"] for exchange in chat.exchanges] == ["hi"]
        chat.unobserve_all()
    ask(chat, "ho")
    assert chat.refused == {} and len(chat.exchanges) == 2
    with pytest.raises(MessageTooLong):
        chat.ask("a long one")


def test_what_is_suggested_and_who_is_who_reach_the_view():
    chat = make_chat(suggestions=SKILLS, about=village.who_is_who())
    state = chat.get_state()
    assert state["suggestions"] == SKILLS and state["about"][0]["name"] == "Tilda"
    assert state["given"] == 0 and make_chat(examples=["a", "b"]).given == 2


def test_the_twin_of_a_chat_says_the_examples_and_escapes_every_text():
    chat = Chat({"<b>": lambda m, t: "<script>1</script>"}, examples=["<i>hi</i>"])
    page = chat.static_html()
    assert "&lt;script&gt;1&lt;/script&gt;" in page and "&lt;i&gt;hi" in page
    assert not any(tag in page for tag in ("<script", "<i>", "<b>"))
    before = page
    chat.ask("later")
    assert chat.static_html() == before


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_means_nothing_is_refused(temperature):
    with pytest.raises(ValueError, match="above 0"):
        make_chat().ask("hi", temperature)


def test_empty_messages_and_an_empty_table_of_models_are_refused():
    with pytest.raises(ValueError, match="message is empty"):
        make_chat().ask("  ")
    with pytest.raises(ValueError, match="no models"):
        Chat({})


# Word by word -------------------------------------------------------------------------


def test_words_go_to_the_view_while_the_kernel_is_free_and_all_models_write_in_turn(
    monkeypatch,
):
    one, other = Teller(), Teller()
    chat = Chat({"one": one, "other": other, "plain": lambda m, t: m})
    messages = sent(chat, monkeypatch)
    one.may.clear()
    from_browser(chat, type="ask", message="hi", temperature=1.0, number="view:3")
    assert one.begun.wait(10)  # and we are here again, with the answer not written
    assert chat.exchanges == [] and chat.live["number"] == "view:3"
    one.may.set()
    chat.wait()
    assert {message["number"] for message in messages} == {"view:3"}
    first = messages[0]["words"]
    assert first == {"one": [("(a remark) ", ())]}  # the first word does not wait
    assert chat.exchanges[0]["words"]["other"][1] == ("1.0 ", (("word", 0.5), *_OTHER))
    assert chat.exchanges[0]["answers"]["one"] == "(a remark) 1.0 1.1 1.2 "


_OTHER = (("other", 0.25),)


def test_models_write_in_turn_and_one_that_has_ended_leaves_the_others_writing(
    monkeypatch,
):
    monkeypatch.setattr("llmlab.widgets.chat.PAUSE", 0)
    chat = Chat({"short": Teller(1), "long": Teller(3)})
    messages = sent(chat, monkeypatch)
    ask(chat)
    order = [name for message in messages for name in message["words"]]
    assert order == ["short", "long", "short", "long", "long", "long"]


def test_a_stop_keeps_what_was_written_and_says_so():
    teller = Teller(1000)
    chat = Chat({"teller": teller, "quick": lambda m, t: m})
    teller.may.clear()
    from_browser(chat, type="ask", message="hi", temperature=1.0)
    assert teller.begun.wait(10)
    from_browser(chat, type="stop")
    teller.may.set()
    chat.wait()
    assert chat.live == {} and chat.exchanges[0]["answers"] == {
        "teller": "(a remark) 1.0  … (stopped)",
        "quick": "hi",
    }


def test_stopped_and_asked_again_in_the_same_instant_both_are_kept_in_order():
    teller = Teller(1000)
    chat = Chat({"teller": teller})
    teller.may.clear()
    from_browser(chat, type="ask", message="first", temperature=1.0)
    assert teller.begun.wait(10)
    teller.words = 2
    from_browser(chat, type="stop")
    from_browser(chat, type="new")
    from_browser(chat, type="ask", message="second", temperature=1.0)
    teller.may.set()
    chat.wait()
    assert [exchange["message"] for exchange in chat.exchanges] == ["first", "second"]
    stopped, whole = (exchange["answers"]["teller"] for exchange in chat.exchanges)
    assert stopped.endswith("(stopped)") and whole == "(a remark) 2.0 2.1 "
    assert teller.told == [[], []]  # the second began a new conversation


def test_asking_from_a_cell_waits_for_the_answer_that_is_being_written():
    teller = Teller()
    chat = Chat({"teller": teller})
    from_browser(chat, type="ask", message="from the view", temperature=1.0)
    chat.ask("from a cell")
    assert [e["message"] for e in chat.exchanges] == ["from the view", "from a cell"]


# A conversation -----------------------------------------------------------------------


def test_a_model_is_told_its_own_last_turn_and_no_remark_of_it():
    one, other = Teller(1), Teller(2)
    chat = Chat({"one": one, "other": other}, examples=["an example"])
    for message in ("a", "b", "c"):
        ask(chat, message)
    assert one.told == [[], [], [("a", "2.0 ")], [("b", "3.0 ")]]
    assert other.told[-1] == [("b", "3.0 3.1 ")]
    from_browser(chat, type="new")
    ask(chat, "d")
    assert one.told[-1] == []
    numbers = [exchange["conversation"] for exchange in chat.exchanges]
    assert numbers == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("turns", [0, 2])
def test_how_many_turns_a_model_is_told_can_be_chosen(turns):
    teller = Teller(1)
    chat = Chat({"teller": teller}, turns=turns)
    for message in ("a", "b", "c", "d"):
        chat.ask(message)
    assert teller.told[-1] == [("b", "2.0 "), ("c", "3.0 ")][:turns]
    with pytest.raises(ValueError, match="turns is -1; expected 0 or more"):
        Chat({"teller": teller}, turns=-1)


def test_an_answer_again_takes_the_place_of_the_last_one_and_is_told_the_same():
    teller = Teller(1)
    chat = Chat({"teller": teller})
    ask(chat, "a")
    ask(chat, "b")
    ask(chat, None, 1.5)
    assert [exchange["message"] for exchange in chat.exchanges] == ["a", "b"]
    last = chat.exchanges[-1]
    assert last["answers"] == {"teller": "(a remark) 3.0 "}
    assert last["temperature"] == 1.5
    assert teller.told[1] == teller.told[2] == [("a", "1.0 ")]
