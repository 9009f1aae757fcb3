"""Hands on: see a text cut, a head look, a model learn, write and be judged.

| widget | what a person does with it |
|---|---|
| `TokenColours(tokenizer, text)` | types a text and sees its tokens, ids and counts |
| `AttentionViewer(tokens, weights)` | picks a head and a position: what it looks at |
| `FillIn(fill, text)` | edits a sentence with one blank and sees what fits |
| `NextTokenExplorer(distribution, prompt="…")` | is the sampler, token by token |
| `TrainingTimeSlider(snapshots)` | moves through training: step, loss, sample |
| `TrainingMonitor()` | watches a run: bar, loss, speed and time left |
| `Chat({name: answer})` | writes to several models, which answer side by side |
| `PairLabeller(pairs, store)` | says which of two texts is better |
| `YourText(function, text)` | types a text and sees the picture made of it |

Each one is a Python object that works without a browser (`chat.ask("…")`,
`labeller.choose(1)`, `colours.show("…")`) and a view in JupyterLab that calls the same
methods. Where no kernel runs (a web page, a stored notebook, a test), its static twin
says the same as a table or a picture, so a run without a browser is never blocked and
nothing is lost on a reader.

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
from llmlab.widgets.your_text import YourText
