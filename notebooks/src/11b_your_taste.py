# %% [markdown]
# # 11b · Your taste in forty clicks
#
# **You will be able to** make a reward of your own from as many clicks as one person
# has patience for; choose the pairs that are worth a click; steer a model by that
# reward in about a minute; and find out, blind, whether you notice.
#
# **You need** [11 · The reward model](11_the_reward_model.ipynb).
#
# **Time** 2 minutes to run on two processor cores, most of it one training run; half an
# hour to work through, clicks included.
#
# **Where we are in the model's life:** beside the road. `instruct → your own`.

# %%
import math
import time
from inspect import getsource

import torch
from IPython.display import display

from llmlab import desk, life, plots, taste, village
from llmlab.claims import about, claim
from llmlab.evaluation import Share, win_rate
from llmlab.instruction import render_prompt
from llmlab.paths import RUNS
from llmlab.preferences import Comparison, LabelStore
from llmlab.taste import READERS, STEERING, fit, next_pairs, pair_differences
from llmlab.widgets import PairLabeller, TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
instruct = course.load("instruct").requires_grad_(False)

# %% [markdown]
# ## 1 · One reader
#
# The reward of chapter 11 is the taste of a crowd, and it took thousands of labels. You
# are not a crowd. Perhaps you like stories in which people *talk*; or comparisons; or
# you want it short. Nobody will make a thousand clicks to say so. Forty are ten
# minutes.
#
# So that what comes can be checked, here are five readers whose taste is known exactly.
# Each counts one thing in a story, clicks on the story that has more of it, and says
# "equally good" where there is no difference. They see nothing else: not the plot, not
# the names, not whether it is any good.

# %%
print(", ".join(READERS))

# %%
desk.predict(
    "11b/forty",
    "The reader who likes dialogue has clicked on forty pairs. On how many of "
    "100 new pairs that differ in it will the reward prefer the right story?",
    unit="of 100",
)

# %% [markdown]
# ## 2 · Only a direction
#
# Chapter 11 trained all the weights of a network. With forty labels it would learn the
# forty by heart. But think what the network need *not* learn: it writes dialogue
# itself, so its hidden states must hold, in some way, that somebody is speaking. All
# that the clicks have to tell is **which way to look**.
#
# So the model stays as it is. It reads a story, and of the last layer's states at the
# story's tokens we keep two things: their mean (how much of it is there?) and their
# maximum (is there any at all?). That makes 256 numbers a story, its **features**.

# %%
print(getsource(taste.response_features))

# %% [markdown]
# The reward is a weighted sum of them. What has to be found is one **direction**, a
# weight for each feature; and the loss is again Bradley and Terry's, on the difference
# of two stories' features.
#
# Only that there are 256 unknowns and 40 clicks. Take the smallest case: one feature,
# one click. The first story has one unit more of it, and won.

# %%
desk.predict(
    "11b/endless",
    "Which weight makes this one click most probable?",
    options=["1", "ln 2", "there is no largest: ever more is ever better"],
)

# %%
weights = [0.0, 1.0, 2.0, 4.0, 8.0]
print("weight   surprise   ridge   together")
for weight in weights:
    surprise = math.log(1 + math.exp(-weight))
    price = taste.RIDGE / 2 * weight**2
    print(f"{weight:6.1f}{surprise:11.4f}{price:8.2f}{surprise + price:11.4f}")

# %%
losses = [math.log(1 + math.exp(-weight)) for weight in weights]
falls = all(b < a for a, b in zip(losses, losses[1:], strict=False))
desk.answer(
    "11b/endless",
    "there is no largest: ever more is ever better" if falls else "1",
    "A single click can always be believed more firmly. It takes a price on "
    "believing.",
)

# %% [markdown]
# The price is called a **ridge**: a little for the squared length of the direction. Now
# there is exactly one best weight, where the surprise falls as fast as the price rises.
# And of the countless directions in 256 dimensions that explain forty clicks, it takes
# the shortest, the one that promises least about pairs that nobody has seen.

# %%
print(getsource(taste.penalised_loss))

# %%
one = torch.ones(1, 1, dtype=torch.float64)
best = float(fit(one, one[0]))
slope, rise = 1 / (1 + math.exp(best)), taste.RIDGE * best

# %%
claim(
    "At the weight that `fit` finds, both slopes are the same to 6 digits",
    abs(slope - rise) < 1e-6,
    measured=f"{best:.4f}, slopes {slope:.4f} and {rise:.4f}",
)

# %% [markdown]
# ## 3 · Which pairs are worth a click?
#
# Pairs cost nothing: the model writes them. Your clicks are what is dear. Half of the
# pool are stories that the instruct model wrote itself, since those are what will be
# rewarded; the other half are tellings by the village, in which rare things are less
# rare.

# %% tags=["folded"]
OWN, TOLD = 150, 150
pool = life.own_pairs(course, instruct, OWN, "train", seed=course.seed + 11)
pool += village.story_pairs(TOLD, seed=course.seed + 11, split="train")
differences = pair_differences(instruct, tokenizer, pool)
scale = taste.scale_of(differences)  # in these units, a usual pair is 1 long
differences = differences / scale
print(len(pool), "pairs, each", differences.shape[1], "differences of features")

# %% [markdown]
# Which of them to ask about? Not those about which your clicks say enough already. Here
# is a way to find out what they say: draw forty clicks *from* the clicks, with
# repetition, and fit; do that eight times (a **bootstrap**). Where the eight rewards
# agree, the clicks decide. Where they **disagree**, a click is missing. So: ten pairs
# at random, then three times the ten pairs on which the rewards disagree most.

# %%
print(getsource(next_pairs))

# %%
desk.predict(
    "11b/picked",
    "Which forty clicks teach more, averaged over the five readers?",
    options=["picked pairs", "pairs at random", "no difference to speak of"],
)


# %% tags=["folded"]
def clicks_of(name, rows, annotator=None):
    """What a scripted reader says of these pairs of the pool."""
    return [
        Comparison(
            pool[row].prompt,
            pool[row].first,
            pool[row].second,
            taste.choice(READERS[name], pool[row]),
            f"likes {name}",
            "simulated",
        )
        for row in rows
    ]


def targets_of(labels):
    """1 where the first story was preferred, 0, or one half: (labels,)."""
    return torch.tensor([label.target for label in labels]).double()


def asked(name, picking, seed, clicks=40, at_once=10):
    """Forty rows of the pool, ten at a time."""
    dice = torch.Generator().manual_seed(seed)
    rows = []
    while len(rows) < clicks:
        known = rows if picking else []
        told = targets_of(clicks_of(name, known))
        more = next_pairs(differences, known, told, len(pool), dice)
        rows += [row for row in more if row not in rows][:at_once]
    return rows


def agreement(direction, rows, truth):
    """On which share of pairs that differ for a reader do they agree?"""
    decided = truth != 0.5
    right = (rows[decided] @ direction > 0) == (truth[decided] > 0.5)
    return Share(int(right.sum()), int(decided.sum()))
