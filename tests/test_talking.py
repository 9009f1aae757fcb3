"""Talking to a model: what each stage does with a message, and how it is streamed."""

from dataclasses import replace

import pytest
import torch

from llmlab import village
from llmlab.checkpoints import Card
from llmlab.filling import fill
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import answer
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
        assert len(pieces) > 10 and uncut("".join(pieces)) == whole


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


def test_there_is_a_message_for_each_task_that_was_trained():
    assert len(SKILLS) == len(village.TASKS)
