# %% [markdown]
# # 9 · Policy gradients, with a reward that cannot lie
#
# **You will be able to** train a model by telling it how good its own texts are, when
# nobody can write the right ones; check that gradient to twelve digits in a world
# where everything can be counted; say which changes to it only make it quieter and
# which make it wrong; say, before you pay for it, what a reward can teach and what it
# cannot; find what a reward forgot to ask for.
#
# **You need** [7 · Instruction tuning](07_instruction_tuning.ipynb).
#
# **Time** 3 minutes to run on two processor cores, half of it two training runs; an
# hour and a half to work through.
#
# **Where we are in the model's life:** a side path that begins at `instruct` and that
# no later chapter builds on. What is learned here about the optimiser is used in all
# of them.

# %%
import math
from dataclasses import replace
from inspect import getsource

import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from llmlab import desk, life, plots, village
from llmlab.batching import next_token_batch
from llmlab.best_of_n import expected_best, sample_scores
from llmlab.claims import about, claim
from llmlab.evaluation import Share, sign_test
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import (
    answer,
    instruction_step,
    render_example,
    render_prompt,
)
from llmlab.likelihood import target_logits, token_log_probs
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.policy_gradient import (
    RLOO,
    leave_one_out,
    policy_gradient_loss,
    policy_step,
    reward_to_go,
)
from llmlab.rollouts import (
    frozen_copy,
    kl_k1,
    kl_k2,
    kl_k3,
    verified_reward,
)
from llmlab.training import train
from llmlab.village.french_patterns import cells_of
from llmlab.village.gold import faults, read
from llmlab.widgets import TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
instruct = course.load("instruct").requires_grad_(False)

# %% [markdown]
# So far every stage learned from texts that somebody had written: guess the next
# token of *this* page, of *this* answer. From here on nobody writes the answer. The
# model writes, and is told a number: how good that was. Such a model is called a
# **policy**, and the number its **reward**.
#
# Two things can go wrong, and they are easily taken for each other. The optimiser may
# be wrong: it does not climb what it was given. Or the reward may be wrong: it is not
# what we want. This chapter has rewards that are computed by a program and cannot
# lie, so that whatever goes wrong is the optimiser's. The next chapters have people.
#
# ## 1 · A world of 31 texts
#
# There is an obstacle. The reward belongs to a finished text, and the tokens of that
# text were *drawn*. No derivative leads through a throw of dice back to the weights.
# The way round it (Williams 1992) needs no derivative of the reward at all:
#
# $$\nabla\, \mathrm{E}[R] =
# \mathrm{E}\Big[R \sum_t \nabla \log \pi(y_t \mid y_{<t})\Big]$$
#
# Draw a text, and make each of its tokens more probable, in proportion to what the
# text earned. Is that true? Among stories nobody can check. So here is a world in
# which every text can be listed: two letters, a stop, at most four tokens.

# %%
world = World(vocab_size=3, time=4)
texts = ["".join("ab."[i] for i in sequence) for sequence in world.sequences]
print(len(texts), "texts:", " ".join(texts))

# %% [markdown]
# A policy in this world is a table: for everything that may have been written so far,
# a number for each next token. Ours is drawn at random. Its reward: one point for
# every token that is not a `b`.

# %%
logits = world.random_logits(torch.Generator().manual_seed(0))
points = (world.tokens != 1) * world.mask  # of each token
rewards = points.sum(dim=1).double()  # of each text
start = logits[0].softmax(dim=0)
for token, share in zip("ab.", start.tolist(), strict=True):
    print(f"the first token is {token!r} in {share:.1%} of all texts")

# %% [markdown]
# One step by hand. Suppose the policy wrote a text that begins with `a`, and it
# earned 1 point. The derivative of the log-probability of a chosen token with respect
# to its own logit is 1 less its probability, and minus the probability for every
# other.

# %%
desk.predict(
    "09/hand",
    "By how much is the logit of 'a' in the first state pushed up?",
    unit="",
)

# %%
chosen = world.token_gradients(logits)[world.index((0, 2)), 0, 0]
print("push on a, b, stop:", [f"{push:+.3f}" for push in chosen.tolist()])

# %%
desk.answer(
    "09/hand",
    chosen[0].item(),
    "1 less its probability. The three pushes sum to nothing: what one token "
    "gains, the others lose. A token that was certain anyway is not pushed.",
    within=0.02,
)

# %% [markdown]
# The true gradient is a finite sum here, and so is the right-hand side of the
# formula: all 31 texts, each with its probability.

# %% tags=["folded"]
probabilities = world.probabilities(logits)
truth = world.gradient(logits, rewards).flatten()


def each_token(values):
    """One number a text, (31,), as a weight of each of its tokens, (31, 4)."""
    return values[:, None] * world.mask


def estimates(weights):
    """The gradient that each text alone would report, (31, 45)."""
    return world.estimates(logits, weights)


score = estimates(each_token(torch.ones(31).double()))
mean, variance = world.moments(logits, estimates(each_token(rewards)))

# %%
claim(
    "Averaged over all 31 texts, the formula gives the true gradient, to 12 "
    "decimal places",
    (mean - truth).abs().max() < 1e-12,
    measured=f"off by {about((mean - truth).abs().max(), 1)}",
)
claim(
    "A reward that is 1 for every text gives no gradient at all",
    (probabilities @ score).abs().max() < 1e-12,
    measured=f"off by {about((probabilities @ score).abs().max(), 1)}",
)

# %% [markdown]
# The second line is the theorem's whole secret. The pushes of all texts cancel, if
# each is weighted with its probability and nothing else: whoever is drawn often
# pushes often, but each time a little. Only what sets the rewards *apart* is left
# over.
#
# The library's loss is one line. Its gradient is that estimate, so let it prove so:

# %%
print(getsource(policy_gradient_loss))

# %% tags=["folded"]
leaf = logits.clone().requires_grad_()
loss = policy_gradient_loss(
    world.token_log_probs(leaf),
    each_token(rewards),
    weights=each_token(probabilities),
)
by_loss = -torch.autograd.grad(loss, leaf)[0].flatten()
claim(
    "The gradient of the library's loss is the true one, to 12 decimal places",
    (by_loss - truth).abs().max() < 1e-12,
    measured=f"off by {about((by_loss - truth).abs().max(), 1)}",
)

# %% [markdown]
# ## 2 · One text is a poor witness
#
# On average it is exactly right. But nobody can afford the average: an update sees a
# few texts. How much do they scatter? Suppose every text earned ten points more. No
# text is better or worse than before, compared with the others.

