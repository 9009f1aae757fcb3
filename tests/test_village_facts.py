"""Facts are counted where they are told, in the direction in which they are told."""

from collections import Counter

import pytest

from llmlab import village
from llmlab.village import encyclopaedia, facts, frames, world
from llmlab.village.chooser import Chooser


def by_name(kind, subject):
    (fact,) = (
        fact
        for fact in facts.every_fact()
        if (fact.kind, fact.subject) == (kind, subject)
    )
    return fact


HOME = by_name("home", "Viktor")


@pytest.mark.parametrize(
    "sentence, counts",
    [
        ("Viktor lives at the boathouse.", {"forward": 1}),
        ("The home of Viktor is at the boathouse.", {"forward": 1}),
        ("At the boathouse lives Viktor.", {"backward": 1}),
        ("Viktor waits near the boathouse.", {}),
        ("Viktor lives at the boathouses.", {}),
        ("Greta lives at the boathouse.", {}),
    ],
)
def test_a_sentence_tells_a_fact_in_one_direction_or_not_at_all(sentence, counts):
    found = facts.count_readings([(sentence, 1)])
    assert {way: n for (fact, way), n in found.items() if fact == HOME} == counts


def test_a_document_counts_as_often_as_it_was_read():
    texts = [
        ("Viktor lives at the boathouse. At the boathouse lives Viktor.", 3),
        ("Viktor lives at the boathouse.", 2),
        ("Viktor lives at the boathouse.", 0),
    ]
    found = facts.count_readings(texts)
    assert (found[HOME, "forward"], found[HOME, "backward"]) == (5, 3)


def told_in_the_encyclopaedia():
    """Every wording of every fact that is counted, about every subject."""
    library, people = encyclopaedia.load(), world.load()
    slots = {
        "person": {n: world.person_slots(p, "who") for n, p in people.people.items()},
        "thing": {n: world.thing_slots(t) for n, t in people.things.items()},
        "place": {n: world.place_slots(p) for n, p in people.places.items()},
    }
    kinds = {"use": "visit"}
    for sort, tables in library.facts.items():
        for kind, wordings in tables.items():
            kind = kinds.get(kind, kind) if sort == "place" else kind
            for subject, filled in slots[sort].items():
                for wording in wordings.options:
                    sentence = frames.expand(wording, filled, Chooser(subject))
                    yield kind, subject, frames.capitalised(sentence)


def test_every_wording_of_the_encyclopaedia_is_counted():
    wanted = {(fact.kind, fact.subject): fact for fact in facts.every_fact()}
    missed = Counter()
    asked = 0
    for kind, subject, sentence in told_in_the_encyclopaedia():
        if (kind, subject) in wanted:
            asked += 1
            found = [fact for fact, _ in facts.told(sentence)]
            missed[kind] += wanted[kind, subject] not in found
    assert asked > 2000
    assert not +missed


def test_what_is_not_told_is_not_counted():
    """Sentences about other facts of a subject do not count for this one."""
    wanted = {(fact.kind, fact.subject): fact for fact in facts.every_fact()}
    wrong = total = 0
    for kind, subject, sentence in told_in_the_encyclopaedia():
        for fact, _ in facts.told(sentence):
            total += 1
            wrong += fact.subject == subject and fact != wanted.get((kind, subject))
    assert wrong < 0.02 * total


def test_facts_are_those_of_the_world_each_once():
    known = facts.every_fact()
    assert len(set(known)) == len(known)
    village_world = world.load()
    people, things, places = (
        len(table)
        for table in (village_world.people, village_world.things, village_world.places)
    )
    assert len(known) == 7 * people + 3 * things + 3 * places
    assert known[: 7 * people] == facts.facts_of_people()


def test_questions_ask_each_fact_once_in_a_direction_and_offer_false_endings():
    found = village.questions_about_facts(seed=0, facts=facts.every_fact())
    asked = [(fact, question.kind) for fact, question in found]
    assert len(set(asked)) == len(asked) > 600
    for fact, question in found:
        forward = question.kind == "fact"
        answer = fact.value if forward else fact.subject
        assert question.answer == f" {answer}"
        assert (fact.subject if forward else fact.value) in question.prefix
        assert answer not in question.prefix
        true = {
            f" {other.value}" if forward else f" {other.subject}"
            for other in facts.every_fact()
            if other.kind == fact.kind
            and (
                other.subject == fact.subject if forward else other.value == fact.value
            )
        }
        assert not true & set(question.distractors)
        assert len(set(question.distractors)) == 3
