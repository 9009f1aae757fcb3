"""What all widgets share: a view in the browser, and a twin where no kernel runs."""

import html
from collections.abc import Sequence
from importlib.resources import files

import anywidget


class View(anywidget.AnyWidget):
    """A widget whose script and style lie in `views/`, named as its module is.

    Where no kernel runs, its `static_html()` and its stable text say what it says.
    """

    def __init_subclass__(cls, **options):
        if "_esm" not in vars(cls):  # traitlets derives a class from this, with both
            name = cls.__module__.rpartition(".")[2]
            cls._esm = _read("page.js") + _read(f"{name}.js")
            cls._css = _read("page.css") + _read(f"{name}.css")
        super().__init_subclass__(**options)

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        twin = {"text/plain": repr(self), "text/html": self.static_html()}
        return {**data, **twin}, metadata


def _read(name: str) -> str:
    """Not every view has a style of its own."""
    file = files("llmlab.widgets") / "views" / name
    return file.read_text("utf-8") if file.is_file() else ""


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table whose first column names its rows; all texts are escaped."""
    left = "text-align:left;vertical-align:top;white-space:pre-wrap"
    heads = "".join(
        f'<th scope="col" style="{left}">{html.escape(text)}</th>' for text in head
    )
    body = "".join(
        f'<tr><th scope="row" style="{left}">{html.escape(first)}</th>'
        + "".join(f'<td style="{left}">{html.escape(text)}</td>' for text in others)
        + "</tr>"
        for first, *others in rows
    )
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )
