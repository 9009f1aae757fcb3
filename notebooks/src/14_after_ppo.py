# %% [markdown]
# # 14 · What came after PPO
#
# **You will be able to** say of each successor what it leaves out, and what that
# costs; see in two groups of four numbers what GRPO's divisions do; say where a KL
# in the wrong place ends; train a policy from pairs with no reward model in the
# loop, and explain why it makes even the winners less probable; choose a method by
# a race that was fair, and know what such a race does not tell.
#
# **You need** [12 · PPO](12_ppo.ipynb).
#
# **Time** 2 minutes to run on two processor cores; an hour to work through.
#
# **Where we are in the model's life:** side paths that begin at `instruct` and are
# judged by the course's reward model. Nothing is built on them.

# %%
import json
from dataclasses import asdict
from inspect import getsource
from statistics import fmean

import torch
from matplotlib.figure import Figure

from llmlab import desk, life, plots, village
from llmlab.best_of_n import sample_scores
from llmlab.claims import about, claim
from llmlab.dpo import implicit_rewards
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.instruction import render_prompt
from llmlab.life.stories import story_reward
from llmlab.optimisers import adamw
from llmlab.paths import ROOT
from llmlab.policy_gradient import (
    DR_GRPO,
    GRPO,
    REINFORCE,
    RLOO,
    leave_one_out,
    silent_groups,
    standardised,
    token_weights,
)
from llmlab.ppo import PPO, ValueModel
from llmlab.reward import EncodedComparison, preference_step
from llmlab.rollouts import kl_k3
from llmlab.training import train
from llmlab.widgets import TrainingMonitor

# %%
course = life.course()
instruct = course.load("instruct").requires_grad_(False)
reward = course.load("reward")

# %% [markdown]
# PPO has four models in memory (policy, reference, reward, critic), a clip, a λ, and
# several looks at one rollout. It was made for games, where something happens at every
# step. Here all is paid at the last token. Since 2023 people have asked of each part:
# what if we leave it out? This chapter asks the same, in the same order, and at the
# end lets all of them run for the same prize.
#
# ## 1 · One update, several rows
#
# In this course they are not several programs. One update, `policy_step`, is told by a
# row of settings what to do. The table is printed from the rows themselves: where a
# cell is empty, the row does what the plain policy gradient does.

# %% tags=["folded"]
ROWS = {
    "PPO": PPO,
    "RLOO": RLOO,
    "GRPO": GRPO,
    "Dr. GRPO": DR_GRPO,
}
CHOICES = {
    "group": "answers to a prompt",
    "advantage": "what is expected",
    "divide_by": "divided by",
    "clip": "clip",
    "epochs": "looks at a rollout",
    "kl_in": "the KL is in the",
}
plain = asdict(REINFORCE)
print(f"{'':21}" + "".join(f"{name:>15}" for name in ROWS))
for choice, words in CHOICES.items():
    cells = [asdict(row)[choice] for row in ROWS.values()]
    shown = ["" if cell == plain[choice] else str(cell) for cell in cells]
    print(f"{words:21}" + "".join(f"{cell:>15}" for cell in shown))
print(f"\nthe plain row: { {name: plain[name] for name in CHOICES} }")

# %% [markdown]
# Two more are no rows, because they do not push tokens by advantages at all:
#
# | | learns by | drops |
# |---|---|---|
# | **RLOO** | the policy gradient | critic, clip, second look |
# | **GRPO** | PPO's clipped loss | critic |
# | **rejection sampling** | phase two's loss, on the best | all that was not best |
# | **DPO** | a reward model's loss | drawing while it learns |
#
# ## 2 · RLOO: who needs a critic?
#
# A critic says what was to be expected. Eight answers to one prompt say so, too: for
# each of them, the mean of the seven others (**leave one out**, chapter 9). It needs
# no network and no practice, and it cannot be wrong on average. What does one save?

# %%
desk.predict(
    "14/critic",
    "The policy has 1.2 million weights. How many does PPO train in all?",
    unit="million",
)

# %%
critic = ValueModel(reward.body)
weights = {
    name: sum(each.numel() for each in model.parameters()) / 1e6
    for name, model in {"policy": instruct, "critic": critic}.items()
}
for name, millions in weights.items():
    print(f"{name:7} {millions:.2f} million weights")

