# %% [markdown]
# # PyTorch in ten lines
#
# **You will be able to** read the code of the chapters to come: ten kinds of lines,
# each tried once, most of them on numbers that you can check in your head.
#
# **You need** Python as far as functions and lists. Whoever knows PyTorch skips this
# page.
#
# **Time** 1 minute to run on two processor cores; twenty minutes to work through.
#
# **Where we are in the model's life:** beside the road, at the tool shed.

# %%
from fractions import Fraction

import torch
from einops import rearrange

from llmlab import desk
from llmlab.claims import claim

# %% [markdown]
# ## 1 · A tensor is numbers in rows
#
# A model is multiplications and additions of very many numbers. PyTorch keeps them in
# **tensors**: a list of numbers, a table, a stack of tables, and so on. Every tensor
# has a *shape*, which says how many there are along each direction.

# %%
table = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
print(table.shape)

# %% [markdown]
# Two rows, three columns. The shape is the first thing to look at when something is
# odd, and so the course writes it beside its tensors: this one is `(rows, columns)`.
#
# ## 2 · One line for all numbers
#
# What is done to a tensor is done to each of its numbers, without a loop.

# %%
print(table * 10)

# %% [markdown]
# ## 3 · A short one is stretched
#
# Where one tensor has one row and the other has two, the row is used twice. This is
# called *broadcasting*. It saves many lines, and it is the most popular way to get a
# wrong result without an error.

# %%
desk.predict(
    "02b/broadcast",
    "(2, 3) plus a row of three: table + [10, 20, 30]. What stands in the "
    "second row?",
    options=["14, 25, 36", "14, 15, 16", "34, 35, 36", "an error"],
)

# %%
total = table + torch.tensor([10.0, 20.0, 30.0])
print(total)

# %%
desk.answer(
    "02b/broadcast",
    ", ".join(f"{number:.0f}" for number in total[1].tolist()),
    "The short row is laid along the columns of each row.",
)

# %% [markdown]
# ## 4 · Along a direction
#
# `dim` says along which direction something is done. `dim=-1` is the last one, along
# the columns: one result for each row. `sum`, `mean` and `amax` (the largest) all
# work this way.

# %%
print(table.sum(dim=-1), table.amax(dim=-1))

# %% [markdown]
# ## 5 · Softmax makes shares of scores
#
# A model's results are **scores**: any numbers, the larger the better. `softmax` makes
# probabilities of them: it raises *e* to each, and divides by the sum. So all are
# above zero, and together they are 1.

# %%
desk.predict(
    "02b/softmax",
    "Scores 0, 0 and 0.693, which is ln 2. What share does the last one get?",
    options=["1/3", "1/2", "2/3", "0.693"],
)

# %%
scores = torch.tensor([0.0, 0.0, 0.6931472])
shares = scores.softmax(dim=-1)
print(shares)

# %%
desk.answer(
    "02b/softmax",
    str(Fraction(shares[2].item()).limit_denominator(100)),
    "e to the 0 is 1 and e to the ln 2 is 2: of 1 + 1 + 2 the last has 2.",
)

# %% [markdown]
# ## 6 · Hiding with a mask
#
# A **mask** is a tensor of true and false. `masked_fill` writes a number wherever it is
# true. A score of minus infinity becomes a share of exactly zero: that is how a model
# is kept from seeing something. `tril` keeps the lower left triangle of a table.

# %%
past = torch.ones(3, 3, dtype=torch.bool).tril()
hidden = torch.zeros(3, 3).masked_fill(~past, float("-inf"))
print(hidden.softmax(dim=-1))

# %% [markdown]
# Row 2 shares among three places, row 0 has only itself. (`~` means *not*.) Chapter 3
# is built on this line.
#
# ## 7 · Rows times columns
#
# `@` multiplies matrices: each row of the left one with each column of the right one,
# number by number, and the products are added. It is where nearly all the time of a
# model goes.

# %%
desk.predict(
    "02b/matmul",
    "(2, 3) @ (3, 4): which shape comes out?",
    options=["(2, 4)", "(3, 3)", "(2, 3, 4)", "(6, 12)"],
)

# %%
product = table @ torch.ones(3, 4)
print(product)

