"""The learner's desk: predictions are made, kept and answered; questions teach.

| call | what a person does with it |
|---|---|
| `predict("05/uniform", "…", unit="nats")` | makes a prediction before the result |
| `answer("05/uniform", value, "…")` | sees it set against the result |
| `tally("05")` | sees how many came true, and how well they judged themselves |
| `quiz("05", ask("…", right=…, wrong=[…]))` | answers the questions of a chapter |
| `read(text)` | reads a text in lines that fit the page |

What is asked for is a number (`unit`, which may be ""), a choice (`options`), a curve
(`curve=Axes(…)`) or words (none of these). Predictions are kept in the learner's runs
folder. Where no kernel runs, the page says question and answer as text, and no run
without a browser waits for a person or looks into what a person has written.
"""

import textwrap

from llmlab.desk.answers import answer
from llmlab.desk.predictions import predict
from llmlab.desk.questions import Axes
from llmlab.desk.quizzes import ask, quiz
from llmlab.desk.tallies import tally


def read(text: str) -> None:
    """Print a text in lines that fit the page."""
    print("\n".join(textwrap.fill(line, 80) for line in text.splitlines()))
