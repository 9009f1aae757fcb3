"""The tests cannot reach the network, and no notebook cell passes unproven."""

import os
import re
import socket
import subprocess
import sys

import nbformat
import pytest
import torch

from authoring.network_guard import NetworkBlocked
from llmlab.paths import ROOT

# Reserved for documentation (RFC 5737, RFC 2606): nobody answers there.
ELSEWHERE = "192.0.2.1"
NAME_ELSEWHERE = "example.invalid"


def test_a_connection_to_another_machine_is_refused():
    with socket.socket() as connection, pytest.raises(NetworkBlocked, match=ELSEWHERE):
        connection.connect((ELSEWHERE, 80))


def test_a_datagram_to_another_machine_is_refused():
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        with pytest.raises(NetworkBlocked, match=ELSEWHERE):
            sender.sendto(b"hello", (ELSEWHERE, 53))


def test_a_name_elsewhere_is_not_even_looked_up():
    with pytest.raises(NetworkBlocked, match=NAME_ELSEWHERE):
        socket.getaddrinfo(NAME_ELSEWHERE, 443)
    with pytest.raises(NetworkBlocked, match=NAME_ELSEWHERE):
        socket.gethostbyname(NAME_ELSEWHERE)


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ("localhost", server.getsockname()[1])
        with socket.create_connection(address, timeout=5) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_unix_sockets_work():
    first, second = socket.socketpair(socket.AF_UNIX)
    with first, second:
        first.sendall(b"hello")
        assert second.recv(5) == b"hello"


def test_a_python_started_by_a_test_is_guarded_too():
    code = f"import socket; socket.create_connection(('{ELSEWHERE}', 80), timeout=5)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "NetworkBlocked: socket" in done.stderr


def test_one_thread_and_no_runs_of_somebody(tmp_path):
    from llmlab.paths import RUNS

    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert torch.get_num_threads() == 1
    assert ROOT not in RUNS.parents
    # Looked at in a session of its own: notebooks of this one may have labels there.
    code = (
        "import pathlib, sys; from authoring.surroundings import prepare; "
        "prepare(pathlib.Path(sys.argv[1])); from llmlab.paths import RUNS; "
        "print(RUNS, RUNS.exists())"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        cwd=ROOT / "notebooks",
        capture_output=True,
        text=True,
        check=True,
    )
    assert fresh.stdout.split() == [str(tmp_path / "runs"), "False"]


# The holes of nbval, each with a notebook of its own


def cell(source, *texts, count=1):
    """A stored code cell that has printed `texts`."""
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text=text) for text in texts
    ]
    return nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=count)


CATCHES_ITS_TIMEOUT = """
import time
try:
    while True:
        time.sleep(0.1)
except KeyboardInterrupt:
    stopped = True
"""
REACHES_OUT = f"""
import socket
try:
    socket.create_connection(("{ELSEWHERE}", 80), timeout=5)
except Exception as error:
    print(type(error).__name__)
"""
NOTEBOOKS = {
    "true": [
        *(cell("print(6 * 7)", "42\n"), cell("answer = 42"), cell("6 * 7;")),
        cell(REACHES_OUT, "NetworkBlocked\n"),
    ],
    "untrue": [cell("print(0.25)", "0.26\n"), cell("print(6 * 7)", count=None)],
    "timeout": [cell(CATCHES_ITS_TIMEOUT), cell("assert 1 == 2")],
}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """What a test run like that of `make test` says about these notebooks."""
    folder = tmp_path_factory.mktemp("lessons")
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, cells in NOTEBOOKS.items():
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "--color=no", "-rA"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=5"]
    command += [f"--nbval-sanitize-with={ROOT / 'authoring' / 'sanitize.cfg'}"]
    search = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "PYTHONPATH": search}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def outcomes(words, name):
    """What became of each cell of a notebook, in order."""
    found = re.findall(rf"^([A-Z]+) {name}\.ipynb::Cell (\d+)", words, re.MULTILINE)
    return [outcome for outcome, _ in sorted(found, key=lambda pair: int(pair[1]))]


def test_a_true_notebook_passes(words):
    """Also: a semicolon hides a value as in JupyterLab, and no cell has a network."""
    assert outcomes(words, "true") == ["PASSED"] * 4


def test_a_digit_changed_in_a_stored_output_fails_and_names_the_cell(words):
    assert outcomes(words, "untrue")[0] == "FAILED"
    assert "FAILED untrue.ipynb::Cell 0" in words
    assert "'0.26\\n' == '0.25\\n'" in words


def test_a_cell_that_never_ran_fails(words):
    assert outcomes(words, "untrue")[1] == "FAILED"
    assert "untrue.ipynb::Cell 1: the cell was stored without having run" in words


def test_a_cell_that_catches_its_timeout_fails_and_so_do_those_after_it(words):
    assert outcomes(words, "timeout") == ["FAILED", "FAILED"]
    assert "timeout.ipynb::Cell 0: this cell, or one before it, ran longer" in words