# %%
desk.answer(
    "02b/matmul",
    str(tuple(product.shape)),
    "The inner 3 is what is added up, so it is gone. Here each column is "
    "ones, so each number is the sum of a row.",
)

# %% [markdown]
# ## 8 · Naming the directions
#
# With three or four directions, nobody remembers which is which. **einops** writes
# their names down: what they are before the arrow, what they shall be after it.

# %%
words = torch.arange(6)
print(rearrange(words, "(heads d_head) -> heads d_head", heads=2))

# %% [markdown]
# Brackets pack two directions into one: here a row of six is read as two heads of
# three.
#
# ## 9 · Which way is down?
#
# The line that made all of this possible. Say of a number that you want to know how a
# result depends on it (`requires_grad`), compute the result, call `backward()`. In
# `grad` stands the **gradient**: by how much the result would rise for each unit that
# the number rises.

# %%
desk.predict(
    "02b/gradient",
    "loss = (w − 5)², and w is 2. What is the gradient: how steeply does the "
    "loss change with w?",
    unit="for each unit of w",
)

# %%
w = torch.tensor(2.0, requires_grad=True)
loss = (w - 5) ** 2
loss.backward()
print(w.grad)

# %%
desk.answer(
    "02b/gradient",
    int(w.grad),
    "The slope of a square is twice its base: 2 · (2 − 5). Below zero: the "
    "loss falls when w grows.",
)

# %% [markdown]
# ## 10 · A step, and again
#
# Training is: look which way is down, take a small step, repeat. An **optimiser**
# takes the steps. Old gradients are wiped first, because `backward` adds to what is
# there.

# %%
optimiser = torch.optim.SGD([w], lr=0.1)
for _ in range(20):
    optimiser.zero_grad()
    loss = (w - 5) ** 2
    loss.backward()
    optimiser.step()
print(w)

# %%
claim(
    "From 2, twenty steps bring w to within 0.1 of 5",
    abs(w.item() - 5) < 0.1,
    measured=w.item(),
)

# %% [markdown]
# That is the whole of it. Put a million numbers in the place of `w`, and in the place
# of the square the surprise at the next word of a text, and you train a language model.
#
# Two more words, so that they do not stop you. `with torch.no_grad():` says that no
# gradient will be asked for, which saves memory. A `torch.nn.Module` is an object that
# owns such numbers, its *parameters*, and says what is computed with them.

# %% [markdown]
# ## Summary
#
# - A tensor is numbers with a shape; look at the shape first.
# - What is done to a tensor is done to all of it; `dim` says along which direction.
# - Softmax makes shares of scores, and minus infinity hides.
# - `backward()` finds out which way is down, an optimiser takes the step.

# %%
desk.quiz(
    "02b",
    desk.ask(
        "A tensor of shape (8, 5) is summed with dim=-1. Which shape is left?",
        right=("(8,)", "The last direction is added up, one sum for each row."),
        wrong=[
            ("(5,)", "That is the sum along dim=0, one for each column."),
            ("one number", "Only without dim is everything added up."),
        ],
    ),
    desk.ask(
        "Why is minus infinity written where something shall be hidden, and "
        "not zero?",
        right=(
            "Softmax makes exactly zero of it.",
            "e to the minus infinity is 0, so what is hidden has no share at "
            "all.",
        ),
        wrong=[
            (
                "It is faster.",
                "The same numbers are computed. What matters is the share.",
            ),
            (
                "A score of zero is not allowed.",
                "It is, and it is worth e to the 0 = 1: a share like any "
                "other.",
            ),
        ],
    ),
    desk.ask(
        "The gradient of the loss with respect to w is +4. How should w be "
        "changed?",
        right=("down", "The loss rises with w, so one goes the other way."),
        wrong=[
            ("up", "That way the loss rises: the gradient points uphill."),
            (
                "by exactly 4",
                "The gradient is a slope. How far to go is another number, the "
                "learning rate.",
            ),
        ],
    ),
)

# %%
desk.tally("02b")

# %% [markdown]
# ### Where to go from here
#
# **Next:** [3 · Attention and the GPT](03_attention_and_the_gpt.ipynb) builds the model
# of these lines.
