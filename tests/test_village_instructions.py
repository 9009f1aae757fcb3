"""Instructions: right answers score, wrong ones do not, tests ask something new."""

import dataclasses
import math
from collections import Counter

import pytest

from llmlab import village
from llmlab.village import (
    corpus,
    french,
    french_patterns,
    scoring,
    support,
    world,
)
from llmlab.village.examples import TASKS


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
            assert words <= 145


def test_no_sentence_of_an_article_is_its_summary():
    for example in examples("summarise"):
        article = example.prompt.removeprefix("Summarise: ")
        for sentence in article.split(". "):
            answer = sentence.rstrip(".") + "."
            assert village.score_answer(example, answer)["right"] == 0


def test_a_copied_lead_wins_nothing():
    """The first sentence of an article says too little, whatever the order."""
    recalled = []
    for example in examples("summarise", count=300):
        article = example.prompt.removeprefix("Summarise: ")
        lead = article.split(". ")[0].rstrip(".") + "."
        score = village.score_answer(example, lead)
        assert score["right"] == 0
        recalled.append(score["recalled"])
    assert sum(recalled) / len(recalled) < 0.5


def test_a_summary_that_names_the_witness_is_wrong():
    example, witness = next(
        (example, name)
        for example in examples("summarise", count=50)
        for name in world.load().people
        if name in example.prompt and name != example.facts["who"]
    )
    answer = example.answer.replace(
        example.facts["who"], f"{example.facts['who']} and {witness}", 1
    )
    assert village.score_answer(example, answer)["right"] == 0


@pytest.mark.parametrize("task", ["summarise", "question"])
def test_a_right_sentence_with_another_one_behind_it_is_wrong(task):
    for example in examples(task, count=30):
        for more in (" It is so.", " And so on", "!", ""):
            right = village.score_answer(example, example.answer + more)["right"]
            assert right == (more == "")


def test_an_answer_of_support_holds_all_its_facts_and_no_other_and_ends():
    others = support.every_fact()
    for example in examples("support", count=200):
        own = example.facts["facts"]
        for fact in own:
            without = village.score_answer(example, example.answer.replace(fact, "it"))
            assert without["right"] == 0
            assert without["recalled"] < 1
        other = min(others - set(own))
        assert other not in example.answer
        foreign = village.score_answer(example, f"{other}, {example.answer}")
        assert (foreign["right"], foreign["recalled"]) == (0, 1)
        cut = village.score_answer(example, example.answer.rstrip(".!?"))
        assert (cut["right"], cut["recalled"], cut["invented"]) == (0, 1, 0)


@pytest.mark.parametrize(
    "text, held",
    [
        ("mill", True),
        ("the mill.", True),
        ("(mill)", True),
        ("a mill, a miller", True),
        ("a miller and a mill", True),
        ("miller", False),
        ("windmill", False),
        ("windmills, mills", False),
        ("Mill", False),
        ("", False),
    ],
)
def test_a_phrase_is_held_as_whole_words(text, held):
    assert scoring.contains(text, "mill") == held


def test_a_question_wants_whose_it_is_and_what_it_is():
    for example in examples("question", count=200):
        fact = example.facts["fact"]
        if "link" in example.facts:
            continue
        only_value = village.score_answer(example, f"It is {fact.value}.")
        if fact.name not in fact.value:
            assert (only_value["right"], only_value["recalled"]) == (0, 0.5)
        both = village.score_answer(example, f"Well, {fact.name} and {fact.value}.")
        assert both["right"] == 1


def test_translation_wants_every_accent_and_ending():
    example = dataclasses.replace(
        examples("translate", count=1)[0], facts={"french": "La vieille étoile."}
    )
    assert village.score_answer(example, " La vieille  étoile. ")["right"] == 1
    assert village.score_answer(example, "La vieille étoile")["right"] == 1
    for wrong in (
        "La vieille etoile.",
        "Le vieille étoile.",
        "La vieil étoile.",
        "La vieille étoile rouge.",
    ):
        assert village.score_answer(example, wrong)["right"] == 0


