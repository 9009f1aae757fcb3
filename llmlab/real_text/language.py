"""Is it English? The little words tell.

"The", "of" and "and" say nothing about what a text is about, and that is why they are
in every text: about half of all running words are from a list of a few dozen. Each
language has its own list, so the list of which most words are found is the language.
It takes no training, every verdict can be checked with a pencil, and ten words are
mostly enough. What it cannot do: tell languages apart that are not in
`function_words.toml`, judge a list of names, or see that half a text is French.
"""

import functools
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmlab.real_text.sifting import Rule
from llmlab.real_text.words import words_of

UNKNOWN = "unknown"

FEWEST_LITTLE_WORDS = 0.1
"""Share of the words. A text with fewer is in another language, or no prose at all."""

ENGLISH_ONLY = Rule("not English", "its little words are not those of English")


@dataclass(frozen=True)
class Guess:
    """A language, and the share of the words that are little words of it."""

    language: str
    share: float


def shares(text: str) -> dict[str, float]:
    """For every language, the share of a text's words that are its little words."""
    counts = Counter(words_of(text))
    total = max(1, counts.total())
    return {
        language: sum(counts[word] for word in words) / total
        for language, words in function_words().items()
    }


def guess_language(text: str) -> Guess:
    """The language whose little words a text has most of, or `UNKNOWN`.

    A tie goes to the language that stands first in the file.
    """
    found = shares(text)
    language = max(found, key=found.__getitem__)
    if found[language] < FEWEST_LITTLE_WORDS:
        return Guess(UNKNOWN, found[language])
    return Guess(language, found[language])


def why_not_english(text: str) -> str | None:
    """What speaks against English, or None if nothing does."""
    guess = guess_language(text)
    if guess.language == "English":
        return None
    if guess.language == UNKNOWN:
        return (
            f"of no language are more than {guess.share:.0%} of its words little ones"
        )
    return f"{guess.share:.0%} of its words are little words of {guess.language}"


@functools.cache
def function_words() -> Mapping[str, tuple[str, ...]]:
    """Each language's little words."""
    text = Path(__file__).with_name("function_words.toml").read_text("utf-8")
    return {name: tuple(words.split()) for name, words in tomllib.loads(text).items()}
