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
    """The lists that are shipped."""
    return load_function_words(Path(__file__).with_name("function_words.toml"))


def load_function_words(path: Path) -> dict[str, tuple[str, ...]]:
    """Read lists of little words, one language a line.

    Raises
    ------
    ValueError : the file is no TOML, lacks English, or has a list that is no text, is
        too short, or names a word twice or in capitals.
    """
    try:
        lists = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML in UTF-8: {error}") from error
    if "English" not in lists:
        raise ValueError(f'{path} has no line English = "the of and ..."')
    found = {}
    for language, words in lists.items():
        fault = _fault(words)
        if fault:
            raise ValueError(f"{path}, {language}: {fault}")
        found[language] = tuple(words.split())
    return found


def _fault(words: object) -> str | None:
    if not isinstance(words, str):
        return 'the words must be one text, as in English = "the of and ..."'
    counts = Counter(words.split())
    repeated = [word for word, count in counts.items() if count > 1]
    if repeated:
        return f"{', '.join(repeated)} is there twice; name every word once"
    if words != words.lower():
        return "write every word in lower case"
    if len(counts) < 20:
        return f"there are {len(counts)} words; at least 20 are needed to judge a text"
    return None
