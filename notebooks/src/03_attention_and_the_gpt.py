# %% [markdown]
# # 3 · Attention and the GPT
#
# **You will be able to** work out attention by hand; say why its scores are scaled
# and masked, and catch four mistakes that raise no error; name every axis inside
# a GPT; predict how many numbers, operations and bytes a model costs, before
# anybody builds it.
#
# **You need** [0 · Start here](00_start_here.ipynb), and to know what a product of
# two matrices is.
#
# **Time** 1 minute to run on two processor cores; an hour and a half to
# work through.
#
# **Where we are in the model's life:** before it is born. This is its body.

# %%
import itertools
import math
from inspect import getsource

import torch
from einops import rearrange
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from llmlab import (
    accounting,
    gpt,
    life,
    optimisers,
    plots,
    pretraining,
    training,
    village,
)
from llmlab.cache import Cache
from llmlab.claims import claim
from llmlab.evaluation import language_loss
from llmlab.gpt import GPT, GPTConfig
from llmlab.interpretation import attention_weights, recorded_attention
from llmlab.widgets import AttentionViewer

course = life.course()
tokenizer = course.tokenizer


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
# Let every position take the mean of everything so far, itself included. **Work
# out** the four means before you run the cell.

# %%
means = torch.stack([x[: time + 1].mean(dim=0) for time in range(4)])
show(means, words)

# %% [markdown]
# Information flows now. The same thing as one product of matrices: row `i` of
# `shares` says how much position `i` takes of each position. Every row sums to one.

# %%
shares = torch.ones(4, 4).tril()
shares = shares / shares.sum(dim=1, keepdim=True)
show(shares, words)
claim("Shares times vectors are the means", torch.allclose(shares @ x, means))

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
# the **softmax**. The query is chosen so that the powers are whole numbers.
#
# **Work out** the four powers, the four shares, and what *she* receives.

# %%
query = torch.tensor([math.log(7), 0])
scores = keys @ query
powers = scores.exp()
shares = powers / powers.sum()
print("powers  ", [round(p) for p in powers.tolist()])
print("shares  ", [round(s, 3) for s in shares.tolist()])
print("receives", [round(v, 3) for v in (shares @ values).tolist()])
claim("PyTorch's softmax agrees", torch.allclose(shares, scores.softmax(dim=0)))

# %% [markdown]
# Most of what arrives is Ivy's value. **Change the query** so that *she* looks for
# a thing.
#
# Why three vectors? Let us try to do with one, and compare each token's vector with
# every other's. We compare *directions*: every vector is divided by its own length
# first, or else the longest would win everywhere (try it: *she* times *Ivy* is 12,
# *she* times *she* only 8).

# %%
directions = F.normalize(x, dim=1)
likeness = directions @ directions.T
show(likeness, words)
claim(
    "No token finds a better match than itself",
    torch.allclose(likeness.amax(dim=1), likeness.diagonal()),
)
claim("Who likes whom is mutual", torch.allclose(likeness, likeness.T))

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
claim("Along a row, means of eights are eights", torch.allclose(right, eights))
claim("Down a column they are not", ((wrong - 8).abs() > 0.5).all())

# %% [markdown]
# ## 4 · How large may a score be?
#
# Our vectors had two numbers. A model has many more, and it shares them out among
# several attentions side by side, its **heads** (section 6). A dot product adds up as
# many products as a head has numbers. Take vectors of plus and minus ones, 4 numbers
# long, and compare all 16 of them with `(1, 1, 1, 1)`. **Which scores occur, and how
# often?**

# %%
signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)))
scores = signs @ torch.ones(4)
for score in scores.unique().tolist():
    print(f"score {score:3g}: {int((scores == score).sum())} of 16")
print(f"mean of the squares: {scores.square().mean():g}")

# %% [markdown]
# The mean square is 4, so a typical score has the size $\sqrt 4 = 2$. With `d`
# numbers it has the size $\sqrt d$: the scores grow with the width of the head,
# although no vector has become any clearer. What does a softmax do with large
# scores? Here random queries choose among 16 random keys. **Predict** the largest
# of the 16 shares at both ends of the picture.