# %%
desk.predict(
    "09/plus",
    "What happens to the estimate: to its mean, and to its scatter?",
    options=[
        "both stay",
        "the mean stays, the scatter grows",
        "the mean moves, the scatter stays",
        "both grow",
    ],
)

# %%
expected = probabilities @ rewards
squares = score.square().sum(dim=1)
constant = (probabilities @ (squares * rewards)) / (probabilities @ squares)
baselines = {
    "nothing, and ten points more": -10.0,
    "nothing": 0.0,
    "the expected reward": expected.item(),
    "the best constant": constant.item(),
}
scatter = {}
for name, baseline in baselines.items():
    mean, variance = world.moments(
        logits, estimates(each_token(rewards - baseline))
    )
    wrong = (mean - truth).abs().max() > 1e-12
    scatter[name] = variance.item()
    print(f"less {name:30} bias: {'yes' if wrong else 'none'}", end="")
    print(f"   variance: {variance:7.3f}")

# %%
grown = scatter["nothing, and ten points more"] / scatter["nothing"]
desk.answer(
    "09/plus",
    "the mean stays, the scatter grows" if grown > 2 else "both stay",
    f"The variance is {grown:.0f} times as large: every text that is drawn is "
    "pushed up by ten and more, and what sets it apart drowns in that.",
)

# %% [markdown]
# What is subtracted is called a **baseline**, and what is left over the
# **advantage**: was this better than was to be expected? A baseline that does not
# look at the text itself changes no mean. The best constant has a formula, $b^* =
# \mathrm{E}[\lVert s \rVert^2 R] / \mathrm{E}[\lVert s \rVert^2]$ with $s$ the score
# $\sum_t \nabla \log \pi$; the expected reward is nearly as good, and is what
# everybody takes.
#
# But the expected reward is not known either. It has to come from texts that were
# drawn. Take the smallest group: two texts. Each may be compared with the mean of
# *both*, or with *the other one* (**leave one out**; Kool et al. 2019). There are 31
# · 31 = 961 pairs, and all can be listed.

# %%
desk.predict(
    "09/pair",
    "Two baselines: the mean of both texts, the other text. Which of them "
    "leaves the mean of the gradient as it is?",
    options=["both do", "the mean of both", "the other text", "neither"],
)

# %%
first, second = torch.cartesian_prod(torch.arange(31), torch.arange(31)).T
pair_chance = probabilities[first] * probabilities[second]
returns = torch.stack([rewards[first], rewards[second]], dim=1)  # (961, 2)


def of_pairs(baseline):
    """What each pair of texts reports, less a baseline: (961, 45)."""
    advantages = returns - baseline
    both = torch.stack([score[first], score[second]], dim=1)
    return (advantages[..., None] * both).mean(dim=1)


others = leave_one_out(returns.flatten(), group=2).view(-1, 2)
pairs = {
    "nothing": of_pairs(0),
    "the expected reward": of_pairs(expected),
    "the best constant": of_pairs(constant),
    "the other text": of_pairs(others),
    "the mean of both": of_pairs(returns.mean(dim=1, keepdim=True)),
}


def told(reported, chances):
    """Of an estimator: mean, variance, and the mean's cosine to truth."""
    mean = chances @ reported
    variance = chances @ (reported - mean).square().sum(dim=1)
    cosine = torch.cosine_similarity(mean, truth, dim=0)
    return mean, variance.item(), cosine.item()


print("two texts, less ...     length of the mean   variance")
for name, reported in pairs.items():
    mean, variance, _ = told(reported, pair_chance)
    print(f"{name:24}{mean.norm() / truth.norm():12.6f}{variance:16.3f}")

# %% tags=["folded"]
spread = {"nothing, +10 points": scatter["nothing, and ten points more"] / 2}
spread |= {name: told(each, pair_chance)[1] for name, each in pairs.items()}
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.3), layout="constrained")
axes = figure.subplots()
axes.barh(list(spread), list(spread.values()), color=plots.BLUE, height=0.65)
for place, value in enumerate(spread.values()):
    axes.text(1.06 * value, place, f"{value:.2f}", va="center", fontsize=9)
axes.set_xscale("log")
axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
axes.minorticks_off()
axes.set_xlim(left=0.1, right=4 * max(spread.values()))
axes.set_xlabel("variance of what two texts report, less …")
axes.invert_yaxis()
axes.spines[["top", "right"]].set_visible(False)
plots.show(
    figure,
    alt="Bars of the variance of what a pair of texts reports, by what is "
    "subtracted. Ten points more make it the largest by far; the best "
    "constant leaves least of those whose mean is right.",
)

# %% tags=["folded"]
shrunk, _, _ = told(pairs["the mean of both"], pair_chance)
alone, _, _ = told(pairs["the other text"], pair_chance)
unbiased = {
    "the mean of both": (shrunk - truth).abs().max() < 1e-12,
    "the other text": (alone - truth).abs().max() < 1e-12,
}
desk.answer(
    "09/pair",
    "both do"
    if all(unbiased.values())
    else next((name for name, ok in unbiased.items() if ok), "neither"),
    "The mean of both holds the text itself, and a text that is compared with "
    "itself in part is pushed less: by a half here, by an eighth in groups of "
    "eight.",
)
claim(
    "With its own reward in the baseline, the gradient is exactly half as long",
    (shrunk - truth / 2).abs().max() < 1e-12,
    measured=f"off by {about((shrunk - truth / 2).abs().max(), 1)}",
)

# %% [markdown]
# That is a mistake that does little harm, as long as all groups are equally large:
# the direction is right, and the step is shorter. The variance of an estimator that
# reports less is smaller, too, which is no merit. Leave one out is noisier here than
# a constant that somebody knew in advance; with seven others instead of one it is
# nearly as good.

# %% [markdown]
# ## 3 · When was it earned?
#
# So far each token of a text is pushed by the whole reward. But here we know *when* a
# point was earned: with each `a`, and with the stop. A token may have helped to earn
# what came with it and after it. It cannot have helped with what was paid before. So
# let it be pushed by the **reward to go** only:

# %%
print(getsource(reward_to_go))

# %% [markdown]
# Somebody has turned it round: each token is pushed by what had been earned *so far*,
# itself included.

# %%
desk.predict(
    "09/sofar",
    "To go, or so far: which of them still has the true gradient as its mean?",
    options=["to go", "so far", "both", "neither"],
)

