"""A person says which of two texts is better."""

import time
from collections import defaultdict
from collections.abc import Iterable

import traitlets

from llmlab.preferences import EQUAL, Comparison, LabelStore, pair_name
from llmlab.widgets.page import View, table


class PairLabeller(View):
    """A person says which of two texts is better; every click is kept at once.

    pairs : objects with `prompt`, `first` and `second`, such as `village.StoryPair`.
    store : where labels go. The next pair appears only when the label is on the disk.
    annotator : who is labelling. A labeller made again over the same store goes on
        after the last pair that this annotator labelled. A pair may be asked about
        twice, to see whether somebody agrees with themselves.
    """

    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(self, pairs: Iterable, store: LabelStore, *, annotator: str = "me"):
        self.pairs = list(pairs)
        if not self.pairs:
            raise ValueError("no pairs to label; expected one or more")
        self.store = store
        self.annotator = annotator
        self._numbers: list[int | None] = self._numbers_in_store()
        self.position = self._next_position()
        super().__init__(view=self._current_view(), status=self._greeting())

    def choose(self, preferred: float) -> None:
        """Label the pair shown: 0 says the first text is better, 1 the second.

        `EQUAL` says that neither is. What a program chooses is stored as simulated:
        a person's label can only come from a click in the browser.
        """
        self._choose(preferred, "simulated")

    def _choose(self, preferred: float, source: str) -> None:
        if self.position >= len(self.pairs):
            raise ValueError("all pairs are labelled; undo one to change it")
        label = Comparison(
            *_texts(self.pairs[self.position]),
            preferred,
            self.annotator,
            source,
            time=time.time(),
        )
        there = self._numbers_in_store()
        if there[self.position] is not None:
            self._numbers = there
            self._move_to(self._next_position(), "")
            raise ValueError(
                "this pair was labelled meanwhile in another window, and that label "
                "stays; here is the next one"
            )
        self._numbers[self.position] = self.store.add(label)
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
        names = [pair_name(*_texts(pair)) for pair in self.pairs]
        return [kept[name].pop(0) if kept[name] else None for name in names]

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
        prompt, first, second = _texts(self.pairs[self.position])
        return view | {"prompt": prompt, "first": first, "second": second}

    def _greeting(self) -> str:
        if self.position == 0:
            return "Every choice is saved at once. Stop whenever you like."
        return f"Welcome back: {self._labelled()} labelled so far."

    def static_html(self) -> str:
        rows = [_texts(self.pairs[0])]
        title = f"Which text is better? The first of {len(self.pairs)} pairs"
        return table(title, ["asked for", "text 1", "text 2"], rows)

    def __repr__(self) -> str:
        return f"PairLabeller({len(self.pairs)} pairs)"


def _texts(pair) -> tuple[str, str, str]:
    return pair.prompt, pair.first, pair.second
