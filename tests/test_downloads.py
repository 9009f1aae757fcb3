"""The promises of downloads: the promised bytes or none, tried on this machine only."""

import functools
import hashlib
import http.server
import json
import re
import threading
from dataclasses import replace

import pytest

from authoring.network_guard import NetworkBlocked
from llmlab.paths import ROOT
from llmlab.real_text import downloads
from llmlab.real_text.downloads import Download, available, download, fetch

BOOK = "".join(f"Line {number} of a short book.\n" for number in range(5000)).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves BOOK as /book.txt; the server's `manners` say how well."""

    def do_GET(self):
        self.server.asked.append(self.headers.get("Range"))
        manners = self.server.manners
        if "redirect" in manners:
            self.send_response(302)
            self.send_header("Location", manners["redirect"])
            self.end_headers()
            return
        if "status" in manners:
            self.send_error(manners["status"])
            return
        content, start = manners.get("content", BOOK), 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and not manners.get("ignores_ranges"):
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", place)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : manners.get("breaks_off_at")])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.manners, server.asked = {}, []
        serve = functools.partial(server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def entry(server):
    return Download(
        name="book",
        title="A short book",
        author="Nobody",
        year=1900,
        licence="public domain",
        url=f"http://127.0.0.1:{server.server_port}/book.txt",
        bytes=len(BOOK),
        sha256=hashlib.sha256(BOOK).hexdigest(),
    )


def files_in(folder):
    return sorted(file.name for file in folder.iterdir())


def test_download_is_the_promised_file_and_nothing_else(entry, tmp_path):
    path = fetch(entry, tmp_path / "new")
    assert path.read_bytes() == BOOK and files_in(tmp_path / "new") == ["book.txt"]


def test_what_is_there_is_checked_and_not_asked_for_again(entry, server, tmp_path):
    fetch(entry, tmp_path)
    assert fetch(entry, tmp_path).read_bytes() == BOOK and len(server.asked) == 1
    (tmp_path / "book.txt").write_bytes(BOOK[:-1] + b"?")
    with pytest.raises(ValueError, match="another file, or a damaged one; delete"):
        fetch(entry, tmp_path)


def test_broken_download_goes_on_where_it_was(entry, server, tmp_path):
    server.manners = {"breaks_off_at": 70_001}
    with pytest.raises(OSError, match="broke off after 70,001 .* goes on"):
        fetch(entry, tmp_path)
    assert files_in(tmp_path) == ["book.txt.part"]
    server.manners = {}
    assert fetch(entry, tmp_path).read_bytes() == BOOK
    assert server.asked == [None, "bytes=70001-"]


def test_server_that_cannot_go_on_is_asked_for_everything(entry, server, tmp_path):
    (tmp_path / "book.txt.part").write_bytes(BOOK[:500])
    server.manners = {"ignores_ranges": True}
    assert fetch(entry, tmp_path).read_bytes() == BOOK


def test_part_that_was_complete_needs_no_server(entry, server, tmp_path):
    (tmp_path / "book.txt.part").write_bytes(BOOK)
    assert fetch(entry, tmp_path).read_bytes() == BOOK and server.asked == []


def test_part_of_another_file_is_found_out_and_thrown_away(entry, tmp_path):
    (tmp_path / "book.txt.part").write_bytes(b"x" * 500)
    with pytest.raises(ValueError, match="SHA-256 checksum .* it was not kept"):
        fetch(entry, tmp_path)
    assert files_in(tmp_path) == []
    assert fetch(entry, tmp_path).read_bytes() == BOOK


def test_part_that_is_too_long_is_thrown_away(entry, tmp_path):
    (tmp_path / "book.txt.part").write_bytes(BOOK + b"more")
    with pytest.raises(OSError, match="answers 416"):
        fetch(entry, tmp_path)
    assert fetch(entry, tmp_path).read_bytes() == BOOK


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (BOOK[:-1], "bytes where .* were promised"),
        (BOOK + b"!", "sends more than the"),
        (BOOK[:-1] + b"?", "SHA-256"),
    ],
)
def test_what_was_not_promised_is_not_kept(entry, server, tmp_path, content, complaint):
    server.manners = {"content": content}
    with pytest.raises(ValueError, match=complaint):
        fetch(entry, tmp_path)
    assert files_in(tmp_path) == []