# %% tags=["folded"]
earned = {
    "the whole reward": each_token(rewards),
    "the reward to go": reward_to_go(points, world.mask).double(),
    "the reward so far": (points.cumsum(dim=1) * world.mask).double(),
}
right = {}
for name, weights in earned.items():
    mean, variance, cosine = told(estimates(weights), probabilities)
    off = (mean - truth).abs().max()
    right[name] = bool(off < 1e-12)
    note = "" if right[name] else f", points elsewhere: cosine {cosine:.2f}"
    print(f"{name:19} variance {variance:6.3f}{note}")

# %%
desk.answer(
    "09/sofar",
    {
        (True, False): "to go",
        (False, True): "so far",
        (True, True): "both",
        (False, False): "neither",
    }[right["the reward to go"], right["the reward so far"]],
    "And it is quieter, for what was settled before a token is only noise to "
    "it. The whole reward is right as well, with more noise.",
)

# %% [markdown]
# ## 4 · Three ways to be wrong, and none of them crashes
#
# Each of the following is in published code. Each runs, and nothing complains.
#
# - **The own reward in the baseline.** We have just met it: half as long.
# - **Divided by its length.** "A mean over the tokens of each text" sounds fair. It
#   makes a point in a short text worth more than a point in a long one.
# - **Another temperature.** Texts are drawn at 0.7, since they are better there, and
#   the log-probabilities that are differentiated are taken at 1.

# %%
desk.predict(
    "09/wrong",
    "Which of the three points away from the true gradient most?",
    options=["own reward", "divided by length", "other temperature"],
)

# %%
lengths = world.mask.sum(dim=1)
colder = world.probabilities(logits / 0.7)
centred = each_token(rewards - expected)
EVERY = {
    "reward": (estimates(each_token(rewards)), probabilities),
    "less the expected": (estimates(centred), probabilities),
    "less the other text": (pairs["the other text"], pair_chance),
    "own reward": (pairs["the mean of both"], pair_chance),
    "divided by length": (
        estimates(each_token(rewards / lengths)),
        probabilities,
    ),
    "other temperature": (estimates(each_token(rewards)), colder),
}
verdicts = {name: told(*estimator) for name, estimator in EVERY.items()}
print("                       length   cosine   variance")
for name, (mean, variance, cosine) in verdicts.items():
    length = mean.norm() / truth.norm()
    print(f"{name:20}{length:9.3f}{cosine:9.3f}{variance:11.3f}")

# %% [markdown]
# The same as a picture, seen along the true gradient (to the right) and along the
# direction in which dividing by length leads away. A dot is what one text reports, or
# one pair; its area is how probable it is. The black arrow is the truth, four times
# as long as it is, and the dashed one is the mean of the dots, four times as long
# too.

# %% tags=["folded"]
along = truth / truth.norm()
across = verdicts["divided by length"][0]
across = across - (across @ along) * along
plane = torch.stack([along, across / across.norm()], dim=1)  # (45, 2)
sick = ("own reward", "divided by length", "other temperature")


