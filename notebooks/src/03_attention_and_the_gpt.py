# %% [markdown]
# # 3 · Attention and the GPT
#
# **You will be able to** work out attention by hand; say why its scores are scaled
# and masked, and catch four mistakes that raise no error; name every axis inside
# a GPT; predict how many numbers, operations and bytes a model costs, before
# anybody builds it.
#
# **You need** [0 · Start here](00_start_here.ipynb), and
# [PyTorch in ten lines](02b_pytorch_in_ten_lines.ipynb) if you have never used it.
#
# **Time** 1 minute to run on two processor cores; an hour and a half to
# work through.
#
# **Where we are in the model's life:** before it is born. This is its body.

# %%
import itertools
import math
from fractions import Fraction
from inspect import getsource

import torch
from einops import rearrange
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from llmlab import (
    accounting,
    desk,
    gpt,
    life,
    optimisers,
    plots,
    pretraining,
    training,
    village,
)
from llmlab.cache import Cache
from llmlab.claims import about, claim
from llmlab.evaluation import language_loss
from llmlab.gpt import GPT, GPTConfig
from llmlab.interpretation import attention_weights, recorded_attention

# %%
course = life.course()
tokenizer = course.tokenizer

# %% tags=["folded"]
def show(matrix, names=None):
    """Print a matrix, one line a row; whole numbers without decimals."""
    for row, numbers in enumerate(matrix.tolist()):
        name = f"{names[row]:8}" if names else ""
        print(name + "".join(f"{round(x, 3):8g}" for x in numbers))


# %% [markdown]
# ## 1 · What is missing
#
# A model reads *“Ivy found kites. She”* and has to go on. To understand *she* it
# must look back, pass over *found* and *kites*, and stop at *Ivy*. Each token
# begins as a list of numbers, its **vector**, and knows nothing of its neighbours.
# So something has to carry information from one position to another. In a GPT one
# thing does that, **attention**, and this chapter builds it. (Our own model has a
# small helper besides, which section 9 introduces.)
#
# Four tokens, two numbers each, chosen so that you can do the sums in your head:

# %%
words = ["Ivy", "found", "kites", "she"]
x = torch.tensor([[6.0, 0], [0, 4], [0, 2], [2, 2]])
show(x, words)

# %% [markdown]
# ## 2 · First try: the average
#
# Let every position take the mean of everything so far, itself included.

# %%
desk.predict(
    "03/mean",
    "Ivy (6, 0), found (0, 4), kites (0, 2), she (2, 2). What does “she” "
    "get, the mean of all four?",
    options=["(8, 8)", "(2, 2)", "(2, 1.5)", "(1.5, 2)"],
)

# %%
means = torch.stack([x[: time + 1].mean(dim=0) for time in range(4)])
show(means, words)

# %%
desk.answer(
    "03/mean",
    "({:g}, {:g})".format(*means[3].tolist()),
    "(6 + 0 + 0 + 2) / 4 and (0 + 4 + 2 + 2) / 4.",
)

# %% [markdown]
# Information flows now. The same thing as one product of matrices: row `i` of
# `shares` says how much position `i` takes of each position. Every row sums to one.

# %%
shares = torch.ones(4, 4).tril()
shares = shares / shares.sum(dim=1, keepdim=True)
show(shares, words)

# %%
gap = float((shares @ x - means).abs().max())
claim(
    "Shares times vectors are the means",
    gap < 1e-6,
    measured=f"differ by {gap:g}",
)

# %% [markdown]
# **What it cannot do.** Look at the last two rows of means. *kites* and *she* have
# different pasts, and the mean is the same. Worse, nobody has *chosen* anything:
# a third is a third, whatever the words are. We want the shares to depend on what
# stands there.

# %% [markdown]
# ## 3 · Second try: shares that ask
#
# Give each position three vectors, each with its own purpose:
#
# - a **query**: what am I looking for?
# - a **key**: what can I be found by?
# - a **value**: what do I hand over when I am found?
#
# Let the first number mean *person* and the second *thing*. *Ivy* can be found as
# a person, *kites* as a thing, the other two as neither.

# %%
keys = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 0]])
values = torch.tensor([[10.0, 0], [0, 0], [0, 10], [0, 0]])

# %% [markdown]
# *She* asks for a person. How well a key answers a query is their **dot product**:
# multiply number by number, and add. Scores become shares in two steps: take $e$
# to the power of each, so that all are positive, and divide by their sum. That is
# the **softmax**. The query is chosen so that the powers are whole numbers: 7 for
# a key that fits, 1 for one that does not.

# %%
desk.predict(
    "03/share",
    "One key of four fits. Which share of her attention does “she” give to "
    "Ivy?",
    unit="of 1",
)

# %%
query = torch.tensor([math.log(7), 0])
scores = keys @ query
powers = scores.exp()
shares = powers / powers.sum()
print("powers  ", [round(p) for p in powers.tolist()])
print("shares  ", [round(s, 3) for s in shares.tolist()])
print("receives", [round(v, 3) for v in (shares @ values).tolist()])

# %%
desk.answer(
    "03/share",
    shares[0].item(),
    "The powers are 7, 1, 1 and 1: seven of ten. So most of what arrives is "
    "Ivy's value.",
    factor=1.1,
)
gap = float((shares - scores.softmax(dim=0)).abs().max())
claim("PyTorch's softmax agrees, to a millionth", gap < 1e-6, measured=gap)

# %% [markdown]
# **Change the query** so that *she* looks for a thing.
#
# Why three vectors? Let us try to do with one, and compare each token's vector with
# every other's. We compare *directions*: every vector is divided by its own length
# first, or else the longest would win everywhere (try it: *she* times *Ivy* is 12,
# *she* times *she* only 8).

# %%
directions = F.normalize(x, dim=1)
likeness = directions @ directions.T
show(likeness, words)

# %%
best = likeness.amax(dim=1) <= likeness.diagonal() + 1e-6
claim(
    "No token finds a better match than itself",
    best.all(),
    measured=f"{int(best.sum())} of 4",
)
gap = float((likeness - likeness.T).abs().max())
claim("Who likes whom is mutual", gap < 1e-6, measured=f"differ by {gap:g}")

# %% [markdown]
# No direction fits better than one's own, so nobody needs anybody else; and *she*
# could not look at *Ivy* without *Ivy* looking at *she*. What I seek is not what
# I am. So the model learns three matrices that turn each vector into a query, a
# key and a value. All that you are going to see it look at is the work of those
# matrices.

# %% [markdown]
# ### All queries at once, and the wrong axis
#
# With all queries in one matrix the scores are a table: a row for each query, a
# column for each key. Here are the powers $e^{\text{score}}$ for three tokens.

# %%
powers = torch.tensor([[1.0, 1, 2], [1, 3, 4], [2, 2, 4]])
scores = powers.log()
print("along a row (dim=-1)")
show(scores.softmax(dim=-1))
print("down a column (dim=0)")
show(scores.softmax(dim=0))