# %%
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
    words="If the scores are not scaled, the largest share comes nearer to one "
    "the wider the head. Divided by the root of d_head, it stays below 0.3.",
)

# %%
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
# 16 heads, each a sixteenth of the width, that divides by four times too much.
# **Predict** how it shows.

# %%
heads, d_head = 16, 64
width = heads * d_head
queries = torch.randn(2000, d_head, generator=dice)
keys = torch.randn(2000, d_head, generator=dice)
scores = (queries * keys).sum(dim=-1)
right, wrong = scores / d_head**0.5, scores / width**0.5
claim("By √d_head: scores of size 1, to 10 %", 0.9 < right.std() < 1.1)
claim("By √width: of size 1/4, to 10 %", 0.9 < 4 * wrong.std() < 1.1)

# %% [markdown]
# No error, no infinity. The heads begin blunt and have to grow large weights
# before they can point at anything, the more so the more heads there are.

# %% [markdown]
# ## 5 · Not to look ahead
#
# A model that is trained to guess the next word must not see it. So before the
# softmax, every score of a later key becomes minus infinity, and $e^{-\infty}$ is
# zero. These are the powers of section 3 again. **Work out** the rows.

# %%
scores = powers.log()
is_past = torch.ones(3, 3, dtype=torch.bool).tril()
hidden = scores.masked_fill(~is_past, float("-inf"))
show(hidden.softmax(dim=-1))

# %% [markdown]
# And here is the mistake beside the cure: the softmax first, then zeros. **What is
# wrong with the first row?**

# %%
show(scores.softmax(dim=-1) * is_past)

# %% [markdown]
# The rows no longer sum to one. It is tempting to think that this is a detail,
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
claim(
    "Masked before the softmax, nothing moves before the change",
    not grids["mask_before"].triu(diagonal=1).any(),
)
claim("Masked after it, everything moves", grids["mask_after"].all())

# %% [markdown]
# A row of the grid is an output, a column the input that was changed. *Mask after*
# draws the same full square as *everything*: each share was divided by a sum in
# which the future took part. A model may come to lean on such a leak, and when it
# writes there is no future to lean on. Its loss does not give it away: training and
# test leak alike. Now the real ones, the base model and the masked model, on a whole
# text. **Predict** the two grids.

# %%
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
looks_back = torch.ones_like(grids["base"]).tril()
claim(
    "In the base model a change moves itself and what follows, nothing before",
    torch.equal(grids["base"], looks_back),
)
claim(
    "In the masked model every position moves every position",
    grids["masked"].all(),
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
claim("The two agree to 0.00001", gap < 1e-5, measured=gap)

# %% [markdown]
# ## 6 · Several heads
#
# Back to *she*, who now wants to know two things at once: which person, and which
# thing. One query can ask for both. **Work out** what arrives; the powers are 4,
# 1, 4 and 1.

# %%
keys = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 0]])
values = torch.tensor([[10.0, 0], [0, 0], [0, 10], [0, 0]])


def receive(query):
    shares = (keys @ query).softmax(dim=0)
    return [round(v, 3) for v in (shares @ values).tolist()]


print("both at once", receive(torch.tensor([math.log(4), math.log(4)])))

# %% [markdown]
# A bit of both. The mean of two answers is a third answer, and nobody can take it
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
# Without names one might ask for the same shape directly. **What is wrong here?**

# %%
for head, rows in enumerate(tokens.reshape(2, 2, 3)):
    print(f"head {head}")
    show(rows)

# %% [markdown]
# The shape is right and the numbers are in the wrong places: head 0 got the whole
# first token, as if it were two, and head 1 the whole second. Of a longer text, one
# head reads the first half and the other the second, and neither sees what the
# other does. Nothing leaks from the future. **Will the perturbation test notice?**


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
for attend in (named_heads, torn_heads):
    print(attend.__name__)
    draw(influence(attend, numbers, change=lambda vector: vector + 1))