# %%
desk.answer(
    "14/critic",
    sum(weights.values()),
    "The critic is as large as the policy, and so are its gradients and its "
    "optimiser's memory. RLOO and GRPO drop all of it.",
    within=0.3,
)

# %% [markdown]
# There is a price: eight answers go to one prompt, so that with the same number of
# stories there are eight times fewer prompts. And one thing becomes impossible. If all
# eight score alike, nothing is left after subtracting: such a group is **silent**.

# %%
def less_others(scores, group):
    """RLOO's advantages: each score less the mean of the others."""
    return scores - leave_one_out(scores, group)


scores = torch.tensor([1.0, 0, 2, 1] + [3.0, 3, 3, 3])
print("advantages:", [f"{a:+.2f}" for a in less_others(scores, 4).tolist()])
print(f"silent: {silent_groups(scores, 4):.0%} of the groups")

# %% [markdown]
# That is no fault: where all answers are equally good, there is nothing to choose. But
# a dashboard must show it, since a run in which all groups are silent stands still.
#
# ## 3 · GRPO: two divisions
#
# GRPO (Shao et al. 2024) also compares within a group, and then divides twice: by the
# group's standard deviation, and by each answer's length. Both look like good manners.
#
# **By the deviation.** Two prompts, four answers each. To the first, good and bad
# answers differ by a whole point. To the second, by a hundredth: perhaps the reward
# model's mood.

# %%
telling = torch.tensor([0.0, 1.0, 0.0, 1.0])
moody = torch.tensor([0.50, 0.51, 0.50, 0.51])
desk.predict(
    "14/deviation",
    "How hard is the best answer of the moody group pushed, compared with the "
    "best of the telling one, after the division?",
    options=["a hundredth as hard", "a tenth", "nearly as hard", "harder"],
)

# %%
both = torch.cat([telling, moody])
for name, advantages in {
    "less the mean of the others": less_others(both, 4),
    "and GRPO's division": standardised(both, 4),
}.items():
    print(f"{name:28}", [f"{a:+.2f}" for a in advantages.tolist()])

# %%
pushed = standardised(both, 4)
compared = (pushed[5] / pushed[1]).item()
desk.answer(
    "14/deviation",
    "harder"
    if compared > 1.02
    else "nearly as hard"
    if compared > 0.5
    else "a tenth"
    if compared > 0.05
    else "a hundredth as hard",
    "What differs by a hundredth now counts like what differs by a point: the "
    "unit of the reward is gone, group by group.",
)
claim(
    "A group of equal scores gets zeros, and nothing is divided by zero",
    bool((standardised(torch.full((4,), 2.0), 4) == 0).all()),
    measured=str(standardised(torch.full((4,), 2.0), 4).tolist()),
)

# %% [markdown]
# Where rewards are right or wrong, that is sometimes wanted: a hard prompt, with one
# right answer in eight, weighs as much as an easy one. But it is no longer the
# gradient of the expected reward. How far off is it? In the world of 31 texts, all 961
# pairs of texts can be listed.

# %% tags=["folded"]
world = World()
dice = torch.Generator().manual_seed(3)
start = world.random_logits(dice)
rewards = torch.randn(31, generator=dice, dtype=torch.float64)
chances = world.probabilities(start)
truth = world.gradient(start, rewards).flatten()
score = world.estimates(start, world.mask.double())
first, second = torch.cartesian_prod(torch.arange(31), torch.arange(31)).T
often = chances[first] * chances[second]
returns = torch.stack([rewards[first], rewards[second]], dim=1)


def direction(advantages, of_texts=score):
    """The cosine to the true gradient of what pairs report on average."""
    pairs = torch.stack([of_texts[first], of_texts[second]], dim=1)
    mean = often @ (advantages.view(-1, 2)[..., None] * pairs).mean(dim=1)
    return torch.cosine_similarity(mean, truth, dim=0).item()


# %%
lengths = world.mask.double().sum(dim=1, keepdim=True)
per_token = world.estimates(start, world.mask / lengths)
flat = returns.flatten()
cosines = {
    "RLOO": direction(less_others(flat, 2)),
    "divided by the deviation": direction(standardised(flat, 2)),
    "divided by each length": direction(less_others(flat, 2), per_token),
    "by both: GRPO": direction(standardised(flat, 2), per_token),
}
for name, cosine in cosines.items():
    print(f"{name:26} cosine to the true gradient {cosine:.4f}")