@pytest.mark.parametrize(
    "said, score",
    [
        ("La petit clé est au marché.", "agreement"),
        ("Le petite clé est au marché.", "agreement"),
        ("La petite clé est à le marché.", "contraction"),
        ("La petite clé est près de le marché.", "contraction"),
        ("Je aime la petite clé.", "elision"),
    ],
)
def test_a_wrong_translation_is_told_why(said, score):
    example = dataclasses.replace(
        examples("translate", count=1)[0],
        facts={"french": "La petite clé est au marché."},
    )
    found = village.score_answer(example, said)
    assert found["right"] == 0
    assert [name for name in found if name != "right" and not found[name]] == [score]


def test_translations_of_the_test_split_use_what_is_held_out():
    train = {example.prompt for example in examples("translate", count=3000)}
    test = examples("translate", "test", 300)
    assert not train & {example.prompt for example in test}
    pairs = {
        f"{adjective.english} {noun.english[0]}"
        for noun in french.load().nouns
        for adjective in french.adjectives_for(noun, held_out=True)
    }
    assert not any(f" {pair}" in prompt for pair in pairs for prompt in train)
    patterns = Counter(
        e.facts["pattern"] in french_patterns.HELD_OUT_PATTERNS for e in test
    )
    assert 0.15 < patterns[True] / len(test) < 0.35


def test_questions_of_the_test_split_are_worded_anew():
    train = {example.prompt for example in examples("support", count=3000)}
    test = {example.prompt for example in examples("support", "test", 300)}
    assert not train & test
    assert {e.facts["intent"] for e in examples("support", "test", 300)} == {
        intent.name for intent in support.load()
    }


def test_support_has_40_intents_with_14_wordings_and_3_answers():
    intents = support.load()
    assert len(intents) == 40
    for intent in intents:
        assert len(intent.questions) == 11
        assert len(intent.held_out_questions) == 3
        assert len(intent.answers) == 3
    refused = [i for i in intents if "sorry" in i.facts]
    assert len(refused) == 5


def test_every_trade_that_support_sends_people_to_is_a_fact_of_the_world():
    """Whoever an answer names is named with the right home."""
    people = world.load().people
    for intent in support.load():
        named = [people[fact] for fact in intent.facts if fact in people]
        places = [fact for fact in intent.facts if fact.startswith("the ")]
        places = [p for p in places if p.removeprefix("the ") in world.load().places]
        assert len(named) <= 1
        for place in places:
            assert place == f"the {named[0].home}"


def test_questions_of_support_and_about_the_village_differ():
    intents = support.load()
    asked = {q for i in intents for q in (*i.questions, *i.held_out_questions)}
    for split in ("train", "test"):
        assert not asked & {e.prompt for e in examples("question", split, 2000)}


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
    assert 3.0 < mean < 5.0  # all additions that there is room for earn 6
    assert deviation > 0.5


def test_a_wrong_request_is_refused():
    with pytest.raises(ValueError, match="task"):
        village.instructions(1, seed=0, split="train", task="poem")
    with pytest.raises(ValueError, match="split"):
        village.instructions(1, seed=0, split="dev")
    with pytest.raises(ValueError, match="task"):
        village.score_answer(village.Instruction("poem", "", ""), "")


# ---- what an example tests


def phenomena(task, split, count=400):
    return Counter(e.phenomenon for e in examples(task, split, count))


def test_a_new_combination_is_none_of_training_and_a_new_pattern_is_none_either():
    held_out = {
        (adjective.english, noun)
        for noun in french.load().nouns
        for adjective in french.adjectives_for(noun, held_out=True)
    }
    words = {(a, english) for a, noun in held_out for english in noun.english}
    for example in examples("translate", "test", 400):
        new_pattern = example.facts["pattern"] in french_patterns.HELD_OUT_PATTERNS
        expected = "new pattern" if new_pattern else "new combination"
        assert example.phenomenon == expected
        said = example.prompt.rstrip(".").split()
        if "is" not in said and "are" not in said and not new_pattern:
            assert set(zip(said, said[1:], strict=False)) & words, example.prompt
    for split in ("train", "validation"):
        assert set(phenomena("translate", split)) == {"known pattern"}


