"""Hands on: talk to the models, judge their stories, watch them train, be the sampler.

Each widget is a Python object that works without a browser (`chat.ask("…")`,
`labeller.choose(1)`) and a view in JupyterLab that calls the same methods. Where no
kernel runs (a web page, a stored notebook, a test), its static twin says the same as
a table, so a run without a browser is never blocked and nothing is lost on a reader.

All text reaches the page as text, never as markup. Every element that can have the
keyboard's focus carries `data-lm-suppress-shortcuts`: without it JupyterLab takes a
typed letter for a command and edits the notebook.
"""

from llmlab.widgets.attention_viewer import AttentionViewer
from llmlab.widgets.chat import Chat
from llmlab.widgets.fill_in import FillIn
from llmlab.widgets.next_token_explorer import NextTokenExplorer
from llmlab.widgets.pair_labeller import PairLabeller
from llmlab.widgets.token_colours import TokenColours
from llmlab.widgets.training_monitor import MonitorView, TrainingMonitor
from llmlab.widgets.training_time_slider import TrainingTimeSlider

__all__ = [
    "AttentionViewer",
    "Chat",
    "FillIn",
    "MonitorView",
    "NextTokenExplorer",
    "PairLabeller",
    "TokenColours",
    "TrainingMonitor",
    "TrainingTimeSlider",
]