# %% [markdown]
# Both tables look reasonable, both run, and both train. Only one divides *the
# attention of a query*. A test that needs no arithmetic: **if all values are 8,
# every mean is 8.**

# %%
eights = torch.full((3, 1), 8.0)
right = scores.softmax(dim=-1) @ eights
wrong = scores.softmax(dim=0) @ eights
print("along a row  ", [round(v, 2) for v in right[:, 0].tolist()])
print("down a column", [round(v, 2) for v in wrong[:, 0].tolist()])

# %%
claim(
    "Along a row, means of eights are eights",
    torch.allclose(right, eights),
    measured=f"{right.min():g} to {right.max():g}",
)
claim(
    "Down a column they are not",
    ((wrong - 8).abs() > 0.5).all(),
    measured=f"{wrong.min():.1f} to {wrong.max():.1f}",
)

# %% [markdown]
# ## 4 · How large may a score be?
#
# Our vectors had two numbers. A model has many more, and it shares them out among
# several attentions side by side, its **heads** (section 6). A dot product adds up as
# many products as a head has numbers. Take vectors of plus and minus ones, 4 numbers
# long, and compare all 16 of them with `(1, 1, 1, 1)`. Scores from -4 to 4 occur.

# %%
desk.predict(
    "03/zeros", "How many of the 16 scores are zero?", unit="of 16"
)

# %%
signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)))
scores = signs @ torch.ones(4)
for score in scores.unique().tolist():
    print(f"score {score:3g}: {int((scores == score).sum())} of 16")
print(f"mean of the squares: {scores.square().mean():g}")

# %%
desk.answer(
    "03/zeros",
    int((scores == 0).sum()),
    "Two pluses and two minuses can be arranged in six ways: middling scores "
    "are the most frequent.",
    within=0.5,
)

# %% [markdown]
# The mean square is 4, so a typical score has the size $\sqrt 4 = 2$. With `d`
# numbers it has the size $\sqrt d$: the scores grow with the width of the head,
# although no vector has become any clearer. What does a softmax do with large
# scores? Here random queries choose among 16 random keys.

# %%
desk.predict(
    "03/saturated",
    "Scores of 1,024 numbers, not scaled. How large is the largest of the 16 "
    "shares, on average? (If all were equal, each would be 0.06.)",
    unit="of 1",
)

# %% tags=["folded"]
dice = torch.Generator().manual_seed(0)
widths = [1, 4, 16, 64, 256, 1024]
largest = {"not scaled": [], "divided by √d_head": []}
for d_head in widths:
    queries = torch.randn(400, 1, d_head, generator=dice)
    keys = torch.randn(400, 16, d_head, generator=dice)
    scores = (queries * keys).sum(dim=-1)
    for name, divisor in zip(largest, (1, d_head**0.5), strict=True):
        best = (scores / divisor).softmax(dim=-1).amax(dim=-1)
        largest[name].append(float(best.mean()))

plots.lines(
    widths,
    largest,
    x_label="d_head, the numbers in a query",
    y_label="largest of 16 shares",
    doubling=True,
    from_zero=True,
)

# %%
desk.answer(
    "03/saturated",
    largest["not scaled"][-1],
    "Scores of size 32 differ by so much that e to the largest dwarfs all "
    "others: the softmax is all or nothing.",
    within=0.1,
)
claim(
    "Not scaled, one key of the widest head takes over nine tenths",
    largest["not scaled"][-1] > 0.9,
    measured=largest["not scaled"][-1],
)
scaled = largest["divided by √d_head"]
claim(
    "Scaled, the largest share is below three tenths at every width",
    max(scaled) < 0.3,
    measured=max(scaled),
)

# %% [markdown]
# A softmax that is all or nothing is **saturated**, and a saturated softmax does
# not learn. The slope of a share `p` along its own score is `p (1 - p)`: at
# `p = 0.5` that is a quarter, at `p = 1` it is nothing. Hence the division by
# $\sqrt{d_\text{head}}$, and hence the name: *scaled* dot-product attention
# (Vaswani et al. 2017).
#
# **The popular mistake** is $\sqrt{\text{width}}$, the width of the *model*. With
# 16 heads, each a sixteenth of the width, that is another number.

# %%
desk.predict(
    "03/width",
    "How will this mistake show?",
    options=[
        "an error about shapes",
        "a loss of infinity",
        "scores of a quarter of their size, no error",
    ],
)

# %% tags=["folded"]
heads, d_head = 16, 64
width = heads * d_head
queries = torch.randn(2000, d_head, generator=dice)
keys = torch.randn(2000, d_head, generator=dice)
scores = (queries * keys).sum(dim=-1)
right, wrong = scores / d_head**0.5, scores / width**0.5

# %%
desk.answer(
    "03/width",
    "scores of a quarter of their size, no error"
    if wrong.isfinite().all() and wrong.std() < 0.3
    else "a loss of infinity",
    "√width is four times √d_head here. The heads begin blunt and have to "
    "grow large weights before they can point at anything, the more so the "
    "more heads there are.",
)
claim(
    "By √d_head: scores of size 1, to 10 %",
    0.9 < right.std() < 1.1,
    measured=float(right.std()),
)
claim(
    "By √width: of size 1/4, to 10 %",
    0.9 < 4 * wrong.std() < 1.1,
    measured=float(wrong.std()),
)

# %% [markdown]
# ## 5 · Not to look ahead
#
# A model that is trained to guess the next word must not see it. So before the
# softmax, every score of a later key becomes minus infinity, and $e^{-\infty}$ is
# zero. These are the powers of section 3 again: (1, 1, 2), (1, 3, 4), (2, 2, 4).

# %%
desk.predict(
    "03/row",
    "The second position sees the first and itself. Which share does it give "
    "to itself?",
    options=["1/4", "3/8", "1/2", "3/4"],
)

# %%
scores = powers.log()
is_past = torch.ones(3, 3, dtype=torch.bool).tril()
hidden = scores.masked_fill(~is_past, float("-inf"))
show(hidden.softmax(dim=-1))

# %%
desk.answer(
    "03/row",
    str(Fraction(hidden.softmax(dim=-1)[1, 1].item()).limit_denominator(100)),
    "Of the powers 1 and 3 it may see, it has 3. The 4 belongs to the future.",
)

# %% [markdown]
# And here is the mistake beside the cure: the softmax first, then zeros.

# %%
desk.predict(
    "03/after",
    "Softmax first, then zeros: what will be wrong with the first row?",
)

# %%
late = scores.softmax(dim=-1) * is_past
show(late)

# %%
desk.answer(
    "03/after",
    f"It sums to {late[0].sum().item():g}, not to 1.",
    "It was divided by a sum in which the future took part.",
)

# %% [markdown]
# It is tempting to think that this is a detail,
# since the future has weight zero. Whether it has *influence* is another question,
# and there is a test for that: **change one position, and see which outputs move.**
# It is called a perturbation test, and it needs to know nothing about the inside.


