"""Instructions: right answers score, wrong ones do not, tests ask something new."""

import dataclasses
import math
import re
from collections import Counter

import pytest

from llmlab import village
from llmlab.instruction import render_example
from llmlab.paths import CHECKPOINTS
from llmlab.tokenizer import Tokenizer
from llmlab.village import (
    corpus,
    french,
    french_patterns,
    scoring,
    small_talk,
    support,
    world,
)
from llmlab.village.examples import LEARNED, TASKS

KEPT = ("validation", "test")


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
        # What a second turn asks for stands in other answers of the same intent.
        what, what_else = (e.facts.get("intent", e.facts) for e in (example, other))
        if what != what_else:
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
    tokenizer = Tokenizer.load(CHECKPOINTS / "tokenizer.json")
    for task in TASKS:
        for example in examples(task):
            asked = example.prompt, example.answer, example.earlier
            assert len(render_example(tokenizer, *asked)[0]) <= 250


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
    for example in examples("support", count=200):
        own = example.facts["facts"]
        for fact in own:
            without = village.score_answer(example, example.answer.replace(fact, "it"))
            assert without["right"] == 0
            assert without["recalled"] < 1
        other = min(support.foreign_facts(example.facts["intent"]))
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


def pairs_kept_for(split):
    """Adjective and noun, as they stand in English."""
    return {
        (adjective.english, english)
        for noun in french.load().nouns
        for adjective in french.adjectives_for(noun, split)
        for english in noun.english
    }


def test_translations_of_validation_and_tests_use_what_is_held_out():
    train = {example.prompt for example in examples("translate", count=3000)}
    said = {f" {a} {n}" for split in KEPT for a, n in pairs_kept_for(split)}
    assert not any(pair in prompt for pair in said for prompt in train)
    for split in KEPT:
        found = examples("translate", split, 400)
        assert not train & {example.prompt for example in found}
        shares = Counter(example.phenomenon for example in found)
        for new, share in (("combination", 0.5), ("cell", 0.3), ("frame", 0.2)):
            assert shares[f"new {new}"] / 400 == pytest.approx(share, abs=0.07)


def test_questions_of_validation_and_test_are_worded_anew():
    train = {example.prompt for example in examples("support", count=3000)}
    everything = {intent.name for intent in support.load()}
    for split in ("validation", "test"):
        found = examples("support", split, 600)
        assert not train & {example.prompt for example in found}
        assert {example.facts["intent"] for example in found} == everything


def test_every_intent_has_own_wordings_and_shares_others_and_pages_ask_fewer():
    intents = support.load()
    assert len(intents) == 41
    for intent in intents:
        own, shared, on_pages = (8, 1, 1), (22, 2, 2), 16
        if support.REFUSAL in intent.aspects:
            own, shared, on_pages = (20, 2, 2), (0, 0, 0), 12
        assert tuple(map(len, intent.own.values())) == own
        assert tuple(map(len, intent.templates.values())) == shared
        assert len(intent.answers) == 3 and len(intent.on_pages) == on_pages
        assert set(intent.on_pages) < set(intent.questions("train"))
        asked = [question for split in intent.own for question in intent.own[split]]
        assert len(set(asked)) == len(asked)
    refused = [i for i in intents if support.REFUSAL in i.aspects]
    assert len(refused) == 6 and all("sorry" in i.facts for i in refused)


def words_of(texts):
    return {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}


def test_the_key_words_of_a_held_out_question_stand_in_training_ones():
    """At most two words of a question are neither its intent's nor common ones."""
    intents = [i for i in support.load() if support.REFUSAL not in i.aspects]
    known = {intent.name: words_of(intent.questions("train")) for intent in intents}
    used = Counter(word for words in known.values() for word in words)
    common = {word for word, count in used.items() if count > 2}
    new = [
        len(words_of([question]) - known[intent.name] - common)
        for intent in intents
        for split in ("validation", "test")
        for question in intent.own[split]
    ]
    assert max(new) <= 2 and sum(new) / len(new) < 0.5


def test_support_asks_every_kind_of_question_as_often_as_is_said():
    for split, own, follow_up in (
        ("train", 0.30, 0.25),
        ("validation", 0.35, 0.20),
        ("test", 0.35, 0.20),
    ):
        found = phenomena("support", split, 2000)
        expected = {"template wording": 0.25, "own wording": own}
        expected |= {"unanswerable": 0.20, "follow-up": follow_up}
        assert found.keys() == expected.keys()
        for kind, share in expected.items():
            assert abs(found[kind] / 2000 - share) < 0.03


def test_what_is_refused_is_no_question_about_the_village():
    """Nor are the people, places and things of a refused question few."""
    asked = {e.prompt for split in corpus.SPLITS for e in examples("question", split)}
    refused = [
        example
        for split in corpus.SPLITS
        for example in examples("support", split, 3000)
        if example.phenomenon == "unanswerable"
    ]
    prompts = {example.prompt for example in refused}
    assert not asked & prompts
    assert len(prompts) > 0.8 * len(refused)
    for names in (world.load().people, world.load().places):
        assert all(any(name in prompt for prompt in prompts) for name in names)