def test_an_own_wording_is_one_that_only_its_intent_has():
    by_name = {intent.name: intent for intent in support.load()}
    for split in ("train", "validation", "test"):
        for example in examples("support", split, 400):
            intent = by_name[example.facts["intent"]]
            own = any(wording in example.prompt for wording in intent.own_questions)
            expected = "own wording" if own else "template wording"
            if any("sorry" in answer for answer in intent.answers):
                expected = "unanswerable"
            assert example.phenomenon == expected
        assert len(phenomena("support", split)) == 3


def test_a_population_is_a_task_or_a_part_of_one():
    assert {e.population for e in examples(None, "test", 400)} == {
        "translate, new combination",
        "translate, new pattern",
        "summarise",
        "support, template wording",
        "support, own wording",
        "support, unanswerable",
        "story",
        "question, new wording",
        "question, backwards",
        "question, two steps",
        "question, two steps, said first",
    }


# ---- prompts to choose on, prompts to report


@pytest.mark.parametrize("task", TASKS)
def test_no_prompt_of_validation_is_one_of_the_test_split(task):
    chosen_on = {e.prompt for e in examples(task, "validation", 1000)}
    assert not chosen_on & {e.prompt for e in examples(task, "test", 1000)}


def test_story_prompts_and_pairs_of_the_splits_are_different_ones():
    for draw in (
        lambda **of: village.story_prompts(1000, **of),
        lambda **of: [pair.prompt for pair in village.story_pairs(300, **of)],
        lambda **of: [
            e.prompt for e in village.instructions(500, task="summarise", **of)
        ],
    ):
        drawn = [set(draw(seed=0, split=split)) for split in corpus.SPLITS]
        assert len(set.union(*drawn)) == sum(map(len, drawn))


# ---- a scorer as a reward


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "\n\t",
        "<eos>",
        "é" * 500,
        '"',
        "The the the. " * 90,
        "\udcff",
        "\0",
    ],
)
def test_any_text_gets_a_score(task, text):
    for example in examples(task, "test", 3):
        score = village.score_answer(example, text)
        assert score["right"] == 0
        assert all(math.isfinite(value) for value in score.values())
        assert village.score_answer(example, text) == score


def test_a_story_that_contradicts_itself_has_the_form_and_is_not_consistent():
    """The friend is in the hero's place: "Agnes heard how Agnes sighed"."""
    changed = 0
    for example in examples("story", "test", 60):
        who, friend = example.facts["who"], example.facts["friend"]
        assert village.judge_story(example.prompt, example.answer).consistent
        sentences = example.answer.split(". ")
        at = next((n for n, s in enumerate(sentences[1:-1], 1) if who in s), None)
        if at is None:
            continue
        sentences[at] = sentences[at].replace(who, friend)
        verdict = village.judge_story(example.prompt, ". ".join(sentences))
        changed += verdict.form and not verdict.consistent and not verdict.clean
    assert changed > 20


def test_the_form_needs_its_end_what_was_asked_and_words_in_their_places():
    tried = Counter()
    for example, other in zip(
        examples("story", "test", 20), examples("story", "test", 21)[1:], strict=True
    ):
        sentences = example.answer.split(". ")
        cut = ". ".join(sentences[:-1]) + "."
        words = sentences[1].split()
        muddled = " ".join(sorted(words, key=str.lower, reverse=True))
        for what, prompt, story in (
            ("end", example.prompt, cut),
            ("asked", other.prompt, example.answer),
            ("words", example.prompt, example.answer.replace(sentences[1], muddled)),
        ):
            tried[what] += not village.judge_story(prompt, story).form
    assert tried["end"] == tried["asked"] == 20
    assert tried["words"] >= 18


def test_a_clean_story_has_the_form_and_is_consistent():
    verdicts = [
        village.judge_story(example.prompt, example.answer)
        for example in examples("story", "test", 100)
    ]
    assert all(verdict.form and verdict.consistent for verdict in verdicts)
    assert sum(verdict.clean for verdict in verdicts) >= 90
