"""What a widget leaves where no kernel runs: a table and a sentence."""

import html
from collections.abc import Sequence


class StaticTwin:
    """Shows a widget's `static_html()` and stable text wherever no kernel runs."""

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        twin = {"text/plain": repr(self), "text/html": self.static_html()}
        return {**data, **twin}, metadata


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
