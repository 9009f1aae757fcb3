"""The chat without a browser: who answers what, and what its twin says."""

import pytest
from widget_examples import from_browser, make_chat

from llmlab import village
from llmlab.talking import SKILLS, MessageTooLong
from llmlab.widgets import Chat


def test_asking_from_python_answers_with_every_model():
    chat = make_chat(temperature=0.7)
    assert chat.ask("hello") == {"base": "hello 0.7", "ppo": "HELLO"}
    assert chat.ask("hello", temperature=1.5)["base"] == "hello 1.5"
    assert [exchange["message"] for exchange in chat.exchanges] == ["hello", "hello"]


def test_a_message_from_the_browser_is_answered_and_the_status_returns_to_rest():
    chat = make_chat()
    seen = []
    chat.observe(lambda change: seen.append(change["new"]), "status")
    from_browser(chat, type="ask", message="hi", temperature=0.5)
    assert chat.exchanges[-1]["answers"] == {"base": "hi 0.5", "ppo": "HI"}
    assert seen == ["base is answering…", "ppo is answering…", ""]


def test_a_broken_model_is_a_sentence_for_a_person_and_an_error_for_a_program():
    def broken(message, temperature):
        raise ValueError("the message is longer than the context")

    def worse(message, temperature):
        raise ZeroDivisionError("division by zero")

    chat = Chat({"broken": broken, "worse": worse, "fine": lambda m, t: "fine"})
    from_browser(chat, type="ask", message="hi", temperature=1)
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
    from_browser(chat, type="ask", message="ho", temperature=1.5)
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
        from_browser(chat, type="ask", message="a long one", temperature=1)
        refused = {
            "message": "a long one",
            "why": "That message is longer than I can read: about 2.",
        }
        assert seen[-1] == refused and chat.status == ""
        assert [exchange["message"] for exchange in chat.exchanges] == ["hi"]
        chat.unobserve_all()
    from_browser(chat, type="ask", message="ho", temperature=1)
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
