"""Instructions: right answers score, wrong ones do not, tests ask something new."""

import dataclasses

import pytest

from llmlab import village
from llmlab.village import french, support, world
from llmlab.village.tasks import TASKS


def examples(task, split="train", count=200):
    return village.instructions(count, seed=0, split=split, task=task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_given_answer_is_right(task, split):
    for example in examples(task, split):
        assert village.score_answer(example, example.answer)["right"] == 1, example


@pytest.mark.parametrize("task", TASKS)
def test_an_answer_to_another_prompt_is_wrong(task):
    found = examples(task, count=60)
    for example, other in zip(found, found[1:], strict=False):
        if example.facts != other.facts:
            assert village.score_answer(example, other.answer)["right"] == 0


@pytest.mark.parametrize("task", TASKS)
def test_no_answer_and_a_cut_answer_are_wrong(task):
    for example in examples(task, count=60):
        assert village.score_answer(example, "")["right"] == 0
        cut = example.answer[: len(example.answer) // 2]
        assert village.score_answer(example, cut)["right"] == 0


@pytest.mark.parametrize("task", TASKS)
def test_the_prompt_is_no_answer(task):
    for example in examples(task, count=60):
        assert village.score_answer(example, example.prompt)["right"] == 0


def test_prompts_and_answers_fit_the_context_together():
    for task in TASKS:
        for example in examples(task):
            words = len(f"{example.prompt} {example.answer}".split())
            assert words <= 130


def test_no_sentence_of_an_article_is_its_summary():
    for example in examples("summarise"):
        article = example.prompt.removeprefix("Summarise: ")
        for sentence in article.split(". "):
            answer = sentence.rstrip(".") + "."
            assert village.score_answer(example, answer)["right"] == 0


def test_a_summary_that_names_the_witness_is_wrong():
    example = examples("summarise", count=1)[0]
    people = world.load().people
    witness = next(
        name
        for name in people
        if name in example.prompt and name != example.facts["who"]
    )
    answer = example.answer.replace(
        example.facts["who"], f"{example.facts['who']} and {witness}", 1
    )
    assert village.score_answer(example, answer)["right"] == 0


def test_translation_wants_every_accent_and_ending():
    example = dataclasses.replace(
        examples("translate", count=1)[0], facts={"french": "la vieille étoile"}
    )
    assert village.score_answer(example, " la vieille  étoile. ")["right"] == 1
    for wrong in (
        "la vieille etoile",
        "le vieille étoile",
        "la vieil étoile",
        "la vieille étoile rouge",
    ):
        assert village.score_answer(example, wrong)["right"] == 0


def test_translations_of_the_test_split_use_a_held_out_combination():
    train = {example.prompt for example in examples("translate", count=3000)}
    test = [example.prompt for example in examples("translate", "test", 300)]
    assert not train & set(test)
    pairs = {
        f"{adjective.english} {noun.english[0]}"
        for noun in french.load().nouns
        for adjective in french.adjectives_for(noun, held_out=True)
    }
    assert not any(pair in prompt for pair in pairs for prompt in train)


def test_questions_of_the_test_split_are_worded_anew():
    train = {example.prompt for example in examples("support", count=3000)}
    test = {example.prompt for example in examples("support", "test", 300)}
    assert not train & test
    assert {e.facts["intent"] for e in examples("support", "test", 300)} == {
        intent.name for intent in support.load()
    }


def test_the_password_is_the_first_intent():
    assert support.load()[0].questions[0] == "How can I reset my password?"


def test_story_prompts_of_the_test_split_are_new_combinations():
    train = set(village.story_prompts(3000, seed=0, split="train"))
    test = set(village.story_prompts(300, seed=0, split="test"))
    assert not train & test


def test_training_stories_are_mostly_dry_but_not_all_alike():
    scores = [
        village.score_answer(example, example.answer)["gold"]
        for example in examples("story", count=400)
    ]
    mean = sum(scores) / len(scores)
    deviation = (sum((s - mean) ** 2 for s in scores) / len(scores)) ** 0.5
    assert 3.0 < mean < 4.5
    assert deviation > 0.6


def test_a_wrong_request_is_refused():
    with pytest.raises(ValueError, match="task"):
        village.instructions(1, seed=0, split="train", task="poem")
    with pytest.raises(ValueError, match="split"):
        village.instructions(1, seed=0, split="dev")
    with pytest.raises(ValueError, match="task"):
        village.score_answer(village.Instruction("poem", "", ""), "")
