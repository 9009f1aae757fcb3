"""Books that may be downloaded, for those who have a network; the course never asks.

    from llmlab.real_text.downloads import download
    documents, report = read_text(download("alice"))

`data/downloads.toml` lists them, and no other file of the course names a host. What
arrives is trusted only after its size and its checksum were compared. Where the list
gives no checksum, that of the first download is written to `checksums.json` beside the
file, and each later one must agree: this notices a file that changes or breaks, but
not one that was wrong from the beginning.
"""

import hashlib
import http.client
import ipaddress
import json
import os
import re
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from llmlab.files import write_atomically
from llmlab.paths import DATA, RUNS
from llmlab.real_text.extraction import EXTRACTORS

LIST = DATA / "downloads.toml"
FOLDER = RUNS / "downloads"

LARGEST = 100_000_000
"""Bytes. Nobody wants more by accident, whatever a server sends."""

PATIENCE = 30
"""Seconds without a single byte, after which we give up."""

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Download:
    """A file that may be downloaded; the fields are explained in `data/downloads.toml`.

    Raises
    ------
    ValueError : a field cannot be right.
    """

    name: str
    title: str
    author: str
    year: int
    licence: str
    url: str
    bytes: int | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault:
            raise ValueError(f"{self.name}: {fault}")

    @property
    def file_name(self) -> str:
        return self.name + PurePosixPath(urlsplit(self.url).path).suffix.lower()


def _fault(entry: Download) -> str | None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", entry.name):
        return "a name consists of small letters, digits and hyphens"
    for name in ("title", "author", "licence", "url"):
        if not isinstance(getattr(entry, name), str) or not getattr(entry, name):
            return f"{name} must be a text"
    if type(entry.year) is not int:
        return "year must be a whole number"
    if not _is_safe(entry.url):
        return f"url is {entry.url!r}; it must begin with https://"
    if PurePosixPath(entry.file_name).suffix not in EXTRACTORS:
        return f"the file of the url must end in {', '.join(EXTRACTORS)}"
    if entry.bytes is not None and (
        type(entry.bytes) is not int or not 0 < entry.bytes <= LARGEST
    ):
        return f"bytes must be a whole number from 1 to {LARGEST:,}"
    if entry.sha256 is not None and not (
        isinstance(entry.sha256, str) and re.fullmatch("[0-9a-f]{64}", entry.sha256)
    ):
        return "sha256 must be 64 digits and letters from a to f"
    return None


def _is_safe(url: str) -> bool:
    """Encrypted, or never leaving this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return True
    try:
        on_this_machine = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
    return parts.scheme == "http" and on_this_machine


def available(path: Path = LIST) -> dict[str, Download]:
    """What can be downloaded, by name.

    Raises
    ------
    ValueError : the list is wrong; the message names the file and the entry.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML in UTF-8: {error}") from error
    return {name: _entry(path, name, entry) for name, entry in entries.items()}


def _entry(path: Path, name: str, entry: object) -> Download:
    known = {field.name for field in fields(Download)} - {"name"}
    required = known - {"bytes", "sha256"}
    if not isinstance(entry, dict):
        raise ValueError(f"{path}: {name} must be a table, begun by [{name}]")
    if entry.keys() - known or required - entry.keys():
        unknown = sorted(entry.keys() - known) or "none"
        missing = sorted(required - entry.keys()) or "none"
        raise ValueError(
            f"{path}, {name}: fields that are missing: {missing}; unknown: {unknown}"
        )
    try:
        return Download(name, **entry)
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from error


def download(name: str, folder: Path | str = FOLDER) -> Path:
    """Download a file of the list, unless it is there already.

    Returns
    -------
    path : of the file, whose size and checksum are as they should be.

    Raises
    ------
    ValueError : there is no such entry; or what arrived, or what is there, is not what
        the list or an earlier download promised.
    OSError : the server cannot be reached or the file cannot be written. The same call
        tries again; where a checksum is known, it goes on from what has arrived.
    """
    entries = available()
    if name not in entries:
        raise ValueError(
            f"there is no download {name!r}; there are {', '.join(entries)}"
        )
    return fetch(entries[name], folder)


