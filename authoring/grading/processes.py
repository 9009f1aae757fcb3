"""Start, ask and end the process beside a learner's code."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from authoring.grading import sandbox
from llmlab.paths import ROOT

START_SECONDS = 300
MOST_REPLY = 32_000_000
"""Bytes of all that one request brings back."""


class Stopped(Exception):
    """The process has ended, or was ended, before it replied; the message says why."""


@dataclass(frozen=True)
class Limits:
    """Seconds of processor time for a step (a cell, an answer) and for all; more."""

    step_seconds: float = 20
    seconds: int = 180
    wall_seconds: float = 300
    memory_bytes: int = 4 * 2**30
    file_bytes: int = 100 * 2**20


@dataclass(frozen=True)
class Place:
    """Where submissions run.

    Parameters
    ----------
    hidden : folders that they must not see, besides this course.
    walled : whether bubblewrap takes everything else out of sight.
    nursery : starts processes at once; None: each imports PyTorch for itself.
    """

    limits: Limits
    hidden: tuple[Path, ...] = ()
    walled: bool = False
    nursery: "Nursery | None" = None


def last_line(said: bytes) -> str:
    return (said.decode("utf-8", "replace").strip().splitlines() or [""])[-1]


def cannot_start(where: str, why: str) -> ValueError:
    return ValueError(f"no submission can be run {where}: {why}. Nobody was graded")


class Alone:
    """A process that is started for one submission."""

    def __init__(self, folder: Path, words: list[str]):
        self._process = subprocess.Popen(
            words,
            cwd=folder,
            env=sandbox.environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.requests, self.replies = self._process.stdin, self._process.stdout

    def wait(self) -> int:
        return self._process.wait()

    def complaint(self) -> str:
        return last_line(self._process.stderr.read(100_000))

    def close(self) -> None:
        for file in (self.requests, self.replies, self._process.stderr):
            with contextlib.suppress(OSError):  # The pipe's other end is gone.
                file.close()


class Nursery:
    """A process that has imported PyTorch and knows nothing, and forks others."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="llmlab-nursery-")
        self._lock, self._process = threading.Lock(), None
        self._start()

    def _start(self) -> None:
        self._door, theirs = socket.socketpair()
        folder = Path(self._folder.name)
        with theirs, tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(
                sandbox.command("nursery"),
                cwd=folder,
                env=sandbox.environment(folder),
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )
            theirs.close()
            if not self._door.recv(100):
                complaints.seek(0)
                raise cannot_start("here", last_line(complaints.read()))

    def _talk(self, message: dict, files=()) -> int:
        with self._lock:
            for _ in range(2):
                try:
                    words = [json.dumps(message).encode()]
                    socket.send_fds(self._door, words, files)
                    return int(self._door.recv(100))
                except (OSError, ValueError):  # Somebody has ended it.
                    self.end()
                    self._start()
            raise OSError("the process that starts others ends again and again")

    def bear(self, folder: Path) -> "Child":
        to_read, requests = os.pipe()
        replies, to_write = os.pipe()
        message = {"folder": str(folder), "environment": sandbox.environment(folder)}
        try:
            pid = self._talk(message, [to_read, to_write])
        finally:
            os.close(to_read)
            os.close(to_write)
        return Child(self, pid, os.fdopen(requests, "wb"), os.fdopen(replies, "rb"))

    def wait(self, pid: int) -> int:
        return self._talk({"wait": pid})

    def end(self) -> None:
        self._door.close()
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.end()
        self._folder.cleanup()


class Child:
    """A process that the nursery has borne."""

    def __init__(self, nursery: Nursery, pid: int, requests, replies):
        self._nursery, self.pid = nursery, pid
        self.requests, self.replies = requests, replies

    def wait(self) -> int:
        return self._nursery.wait(self.pid)

    def complaint(self) -> str:
        return ""

    def close(self) -> None:
        for file in (self.requests, self.replies):
            with contextlib.suppress(OSError):
                file.close()


