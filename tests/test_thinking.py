"""Thinking that pays: what is asked is divided, the end is judged, length is priced."""

from dataclasses import replace

import pytest
import torch

from llmlab import thinking
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import render_prompt
from llmlab.thinking import (
    PARTS,
    PRACTICE,
    Reward,
    inclination,
    is_right,
    mixture,
    one_step,
    practise,
    read,
    say,
    says_why,
    swapped,
    thinks,
    two_steps,
)
from llmlab.tokenizer import Tokenizer

TINY = GPTConfig(vocab_size=262, context=256, layers=1, width=16, heads=2)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer([])


def tiny():
    return GPT(TINY, seed=0)


def combination(puzzle):
    return puzzle.link.kind, puzzle.link.name, puzzle.fact.kind


# Questions


def test_no_combination_of_facts_is_asked_in_two_parts():
    asked = [{combination(puzzle) for puzzle in two_steps(part)} for part in PARTS]
    assert all(asked) and sum(map(len, asked)) == len(set.union(*asked))


def test_the_facts_of_every_combination_are_asked_alone():
    shown = {(puzzle.fact.kind, puzzle.fact.name) for puzzle in one_step("shown")}
    for part in PARTS:
        for puzzle in two_steps(part):
            for fact in (puzzle.link, puzzle.fact):
                assert (fact.kind, fact.name) in shown


def test_wordings_kept_out_are_asked_in_no_other_part():
    prompts = [{puzzle.prompt for puzzle in one_step(part)} for part in PARTS]
    assert not prompts[2] & prompts[0] | prompts[3] & (prompts[0] | prompts[1])


def test_a_thought_leads_from_the_question_to_the_end():
    for puzzle in two_steps("validation"):
        first, second = puzzle.thought
        bare = puzzle.link.value.removeprefix("the ")
        assert bare in first and bare in second and puzzle.end in second
        assert bare not in puzzle.prompt.split()
        assert is_right(puzzle, puzzle.aloud) and says_why(puzzle, puzzle.aloud)
        assert is_right(puzzle, puzzle.direct) and not says_why(puzzle, puzzle.direct)


def test_an_unknown_part_is_refused_in_words():
    for ask in (two_steps, one_step):
        with pytest.raises(ValueError, match="choose one of"):
            ask("train")


# Reading an answer


@pytest.mark.parametrize(
    ("answer", "thought", "end"),
    [
        ("Answer: the mill.", "", "the mill"),
        (" Think: Agnes has it. Answer: the mill.\n", "Agnes has it.", "the mill"),
        ("Think: Answer: the mill.", "", "the mill"),
        ("Answer: the mill. Answer: the bridge.", "", ""),
        ("Think: Answer: the mill. Answer: the bridge.", "", ""),
        ("Answer: the mill", "", ""),
        ("Answer: the mill. Or not.", "", ""),
        ("Agnes has it. Answer: the mill.", "", ""),
        ("Think: Agnes has it.", "", ""),
        ("", "", ""),
    ],
)
def test_an_answer_has_one_end_and_it_is_at_the_end(answer, thought, end):
    assert read(answer) == (thought, end)


def test_a_list_of_all_ends_is_not_right():
    puzzle = two_steps("validation")[0]
    ends = sorted({each.end for each in two_steps("validation")})
    for between in (", ", ". Answer: ", " or "):
        assert not is_right(puzzle, f"Answer: {between.join(ends)}.")
    assert not is_right(puzzle, "Answer: .")


def test_a_changed_thought_leads_to_another_end():
    puzzles = two_steps("validation")
    found = [(puzzle, swapped(puzzle, puzzles)) for puzzle in puzzles]
    found = [(puzzle, *each) for puzzle, each in found if each]
    assert len(found) > len(puzzles) / 2
    for puzzle, begin, other in found:
        assert other.end != puzzle.end and other.fact.kind == puzzle.fact.kind
        assert begin != f"{thinking.THINKS} {puzzle.thought[0]}"
        assert other.link.value.removeprefix("the ") in begin
    assert swapped(puzzles[0], puzzles[:1]) is None


# Tuning


def test_of_the_examples_the_wished_share_thinks(tokenizer):
    examples = mixture(tokenizer, share=0.3, rounds=2, seed=0)
    answers = [
        tokenizer.decode([i for i, own in zip(*each, strict=True) if own])
        for each in examples
    ]
    assert sum(map(thinks, answers)) / len(answers) == pytest.approx(0.3, abs=0.04)
    assert all(read(answer)[1] for answer in answers)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_mixture_without_one_of_its_kinds_is_refused(tokenizer, share):
    with pytest.raises(ValueError, match="no reward can find"):
        mixture(tokenizer, share=share, rounds=1, seed=0)


# What is paid


def paid(tokenizer, puzzles, answers, **how):
    reward = Reward(tokenizer, puzzles, **how)
    prompts = [render_prompt(tokenizer, puzzle.prompt) for puzzle in puzzles]
    responses = [[*tokenizer.encode(each), tokenizer.eos_id] for each in answers]
    return reward, reward(prompts, responses), torch.tensor(list(map(len, responses)))


def test_the_right_end_is_paid_and_each_token_costs(tokenizer):
    two, one = two_steps("rewarded")[0], one_step("rewarded")[0]
    puzzles, answers = [two, two, one], [two.aloud, "Answer: nobody.", one.direct]
    _, free, _ = paid(tokenizer, puzzles, answers)
    assert free.tolist() == [1, 0, 1]
    reward, priced, lengths = paid(tokenizer, puzzles, answers, price=0.01)
    torch.testing.assert_close(priced, free - 0.01 * lengths)
    assert reward.seen == {
        "right, two": 0.5,
        "thinks, two": 0.5,
        "right, one": 1.0,
        "thinks, one": 0.0,
    }


@pytest.mark.parametrize("price", [-0.01, 1.0, float("nan")])
def test_a_price_that_pays_for_length_or_eats_the_reward_is_refused(tokenizer, price):
    with pytest.raises(ValueError, match="price is"):
        Reward(tokenizer, two_steps("rewarded"), price)


@pytest.mark.parametrize("pay", [0.0, 1.0])
def test_a_reward_that_always_or_never_pays_is_silent_and_moves_nothing(tokenizer, pay):
    policy, before = tiny(), tiny()
    settings = replace(
        PRACTICE, steps=1, responses=16, max_new_tokens=5, unfinished_score=None
    )
    practice = two_steps("rewarded")[:8]
    how = dict(judge=lambda puzzle, answer: pay)
    history = practise(policy, tokenizer, practice, settings, **how)
    assert history[0]["silent"] == 1
    for new, old in zip(policy.parameters(), before.parameters(), strict=True):
        assert torch.equal(new, old)


# What the model says


def test_an_answer_begins_as_it_was_told_to(tokenizer):
    model = tiny().requires_grad_(False)
    puzzles = two_steps("validation")[:2]
    said = say(model, tokenizer, puzzles, ["Answer:", "Think:"], max_new_tokens=4)
    assert said[0].startswith("Answer:") and said[1].startswith("Think:")


def test_the_inclination_to_think_is_the_probability_of_the_first_token(tokenizer):
    model = tiny().requires_grad_(False)
    puzzles = two_steps("validation")[:3]
    found = inclination(model, tokenizer, puzzles)
    for puzzle, share in zip(puzzles, found, strict=True):
        prompt = torch.tensor([render_prompt(tokenizer, puzzle.prompt)])
        log_probs = model(prompt).log_softmax(dim=-1)[0, -1]
        assert share == pytest.approx(log_probs[tokenizer.encode("T")[0]].exp())
