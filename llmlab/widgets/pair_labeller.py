"""A person says which of two texts is better."""

import hashlib
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

import traitlets

from llmlab.preferences import EQUAL, Comparison, LabelStore, pair_name, texts_of
from llmlab.widgets.page import View, table


class PairLabeller(View):
    """A person says which of two texts is better; every click is kept at once.

    Which text stands first is drawn by lot, from the texts and the annotator's name, so
    that whoever comes back finds it where it was; with each label it is kept. A pair
    that is asked about again stands the other way round.

    pairs : objects with `prompt`, `first` and `second`, such as `village.StoryPair`.
    store : where labels go. The next pair appears only when the label is on the disk.
    annotator : who is labelling. A labeller made again over the same store goes on
        after the last pair that this annotator labelled.
    repeats : so many pairs are asked about twice, half of the list later, and nothing
        says so: does somebody agree with themselves? `.pairs` holds them twice.

    Raises ValueError: there are no pairs, or one lacks a side; it is named.
    """

    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        pairs: Iterable,
        store: LabelStore,
        *,
        annotator: str = "me",
        repeats: int = 0,
    ):
        self.pairs = _with_repeats(list(pairs), repeats)
        self.store = store
        self.annotator = annotator
        self._given = [texts_of(pair, n) for n, pair in enumerate(self.pairs, start=1)]
        self._names = [pair_name(*texts) for texts in self._given]
        self.swapped = self._draw_sides()
        self._numbers: list[int | None] = self._numbers_in_store()
        self.position = self._next_position()
        super().__init__(view=self._current_view(), status=self._greeting())

    def choose(self, preferred: float) -> None:
        """Label the present pair: 0 says that its `first` is better, 1 its `second`.

        `EQUAL` says that neither is. What a program chooses is stored as simulated:
        a person's label can only come from a click in the browser. A program knows the
        texts by name, a person by their side: what is shown first is the pair's second
        where `swapped[position]`.
        """
        there = self.position < len(self.pairs) and self.swapped[self.position]
        self._choose(1 - preferred if there else preferred, "simulated")

    def _choose(self, side: float, source: str) -> None:
        """Keep that the text shown first (0) or second (1) is better, or `EQUAL`."""
        if self.position >= len(self.pairs):
            raise ValueError("all pairs are labelled; undo one to change it")
        label = Comparison(
            *self._shown(self.position),
            side,
            self.annotator,
            source,
            swapped=self.swapped[self.position],
            time=time.time(),
        )
        known = [n for n in self._of(label.pair) if self._numbers[n] is not None]
        number = self.store.add(label, known=len(known))
        if number is None:
            self._numbers = self._numbers_in_store()
            self._move_to(self._next_position(), "")
            raise ValueError(
                "this pair was labelled meanwhile in another window, and that label "
                "stays; here is the next one"
            )
        self._numbers[self.position] = number
        said = {0: "text 1 is better", 1: "text 2 is better", EQUAL: "equally good"}
        self._move_to(self.position + 1, f"Saved: {said[label.preferred]}.")

    def skip(self) -> None:
        """Go on without a label."""
        if self.position < len(self.pairs):
            self._move_to(self.position + 1, "Skipped.")

    def undo(self) -> None:
        """Go back one pair and take its label, if it has one, out of the store.

        It is that label and no other, whoever has labelled what in the meantime.
        """
        if self.position == 0:
            return
        number = self._numbers[self.position - 1]
        if number is None:
            happened = "Back to the pair that was skipped."
        elif self.store.remove(number):
            happened = "Label taken back."
        else:
            happened = "This label was taken back in another window already."
        self._numbers[self.position - 1] = None
        self._move_to(self.position - 1, happened)

    def comparisons(self, source: str | None = None) -> list[Comparison]:
        """This annotator's labels in the store, of one source only if it is given."""
        labels = self.store.all(source)
        return [label for label in labels if label.annotator == self.annotator]

    def _numbers_in_store(self) -> list[int | None]:
        """For each pair, the number of this annotator's label of it in the store.

        A pair that is asked about twice wants two labels: the second is its second.
        """
        kept = defaultdict(list)
        for number, label in self.store.numbered().items():
            if label.annotator == self.annotator:
                kept[label.pair].append(number)
        return [kept[name].pop(0) if kept[name] else None for name in self._names]

    def _of(self, name: str) -> list[int]:
        """The positions at which a pair is asked about."""
        return [n for n, other in enumerate(self._names) if other == name]

    def _draw_sides(self) -> list[bool]:
        """For each pair, whether its second text is shown first.

        The lot is drawn between the texts, whichever of them the pair calls its first.
        """
        asked: dict[str, int] = defaultdict(int)
        swapped = []
        for name, (_, first, second) in zip(self._names, self._given, strict=True):
            lot = hashlib.sha256(f"{self.annotator}\0{name}".encode()).digest()[0]
            turned = (lot + asked[name]) % 2 == 1
            asked[name] += 1
            swapped.append((first > second) != turned)
        return swapped

    def _shown(self, position: int) -> tuple[str, str, str]:
        """Prompt, left and right text."""
        prompt, first, second = self._given[position]
        sides = (second, first) if self.swapped[position] else (first, second)
        return prompt, *sides

    def _next_position(self) -> int:
        """Behind the last pair that is labelled."""
        labelled = [n for n, number in enumerate(self._numbers) if number is not None]
        return labelled[-1] + 1 if labelled else 0

    def receive(self, content: dict) -> None:
        if content["position"] != self.position:
            return  # the second half of a double click, meant for the pair before
        try:
            if content["type"] == "choose":
                self._choose(content["choice"], "person")
            elif content["type"] == "skip":
                self.skip()
            elif content["type"] == "undo":
                self.undo()
        except (OSError, ValueError) as error:
            self.status = f"Nothing was saved: {error}."

    def _move_to(self, position: int, what_happened: str) -> None:
        self.position = position
        self.view = self._current_view()
        self.status = f"{what_happened} {self._labelled()} labelled so far."

    def _labelled(self) -> int:
        return len(self._numbers) - self._numbers.count(None)

    def _current_view(self) -> dict:
        view = {
            "position": self.position,
            "total": len(self.pairs),
            "labelled": self._labelled(),
        }
        if self.position == len(self.pairs):
            return view | {"prompt": "", "first": "", "second": ""}
        prompt, first, second = self._shown(self.position)
        return view | {"prompt": prompt, "first": first, "second": second}

    def _greeting(self) -> str:
        if self.position == 0:
            return "Every choice is saved at once. Stop whenever you like."
        return f"Welcome back: {self._labelled()} labelled so far."

    def static_html(self) -> str:
        rows = [self._shown(0)]
        title = f"Which text is better? The first of {len(self.pairs)} pairs"
        return table(title, ["asked for", "text 1", "text 2"], rows)

    def __repr__(self) -> str:
        return f"PairLabeller({len(self.pairs)} pairs)"


def _with_repeats(pairs: Sequence, repeats: int) -> list:
    """The pairs, the first of them once more, spread over the second half."""
    if not pairs:
        raise ValueError("no pairs to label; expected one or more")
    half = len(pairs) // 2
    if not 0 <= repeats <= half:
        raise ValueError(
            f"repeats is {repeats}; expected 0 to {half}, half of the {len(pairs)} "
            "pairs, so that a pair does not come again while it is remembered"
        )
    listed, later = list(pairs), len(pairs) - half
    for number, pair in enumerate(pairs[:repeats]):
        between = math.ceil((number + 1) * later / (repeats + 1))
        listed.insert(half + number + between, pair)
    return listed
