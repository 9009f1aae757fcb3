"""Text to token ids and back: byte-level byte-pair encoding, trained from scratch.

Read from top to bottom, the file tells how text becomes ids:

1. `split_pieces` cuts the text into words, numbers, punctuation and white space.
   No token ever crosses the border of two pieces.
2. A piece becomes its UTF-8 bytes. There are only 256 of them, so every text in
   every script can be written, and "unknown word" cannot happen.
3. `learn_merges` finds the pair of neighbouring tokens that is most frequent in the
   training text, makes it one new token, and repeats (Sennrich, Haddow & Birch,
   "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes as
   in Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).
4. `Tokenizer.encode` replays the merges on new text, in the order they were learnt.

The ids: 0 to 5 are special tokens, 6 to 261 the bytes, 262 and above the merges.
Special tokens are ids only. They have no spelling, so text that a person types can
never become one: "<eos>" is five ordinary characters.
"""

import codecs
import hashlib
import heapq
import json
import os
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, pairwise
from operator import index as as_integer
from pathlib import Path

from llmlab.files import write_atomically

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<mask>", "<user>", "<assistant>")
FIRST_BYTE_ID = len(SPECIAL_TOKENS)
FIRST_MERGE_ID = FIRST_BYTE_ID + 256

# Every character is matched by exactly one line, so the pieces of a text joined
# together are the text. The limit of 64 characters bounds the work on one piece:
# a "word" of a million letters is as cheap as a million letters of prose.
PIECE_PATTERN = (
    r" ?[^\W\d_]{1,64}"  # letters, with the space before them: "the", " the"
    r"|\d{1,3}"  # digits, at most three together: "1984" is "198", "4"
    r"| ?(?:[^\w\s]|_){1,64}"  # punctuation, with the space before it
    r"|\s{0,63}\n"  # white space up to the end of a line
    r"|\s{1,64}(?!\S)"  # white space, but its last space belongs to the next word
    r"|\s"  # white space before a digit, and tabs before a word
)
_PIECES = re.compile(PIECE_PATTERN)

_CACHED_PIECES = 65_536
# What a file of ours must say to be read.
_KIND = {
    "format": "llmlab byte-level BPE",
    "version": 1,
    "special_tokens": list(SPECIAL_TOKENS),
}


def split_pieces(text: str) -> list[str]:
    """Cut `text` into pieces; joined together they are `text` again.

    >>> split_pieces("It's 1984, again.")
    ['It', "'", 's', ' ', '198', '4', ',', ' again', '.']
    """
    return _PIECES.findall(text)


def split_as_gpt2(text: str) -> list[str]:
    """As GPT-2 cuts (Radford et al. 2019), but no piece is longer than 257 characters.

    Its numbers are all of Unicode's ("½", "Ⅷ"), and four control signs no white space.
    """
    return _pieces_of_gpt2().findall(text)


@cache
def _pieces_of_gpt2() -> re.Pattern:
    every = map(chr, range(sys.maxunicode + 1))
    others = "".join(c for c in every if unicodedata.category(c) in ("Nl", "No"))
    white = r"[^\S\x1c-\x1f]"
    return re.compile(
        r"'(?:[stmd]|re|ve|ll)"
        rf"| ?[^\W\d_{others}]{{1,256}}"  # letters
        rf"| ?[\d{others}]{{1,256}}"  # numbers
        r"| ?(?:[^\w\s]|[_\x1c-\x1f]){1,256}"
        rf"|{white}{{1,256}}(?![\S\x1c-\x1f])"
        rf"|{white}{{1,256}}"
    )


SPLITTERS = {PIECE_PATTERN: split_pieces, "gpt2": split_as_gpt2}
"""How a tokenizer cuts text, by the name that its file has for it."""


def piece_bytes(piece: str) -> bytes:
    """UTF-8. Half of a surrogate pair, which is legal in a `str`, is kept as it is."""
    return piece.encode("utf-8", "surrogatepass")