def draw_cloud(axes, name):
    """One estimator: its dots, the truth and its mean."""
    reported, chances = EVERY[name]
    dots = (reported @ plane).numpy()
    colour = plots.VERMILLION if name in sick else plots.BLUE
    area = (400 if len(chances) == 31 else 2000) * chances.numpy()
    axes.scatter(*dots.T, s=area, color=colour, alpha=0.5, linewidth=0)
    mean = 4 * verdicts[name][0] @ plane
    arrow = {"arrowstyle": "-|>", "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate(
        "", (4 * truth @ plane).tolist(), (0, 0), arrowprops=arrow
    )
    dashed = {"linestyle": (0, (2, 1)), "color": colour}
    axes.annotate("", mean.tolist(), (0, 0), arrowprops=arrow | dashed)
    title = f"sick: {name}" if name in sick else name
    axes.set_title(title, fontsize=10)
    axes.axhline(0, color=plots.GREY, linewidth=0.5, zorder=0)
    axes.axvline(0, color=plots.GREY, linewidth=0.5, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


figure = Figure(figsize=(plots.WIDTH_INCHES, 5.0), layout="constrained")
panels = figure.subplots(2, 3, sharex=True, sharey=True).flat
for axes, name in zip(panels, EVERY, strict=True):
    draw_cloud(axes, name)
figure.supxlabel("along the true gradient", fontsize=10)
figure.supylabel("across it", fontsize=10)
plots.show(
    figure,
    alt="Six clouds of dots, what single texts or pairs report, around the "
    "true gradient. Less the expected reward the cloud is smaller, and its "
    "mean is the truth. Of the sick ones, the own reward gives an arrow half "
    "as long, and the two others give arrows that point elsewhere.",
)

# %%
worst = min(sick, key=lambda name: verdicts[name][2])
desk.answer(
    "09/wrong",
    worst,
    "A lone stop earns one point of one token possible, and divided by its "
    "length that is as good as any text can be. So the policy learns to be "
    "short, and not to earn points.",
)

# %% [markdown]
# How would you find the last one in a large program, where there is no truth to
# compare with? By the test that needs none: give *every* text the reward 1. Nothing
# may move.

# %% tags=["folded"]
silence = (probabilities @ score).norm() / truth.norm()
noise = (colder @ score).norm() / truth.norm()

# %%
claim(
    "Drawn and differentiated at one temperature, a constant reward moves "
    "nothing",
    silence < 1e-12,
    measured=f"{about(silence, 1)} times the true gradient",
)
claim(
    "Drawn at 0.7 and differentiated at 1, it moves the policy by more than a "
    "tenth of the true gradient",
    noise > 0.1,
    measured=noise.item(),
    unit="times the true gradient",
)

# %% [markdown]
# Keep it: *a constant reward moves nothing* finds a slice that is off by one, a
# distribution cut short by top-k, a dropout left on. It belongs among the tests of
# every policy gradient.

# %% [markdown]
# ## 5 · A leash, and how it is charged
#
# A policy that climbs for long writes its one best text again and again. In this
# world that would be right. Elsewhere the reward is less than perfect, and one wants
# to stay near the model that one began with. So a distance is charged: the **KL
# divergence**, the mean of $\log \pi / \pi_\text{ref}$ over the policy's own texts,
# in nats, at $\beta$ a nat. What is then best has a closed form: every text of the
# reference, weighted by $e^{R/\beta}$.
#
# How is the KL charged when it is not known either? From texts that were drawn,
# again. Three formulas are in use for one text, with $\rho = \log \pi - \log
# \pi_\text{ref}$ (Schulman 2020): $k_1 = \rho$, $k_2 = \rho^2 / 2$ and $k_3 =
# e^{-\rho} - 1 + \rho$. And there are two ways to charge them: taken off the
# *reward*, as a fact, or added to the *loss*, to be differentiated.

# %%
desk.predict(
    "09/charge",
    "One of the three is right on average, and added to the loss it does "
    "nothing whatever. Which?",
    options=["k1", "k2", "k3"],
)

# %% tags=["folded"]
reference = world.random_logits(torch.Generator().manual_seed(2))
own = world.token_log_probs(logits).sum(dim=1)
others_view = world.token_log_probs(reference).sum(dim=1)
kl = kl_divergence(probabilities, world.probabilities(reference))


def gradient_of(function):
    """d function / d logits, flattened, at the policy."""
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(function(leaf), leaf)[0].flatten()


def backward(leaf):
    """KL(policy || reference): what the leash is meant to charge."""
    return kl_divergence(
        world.probabilities(leaf), world.probabilities(reference)
    )


def forward(leaf):
    """KL(reference || policy): another distance."""
    return kl_divergence(
        world.probabilities(reference), world.probabilities(leaf)
    )


wanted, other = gradient_of(backward), gradient_of(forward)
table, as_loss = {}, {}
for name, formula in {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}.items():
    values = formula(own, others_view)
    as_reward = probabilities @ (values[:, None] * score)
    as_loss[name] = gradient_of(
        lambda leaf, formula=formula: (
            probabilities
            @ formula(world.token_log_probs(leaf).sum(dim=1), others_view)
        )
    )
    table[name] = {
        "its mean": probabilities @ values - kl,
        "in the reward": (as_reward - wanted).norm(),
        "in the loss": (as_loss[name] - wanted).norm(),
        "the other KL": (as_loss[name] - other).norm(),
    }
print(f"KL = {kl:.3f} nats; gradient of length {wanted.norm():.3f}\n")
print("     ", "".join(f"{column:>16}" for column in table["k1"]))
for name, row in table.items():
    cells = (
        "exact" if abs(error) < 1e-12 else f"off by {error:.3f}"
        for error in row.values()
    )
    print(f"{name:5}", "".join(f"{cell:>16}" for cell in cells))

# %%
nothing = [n for n, g in as_loss.items() if g.abs().max() < 1e-12]
desk.answer(
    "09/charge",
    nothing[0] if nothing else "k2",
    "Its gradient is the score itself, whose mean is zero, as we saw above. "
    "(Off by the whole length of the gradient means: it does nothing.)",
)

# %% [markdown]
# Read the table by columns. To *look at* the distance, k1 and k3 are right on
# average, and k3 is never negative, so it is the one on our dashboards. To *charge*
# it in the reward, k1 is right. To charge it in the loss, k2 is right; and k3, which
# GRPO was published with, is the exact gradient of another divergence, that of the
# reference from the policy, and pulls to another place. This library charges k1 in
# the reward.
#
# ### The whole update
#
# All the pieces together are one function, `policy_step`: draw texts, score them,
# charge the KL, take off what was to be expected, make one update. All algorithms of
# the coming chapters are rows of its settings. Ours here is **RLOO**: eight texts a
# prompt, each compared with the seven others.

# %%
print(RLOO)

# %% [markdown]
# Whether all of it is right, the little world can say, since its best policy is
# known. Instead of the table there is a GPT now, of one layer, that has never heard
# of the optimum. It has 8 texts a group, its own noise and a few seconds.

# %%
desk.predict(
    "09/reach",
    "Of 100 texts that the trained GPT writes, how many would have to be "
    "others to make it the best policy that exists?",
    unit="of 100",
)

# %%
tiny = GPT(GPTConfig(vocab_size=3, context=8, layers=1, heads=2, width=32), 0)
every_text = next_token_batch([(2, *text) for text in world.sequences])


@torch.no_grad()
def shares(model):
    """How probable each of the 31 texts is to a GPT, exactly."""
    log_probs = token_log_probs(target_logits(model, every_text), every_text)
    return log_probs.sum(dim=1).exp().double()


def earns(prompts, responses):
    """The reward function: as many points as above."""
    return rewards[[world.index(response) for response in responses]]


in_the_world = replace(
    RLOO,
    steps=80,
    rate=5e-3,
    responses=512,
    beta=1.0,
    temperature=1.0,
    max_new_tokens=4,
    unfinished_score=None,
)
before = shares(tiny)
best = optimum(before, rewards, in_the_world.beta)
optimizers = adamw(tiny, in_the_world.rate)
step = policy_step(
    tiny, frozen_copy(tiny), earns, [[2]], in_the_world, optimizers
)
history = train(
    step,
    steps=in_the_world.steps,
    modules={"policy": tiny},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="31 texts",
    after_a_stop="run the cell again from the one that makes the model",
)
reached = shares(tiny)

# %% tags=["folded"]
order = best.argsort(descending=True)[:12].tolist()
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.8), layout="constrained")
axes = figure.subplots()
places = torch.arange(len(order))
bars = {
    "at first": (before, "white", ""),
    "after 80 updates": (reached, plots.BLUE, ""),
    "best possible": (best, plots.VERMILLION, "///"),
}
for index, (name, (values, colour, hatch)) in enumerate(bars.items()):
    axes.bar(
        places + 0.28 * (index - 1),
        values[order],
        width=0.26,
        label=name,
        color=colour,
        hatch=hatch,
        edgecolor=plots.GREY if colour == "white" else "white",
    )
axes.set_xticks(places, [texts[number] for number in order])
axes.set_ylabel("probability")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plots.show(
    figure,
    alt="Bars for the twelve likeliest texts of the best policy: how probable "
    "each is at first, after the updates, and at best. After the updates the "
    "bars are as high as the best ones.",
)

# %%
distance = float(total_variation(reached, best))
desk.answer(
    "09/reach",
    100 * distance,
    f"At first {about(100 * total_variation(before, best), 2)} would have had "
    "to. What is left is the noise of the last updates.",
    within=2,
)
claim(
    "It has reached the best policy: total variation at most 0.02",
    distance <= 0.02,
    measured=distance,
)

# %% [markdown]
# The optimiser works. Whatever goes wrong from here on, it is not this function.
#
# ## 6 · The same function, on our model
#
# Now 31 texts become all that the instruct model can write, and the table of points
# becomes a program. Which task has a program that cannot be fooled? French: there is
# one translation of each sentence of the phrase book, and the program compares word
# by word, accents included.
#
# And here is why somebody would want it. The model learned French from cells, choices
# of person, tense, polarity and frame, and [chapter 7](07_instruction_tuning.ipynb)
# found cells that it never saw and does not master. For those there are *no
# examples*. But there is somebody who can tell right from wrong.

