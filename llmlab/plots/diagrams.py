"""How parts fit together: a GPT whole, one of its blocks, the loop of a policy."""

from llmlab.plots.boxes import arrow, box, canvas, say
from llmlab.plots.marks import MONO
from llmlab.plots.style import BLUE, GREY, Picture, styled

_MOST_BLOCKS = 3


@styled
def gpt_whole(config) -> Picture:
    """A GPT from ids to logits, with the shape of what goes from part to part.

    config : a `gpt.GPTConfig`, such as `model.config`.
    """
    vocab, width, layers, _ = _sizes(config)
    blocks = [f"block {number}" for number in range(1, layers + 1)]
    if layers > _MOST_BLOCKS:
        blocks[1:-1] = [f"… {layers - 2} blocks more …"]
    looks = "look at the ones before" if config.causal else "look at each other"
    stream = f"(batch, time, {width})"
    rows = [
        ("data", "token ids", "(batch, time)", "one number a token"),
        ("part", "table of tokens", stream, f"an id becomes {width} numbers"),
        *(("part", block, stream, "") for block in blocks),
        ("part", "norm", stream, "all at one size"),
        ("part", "output", f"(batch, time, {vocab:,})", f"{vocab:,} × {width} numbers"),
        ("data", "logits", "", "a score for every token\nthat could come next"),
    ]
    figure, axes = canvas(0.2 + 0.58 * len(rows))
    for row, (kind, text, shape, meaning) in enumerate(rows):
        y = 0.4 + 0.58 * row
        box(axes, 3.4, y, text, width=1.9, height=0.36, kind=kind, fontweight="bold")
        say(axes, 4.6, y, meaning, ha="left")
        if shape:
            arrow(axes, (3.4, y + 0.18), (3.4, y + 0.4))
            say(axes, 2.3, y + 0.29, shape, ha="right", fontfamily=MONO, fontsize=9)
    first, last = 0.26 + 0.58 * 2, 0.54 + 0.58 * (1 + len(blocks))
    axes.plot([4.45, 4.5, 4.5, 4.45], [first, first, last, last], color=GREY)
    text = f"tokens {looks},\nthen each is thought about"
    say(axes, 4.6, (first + last) / 2, text, ha="left")
    return figure.told(
        "a GPT from top to bottom. Token ids, of shape (batch, time), become vectors "
        f"of {width} numbers in the table of tokens. {layers} blocks, in which tokens "
        f"{looks} and then each is thought about, keep the shape {stream}. After a "
        f"norm the output makes logits of them, (batch, time, {vocab:,}): a score for "
        "every token that could come next."
    )


@styled
def gpt_block(config) -> Picture:
    """One block of a GPT: two branches, each *added* to the residual stream."""
    _, width, _, heads = _sizes(config)
    figure, axes = canvas(2.5)
    stream, top = 1.75, 0.72
    look = {"head_width": 0.24, "head_length": 0.22, "length_includes_head": True}
    axes.arrow(0.25, stream, 6.5, 0, width=0.08, color="#a8cfe8", **look)
    branches = (
        (1.2, f"attention\n{heads} heads of {width // heads}", "looks at other tokens"),
        (4.2, f"feed-forward\n{width} → {4 * width} → {width}", "each token by itself"),
    )
    for x, text, meaning in branches:
        arrow(axes, (x, stream), (x, top + 0.25))
        box(axes, x, top, "norm", width=0.8)
        arrow(axes, (x + 0.4, top), (x + 0.75, top))
        box(axes, x + 1.6, top, text, width=1.7)
        arrow(axes, (x + 1.6, top + 0.25), (x + 1.6, stream - 0.15))
        look = {"markersize": 20, "markerfacecolor": "white", "markeredgecolor": BLUE}
        axes.plot([x + 1.6], [stream], "o", markeredgewidth=1.5, **look)
        say(axes, x + 1.6, stream, "+", fontsize=15)
        say(axes, x + 1.6, 0.25, meaning)
    say(axes, 0.25, 2.2, "residual stream: what is known of each token", ha="left")
    say(axes, 6.75, 2.2, f"(batch, time, {width})", ha="right", fontfamily=MONO)
    return figure.told(
        f"a block. The residual stream, (batch, time, {width}), runs through it from "
        "left to right. Twice a branch leaves it and is added to it again: first norm "
        f"and attention, {heads} heads of {width // heads} numbers, where a token "
        f"looks at others; then norm and feed-forward, {width} to {4 * width} to "
        f"{width} numbers, where each token is by itself."
    )


@styled
def policy_loop(judge: str = "reward model", beta: float | None = None) -> Picture:
    """One update of a policy: it writes, is judged, and is changed.

    judge : who gives the score.
    beta : what a nat of distance from the first model costs.
    """
    price = "β" if beta is None else f"{beta:g}"
    left, centre, right = 1.98, 3.9, 6.1
    top, middle, low = 0.55, 1.75, 2.95
    boxes = {
        (0.55, top): ("data", "prompt"),
        (left, top): ("part", "policy\nwrites an answer"),
        (centre, top): ("data", "rollout: prompt\nand answer"),
        (right, top): ("frozen", f"{judge}\n(frozen)"),
        (centre, middle): ("frozen", "as it was at first\n(frozen)"),
        (right, middle): ("data", f"reward =\nscore − {price} · KL"),
        (right, low): ("part", "advantages: better\nthan expected?"),
        (centre, low): ("data", "loss"),
        (left, low): ("part", "update: more of\nwhat was better"),
    }
    figure, axes = canvas(3.5)
    for (x, y), (kind, text) in boxes.items():
        width = 1.56 if "\n" in text else 0.8
        box(axes, x, y, text, width=width, height=0.62, kind=kind)
    for y, *ends in (
        (top, 0.95, left - 0.78),
        (top, left + 0.78, centre - 0.78),
        (top, centre + 0.78, right - 0.78),
        (middle, centre + 0.78, right - 0.78),
        (low, right - 0.78, centre + 0.4),
        (low, centre - 0.4, left + 0.78),
    ):
        arrow(axes, *((x, y) for x in ends))
    for x, start, end in (
        (centre, top + 0.31, middle - 0.31),
        (right, top + 0.31, middle - 0.31),
        (right, middle + 0.31, low - 0.31),
        (left, low - 0.31, top + 0.31),
    ):
        arrow(axes, (x, start), (x, end))
    say(axes, right + 0.08, (top + middle) / 2, "score", ha="left")
    say(axes, (centre + right) / 2 - 0.04, middle - 0.14, "KL")
    say(axes, left - 0.1, middle, "and again", ha="right")
    return figure.told(
        "the loop of a policy's update. A prompt goes to the policy, which writes an "
        f"answer. The {judge}, frozen, gives a score; the model as it was at first, "
        "frozen too, says how far the policy has moved, the KL. The reward is the "
        f"score less {price} times the KL. Advantages say what was better than "
        "expected, the loss asks for more of it, the update changes the policy, and it "
        "begins again."
    )


def _sizes(config) -> tuple[int, ...]:
    names = ("vocab_size", "width", "layers", "heads")
    if not all(hasattr(config, name) for name in names):
        raise ValueError(
            f"{config!r} is no shape of a model; expected a GPTConfig, such as "
            "model.config"
        )
    return tuple(getattr(config, name) for name in names)