# %%
def everything(x):
    return (x @ x.T).softmax(dim=-1) @ x


def mask_before(x):
    past = torch.ones(len(x), len(x), dtype=torch.bool).tril()
    return (x @ x.T).masked_fill(~past, -math.inf).softmax(dim=-1) @ x


def mask_after(x):
    past = torch.ones(len(x), len(x), dtype=torch.bool).tril()
    return ((x @ x.T).softmax(dim=-1) * past) @ x


# %% tags=["folded"]
def influence(outputs_of, inputs, change):
    """Row i, column j: does output i move when input j is changed?"""
    before = outputs_of(inputs)
    grid = []
    for place in range(len(inputs)):
        changed = inputs.clone()
        changed[place] = change(inputs[place])
        moves = (outputs_of(changed) - before).flatten(1).abs().amax(dim=1)
        grid.append(moves > 1e-5)
    return torch.stack(grid, dim=1)


def draw(grid):
    for row in grid.tolist():
        print("   " + " ".join("■" if moved else "·" for moved in row))


numbers = torch.randn(5, 3, generator=dice) / 2
grids = {}
for attend in (everything, mask_before, mask_after):
    name = attend.__name__
    grids[name] = influence(attend, numbers, change=lambda vector: vector + 1)
    print(name)
    draw(grids[name])

# %%
early = int(grids["mask_before"].triu(diagonal=1).sum())
claim(
    "Masked before the softmax, nothing moves before the change",
    early == 0,
    measured=f"{early} of 10",
)
claim(
    "Masked after it, everything moves",
    grids["mask_after"].all(),
    measured=f"{int(grids['mask_after'].sum())} of 25",
)

# %% [markdown]
# A row of the grid is an output, a column the input that was changed. *Mask after*
# draws the same full square as *everything*: each share was divided by a sum in
# which the future took part. A model may come to lean on such a leak, and when it
# writes there is no future to lean on. Its loss does not give it away: training and
# test leak alike. Now the real ones, the base model and the masked model, on a whole
# text.

# %%
desk.predict(
    "03/grids",
    "What do the two grids look like?",
    options=[
        "both a triangle",
        "base a triangle, masked a full square",
        "base a full square, masked a triangle",
        "both a full square",
    ],
)

# %% tags=["folded"]
base = course.load("base").requires_grad_(False)
masked = course.load("masked").requires_grad_(False)
ids = torch.tensor([tokenizer.bos_id, *tokenizer.encode("The cat is small.")])
grids = {}
for name, model in {"base": base, "masked": masked}.items():
    grids[name] = influence(
        lambda row, model=model: model(row[None])[0],
        ids,
        change=lambda token: tokenizer.mask_id,
    )
    print(name)
    draw(grids[name])

# %%
looks_back = torch.ones_like(grids["base"]).tril()
desk.answer(
    "03/grids",
    "base a triangle, masked a full square"
    if torch.equal(grids["base"], looks_back) and grids["masked"].all()
    else "both a triangle",
    "In the base model a change moves itself and what follows, and nothing "
    "before. In the masked model every position moves every position.",
)

# %% [markdown]
# **Your turn:** replace `mask_after` by your own idea of a mask, and see whether
# the triangle survives. **Exercise, before you look:** put it together yourself, for
# whole batches and all heads, in
# [problem set 2](../exercises/release/ps2/ps2.ipynb). This is causal scaled
# dot-product attention, for one text and one head:


# %%
def causal_attention(queries, keys, values):
    """(time, d_head) each; returns the weighted means, (time, d_head)."""
    scores = queries @ keys.T / queries.shape[-1] ** 0.5
    is_past = torch.ones_like(scores, dtype=torch.bool).tril()
    return scores.masked_fill(~is_past, -math.inf).softmax(dim=-1) @ values


# %% [markdown]
# The library asks PyTorch for it, which has a fast kernel of its own. What it
# returns must be the same. (The line with `@` concerns training with short numbers,
# which this course hardly does.)

# %%
print(getsource(gpt.attention))
queries, keys, values = torch.randn(3, 6, 8, generator=dice)
theirs = gpt.attention(
    queries[None, None], keys[None, None], values[None, None], None, causal=True
)
gap = (theirs[0, 0] - causal_attention(queries, keys, values)).abs().max()

# %%
claim("The two agree to 0.00001", gap < 1e-5, measured=float(gap))

# %% [markdown]
# ## 6 · Several heads
#
# Back to *she*, who now wants to know two things at once: which person, and which
# thing. One query can ask for both; the powers are 4, 1, 4 and 1.

# %%
desk.predict(
    "03/both",
    "Ivy would hand over (10, 0), kites (0, 10), the others nothing. What "
    "arrives?",
    options=["(10, 10)", "(5, 5)", "(4, 4)", "(10, 0)"],
)

# %%
keys = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 0]])
values = torch.tensor([[10.0, 0], [0, 0], [0, 10], [0, 0]])


def receive(query):
    shares = (keys @ query).softmax(dim=0)
    return [round(v, 3) for v in (shares @ values).tolist()]


both = receive(torch.tensor([math.log(4), math.log(4)]))
print("both at once", both)

# %%
desk.answer(
    "03/both",
    "({:g}, {:g})".format(*both),
    "Each of the two gets 4 of 10, and hands over its share: a bit of both.",
)

# %% [markdown]
# The mean of two answers is a third answer, and nobody can take it
# apart again. Two **heads** can ask separately, and their answers are laid side by
# side, not averaged:

# %%
person = receive(torch.tensor([math.log(7), 0]))
thing = receive(torch.tensor([0, math.log(7)]))
print("side by side", person + thing)

# %% [markdown]
# A head is not an extra. The model's `width` numbers are *divided* among its heads,
# each gets `d_head = width / heads`, so many heads cost as much as one. Dividing
# them is a matter of naming the axes. With **einops** one writes the names down,
# before and after. Two tokens of six numbers, for two heads:

# %%
tokens = torch.tensor([[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]])
by_head = rearrange(tokens, "time (heads d_head) -> heads time d_head", heads=2)
for head, rows in enumerate(by_head):
    print(f"head {head}")
    show(rows)

# %% [markdown]
# Without names one might ask for the same shape directly.

# %%
desk.predict(
    "03/torn",
    "reshape(2, 2, 3) of the same two tokens: what will head 0 hold?",
    options=[
        "the first half of each token, as before",
        "the whole first token",
        "every second number",
    ],
)

# %%
for head, rows in enumerate(tokens.reshape(2, 2, 3)):
    print(f"head {head}")
    show(rows)

# %%
head = tokens.reshape(2, 2, 3)[0].flatten().tolist()
desk.answer(
    "03/torn",
    "the whole first token"
    if head == tokens[0].tolist()
    else "the first half of each token, as before",
    "It reads the numbers in the order in which they lie, as if one token "
    "were two.",
)

# %% [markdown]
# The shape is right and the numbers are in the wrong places. Of a longer text, one
# head reads the first half and the other the second, and neither sees what the
# other does. Nothing leaks from the future.

