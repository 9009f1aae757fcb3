"""Real text, as a guest: read, cleaned, and honest about both.

The village is written for this course. This is the other kind of text: what lies on the
learner's machine already, and any folder of text. It goes through the same stations as
that of a large model, in small.

| module | what it does |
|---|---|
| `sources` | where text comes from |
| `extraction`, `markdown` | web pages and Markdown into text |
| `cleaning` | one way of writing what looks the same |
| `passages` | long texts into passages; some of them held out |
| `language`, `quality` | what is not English, or not worth reading |
| `duplicates`, `near_duplicates` | what came before, exactly or almost |
| `contamination` | what is in the test and in the training text |
| `refining`, `sifting` | one after the other, and what each of them dropped |
| `mixing`, `datasheet` | sources by weight, and what their reader should know |
| `messy_web` | pages whose every fault is known, to check all this |
"""

from llmlab.real_text.cleaning import normalise
from llmlab.real_text.contamination import contamination, drop_contaminated
from llmlab.real_text.datasheet import datasheet
from llmlab.real_text.duplicates import LONG_PARAGRAPH, drop_repetitions
from llmlab.real_text.extraction import main_text, strip_html
from llmlab.real_text.language import guess_language
from llmlab.real_text.markdown import markdown_text
from llmlab.real_text.messy_web import FAULTS, WebPage, messy_web
from llmlab.real_text.mixing import Mixture, mix
from llmlab.real_text.near_duplicates import drop_near_copies
from llmlab.real_text.passages import (
    LONGEST_PASSAGE,
    Passage,
    paragraph_windows,
    split_validation,
)
from llmlab.real_text.quality import QUALITY_RULES, drop_by_quality
from llmlab.real_text.refining import GENTLE, THOROUGH, Source, Station, refine
from llmlab.real_text.sifting import Dropped, Outcome, Report, Rule, Sifting
from llmlab.real_text.sources import (
    folder_of_text,
    package_readmes,
    python_documentation,
    python_topics,
    read_text,
    standard_library_docstrings,
)