# %% [markdown]
# An output that ignores its own past is as suspicious as one that knows the future.

# %% [markdown]
# ## 7 · Where in the text?
#
# *“Ivy taught Otto”* and *“Otto taught Ivy”* hold the same words. **Predict:** the
# last word of a text attends to all before it. If we shuffle those, what happens to
# its output?

# %%
order = torch.tensor([2, 0, 3, 1, 4])  # the last one stays the last
queries, keys, values = torch.randn(3, 5, 8, generator=dice)
plain = causal_attention(queries, keys, values)[-1]
mixed = causal_attention(queries[order], keys[order], values[order])[-1]
gap = (plain - mixed).abs().max()
claim("Attention is blind to the order of the past", gap < 1e-6, measured=gap)

# %% [markdown]
# The cure of this model: **turn** each query and each key by an angle that grows
# with its position, as the hand of a clock. A dot product of two arrows depends on
# the angle *between* them. So the score will know how far apart they are.
#
# By hand: all arrows begin as `(1, 0)`, and each position adds a quarter turn.
# **Work out** one row of the scores: the cosine of 0, 1, 2 and 3 quarter turns.

# %%
turns = torch.arange(4) * math.pi / 2
arrow = torch.tensor([[1.0, 0]]).expand(4, 2)
turned = gpt.rotate(arrow, turns.cos()[:, None], turns.sin()[:, None])
show(turned.round() + 0.0)
print("scores")
show((turned @ turned.T).round() + 0.0)

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

# %%
pairs = base.config.d_head // 2
speeds = 10_000.0 ** -(torch.arange(pairs) / pairs)
places = torch.arange(6)
chosen = [0, pairs // 8, pairs // 4, pairs // 2]
plots.arrows(
    {f"pair {pair}": (places * speeds[pair]).tolist() for pair in chosen},
    words="Four clocks at positions zero to five. The hand of the first pair "
    "goes most of the way round, each later one turns more slowly, and the "
    "last one hardly moves.",
)

# %% [markdown]
# Fast hands tell neighbours apart, slow ones tell near from far. How does the score
# of one query and one key depend on their positions? We put the same two vectors at
# every pair of positions of a text of 64.

# %%
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


claim(
    "At each distance, all scores are equal to 0.001",
    spread(scores) < 1e-3,
    measured=spread(scores),
)
lengths = queries.norm(dim=-1)
claim(
    "Turning changes no length",
    torch.allclose(lengths, query.norm().expand(64)),
)

# %% [markdown]
# So one curve says it all. The second line is a key that is equal to its query. It
# fits best at distance zero. Further off the fast hands come round again, so the curve
# swings, but never back to one.

# %%
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
    words="Scores against the distance. The line of two random vectors swings "
    "up and down. That of twice the same vector is one at distance zero and "
    "lower everywhere else.",
)

# %% [markdown]
# Is that what the base model does? Give it a text that says one word 64 times. In
# its first block all queries are then equal but for the turning, and so are the
# keys. (The first position is left out: it has nothing before it, which this model
# notices.)

# %%
(kite, *_) = tokenizer.encode(" kite")
with recorded_attention() as calls, torch.no_grad():
    base(torch.full((1, 64), kite))
for head in range(base.config.heads):
    queries, keys = calls[0].queries[0, head, 1:], calls[0].keys[0, head, 1:]
    scores = queries @ keys.T
    claim(
        f"Head {head}: the score depends on the distance only, to 0.001",
        spread(scores) < 1e-3,
        measured=spread(scores),
    )
    claim(
        f"Head {head}: and it does depend on it",
        scores[:, 0].max() - scores[:, 0].min() > 1,
    )

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
# **It forgets itself.** What happens if attention follows upon attention? Here is
# the average of section 2, taken 20 times. **Predict** the four vectors.

# %%
shares = torch.ones(4, 4).tril()
shares = shares / shares.sum(dim=1, keepdim=True)
repeated = x
for _ in range(20):
    repeated = shares @ repeated
