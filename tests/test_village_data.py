"""A mistake in the village's words is named with file and entry when it is loaded."""

import re
import shutil

import pytest

from llmlab.village import (
    encyclopaedia,
    frames,
    french,
    minimal_pairs,
    news,
    plotlines,
    questions,
    sayings,
    small_talk,
    support,
    websites,
    world,
)
from llmlab.village.world import WorldError

FILES = {
    "people.toml": world.load,
    "places.toml": world.load,
    "things.toml": world.load,
    "stories.toml": plotlines.load,
    "news.toml": news.load,
    "encyclopaedia.toml": encyclopaedia.load,
    "websites.toml": websites.load,
    "sayings.toml": sayings.load,
    "french.toml": french.load,
    "support.toml": support.load,
    "small_talk.toml": small_talk.load,
    "questions.toml": questions.load,
    "probes.toml": minimal_pairs.words,
}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the data that a test may spoil."""
    folder = tmp_path / "village"
    shutil.copytree(world.WORDS, folder)
    monkeypatch.setattr(world, "WORDS", folder)
    return folder


def load(file):
    """Reads a file of the copy, past the cache of what was read before."""
    read = plotlines.load if file.startswith("plots/") else FILES[file]
    return read.__wrapped__()


def spoil(folder, file, old, new):
    """Replaces the first place that the pattern `old` fits; says in which line."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    place = re.search(old, text, re.MULTILINE)
    assert place, f"{file} has nothing like {old!r}: the test must spoil something else"
    path.write_text(
        text[: place.start()] + place.expand(new) + text[place.end() :], "utf-8"
    )
    return text.count("\n", 0, place.end()) + 1


@pytest.mark.parametrize("file", FILES)
def test_the_data_as_it_is_can_be_loaded(copy, file):
    assert load(file)


def test_every_file_is_loaded_by_one_of_these_tests():
    files = {path.name for path in world.WORDS.glob("*.toml")}
    assert files == {*FILES, "calendar.toml"}


# The line of the message is that of the mistake.
AT_ITS_LINE = [
    # a lexicon entry without a plural
    ("french.toml", r"^king +\| kings +\|", "king | |", "king lacks: plural"),
    ("french.toml", r"^king +\| kings +\|", "king |", "king.*gender"),
    # an unknown slot in a frame
    ("plots/lost.toml", r"^says = '''\n<when>", r"\g<0> {age}", "unknown slot.*age"),
    ("stories.toml", r"\{friend\} <adverb>", r"{freind} <adverb>", "freind"),
    ("sayings.toml", r"\{who\.his\} eggs", "{who.her} eggs", "who.her"),
    ("questions.toml", r"Where does \{who\} live", "Where is {whom}", "home.*whom"),
    ("support.toml", r"Is \{who\} in love", "Is {whom} in love", "private.*whom"),
    # a fact that contradicts another
    ("people.toml", '"quick brown fox"', '"quick cat"', "Tilda.*epithet"),
    ("people.toml", 'home = "bridge"', 'home = "moon"', "Tilda.*home.*moon"),
    ("places.toml", 'near = "lighthouse"', 'near = "moon"', "harbour.*near"),
    ("things.toml", r"lighthouse +\| Bruno", "moon | Bruno", "lantern.*kept.*moon"),
    ("things.toml", r"lighthouse +\| Bruno", "lighthouse | Nemo", "lantern.*Nemo"),
    # a character without a pronoun
    ("people.toml", 'gender = "female"', 'gender = "fox"', "Tilda.*gender"),
    # what else may go wrong in a line
    ("things.toml", r"lantern +\| brass", "lantern brass", "7 columns.*lacks: marks"),
    ("plots/lost.toml", "^<when>", "<often>", "open, says.*word list <often>"),
    ("stories.toml", r"\[laughed\|", "[laughed|laughed|", "same"),
    ("french.toml", r"\| m \| bateau ", "| x | bateau ", "boat.*gender"),
]


@pytest.mark.parametrize("file, old, new, message", AT_ITS_LINE)
def test_a_mistake_is_named_with_file_and_line(copy, file, old, new, message):
    line = spoil(copy, file, old, new)
    with pytest.raises(WorldError, match=rf"(?s){file}, line {line}: .*{message}"):
        load(file)