# %%
desk.predict(
    "03/notice",
    "Will the perturbation test notice?",
    options=["yes", "no, since nothing leaks"],
)


# %%
def torn_heads(x):
    heads = x.reshape(2, len(x), -1)
    outputs = [causal_attention(head, head, head) for head in heads]
    return torch.stack(outputs).reshape(x.shape)


def named_heads(x):
    heads = rearrange(x, "time (heads d_head) -> heads time d_head", heads=2)
    outputs = [causal_attention(head, head, head) for head in heads]
    return torch.cat(outputs, dim=-1)


numbers = torch.randn(5, 6, generator=dice) / 2
grids = {}
for attend in (named_heads, torn_heads):
    print(attend.__name__)
    grids[attend] = influence(attend, numbers, change=lambda vector: vector + 1)
    draw(grids[attend])

# %%
noticed = not torch.equal(grids[torn_heads], grids[named_heads])
desk.answer(
    "03/notice",
    "yes" if noticed else "no, since nothing leaks",
    "Its grid has holes below the diagonal, where there should be none.",
)

# %% [markdown]
# An output that ignores its own past is as suspicious as one that knows the future.

# %% [markdown]
# ## 7 · Where in the text?
#
# *“Ivy taught Otto”* and *“Otto taught Ivy”* hold the same words.

# %%
desk.predict(
    "03/order",
    "The last word of a text attends to all before it. If we shuffle those, "
    "what happens to its output?",
    options=["nothing", "it changes a little", "it becomes another"],
)

# %%
order = torch.tensor([2, 0, 3, 1, 4])  # the last one stays the last
queries, keys, values = torch.randn(3, 5, 8, generator=dice)
plain = causal_attention(queries, keys, values)[-1]
mixed = causal_attention(queries[order], keys[order], values[order])[-1]
gap = float((plain - mixed).abs().max())
size = float(plain.abs().max())

# %%
desk.answer(
    "03/order",
    "nothing"
    if gap < 1e-6 * size
    else "it changes a little"
    if gap < 0.1 * size
    else "it becomes another",
    "A weighted mean does not ask in which order its members stand: "
    "attention is blind to the order of the past.",
)

# %% [markdown]
# The cure of this model: **turn** each query and each key by an angle that grows
# with its position, as the hand of a clock. A dot product of two arrows depends on
# the angle *between* them. So the score will know how far apart they are.
#
# By hand: all arrows begin as `(1, 0)`, and each position adds a quarter turn.

# %%
desk.predict(
    "03/turns",
    "The scores of the first arrow with the four: the cosine of 0, 1, 2 and "
    "3 quarter turns?",
    options=["1 0 0 -1", "1 0 -1 0", "1 1 1 1", "0 1 0 -1"],
)

# %%
turns = torch.arange(4) * math.pi / 2
arrow = torch.tensor([[1.0, 0]]).expand(4, 2)
turned = gpt.rotate(arrow, turns.cos()[:, None], turns.sin()[:, None])
show(turned.round() + 0.0)
print("scores")
by_turns = (turned @ turned.T).round() + 0.0
show(by_turns)

# %%
desk.answer(
    "03/turns",
    " ".join(f"{score:g}" for score in by_turns[0].tolist()),
    "The same way, at right angles, opposite, at right angles again.",
)

# %% [markdown]
# Along every diagonal stands one number: the score depends on the distance only.
# These are **rotary positions** (Su et al. 2021), and this is all of it:

# %%
print(getsource(gpt.rotate))

# %% [markdown]
# One hand goes round too soon: after four steps it is back. So every *pair* of
# numbers of a head has a hand of its own, each slower than the one before. Here
# are four of them at positions 0 to 5. (Later positions are drawn longer, so that none
# hides another, and the last is blue. In truth all have the same length. The 10,000 in
# the code sets the slowest hand; it is a custom.)

