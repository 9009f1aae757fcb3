"""What all widgets share: a view in the browser, and a twin where no kernel runs."""

import html
from collections.abc import Sequence
from importlib.resources import files

import anywidget
import traitlets


class View(anywidget.AnyWidget):
    """A widget whose script and style lie in `views/`, named as its module is.

    Those of the views that it derives from stand before them.

    Where no kernel runs, its `static_html()` and its stable text say what it says.
    What its view sends comes to `receive`; the view knows when Python has a message
    and when it is done with it, so it can say in between that the kernel is busy.
    """

    heard = traitlets.Unicode("").tag(sync=True)  # numbers of the last message
    handled = traitlets.Unicode("").tag(sync=True)

    def __init_subclass__(cls, **options):
        if "_esm" not in vars(cls):  # traitlets derives a class from this, with both
            cls._esm = _read_all(cls, "js")
            cls._css = _read_all(cls, "css")
        super().__init_subclass__(**options)

    def __init__(self, **traits):
        super().__init__(**traits)
        self.on_msg(self._hear)

    def receive(self, content: dict) -> None:
        """Do what a person asks for in the view."""

    def _hear(self, _widget, content: dict, _buffers) -> None:
        self.heard = number = content.get("number", "")
        try:
            self.receive(content)
        finally:
            self.handled = number

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        twin = {"text/plain": repr(self), "text/html": self.static_html()}
        return {**data, **twin}, metadata


def _read_all(view: type, ending: str) -> str:
    line = [base for base in reversed(view.__mro__) if issubclass(base, View)]
    modules = dict.fromkeys(base.__module__ for base in line if base is not View)
    names = [__name__, "llmlab.widgets.lasting", *modules]
    return "".join(_read(name, ending) for name in names)


def _read(module: str, ending: str) -> str:
    """Not every view has a style of its own."""
    package, _, name = module.rpartition(".")
    file = files(package) / "views" / f"{name}.{ending}" if package else None
    return file.read_text("utf-8") if file and file.is_file() else ""


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