show(repeated.round() + 0.0, words)

# %% [markdown]
# All are Ivy. The cure: never replace, **add**. Each block adds what it has found
# to what was there, along a path that is called the *residual stream*. It is also
# what makes very deep networks trainable (He et al. 2015). But numbers to which
# something is added again and again get out of hand:
#
# **It has no measure.** What *enters* each branch is therefore a copy, divided by its
# own root mean square; the stream itself is left alone. This is RMSNorm (Zhang and
# Sennrich 2019). **Work it out** for `(7, 1)`, what
# *she* received: the squares are 49 and 1, their mean is 25, its root is 5.

# %%
print([round(v, 3) for v in F.rms_norm(torch.tensor([7.0, 1]), (2,)).tolist()])

# %% [markdown]
# That is a **block**: norm, attention, add; norm, network, add. The library's own
# lines, the whole forward pass of each part:

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
claim("A newborn block changes nothing", torch.equal(unchanged, stream))

# %% [markdown]
# ## 9 · The whole GPT, with names
#
# A table turns tokens into vectors, blocks work on them, a last table turns each
# vector into scores for all tokens of the vocabulary, the **logits**. Let us send
# a text through the base model and write down every shape on its way. **Predict**
# the shape of the queries and of the logits.

# %%
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


print(base.config.layers, "blocks;", base.config.heads, "heads a block\n")
trace(base, ids[None])

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
# square 1 has the length $\sqrt{d_\text{head}}$. **So how large can a score be?**

# %%
with recorded_attention() as calls, torch.no_grad():
    base(ids[None])
scores = [
    call.queries @ call.keys.transpose(-2, -1) / base.config.d_head**0.5
    for call in calls
]
bound = base.config.d_head**0.5
claim(
    "No score of the base model is larger than √d_head",
    max(float(s.abs().max()) for s in scores) <= bound * 1.001,
)

# %% [markdown]
# And does the grown model use the other two? Take a part away from it and see what
# the loss on unseen text does. (Its unit is the *nat*: a guess costs $-\ln p$.)

# %%
documents = village.documents(40, seed=0, split="validation")
unseen = pretraining.encode_documents(tokenizer, [d.text for d in documents])
whole = language_loss(base, unseen).nats_per_token
for part in ("token_shift", "token_share"):
    maimed = course.load("base").requires_grad_(False)
    for name, weights in maimed.named_parameters():
        if name.endswith(part):
            weights.zero_()
    lost = language_loss(maimed, unseen).nats_per_token - whole
    claim(
        f"Without its {part} the base model loses 0.3 nats a token or more",
        lost >= 0.3,
        measured=lost,
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
# **Predict with a pencil**, for width $w$: attention has four matrices of
# $w \times w$ in each block (queries, keys, values, output), and the network one
# of $w \times 4w$ and one of $4w \times w$. How many numbers is that together?

# %%
config = base.config
for name in ("vocab_size", "layers", "width"):
    print(f"{name:12} {getattr(config, name):,}")
print(f"12 · layers · width² = {12 * config.layers * config.width**2:,}")


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
claim("Counted in the model: exactly as many", counted == predicted)

# %% [markdown]
# ### Operations
#
# A matrix product of $(n, k)$ with $(k, m)$ has $n \cdot m$ results, each a sum of
# $k$ products: $2nkm$ floating-point operations (FLOPs). So each weight costs 2
# operations a token: once to multiply, once to add. Looking up a row of a table
# costs nothing. Only two products have no weights: queries with keys, and shares
# with values. **Predict:** in a row of 256 tokens, is that much or little?

# %%
print(getsource(accounting.forward_flops))
time = 256
per_token = {
    part: operations // time
    for part, operations in accounting.forward_flops(config, time=time).items()
}
forward = bill(per_token, "FLOPs a token")

# %% [markdown]
# To learn, a model needs to know for each weight whether the loss rises or falls with
# it. That slope is its **gradient**; it is computed from the last product back to the
# first, and then the **optimiser** changes the weights by it (chapter 5). On the way
# back every product needs two: one for the gradient of the weights, one for that of the
# inputs. So a step of training costs
# three forward passes (and what the optimiser does, which is the same however long
# the batch). PyTorch can count while it computes:

# %%
rows = torch.randint(6, tokenizer.vocab_size, (8, 256), generator=dice)
student = course.load("base")


def loss(rows):
    """Of guessing the next token; the last position guesses the first one."""
    return pretraining.cross_entropy(student(rows), rows.roll(-1, dims=1))


once = accounting.measured_flops(lambda: student(rows[:1]))
claim("Counted in a forward pass: exactly as many", once == forward * time)
both = accounting.measured_flops(lambda: loss(rows[:1]).backward())
claim("Counted in forward and backward: three times as many", both == 3 * once)

# %% [markdown]
# (One trap on the way: the counter does not know the fast attention kernel of
# processors, and passes over it in silence. `measured_flops` runs attention as the
# products that it consists of.)
#
# Hence the rule of thumb that all the field uses: training costs **6 N** operations
# a token, 2 forward and 4 backward for each of N weights (Kaplan et al. 2020). It
# leaves out the two products that have no weights; Hoffmann et al. (2022, appendix
# F) count them. When does it matter?

# %%
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
    words="The share of the operations that goes into scores and means rises "
    "with the length of the row, and is larger in this model than in GPT-2.",
)

