"""One way of writing what looks the same, and letters that were read wrongly."""

import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]")


def normalise(text: str) -> str:
    """One way of writing what looks the same.

    Accents are composed (NFC); every line end is "\\n"; a run of spaces within a line
    is one space, while indentation stays, since it means something in code and lists;
    at most one empty line stands between paragraphs; invisible characters are gone.
    """
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    text = unicodedata.normalize("NFC", text)
    lines = (line.expandtabs(4).rstrip() for line in text.split("\n"))
    text = "\n".join(re.sub(r"(?<=\S)\s+", " ", line) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def read_as_windows(byte: int) -> str:
    """What a Windows program shows for a byte; five bytes mean nothing to it."""
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


_SHOWN_AS = {read_as_windows(byte): byte for byte in range(0x80, 0x100)}
_FOLLOWING = "".join(character for character, byte in _SHOWN_AS.items() if byte < 0xC0)
_GARBLED = re.compile(
    f"[ÂÃ][{re.escape(_FOLLOWING)}]|[âï][{re.escape(_FOLLOWING)}]{{2}}"
    f"|ð[{re.escape(_FOLLOWING)}]{{3}}"
)


def garbled(text: str) -> list[tuple[str, str]]:
    """Letters that were written as UTF-8 and read as Windows-1252, and what they mean.

    In UTF-8 everything but plain English letters takes two to four bytes, and the first
    byte says how many. Read byte by byte, "é" turns into "Ã©" and "’" into "â€™". Such
    pairs hardly occur otherwise, so where the bytes make sense as UTF-8 they are that.
    """
    found = ((match[0], _mended(match[0])) for match in _GARBLED.finditer(text))
    return [(wrong, right) for wrong, right in found if wrong != right]


def mend(text: str) -> str:
    """The text with every `garbled` letter put right."""
    return _GARBLED.sub(lambda match: _mended(match[0]), text)


def _mended(letters: str) -> str:
    try:
        return bytes(_SHOWN_AS[letter] for letter in letters).decode("utf-8")
    except UnicodeDecodeError:
        return letters