# %%
claim(
    "Without the divisions the direction is exactly right",
    abs(cosines["RLOO"] - 1) < 1e-12,
    measured=f"off by {about(abs(cosines['RLOO'] - 1), 1)}",
)
claim(
    "Either division turns the gradient",
    max(cosines["divided by the deviation"], cosines["divided by each length"])
    < 0.999,
    measured=f"cosines {about(cosines['divided by the deviation'])} and "
    f"{about(cosines['divided by each length'])}",
)

# %% [markdown]
# **By the length.** Two wrong answers, each with an advantage of −1: one of 3 tokens,
# one of 12.

# %%
desk.predict(
    "14/length",
    "Divided by its length: how hard is each token of the long wrong answer "
    "pushed down, compared with a token of the short one?",
    options=["as hard", "a quarter as hard", "four times as hard"],
)

# %%
mask = torch.arange(12) < torch.tensor([[3], [12]])
for divide_by in ("lengths", "room"):
    each = token_weights(mask, divide_by, room=12)[:, 0].tolist()
    of_3, of_12 = (f"{-each[row]:+.3f}" for row in (0, 1))
    print(f"{divide_by:8} a token of 3: {of_3}, of 12: {of_12}")

# %%
short, long = token_weights(mask, "lengths")[:, 0].tolist()
desk.answer(
    "14/length",
    {1.0: "as hard", 0.25: "a quarter as hard"}.get(
        long / short, "four times as hard"
    ),
    "Whoever is wrong is punished less if it takes long. Among right answers "
    "it is the other way round: short ones are praised more per token. So "
    "wrong answers grow, which looks like thinking.",
)

# %% [markdown]
# **Dr. GRPO** (Liu et al. 2025) is GRPO without both: divided by a constant, the room
# that an answer may have, and by nothing else. What is left is RLOO with a clip, and a
# step that is shorter by one part in eight, since an answer is in its own mean.
#
# ## 4 · Where a KL in the loss really lands
#
# GRPO moved the KL as well: out of the reward, into the loss, as k3, which is the
# estimator that never is negative. As a *number* it is right. But a loss is
# differentiated, and k3's gradient is that of another divergence. Begin with three
# texts of one token each, so that it can be done by hand. Where pull and reward
# balance, the price in the reward ends at ref · exp(r / β) / Z, and k3 in the loss at
#
# $$\pi = \frac{\beta\, \mathrm{ref}}{c - r},$$
#
# with a $c$ that makes them sum to one. The second falls off far more slowly.

# %% tags=["folded"]
BETA = 0.5


def landing(world, reference, rewards, kl_in, steps=800):
    """Where exact gradient ascent ends, as probabilities of all texts."""
    logits = reference.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    before = world.token_log_probs(reference)
    for _ in range(steps):
        now = world.token_log_probs(logits)
        chance = now.sum(dim=1).exp()
        nats = now.sum(dim=1) - before.sum(dim=1)
        price = chance @ nats
        if kl_in == "loss":  # texts are drawn, and then held for given
            price = chance.detach() @ kl_k3(now, before).sum(dim=1)
        loss = BETA * price - chance @ rewards
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return world.probabilities(logits.detach())


def balance(reference, rewards):
    """beta ref / (c - r), with c by bisection."""
    low = rewards.max() + 1e-9
    high = rewards.max() + BETA
    for _ in range(100):
        c = (low + high) / 2
        too_much = (BETA * reference / (c - rewards)).sum() > 1
        low, high = (c, high) if too_much else (low, c)
    return BETA * reference / (c - rewards)


# %%
tiny = World(time=1)
even = torch.zeros(1, 3, dtype=torch.float64)
worth = torch.tensor([1.0, 0.5, 0.0]).double()
desk.predict(
    "14/tail",
    "Three texts, equally probable at first, worth 1, 0.5 and 0; β is 0.5. "
    "Which of the two ends leaves the worst text more probable?",
    options=["the KL in the reward", "k3 in the loss", "both alike"],
)

# %%
thirds = tiny.probabilities(even)
ends = {
    "the KL in the reward": landing(tiny, even, worth, "reward"),
    "k3 in the loss": landing(tiny, even, worth, "loss"),
}
formulas = {
    "the KL in the reward": optimum(thirds, worth, BETA),
    "k3 in the loss": balance(thirds, worth),
}
for name, end in ends.items():
    told = " ".join(f"{share:.3f}" for share in end.tolist())
    formula = " ".join(f"{share:.3f}" for share in formulas[name].tolist())
    print(f"{name:21} ended at {told}; by the formula {formula}")

