"""What runs in the browser: every view's script and style, in `views/`."""

from importlib.resources import files


def script(view: str) -> str:
    """The view's JavaScript, behind the helpers that all views share."""
    return _read("page.js") + _read(f"{view}.js")


def style(view: str) -> str:
    """The view's CSS, behind the page's; not every view has some of its own."""
    return _read("page.css") + _read(f"{view}.css")


def _read(name: str) -> str:
    file = files("llmlab.widgets") / "views" / name
    return file.read_text("utf-8") if file.is_file() else ""