def test_without_a_checksum_the_first_download_is_remembered(entry, server, tmp_path):
    unknown = replace(entry, sha256=None)
    (tmp_path / "book.txt.part").write_bytes(b"of who knows what")
    fetch(unknown, tmp_path)
    assert server.asked == [None]
    checksums = json.loads((tmp_path / "checksums.json").read_text())
    assert checksums == {"book": entry.sha256}
    (tmp_path / "book.txt").unlink()
    server.manners = {"content": BOOK[:-1] + b"?"}
    with pytest.raises(ValueError, match="SHA-256"):
        fetch(unknown, tmp_path)


def test_damaged_list_of_checksums_is_named(entry, tmp_path):
    (tmp_path / "checksums.json").write_text("[]")
    with pytest.raises(ValueError, match=r"checksums\.json is damaged"):
        fetch(replace(entry, sha256=None), tmp_path)


def test_server_that_refuses_is_quoted(entry, server, tmp_path):
    server.manners = {"status": 404}
    with pytest.raises(OSError, match=r"book\.txt answers 404 Not Found"):
        fetch(entry, tmp_path)


def test_server_that_is_not_there_is_named(entry, tmp_path, server):
    server.server_close()
    with pytest.raises(OSError, match="cannot be read to its end"):
        fetch(entry, tmp_path)


@pytest.mark.parametrize(
    "elsewhere", ["http://192.0.2.1/book.txt", "ftp://192.0.2.1/x"]
)
def test_nobody_is_led_to_an_unsafe_address(entry, server, tmp_path, elsewhere):
    server.manners = {"redirect": elsewhere}
    with pytest.raises(ValueError, match="leads to .*, which is not https"):
        fetch(entry, tmp_path)


def test_a_download_from_elsewhere_is_stopped_by_the_guard_of_the_tests(
    entry, tmp_path
):
    with pytest.raises(NetworkBlocked):
        fetch(replace(entry, url="https://192.0.2.1/book.txt"), tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("name", "../book", "small letters"),
        ("title", "", "title must be a text"),
        ("year", "1900", "whole number"),
        ("url", "http://192.0.2.1/book.txt", "must begin with https"),
        ("url", "file:///book.txt", "must begin with https"),
        ("url", "https://192.0.2.1/book.exe", r"must end in \.txt"),
        ("bytes", 0, "bytes must be"),
        ("bytes", True, "bytes must be"),
        ("sha256", "ABC", "sha256 must be"),
    ],
)
def test_impossible_entry_is_refused(entry, field, value, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(entry, **{field: value})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[book", "is not TOML"),
        ("book = 1", r"begun by \[book\]"),
        ("[book]\ntitel = 'x'", r"missing: \['author', .*unknown: \['titel'\]"),
    ],
)
def test_damaged_list_is_named(tmp_path, text, complaint):
    path = tmp_path / "list.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint) as caught:
        available(path)
    assert "list.toml" in str(caught.value)


def test_unknown_name_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="'moby'; there are alice, "):
        download("moby", tmp_path)


def test_every_entry_says_why_it_may_be_copied_and_what_will_arrive():
    assert len(available()) >= 5
    for entry in available().values():
        assert "public domain" in entry.licence
        assert entry.bytes and entry.sha256 and entry.url.startswith("https://")


def test_download_reads_the_list(entry, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "available", lambda: {"book": entry})
    assert download("book", tmp_path).read_bytes() == BOOK


def test_the_room_of_real_text_names_no_host():
    for path in (ROOT / "llmlab" / "real_text").glob("*.py"):
        addresses = re.findall(r"https?://[\w.]+", path.read_text("utf-8"))
        assert addresses == [], path
