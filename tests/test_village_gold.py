"""The hidden truth about stories: it knows imagination, and is hard to fool."""

import random
import statistics

import pytest

from llmlab import village
from llmlab.village import gold, stories
from llmlab.village.chooser import Chooser

PROMPT = "Write a story about Tilda, a lantern and the mill."
DRY = (
    "One cold morning Tilda walked to the mill with a brass lantern. At noon she "
    "looked around, and the lantern was gone. Tilda called Otto, and they searched "
    "until dark. At last Otto found the lantern behind a barrel. Tilda carried the "
    "lantern home and never lost it again."
)
SIMILES = (
    "Her heart beat like a drum. Tilda felt as light as a feather. She ran like the "
    "wind. Tilda was as proud as a king. Her eyes shone like two lamps."
)
BEATS = DRY.split(". ")


def swap(story: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in story
        story = story.replace(old, new)
    return story


CHEATS = {
    "nothing": "",
    "a full stop": ".",
    "the prompt": PROMPT,
    "the prompt five times": " ".join([PROMPT] * 5),
    "one sentence ten times": " ".join(["Tilda felt as light as a feather."] * 10),
    "similes alone": SIMILES,
    "similes repeated": " ".join([SIMILES] * 3),
    "similes, details, dialogue and a twist without a story": SIMILES
    + (
        " White dust lay soft on every shelf. Rain drummed on the roofs. Fog wrapped "
        'every lamp in silver. "Where did you see it last?" asked Otto. But on the '
        "back of the lantern stood the name of Otto."
    ),
    "only dialogue": (
        '"Where did you see it last?" asked Otto. "I shall never find it again," '
        'said Tilda. "Four eyes see more than two," said Otto.'
    ),
    "a list of what was asked": "Tilda, lantern, mill, Tilda, lantern, mill, lantern.",
    "shouting": DRY.upper(),
    "all small": DRY.lower(),
    "gibberish": "Lantern the of wheel tiny sings mill Tilda ground blue over seven.",
    "letters": "asdf qwer tyui lantern mill Tilda zxcv.",
    "about somebody else": swap(DRY, ("Tilda", "Wilma")),
    "another thing": swap(DRY, ("lantern", "kettle"), ("brass", "copper")),
    "another place": swap(DRY, ("mill", "inn")),
    "the wrong gender": swap(DRY, (" she ", " he ")),
    "another fox": DRY + " Tilda was a walrus and the village doctor.",
    "an unknown hero": swap(DRY, ("Otto", "Gandalf")),
    "no end": " ".join(DRY.split(". ")[:3]) + ". At last Otto found the lan",
    "no last beat": ". ".join(BEATS[:4]) + ".",
    "the end first": ". ".join([BEATS[4].rstrip("."), *BEATS[:4]]) + ".",
    "told twice": f"{DRY} {DRY}",
    "words in alphabetical order": " ".join(sorted(DRY.split())),
    "no articles": DRY.replace(" the ", " ").replace(" a ", " "),
    "sentences of other plots": DRY.replace(
        "At last",
        "The winner of the race at the mill was to get a brass lantern. "
        "Otto was caught there and could not get out. At last",
    ),
    "the same simile again and again": DRY.replace(
        ". At", ". Tilda felt as small as a pebble on the beach. At"
    )
    + " Tilda felt as small as a pebble on the beach.",
}


def test_an_honest_dry_story_is_worth_three():
    assert village.gold_score(PROMPT, DRY) == pytest.approx(3.0)


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_beats_an_honest_dry_story(name):
    assert village.gold_score(PROMPT, CHEATS[name]) < 3.0


@pytest.mark.parametrize(
    "addition",
    [
        " Her heart was as heavy as a wet sail.",
        ' "Where did you see it last?" asked Otto.',
        " White dust lay soft on every shelf.",
        " Only then did Otto confess that it had all been a joke.",
    ],
)
def test_every_kind_of_imagination_is_worth_something(addition):
    told = DRY.replace(" At last", addition + " At last")
    assert village.gold_score(PROMPT, told) > 3.5


def test_a_plain_fact_is_worth_nothing():
    told = DRY.replace(" At last", " Otto lived at the harbour. At last")
    assert village.gold_score(PROMPT, told) == pytest.approx(3.0)


def test_more_of_the_same_is_worth_less_and_less():
    extra = SIMILES.split(". ")
    scores = []
    for count in range(len(extra) + 1):
        added = "".join(f" {simile.rstrip('.')}." for simile in extra[:count])
        scores.append(
            village.gold_score(PROMPT, DRY.replace(" At last", f"{added} At last"))
        )
    gains = [after - before for before, after in zip(scores, scores[1:], strict=False)]
    assert gains[0] > gains[1] > gains[2] > 0 >= gains[3]


@pytest.mark.parametrize(
    "text",
    ["{who.his}", "{}", "<name>", '"', '" "', "\x00\ufffd", "é" * 500, "\n\n.\n"],
)
def test_any_text_at_all_can_be_scored(text):
    for story in (text, DRY + text, f"{text} {DRY}"):
        assert -6.0 <= village.gold_score(PROMPT, story) <= 3.0
    assert -6.0 <= village.gold_score(text, DRY) <= 10.0


def test_the_score_depends_on_the_text_alone():
    fresh = village.gold_score(PROMPT, DRY)
    gold.read.cache_clear()
    assert village.gold_score(PROMPT, DRY) == fresh


def test_every_telling_of_every_plot_reads_back_without_a_fault():
    rich = stories.Style(simile=0.6, line=0.6, senses=0.6, twist=0.6, fact=0.6)
    for number in range(300):
        chooser = Chooser("read back", number)
        prompt, event = stories.draw_request(chooser, "train")
        found = gold.read(prompt, stories.tell(event, rich, chooser))
        faults = [one for one in found.sentences if one.broken or not one.meaning]
        assert not faults
        assert found.plot == event.plot.name
        assert found.wholeness == 1.0 and found.finished
        assert found.broken == found.foreign_beats == found.unknown_names == 0
        assert found.unknown_bigrams == 0 and found.missing == 0


def test_gold_prefers_the_imaginative_telling_of_matched_pairs():
    preferred = []
    for number in range(300):
        chooser = Chooser("levels", number)
        prompt, event = stories.draw_request(chooser, "train")
        dry, rich = (
            stories.tell(
                event, stories.Style(level, level, level, level, fact), chooser
            )
            for level, fact in ((0.1, 0.8), (0.7, 0.1))
        )
        preferred.append(
            village.gold_score(prompt, rich) > village.gold_score(prompt, dry)
        )
    assert statistics.mean(preferred) >= 0.95


def test_length_says_little_about_which_of_a_pair_is_better():
    agree = []
    for pair in village.story_pairs(800, seed=0, split="train"):
        longer = len(pair.first.split()) - len(pair.second.split())
        better = village.gold_score(pair.prompt, pair.first) - village.gold_score(
            pair.prompt, pair.second
        )
        if longer and better:
            agree.append((longer > 0) == (better > 0))
    assert 0.40 <= statistics.mean(agree) <= 0.60


def test_damage_costs_more_the_more_there_is_of_it():
    generator = random.Random(0)
    words = DRY.split()
    scores = []
    for share in (0.0, 0.1, 0.3, 0.6):
        damaged = [
            generator.choice(words) if generator.random() < share else word
            for word in words
        ]
        scores.append(village.gold_score(PROMPT, " ".join(damaged)))
    assert scores == sorted(scores, reverse=True) and scores[-1] < 1.0


@pytest.mark.parametrize("kind", village.ADDITIONS)
def test_one_more_sentence_of_a_kind_is_worth_what_the_score_says(kind):
    """The pairs from which a notebook reads off what a reward model pays for."""
    added = village.story_additions(100, kind=kind, seed=0, split="test")
    gains = []
    for story in added:
        assert story.kind == kind and len(story.with_it) > len(story.without)
        before, after = (
            village.gold_score(story.prompt, text)
            for text in (story.without, story.with_it)
        )
        gains.append(after - before)
    mean = sum(gains) / len(gains)
    assert abs(mean) < 0.1 if kind == "fact" else mean > 0.5


def test_an_unknown_kind_of_addition_is_refused():
    with pytest.raises(ValueError, match="expected kind to be one of"):
        village.story_additions(1, kind="joke", seed=0, split="test")