# %% tags=["folded"]
desk.answer(
    "14/tail",
    max(ends, key=lambda name: ends[name][2])
    if abs(ends["k3 in the loss"][2] - ends["the KL in the reward"][2]) > 0.01
    else "both alike",
    "A fraction where there should be an exponential: what is bad is never far "
    "enough away.",
)
claim(
    "Both formulas are right",
    max(
        total_variation(ends[name], formulas[name]).item() for name in ends
    )
    < 1e-3,
    measured="off by "
    + about(
        max(total_variation(ends[n], formulas[n]).item() for n in ends), 1
    ),
)

# %% [markdown]
# Now all 31 texts. Sorted by what they are worth, the best on the left.

# %%
sick = landing(world, start, rewards, "loss")
cure = landing(world, start, rewards, "reward")
best = optimum(chances, rewards, BETA)

# %% tags=["folded"]
order = rewards.argsort(descending=True)
names = ["".join("ab."[i] for i in world.sequences[k]) for k in order]
figure = Figure(figsize=(plots.WIDTH_INCHES, 3.1), layout="constrained")
axes = figure.subplots()
axes.plot(chances[order], ":", color="0.5", label="where it began")
axes.plot(best[order], "-", color="0.2", lw=1, label="the best there is")
look = dict(color=plots.BLUE, ms=6, mfc="none")
axes.plot(cure[order], "o", **look, label="KL in the reward")
look = dict(color=plots.PALETTE[1], ms=6)
axes.plot(sick[order], "^", **look, label="k3 in the loss")
axes.set_yscale("log")
axes.set_ylim(bottom=1e-5)
decades = [1, 0.1, 0.01, 0.001, 0.0001, 0.00001]
axes.set_yticks(decades, [f"{decade:g}" for decade in decades])
axes.set_xticks(range(31), names, rotation=90, fontsize=8)
axes.set_ylabel("probability")
axes.set_xlabel("texts, the best paid on the left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, fontsize=9, loc="lower left")
plots.show(
    figure,
    alt="Probabilities of 31 texts on a logarithmic axis. The circles of the "
    "KL in the reward lie on the line of the best policy. The triangles of "
    "k3 in the loss lie far above it among badly paid texts, at the right.",
)

# %%
claim(
    "With the KL in the reward the policy ends at the best there is",
    total_variation(cure, best) < 0.01,
    measured=f"off by {about(total_variation(cure, best), 1)}",
)
claim(
    "With k3 in the loss it ends elsewhere",
    total_variation(sick, best) > 0.05,
    measured=100 * total_variation(sick, best).item(),
    unit="% of the probability lies on other texts",
)
worse = rewards < rewards.median()
claim(
    "And the worse half of the texts keeps more than twice the probability",
    sick[worse].sum() > 2 * best[worse].sum(),
    measured=f"{about(100 * sick[worse].sum(), 2)} % instead of "
    f"{about(100 * best[worse].sum(), 2)} %",
)

# %% [markdown]
# It is no disaster: the policy improves, and it stays near its reference. But the
# number on the settings page no longer means what it says. In this course the KL stands
# in the reward; GRPO's row keeps it where its authors put it.
#
# ## 5 · Rejection sampling: keep the best
#
# You know it from chapter 11: draw eight, keep the best, tune on it with the loss of
# phase two. It drops nearly everything, and one thing comes in by the back door. The
# stories are drawn at temperature 0.7, and learned as if at 1. Whoever learns from cool
# samples becomes cooler, even if they are chosen by dice. So a part of what is gained
# may be mere caution; the race below does not tell the two apart. There it goes two
# rounds, so that the second draws from what the first has learned.
#
# ## 6 · DPO: no reward model in the loop
#
# Five lines (Rafailov et al. 2023).
#
# 1. The best policy at price β is $\pi = \mathrm{ref}\, e^{r/\beta} / Z$.
# 2. So a policy tells its reward: $r = \beta \log(\pi / \mathrm{ref}) + \beta \log Z$.
# 3. $Z$ belongs to the prompt, and cancels between two answers to it.
# 4. A reward model learns from $-\log \sigma(r_\text{winner} - r_\text{loser})$.
# 5. Put line 2 into line 4: a loss of the policy alone.
#
# In code it is the reward model's own update, with another way to score:

# %%
print(getsource(implicit_rewards))

# %% [markdown]
# We let it run. The instruct model writes two stories to each of some prompts; the
# course's reward says by how much one is better, and a simulated reader prefers it
# with probability σ(difference). That is the same prize as PPO's, so the best policy
# is the same, too. Other pairs are kept aside: from them nothing is learned.

# %% tags=["folded"]
shared = course.recipe.shared
paid = story_reward(course, reward)
PRICE = course.recipe.ppo.beta
COOL = dict(beta=PRICE, temperature=shared.story_temperature)


def pairs_of(count, split, seed):
    """Two of instruct's own stories to each prompt, the better one first."""
    told = village.story_prompts(count, seed=seed, split=split)
    prompts = [render_prompt(course.tokenizer, prompt) for prompt in told]
    rollout, scores = sample_scores(
        instruct,
        paid,
        prompts,
        torch.Generator().manual_seed(seed),
        samples=2,
        unfinished_score=course.recipe.ppo.unfinished_score,
        max_new_tokens=shared.story_tokens,
        temperature=shared.story_temperature,
    )
    pairs = []
    for row, (prompt, both) in enumerate(zip(prompts, scores, strict=True)):
        stories = rollout.responses[2 * row : 2 * row + 2]
        won = both.argmax().item()
        texts = [prompt + stories[won], prompt + stories[1 - won]]
        share = (both.max() - both.min()).sigmoid().item()
        pairs.append(EncodedComparison(*texts, len(prompt), share))
    return pairs


# %%
learned = pairs_of(144, "train", seed=14)
aside = pairs_of(48, "validation", seed=15)
print(len(learned), "pairs to learn from,", len(aside), "kept aside")

# %%
desk.predict(
    "14/fall",
    "While it learns, what becomes of the log-probabilities of the pairs that "
    "were kept aside?",
    options=[
        "winners rise, losers fall",
        "both rise, winners more",
        "both fall, losers more",
        "winners rise, losers stay",
    ],
)

# %% tags=["folded"]
STEPS = 36
policy = course.load("instruct")
scores_of = implicit_rewards(policy, instruct, **COOL)
optimizers = adamw(policy, 5e-4, eps=1e-5)
update = preference_step(
    policy,
    scores_of,
    learned,
    optimizers,
    steps=STEPS,
    comparisons=8,
)


@torch.no_grad()
def nats_gained():
    """Of winners and losers aside: log pi - log ref, a story, (2, pairs)."""
    return torch.stack(scores_of(aside)) / PRICE


curves = [nats_gained().mean(dim=1)]


def watched(index, dice):
    told = update(index, dice)
    if (index + 1) % 6 == 0:
        curves.append(nats_gained().mean(dim=1))
    return told


history = train(
    watched,
    steps=STEPS,
    modules={"policy": policy},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="DPO",
    after_a_stop="run the cell again, and it begins anew",
)
winners, losers = torch.stack(curves).T
plots.lines(
    list(range(0, STEPS + 1, 6)),
    {"winners": winners.tolist(), "losers": losers.tolist()},
    x_label="update",
    y_label="nats gained, a story",
)

# %%
won, lost = winners[-1].item(), losers[-1].item()
desk.answer(
    "14/fall",
    "both fall, losers more"
    if won < 0 and lost < won
    else "both rise, winners more"
    if lost > 0
    else "winners rise, losers fall"
    if lost < 0
    else "winners rise, losers stay",
    f"Winners {about(won, 2)} nats, losers {about(lost, 2)}. The loss asks for "
    "the difference only.",
)
claim(
    "The margin between winners and losers has grown",
    won > lost,
    measured=won - lost,
    unit="nats",
)

# %% [markdown]
# Is that a fault? It is arithmetic. Winners and losers were both drawn from the
# *reference*. Of texts drawn from it, the mean of log(π / ref) is exactly
# −KL(ref ‖ π): whoever moves, in whatever direction, makes them less probable on
# average. If the winners are to rise, the margin must be more than twice what the
# policy has moved. In the world of 31 texts, where all pairs can be listed, and the
# policy is the best there is:

# %%
beats = (rewards[:, None] - rewards[None, :]).sigmoid()
winning = chances * (2 * beats @ chances)  # a winner's distribution
losing = chances * (2 * beats.T @ chances)
gained = (best / chances).log()
for name, drawn in {"winners": winning, "losers": losing}.items():
    print(f"{name}: sum {drawn.sum():.6f}, gain {drawn @ gained:+.4f} nats")
half = (winning @ gained + losing @ gained) / 2
claim(
    "The mean of both is minus the KL from the reference, to 12 decimal places",
    abs(half + kl_divergence(chances, best)) < 1e-12,
    measured=f"off by {about(abs(half + kl_divergence(chances, best)), 1)}",
)

# %% [markdown]
# Where did the probability go? To texts that stand in no pair. In this small world they
# are known; among stories nobody has looked at them. DPO never draws while it learns,
# so it never finds out: the reward of its *own* stories is nowhere in the loss. That is
# what it drops, and what it saves.
#
# ## 7 · The race
#
# Five methods from the same instruct model, with the same reward, at an equal number
# of stories, several seeds each (`make bench ARGS=after_ppo`). Rates are those of the
# chapters before this one; nothing was tuned for the race. No old lessons are mixed in,
# for anybody. On the way each policy writes stories to the same validation prompts,
# which gives a path: gold, over nats from instruct.

# %%
desk.predict(
    "14/winner",
    "Which of the five wins most often against instruct, at equal stories?",
    options=["PPO", "RLOO", "GRPO", "rejection sampling", "DPO"],
)
desk.predict(
    "14/cheap",
    "And which of them needs the fewest seconds for it?",
    options=["PPO", "RLOO", "GRPO", "rejection sampling", "DPO"],
)

# %% tags=["folded"]
stored = json.loads((ROOT / "data" / "after_ppo.json").read_text("utf-8"))
METHODS = list(dict.fromkeys(name.partition("/")[0] for name in stored))
runs = {
    name: [run for key, run in stored.items() if key.startswith(f"{name}/")]
    for name in METHODS
}
seeds = sorted({name.partition("/")[2] for name in stored})
print(f"{len(stored)} runs, seeds {', '.join(seeds)}")
shades = [*plots.PALETTE[:4], "0.25"]
COLOURS = dict(zip(METHODS, shades, strict=False))
MARKS = dict(zip(METHODS, "osD^v", strict=False))
figure = Figure(figsize=(plots.WIDTH_INCHES, 3.8), layout="constrained")
panels = figure.subplots(1, 2, sharey=True)
for axes, x in zip(panels, ("kl", "seconds"), strict=True):
    for name, several in runs.items():
        look = dict(color=COLOURS[name], marker=MARKS[name])
        for number, run in enumerate(several):
            path = [(each[x], each["gold"]) for each in run["path"]]
            label = name if number == 0 and x == "kl" else None
            axes.plot(*zip(*path, strict=True), lw=1, ms=3, alpha=0.6, **look)
            axes.plot(*path[-1], ms=8, ls="none", label=label, **look)
    axes.grid(axis="y")
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set(xlabel="nats from instruct", ylabel="gold, validation prompts")
panels[1].set(xlabel="processor seconds, one thread")
figure.legend(loc="outside upper center", ncols=3, frameon=False)
last = {
    name: {
        x: fmean(run["path"][-1][x] for run in several)
        for x in ("kl", "gold", "seconds")
    }
    for name, several in runs.items()
}
plots.show(
    figure,
    alt="Paths of five methods, three runs each: gold over nats from instruct "
    "on the left, over processor seconds on the right. At their ends: "
    + "; ".join(
        f"{name} {about(end['gold'])} points at {about(end['kl'], 2)} nats "
        f"after {about(end['seconds'], 2)} seconds"
        for name, end in last.items()
    )
    + ".",
)

# %% [markdown]
# Read the left picture upwards: at the same distance from instruct, which path is
# higher? Whoever stands far to the right has paid in nats what others got for less.
# Then the right one, at equal seconds.
#
# Does a path turn back? Then more of the same would have made it worse.

# %% tags=["folded"]
for name, several in runs.items():
    golds = [[each["gold"] for each in run["path"]] for run in several]
    back = sum(max(path) - path[-1] > 0.15 for path in golds)
    lost = fmean(max(path) - path[-1] for path in golds)
    print(
        f"{name:20} {back} of {len(golds)} runs end below their best look; "
        f"on average by {about(lost, 2)}"
    )

# %% [markdown]
# On test prompts, which were not looked at while anything was set:

# %% tags=["folded"]
won = {
    name: fmean(run["end"]["win_rate"] for run in several)
    for name, several in runs.items()
}
spent = {
    name: fmean(sum(run["seconds"].values()) for run in several)
    for name, several in runs.items()
}
print(f"{'':20}{'wins, each seed':>22}{'gold':>8}{'nats':>7}{'seconds':>9}")
for name, several in runs.items():
    wins = " ".join(f"{run['end']['win_rate']:.2f}" for run in several)
    gold, nats = (
        fmean(run["end"][what] for run in several) for what in ("gold", "kl")
    )
    print(f"{name:20}{wins:>22}{gold:8.2f}{nats:7.1f}{spent[name]:9.0f}")
plots.share_intervals(
    {
        f"{name}, seed {seed}": [
            run["end"][what] for what in ("win_rate", "low", "high")
        ]
        for name, several in runs.items()
        for seed, run in enumerate(several)
    },
    chance=0.5,
    x_label="stories better than instruct's, with the 95 % interval",
)

# %%
winner = max(won, key=won.get)
cheapest = min(spent, key=spent.get)
ranges = {
    name: sorted(run["end"]["win_rate"] for run in several)
    for name, several in runs.items()
}
equals = [name for name in METHODS if ranges[name][-1] >= ranges[winner][0]]
desk.answer(
    "14/winner",
    winner,
    f"On average {about(100 * won[winner], 2)} % of the prompts. But look at "
    f"the seeds before you believe it: these have a run that comes up to its "
    f"worst one: {', '.join(n for n in equals if n != winner) or 'none'}.",
)
desk.answer(
    "14/cheap",
    cheapest,
    f"{about(spent[cheapest], 2)} processor seconds; the dearest needed "
    f"{about(max(spent.values()), 2)}.",
)

# %% [markdown]
# What are the seconds spent on?

# %% tags=["folded"]
PARTS = {"rollout": "drawing", "score": "scoring", "learn": "learning"}
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.6), layout="constrained")
axes = figure.subplots()
parts = {
    name: {p: fmean(run["seconds"][p] for run in several) for p in PARTS}
    for name, several in runs.items()
}
for index, (part, words) in enumerate(PARTS.items()):
    lefts = [
        sum(list(parts[name].values())[:index]) for name in METHODS
    ]
    axes.barh(
        METHODS,
        [parts[name][part] for name in METHODS],
        left=lefts,
        color=plots.PALETTE[index],
        hatch=("", "//", "..")[index],
        edgecolor="white",
        height=0.65,
        label=words,
    )