# %%
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
# **activations**, everything that the backward pass will need again. **Predict**
# the largest of the four, for 8 rows of 128 tokens.

# %%
batch, time = 8, 128
predicted = accounting.training_bytes(config, batch=batch, time=time)
total = bill(predicted, "bytes")

# %%
some = rows[:batch, :time].clone()
optimizers = optimisers.muon_and_adamw(student)
training.apply_gradients(loss(some), student, optimizers.values())

kept = accounting.measured_activation_bytes(student, lambda: loss(some))
claim("Activations: to the byte", kept == predicted["activations"])
held = sum(weights.grad.nbytes for weights in student.parameters())
claim("Gradients: to the byte", held == predicted["gradients"])
state = accounting.measured_optimiser_bytes(optimizers.values())
excess = state / predicted["optimiser"] - 1
claim("Optimisers: to 0.01 %", 0 <= excess < 1e-4, measured=excess)

# %% [markdown]
# Weights cost the same whatever one does; activations grow with every token of the
# batch. That is why a batch "does not fit".
#
# One of the activations is missing, and deliberately. The table of attention shares
# has `time × time` numbers for every head. The fast kernel never writes it down: it
# works through the keys piece by piece, and for the backward pass it keeps one
# number a query and computes the shares again (Dao et al. 2022). Here are both
# ways, measured:

# %%
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
    words="With the fast kernel a token costs as much memory in long rows as "
    "in short ones. Where all shares are kept, longer rows cost more a token.",
)

# %%
fast, slow = kilobytes.values()
claim(
    "Fast: a token costs as much in the longest row as in the shortest, to 1 %",
    abs(fast[-1] / fast[0] - 1) < 0.01,
)
claim(
    "All shares kept: it costs at least a tenth more",
    slow[-1] > 1.1 * slow[0],
)

# %% [markdown]
# And one memory for writing. A model that writes word after word would compute the
# same keys and values again and again; it keeps them instead, in the **KV cache**.
# **Predict** its size for one token: keys and values, in every block, `width`
# numbers each, 4 bytes a number.

# %%
bytes_a_token = accounting.cache_bytes(config, time=1)
print(f"{bytes_a_token:,} bytes a token, as much as", end=" ")
print(f"{bytes_a_token // 4:,} weights")
cache = Cache(config, batch=3, max_time=100)
claim(
    "The library's cache for 3 rows of 100 tokens: to the byte",
    accounting.measured_cache_bytes(cache) == 300 * bytes_a_token,
)

