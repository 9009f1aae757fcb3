"""What the notebooks' sources ask of the desk, read without running them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from llmlab.desk import ask
from llmlab.desk.quizzes import Ask, in_order

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "notebooks" / "src").glob("[0-9]*.py"))
CALLS = ("predict", "answer", "tally", "quiz")
# In place of what only a run of the notebook knows.
STAND_INS = {
    "question": "a question that is computed",
    "unit": "units",
    "options": ["this one", "that one", "another one"],
    "curve": ("x", (0, 10), "y", (0, 1)),
}


class Call(NamedTuple):
    """`desk.what(name, …)`, where it stands, and its arguments by name."""

    what: str
    name: str
    line: int
    given: dict


def chapter_of(path: Path) -> str:
    return path.stem.partition("_")[0]


def calls(path: Path) -> list[Call]:
    """Every call of a source, in order. A loop over names holds a call for each."""
    tree = ast.parse(path.read_text("utf-8"))
    loops = {
        id(inner): loop
        for loop in ast.walk(tree)
        if isinstance(loop, ast.For)
        for inner in ast.walk(loop)
    }
    found = []
    for node in _calls_of_desk(tree, *CALLS):
        names = _names(node.args[0], loops.get(id(node)))
        assert names, f"{path.name}:{node.lineno}: whose {node.func.attr} is this?"
        given = _given(node) if node.func.attr == "predict" else {}
        found += [Call(node.func.attr, name, node.lineno, given) for name in names]
    return sorted(found, key=lambda call: call.line)


def places(path: Path) -> list[tuple[int, int]]:
    """For each question of a quiz: where the right option stands, of how many."""
    found = []
    for quiz in _calls_of_desk(ast.parse(path.read_text("utf-8")), "quiz"):
        asks = [_ask(node) for node in _calls_of_desk(quiz, "ask")]
        for asked in in_order(asks):
            right = [option.right for option in asked.options]
            found.append((right.index(True), len(right)))
    return found


def _calls_of_desk(tree: ast.AST, *whats: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "desk":
                if node.func.attr in whats:
                    yield node


def _names(node: ast.expr, loop: ast.For | None) -> list[str]:
    """The literal name, or every name in the loop that a variable runs over."""
    if isinstance(node, ast.Constant):
        return [node.value]
    texts = [one.value for one in ast.walk(loop.iter) if isinstance(one, ast.Constant)]
    return [text for text in texts if re.fullmatch(r"\w+/[\w-]+", str(text))]


def _given(node: ast.Call) -> dict:
    nodes = {word.arg: word.value for word in node.keywords}
    if len(node.args) > 1:
        nodes["question"] = node.args[1]
    return {name: _literal(value) or STAND_INS[name] for name, value in nodes.items()}


def _literal(node: ast.expr):
    """None for what is computed; `desk.Axes(…)` of literals is a tuple."""
    if any(_calls_of_desk(node, "Axes")):
        node = ast.Tuple(node.args, ast.Load())
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _ask(node: ast.Call) -> Ask:
    """The question as it reads, with as many options; only these decide the order."""
    wrong = next(word.value for word in node.keywords if word.arg == "wrong")
    texts = [
        part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)
    ]
    return ask(
        "…".join(map(str, texts)),
        right=("right", "so"),
        wrong=[(f"wrong {n}", "so") for n in range(len(wrong.elts))],
    )