class Worker:
    """One process with a folder of its own; `with` ends it and what it started."""

    running: set["Worker"] = set()
    no_more = False

    def __init__(self, place: Place):
        if Worker.no_more:
            raise InterruptedError("the grading was stopped")
        self.place = place
        self._folder = tempfile.TemporaryDirectory(
            prefix="llmlab-grade-", ignore_cleanup_errors=True
        )
        folder = Path(self._folder.name).resolve()
        if place.nursery and not place.walled:
            self._process = place.nursery.bear(folder)
        else:
            words = sandbox.command()
            if place.walled:
                words = sandbox.in_bubblewrap(words, folder, place.hidden)
            self._process = Alone(folder, words)
        self._late, self._code, self._ending = 0.0, None, threading.Lock()
        Worker.running.add(self)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.end()
        Worker.running.discard(self)
        self._process.close()
        self._folder.cleanup()

    def set_up(self) -> None:
        """Limits and rail. A process that cannot start says so here."""
        limits, hidden = self.place.limits, [ROOT, *self.place.hidden]
        request = {
            "hidden": [str(path) for path in hidden],
            "open_inside": [str(path) for path in sandbox.shown()],
            "limits": {
                "memory_bytes": limits.memory_bytes,
                "cpu_seconds": limits.seconds,
                "file_bytes": limits.file_bytes,
                # Counted per user, so only where the sandbox has one of its own.
                "processes": 64 if self.place.walled else None,
            },
        }
        try:
            self.ask(request, seconds=START_SECONDS)
        except Stopped as stop:
            self.end()
            raise Stopped(self._process.complaint() or str(stop)) from None

    def ask(
        self,
        request: dict,
        take: Callable[[dict], object] | None = None,
        seconds: float | None = None,
    ) -> dict:
        """Send a request, give each reply to `take`, and return the last.

        A reply that asks is answered by what `take` returns. After so many seconds of
        the clock the process is ended; it should have interrupted itself before.
        """
        seconds = seconds or 1.2 * self.place.limits.wall_seconds + 30
        alarm = threading.Timer(seconds, self._too_late, (seconds,))
        alarm.daemon = True
        alarm.start()
        self._left = MOST_REPLY
        try:
            self._send(request)
            while True:
                reply = self._receive()
                if "kept" not in reply and "ask" not in reply:
                    return reply
                answer = take(reply) if take else None
                if "ask" in reply:
                    self._send(answer)
        except OSError:
            raise Stopped(self._why()) from None
        finally:
            alarm.cancel()

    def _send(self, message) -> None:
        self._process.requests.write(json.dumps(message).encode() + b"\n")
        self._process.requests.flush()

    def _receive(self) -> dict:
        line = self._process.replies.readline(self._left)
        self._left -= len(line)
        if self._left == 0:
            raise Stopped("it sent more than a result can hold")
        if not line.endswith(b"\n"):
            raise Stopped(self._why())
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise Stopped("it wrote into the channel of its results")
        return reply

    def _too_late(self, seconds: float) -> None:
        self._late = seconds
        self.end()

    def _why(self) -> str:
        if self._late:
            return (
                f"it had not ended after {self._late:.0f} seconds of the clock; the "
                "machine may have been busy: grade it once more"
            )
        if not self._is_over():
            return "it closed the channel of its results"
        code = self.end()
        code = code - 128 if code > 128 else -code  # bubblewrap adds 128
        name = next((one.name for one in signal.Signals if one == code), "")
        if name in ("SIGXCPU", "SIGKILL"):
            return "it used up its processor time or memory and was stopped"
        if name:
            return f"it crashed ({name})"
        return "it ended its own process (exit(), os._exit)"

    def _is_over(self) -> bool:
        """Its channel closes a moment before it ends."""
        for _ in range(20):
            try:
                if psutil.Process(self._process.pid).status() == psutil.STATUS_ZOMBIE:
                    return True
            except psutil.Error:
                return True
            time.sleep(0.05)
        return False

    def end(self) -> int:
        """End the process and all that it started, as far as the system knows."""
        with self._ending:
            if self._code is None:
                family = []
                with contextlib.suppress(psutil.Error):
                    first = psutil.Process(self._process.pid)
                    family = [*first.children(recursive=True), first]
                with contextlib.suppress(OSError, AttributeError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                for process in family:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                self._code = self._process.wait()
            return self._code


def end_all() -> None:
    Worker.no_more = True
    for worker in list(Worker.running):
        worker.end()


@contextlib.contextmanager
def ready(place: Place):
    """The place, tried once before anybody is graded in it."""
    if place.walled and shutil.which("bwrap") is None:
        raise ValueError(
            "--sandbox needs bubblewrap (Linux, the command bwrap): install it, or "
            "grade without --sandbox in a virtual machine"
        )
    if not place.walled and sys.platform == "linux":
        # Where a process can be copied safely.
        with contextlib.closing(Nursery()) as nursery:
            yield replace(place, nursery=nursery)
        return
    with Worker(place) as worker:
        try:
            worker.set_up()
        except Stopped as stop:
            where = "in the sandbox" if place.walled else "here"
            raise cannot_start(where, str(stop)) from None
    yield place
