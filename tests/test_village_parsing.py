"""Stories are read back: which sentence of which plot, of whom, and what is wrong."""

import random
import time
from dataclasses import replace

import pytest

from llmlab.village import frames, parsing, plotlines, stories, world
from llmlab.village.automaton import Automaton, Lexicon
from llmlab.village.chooser import Chooser, every_derivation
from llmlab.village.frames import Slot
from llmlab.village.simulation import Event

FULL = stories.Style(simile=0.5, line=0.5, senses=0.5, twist=0.5, fact=0.3)

# ---- the automaton, on frames that are small enough to list

NAMES = ("Tilda", "Bruno", "Old Otto")
TINY = (
    "{who} [ran|walked [home|away|]] [fast|]",
    "[then|so|] {who} saw {friend}",
    "{who} saw {friend} [{friend}|{who}|]",
    "[a|] [a|] b [|c d]",
    "the {thing.made} [of|for] {who}",
)
MADE = ("a ", Slot("material"), " lamp")


def tiny_automaton() -> tuple[Automaton, tuple]:
    lexicon = Lexicon(parsing.tokenize)
    lexicon.add("name", NAMES)
    lexicon.add("material", ("tin", "old tin"))
    automaton = Automaton(
        lexicon,
        parsing.tokenize,
        lambda slot: "name" if slot in ("who", "friend") else slot,
        lambda slot: MADE if slot == "thing.made" else None,
    )
    parsed = tuple(map(frames.parse, TINY))
    for number, frame in enumerate(parsed):
        automaton.add(frame, number)
    automaton.close()
    return automaton, parsed


def every_tiny_text(frame) -> set[str]:
    names, made = frames.Choice(NAMES), frames.Choice(("a tin lamp", "a old tin lamp"))
    slots = {"who": names, "friend": names, "thing.made": made}
    found = every_derivation(lambda c: frames.expand(frame, slots, c))
    return {" ".join(parsing.tokenize(text)) for text, _ in found}


def test_the_automaton_reads_exactly_what_the_frames_can_say():
    automaton, parsed = tiny_automaton()
    texts = [every_tiny_text(frame) for frame in parsed]
    for text in set().union(*texts):
        tags = {parse.tag for parse in automaton.parses(text.split(), {})}
        assert tags == {n for n, said in enumerate(texts) if text in said}, text


def test_the_automaton_reads_nothing_else():
    automaton, parsed = tiny_automaton()
    texts = set().union(*map(every_tiny_text, parsed))
    words = sorted({word for text in texts for word in text.split()})
    generator = random.Random(0)
    for text in sorted(texts):
        changed = text.split()
        place = generator.randrange(len(changed) + 1)
        changed[place : place + generator.randrange(2)] = [generator.choice(words)]
        assert bool(automaton.parses(changed, {})) == (" ".join(changed) in texts)
    for text in ("", "Tilda", "<name> saw <name>", "a " * 500):
        assert not automaton.parses(parsing.tokenize(text), {})


def test_the_automaton_tells_what_fills_each_slot():
    automaton, _ = tiny_automaton()
    expected = {"who": frozenset({"tilda"}), "friend": frozenset({"old otto"})}
    (parse,) = (
        parse
        for parse in automaton.parses("tilda saw old otto bruno".split(), expected)
        if parse.tag == 2
    )
    assert [f.text for f in parse.fillings] == ["tilda", "old otto", "bruno"]
    assert [f.text for f in parse.wrong] == ["bruno"]


def test_the_automaton_finds_the_reading_with_fewest_contradictions():
    automaton, _ = tiny_automaton()
    expected = {"who": frozenset({"tilda"}), "friend": frozenset({"bruno"})}
    for last, slot in (("tilda", "who"), ("bruno", "friend")):
        tokens = f"tilda saw bruno {last}".split()
        (parse,) = (p for p in automaton.parses(tokens, expected) if p.tag == 2)
        assert not parse.wrong and parse.fillings[-1].slot == slot


def test_the_pairs_of_words_are_those_of_all_sentences():
    automaton, parsed = tiny_automaton()
    pairs = set()
    for text in set().union(*map(every_tiny_text, parsed)):
        words = text.split()
        pairs.update(zip((None, *words), words, strict=False))
    assert pairs <= automaton.word_pairs()
    assert (None, "saw") not in automaton.word_pairs()
    assert ("saw", "fast") not in automaton.word_pairs()


# ---- stories


def an_event(plot: str = "lost") -> Event:
    village = world.load()
    return Event(
        plotlines.load().plots[plot].schema,
        village.people["Tilda"],
        village.people["Otto"],
        village.things["lantern"],
        village.places["mill"],
        "Friday",
        "evening",
        "rainy",
    )


def told(count: int):
    """(prompt, event, story)"""
    for number in range(count):
        chooser = Chooser("reading", number)
        prompt, event = stories.draw_request(chooser, "train")
        yield prompt, event, stories.tell(event, FULL, chooser)