def fetch(entry: Download, folder: Path | str) -> Path:
    """As `download`, of any entry."""
    folder = Path(folder)
    path, part = folder / entry.file_name, folder / f"{entry.file_name}.part"
    checksum = entry.sha256 or _remembered(folder).get(entry.name)
    if path.exists():
        _compare(entry, path, checksum, remedy=f"delete {path} to download it anew")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        if checksum is None:
            # Nothing could tell whether a second half belongs to a first one.
            part.unlink(missing_ok=True)
        try:
            _receive(entry, part)
            _compare(entry, part, checksum, remedy="it was not kept")
        except ValueError:
            part.unlink(missing_ok=True)
            raise
        os.replace(part, path)
    if checksum is None:
        _remember(folder, entry.name, _sha256(path))
    return path


# What was promised --------------------------------------------------------------------


def _compare(entry: Download, path: Path, checksum: str | None, remedy: str) -> None:
    size = path.stat().st_size
    if entry.bytes is not None and size != entry.bytes:
        raise ValueError(
            f"{entry.name} has {size:,} bytes where {entry.bytes:,} were promised; "
            f"{remedy}"
        )
    if checksum is not None and _sha256(path) != checksum:
        raise ValueError(
            f"{entry.name} has the SHA-256 checksum {_sha256(path)} where {checksum} "
            f"was promised: it is another file, or a damaged one; {remedy}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(folder: Path) -> dict[str, str]:
    path = folder / "checksums.json"
    try:
        remembered = json.loads(path.read_text("utf-8"))
        return {str(name): str(checksum) for name, checksum in remembered.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged; delete it, and the next downloads are taken on trust"
        ) from error


def _remember(folder: Path, name: str, checksum: str) -> None:
    remembered = _remembered(folder) | {name: checksum}
    content = json.dumps(remembered, indent=2, sort_keys=True) + "\n"
    write_atomically(folder / "checksums.json", content.encode())


# The network --------------------------------------------------------------------------


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server elsewhere only if the way there is safe too."""

    def redirect_request(self, request, file, code, message, headers, url):
        if not _is_safe(url):
            raise ValueError(f"{request.full_url} leads to {url}, which is not https")
        return super().redirect_request(request, file, code, message, headers, url)


def _receive(entry: Download, part: Path) -> None:
    """Append to `part` what it lacks of the whole file."""
    already = part.stat().st_size if part.exists() else 0
    if already == entry.bytes:  # the last attempt broke off just before the end
        return
    request = urllib.request.Request(entry.url)
    if already:
        request.add_header("Range", f"bytes={already}-")
    try:
        opener = urllib.request.build_opener(_SafeRedirects)
        with opener.open(request, timeout=PATIENCE) as response:
            _append(entry, part, response, already)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing after what we have: it is no part
            part.unlink()
        raise OSError(
            f"{entry.name}: {entry.url} answers {error.code} {error.reason}; try again "
            "later, or find the book elsewhere"
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise OSError(
            f"{entry.name}: {entry.url} cannot be read to its end "
            f"({getattr(error, 'reason', error)}); try again, it goes on from where it "
            "was"
        ) from error


def _append(entry: Download, part: Path, response, already: int) -> None:
    if already and not _continues(response, already):
        already = 0  # the server sends it all once more
    limit = entry.bytes or LARGEST
    expected = response.headers.get("Content-Length")
    with part.open("ab" if already else "wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            if file.tell() > limit:
                raise ValueError(
                    f"{entry.name}: {entry.url} sends more than the {limit:,} bytes "
                    "that were promised; it was not kept"
                )
        received = file.tell() - already
        file.flush()
        os.fsync(file.fileno())
    if expected is not None and received < int(expected):
        raise OSError(f"it broke off after {received:,} of {int(expected):,} bytes")


def _continues(response, already: int) -> bool:
    """Whether the server begins where we had stopped."""
    place = response.headers.get("Content-Range", "")
    return response.status == 206 and place.startswith(f"bytes {already}-")