# %%
print(getsource(verified_reward))

# %% [markdown]
# First a look around: all cells and all frames that training kept back, six sentences
# of each, eight answers to each sentence, *drawn* at temperature 1 and not the
# likeliest ones. What is asked is not how good the model is. It is how often it is
# right by luck.

# %%
desk.predict(
    "09/luck",
    "Of a hundred such cells: in how many was none of the 48 answers right?",
    unit="of 100",
)

# %% tags=["folded"]
room = course.longest_answer("translate")
cells = [
    cell
    for new, split in [
        ("cell", "validation"),
        ("cell", "test"),
        ("frame", "validation"),
        ("frame", "test"),
        ("frame", "practice"),
    ]
    for frame in cells_of(new, split).values()
    for cell in frame
]
# Four sentences of each cell are put away until the end, six are looked at,
# and those six and the others are what a policy practises on.
sentences = {
    cell: village.translations_of(cell, 64, seed=course.seed) for cell in cells
}
put_away = {cell: found[:4] for cell, found in sentences.items()}
looked_at = {cell: found[4:10] for cell, found in sentences.items()}
practice = {cell: found[4:] for cell, found in sentences.items()}


def is_right(example, said):
    """1 for the one right translation, 0 for anything else."""
    return village.score_answer(example, said)["right"]


def answers_scored(model, examples, samples, seed=0):
    """Which of its drawn answers are right: (examples, samples)."""
    prompts = [render_prompt(tokenizer, each.prompt) for each in examples]
    _, scores = sample_scores(
        model,
        verified_reward(tokenizer, examples, render_prompt, is_right),
        prompts,
        torch.Generator().manual_seed(seed),
        samples=samples,
        max_new_tokens=room,
    )
    return scores


def by_cell(examples_of, scores):
    """The scores again, cell by cell."""
    counts = [len(examples) for examples in examples_of.values()]
    return dict(zip(examples_of, scores.split(counts), strict=True))


def flat(examples_of, chosen=None):
    """All examples of some cells, one after another."""
    chosen = examples_of if chosen is None else chosen
    return [example for cell in chosen for example in examples_of[cell]]


luck = by_cell(looked_at, answers_scored(instruct, flat(looked_at), 8))
once = {cell: scores.mean().item() for cell, scores in luck.items()}
ever = {
    cell: (scores.sum(dim=1) > 0).float().mean().item()
    for cell, scores in luck.items()
}
ranked = sorted(cells, key=lambda cell: (once[cell], ever[cell]))
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.6), layout="constrained")
axes = figure.subplots()
axes.plot(
    [ever[cell] for cell in ranked],
    "s",
    markersize=4,
    color=plots.VERMILLION,
    markerfacecolor="none",
    label="at least one of eight (pass@8)",
)
axes.plot(
    [once[cell] for cell in ranked],
    "o",
    markersize=4,
    color=plots.BLUE,
    label="of all answers (pass@1)",
)
axes.set(xlabel="cells, from the worst to the best", ylabel="share right")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower right")
unlucky = sum(share == 0 for share in ever.values())
sometimes = [cell for cell in cells if 0 < ever[cell] < 0.9]
plots.show(
    figure,
    alt=f"Of {len(cells)} cells, from the worst to the best, the share of "
    "right answers and the share of sentences with at least one right answer "
    f"of eight. {about(float(unlucky))} cells have none, "
    f"{about(float(len(sometimes)))} lie between, the others are mastered.",
)

# %%
desk.answer(
    "09/luck",
    100 * unlucky / len(cells),
    f"{about(float(unlucky))} of {len(cells)}. Most cells that it never saw it "
    "masters: its French is put together from parts.",
    within=5,
)

# %% [markdown]
# Three kinds of cells, then, and they will part ways: those it *masters*, those that
# it gets right *sometimes* (some sentence right in eight attempts, and fewer than
# nine in ten), and those where it is *never* right. "Never" was 48 answers, which is
# little: so these are asked again, 32 answers to each of another six sentences, and
# called never only if none is right again, in no cell of their frame. (Where a frame
# is right with other persons, its silent cells have lucky *kin*. They are told
# apart.)

