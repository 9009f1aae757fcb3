"""For every test and notebook: no network, one thread, and no silent pass in nbval."""

import tempfile
from pathlib import Path

import pytest

from authoring import network_guard, surroundings


def pytest_configure(config):
    folder = tempfile.TemporaryDirectory(prefix="llmlab-tests-")
    config.add_cleanup(folder.cleanup)
    # Before any test module can import torch, which reads its threads once.
    surroundings.prepare(Path(folder.name))
    network_guard.install()
    if config.getoption("nbval", default=False):
        _execute_cells_as_jupyterlab_does()


def _execute_cells_as_jupyterlab_does():
    """Keep history: without it IPython shows the value of `plt.plot(x);`."""
    from nbval.kernel import RunningKernel

    def execute_cell_input(self, cell_input, allow_stdin=None):
        return self.kc.execute(
            cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    RunningKernel.execute_cell_input = execute_cell_input


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if type(item).__name__ == "IPyNbCell" and call.when == "call":
        reason = _reason_nbval_overlooks(item)
        if reason:
            report.outcome = "failed"
            report.longrepr = report.longrepr or f"{item.nodeid}: {reason}"
            vars(report).pop("wasxfail", None)
    return report


def _reason_nbval_overlooks(cell) -> str | None:
    """Why a cell that nbval lets pass has not been proven, if so."""
    # A training cell that catches the interrupt would pass, and after it nbval
    # expects every cell to fail.
    if cell.parent.timed_out:
        return "this cell, or one before it, ran longer than --nbval-cell-timeout"
    compared = cell.options["check"] and not cell.options["skip"]
    if compared and cell.cell.source.strip() and cell.cell.execution_count is None:
        return (
            "the cell was stored without having run, so there is nothing to compare. "
            "Build the notebook: python tasks.py notebooks"
        )
    return None