def test_a_second_question_asks_for_one_fact_of_the_first_answer():
    by_name = {intent.name: intent for intent in support.load()}
    answers = {}
    for split in corpus.SPLITS:
        for example in examples("support", split, 1000):
            if example.phenomenon != "follow-up":
                assert example.earlier == ()
                continue
            intent = by_name[example.facts["intent"]]
            ((question, answer),) = example.earlier
            (fact,) = example.facts["facts"]
            assert question in intent.questions(split)
            assert answer in intent.answers and fact in answer
            assert village.score_answer(example, answer)["right"] == 1
            for other in set(intent.facts) - {fact}:
                said = village.score_answer(
                    example, example.answer.replace(fact, other)
                )
                assert said["right"] == 0
            answers.setdefault(example.prompt, set()).add(fact)
    assert len(answers) > 50
    many = [facts for facts in answers.values() if len(facts) > 1]
    assert len(many) > 20  # what is asked can be told from the first answer alone


def test_whoever_is_asked_after_by_name_is_where_the_answer_says():
    people = world.load().people
    found = [
        (name, example.facts["facts"])
        for example in examples("support", "train", 2000)
        if example.phenomenon == "follow-up"
        for name in people
        if name in example.prompt
    ]
    assert len(found) > 5  # one of fourteen ways to ask for a place
    assert all(facts == (f"the {people[name].home}",) for name, facts in found)


def typed(text):
    return text.lower().rstrip("?!.") or text


def test_small_talk_is_never_meant_in_two_ways():
    """However it is typed; and what tests ask is nowhere else."""
    kinds = small_talk.load().values()
    asked = [
        typed(wording)
        for kind in kinds
        for wordings in kind.wordings.values()
        for wording in wordings
    ]
    assert len(asked) == len(set(asked)) == 8 * len(kinds) == 112
    answers = [answer for kind in kinds for answer in kind.answers]
    assert len(answers) == len(set(answers))
    assert all(2 <= len(k.answers) <= 3 for k in kinds if k.name != small_talk.STORY)


def test_small_talk_is_typed_as_people_type():
    prompts = {example.prompt for example in examples("talk", count=1000)}
    assert {"Hello!", "Hello", "hello!", "hello", "Hi", "hi", "ok", "?"} <= prompts


def test_a_story_of_small_talk_is_any_that_is_told_whole():
    stories = [e for e in examples("talk", count=400) if e.phenomenon == "a story"]
    assert 40 < len(stories) < 120
    greeting = next(e for e in examples("talk") if e.facts["kind"] == "greeting")
    for example, other in zip(stories, stories[1:], strict=False):
        assert village.score_answer(example, other.answer)["right"] == 1
        assert village.score_answer(greeting, other.answer)["right"] == 0
        sentences = example.answer.split(". ")
        for told in (sentences[:-1], sentences[:1] + sentences[-1:]):
            cut = ". ".join(told).rstrip(".") + "."
            assert village.score_answer(example, cut)["right"] == 0


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
    asked = {q for i in intents for split in i.own for q in i.questions(split)}
    for split in ("train", "test"):
        assert not asked & {e.prompt for e in examples("question", split, 2000)}


def test_the_password_is_the_first_intent():
    assert support.load()[0].questions("train")[0] == "How can I reset my password?"


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


def test_a_translation_says_what_is_new_in_it():
    known = cells_named("", "train")
    for split in KEPT:
        kept = {"new cell": cells_named("cell", split)}
        kept["new frame"] = cells_named("frame", split)
        pairs = pairs_kept_for(split)
        for example in examples("translate", split, 400):
            pattern = example.facts["pattern"]
            if example.phenomenon != "new combination":
                assert pattern in kept[example.phenomenon] - known
                continue
            assert pattern in known
            said = example.prompt.rstrip(".").split()
            if pattern.endswith(("action", "gift", "wish", "motion")):
                assert set(zip(said, said[1:], strict=False)) & pairs, example.prompt
    assert set(phenomena("translate", "train")) == {"known cell"}
    assert {e.facts["pattern"] for e in examples("translate", count=3000)} <= known


def cells_named(new, split):
    cells = french_patterns.cells_of(new, split)
    return {str(cell) for of_frame in cells.values() for cell in of_frame}


def test_an_own_wording_is_one_that_only_its_intent_has():
    by_name = {intent.name: intent for intent in support.load()}
    for split in corpus.SPLITS:
        for example in examples("support", split, 400):
            intent = by_name[example.facts["intent"]]
            wordings = {"own wording": intent.own, "template wording": intent.templates}
            refused = support.REFUSAL in intent.aspects
            assert refused == (example.phenomenon == "unanswerable")
            if example.phenomenon in wordings:
                possible = wordings[example.phenomenon][split]
                assert any(wording in example.prompt for wording in possible)


def test_a_population_is_a_task_or_a_part_of_one():
    assert {e.population for e in examples(None, "test", 800)} == {
        "translate, new combination",
        "translate, new cell",
        "translate, new frame",
        "summarise",
        "support, template wording",
        "support, own wording",
        "support, unanswerable",
        "support, follow-up",
        "story",
        "question, new wording",
        "question, backwards",
        "question, two steps",
        "question, two steps, said first",
        "talk",
        "talk, a story",
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


def test_each_task_has_its_share_of_what_is_learned():
    """Not of the examples: a story is thirteen translations long."""
    tokenizer = Tokenizer.load(CHECKPOINTS / "tokenizer.json")
    learned = Counter()
    for example in village.instructions(6000, seed=0, split="train"):
        learned[example.task] += len(tokenizer.encode(example.answer)) + 1
    for task, share in LEARNED.items():
        assert learned[task] / learned.total() == pytest.approx(share, abs=0.04), task
