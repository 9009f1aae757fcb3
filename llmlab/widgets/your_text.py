"""A text of a person's own, and the picture that a function makes of it."""

import html
from collections.abc import Callable

import traitlets
from matplotlib.figure import Figure

from llmlab.plots import Picture, notebook_image
from llmlab.widgets.asking import reason
from llmlab.widgets.page import table
from llmlab.widgets.pictured import Pictured


class YourText(Pictured):
    """Type a text and see what a function shows of it.

    function : `function(text)` returns a picture of `llmlab.plots`, a text, or the
        head and the rows of a table. What is wrong with a text it says in a ValueError.
    text : what to begin with; the static twin shows this one.
    label : what the box is for, in a few words.
    """

    text = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        function: Callable[[str], Picture | str | tuple],
        text: str,
        *,
        label: str = "a text of your own",
    ):
        super().__init__(label=label)
        self._function = function
        self._first = (text, self.show(text))

    def show(self, text: str) -> Picture | str | tuple:
        """What the function returns for `text`; the view shows it.

        An error of the function is raised, so that a run without a person cannot pass
        over it. In the view a person reads it as a sentence, and the picture stays.
        """
        result = self._function(text)
        shown = _for_the_page(result)
        with self.hold_sync():
            self.text, self.shown, self.status = text, shown, ""
        return result

    def receive(self, content: dict) -> None:
        try:
            self.show(content["text"])
        except Exception as error:
            self.status = (
                f"Cannot show this text: {reason(error)}. "
                f"What stands here is still of “{self.text}”."
            )

    def picture(self) -> Picture | None:
        _, result = self._first
        return result if isinstance(result, Figure) else None

    def static_html(self) -> str:
        text, result = self._first
        if self.picture() is not None:
            return super().static_html()
        if isinstance(result, str):
            return f"<p>“{html.escape(text)}”</p><pre>{html.escape(result)}</pre>"
        shown = _for_the_page(result)
        return table(f"“{text}”", shown["head"], shown["rows"])

    def __repr__(self) -> str:
        return f"YourText({self._first[0]!r})"


def _for_the_page(result: Picture | str | tuple) -> dict:
    if isinstance(result, Figure):
        data, metadata = notebook_image(result, result.alt)
        return {"image": data["image/png"], **metadata["image/png"]}
    if isinstance(result, str):
        return {"words": result}
    try:
        head, rows = result
        return {"head": list(map(str, head)), "rows": [list(map(str, r)) for r in rows]}
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the function returned a {type(result).__name__}; expected a picture, a "
            "text, or (head, rows) of a table"
        ) from error