axes.invert_yaxis()
axes.set_xlabel("processor seconds a run, mean of all seeds")
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside upper center", ncols=3, frameon=False)
plots.show(
    figure,
    alt="Stacked bars of processor seconds for drawing, scoring and learning. "
    + "; ".join(
        f"{name}: "
        + ", ".join(
            f"{words} {about(parts[name][part], 2)}"
            for part, words in PARTS.items()
        )
        for name in METHODS
    )
    + ".",
)

# %%
critic_costs = parts["PPO"]["learn"] - parts["GRPO"]["learn"]
claim(
    "Of two rows that look at a rollout equally often, the one with a critic "
    "learns for longer",
    critic_costs > 0,
    measured=critic_costs / sum(parts["PPO"].values()) * 100,
    unit="% of PPO's seconds",
)

# %% [markdown]
# ## 8 · What we recommend
#
# A recommendation should follow from figures by a rule that was fixed before. Ours: of
# all methods that have a run as good as the worst run of the best one, which we call
# **not told apart**, take the one that needs the fewest seconds.

# %% tags=["folded"]
pick = min(equals, key=spent.get)
nearest = min(last, key=lambda name: last[name]["kl"])
desk.read(
    f"Highest on average: {winner}.\n"
    f"Not told apart from it by these seeds: "
    f"{', '.join(n for n in equals if n != winner) or 'none'}.\n"
    f"Of these the fewest seconds: {pick}.\n"
    f"Nearest to instruct at the end: {nearest}."
)
for name in METHODS:
    ahead = 100 * (won[name] - won[winner])
    times = spent[name] / spent[pick]
    print(
        f"{name:20} {about(ahead, 2):>6} points of wins from the best, "
        f"{about(times, 2)} times the seconds"
    )

