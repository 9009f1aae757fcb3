"""One telling, and the same with a single edit: what is that worth to whoever judges?

An accuracy says how often a judge of stories is right, never why. Two tellings that
differ in one thing say what that thing is worth to the judge, and the gold score says
what it should be. Some edits add what may stand there; the others are faults such as a
policy makes. What the reader finds is the fault and nothing else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from llmlab.village import gold, plotlines, stories
from llmlab.village.calendar import calendar
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.simulation import Event
from llmlab.village.stories import Style

Passages = list[list[str]]  # the sentences of each beat: itself, then what is added


@dataclass(frozen=True)
class StoryEdit:
    """A telling, and the same after one edit of a kind."""

    kind: str
    prompt: str
    before: str
    after: str


def draw_edit(kind: str, chooser: Chooser, split: str) -> StoryEdit:
    """`kind` is one of ADDITIONS or FAULTS. Not every telling can be edited so (not
    every one has a twist, or says its day twice): the first that can is taken."""
    how = _KINDS[kind]
    while True:
        prompt, event = stories.draw_request(chooser, split)
        passages = stories.tell_by_beat(event, how.style(chooser), chooser)
        changed = how.change(passages, event, chooser)
        before, after = map(stories.paragraph, (passages, changed))
        if changed and _reads_as_meant(prompt, before, after, how):
            return StoryEdit(kind, prompt, before, after)


_COUNTED = ("missing", "broken", "miswritten", "repeated", "foreign", "out_of_place")


def _reads_as_meant(prompt: str, before: str, after: str, kind: "_Kind") -> bool:
    """Whether the telling had no fault, and now has the one it should: a name that was
    exchanged may by chance be right as well, and an addition be one too many."""
    found = gold.read(prompt, after)
    faults = {name: getattr(found, name) for name in _COUNTED}
    expected = dict.fromkeys(_COUNTED, 0) | ({kind.fault: 1} if kind.fault else {})
    return gold.faults(gold.read(prompt, before)) == 0 and faults == expected


# ---- additions


def _with_one_more(part: str) -> Callable:
    """Adds a sentence to one of the beats that may have it."""

    def change(passages: Passages, event: Event, chooser: Chooser) -> Passages:
        beats = stories.plot_of(event).beats[:-1]
        possible = [n for n, beat in enumerate(beats) if getattr(beat, part)]
        number = chooser.pick(possible)
        frames = getattr(beats[number], part)
        return _with_sentence(passages, number, _said(frames, event, chooser))

    return change


def _with_a_twist(passages: Passages, event: Event, chooser: Chooser) -> Passages:
    """Before the end; the second where the telling has one."""
    told = set(passages[-2])
    twist = _said(stories.plot_of(event).twists, event, chooser)
    return [] if twist in told else _with_sentence(passages, -2, twist)


def _with_sentence(passages: Passages, number: int, sentence: str) -> Passages:
    after = [list(passage) for passage in passages]
    after[number].append(sentence)
    return after


def _said(frames: tuple, event: Event, chooser: Chooser) -> str:
    return expand(chooser.pick(frames), event.slots(), chooser)


# ---- faults


def _with_a_wrong_name(passages: Passages, event: Event, chooser: Chooser) -> Passages:
    """One of the two people is called by the other's name, once, in a later beat."""
    names = [event.who.name, event.friend.name]
    wrong, right = chooser.sample(names, 2)
    return _with_one_word_changed(passages, right, wrong, chooser)


def _with_a_wrong_day(passages: Passages, event: Event, chooser: Chooser) -> Passages:
    """Where a day is named once more after the beginning, it is another."""
    said = set(re.findall(r"\w+", stories.paragraph(passages)))
    others = [day for day in calendar().days if day not in said]
    spots = [day for day in calendar().days if _spots(passages, day)]
    if not spots:
        return []
    return _with_one_word_changed(passages, spots[0], chooser.pick(others), chooser)


def _with_one_word_changed(
    passages: Passages, right: str, wrong: str, chooser: Chooser
) -> Passages:
    spots = _spots(passages, right)
    if not spots:
        return []
    number, place, start = chooser.pick(spots)
    after = [list(passage) for passage in passages]
    text = after[number][place]
    after[number][place] = text[:start] + wrong + text[start + len(right) :]
    return after


def _spots(passages: Passages, word: str) -> list[tuple[int, int, int]]:
    """Where a word stands after the first beat: passage, sentence, character."""
    return [
        (number, place, found.start())
        for number, passage in enumerate(passages)
        for place, sentence in enumerate(passage)
        if number > 0
        for found in re.finditer(rf"\b{word}\b", sentence)
    ]


def _without_its_end(passages: Passages, event: Event, chooser: Chooser) -> Passages:
    return passages[:-1]


def _with_two_beats_swapped(
    passages: Passages, event: Event, chooser: Chooser
) -> Passages:
    """Two neighbours inside the story, each with what was added to it."""
    first = chooser.pick(range(1, len(passages) - 2))
    start, one, other = passages[:first], passages[first], passages[first + 1]
    return [*start, other, one, *passages[first + 2 :]]


def _with_a_foreign_sentence(
    passages: Passages, event: Event, chooser: Chooser
) -> Passages:
    """A beat of another plot, about the people of this one."""
    plots = plotlines.load().plots.values()
    other = chooser.pick([plot for plot in plots if plot is not stories.plot_of(event)])
    sentence = _said(chooser.pick(other.beats[1:-1]).says, event, chooser)
    return _with_sentence(passages, chooser.pick(range(len(passages) - 1)), sentence)


# ---- the kinds


def _dry(chooser: Chooser) -> Style:
    return Style(0.1, 0.1, 0.1, 0.1, fact=0.0)


def _good(chooser: Chooser, twist: float = 0.4) -> Style:
    """A telling with several additions and without facts."""
    level = 0.2 + 0.6 * chooser.uniform()
    return Style(level, level, level, twist, fact=0.0)


def _good_with_a_twist(chooser: Chooser) -> Style:
    return _good(chooser, twist=1.0)


@dataclass(frozen=True)
class _Kind:
    """How a telling is edited; a change is [] where it cannot be made.

    fault : the count of `gold.Findings` that it raises by one, if it raises any.
    """

    change: Callable[[Passages, Event, Chooser], Passages]
    style: Callable[[Chooser], Style] = _good
    fault: str = ""


_ADDITIONS = {
    "twist": _Kind(_with_a_twist, _dry),
    "line": _Kind(_with_one_more("lines"), _dry),
    "simile": _Kind(_with_one_more("similes"), _dry),
    "detail": _Kind(_with_one_more("senses"), _dry),
    "fact": _Kind(_with_one_more("facts"), _dry),
}
_FAULTS = {
    "wrong name": _Kind(_with_a_wrong_name, fault="broken"),
    "wrong day": _Kind(_with_a_wrong_day, fault="broken"),
    "no end": _Kind(_without_its_end),
    "beats swapped": _Kind(_with_two_beats_swapped, fault="out_of_place"),
    "twist twice": _Kind(_with_a_twist, _good_with_a_twist, "out_of_place"),
    "foreign sentence": _Kind(_with_a_foreign_sentence, fault="foreign"),
}
_KINDS = _ADDITIONS | _FAULTS
ADDITIONS, FAULTS = tuple(_ADDITIONS), tuple(_FAULTS)