def test_nearly_every_sentence_of_every_story_is_read_without_a_contradiction():
    sentences = unread = 0
    for prompt, event, text in told(2000):
        story = parsing.parse_story(prompt, text)
        assert story.plot == event.schema.name
        assert not [s for s in story.sentences if s.contradictions], text
        sentences += len(story.sentences)
        unread += sum(s.meaning is None for s in story.sentences)
    assert unread <= 0.001 * sentences


def test_a_story_says_when_it_happens_and_in_what_weather():
    for prompt, event, text in told(200):
        subject = parsing.parse_story(prompt, text).subject
        assert (subject.who, subject.friend) == (event.who.name, event.friend.name)
        assert (subject.thing, subject.place) == (event.thing.name, event.place.name)
        assert (subject.day, subject.time) == (event.day, event.time)
        assert subject.weather == event.weather


def test_a_sentence_is_what_the_teller_meant():
    event = an_event()
    plot = stories.plot_of(event)
    for beat_number, beat in enumerate(plot.beats):
        for kind, listed in (("beat", beat.says), ("line", beat.lines)):
            for number, frame in enumerate(listed):
                text = frames.expand(frame, event.slots(), Chooser("meant", number))
                story = parsing.parse_story(stories.request(event), text)
                meaning = story.sentences[0].meaning
                assert (meaning.kind, meaning.plot) == (kind, "lost")
                assert (meaning.beat, meaning.frame) == (beat_number, number)


# What is changed in stories about Tilda, Otto, a lantern and the mill.
CHANGES = {
    "who": ("Tilda", "Wilma"),
    "friend": ("Otto", "Bruno"),
    "thing": ("lantern", "kettle"),
    "material": ("brass lantern", "silver lantern"),
    "colour": ("was yellow", "was green"),
    "place": ("the mill", "the inn"),
    "species": ("Tilda, a fox", "Tilda, a raven"),
    "trade": ("Otto was the ferry captain", "Otto was the baker"),
    "spot": ("behind the corn sacks", "between two dictionaries"),
    "like": ("plum jam", "old songs"),
    "wish": ("see the end of every road", "read every book twice"),
    "fear": ("closed doors", "damp paper"),
    "home": ("at the harbour", "at the mill"),
    "kin": ("Lars", "Agnes"),
    "owner": ("Bruno had the finest", "Agnes had the finest"),
    "mark": ("four white sails", "ninety steps"),
    "weather": ("drummed on the roofs", "lay on every roof"),
    "pronoun": ("and she", "and he"),
}


@pytest.fixture(scope="module")
def many_tellings() -> list[str]:
    """Tellings of one cast that between them say nearly everything of it."""
    wordy = replace(FULL, fact=0.7)
    return [
        stories.tell(an_event(plot), wordy, Chooser("many", plot, number))
        for plot, known in plotlines.load().plots.items()
        if known.schema.fits(world.load().things["lantern"])
        for number in range(80)
    ]


@pytest.mark.parametrize("what", CHANGES)
def test_a_wrong_word_is_found_wherever_it_stands(what, many_tellings):
    old, new = CHANGES[what]
    prompt = stories.request(an_event())
    tried = found = 0
    for text in many_tellings:
        # Only what the story says after it has told its day and weather.
        first, _, rest = text.partition(". ")
        if old in rest and tried < 200:
            tried += 1
            story = parsing.parse_story(prompt, f"{first}. {rest.replace(old, new, 1)}")
            found += any(s.contradictions or not s.meaning for s in story.sentences)
    assert tried >= 5, f"{old!r} is hardly ever said now: change something else"
    assert found >= 0.9 * tried, (tried, found)


def test_the_reader_says_what_is_wrong():
    event = an_event()
    text = stories.tell(event, FULL, Chooser("said", 1)).replace("Otto", "Bruno")
    story = parsing.parse_story(stories.request(event), text)
    wrong = [f for s in story.sentences for f in s.contradictions]
    assert wrong and {(f.slot, f.text) for f in wrong} == {("friend", "bruno")}
    assert all(f.expected == {"otto"} for f in wrong)


@pytest.mark.parametrize(
    "text",
    ["", ".", "Tilda", "tilda the the the", "{who} <name> [a|b]", "\x00", '"""', "é."],
)
def test_any_text_can_be_read(text):
    story = parsing.parse_story(stories.request(an_event()), text)
    assert all(sentence.meaning is None for sentence in story.sentences)
    parsing.parse_story(text, stories.tell(an_event(), FULL, Chooser("any")))


def test_reading_is_fast():
    begin = time.process_time()
    parsing.grammar.cache_clear()
    parsing.grammar()
    parsing.word_pairs()
    assert time.process_time() - begin < 2.0
    read = list(told(600))
    begin = time.process_time()
    for prompt, _, text in read:
        parsing.parse_story(prompt, text)
    assert len(read) / (time.process_time() - begin) > 300
