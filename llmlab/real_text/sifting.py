"""What every rule threw away: counted to the character, with the words themselves.

A rule that silently drops half of a corpus is the commonest bug of data work. So no
rule drops anything by itself: it hands back what it keeps and what it would lose, and
the `Report` adds up. What was read is what was kept plus what each rule dropped.
"""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llmlab.real_text.passages import Passage

SHOWN, MOST_WARNINGS = 160, 10
"""Characters of an example, and lines of warnings, that a report prints."""


@dataclass(frozen=True)
class Rule:
    """What a rule is called and, in half a sentence, why it drops what it drops."""

    name: str
    why: str

    def drops(
        self,
        passage: Passage,
        reason: str,
        part: str | None = None,
        characters: int = 0,
    ) -> "Dropped":
        """A passage; or a part of one that is kept, which becomes so much shorter."""
        if part is None:
            text = passage.text
            return Dropped(self.name, passage.source, text, len(text), True, reason)
        return Dropped(self.name, passage.source, part, characters, False, reason)

    def drops_paragraph(self, passage: Passage, text: str, reason: str) -> "Dropped":
        """A paragraph, with the empty line that parted it from its neighbour."""
        return self.drops(passage, reason, text, len(text) + len("\n\n"))


@dataclass(frozen=True)
class Dropped:
    """Something that a rule dropped.

    characters : by how many the text became shorter; negative where a repair adds some.
    whole : a whole passage was dropped, and not a part of one that was kept.
    reason : what the rule saw.
    """

    rule: str
    source: str
    text: str
    characters: int
    whole: bool
    reason: str


@dataclass(frozen=True)
class Sifting:
    """What a rule makes of some passages: what it keeps, and what it drops."""

    kept: list[Passage]
    dropped: list[Dropped]


def sift(
    passages: Iterable[Passage], judge: Callable[[Passage], Dropped | None]
) -> Sifting:
    """Drop every passage that `judge` has something against."""
    verdicts = [(passage, judge(passage)) for passage in passages]
    return Sifting(
        kept=[passage for passage, dropped in verdicts if dropped is None],
        dropped=[dropped for _, dropped in verdicts if dropped is not None],
    )


@dataclass(frozen=True)
class Outcome:
    """A rule and all that it dropped."""

    rule: Rule
    dropped: tuple[Dropped, ...]

    @property
    def passages(self) -> int:
        """Documents that were dropped whole."""
        return sum(one.whole for one in self.dropped)

    @property
    def parts(self) -> int:
        """Parts that were dropped from passages that were kept."""
        return len(self.dropped) - self.passages

    @property
    def characters(self) -> int:
        return sum(one.characters for one in self.dropped)

    @property
    def example(self) -> Dropped | None:
        """What it dropped of middling size: neither a shred nor the worst."""
        ranked = sorted(self.dropped, key=lambda one: one.characters)
        return ranked[len(ranked) // 2] if ranked else None


@dataclass(frozen=True)
class Report:
    """What was read and what became of it.

    skipped : files that could not be read, each with the reason.
    outcomes : of every rule, in the order in which they were applied.
    warnings : where nearly everything was dropped.
    """

    origin: str
    sources: int
    characters_read: int
    passages: int
    characters: int
    skipped: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    warnings: tuple[str, ...] = ()

    def outcome(self, rule: str) -> Outcome:
        """What the rule of this name dropped.

        Raises KeyError: no such rule was applied; the message names those that were.
        """
        for outcome in self.outcomes:
            if outcome.rule.name == rule:
                return outcome
        names = ", ".join(outcome.rule.name for outcome in self.outcomes)
        raise KeyError(f"no rule {rule!r} was applied; there are: {names}")

    def __str__(self) -> str:
        lines = [
            f"{self.origin}: {self.sources:,} sources, "
            f"{self.characters_read:,} characters read",
            f"kept {self.passages:,} passages, {self.characters:,} characters",
            f"{'dropped':24} {'passages':>9} {'parts':>9} {'characters':>11}",
        ]
        lines += [
            f"  {outcome.rule.name:22} {outcome.passages:9,} "
            f"{outcome.parts:9,} {outcome.characters:11,}"
            for outcome in self.outcomes
        ]
        lines += [f"skipped {fault}" for fault in self.skipped]
        lines += [f"LOOK: {warning}" for warning in self.warnings[-MOST_WARNINGS:]]
        if len(self.warnings) > MOST_WARNINGS:
            lines.append(f"LOOK: and {len(self.warnings) - MOST_WARNINGS} more files")
        return "\n".join(lines)

    def examples(self) -> str:
        """For every rule that dropped something: why, and one thing that it dropped."""
        return "\n\n".join(
            f"{outcome.rule.name}: {outcome.rule.why}\n"
            f"  {outcome.example.source}: {outcome.example.reason}\n"
            f"{textwrap.indent(_excerpt(outcome.example.text), '  | ')}"
            for outcome in self.outcomes
            if outcome.dropped
        )


def _excerpt(text: str) -> str:
    """The beginning of a text; what cannot be seen is written out."""
    shown = "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in text[:SHOWN]
    )
    return shown + ("..." if len(text) > SHOWN else "")


def outcomes_of(
    rules: Sequence[Rule], dropped: Iterable[Dropped]
) -> tuple[Outcome, ...]:
    """Sorted by rule; a rule that dropped nothing is there too."""
    by_rule: dict[str, list[Dropped]] = {rule.name: [] for rule in rules}
    for one in dropped:
        by_rule[one.rule].append(one)
    return tuple(Outcome(rule, tuple(by_rule[rule.name])) for rule in rules)