# %%
claim(
    "Every method wins more than half of the prompts, with every seed",
    min(low for low, *_ in ranges.values()) > 0.5,
    measured=100 * min(low for low, *_ in ranges.values()),
    unit="% in the worst run",
)

# %% [markdown]
# A few seeds tell large differences and no small ones. And the rule above looks at
# this task only: one reward at the last token, stories of a hundred tokens, one small
# budget. Where drawing is dear (a large model that thinks for pages), whoever looks
# twice at a rollout saves more. Where a reward comes in the middle, a critic has
# something to say. Where nats must be few, read the left picture and not the table.
# Where pairs were collected from people and no reward model exists, DPO is the only
# one of the five that can begin today.
#
# ## What must not go wrong silently
#
# A group of one: nobody to compare with. And pairs that were encoded with another
# tokenizer, whose ids mean other words, or none.

# %%
try:
    leave_one_out(torch.tensor([1.0]), 1)
except ValueError as error:
    desk.read(str(error))

# %%
foreign = EncodedComparison([1, 50_000, 2], [1, 40_000, 2])
try:
    scores_of([foreign])
except ValueError as error:
    desk.read(str(error))

# %% [markdown]
# ## What did not work at this size
#
# - **A short race.** Each run has a fifth of the stories that the course's own PPO
#   model saw. Methods that begin slowly, such as one whose critic has to learn first,
#   are judged before they are at their best; chapter 12 tells what PPO reaches then.
# - **One setting each.** No method was tuned for this race, and it shows: who is far to
#   the right in the left picture, or turns back, was given too large a rate. Whoever
#   tunes one of them for a day may beat the others.
# - **Nobody looked at what else was lost.** Rejection sampling and DPO have no old
#   lessons either; chapter 12 says what that costs other tasks.
# - **The sick divisions on stories.** Stories here have similar lengths and spreads, so
#   that GRPO's divisions do little harm, and the race does not show it. That is why
#   there is a laboratory.
#
# ## What you learned
#
# - RLOO, GRPO and PPO are rows of one update; the others of a group are a critic that
#   needs no practice.
# - Dividing by the deviation takes the unit out of the reward, group by group; dividing
#   by the length lets wrong answers grow.
# - k3 is a good number and a bad loss: it lands at β ref / (c − r).
# - DPO is a reward model's loss on the policy itself. Both log-probabilities may fall,
#   since texts drawn from the reference lose whenever the policy moves.
# - At equal stories, look at nats and seconds too, and at every seed.