def merge_pair(ids: Sequence[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """Replace every occurrence of `pair` in `ids` by `new_id`, from left to right.

    >>> merge_pair([7, 7, 7, 9], (7, 7), 300)
    [300, 7, 9]
    """
    left, right = pair
    merged: list[int] = []
    for token in ids:
        if merged and token == right and merged[-1] == left:
            merged[-1] = new_id
        else:
            merged.append(token)
    return merged


def learn_merges(
    piece_counts: dict[str, int], merge_limit: int
) -> list[tuple[int, int]]:
    """Learn at most `merge_limit` merges from the pieces of a text and their counts.

    Each step merges the most frequent pair; of equally frequent pairs, the one with
    the smallest ids, so that the result does not depend on the order of the text.
    Learning ends early when no pair is left that occurs at least twice.

    The counts of all pairs are kept up to date instead of being counted anew: a merge
    changes them only in the pieces that contain the merged pair.
    """
    sequences = [[FIRST_BYTE_ID + b for b in piece_bytes(p)] for p in piece_counts]
    frequencies = list(piece_counts.values())

    pair_counts: Counter[tuple[int, int]] = Counter()
    pair_places: dict[tuple[int, int], set[int]] = defaultdict(set)
    for place, (ids, frequency) in enumerate(zip(sequences, frequencies, strict=True)):
        for pair in pairwise(ids):
            pair_counts[pair] += frequency
            pair_places[pair].add(place)

    # Python's heap pops its smallest item: the largest count, then the smallest pair.
    # An item whose count is no longer true is stale and is skipped when it is popped.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(heap)

    merges: list[tuple[int, int]] = []
    while heap and len(merges) < merge_limit:
        negative_count, pair = heapq.heappop(heap)
        if pair_counts[pair] != -negative_count:
            continue
        if pair_counts[pair] < 2:
            break
        new_id = FIRST_MERGE_ID + len(merges)
        merges.append(pair)

        changes: Counter[tuple[int, int]] = Counter()
        for place in pair_places.pop(pair):
            before = sequences[place]
            after = merge_pair(before, pair, new_id)
            sequences[place] = after
            for old_pair in pairwise(before):
                changes[old_pair] -= frequencies[place]
            for new_pair in pairwise(after):
                changes[new_pair] += frequencies[place]
                pair_places[new_pair].add(place)
        for changed_pair, change in changes.items():
            if change:
                pair_counts[changed_pair] += change
                heapq.heappush(heap, (-pair_counts[changed_pair], changed_pair))
    return merges


@dataclass(frozen=True)
class MergeTree:
    """How a token came about: `parts` are the two that were merged, or none.

    A token without parts is a byte or a special token; `text` is for a reader's eyes.
    """

    token_id: int
    text: str
    parts: tuple["MergeTree", ...] = ()


class Tokenizer:
    """A byte-level BPE tokenizer, defined completely by its list of merges.

    merges : pairs of token ids; merge number n makes token 262 + n. None: bytes only.
    pattern : how text is cut before, of `SPLITTERS`; "gpt2" has one sign for both ends.

    Raises ValueError: a merge comes twice or is no pair of earlier ids; or no pattern.
    """

    SPECIAL_TOKENS = SPECIAL_TOKENS
    pad_id, bos_id, eos_id, mask_id, user_id, assistant_id = range(FIRST_BYTE_ID)

    def __init__(
        self, merges: Iterable[Sequence[int]] = (), pattern: str = PIECE_PATTERN
    ) -> None:
        if pattern not in SPLITTERS:
            raise ValueError(
                f"its piece_pattern is {pattern!r}; expected one of {list(SPLITTERS)}"
            )
        self.pattern, self._split = pattern, SPLITTERS[pattern]
        if pattern == "gpt2":
            self.bos_id = self.eos_id
        self.merges: list[tuple[int, int]] = []
        self._merged_id: dict[tuple[int, int], int] = {}
        self._token_bytes = [b""] * FIRST_BYTE_ID
        self._token_bytes += [bytes([byte]) for byte in range(256)]
        for merge in merges:
            self._add_merge(merge)
        self._piece_ids = lru_cache(maxsize=_CACHED_PIECES)(self._encode_piece)

    def _add_merge(self, merge: Sequence[int]) -> None:
        new_id = len(self._token_bytes)
        pair = tuple(merge)
        if len(pair) != 2 or not all(
            type(part) is int and FIRST_BYTE_ID <= part < new_id for part in pair
        ):
            raise ValueError(
                f"the merge that makes token {new_id} is {merge!r}; expected two ids "
                f"from {FIRST_BYTE_ID} to {new_id - 1}, bytes or earlier merges"
            )
        if pair in self._merged_id:
            raise ValueError(
                f"the pair {pair} is merged twice, into tokens "
                f"{self._merged_id[pair]} and {new_id}; each pair may come once"
            )
        left, right = pair
        self._token_bytes.append(self._token_bytes[left] + self._token_bytes[right])
        self._merged_id[pair] = new_id
        self.merges.append(pair)

    @property
    def vocab_size(self) -> int:
        """Number of ids: special tokens, bytes and merges."""
        return len(self._token_bytes)

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size})"

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "Tokenizer":
        """Learn the merges of some texts.

        texts : what to learn from, in any order.
        vocab_size : ids wanted, at least 262. Texts so short that no pair of tokens
            occurs twice any more give fewer: a pair seen once is not a pattern. So
            build the model with `tokenizer.vocab_size`, not with the number asked for.

        Raises ValueError: `vocab_size` is below 262; `texts` is a string, or empty.
        """
        if vocab_size < FIRST_MERGE_ID:
            raise ValueError(
                f"vocab_size is {vocab_size}, but {FIRST_BYTE_ID} special tokens and "
                f"256 bytes need {FIRST_MERGE_ID}; choose {FIRST_MERGE_ID} or more"
            )
        if isinstance(texts, str):
            raise ValueError(
                "texts is one string, whose items are single characters; expected "
                "several strings: pass [text] instead of text"
            )
        piece_counts: Counter[str] = Counter()
        for text in texts:
            piece_counts.update(split_pieces(text))
        if not piece_counts:
            raise ValueError(
                "there is no text to learn from: texts is empty or holds only empty "
                "strings; check the files or the generator that it comes from"
            )
        return cls(learn_merges(piece_counts, vocab_size - FIRST_MERGE_ID))

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, all of them bytes or merges; no bos or eos is added."""
        return list(chain.from_iterable(map(self._piece_ids, self._split(text))))

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        """Merge, again and again, the pair whose merge was learnt first."""
        ids = [FIRST_BYTE_ID + byte for byte in piece_bytes(piece)]
        merged_id, never = self._merged_id.get, self.vocab_size
        # What each token and its right neighbour would become; small ids were learnt
        # first. A merge changes the two entries beside it, so only they are looked up.
        offers = [merged_id(pair, never) for pair in pairwise(ids)]
        while offers and (new_id := min(offers)) != never:
            place = offers.index(new_id)
            ids[place : place + 2] = [new_id]
            del offers[place]
            if place > 0:
                offers[place - 1] = merged_id((ids[place - 1], new_id), never)
            if place < len(offers):
                offers[place] = merged_id((new_id, ids[place + 1]), never)
        return tuple(ids)

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """The text of `ids`: `decode(encode(text)) == text` for every string.

        Ids in an order that is not valid UTF-8 (a model may write them) give U+FFFD.
        Special tokens are left out, or shown by name if `skip_special` is False.

        Raises ValueError: an id that is not in the vocabulary.
        """
        parts = []
        for token_id in map(self._checked, ids):
            if token_id >= FIRST_BYTE_ID:
                parts.append(self._token_bytes[token_id])
            elif not skip_special:
                parts.append(SPECIAL_TOKENS[token_id].encode())
        return b"".join(parts).decode("utf-8", _REPLACE_INVALID)

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """What `decode` gives for all of `ids`, a piece for each as soon as it comes.

        A character whose bytes are split over tokens waits for its last one.
        """
        waiting = b""
        for token_id in map(self._checked, ids):
            waiting += self._token_bytes[token_id]
            end = _UNFINISHED.search(waiting).start()
            yield waiting[:end].decode("utf-8", _REPLACE_INVALID)
            waiting = waiting[end:]
        yield waiting.decode("utf-8", _REPLACE_INVALID)

    def token_text(self, token_id: int) -> str:
        r"""One token as a reader should see it in a plot or a table.

        A space is "␣", a line end "⏎", a byte that is only a part of a character
        \xNN, and a special token is its name.
        """
        token_id = self._checked(token_id)
        if token_id < FIRST_BYTE_ID:
            return SPECIAL_TOKENS[token_id]
        text = self._token_bytes[token_id].decode("utf-8", "backslashreplace")
        return "".join(map(_visible, text))

    def merge_tree(self, token_id: int) -> MergeTree:
        """The token, the two tokens it was merged from, theirs, down to bytes."""
        token_id = self._checked(token_id)
        merge = token_id - FIRST_MERGE_ID
        parts = self.merges[merge] if merge >= 0 else ()
        text = self.token_text(token_id)
        return MergeTree(token_id, text, tuple(map(self.merge_tree, parts)))

    def _checked(self, token_id: int) -> int:
        token_id = as_integer(token_id)
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(
                f"{token_id} is not a token id: this tokenizer has the ids 0 to "
                f"{self.vocab_size - 1}. Use the tokenizer that the text was encoded "
                "with and the model trained with"
            )
        return token_id

    def fingerprint(self) -> str:
        """SHA-256: equal for tokenizers that encode every text alike."""
        ours = self.pattern == PIECE_PATTERN
        told = self.merges if ours else [self.pattern, self.merges]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Write the tokenizer as JSON made to be read, one merge a line.

        Raises OSError: nothing could be written, and an earlier file is unchanged.
        """
        header = {
            **_KIND,
            "first_byte_id": FIRST_BYTE_ID,
            "piece_pattern": self.pattern,
            "vocab_size": self.vocab_size,
            "fingerprint": self.fingerprint(),
        }
        lines = [f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in header.items()]
        rows = []
        for new_id, pair in enumerate(self.merges, start=FIRST_MERGE_ID):
            row = {"id": new_id, "pair": pair}
            row["text"] = list(map(self.token_text, pair))
            rows.append("    " + json.dumps(row, ensure_ascii=False))
        merges = ",\n".join(rows)
        text = "{\n" + "".join(lines) + f'  "merges": [\n{merges}\n  ]\n}}\n'
        write_atomically(path, text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Tokenizer":
        """Read a tokenizer that `save` wrote.

        Raises FileNotFoundError: there is no such file.
        Raises ValueError: the file is damaged, of another kind or of another version.
        """
        path = Path(path).expanduser()
        try:
            return cls._from_json(path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise ValueError(
                f"{path} cannot be used as a tokenizer ({reason}); expected the JSON "
                "file that Tokenizer.save writes. Restore the file, or train the "
                "tokenizer and the models that use it again"
            ) from error

    @classmethod
    def _from_json(cls, text: str) -> "Tokenizer":
        stored = json.loads(text)
        for name, value in _KIND.items():
            if stored[name] != value:
                raise ValueError(f"its {name} is {stored[name]!r}, not {value!r}")
        merges = (merge["pair"] for merge in stored["merges"])
        tokenizer = cls(merges, stored["piece_pattern"])
        if tokenizer.fingerprint() != stored["fingerprint"]:
            raise ValueError(
                "its merges do not have the fingerprint that was stored with them: "
                "the file was changed after it was saved"
            )
        return tokenizer


# The bytes at an end that may be the beginning of a character.
_UNFINISHED = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})?\Z"
)


def _visible(character: str) -> str:
    shown = {" ": "␣", "\n": "⏎"}.get(character, character)
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode()


def _keep_surrogates_replace_the_rest(
    error: UnicodeDecodeError,
) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogatepass")(error)
    except UnicodeDecodeError:
        return codecs.lookup_error("replace")(error)


_REPLACE_INVALID = "llmlab.keep_surrogates_replace_the_rest"
codecs.register_error(_REPLACE_INVALID, _keep_surrogates_replace_the_rest)
