"""Many frames at once, as one automaton that reads sentences.

Frames have far too many expansions to list them. So each becomes a small network of
arcs: a word, or a *class* of phrases where the frame has a slot ("<name>" for {who}).
All networks begin in one state. Sets of states that a beginning of a sentence can lead
to are kept once found, so that reading costs a look-up a word; which slots were filled
with what is then found by walking back from the end of each frame that fits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from llmlab.village.frames import Choice, Slot, small

START = 0
_UNSEEN = object()


@dataclass(frozen=True)
class Filling:
    """A slot, what a sentence says there, and what it should (None: anything)."""

    slot: str
    text: str
    expected: frozenset[str] | None

    @property
    def is_wrong(self) -> bool:
        return self.expected is not None and self.text not in self.expected


@dataclass(frozen=True)
class Parse:
    """One frame that a sentence can come from, by the tag it was added with."""

    tag: Any
    fillings: tuple[Filling, ...]

    @property
    def wrong(self) -> tuple[Filling, ...]:
        return tuple(filling for filling in self.fillings if filling.is_wrong)


class Lexicon:
    """Phrases by class: which of them stand where in a list of words."""

    def __init__(self, tokenize: Callable[[str], list[str]]):
        self._tokenize = tokenize
        self._trie: dict = {}

    def add(self, name: str, texts: Iterable[str]) -> None:
        for text in texts:
            tokens = self._tokenize(text)
            node = self._trie
            for token in tokens:
                node = node.setdefault(token, {})
            node.setdefault(None, {})[name] = " ".join(tokens)

    def phrases(self, tokens: list[str]) -> list[tuple[int, int, str, str]]:
        """(beginning, end, class, text) of every phrase, by beginning."""
        found, count = [], len(tokens)
        for begin, token in enumerate(tokens):
            node, end = self._trie.get(token), begin + 1
            while node is not None:
                for name, text in node.get(None, {}).items():
                    found.append((begin, end, name, text))
                node = node.get(tokens[end]) if end < count else None
                end += 1
        return found

    def words(self) -> tuple[dict[str, set[str]], dict[str, set[str]], set]:
        """By class the first and last words of phrases; all pairs of words inside."""
        first: dict[str, set[str]] = {}
        last: dict[str, set[str]] = {}
        pairs = set()

        def walk(node, begin, token):
            for word, after in node.items():
                if word is None:
                    for name in after:
                        first.setdefault(name, set()).add(begin)
                        last.setdefault(name, set()).add(token)
                else:
                    if token is not None:
                        pairs.add((token, word))
                    walk(after, begin or word, word)

        walk(self._trie, None, None)
        return first, last, pairs


class Automaton:
    """`class_of` names the class of a slot, `spelled` gives the frame of a slot that
    is made of others ({thing.made} is "a {thing.material} {thing}") or None."""

    def __init__(
        self,
        lexicon: Lexicon,
        tokenize: Callable[[str], list[str]],
        class_of: Callable[[str], str],
        spelled: Callable[[str], Any],
    ):
        self.lexicon = lexicon
        self._tokenize = tokenize
        self._class_of = class_of
        self._spelled = spelled
        self._arcs: list[dict[str, list[int]]] = [{}]
        # Backwards: by label the states before and the slot that the arc fills.
        self._back: list[dict[str, list[tuple[int, str]]]] = [{}]
        self._skips: dict[int, set[int]] = {}
        self._shared: dict[tuple, int] = {}
        self._tags: dict[int, Any] = {}
        self._sets: list[frozenset[int]] = []
        self._numbers: dict[frozenset[int], int] = {}
        self._moves: list[dict[str, int | None]] = []
        self._ends: list[tuple[int, ...]] = []
        self._unions: dict[tuple[int, int], int] = {}

    # ---- building

    def add(self, frame, tag) -> None:
        """Adds a frame; only before the first sentence is read."""
        end = self._new_state()
        self._build(frame, START, end)
        self._tags[end] = tag

    def close(self) -> None:
        """Ends the building: arcs without a word are replaced by arcs around them."""
        for target in list(self._skips):
            for label, sources in list(self._back[target].items()):
                for state, slot in tuple(sources):
                    for beyond in self._beyond(target):
                        self._connect(state, label, beyond, slot)
        self._number(frozenset({START} | self._beyond(START)))
        self._shared.clear()

    def _beyond(self, state: int) -> set[int]:
        """The states that are reached from this one without a word."""
        after = self._skips.get(state, set())
        return after.union(*map(self._beyond, after))

    def _new_state(self) -> int:
        self._arcs.append({})
        self._back.append({})
        return len(self._arcs) - 1

    def _connect(self, state: int, label: str, target: int, slot: str = "") -> None:
        self._arcs[state].setdefault(label, []).append(target)
        self._back[target].setdefault(label, []).append((state, slot))

    def _build(self, node, state: int, end: int) -> None:
        """Arcs for a frame from one state to another."""
        if isinstance(node, str):
            self._build_words(self._tokenize(node), state, end)
        elif isinstance(node, Slot):
            self._build_slot(small(node.name), state, end)
        elif isinstance(node, Choice):
            for option in node.options:
                self._build(option, state, end)
        else:
            for part in node[:-1]:
                state = self._after(part, state)
            self._build(node[-1], state, end)

    def _after(self, part, state: int) -> int:
        """The state after a part that others follow. What begins alike shares its
        states, so that few of them are reached by one beginning of a sentence."""
        if isinstance(part, str):
            for token in self._tokenize(part):
                state = self._share(state, token, token)
            return state
        if isinstance(part, Slot):
            return self._share(state, part, Slot(small(part.name)))
        return self._share(state, id(part.options), part)

    def _share(self, state: int, key, part) -> int:
        after = self._shared.get((state, key))
        if after is None:
            after = self._shared[state, key] = self._new_state()
            self._build(part, state, after)
        return after

    def _build_words(self, tokens: list[str], state: int, end: int) -> None:
        if not tokens:
            self._skips.setdefault(state, set()).add(end)
            return
        for token in tokens[:-1]:
            state = self._after(token, state)
        self._connect(state, tokens[-1], end)

    def _build_slot(self, name: str, state: int, end: int) -> None:
        spelled = self._spelled(name)
        if spelled is not None:
            self._build(spelled, state, end)
        else:
            self._connect(state, f"<{self._class_of(name)}>", end, name)

    def word_pairs(self) -> frozenset[tuple[str, str]]:
        """All pairs of neighbouring words of all sentences, None before the first."""
        first, last, pairs = self.lexicon.words()
        beginning = self._sets[0]
        neighbours = {(None, label) for s in beginning for label in self._arcs[s]}
        for before, after in zip(self._back, self._arcs, strict=True):
            neighbours.update((a, b) for a in before for b in after)

        def words(label, of_class):
            is_class = label[0] == "<" and len(label) > 1
            return of_class.get(label[1:-1], ()) if is_class else (label,)

        for one, other in neighbours:
            ends = (None,) if one is None else words(one, last)
            begins = words(other, first)
            pairs.update((end, begin) for end in ends for begin in begins)
        return frozenset(pairs)

    # ---- reading

    def parses(self, tokens: list[str], expected: dict) -> list[Parse]:
        """One parse for each frame that the words can come from, the one with fewest
        wrong fillings. `expected` holds the texts that are right by slot."""
        phrases = self.lexicon.phrases(tokens)
        reached = self._forward(tokens, phrases)
        last = reached[-1]
        if last is None or not self._ends[last]:
            return []
        ending: dict[int, list] = {}
        for begin, end, name, text in phrases:
            if reached[begin] is not None:
                ending.setdefault(end, []).append((begin, f"<{name}>", text))
        read, ends = (tokens, ending, reached, expected), self._ends[last]
        return [Parse(self._tags[end], self._backward(end, *read)) for end in ends]

    def _forward(self, tokens, phrases) -> list[int | None]:
        """The set of states after each number of words, None where there is none."""
        reached: list[int | None] = [None] * (len(tokens) + 1)
        reached[0] = 0
        waiting = iter(phrases)
        phrase = next(waiting, None)
        for position, token in enumerate(tokens):
            states = reached[position]
            if states is not None:
                self._reach(reached, position + 1, self._move(states, token))
            while phrase is not None and phrase[0] == position:
                if states is not None:
                    after = self._move(states, f"<{phrase[2]}>")
                    self._reach(reached, phrase[1], after)
                phrase = next(waiting, None)
        return reached

    def _reach(self, reached, position: int, states: int | None) -> None:
        there = reached[position]
        if states is None or states == there:
            return
        if there is None:
            reached[position] = states
            return
        pair = (there, states)
        if pair not in self._unions:
            union = self._sets[there] | self._sets[states]
            self._unions[pair] = self._number(union)
        reached[position] = self._unions[pair]

    def _move(self, states: int, label: str) -> int | None:
        after = self._moves[states].get(label, _UNSEEN)
        if after is _UNSEEN:
            arcs = [self._arcs[state].get(label, ()) for state in self._sets[states]]
            targets = frozenset().union(*arcs)
            after = self._number(targets) if targets else None
            self._moves[states][label] = after
        return after

    def _number(self, states: frozenset[int]) -> int:
        number = self._numbers.get(states)
        if number is None:
            number = self._numbers[states] = len(self._sets)
            self._sets.append(states)
            self._moves.append({})
            self._ends.append(tuple(s for s in sorted(states) if s in self._tags))
        return number

    def _backward(self, state, tokens, ending, reached, expected) -> tuple:
        """The fillings of the way from the start to `state` with fewest wrong ones."""
        # By position the states that lead to the end, each with the number of wrong
        # fillings from there on, and those fillings as a linked list.
        ways: list[dict[int, tuple[int, Any]]] = [{} for _ in range(len(tokens) + 1)]
        ways[-1][state] = (0, None)
        for position in range(len(tokens), 0, -1):
            token = tokens[position - 1]
            for here, (wrong, fillings) in ways[position].items():
                back = self._back[here]
                for before, _ in back.get(token, ()):
                    self._arrive(ways, reached, position - 1, before, wrong, fillings)
                for begin, label, text in ending.get(position, ()):
                    for before, slot in back.get(label, ()):
                        right = expected.get(slot)
                        filling = Filling(slot, text, right)
                        count, told = wrong + filling.is_wrong, (filling, fillings)
                        self._arrive(ways, reached, begin, before, count, told)
        return _as_tuple(ways[0])

    def _arrive(self, ways, reached, position, state, wrong, fillings) -> None:
        states = reached[position]
        if states is None or state not in self._sets[states]:
            return
        there = ways[position].get(state)
        if there is None or wrong < there[0]:
            ways[position][state] = (wrong, fillings)


def _as_tuple(ways: dict) -> tuple:
    _, linked = min(ways.values(), key=lambda way: way[0])
    fillings = []
    while linked is not None:
        filling, linked = linked
        fillings.append(filling)
    return tuple(fillings)