# The line is that of the entry, or of the first that says so.
AT_ITS_ENTRY = [
    # a fact that contradicts another, told by somebody else
    ("people.toml", 'kin = "Bruno"', 'kin = "Otto"', "Tilda.*Otto.*expected Otto"),
    ("people.toml", 'bond = "best friend"', 'bond = "aunt"', "Tilda.*Bruno.*aunt"),
    # a character without a pronoun
    ("people.toml", 'gender = "female"\n', "", "Tilda.*gender.*not empty"),
    ("people.toml", 'like = "plum jam"', 'like = ""', "Tilda.*like"),
    ("people.toml", 'name = "Bruno"', 'name = "Tilda"', "Tilda.*twice"),
    (
        "plots/lost.toml",
        r'needs = \["[^"]*"',
        'needs = ["thing is red"',
        "lost.*thing is red.*does not hold",
    ),
    ("plots/lost.toml", 'label = "a loss"', 'label = "a ghost"', "label of its own"),
    ("plots/lost.toml", 'label = "a loss"', 'label = "a lamp"', "about a thing"),
    ("plots/lost.toml", r'mood = "\w+"', 'mood = "green"', "mood.*green"),
    ("plots/lost.toml", r'senses = "\w+"', 'senses = "taste"', "senses.*taste"),
    ("sayings.toml", r"spill the beans \|", "spill the beans", "idioms.*3 columns"),
    ("sayings.toml", "^Two heads are", "Many hands make light work. | x\\n", "twice"),
    ("french.toml", r"^queen +\|", "king |", "king.*twice"),
    ("french.toml", r"\| thing  \| in, behind", "| thing  | upon", "boat.*upon"),
    ("french.toml", r"\| after  \|", "| beside |", "red.*place.*after, before"),
    ("french.toml", r"\| person, animal", "| ghost", "ghost"),
    ("support.toml", r"ask \{Otto\} at \{Otto.home\}", "ask {Otto}", "password.*harb"),
    ("support.toml", r"or ask \{Otto\}", "or ask {Otto}, Fern", "password.*Fern"),
    ("support.toml", r"\{Agnes.home\}", "{Agnes.age}", "library card.*Agnes.age"),
    ("support.toml", r"Where do I get a new password\?\n", "", "password.*10"),
    ("support.toml", r"Whom will \{who\} marry one day\?\n", "", "future.*16"),
    ("small_talk.toml", r"^Hey\n", "", "greeting.*8"),
    (
        "support.toml",
        r"Did I miss the ferry\?",
        "Can I cancel my ticket?",
        "cancel",
    ),
    ("encyclopaedia.toml", r"^(draws.*)home of", r"\1moon of", "moon of who"),
    ("encyclopaedia.toml", r"^(draws.*)home of who", r"\1home of goal", "of goal"),
    ("encyclopaedia.toml", r'draws = \["who"', 'draws = ["goat"', "draws.*goat"),
    ("questions.toml", 'subject = "place"', 'subject = "ship"', "near.*ship"),
    ("questions.toml", r"phrases = '''[^']*'''", "", "home.*phrases.*not empty"),
]


@pytest.mark.parametrize("file, old, new, message", AT_ITS_ENTRY)
def test_a_mistake_is_named_with_file_and_entry(copy, file, old, new, message):
    spoil(copy, file, old, new)
    with pytest.raises(WorldError, match=rf"(?s){file}, line \d+: .*{message}"):
        load(file)


def test_a_file_that_is_absent_or_broken_is_named(copy):
    (copy / "news.toml").unlink()
    with pytest.raises(WorldError, match="news.toml: expected in llmlab/village/words"):
        load("news.toml")
    (copy / "places.toml").write_text("[[place]\n", encoding="utf-8")
    with pytest.raises(WorldError, match="places.toml: .*line 1"):
        load("places.toml")
    (copy / "sayings.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WorldError, match="sayings.toml: .*utf-8"):
        load("sayings.toml")


@pytest.mark.parametrize(
    "text, message",
    [
        ("[a|b", "never closed"),
        ("a|b", "unexpected '|'"),
        ("a]", "unexpected ']'"),
        ("[a]", "two options"),
        ("{Who", "without its opening|no slot|'{'"),
        ("{who he}", "no slot"),
    ],
)
def test_a_frame_that_cannot_be_read_says_why(text, message):
    with pytest.raises(frames.FrameError, match=message):
        frames.parse(text)
