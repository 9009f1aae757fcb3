"""Talking to a model: what each stage does with a message, and how it is streamed."""

from dataclasses import replace

import pytest
import torch

from llmlab import village
from llmlab.checkpoints import Card
from llmlab.filling import fill
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import answer, render_prompt
from llmlab.sampling import complete
from llmlab.talking import (
    ANSWER,
    LEAST_ROOM,
    PAGE,
    SKILLS,
    MessageTooLong,
    Speaker,
    speaker,
)
from llmlab.tokenizer import Tokenizer

TOKENIZER = Tokenizer()


def model(**changes):
    config = GPTConfig(vocab_size=262, context=300, layers=1, heads=1, width=16)
    made = GPT(replace(config, **changes))
    with torch.no_grad():
        for parameter in made.parameters():
            noise = torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(1)
            )
            parameter.add_(0.3 * noise)
    return made


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def uncut(text):
    return text.rpartition(" … (cut at ")[0] or text


def test_an_answer_in_pieces_is_the_answer_of_the_library():
    for temperature in (0.8, 1.5):
        pieces = list(Speaker(model(), TOKENIZER).stream("hi", temperature))
        [whole] = answer(
            model(),
            TOKENIZER,
            ["hi"],
            max_new_tokens=ANSWER,
            temperature=temperature,
            generator=dice(),
        )
        assert (
            len(pieces) > 10 and uncut("".join(word.text for word in pieces)) == whole
        )


def test_a_base_model_goes_on_with_the_message():
    said = speaker(model(), TOKENIZER, Card("base"))("The gull ", 0.9)
    text = complete(
        model(),
        TOKENIZER,
        "The gull ",
        max_new_tokens=PAGE,
        temperature=0.9,
        generator=dice(),
    )
    assert uncut(said) == text.removeprefix("The gull ").strip()


def test_a_masked_model_fills_the_gap():
    masked = model(causal=False)
    said = speaker(masked, TOKENIZER, Card("masked"))("a _ b")
    best, share = fill(masked, TOKENIZER, "a _ b")[0]
    assert said.splitlines()[0] == f"{share:6.1%} {best}" and said.count("\n") == 4
    with pytest.raises(ValueError, match="exactly one _"):
        speaker(masked, TOKENIZER, Card("masked"))("a b")


def test_an_answer_that_the_limit_ends_says_so_and_no_other_does():
    never, at_once = model(), model()
    with torch.no_grad():
        never.output.weight[TOKENIZER.eos_id] = 0
        never.output.weight[100:] *= 3
        at_once.output.weight[:] = 0
        at_once.output.weight[TOKENIZER.eos_id] = 1
    short = Speaker(never, TOKENIZER, limit=5)
    assert short("hi", 0.1).endswith(" … (cut at 5 tokens)")
    assert Speaker(never, TOKENIZER)("hi", 0.1).endswith(f"(cut at {ANSWER} tokens)")
    for limit in (None, 2):  # it ends by itself with its second token
        assert Speaker(at_once, TOKENIZER, limit=limit)("hi", 0.1) == ""


def test_each_word_carries_its_probability_and_the_likeliest_others():
    for temperature, top_k in ((1.5, 3), (0.1, None)):
        one = Speaker(model(), TOKENIZER, limit=9, top_k=top_k)
        ids = render_prompt(TOKENIZER, "hi")
        words = [word for word in one.stream("hi", temperature) if word.choices]
        assert len(words) == 9
        by_name = {TOKENIZER.token_text(token): token for token in range(262)}
        for word in words:
            shares = model()(torch.tensor([ids]))[0, -1].softmax(-1)
            token = by_name[word.choices[0][0]]
            likeliest = shares.topk(5).indices.tolist()
            others = [other for other in likeliest if other != token][:4]
            expected = [(TOKENIZER.token_text(i), shares[i]) for i in (token, *others)]
            assert [name for name, _ in word.choices] == [name for name, _ in expected]
            for (_, share), (_, true) in zip(word.choices, expected, strict=True):
                assert abs(share - true) < 1e-4
            if temperature == 0.1:
                assert token == likeliest[0]
            ids.append(token)


def test_earlier_turns_are_read_and_change_the_answer_of_who_answers_alone():
    earlier = [("a", "b"), ("c", "d")]
    assert Speaker(model(), TOKENIZER).check("e", earlier)[0] == render_prompt(
        TOKENIZER, "e", earlier
    )
    for answers, told in ((True, True), (False, False)):
        one, other = (Speaker(model(), TOKENIZER, answers) for _ in range(2))
        assert (one("e", 0.5) != other("e", 0.5, earlier)) is told


def test_the_oldest_turns_that_no_longer_fit_leave_and_one_is_told():
    one = Speaker(model(), TOKENIZER, limit=5)  # its context holds 300 bytes
    turn = ("q" * 30, "a" * 27)  # 60 ids with its three marks
    for turns, left_out in ((2, 0), (3, 1), (5, 3)):
        prompt, _, left = one.check("hi", [turn] * turns)
        assert left == left_out
        assert prompt == render_prompt(TOKENIZER, "hi", [turn] * (turns - left_out))
    said = [next(one.stream("hi", 0.5, [turn] * turns)) for turns in (3, 5)]
    assert said == [
        ("(1 earlier turn no longer fits) ", ()),
        ("(3 earlier turns no longer fit) ", ()),
    ]
    assert "no longer" not in one("hi", 0.5, [turn] * 2)
    # A long message is answered alone rather than refused.
    assert one.check("x" * 200, [turn])[2] == 1


@pytest.mark.parametrize("message", ["שלום, חתול", "le chat a été né", "🐈🐈‍⬛"])
def test_any_script_is_read_byte_by_byte_and_every_byte_of_an_answer_is_shown(message):
    one = Speaker(model(), TOKENIZER)
    assert TOKENIZER.decode(one.check(message)[0]) == message
    words = list(one.stream(message, 1.5))
    assert len([word for word in words if word.choices]) > 1


def test_a_message_sent_again_is_answered_anew_unless_it_is_cold():
    one = Speaker(model(), TOKENIZER)
    assert one("hi", 1.0) != one("hi", 1.0)
    assert one("hi", 0.1) == one("hi", 0.1)
    assert Speaker(model(), TOKENIZER)("hi", 1.0) == Speaker(
        model(), TOKENIZER, dice=dice()
    )("hi", 1.0)


def test_a_message_too_long_is_refused_in_one_sentence_and_what_it_promises_fits():
    one = Speaker(model(), TOKENIZER)
    with pytest.raises(MessageTooLong) as told:
        one("gull " * 100)
    words = int(str(told.value).split("about ")[1].split()[0])
    assert str(told.value) == (
        f"That message is longer than I can read: about {words} words. Shorten it."
    )
    one("gull " * words, 0.1)
    assert one.check("gull " * words)[1] >= LEAST_ROOM
    with pytest.raises(MessageTooLong):
        one("gull " * (words + 2))
    with pytest.raises(MessageTooLong, match=r"about \d+ letters\."):
        one("x" * 1000)
    with pytest.raises(ValueError, match="the message is empty"):
        one(" \n")


def test_who_is_who_tells_of_everybody_which_animal_and_what_work():
    rows = village.who_is_who()
    assert len(rows) == 32
    tilda = {"name": "Tilda", "animal": "quick brown fox", "work": "letter carrier"}
    assert rows[0] == tilda


def test_there_is_a_message_for_each_task_that_was_trained_and_a_follow_up():
    assert len(SKILLS.keys() - {"Follow-up"}) == len(village.TASKS)
