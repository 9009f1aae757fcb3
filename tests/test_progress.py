import io

import pytest

from llmlab.progress import TerminalProgress, clock


def test_progress_shows_loss_speed_and_time_left():
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    progress.start("base", 2, 0)
    progress.update(0, {"loss": 3.0, "tokens": 1000}, 1.0)
    progress.update(1, {"loss": 2.0, "tokens": 1000}, 2.0)
    progress.stop("done")
    assert "base" in stream.getvalue() and "2/2" in stream.getvalue()
    assert "loss 2.900" in stream.getvalue() and "tokens/s" in stream.getvalue()
    assert "took 0:00" in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [20, 60])
def test_a_line_that_rewrites_itself_never_wraps(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.start("reinforce", 2, 0)
    for step in range(2):
        metrics = {"loss": 3.0, "tokens": 1000, "score": 0.5, "kl": 1.0}
        progress.update(step, metrics, 1.0)
    progress.stop("done")
    _, *lines = terminal.getvalue().replace("\033[K", "").rstrip("\n").split("\r")
    assert [len(line) for line in lines] == [columns - 1] * 2


def test_a_clock_never_shows_sixty_seconds():
    assert [clock(s) for s in (0, 59.4, 59.7, 65)] == ["0:00", "0:59", "1:00", "1:05"]