# %%
desk.quiz(
    "14",
    desk.ask(
        "In GRPO, all answers of a group get the same score. What is learned "
        "from them?",
        right=(
            "Nothing, and the dashboard should say so.",
            "The group is silent: less the mean, only zeros are left.",
        ),
        wrong=[
            (
                "It divides by zero.",
                "A small number stands beside the deviation; zero over it is "
                "zero.",
            ),
            (
                "All become more probable, if the score is high.",
                "A group is compared with itself only.",
            ),
        ],
    ),
    desk.ask(
        "During DPO the winners' log-probability falls. What do you do first?",
        right=(
            "Look at the margin, and at stories that the policy draws now.",
            "Falling alone says only that the policy moved.",
        ),
        wrong=[
            (
                "Stop: it unlearns what people like.",
                "The winners were drawn from the reference. Any move makes "
                "those less probable on average.",
            ),
            (
                "Exchange winners and losers.",
                "Then the margin would grow the wrong way round.",
            ),
        ],
    ),
    desk.ask(
        "Method A wins 70, 78 and 71 % with three seeds, method B 69, 74 and "
        "72 %, in half the time. What do you say?",
        right=(
            "Not told apart in wins; B is cheaper.",
            "The seeds of one differ by more than the methods do.",
        ),
        wrong=[
            (
                "A is better by one point.",
                "Its own runs differ by eight.",
            ),
            (
                "They are equally good.",
                "That was not shown either: more seeds could tell.",
            ),
        ],
    ),
)

# %%
desk.tally("14")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 11](../exercises/release/ps11/ps11.ipynb): DPO's loss,
# a group graded on a curve, and a race that is planned so that it can tell.
# **Play:** all stages side by side are in
# [0 · Start here](00_start_here.ipynb).
