"""Small talk: what people type into a chat before and after their questions."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import stories, world
from llmlab.village.chooser import Chooser
from llmlab.village.support import by_split

FILE = "small_talk.toml"
STORY = "story"  # the kind that is answered with a story, whatever happens in it
STORIES = 2.0  # times as often as any other kind
WORDINGS = 8  # of a kind


@dataclass(frozen=True, eq=False)
class Kind:
    name: str
    wordings: dict[str, tuple]  # by split
    answers: tuple[str, ...]  # none of STORY


@cache
def load() -> dict[str, Kind]:
    return {kind.name: kind for kind in map(_read_kind, world.entries(FILE, "kind"))}


def _read_kind(entry: world.Entry) -> Kind:
    name, wordings = entry.get("name"), entry.frames("wordings")
    if len(wordings) != WORDINGS:
        raise entry.mistake(
            f"expected {WORDINGS} wordings, the last of them for tests, found "
            f"{len(wordings)}"
        )
    answers = () if name == STORY else entry.frames("answers")
    return Kind(name, by_split(wordings), answers)


def draw(chooser: Chooser, split: str) -> tuple[Kind, str, str]:
    """A kind, what is typed, and what the village says to it."""
    kinds = load()
    weights = {name: STORIES if name == STORY else 1.0 for name in kinds}
    kind = kinds[chooser.weighted(weights)]
    typed = _typed(chooser.pick(kind.wordings[split]), chooser)
    if kind.name == STORY:
        event = stories.draw_event(chooser)
        # Whose story it is, is said first: then every name has where it comes from.
        told = stories.tell(event, stories.DRY, chooser)
        return kind, typed, f"This is a story about {stories.subject(event)}. {told}"
    return kind, typed, chooser.pick(kind.answers)


def _typed(text: str, chooser: Chooser) -> str:
    """As people type: not always with capitals and a mark at the end."""
    if chooser.coin(0.25):
        text = text.lower()
    return text.rstrip("?!.") or text if chooser.coin(0.25) else text
