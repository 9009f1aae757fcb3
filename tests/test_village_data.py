"""A mistake in data/village is named with its file and entry when it is loaded."""

import shutil

import pytest

from llmlab.village import (
    encyclopaedia,
    frames,
    french,
    news,
    plots,
    sayings,
    support,
    websites,
    world,
)
from llmlab.village.world import WorldError

FILES = {
    "people.toml": world.load,
    "places.toml": world.load,
    "things.toml": world.load,
    "stories.toml": plots.load,
    "news.toml": news.load,
    "encyclopaedia.toml": encyclopaedia.load,
    "websites.toml": websites.load,
    "sayings.toml": sayings.load,
    "french.toml": french.load,
    "support.toml": support.load,
}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the data that a test may spoil."""
    folder = tmp_path / "village"
    shutil.copytree(world.FOLDER, folder)
    monkeypatch.setattr(world, "FOLDER", folder)
    return folder


def load(file):
    """Reads a file of the copy, past the cache of what was read before."""
    return FILES[file].__wrapped__()


def spoil(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("file", FILES)
def test_the_data_as_it_is_can_be_loaded(copy, file):
    assert load(file)


@pytest.mark.parametrize(
    "file, old, new, message",
    [
        ("people.toml", 'gender = "female"', 'gender = "fox"', "Tilda.*gender"),
        ("people.toml", 'home = "bridge"', 'home = "moon"', "Tilda.*home.*moon"),
        ("people.toml", 'like = "plum jam"', 'like = ""', "Tilda.*like"),
        ("people.toml", '"quick brown fox"', '"quick cat"', "Tilda.*epithet"),
        ("people.toml", 'name = "Bruno"', 'name = "Tilda"', "Tilda.*twice"),
        ("places.toml", 'near = "lighthouse"', 'near = "moon"', "harbour.*near"),
        ("things.toml", "lantern   | brass", "lantern brass", "four columns"),
        (
            "stories.toml",
            "with {thing.made}",
            "with {thing.colour}",
            "lost.*thing.colour",
        ),
        ("stories.toml", "<when>", "<often>", "lost.*word list <often>"),
        ("stories.toml", "[walked|went|ran]", "[walked|went|ran", "lost.*never closed"),
        ("stories.toml", "[walked|went|ran]", "[walked|went|went]", "lost.*same"),
        (
            "stories.toml",
            'needs = ["thing is lost"]',
            'needs = ["thing is red"]',
            "lost.*thing is red.*does not hold",
        ),
        ("stories.toml", 'mood = "sad"', 'mood = "green"', "lost.*mood.*green"),
        ("news.toml", "{outcome}.", "{result}.", "result"),
        (
            "encyclopaedia.toml",
            "{Who} is known as the {who.epithet}.\n",
            "",
            "5 wordings",
        ),
        ("websites.toml", 'draws = ["who", "place"]', 'draws = ["cat"]', "ferry.*cat"),
        ("websites.toml", '"thing", "who"]', '"thing", "who", "place"]', "shop.*place"),
        ("sayings.toml", "spill the beans |", "spill the beans", "idioms.*3 columns"),
        ("french.toml", "| m | bateau ", "| x | bateau ", "boat.*gender"),
        ("french.toml", "fox\ndog", "fox\nunicorn", "unicorn"),
        ("support.toml", "ask Otto at the harbour", "ask Otto", "password.*harbour"),
        ("support.toml", "ask Otto", "ask Otto or Fern", "password.*Fern"),
    ],
)
def test_a_mistake_is_named_with_file_and_entry(copy, file, old, new, message):
    spoil(copy, file, old, new)
    with pytest.raises(WorldError, match=f"(?s){file}: .*{message}"):
        load(file)


def test_a_file_that_is_absent_or_broken_is_named(copy):
    (copy / "news.toml").unlink()
    with pytest.raises(WorldError, match="news.toml: expected in data/village"):
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