# %% [markdown]
# ## 11 · Look at it
#
# Enough of costs. These are the shares of the base model on a text. Choose a small
# map (a layer and a head), then a token, with the mouse or the arrow keys.
# **Questions to ask:** where does the last token look, and why there? Which heads look
# at the start when they have nothing better to do? Token shift already brings the
# token before: does any head still look for it?

# %%
text = "Agnes found a kite. She lent the kite to"
tokens = [tokenizer.bos_id, *tokenizer.encode(text)]
weights = attention_weights(base, torch.tensor([tokens]))[:, 0]
names = [tokenizer.token_text(token) for token in tokens]
claim("Every row sums to one", ((weights.sum(-1) - 1).abs() < 1e-5).all())
claim("Nothing looks ahead", not weights.triu(diagonal=1).any())
AttentionViewer(names, weights, layer=1, head=3)

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
vocab, context, layers, w = 50_257, 1_024, 12, 768
tables = vocab * w + context * w
matrices, biases, norms = 12 * w * w, 9 * w, 2 * 2 * w
by_hand = tables + layers * (matrices + biases + norms) + 2 * w
print(f"{by_hand:,}")
published = 124_439_808
claim("By hand: the published number", by_hand == published)
formula = sum(accounting.parameter_counts(GPTConfig.gpt2()).values())
claim("By the library's formula: the same", formula == published)
with torch.device("meta"):  # shapes without memory
    giant = GPT(GPTConfig.gpt2())
claim("Counted in the class", giant.number_of_parameters() == published)

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
# of them matters. Will it find the same logits?

# %%
small = GPTConfig.gpt2(vocab_size=50, context=24, layers=2, heads=2, width=16)
model = GPT(small).double().requires_grad_(False)
for weights in model.parameters():
    weights += torch.randn(weights.shape, generator=dice) / 5
sequence = torch.randint(0, 50, (24,), generator=dice)

ours = gpt2_by_hand(model.state_dict(), sequence, small.layers, small.heads)
gap = (model(sequence[None])[0] - ours).abs().max()
claim("All logits agree to a billionth", gap < 1e-9, measured=gap)

# %% [markdown]
# That is a check against ourselves. The check against the world is a test:
# `tests/test_gpt2.py` loads one set of weights into this class and into the GPT-2 of
# Hugging Face's *transformers*, and finds the same logits, loss and gradients. The
# published weights fit too (`gpt2.load_gpt2`).

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
#
# ### Three questions
#
# **1. A model has width 512 and 8 heads. What are its scores divided by?**
#
# <details><summary>8</summary>
# Right: d_head is 512 / 8 = 64, and its root is 8.</details>
# <details><summary>About 22.6</summary>
# That is the root of the width. A dot product inside a head has only d_head
# terms.</details>
# <details><summary>64</summary>
# That is d_head. Its root is the size of a typical score.</details>
#
# **2. Somebody masks after the softmax. Which test is sure to find it?**
#
# <details><summary>Look whether the training loss is bad.</summary>
# It need not be bad, and tells nothing: the future leaks in training and in the
# test.</details>
# <details><summary>Check that the weights of later keys are zero.</summary>
# They are. What leaks is the sum by which the others were divided.</details>
# <details><summary>Change the last token and compare all earlier outputs.</summary>
# Right. They must not move, and they do.</details>
#
# **3. You double the length of every row, and halve the number of rows. What
# doubles?**
#
# <details><summary>The weights.</summary>
# With rotary positions no weight knows how long a row is.</details>
# <details><summary>The work for scores and means.</summary>
# Right: as many tokens as before, and each looks at twice as many.</details>
# <details><summary>The activations, with the fast kernel.</summary>
# They depend on the number of tokens, and that is the same.</details>
#
# ### Where to go from here
#
# **Exercises:** [problem set 2](../exercises/release/ps2/ps2.ipynb): attention for
# a whole batch and all heads at once, with a check that names your mistake, and a
# detective's work, who looks ahead. **Next:** this body learns to read.
# [4 · Masked language modelling](04_masked_language_modelling.ipynb) begins with random
# weights.
