"""Proverbs, idioms, counting rhymes, and the sentence that has every letter of the
alphabet."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import frames, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand

FILE = "sayings.toml"
PANGRAM = "The quick brown fox jumps over the lazy dog."
_CHANGED_DOG = 0.04  # how often a page with the pangram also changes the dog
_COUPLETS = 4  # of a counting rhyme


@dataclass(frozen=True)
class Proverb:
    text: str
    meaning: str


@dataclass(frozen=True)
class Idiom:
    infinitive: str
    past: tuple  # a frame, told of {who}
    meaning: str
    cause: tuple  # a frame, which may name {friend}


@dataclass(frozen=True)
class Sayings:
    proverbs: tuple[Proverb, ...]
    idioms: tuple[Idiom, ...]
    frames: dict[str, tuple]  # by name: (frame, whether it tells the place)
    rhymes: dict[str, tuple]  # by "One, two"


@cache
def load() -> Sayings:
    data = world.read_file(FILE)
    lists = world.word_lists(data["words"], FILE)
    slots = (
        *_cast_slots(),
        *("proverb", "meaning"),
        *("idiom", "idiom.past", "idiom.meaning", "idiom.cause"),
    )
    return Sayings(
        tuple(Proverb(*row) for row in _rows(data["proverbs"], 2, "proverbs")),
        tuple(_read_idiom(row) for row in _rows(data["idioms"], 4, "idioms")),
        {
            name: tuple(
                (frame, "place" in frames.slot_names(frame))
                for frame in world.frame_list(text, lists, slots, FILE, name)
            )
            for name, text in (data["page"] | data["pangram"]).items()
        },
        {
            count: world.frame_list(text, {}, ("one",), FILE, f"[rhyme] {count}")
            for count, text in data["rhyme"].items()
        },
    )


def _cast_slots() -> tuple[str, ...]:
    village = world.load()
    someone = next(iter(village.people.values()))
    return (
        *world.person_slots(someone, "who"),
        *world.person_slots(someone, "friend"),
        "place",
    )


def _rows(block: str, columns: int, where: str) -> list[list[str]]:
    rows = []
    for line in block.splitlines():
        if not line.strip():
            continue
        row = [cell.strip() for cell in line.split("|")]
        if len(row) != columns or not all(row):
            raise world.WorldError(
                f"{world.at_line(FILE, line)}: {where}: expected {columns} columns "
                f"divided by |, none empty, found {row}"
            )
        if row[0] in {other[0] for other in rows}:
            raise world.WorldError(
                f"{world.at_line(FILE, line)}: {where}: {row[0]!r} occurs twice; "
                "delete one"
            )
        rows.append(row)
    return rows


def _read_idiom(row: list[str]) -> Idiom:
    infinitive, past, meaning, cause = row
    past, cause = (
        world.frame_list(text, {}, _cast_slots(), FILE, f"idiom {infinitive!r}")[0]
        for text in (past, cause)
    )
    return Idiom(infinitive, past, meaning, cause)


class Spot:
    """A place that is drawn when it is first told, and not if no frame tells it."""

    def __init__(self, chooser: Chooser):
        self._chooser = chooser
        self._place: world.Place | None = None

    @property
    def place(self) -> world.Place:
        if self._place is None:
            self._place = self._chooser.pick(tuple(world.load().places.values()))
        return self._place


@dataclass(frozen=True)
class Cast:
    """Two people and a place; the sayings of a page are told of both in turn."""

    who: world.Person
    friend: world.Person
    spot: Spot

    def slots(self, with_place: bool) -> dict:
        slots = world.person_slots(self.who, "who") | world.person_slots(
            self.friend, "friend"
        )
        if with_place:
            place = {"place": f"the {self.spot.place.name}"}
            slots |= world.with_capitals(place)
        return slots

    def turned(self) -> "Cast":
        return Cast(self.friend, self.who, self.spot)


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    kinds = {_pangram: 0.4, _proverbs: 0.2, _idioms: 0.25, _counting: 0.15}
    write = chooser.weighted(kinds)
    cast = _draw_cast(write is _pangram, chooser)
    labels = {"page": write.__name__.strip("_"), "who": cast.who.name}
    return write(cast, chooser), labels


def _draw_cast(others: bool, chooser: Chooser) -> Cast:
    """`others`: neither Tilda nor Bruno, whom the pangram talks about."""
    village = world.load()
    people = tuple(
        person
        for person in village.people.values()
        if not (others and person.name in ("Tilda", "Bruno"))
    )
    who, friend = chooser.sample(people, 2)
    return Cast(who, friend, Spot(chooser))


def _pangram(cast: Cast, chooser: Chooser) -> str:
    told = [_say("before", cast, chooser), PANGRAM, _say("after", cast, chooser)]
    if chooser.coin(_CHANGED_DOG):
        told.append(_say("changed_dog", cast, chooser))
    elif chooser.coin(0.3):
        told.append(_say("variant", cast, chooser))
    told += _idiom(chooser.pick(load().idioms), cast.turned(), chooser)
    told.append(_say("reaction", cast.turned(), chooser))
    return " ".join(told)


def _proverbs(cast: Cast, chooser: Chooser) -> str:
    told = [
        _proverb(proverb, turn, chooser)
        for proverb, turn in zip(
            chooser.sample(load().proverbs, 2), (cast, cast.turned()), strict=True
        )
    ]
    told += _idiom(chooser.pick(load().idioms), cast, chooser)
    return f"{_say('title', cast, chooser)}\n" + " ".join(told)


def _idioms(cast: Cast, chooser: Chooser) -> str:
    told = []
    for idiom, turn in zip(
        chooser.sample(load().idioms, 2), (cast, cast.turned()), strict=True
    ):
        told += _idiom(idiom, turn, chooser)
    told.append(_proverb(chooser.pick(load().proverbs), cast, chooser))
    return f"{_say('title', cast, chooser)}\n" + " ".join(told)


def _counting(cast: Cast, chooser: Chooser) -> str:
    lines = [_say("rhyme_title", cast, chooser)]
    for count, frames_of_count in tuple(load().rhymes.items())[:_COUPLETS]:
        name = chooser.pick((cast.who, cast.friend)).name
        line = expand(chooser.pick(frames_of_count), {"one": name}, chooser)
        lines.append(f"{count}, {line},")
    lines.append(_say("rhyme_end", cast, chooser))
    told = _idiom(chooser.pick(load().idioms), cast, chooser)
    lines.append(" ".join([*told, _say("reaction", cast, chooser)]))
    return "\n".join(lines)


def _proverb(proverb: Proverb, cast: Cast, chooser: Chooser) -> str:
    more = {"proverb": proverb.text, "meaning": proverb.meaning}
    return _say("proverb", cast, chooser, more)


def _idiom(idiom: Idiom, cast: Cast, chooser: Chooser) -> list[str]:
    """What it means, and when somebody did it."""
    slots = cast.slots(with_place=False)
    more = {
        "idiom": idiom.infinitive,
        "idiom.meaning": idiom.meaning,
        "idiom.past": expand(idiom.past, slots, chooser),
        "idiom.cause": expand(idiom.cause, slots, chooser),
    }
    more = world.with_capitals(more)
    return [
        _say("explained", cast, chooser, more),
        _say("used", cast, chooser, more),
    ]


def _say(name: str, cast: Cast, chooser: Chooser, more: dict | None = None) -> str:
    frame, tells_place = chooser.pick(load().frames[name])
    slots = cast.slots(tells_place) | (more or {})
    return frames.capitalised(expand(frame, slots, chooser))
