"""The process beside a learner's code: it runs cells and shows inputs to answers.

It knows neither what is right nor what is expected: a request is a line of JSON, so
is each reply, and the grader compares. Whatever a learner's code does to this
process, it can send nothing but results.
"""

import ast
import asyncio
import builtins
import contextlib
import importlib
import inspect
import json
import linecache
import os
import signal
import socket
import sys
import time
import types

import rail  # beside this file, which runs as a script

try:
    import resource
except ImportError:  # Windows: the grader's clock is the only limit there.
    resource = None

GRACE = 5
"""Seconds of processor time for code that goes on when it is interrupted."""


class OutOfTime(KeyboardInterrupt):
    """Like the learner's own Ctrl-C, so that code treats it alike."""


class Shell:
    """What `get_ipython()` gives: magics that run their code run it, others rest."""

    RUN_THEIR_CODE = ("time", "timeit", "capture", "prun", "python")

    def __init__(self, run):
        self._run = run

    def run_line_magic(self, name, line, *_, **__):
        if name in ("time", "prun"):
            self._run(line)

    def run_cell_magic(self, name, line, body):
        if name in self.RUN_THEIR_CODE:
            self._run(body)

    def __getattr__(self, name):
        return lambda *_, **__: None


class Notebook:
    """The learner's names, and cells run among them."""

    def __init__(self, transform):
        self.module = types.ModuleType("__main__")
        self.names = self.module.__dict__
        self.transform, self.number = transform, 0
        sys.modules["__main__"] = self.module
        shell = Shell(self.execute)
        builtins.get_ipython = lambda: shell
        builtins.display = lambda *_, **__: None

    def run(self, source):
        with contextlib.suppress(SyntaxError):  # of a magic; Python says it better
            source = self.transform(source)
        self.execute(source)

    def execute(self, source):
        self.number += 1
        file = f"<cell {self.number}>"
        # For `inspect.getsource`, and for the lines of a traceback.
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, file, "exec", flags=flags, dont_inherit=True)
        found = eval(code, self.names)
        if inspect.iscoroutine(found):
            asyncio.run(found)


def in_words(error):
    try:
        return f"{type(error).__name__}: {str(error).strip()[:300]}".partition("\n")[0]
    except Exception:
        return "an error that cannot be shown"


@contextlib.contextmanager
def limited(cpu_seconds, wall_seconds):
    """Interrupt after so many seconds of processor time, or of waiting."""
    if resource is None:
        yield
        return

    def interrupt(number, frame):
        raise OutOfTime("out of time")

    signal.signal(signal.SIGPROF, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = int(time.process_time() + cpu_seconds + GRACE) + 1
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds, 1)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def uninterrupted():
    """A line is sent whole, though time may run out meanwhile."""
    if resource is None:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF, signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def blocked(dotted_names):
    """While an answer is observed, the library's own function is no answer.

    Its code is exchanged, not its name: a name that was imported before leads here.
    """

    def refuse(*_, **__):
        raise NotImplementedError(
            "This is the library's own function: the answer should be yours."
        )

    exchanged = []
    for dotted in dotted_names:
        place, _, name = dotted.rpartition(".")
        with contextlib.suppress(ImportError, AttributeError, ValueError):
            found = inspect.unwrap(getattr(importlib.import_module(place), name))
            exchanged.append((found, found.__code__))
            found.__code__ = refuse.__code__
    try:
        yield
    finally:
        for found, code in exchanged:
            found.__code__ = code


def set_limits(limits):
    """For memory, files and processes, on top of what the imports have taken."""
    if resource is None:
        return
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        most = taken + limits["memory_bytes"]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for name, value in (
        ("RLIMIT_CPU", limits["cpu_seconds"]),
        ("RLIMIT_FSIZE", limits["file_bytes"]),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", limits["processes"]),
    ):
        if value is not None:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(getattr(resource, name), (value, value))


def prepare(root):
    """Import what every submission needs. Returns the way to read a cell's magics."""
    sys.path.insert(0, root)
    import torch
    import wire  # noqa: F401 (beside this file, which runs as a script)
    from IPython.core.inputtransformer2 import TransformerManager

    from llmlab.checks import observing  # noqa: F401

    # Of this course, nothing but llmlab can be imported from here on.
    sys.path[:2] = [""]
    for name in ("exercises", "authoring", "tests"):
        sys.modules[name] = None
    torch.set_num_threads(1)
    return TransformerManager().transform_cell


def birth():
    """Wait in the nursery to be forked; then the files of the child's channel."""
    door = socket.socket(fileno=os.dup(0))
    door.send(b"ready")
    while True:
        message, files, _, _ = socket.recv_fds(door, 100_000, 2)
        if not message:
            sys.exit()
        request = json.loads(message)
        if "wait" in request:
            try:
                code = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
            except ChildProcessError:  # of a nursery before this one
                code = -signal.SIGKILL
            door.send(str(int(code)).encode())
            continue
        child = os.fork()
        if child == 0:
            door.close()
            os.setsid()
            os.chdir(request["folder"])
            os.environ.update(request["environment"])
            return files
        for file in files:
            os.close(file)
        door.send(str(child).encode())


class Server:
    """Requests, one a line: to run a cell, or to observe an answer."""

    def __init__(self, requests, replies, transform):
        self.requests, self.replies = requests, replies
        setup = json.loads(requests.readline())
        self.notebook = Notebook(transform)
        sleep = time.sleep
        time.sleep = lambda seconds: sleep(min(seconds, 0.1))
        sys.breakpointhook = lambda *_, **__: None
        set_limits(setup["limits"])
        self.send(ready=True)
        # The learner's output goes nowhere: only results count, and a flood is free.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        rail.put_up(os.getcwd(), setup["hidden"], setup["open_inside"])

    def serve(self):
        for line in self.requests:
            request = json.loads(line)
            {"run": self.run, "observe": self.observe}[request["do"]](request)

    def send(self, **reply):
        line = json.dumps(reply).encode() + b"\n"
        with uninterrupted():
            self.replies.write(line)
            self.replies.flush()

    def run(self, request):
        names, error = self.notebook.names, ""
        before = {name: names.get(name) for name in request["names"]}
        try:
            with limited(*request["seconds"]):
                self.notebook.run(request["source"])
        except OutOfTime:
            error = "out of time"
        except BaseException as raised:  # exit() and Ctrl-C among them
            error = in_words(raised)
        changed = [name for name in before if names.get(name) is not before[name]]
        self.send(error=error, changed=changed)

    def observe(self, request):
        import wire

        from llmlab.checks import observing

        def ask(number, inputs):
            self.send(ask=number, inputs=wire.encode(wire.plain(inputs), []))
            return wire.decode(json.loads(self.requests.readline()))

        def keep(seen):
            self.send(kept=wire.encode_observation(seen))

        answers = [self.notebook.names.get(name) for name in request["names"]]
        error = ""
        try:
            cases = wire.decode_cases(request["cases"], ask)
            with limited(*request["seconds"]), blocked(request["library"]):
                observing.observe(answers, cases, keep)
        except BaseException as raised:
            error = in_words(raised)
        self.send(error=error)


def main():
    _, root, *is_nursery = sys.argv
    transform = prepare(root)
    files = birth() if is_nursery else (os.dup(0), os.dup(1))
    Server(os.fdopen(files[0], "rb"), os.fdopen(files[1], "wb"), transform).serve()


if __name__ == "__main__":
    main()