# %% tags=["folded"]
asked_again = {
    cell: sentences[cell][10:16] for cell in cells if ever[cell] == 0
}
again = by_cell(asked_again, answers_scored(instruct, flat(asked_again), 32, 1))
silent = [cell for cell, scores in again.items() if scores.sum() == 0]
lucky_frames = {cell.frame for cell in cells if cell not in silent}
never = [cell for cell in silent if cell.frame not in lucky_frames]
kin = [cell for cell in silent if cell.frame in lucky_frames]
for name, some in {"sometimes": sometimes, "never": never}.items():
    desk.read(f"[{name}: {about(float(len(some)))} cells, such as]\n")
    shown = some[:: max(1, len(some) // 3)][:3]
    asked = [sentences[cell][4] for cell in shown]
    said = answer(
        instruct,
        tokenizer,
        [example.prompt for example in asked],
        max_new_tokens=room,
        top_k=1,
    )
    for cell, example, text in zip(shown, asked, said, strict=True):
        desk.read(
            f"{cell}\n   {example.prompt.partition(': ')[2]}\n-> {text}\n"
            f"   right: {example.answer}\n"
        )

# %%
claim(
    "There are at least five cells of each of the two kinds",
    min(len(sometimes), len(never)) >= 5,
    measured=f"{about(float(len(sometimes)))} sometimes, "
    f"{about(float(len(never)))} never",
)

# %% [markdown]
# ### pass@k
#
# How often is at least one of $k$ answers right? Draw $n \ge k$ answers, of which $c$
# are right, and ask how many of all choices of $k$ among them hold a right one:
#
# $$\text{pass@}k = 1 - \binom{n - c}{k} \Big/ \binom{n}{k}$$
#
# (Chen et al. 2021). That is the expected *best* of $k$, where a right answer scores
# 1 and a wrong one 0, and the library has that already.

# %%
print(getsource(expected_best))

# %% [markdown]
# A shorter formula is tempting: with $p = c/n$ the share of right answers, $1 - (1 -
# p)^k$. Take a model that is right with probability 0.3, ask it ten times, and
# estimate pass@3, which is $1 - 0.7^3 = 0.657$.

# %%
desk.predict(
    "09/tempting",
    "Averaged over all that ten answers may bring: is the short formula too "
    "high, too low, or right?",
    options=["too high", "too low", "right"],
)

# %%
average = {"all choices": 0.0, "short": 0.0}
for c in range(11):
    chance = math.comb(10, c) * 0.3**c * 0.7 ** (10 - c)
    ten = torch.tensor([[1.0] * c + [0.0] * (10 - c)])
    average["all choices"] += chance * expected_best(ten, 3).item()
    average["short"] += chance * (1 - (1 - c / 10) ** 3)
for name, value in average.items():
    print(f"{name:12} {value:.6f}   true {1 - 0.7**3:.6f}")

# %%
gap = average["short"] - (1 - 0.7**3)
desk.answer(
    "09/tempting",
    "right" if abs(gap) < 1e-9 else "too low" if gap < 0 else "too high",
    "The curve bends, so the mean of the curve is not the curve of the mean. "
    "The other formula is right for every p.",
)

# %% [markdown]
# ## 7 · Nothing to learn from
#
# Let the policy practise what it never gets right, three updates, 128 answers each.

# %%
desk.predict(
    "09/move",
    "How far will its weights have moved?",
    options=["far", "a little", "not by one bit"],
)


# %%
def practise(model, chosen, steps, label, watch=None):
    """RLOO on sentences of some cells; right is 1, wrong is 0."""
    examples = flat(practice, chosen)
    settings = replace(
        RLOO,
        steps=steps,
        rate=5e-4,
        beta=0.01,
        temperature=1.0,
        max_new_tokens=room,
        unfinished_score=None,
    )
    optimizers = adamw(model, settings.rate)
    update = policy_step(
        model,
        frozen_copy(model),
        verified_reward(tokenizer, examples, render_prompt, is_right),
        [render_prompt(tokenizer, each.prompt) for each in examples],
        settings,
        optimizers,
    )

    def step(index, generator):
        if watch is not None:
            watch(index)
        return update(index, generator)

    return train(
        step,
        steps=steps,
        modules={"policy": model},
        optimizers=optimizers,
        seed=0,
        progress=TrainingMonitor(),
        label=label,
        after_a_stop="run the cell again, and it begins anew",
    )


hopeless = course.load("instruct")
no_luck = practise(hopeless, never, 3, "what it never gets right")

# %% tags=["folded"]
moved = max(
    float((new - old).detach().abs().max())
    for new, old in zip(
        hopeless.parameters(), instruct.parameters(), strict=True
    )
)
lucky = sum(entry["score"] > 0 for entry in no_luck)
desk.answer(
    "09/move",
    "not by one bit" if moved == 0 else "a little",
    "All answers of a group scored 0, so each was exactly as good as the "
    "others: advantage 0, gradient 0. It is no matter of patience or rates."
    if moved == 0
    else "One answer of hundreds was right after all, and that was enough.",
)

# %% [markdown]
# A group whose answers all score alike teaches nothing, be they all wrong or all
# right. How many groups of an update are silent is a number to watch; the library
# tells it in the history of a run as `silent`.
#
# ## 8 · What is sometimes right becomes usual
#
# Now practise what it sometimes gets right. No translation is shown, in the whole
# run. Each update draws 16 sentences and 8 answers to each; forty of the sentences
# that were put away are asked every few updates, with the likeliest answer and
# without learning from it.

# %%
desk.predict(
    "09/halved",
    "Of 100 errors in answers to sentences that were put away, how many are "
    "left after it?",
    unit="of 100",
)

# %%
UPDATES = 45
exam = flat(put_away, sometimes)
strip_of = exam[:: max(1, len(exam) // 40)][:40]
strip = {}


def forty(model, update):
    """Which of the forty are answered rightly after so many updates."""
    said = answer(
        model,
        tokenizer,
        [example.prompt for example in strip_of],
        max_new_tokens=room,
        top_k=1,
    )
    strip[update] = [
        is_right(example, text) == 1
        for example, text in zip(strip_of, said, strict=True)
    ]


policy = course.load("instruct")
history = practise(
    policy,
    sometimes,
    UPDATES,
    "French, right or wrong",
    watch=lambda update: update % 10 == 0 and forty(policy, update),
)
forty(policy, UPDATES)

# %% tags=["folded"]
rows = list(strip.values())
turned = [  # since which row an answer is right to the end
    max((i + 1 for i, row in enumerate(rows) if not row[column]), default=0)
    for column in range(len(strip_of))
]
order = sorted(range(len(strip_of)), key=lambda column: turned[column])
figure = Figure(figsize=(plots.WIDTH_INCHES, 3.0), layout="constrained")
axes = figure.subplots()
grid = torch.tensor([[row[number] for number in order] for row in rows])
axes.imshow(
    grid,
    cmap=ListedColormap(["white", plots.BLUE]),
    vmin=0,
    vmax=1,
    aspect="auto",
)
for place, column in (~grid).nonzero().tolist():
    look = {"ha": "center", "va": "center", "color": plots.VERMILLION}
    axes.text(column, place, "×", **look)
for column in range(1, len(order)):
    axes.axvline(column - 0.5, color="white", linewidth=2)
for place in range(1, len(rows)):
    axes.axhline(place - 0.5, color="white", linewidth=2)
axes.set_yticks(range(len(rows)), list(strip))
axes.set_xticks([])
axes.set(
    xlabel=f"{len(order)} sentences that were put away",
    ylabel="updates made",
)
axes.spines[:].set_visible(False)
plots.show(
    figure,
    alt=f"{len(order)} sentences, a column each, asked again and again, a row "
    "each time. Filled: answered rightly. A cross: wrongly. "
    f"{about(float(sum(rows[0])))} are right before the practice, "
    f"{about(float(sum(rows[-1])))} after it.",
)

# %% [markdown]
# And the groups that had nothing to say: at first, since all of their answers were
# wrong; in the end, since all are right.

# %% tags=["folded"]
plots.loss_curve(
    {"groups whose answers all scored alike": history},
    metric="silent",
    unit="share of an update's groups",
)

# %% [markdown]
# Now the sentences that were put away, 32 drawn answers to each, before and after.
# One number, pass@1, says what is *usual*; the curve to its right, up to pass@32,
# says what is *possible*.

# %% tags=["folded"]
DRAWS = (1, 2, 4, 8, 16, 32)


def pass_at_each(scores):
    """pass@k for k = 1, 2, 4 … 32, over sentences."""
    return [expected_best(scores, k).mean().item() for k in DRAWS]


populations = {"sometimes": exam, "never": flat(put_away, never)}
found = {
    (population, when): answers_scored(model, examples, 32, seed=2)
    for population, examples in populations.items()
    for when, model in {"before": instruct, "after": policy}.items()
}
curves = {
    f"{population}, {when}": pass_at_each(scores)
    for (population, when), scores in found.items()
}
plots.lines(
    DRAWS,
    curves,
    x_label="answers drawn, k",
    y_label="pass@k on sentences put away",
    doubling=True,
    from_zero=True,
)

# %%
error = {name: 1 - curve[0] for name, curve in curves.items()}
left = error["sometimes, after"] / error["sometimes, before"]
desk.answer(
    "09/halved",
    100 * left,
    f"After {about(history[-1]['seconds'], 2)} seconds of training pass@1 "
    f"went from {about(100 * curves['sometimes, before'][0], 2)} % to "
    f"{about(100 * curves['sometimes, after'][0], 2)} %, where pass@32 had "
    f"been {about(100 * curves['sometimes, before'][-1], 2)} %: it does "
    "usually what took luck, and luck with one sentence has served others "
    "like it.",
    within=12,
)
claim(
    "On cells that it got right sometimes, at least half of the errors are "
    "gone",
    left <= 0.5,
    measured=100 * left,
    unit="% are left",
)
claim(
    "On cells where it was never right, it is still right in fewer than 2 of "
    "100 answers",
    curves["never, after"][0] < 0.02,
    measured=100 * curves["never, after"][0],
    unit="%",
)

# %% [markdown]
# And the silent cells with lucky kin? Practice on the kin is practice for them too:

# %% tags=["folded"]
if kin:
    of_kin = {
        when: answers_scored(model, flat(put_away, kin), 16, seed=2)
        for when, model in {"before": instruct, "after": policy}.items()
    }
    for when, scores in of_kin.items():
        share = 100 * scores.mean().item()
        print(f"{when:6} {about(share, 2)} % of their answers are right")

# %% [markdown]
# That is what such a reward does: **it moves probability to what was already there.**
# What was right now and then is right most of the time, and nobody has shown it a
# single example. What is there is not the sentence, but the way in which it is built:
# so what was found by luck in one sentence serves its neighbours, and silent cells
# begin to speak whose kin had some. Of what was right nowhere it makes nothing,
# however long you wait, since a reward that was never paid points nowhere.
#
# ## 9 · Five demonstrations
#
# What then? Show it. Five sentences of the cells where it was never right, with their
# translations, and phase 2's own loss, a handful of updates. A few old examples go
# with them, so that nothing is forgotten ([chapter 7](07_instruction_tuning.ipynb)).

# %%
desk.predict(
    "09/five",
    "After five demonstrations: which share of drawn answers to *other* "
    "sentences of those cells is right?",
    unit="%",
)

# %%
stride = max(1, len(never) // 5)
demonstrations = [practice[cell][0] for cell in never[::stride][:5]]
for example in demonstrations:
    desk.read(f"{example.prompt.partition(': ')[2]}\n-> {example.answer}\n")
old = village.instructions(150, seed=course.seed, split="train")
mixture = [
    render_example(tokenizer, each.prompt, each.answer, each.earlier)
    for each in 8 * demonstrations + old
]
shown = course.load("instruct")
shown.load_state_dict(policy.state_dict())
optimizers = muon_and_adamw(shown, matrix_rate=0.001, other_rate=0.001)
step = instruction_step(
    shown,
    mixture,
    optimizers,
    steps=12,
    row_length=course.recipe.shared.context,
    rows_per_batch=6,
    seed=0,
)
train(
    step,
    steps=12,
    modules={"model": shown},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="five demonstrations",
    after_a_stop="run the cell again, and it begins anew",
)
after_five = answers_scored(shown, populations["never"], 32, seed=2)

# %%
desk.answer(
    "09/five",
    100 * after_five.mean().item(),
    f"pass@32 is {about(100 * pass_at_each(after_five)[-1], 2)} %. Not much "
    "yet, but no longer nothing, and that is all that a reward needs.",
    within=7,
)

# %% [markdown]
# From there the reward takes over.

# %%
desk.predict(
    "09/then",
    "And after 16 updates by reward alone, from there: which share is right?",
    unit="%",
)

# %%
then = practise(shown, never, 16, "what it was shown five times")
after_both = answers_scored(shown, populations["never"], 32, seed=2)

# %% tags=["folded"]
plots.lines(
    DRAWS,
    {
        "at first": pass_at_each(found["never", "before"]),
        "practice elsewhere": pass_at_each(found["never", "after"]),
        "five demonstrations": pass_at_each(after_five),
        "and practice again": pass_at_each(after_both),
    },
    x_label="answers drawn, k",
    y_label="pass@k where it was never right",
    doubling=True,
    from_zero=True,
)

# %%
desk.answer(
    "09/then",
    100 * after_both.mean().item(),
    "Five examples opened the door; the reward went through it.",
    within=10,
)
claim(
    "After five demonstrations some drawn answers are right",
    after_five.mean() > 0.005,
    measured=100 * after_five.mean().item(),
    unit="%",
)
claim(
    "Practice from there at least doubles the share",
    after_both.mean() >= 2 * after_five.mean(),
    measured=(after_both.mean() / after_five.mean()).item(),
    unit="times",
)

# %% [markdown]
# ## 10 · Stories that do not contradict themselves
#
# Last, the fault that spoils every demonstration of our model: in the middle of a
# story Otto becomes Agnes, or Monday Friday. To write a good story takes taste, and
# nobody has a program for that. To *notice* such a fault takes none. The village's
# program reads a story and counts what is wrong with it: contradictions of who, what,
# where and when, names that are unknown, sentences said twice or out of place, no
# end. It has no idea of what is good. Our reward is 1 for a story without a fault,
# and 0 for any other. (We first took off a little for each fault, by its weight. But
# the commonest, a wrong name, weighs little there, and little came of it.)

# %%
def without_fault(example, story):
    """1 for a story without a fault, 0 for any other."""
    return float(faults(read(example.prompt, story)) == 0)


def tell(model, prompts, seed=3):
    """Stories at the temperature of training, and what is found in them."""
    stories, _ = life.write_stories(course, model, prompts, seed)
    pairs = list(zip(prompts, stories, strict=True))
    found = [read(*pair) for pair in pairs]
    clean = [faults(each) == 0 for each in found]
    additions = sum(sum(each.counts.values()) for each in found) / len(found)
    words = sum(each.words for each in found) / len(found)
    return stories, clean, additions, words


test_prompts = village.story_prompts(160, seed=course.seed + 1, split="test")
stories, clean, additions, words = tell(instruct, test_prompts)
faulty = next(
    (prompt, story)
    for prompt, story in zip(test_prompts, stories, strict=True)
    if read(prompt, story).broken
)
desk.read("{}\n\n{}".format(*faulty))
print(f"\ncontradictions in it: {read(*faulty).broken}")

# %%
desk.predict(
    "09/clean",
    "Of 100 such stories, how many are free of any fault before the practice, "
    "and how many after it? (After it.)",
    unit="of 100",
)
desk.predict(
    "09/shorter",
    "What else will change in the stories?",
    options=[
        "nothing that matters",
        "they become longer",
        "they become shorter and plainer",
        "they become livelier",
    ],
)

# %%
writer = course.load("instruct")
requests = village.instructions(
    500, seed=course.seed, split="train", task="story"
)
settings = replace(
    RLOO,
    steps=16,
    rate=5e-4,
    responses=64,
    beta=0.05,
    max_new_tokens=course.recipe.shared.story_tokens,
    temperature=course.recipe.shared.story_temperature,
    unfinished_score=None,  # a story without an end has its fault counted
)
optimizers = adamw(writer, settings.rate)
step = policy_step(
    writer,
    frozen_copy(writer),
    verified_reward(tokenizer, requests, render_prompt, without_fault),
    [render_prompt(tokenizer, each.prompt) for each in requests],
    settings,
    optimizers,
)
history = train(
    step,
    steps=settings.steps,
    modules={"policy": writer},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="stories without faults",
    after_a_stop="run the cell again, and it begins anew",
)
cleaner, clean_after, additions_after, words_after = tell(
    writer, test_prompts
)

# %% tags=["folded"]
share = {
    "before": Share(sum(clean), len(clean)),
    "after 16 updates": Share(sum(clean_after), len(clean_after)),
}
plots.share_intervals(
    {name: (each.rate, *each.interval) for name, each in share.items()},
    x_label="stories free of any fault, with the 95 % interval",
)

# %%
was, now = (100 * each.rate for each in share.values())
desk.answer(
    "09/clean",
    now,
    f"Before it, {about(was, 2)}.",
    within=8,
)
plainer = additions_after < 0.9 * additions
desk.answer(
    "09/shorter",
    "they become shorter and plainer"
    if plainer and words_after < words
    else "they become longer"
    if words_after > 1.05 * words
    else "they become livelier"
    if additions_after > 1.1 * additions
    else "nothing that matters",
    f"Similes, details, lines and twists a story: from {about(additions, 2)} "
    f"to {about(additions_after, 2)}. Words: from {about(words, 2)} to "
    f"{about(words_after, 2)}.",
)
better = sum(new > old for old, new in zip(clean, clean_after, strict=True))
worse = sum(new < old for old, new in zip(clean, clean_after, strict=True))
p = sign_test(clean, clean_after)
claim(
    "On the same prompts, more stories turned faultless than faulty, and not "
    "by luck",
    better > worse and p < 0.05,
    measured=f"{about(float(better))} against {about(float(worse))}, p "
    f"{about(p, 1)}",
)

# %% [markdown]
# If that went down, nobody asked for it. But who says less errs less: every simile is
# a chance to name the wrong person, and pays nothing. The reward told the truth,
# every time. It was not the *whole* truth, and the policy found the difference.
# Compare:

# %% tags=["folded", "nbval-ignore-output", "example-output"]
for name, told_by in {"before": stories, "after": cleaner}.items():
    desk.read(f"[{name}]\n{told_by[test_prompts.index(faulty[0])]}\n\n")

# %% [markdown]
# This is the most useful thing to know about rewards: **a policy learns what is paid
# for, and gives up what is not, if that is in the way.** What would pay for a lively
# story? Somebody who *likes* it. So the next chapter asks people.
#
# ## What did not work at this size
#
# - **Faults are left.** Sixteen updates do not remove them all. Whether
#   more would, you can try: `steps` is one number.
# - **Never is not for ever.** It meant: not in 240 answers. A cell that is right once
#   in ten thousand could be learned in the end, after days of silence.
# - **French from practice is French of those cells.** Whether the other cells and
#   other tasks are as good as before, we did not measure here; chapter 12 does, for
#   its own policy.
# - **The sick estimators of section 4** we have not let loose on the real model. In a
#   run of a minute their bias would hide in the noise; that is why there is a
#   laboratory.
#
# ## Summary
#
# - A policy gradient needs the reward's number and not its derivative: push every
#   token of a drawn text, in proportion to what the text earned.
# - What is subtracted without looking at the text itself changes the noise and not
#   the mean. Compare with the *others* of a group.
# - A constant reward must move nothing. It is the cheapest test there is.
# - The KL belongs in the reward as k1, on the dashboard as k3.
# - A reward moves probability to what is already there. What is sometimes right
#   becomes usual, what is never right needs a demonstration first.
# - What the reward does not mention is what it costs.

# %%
desk.quiz(
    "09",
    desk.ask(
        "A colleague's policy gradient improves a model although all rewards "
        "are 1. What do you say?",
        right=(
            "The gradient is biased: look at how texts are drawn.",
            "With equal rewards the pushes of all texts cancel, if texts are "
            "drawn from the very distribution that is differentiated.",
        ),
        wrong=[
            (
                "Good, it generalises.",
                "There is nothing in equal rewards to generalise from.",
            ),
            (
                "It needs a baseline.",
                "A baseline would hide it: 1 less 1 is 0. The fault stays.",
            ),
        ],
    ),
    desk.ask(
        "A model solves none of 2,000 tasks, in 64 attempts each. You have a "
        "perfect checker and much computing time. What first?",
        right=(
            "Demonstrate some, or find easier tasks of the kind.",
            "Something must be right sometimes before a reward can choose it.",
        ),
        wrong=[
            (
                "Run the policy gradient for a week.",
                "All groups are silent: the gradient is zero, exactly.",
            ),
            (
                "Raise the learning rate.",
                "Any number times zero is zero.",
            ),
        ],
    ),
    desk.ask(
        "After training pass@1 has doubled and pass@64 is what it was. What "
        "happened?",
        right=(
            "It now does usually what it could do before.",
            "Probability went to what was there. That is worth much, and no "
            "new skill.",
        ),
        wrong=[
            (
                "Nothing: pass@64 is the real skill.",
                "A user sees one answer, and that is right twice as often.",
            ),
            (
                "It learned new skills.",
                "Then tasks would be solved that 64 attempts never solved.",
            ),
        ],
    ),
)

# %%
desk.tally("09")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 6](../exercises/release/ps6/ps6.ipynb): a gradient through
# dice, a fair baseline, what a token is paid for, three ways to count a distance.
# **Next:** the program knew what is wrong. What is *good*, only people can say, and
# they disagree: [10 · What people prefer](10_what_people_prefer.ipynb).
