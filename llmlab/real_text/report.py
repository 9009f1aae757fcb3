"""What every rule threw away: counted to the character, with the passages themselves.

A rule that silently drops half of a corpus is the commonest bug of data work. So no
rule drops anything by itself: it hands back what it keeps and what it would lose, and
the `Report` adds up. What was read is what was kept plus what each rule dropped.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmlab.real_text.documents import Document

SHOWN = 160
"""Characters of an example that a report prints."""


@dataclass(frozen=True)
class Rule:
    """What a rule is called and, in half a sentence, why it drops what it drops."""

    name: str
    why: str


@dataclass(frozen=True)
class Loss:
    """Something that a rule dropped.

    Parameters
    ----------
    rule : the name of the rule.
    source : where it stood.
    text : the passage; of a whole document, the document.
    characters : by how many characters the text became shorter. A repair may make it
        longer: then the number is negative.
    whole : a whole document was dropped, and not a passage of one that was kept.
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
    """What a rule makes of some documents: what it keeps, and what it drops."""

    kept: list[Document]
    losses: list[Loss]


@dataclass(frozen=True)
class Outcome:
    """A rule and all that it dropped."""

    rule: Rule
    losses: tuple[Loss, ...]

    @property
    def documents(self) -> int:
        """Documents that were dropped whole."""
        return sum(loss.whole for loss in self.losses)

    @property
    def passages(self) -> int:
        """Passages that were dropped from documents that were kept."""
        return len(self.losses) - self.documents

    @property
    def characters(self) -> int:
        return sum(loss.characters for loss in self.losses)

    @property
    def example(self) -> Loss | None:
        """The loss of middling size: neither a shred nor the worst of all."""
        ranked = sorted(self.losses, key=lambda loss: loss.characters)
        return ranked[len(ranked) // 2] if ranked else None


@dataclass(frozen=True)
class Report:
    """What was read and what became of it.

    Parameters
    ----------
    origin : the folder, or a name for the collection.
    sources, characters_read : what was read, mark-up not counted.
    documents, characters : what is left.
    skipped : files that could not be read, each with the reason.
    outcomes : of every rule, in the order in which they were applied.
    """

    origin: str
    sources: int
    characters_read: int
    documents: int
    characters: int
    skipped: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    def outcome(self, rule: str) -> Outcome:
        """What the rule of this name dropped.

        Raises
        ------
        KeyError : no such rule was applied; the message names those that were.
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
            f"kept {self.documents:,} documents, {self.characters:,} characters",
            f"{'dropped':24} {'documents':>9} {'passages':>9} {'characters':>11}",
        ]
        lines += [
            f"  {outcome.rule.name:22} {outcome.documents:9,} "
            f"{outcome.passages:9,} {outcome.characters:11,}"
            for outcome in self.outcomes
        ]
        lines += [f"skipped {fault}" for fault in self.skipped]
        return "\n".join(lines)

    def examples(self) -> str:
        """For every rule that dropped something: why, and one thing that it dropped."""
        shown = [
            f"{outcome.rule.name}: {outcome.rule.why}\n"
            f"  {outcome.example.source}: {outcome.example.reason}\n"
            f"{textwrap.indent(_excerpt(outcome.example.text), '  | ')}"
            for outcome in self.outcomes
            if outcome.losses
        ]
        return "\n\n".join(shown)


def _excerpt(text: str) -> str:
    """The beginning of a text; what cannot be seen is written out."""
    shown = "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode()
        for character in text[:SHOWN]
    )
    return shown + ("..." if len(text) > SHOWN else "")


def outcomes_of(rules: Sequence[Rule], losses: Iterable[Loss]) -> tuple[Outcome, ...]:
    """Sort losses by rule; a rule that dropped nothing is there too."""
    by_rule: dict[str, list[Loss]] = {rule.name: [] for rule in rules}
    for loss in losses:
        by_rule[loss.rule].append(loss)
    return tuple(Outcome(rule, tuple(by_rule[rule.name])) for rule in rules)