# %% tags=["folded"]
pairs = base.config.d_head // 2
speeds = 10_000.0 ** -(torch.arange(pairs) / pairs)
places = torch.arange(6)
chosen = [0, pairs // 8, pairs // 4, pairs // 2]
plots.arrows(
    {f"pair {pair}": (places * speeds[pair]).tolist() for pair in chosen},
)

# %% [markdown]
# Fast hands tell neighbours apart, slow ones tell near from far. How does the score
# of one query and one key depend on their positions? We put the same two vectors at
# every pair of positions of a text of 64.

# %% tags=["folded"]
query, key = torch.randn(2, base.config.d_head, generator=dice)
angles = torch.arange(64)[:, None] * speeds
cosine, sine = angles.cos(), angles.sin()
queries = gpt.rotate(query.expand(64, -1), cosine, sine)
keys = gpt.rotate(key.expand(64, -1), cosine, sine)
scores = queries @ keys.T



def spread(scores):
    """How much scores of one distance differ, at most."""
    along = [scores.diagonal(-distance) for distance in range(len(scores))]
    return max(float(line.max() - line.min()) for line in along)


# %%
claim(
    "At each distance, all scores are equal to 0.001",
    spread(scores) < 1e-3,
    measured=spread(scores),
)
change = float((queries.norm(dim=-1) / query.norm() - 1).abs().max())
claim(
    "Turning changes no length, to a hundred-thousandth",
    change < 1e-5,
    measured=change,
)

# %% [markdown]
# So one curve says it all. The second line is a key that is equal to its query. It
# fits best at distance zero. Further off the fast hands come round again, so the curve
# swings, but never back to one.

# %% tags=["folded"]
of_equals = (queries @ queries.T)[:, 0] / query.norm() ** 2
scores = scores[:, 0] / (query.norm() * key.norm())
plots.lines(
    range(64),
    {
        "two random vectors": scores.tolist(),
        "twice the same": of_equals.tolist(),
    },
    x_label="distance, in tokens",
    y_label="score, as a share of the largest",
)

# %% [markdown]
# Is that what the base model does? Give it a text that says one word 64 times. In
# its first block all queries are then equal but for the turning, and so are the
# keys. (The first position is left out: it has nothing before it, which this model
# notices.)

# %% tags=["folded"]
(kite, *_) = tokenizer.encode(" kite")
with recorded_attention() as calls, torch.no_grad():
    base(torch.full((1, 64), kite))
for head in range(base.config.heads):
    queries, keys = calls[0].queries[0, head, 1:], calls[0].keys[0, head, 1:]
    scores = queries @ keys.T
    reach = float(scores[:, 0].max() - scores[:, 0].min())
    claim(
        f"Head {head}: the score depends on the distance only, to 0.001",
        spread(scores) < 1e-3,
        measured=spread(scores),
    )
    claim(f"Head {head}: and it does depend on it", reach > 1, measured=reach)

# %% [markdown]
# GPT-2 has another cure: a table with one learned vector for every position, added
# to the token's vector at the start. It works, and it ends where the table ends.

# %% [markdown]
# ## 8 · From attention to a block
#
# Attention carries information. It cannot do anything *with* it. Three things are
# missing.
#
# **It cannot think.** A mean of numbers between 0 and 10 lies between 0 and 10, and
# a mean of means is a mean. So after gathering, each position goes through a small
# network of its own: make four times as many numbers, bend them, come back. The
# bend of this model is the *squared ReLU* (So et al. 2021): nothing below zero, the
# square above.

# %%
line = torch.arange(-2.0, 4)
print("before", [f"{v:g}" for v in line.tolist()])
print("after ", [f"{v:g}" for v in F.relu(line).square().tolist()])

# %% [markdown]
# **It forgets itself.** What happens if attention follows upon attention? Take the
# average of section 2, 20 times over.

# %%
desk.predict(
    "03/twenty",
    "To what do the four vectors come?",
    options=["to the mean of all", "to Ivy's", "to zero", "to she's"],
)

# %%
shares = torch.ones(4, 4).tril()
shares = shares / shares.sum(dim=1, keepdim=True)
repeated = x
for _ in range(20):
    repeated = shares @ repeated
show(repeated.round() + 0.0, words)

# %%
aims = {
    "to the mean of all": x.mean(dim=0),
    "to Ivy's": x[0],
    "to zero": torch.zeros(2),
    "to she's": x[3],
}
desk.answer(
    "03/twenty",
    min(aims, key=lambda name: (repeated - aims[name]).abs().max().item()),
    "The first sees nobody but itself and never changes; all others take a "
    "little of it, each time.",
)

# %% [markdown]
# The cure: never replace, **add**. Each block adds what it has found
# to what was there, along a path that is called the *residual stream*. It is also
# what makes very deep networks trainable (He et al. 2015). But numbers to which
# something is added again and again get out of hand:
#
# **It has no measure.** What *enters* each branch is therefore a copy, divided by its
# own root mean square; the stream itself is left alone. This is RMSNorm (Zhang and
# Sennrich 2019). Take `(7, 1)`, what *she* received: the squares are 49 and 1.

# %%
desk.predict(
    "03/rms",
    "What does RMSNorm make of (7, 1)?",
    options=["(7, 1)", "(1.4, 0.2)", "(0.875, 0.125)", "(1, 0)"],
)

# %%
normed = F.rms_norm(torch.tensor([7.0, 1]), (2,)).tolist()
print([round(number, 3) for number in normed])

# %%
desk.answer(
    "03/rms",
    "({:.3g}, {:.3g})".format(*normed),
    "The mean of the squares is 25, its root is 5.",
)

# %% [markdown]
# That is a **block**: norm, attention, add; norm, network, add. Follow the stream from
# the bottom to the top:

# %% tags=["folded"]
plots.gpt_block(base.config)

# %% [markdown]
# And the library's own lines, the whole forward pass of each part:

# %%
for part in (gpt.Block, gpt.SelfAttention, gpt.FeedForward):
    print(part.__name__)
    print(getsource(part.forward))

# %% [markdown]
# A new block begins by doing nothing. The last matrix of each branch is zero, and
# nothing is added. Training decides what a block should be.

# %%
newborn = GPT(GPTConfig(vocab_size=tokenizer.vocab_size), seed=0)
stream = torch.randn(1, 5, newborn.config.width, generator=dice)
with torch.no_grad():
    unchanged = newborn.blocks[0](stream, stream, None, None, None, 0)

# %%
moved = float((unchanged - stream).abs().max())
claim("A newborn block changes nothing", moved == 0, measured=f"by {moved:g}")

# %% [markdown]
# ## 9 · The whole GPT, with names
#
# A table turns tokens into vectors, blocks work on them, a last table turns each
# vector into scores for all tokens of the vocabulary, the **logits**.

# %% tags=["folded"]
plots.gpt_whole(base.config)

# %% [markdown]
# Let us send a text through the base model and write down every shape on its way.

# %%
desk.predict(
    "03/logits",
    "Which shape have the logits?",
    options=[
        "(batch, time, width)",
        "(batch, vocab)",
        "(batch, time, vocab)",
        "(batch, heads, time, time)",
    ],
)

# %% tags=["folded"]
AXES = {
    "embedding": "batch time width",
    "attention_norm": "batch time width",
    "query_key_value": "batch time (three heads d_head)",
    "attention": "batch time width",
    "expand": "batch time (four width)",
    "feed_forward": "batch time width",
    "final_norm": "batch time width",
}


def trace(model, tokens):
    """Print every shape of a forward pass, of the blocks the first only."""
    hooks = []
    for path, part in model.named_modules():
        name = path.rpartition(".")[2]
        if name not in AXES or (path.startswith("blocks") and path[7] != "0"):
            continue

        def write(_part, _inputs, result, path=path, axes=AXES[name]):
            print(f"{path:34} {axes:31} {tuple(result.shape)}")

        hooks.append(part.register_forward_hook(write))
    with recorded_attention() as calls:
        logits = model(tokens)
    for hook in hooks:
        hook.remove()
    print(f"{'logits':34} {'batch time vocab':31} {tuple(logits.shape)}")
    heads = tuple(calls[0].queries.shape)
    print(f"\n{'queries of block 0':34} {'batch heads time d_head':31} {heads}")


# %%
print(base.config.layers, "blocks;", base.config.heads, "heads a block\n")
trace(base, ids[None])

# %%
batch_time_last = tuple(base(ids[None]).shape)
desk.answer(
    "03/logits",
    "(batch, time, vocab)"
    if batch_time_last == (1, len(ids), tokenizer.vocab_size)
    else "(batch, time, width)",
    "At each place of each text, a score for every token of the vocabulary.",
)

# %% [markdown]
# The stream never changes its shape: any number of blocks fits between the tables.
#
# ### What is special about this one
#
# The textbook GPT ends here. This one has some parts more, and some fewer:
#
# - **QK norm**: queries and keys are brought to a standard length, so that no score
#   can explode (Henry et al. 2020).
# - **Token shift**: each vector gets a learned share of the one before it, the only
#   other way from one position to another. So one head can look for *the name after
#   “and”*, which would take two layers otherwise (as in RWKV, Peng et al. 2023).
# - **Token values**: each value gets a learned share of the token's own vector. So
#   what a head has found it can also repeat (as value residual learning does with
#   the first layer's values, Zhou et al. 2024).
# - **Squared ReLU** for GELU: a simpler bend, which won a search among many (So et
#   al. 2021).
# - **Two tables**, one to read and one to write. GPT-2 has one for both, which saves
#   parameters; two learn faster.
# - **No biases, no gains in the norms**: fewer things to learn.
#
# The first can be checked to the number. A vector of `d_head` numbers with mean
# square 1 has the length $\sqrt{d_\text{head}}$. Two that point the same way have the
# largest dot product, and it is divided by $\sqrt{d_\text{head}}$.

# %%
desk.predict(
    "03/bound",
    "So how large can a score be at most?",
    options=["1", "√d_head", "d_head", "there is no limit"],
)

# %% tags=["folded"]
with recorded_attention() as calls, torch.no_grad():
    base(ids[None])
scores = [
    call.queries @ call.keys.transpose(-2, -1) / base.config.d_head**0.5
    for call in calls
]
bound = base.config.d_head**0.5
largest_score = max(float(s.abs().max()) for s in scores)

# %%
desk.answer(
    "03/bound",
    "√d_head" if largest_score <= 1.001 * bound else "there is no limit",
    f"√d_head times √d_head, divided by √d_head. Here that is {bound:.2f}, "
    "and the largest score of the base model on this text is "
    f"{about(largest_score)}.",
)

# %% [markdown]
# And does the grown model use the other two? Take a part away from it and see what
# the loss on unseen text does. (Its unit is the *nat*: a guess costs $-\ln p$.)

# %% tags=["folded"]
documents = village.documents(40, seed=0, split="validation")
unseen = pretraining.encode_documents(tokenizer, [d.text for d in documents])
whole = language_loss(base, unseen).nats_per_token
costs = {}
for part in ("token_shift", "token_share"):
    maimed = course.load("base").requires_grad_(False)
    for name, weights in maimed.named_parameters():
        if name.endswith(part):
            weights.zero_()
    costs[part] = language_loss(maimed, unseen).nats_per_token - whole

# %%
for part, lost in costs.items():
    claim(
        f"Without its {part} the base model loses 0.3 nats a token or more",
        lost >= 0.3,
        measured=lost,
        unit="nats",
    )

# %% [markdown]
# A caution: this shows that the model *relies* on them, not that it could not have
# learned without. For that one has to train both ways.

# %% [markdown]
# ## 10 · What does it cost?
#
# Whoever can read the shapes can tell the price in advance. Three prices: numbers
# to be learned, operations to be done, memory to be had.
#
# ### Parameters
#
# For width $w$, attention has four matrices of $w \times w$ in each block (queries,
# keys, values, output), and the network one of $w \times 4w$ and one of $4w \times w$.

# %%
desk.predict(
    "03/block",
    "How many numbers is that together, for one block?",
    options=["8 w²", "12 w²", "16 w²", "24 w²"],
)

# %%
config = base.config
for name in ("vocab_size", "layers", "width"):
    print(f"{name:12} {getattr(config, name):,}")
print(f"12 · layers · width² = {12 * config.layers * config.width**2:,}")

# %%
sizes = [weights.numel() for weights in base.blocks[0].parameters()]
in_block = sum(size for size in sizes if size >= config.width**2)
desk.answer(
    "03/block",
    f"{in_block / config.width**2:g} w²",
    "Four for attention, twice four for the network.",
)


# %% tags=["folded"]
def bill(parts, unit):
    """Print each part, its size and its share; then the sum."""
    total = sum(parts.values())
    for part, size in parts.items():
        if size:
            print(f"{part:18} {size:>12,} {size / total:5.0%}")
    print(f"{'together':18} {total:>12,} {unit}")
    return total


# %% [markdown]
# The rest is the tables, and a little for the extras. The function below knows the
# formulas; the claim counts the numbers of the model itself.

# %%
predicted = bill(accounting.parameter_counts(config), "parameters")
counted = sum(weights.numel() for weights in base.parameters())
claim(
    "Counted in the model: exactly as many",
    counted == predicted,
    measured=counted,
)

# %% [markdown]
# ### Operations
#
# A matrix product of $(n, k)$ with $(k, m)$ has $n \cdot m$ results, each a sum of
# $k$ products: $2nkm$ floating-point operations (FLOPs). So each weight costs 2
# operations a token: once to multiply, once to add. Looking up a row of a table
# costs nothing. Only two products have no weights: queries with keys, and shares
# with values.

# %%
desk.predict(
    "03/scores",
    "In a row of 256 tokens, how many per cent of a token's operations are "
    "these two products?",
    unit="%",
)

# %%
print(getsource(accounting.forward_flops))
time = 256
per_token = {
    part: operations // time
    for part, operations in accounting.forward_flops(config, time=time).items()
}
forward = bill(per_token, "FLOPs a token")

# %%
desk.answer(
    "03/scores",
    round(100 * per_token["scores and means"] / forward),
    "A position looks at 256 others, with as many numbers as the model is "
    "wide: at this size not a trifle.",
    within=5,
)

# %% [markdown]
# To learn, a model needs to know for each weight whether the loss rises or falls with
# it. That slope is its **gradient**; it is computed from the last product back to the
# first, and then the **optimiser** changes the weights by it (chapter 5). On the way
# back every product needs two: one for the gradient of the weights, one for that of the
# inputs. So a step of training costs
# three forward passes (and what the optimiser does, which is the same however long
# the batch). PyTorch can count while it computes:

# %% tags=["folded"]
rows = torch.randint(6, tokenizer.vocab_size, (8, 256), generator=dice)
student = course.load("base")


def loss(rows):
    """Of guessing the next token; the last position guesses the first one."""
    return pretraining.cross_entropy(student(rows), rows.roll(-1, dims=1))


once = accounting.measured_flops(lambda: student(rows[:1]))
both = accounting.measured_flops(lambda: loss(rows[:1]).backward())

# %%
claim(
    "Counted in a forward pass: exactly as many",
    once == forward * time,
    measured=once,
)
claim(
    "Counted in forward and backward: three times as many",
    both == 3 * once,
    measured=both,
)

# %% [markdown]
# (One trap on the way: the counter does not know the fast attention kernel of
# processors, and passes over it in silence. `measured_flops` runs attention as the
# products that it consists of.)
#
# Hence the rule of thumb that all the field uses: training costs **6 N** operations
# a token, 2 forward and 4 backward for each of N weights (Kaplan et al. 2020). It
# leaves out the two products that have no weights; Hoffmann et al. (2022, appendix
# F) count them. When does it matter?

# %% tags=["folded"]
sizes = {
    "this model": config,
    "GPT-2, 12 blocks of width 768": GPTConfig.gpt2(),
}
times = [64, 128, 256, 512, 1024, 2048, 4096, 8192]
left_out = {}
for name, shape in sizes.items():
    left_out[name] = []
    for time in times:
        parts = accounting.forward_flops(shape, time=time)
        share = parts["scores and means"] / sum(parts.values())
        left_out[name].append(100 * share)
plots.lines(
    times,
    left_out,
    x_label="tokens in a row",
    y_label="% of all operations",
    title="Scores and means",
    doubling=True,
)

# %% tags=["folded"]
for name, shape, time in (
    ("this model", config, config.context),
    ("GPT-2", sizes["GPT-2, 12 blocks of width 768"], 1024),
):
    parts = accounting.training_flops(shape, time=time)
    with_weights = sum(parts.values()) - parts["scores and means"]
    weights = with_weights // (6 * time)
    share = sum(parts.values()) / with_weights
    print(f"{name:10} N = {weights:>11,}  operations = {share:.2f} times 6 N")

# %% [markdown]
# (Here N counts the weights that are multiplied, the output table among them, and
# rows are as long as each model's context.) The scores grow with the *square* of
# the text: twice the text, four times the scores. Everything else doubles. That is
# the price of letting everyone look at everyone, and why long texts are expensive.

# %% [markdown]
# ### Memory
#
# A number of 32 bits is 4 bytes. Training keeps four things: the weights; a
# gradient for each; what the **optimisers** remember, the rules of chapter 5 that
# turn gradients into updates (AdamW two numbers a weight, Muon one); and the
# **activations**, everything that the backward pass will need again.

# %%
desk.predict(
    "03/memory",
    "Which of the four is the largest, for 8 rows of 128 tokens?",
    options=["weights", "gradients", "optimiser", "activations"],
)

# %%
batch, time = 8, 128
predicted = accounting.training_bytes(config, batch=batch, time=time)
total = bill(predicted, "bytes")

# %%
desk.answer(
    "03/memory",
    max(predicted, key=predicted.get),
    "Every one of 1,024 tokens leaves numbers behind in every part of every "
    "block.",
)

# %% tags=["folded"]
some = rows[:batch, :time].clone()
optimizers = optimisers.muon_and_adamw(student)
training.apply_gradients(loss(some), student, optimizers.values())

kept = accounting.measured_activation_bytes(student, lambda: loss(some))
held = sum(weights.grad.nbytes for weights in student.parameters())
state = accounting.measured_optimiser_bytes(optimizers.values())
excess = state / predicted["optimiser"] - 1

# %%
claim(
    "Activations: to the byte", kept == predicted["activations"], measured=kept
)
claim("Gradients: to the byte", held == predicted["gradients"], measured=held)
claim(
    "Optimisers: to 0.01 %",
    0 <= excess < 1e-4,
    measured=100 * excess,
    unit="% more",
)

# %% [markdown]
# Weights cost the same whatever one does; activations grow with every token of the
# batch. That is why a batch "does not fit".
#
# One of the activations is missing, and deliberately. The table of attention shares
# has `time × time` numbers for every head. The fast kernel never writes it down: it
# works through the keys piece by piece, and for the backward pass it keeps one
# number a query and computes the shares again (Dao et al. 2022). Here are both
# ways, measured:

# %% tags=["folded"]
ways = {
    "fast kernel": SDPBackend.FLASH_ATTENTION,
    "all shares kept": SDPBackend.MATH,
}
times = [32, 64, 96, 128, 160, 192, 224, 256]
kilobytes = {name: [] for name in ways}
for name, kernel in ways.items():
    for time in times:
        row = rows[:1, :time].clone()
        with sdpa_kernel(kernel):
            kept = accounting.measured_activation_bytes(
                student, lambda row=row: loss(row)
            )
        kilobytes[name].append(kept / time / 1000)
plots.lines(
    times,
    kilobytes,
    x_label="tokens in a row",
    y_label="kilobytes kept a token",
    from_zero=True,
)

# %%
fast, slow = kilobytes.values()
claim(
    "Fast: a token costs as much in the longest row as in the shortest, to 1 %",
    abs(fast[-1] / fast[0] - 1) < 0.01,
    measured=100 * (fast[-1] / fast[0] - 1),
    unit="% more",
)
claim(
    "All shares kept: it costs at least a tenth more",
    slow[-1] > 1.1 * slow[0],
    measured=100 * (slow[-1] / slow[0] - 1),
    unit="% more",
)

# %% [markdown]
# And one memory for writing. A model that writes word after word would compute the
# same keys and values again and again; it keeps them instead, in the **KV cache**:
# keys and values, in every block, `width` numbers each, 4 bytes a number.

# %%
desk.predict(
    "03/cache",
    "How many bytes is that for one token? (The blocks and the width stand "
    "in section 10.)",
    unit="bytes",
)

# %%
bytes_a_token = accounting.cache_bytes(config, time=1)
print(f"{bytes_a_token:,} bytes a token, as much as", end=" ")
print(f"{bytes_a_token // 4:,} weights")

# %%
desk.answer(
    "03/cache",
    bytes_a_token,
    f"2 · {config.layers} blocks · {config.width} numbers · 4 bytes.",
    factor=1.01,
)
room = accounting.measured_cache_bytes(
    Cache(config, batch=3, max_time=100)
)
claim(
    "The library's cache for 3 rows of 100 tokens: to the byte",
    room == 300 * bytes_a_token,
    measured=room,
)

# %% [markdown]
# ## 11 · Look at it
#
# Enough of costs. These are the shares of the base model on a text. Choose a small
# map (a layer and a head), then a token, with the mouse or the arrow keys. Which heads
# look at the start when they have nothing better to do? Token shift already brings the
# token before: does any head still look for it?

# %%
desk.predict(
    "03/looks",
    "“Agnes found a kite. She lent the kite to”: what will the last token "
    "look at, in the head that opens (layer 1, head 3), and why there?",
)

# %% tags=["folded"]
import torch

from llmlab import life
from llmlab.interpretation import attention_weights
from llmlab.widgets import AttentionViewer

course = life.course()
reader = course.load("base").requires_grad_(False)


def look(text):
    """The tokens of a text, and where each looks in every head."""
    ids = [course.tokenizer.bos_id, *course.tokenizer.encode(text)]
    names = [course.tokenizer.token_text(token) for token in ids]
    return names, attention_weights(reader, torch.tensor([ids]))[:, 0]


sentence = "Agnes found a kite. She lent the kite to"
AttentionViewer(*look(sentence), layer=1, head=3, ask=look)

# %%
names, weights = look(sentence)
last = weights[1, 3, -1]
desk.answer(
    "03/looks",
    f"Most at “{names[int(last.argmax())].strip()}”, with {about(last.max())} "
    "of its attention.",
    "Who wants to know what comes after “to” must know what was lent, and by "
    "whom. What a head is looking for can only be guessed from where it "
    "looks.",
)
off = float((weights.sum(-1) - 1).abs().max())
claim("Every row sums to one, to 0.00001", off < 1e-5, measured=off)
ahead = int((weights.triu(diagonal=1) > 0).sum())
claim("Nothing looks ahead", ahead == 0, measured=f"{ahead} shares above zero")

# %% [markdown]
# The same head once more, for this one token, in the numbers of the head: what it asks
# for, what each token can be found by, how well the two fit, and what is handed over.

# %% tags=["folded"]
ids = [tokenizer.bos_id, *tokenizer.encode("Agnes found a kite to")]
with recorded_attention() as calls, torch.no_grad():
    reader.hidden_states(torch.tensor([ids]))
plots.query_key_value(
    [tokenizer.token_text(token) for token in ids],
    calls[1].queries[0, 3, -1],
    calls[1].keys[0, 3],
    calls[1].values[0, 3],
)

# %% [markdown]
# Where a head looks is not yet what it *does*: the value it brings back may be
# large or nothing, and later blocks may not care. Chapter 6 asks that question
# properly.

# %% [markdown]
# ## 12 · Is this GPT-2?
#
# The same class has a preset that is GPT-2: learned positions, LayerNorm, GELU,
# biases, one table, none of the extras. If you have understood the bill, you can
# compute a number that the whole field knows, the size of the smallest GPT-2, from
# its vocabulary of 50,257, its context of 1,024, its 12 blocks and its width of
# 768.

# %%
desk.predict(
    "03/gpt2", "How many million parameters has it?", unit="million"
)

# %%
vocab, context, layers, w = 50_257, 1_024, 12, 768
tables = vocab * w + context * w
matrices, biases, norms = 12 * w * w, 9 * w, 2 * 2 * w
by_hand = tables + layers * (matrices + biases + norms) + 2 * w
print(f"{by_hand:,}")

# %%
published = 124_439_808
formula = sum(accounting.parameter_counts(GPTConfig.gpt2()).values())
with torch.device("meta"):  # shapes without memory
    giant = GPT(GPTConfig.gpt2()).number_of_parameters()
desk.answer(
    "03/gpt2",
    round(by_hand / 1e6),
    "39 million in the table of tokens and 85 million in the blocks; the "
    "rest is small change.",
    factor=1.1,
)
for way, count in (
    ("By hand", by_hand),
    ("By the library's formula", formula),
    ("Counted in the class", giant),
):
    claim(f"{way}: the published number", count == published, measured=count)

# %% [markdown]
# (The paper of 2019 says 117 million; its authors corrected that later.)
#
# The number fits; does the arithmetic? Here is GPT-2 once more, from this chapter and
# two older parts: **LayerNorm**, which takes the mean away before it divides, and then
# has a gain and a bias to learn; and **GELU**, a smooth ReLU (the odd numbers are its
# usual approximation). The heart is `causal_attention` of section 5.


# %%
def gpt2_by_hand(weights, tokens, layers, heads):
    """(time,) ids to (time, vocab) logits, with nothing but arithmetic."""

    def norm(x, name):
        x = x - x.mean(dim=-1, keepdim=True)
        x = x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return x * weights[f"{name}.gain"] + weights[f"{name}.bias"]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def gelu(x):
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return x * (1 + inner.tanh()) / 2

    x = weights["embedding.weight"][tokens]
    x = x + weights["position_embedding.weight"][: len(tokens)]
    for layer in range(layers):
        block = f"blocks.{layer}"
        mixed = linear(
            norm(x, f"{block}.attention_norm"),
            f"{block}.attention.query_key_value",
        )
        queries, keys, values = (
            part.chunk(heads, dim=-1) for part in mixed.chunk(3, dim=-1)
        )
        found = map(causal_attention, queries, keys, values)
        x = x + linear(torch.cat([*found], -1), f"{block}.attention.output")
        hidden = norm(x, f"{block}.feed_forward_norm")
        hidden = gelu(linear(hidden, f"{block}.feed_forward.expand"))
        x = x + linear(hidden, f"{block}.feed_forward.output")
    return norm(x, "final_norm") @ weights["embedding.weight"].T


# %% [markdown]
# It reads the weights of a small GPT-2 of the library, all made random so that each
# of them matters, and must find the same logits.

# %%
small = GPTConfig.gpt2(vocab_size=50, context=24, layers=2, heads=2, width=16)
model = GPT(small).double().requires_grad_(False)
for weights in model.parameters():
    weights += torch.randn(weights.shape, generator=dice) / 5
sequence = torch.randint(0, 50, (24,), generator=dice)

ours = gpt2_by_hand(model.state_dict(), sequence, small.layers, small.heads)
gap = float((model(sequence[None])[0] - ours).abs().max())

# %%
claim("All logits agree to a billionth", gap < 1e-9, measured=gap)

# %% [markdown]
# That is a check against ourselves. The check against the world: one set of weights,
# loaded into this class and into the GPT-2 of Hugging Face's *transformers*, gives the
# same logits, loss and gradients. The published weights fit too (`gpt2.load_gpt2`).

# %% [markdown]
# ## What did not work at this size
#
# - **Long texts cannot be felt.** Our rows are short. The square of the length, the
#   reason for so much ingenuity in large models, is one item among several here.
# - **Small models have their own bill.** The tables of tokens are a large part of
#   everything. What one learns about costs at this size has to be worked out again
#   for a larger one; the formulas are the same.
# - **Few heads have a readable job.** In a model of so few blocks, a head does
#   several things at once. Some maps in the viewer will tell you nothing.
#
# ## Summary
#
# - Attention is a weighted mean. Queries and keys decide the weights, values are
#   what is averaged.
# - Scores are divided by √d_head, masked *before* the softmax, and the softmax runs
#   along the keys. Each mistake runs without an error; the size of the scores, a mean
#   of eights and a perturbation find them.
# - Heads ask several questions side by side, at no extra cost. Rotary positions
#   make a score depend on the distance.
# - A block adds what attention found and what a small network made of it. The
#   stream keeps its shape from the first table to the last.
# - 12 · width² weights a block; 6 operations a weight and token in training, and
#   more for the scores; memory mostly for activations.

# %%
desk.quiz(
    "03",
    desk.ask(
        "A model has width 512 and 8 heads. What are its scores divided by?",
        right=(
            f"{math.sqrt(512 / 8):.0f}",
            "d_head is 512 / 8 = 64, and its root is 8.",
        ),
        wrong=[
            (
                f"about {math.sqrt(512):.1f}",
                "That is the root of the width. A dot product inside a head "
                "has only d_head terms.",
            ),
            (
                f"{512 // 8}",
                "That is d_head. Its root is the size of a typical score.",
            ),
        ],
    ),
    desk.ask(
        "Somebody masks after the softmax. Which test is sure to find it?",
        right=(
            "Change the last token and compare all earlier outputs.",
            "They must not move, and they do.",
        ),
        wrong=[
            (
                "Look whether the training loss is bad.",
                "It need not be bad, and tells nothing: the future leaks in "
                "training and in the test.",
            ),
            (
                "Check that the weights of later keys are zero.",
                "They are. What leaks is the sum by which the others were "
                "divided.",
            ),
        ],
    ),
    desk.ask(
        "You double the length of every row, and halve the number of rows. "
        "What doubles?",
        right=(
            "The work for scores and means.",
            "As many tokens as before, and each looks at twice as many.",
        ),
        wrong=[
            (
                "The weights.",
                "With rotary positions no weight knows how long a row is.",
            ),
            (
                "The activations, with the fast kernel.",
                "They depend on the number of tokens, and that is the same.",
            ),
        ],
    ),
)

# %%
desk.tally("03")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 2](../exercises/release/ps2/ps2.ipynb): attention for
# a whole batch and all heads at once, with a check that names your mistake, and a
# detective's work, who looks ahead. **Next:** this body learns to read.
# [4 · Masked language modelling](04_masked_language_modelling.ipynb) begins with random
# weights.
