# %% [markdown]
# # 12 · PPO
#
# **You will be able to** say what goes wrong with a policy gradient that looks at one
# rollout twice, and count it; compute an advantage by hand, through a critic; train a
# critic alone and say where in a story it knows something; read every curve of a run;
# tell a run that learned from one that only moved; judge a policy by three judges,
# say how many samples its training was worth, and what it cost elsewhere.
#
# **You need** [7 · Instruction tuning](07_instruction_tuning.ipynb) and two things from
# phase three: the policy gradient (chapter 9) and a reward that was learned from
# comparisons (chapters 10 and 11).
#
# **Time** 3 minutes to run on two processor cores, half of it two
# training runs; an hour and a half to work through.
#
# **Where we are in the model's life:** `instruct → ppo`, judged on the way by
# `instruct → reward`.

# %%
import difflib
import json
import math
import random
from dataclasses import replace
from inspect import getsource

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import desk, life, plots, village
from llmlab.best_of_n import expected_best, kl_bound, sample_scores
from llmlab.claims import about, claim
from llmlab.evaluation import Share, answers_scored, sign_test, win_rate
from llmlab.exact import World, kl_divergence
from llmlab.instruction import render_prompt, replay_loss
from llmlab.life.judging import story_metrics
from llmlab.life.stories import story_reward, story_scores
from llmlab.optimisers import adamw
from llmlab.paths import ROOT, RUNS
from llmlab.policy_gradient import (
    clipped_policy_loss,
    policy_step,
)
from llmlab.ppo import (
    Critic,
    ValueModel,
    explained_variance,
    generalised_advantages,
    whiten,
)
from llmlab.preferences import EQUAL, LabelStore
from llmlab.rollouts import (
    frozen_copy,
    log_probs_of,
    roll_out,
    sequence_kl,
)
from llmlab.training import train
from llmlab.village.gold import read
from llmlab.widgets import PairLabeller, TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
shared = course.recipe.shared
instruct = course.load("instruct").requires_grad_(False)
reward = course.load("reward")

# %% [markdown]
# Three pieces are on the table: a model that tells dry stories, a reward that was
# learned from what people preferred, and an update that makes more probable what was
# rewarded. This chapter puts them together. The update is the one of chapter 9 with
# four things added, a **ratio**, a **clip**, a **critic** and several looks at one
# rollout. Each of them repairs something. So first let us break it.
#
# ## 1 · A rollout is dear. May one look at it twice?
#
# Drawing stories takes most of the time of an update. It would be a pity to use each
# for one small step only. But after that step the policy is another one, and the
# stories are still those of the old one. Does that matter? Back to the world in which
# all 31 texts can be listed.

# %%
world = World(vocab_size=3, time=4)
dice = torch.Generator().manual_seed(3)
old = world.random_logits(dice)
rewards = torch.randn(31, generator=dice, dtype=torch.float64)
paid = rewards - world.expected_reward(old, rewards)
new = old + 2.0 * world.gradient(old, rewards)  # one long step uphill

# %% [markdown]
# `new` is one step further than `old`. We want the gradient at `new`, and have texts
# from `old`. Three ways to use them: as if nothing had happened; every token weighted
# by its **ratio**, its probability under `new` divided by that under `old`; every text
# weighted by the ratio of the whole text.

# %%
desk.predict(
    "12/reuse",
    "Which of the three is exactly right, on average over all texts?",
    options=[
        "as if nothing had happened",
        "a ratio for each token",
        "a ratio for the whole text",
    ],
)

# %%
truth = world.gradient(new, rewards).flatten()
log_ratio = world.token_log_probs(new) - world.token_log_probs(old)
ways = {
    "as if nothing had happened": torch.ones_like(log_ratio),
    "a ratio for each token": log_ratio.exp(),
    "a ratio for the whole text": log_ratio.sum(dim=1, keepdim=True)
    .exp()
    .expand(-1, world.time),
}
off, scatter = {}, {}
for name, weight in ways.items():
    estimates = world.estimates(new, weight * paid[:, None])
    mean, scatter[name] = world.moments(old, estimates)
    off[name] = float((mean - truth).norm() / truth.norm())
    print(f"{name:28} off by {off[name]:6.1%}   scatter {scatter[name]:.2f}")

# %%
desk.answer(
    "12/reuse",
    min(off, key=off.get),
    "It asks how much more often the new policy writes this very text. A "
    "ratio for each token forgets that the beginning of the text has become "
    "more or less probable as well.",
)
claim(
    "The ratio of the whole text is exact, to 12 decimal places",
    off["a ratio for the whole text"] < 1e-12,
    measured=off["a ratio for the whole text"],
)
claim(
    "A ratio for each token is nearer to the truth than none",
    off["a ratio for each token"] < off["as if nothing had happened"],
    measured=100 * off["a ratio for each token"],
    unit="% of the gradient's length away",
)

# %% [markdown]
# So why does PPO take the token's? A story has a hundred tokens, and a product of a
# hundred ratios is either next to nothing or enormous: exact on average, useless in
# the single case. The token's ratio is a compromise that is good while the policies are
# near each other, which is one more reason for small steps.
#
# ## 2 · Why the ratio needs a clip
#
# With a ratio, one may look at a rollout again and again. What is to stop one from
# looking a hundred times? A rollout is a small sample, and a judge has moods. Draw 16
# texts from `old`, add luck to their rewards as every learned judge does, and let the
# policy climb what these texts say. There are three curves to watch: what the rollout
# *promises* (the rewards that were seen, weighted by the ratios), what is *true* (the
# expected reward, which can be counted here), and how far the policy has moved.

# %%
desk.predict(
    "12/promise",
    "Without a clip: after forty looks, how do promise and truth compare?",
    options=[
        "both have risen alike",
        "the promise is far above the truth",
        "the truth is above the promise",
    ],
)


# %% tags=["folded"]
chances = world.probabilities(old)


def climb(seed, clip, looks=40, texts=16, luck=2.0):
    """Promise, truth and KL after each look at one small rollout."""
    dice = torch.Generator().manual_seed(seed)
    how = dict(replacement=True, generator=dice)
    drawn = torch.multinomial(chances, texts, **how)
    earned = rewards[drawn] + luck * torch.randn(texts, generator=dice)
    before, mask = world.token_log_probs(old)[drawn], world.mask[drawn]
    better = (earned - earned.mean())[:, None].expand_as(mask)
    logits = old.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    curves = []
    for _ in range(looks):
        now = world.token_log_probs(logits)[drawn]
        loss = clipped_policy_loss(
            now, before, better, mask / mask.sum(), clip
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        policy = world.probabilities(logits.detach())
        ratio = policy[drawn] / chances[drawn]
        curves.append(
            [
                (ratio * earned).sum() / ratio.sum(),
                policy @ rewards,
                kl_divergence(policy, chances),
            ]
        )
    return torch.tensor(curves)


clips = {"no clip": 1e9, "clipped at 0.2": 0.2}
looked = {
    name: torch.stack([climb(seed, clip) for seed in range(12)]).mean(dim=0)
    for name, clip in clips.items()
}
plots.small_multiples(
    {
        title: {name: curves[:, column] for name, curves in looked.items()}
        for column, title in enumerate(
            ["promised reward", "true reward", "KL to where it began"]
        )
    },
    x_label="look",
)

# %%
began = float(chances @ rewards)
(promise, truth, far), (promised, true, near) = (
    curves[-1].tolist() for curves in looked.values()
)
desk.answer(
    "12/promise",
    "the promise is far above the truth"
    if promise > truth + 0.5
    else "the truth is above the promise"
    if truth > promise + 0.5
    else "both have risen alike",
    f"{about(promise, 2)} was promised and {about(truth, 2)} is true, averaged "
    f"over twelve rollouts. With the clip: {about(promised, 2)} and "
    f"{about(true, 2)}.",
)
claim(
    "Without the clip the promise is off by more",
    promise - truth > promised - true,
    measured=(promise - truth) / (promised - true),
    unit="times as far",
)
claim(
    "And the policy moves at least three times as far on one rollout",
    far > 3 * near,
    measured=far / near,
    unit="times",
)
claim(
    "The true reward has risen with the clip, and without it",
    min(true, truth) > began,
    measured=f"from {about(began, 2)} to {about(true, 2)} and to "
    f"{about(truth, 2)}",
)

# %% [markdown]
# Be fair to the loser: the true reward has risen without the clip, too. In a world of
# 31 texts a gamble is cheap. What has gone is the connection between what the curve
# says and what is so, and with it any sense of when to stop: all that the policy did
# after the first looks, it did on the word of 16 texts and their luck. The clip makes
# of one long gamble many short steps, each with fresh texts.
#
# The clip says: a token that has become 1.2 times as probable (or 0.8 times) has got
# what one rollout can justify. It is one line of the loss.

# %%
print(getsource(clipped_policy_loss))

# %% [markdown]
# What does it do to one token? Below is the push on its log-probability: positive makes
# it more probable. In which cases should the pushing stop? In which never?

# %%
desk.predict(
    "12/push",
    "A token was better than usual (advantage 1), and is already 1.3 times "
    "as probable as when it was drawn. How hard is it pushed?",
    options=["1.3", "1.0", "0", "-1.3"],
)
desk.predict(
    "12/back",
    "A token was worse than usual (advantage -1), and is 1.3 times as "
    "probable. How hard is it pushed?",
    options=["-1.3", "-1.0", "0", "1.3"],
)

# %% tags=["folded"]
ratios = torch.tensor([0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.5])


def push(advantage):
    """- d loss / d log-probability of a token, at each ratio."""
    log_probs = ratios.log().requires_grad_()
    loss = clipped_policy_loss(
        log_probs,
        torch.zeros_like(ratios),
        torch.full_like(ratios, float(advantage)),
        weights=torch.ones_like(ratios),
    )
    return 0 - torch.autograd.grad(loss, log_probs)[0]


print("ratio             ", "".join(f"{ratio:7.1f}" for ratio in ratios))
for name, advantage in {"better than usual": 1, "worse than usual": -1}.items():
    print(f"{name:18}", "".join(f"{p:7.1f}" for p in push(advantage).tolist()))

# %%
pushes = [f"{push(sign)[5].item() + 0.0:.2g}" for sign in (1, -1)]
desk.answer(
    "12/push",
    pushes[0],
    "It has moved far enough in the right direction: more is not justified "
    "by this one rollout.",
)
desk.answer(
    "12/back",
    pushes[1],
    "It moved in the wrong direction, and is always brought back.",
)

# %% [markdown]
# Two things to see. At ratio 1, where every rollout begins, the push is the
# advantage: PPO's first step *is* the policy gradient. And the zeros stand only
# where the token has already moved far enough in the *right* direction. The same as
# a picture: no slope, no push.

# %% tags=["folded"]
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.6), layout="constrained")
grid = torch.linspace(0, 2, 201)
for axes, (name, sign) in zip(
    figure.subplots(1, 2, sharey=True),
    {"better than usual (A = 1)": 1, "worse than usual (A = -1)": -1}.items(),
    strict=True,
):
    objective = torch.minimum(sign * grid, sign * grid.clamp(0.8, 1.2))
    axes.plot(grid, sign * grid, ":", color=plots.GREY, label="unclipped")
    axes.plot(grid, objective, color=plots.BLUE, linewidth=2.5, label="PPO")
    axes.axvline(1, color=plots.GREY, linewidth=0.8)
    axes.set(title=name, xlabel="ratio")
    axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
figure.axes[0].set_ylabel("objective")
plots.show(
    figure,
    alt="PPO's objective for one token against the ratio. For a good token it "
    "rises up to ratio 1.2 and is flat beyond. For a bad one it is flat below "
    "0.8 and falls beyond.",
)

# %% [markdown]
# ## 3 · What was to be expected? The critic
#
# Chapter 9 compared a story with other stories. But a story is a hundred decisions, and
# one number for all of them praises the dull beginning along with the fine end. A
# **critic** says before *every* token what the rest of the story will probably earn,
# $V_t$. What a token did is then the change from before it to after it:
#
# $$\delta_t = r_t + V_{t+1} - V_t$$
#
# Take three tokens. The reward is 1 and comes at the end; the critic says 0.2, then
# 0.5, then 0.4.

# %%
rewarded = torch.tensor([[0.0, 0.0, 1.0]])
values = torch.tensor([[0.2, 0.5, 0.4]])
everything = torch.ones(1, 3, dtype=torch.bool)
following = torch.tensor([[0.5, 0.4, 0.0]])  # nothing comes after the end
delta = rewarded + following - values
print("delta:", [f"{number:+.1f}" for number in delta[0].tolist()])

# %% [markdown]
# The second token made the critic less hopeful, from 0.5 to 0.4. But the story ended
# well. Was the critic wrong about the token, or right and something later saved it? A
# critic that is not yet good should not have the last word, so each $\delta$ is passed
# back to earlier tokens too, weaker by $\lambda$ at every step: *generalised advantage
# estimation*, $A_t = \delta_t + \lambda A_{t+1}$.

# %%
desk.predict(
    "12/gae",
    "With λ = 0.5: what is the advantage of the first token?",
    options=["0.3", "0.4", "0.8", "1.0"],
)

# %%
lam, by_hand = 0.5, []
for number in reversed(delta[0].tolist()):
    by_hand.insert(0, number + lam * (by_hand[0] if by_hand else 0.0))
advantages, returns = generalised_advantages(
    rewarded, values, everything, gae_lambda=lam
)
print("by hand:    ", [f"{number:.2f}" for number in by_hand])
print("the library:", [f"{number:.2f}" for number in advantages[0].tolist()])

# %%
desk.answer(
    "12/gae",
    f"{by_hand[0]:.1f}",
    "0.6 for the last token; 0.5 · 0.6 - 0.1 = 0.2 for the second; "
    "0.5 · 0.2 + 0.3 = 0.4 for the first.",
)
claim(
    "Both agree to 6 decimal places",
    float((advantages[0] - torch.tensor(by_hand)).abs().max()) < 1e-6,
    measured=f"{by_hand[0]:.2f} for the first token",
)

# %% [markdown]
# With $\lambda = 1$ the critic's later opinions cancel out, and what is left is what
# was earned less $V_t$: right on average whatever the critic says, and noisy. With
# $\lambda = 0$ only the critic speaks: quiet, and as wrong as the critic is. In the
# small world we can count both, once with a critic who knows, once with one who
# guesses.

# %%
desk.predict(
    "12/lambda",
    "Which λ gives a gradient without bias even if the critic is wrong?",
    options=["0", "0.5", "0.95", "1"],
)

# %% tags=["folded"]
at_end = torch.zeros(world.mask.shape, dtype=torch.float64)
at_end[torch.arange(31), world.mask.sum(dim=1) - 1] = rewards
chance = world.probabilities(old)
states = world.states[world.mask]
told = (chance * rewards)[:, None].expand_as(at_end)[world.mask]
visits = chance[:, None].expand_as(at_end)[world.mask]
earned, seen = (
    torch.zeros(world.state_count, dtype=torch.float64).index_add(0, states, x)
    for x in (told, visits)
)
knows = (earned / seen)[world.states]  # what the texts through a state earn
guesses = torch.randn(world.state_count, generator=dice, dtype=torch.float64)
exact = world.gradient(old, rewards).flatten()
biased = {}
print("              a critic who knows      one who guesses")
print("lambda         off     scatter         off     scatter")
for lam in (0.0, 0.5, 0.95, 1.0):
    row = f"{lam:6g} "
    critics = {"knows": knows, "guesses": guesses[world.states]}
    for name, table in critics.items():
        weights, _ = generalised_advantages(
            at_end, table, world.mask, gae_lambda=lam
        )
        mean, noise = world.moments(old, world.estimates(old, weights))
        wrong = float((mean - exact).norm() / exact.norm())
        biased[name, lam] = wrong
        row += f"{wrong:12.1%}{noise:12.2f}"
    print(row)

# %%
unbiased = [
    lam
    for (who, lam), wrong in biased.items()
    if who == "guesses" and wrong < 1e-9
]
desk.answer(
    "12/lambda",
    "".join(f"{lam:g}" for lam in unbiased),
    "Everything the critic says about later tokens cancels out. The price is "
    "noise, and a critic who knows makes that smaller at every λ.",
)

# %% [markdown]
# The critic itself learns by the squared distance from its values to the *returns*,
# advantage plus value. And before the policy learns from them, all advantages of a
# rollout are **whitened**, brought to mean 0 and variance 1, so that the size of a step
# does not depend on the unit that the reward happens to have.

# %%
earned = returns[0].tolist()
print("returns:          ", [f"{number:.2f}" for number in earned])
loss = float((values - returns).square().mean() / 2)
print(f"value loss:        {loss:.4f}")
white = whiten(advantages, everything)[0].tolist()
print("whitened:         ", [f"{number:+.2f}" for number in white])
tenfold = generalised_advantages(
    10 * rewarded, 10 * values, everything, gae_lambda=0.5
)[0]
white = whiten(tenfold, everything)[0].tolist()
print("ten times as dear:", [f"{number:+.2f}" for number in white])

# %% [markdown]
# ## 4 · The critic alone
#
# How good can a critic of *stories* be, and where? Here is the instruct model's own
# rollout. The critic is asked before every token what the story will earn. Its
# **explained variance** says how much of the differences it foretells: 1 is all, 0 is
# no better than one number for all stories, below 0 is worse than that.
#
# Two critics. The first is the reward model itself, read in the middle of stories,
# which it never was in its training. The second begins without an opinion and practises
# on four rollouts first, its *warm-up*, in which the policy stays as it is.

# %%
desk.predict(
    "12/where",
    "Where in a story does the practised critic foretell the reward best?",
    options=["near the beginning", "in the middle", "near the end"],
)
desk.predict(
    "12/cold",
    "The reward model, read in the middle of a story: how good a critic is it?",
    options=["above 0", "about 0", "below 0"],
)

# %%
prompts = village.story_prompts(600, seed=0, split="train")
rendered = [render_prompt(tokenizer, prompt) for prompt in prompts]
kept_back = rendered[500:]  # what the critic is asked about afterwards
judge = story_reward(course, reward)
settings = replace(
    course.recipe.ppo, steps=4, warm_up=4, responses=48, minibatches=2, epochs=4
)


def learner(settings, judge, policy, value_model):
    """The update of a run, and all that it changes."""
    optimizers = {
        "policy": adamw(policy, settings.rate, eps=1e-5)["adamw"],
        "value": adamw(value_model, settings.critic_rate, eps=1e-5)["adamw"],
    }
    critic = Critic(value_model, settings, {"adamw": optimizers["value"]})
    step = policy_step(
        policy,
        frozen_copy(policy),
        judge,
        rendered[:500],
        settings,
        {"adamw": optimizers["policy"]},
        critic=critic,
    )
    modules = {"policy": policy, "value": value_model}
    return dict(modules=modules, optimizers=optimizers), step


def practise(label, settings, judge, policy, value_model, **watching):
    """A run from its first update to its last; its history."""
    what, step = learner(settings, judge, policy, value_model)
    return train(
        step,
        steps=settings.steps,
        **what,
        seed=0,
        progress=TrainingMonitor(**watching),
        label=label,
        after_a_stop="run the cell again, and it begins anew",
    )


# %%
value_model = ValueModel(reward.body)
warm_up = practise(
    "critic alone", settings, judge, course.load("instruct"), value_model
)


# %% tags=["folded"]
@torch.no_grad()
def explained_by_fifth(critic, rollout, scores):
    """Explained variance in each fifth of the stories."""
    mask = rollout.mask
    said = critic(rollout.batch.tokens, rollout.batch.segment_ids)
    place = (mask.cumsum(dim=1) - 1) / mask.sum(dim=1, keepdim=True)
    earned = scores[:, None].expand_as(said)
    fifths = (5 * place).floor()
    return [
        explained_variance(said, earned, mask & (fifths == fifth))
        for fifth in range(5)
    ]


def cold(tokens, segment_ids):
    """The reward model's head, read wherever one likes."""
    hidden = reward.body.hidden_states(tokens, segment_ids=segment_ids)
    return reward.gain * reward.head(hidden)[..., 0] + reward.bias


unseen = roll_out(
    instruct,
    kept_back,
    torch.Generator().manual_seed(1),
    max_new_tokens=shared.story_tokens,
    temperature=shared.story_temperature,
)
scores = judge(unseen.prompts, unseen.responses)
practised = lambda tokens, segment_ids: value_model(  # noqa: E731
    tokens, segment_ids=segment_ids
)
by_place = {
    "reward model, cold": explained_by_fifth(cold, unseen, scores),
    "after its warm-up": explained_by_fifth(practised, unseen, scores),
}
plots.lines(
    [1, 2, 3, 4, 5],
    by_place,
    x_label="fifth of the story",
    y_label="explained variance",
)

# %%
warm = by_place["after its warm-up"]
best = max(range(5), key=warm.__getitem__)
desk.answer(
    "12/where",
    ["near the beginning", "in the middle", "in the middle", "near the end"][
        max(0, best - 1)
    ],
    f"From {about(warm[0], 2)} in the first fifth to {about(warm[-1], 2)} in "
    "the last: what was told already is known, what is to come is not.",
)
middle = by_place["reward model, cold"][2]
desk.answer(
    "12/cold",
    "below 0" if middle < -0.05 else "above 0" if middle > 0.05 else "about 0",
    f"{about(middle, 2)} in the middle fifth. It learned to read a story's "
    "last token. What it says anywhere else, nothing ever corrected.",
)
claim(
    "Near the end the practised critic foretells something",
    warm[-1] > 0.05,
    measured=warm[-1],
)
claim(
    "Over all fifths, the warm-up makes a better critic than none (0)",
    sum(warm) / 5 > 0,
    measured=sum(warm) / 5,
)

# %% [markdown]
# With $\lambda = 1$ an advantage has (1 - explained variance) times the variance of the
# plain reward. So a critic at -1 *doubles* the noise that it was to take away, and the
# first updates of a run with a cold critic are worse than those of a run without one.
# That is why ours practises before the policy moves.
#
# ## 5 · The run
#
# All the parts, on the real model. The loop of one update:

# %% tags=["folded"]
plots.policy_loop(judge="reward model", beta=course.recipe.ppo.beta)

# %% [markdown]
# Every update
#
# 1. draws a **rollout**: stories to prompts, written by the policy as it is, at a
#    temperature below 1 (it is a part of the policy: probabilities are taken at the
#    same temperature wherever they are used),
# 2. scores them: what the reward model likes, less a price for every fault,
#    which a program counts; a story that has no end when the room is used up gets a
#    fixed low score,
# 3. charges $\beta$ for every nat of distance from the instruct model, token by
#    token,
# 4. asks the critic, and whitens the advantages,
# 5. goes through the rollout twice (`epochs`), in parts (`minibatches`): for each part
#    one clipped step of the policy and one of the critic.
#
# Does the whole of it work? A test of the course runs this very function in the world
# of 31 texts, where the best policy is known in closed form, and finds the policy
# there at the end. So whatever goes wrong with stories, it is not the update.
#
# One more number is counted in every rollout and told to nobody: the **gold** score,
# the village's hidden truth about a story. (One part of it is in the reward: the same
# reader counts the faults. For the rest, all that makes a story imaginative or
# dull, nobody pays.) It stays covered until section 6.
#
# A dozen updates on small rollouts take about a minute; the course's own run drew
# larger ones, and more of them, and had one thing more, which section 11 adds.

# %%
desk.predict(
    "12/critic",
    "What will the critic's explained variance do, from the first update to "
    "the last?",
    options=["rise", "stay as it is", "fall"],
)
desk.predict(
    "12/kl",
    "How far from instruct will the policy be after a dozen updates?",
    unit="nats a story",
)

# %% tags=["folded"]
gold_of = story_scores(course, village.gold_score)


def covered(judge, kept):
    """The same judge; the gold of what it sees is kept, and told to nobody."""

    def judged(prompts, responses):
        kept.append(gold_of(prompts, responses))
        return judge(prompts, responses)

    return judged


# %%
settings = replace(
    course.recipe.ppo, steps=12, warm_up=2, responses=64, minibatches=2
)
policy, hidden = course.load("instruct"), []


def sample():
    """What the policy makes of one prompt now."""
    told, _ = life.write_stories(course, policy, prompts[:1], seed=0)
    return told[0]


# %% [markdown]
# Run again, this cell begins with the instruct model anew.

# %%
policy, hidden = course.load("instruct"), []
history = practise(
    "PPO",
    settings,
    covered(judge, hidden),
    policy,
    ValueModel(reward.body),
    sample=sample,
)


# %% tags=["folded"]
def change(metric):
    """A number of the dashboard at both ends of the run."""
    return f"{about(history[0][metric])} to {about(history[-1][metric])}"


plots.show(
    plots.ppo_dashboard(history, title="A dozen updates"),
    alt="Small charts, update by update, of the score "
    f"({change('score')}), the KL divergence from the start ({change('kl')}), "
    "entropy, the share of clipped ratios, the variance that the critic "
    f"explains ({change('explained_variance')}), its loss, the length of "
    "answers and the share that end.",
)

# %%
explained = [entry["explained_variance"] for entry in history]
desk.answer(
    "12/critic",
    "rise"
    if explained[-1] > explained[0] + 0.05
    else "fall"
    if explained[-1] < explained[0] - 0.05
    else "stay as it is",
    f"From {about(explained[0], 2)} to {about(explained[-1], 2)}: it learns "
    "what stories earn faster than the policy changes them.",
)
desk.answer(
    "12/kl",
    history[-1]["kl"],
    f"It began at {about(history[0]['kl'], 2)}: at first the policy is the "
    "instruct model.",
    factor=2,
)

# %% [markdown]
# Two checks before any rejoicing. Before the first step on a rollout, old and new
# policy are the same model, so every ratio must be 1; if it is not, the two
# probabilities are computed in different ways, and what looks like learning is that
# difference. And the score must have risen by more than its noise, from the first
# four updates to the last four.

# %% tags=["folded"]
trained = [entry for entry in history if "policy_loss" in entry]
wrong = max(entry["first_ratio_error"] for entry in trained)
first, last = history[:4], history[-4:]
rise = sum(e["score"] for e in last) / 4 - sum(e["score"] for e in first) / 4
noise = math.hypot(*(e["score_error"] / 4 for e in first + last))

# %%
claim(
    "At the start of every rollout all ratios are 1, to 4 decimal places",
    wrong < 5e-5,
    measured=f"off by {about(wrong, 2)}",
)
claim(
    "The score rose by more than twice its standard error",
    rise > 2 * noise,
    measured=rise / noise,
    unit="times its standard error",
)

# %% [markdown]
# ## 6 · A placebo, and the gold uncovered
#
# A curve that rises is not yet an effect. Perhaps *any* thirty steps make stories
# longer, and longer stories score higher? Medicine gives half of the patients a sugar
# pill. Ours is the same run, eight updates of it, with the rewards of every rollout
# **shuffled**: the same numbers, given to the wrong stories.

# %%
desk.predict(
    "12/placebo",
    "What will the gold score of the placebo's stories do?",
    options=["rise", "stay where it was, up to noise", "fall"],
)


# %%
def shuffled(prompts, responses):
    """Every story gets some other story's reward."""
    scores = judge(prompts, responses)
    dice = torch.Generator().manual_seed(len(placebo_hidden))
    return scores[torch.randperm(len(scores), generator=dice)]


placebo_hidden = []
placebo = practise(
    "placebo",
    replace(settings, steps=8, warm_up=0, responses=48),
    covered(shuffled, placebo_hidden),
    course.load("instruct"),
    ValueModel(reward.body),
)

# %% tags=["folded"]
golden = [float(scores.mean()) for scores in hidden]
sugar = [float(scores.mean()) for scores in placebo_hidden]
plots.small_multiples(
    {
        "the score, as paid": {
            "PPO": [entry["score"] for entry in history],
            "placebo": [entry["score"] for entry in placebo],
        },
        "KL to the start (nats)": {
            "PPO": [entry["kl"] for entry in history],
            "placebo": [entry["kl"] for entry in placebo],
        },
        "gold, uncovered": {"PPO": golden, "placebo": sugar},
    }
)


# %% tags=["folded"]
def gain(kept):
    """Gold of the last four rollouts less the first four's; its error."""
    ends = torch.cat(kept[-4:]).double(), torch.cat(kept[:4]).double()
    error = math.hypot(*(end.std().item() / len(end) ** 0.5 for end in ends))
    return float(ends[0].mean() - ends[1].mean()), error


moved, error = gain(placebo_hidden)
earned, earned_error = gain(hidden)

# %%
desk.answer(
    "12/placebo",
    "stay where it was, up to noise"
    if abs(moved) <= 1.96 * error
    else "rise"
    if moved > 0
    else "fall",
    f"It changed by {about(moved, 2)}, where noise alone makes "
    f"{about(1.96 * error, 2)} of either sign. PPO's changed by "
    f"{about(earned, 2)}.",
)
claim(
    "The placebo's gold did not rise by more than its noise",
    moved <= 1.96 * error,
    measured=moved,
)
claim(
    "PPO's did, and by more than the placebo's",
    earned > 1.96 * earned_error and earned > moved,
    measured=earned,
)

# %% [markdown]
# Note the middle chart: the placebo *moves*, too. Thirty steps in random directions
# are thirty steps. Distance from the start says that something was learned by heart;
# whether it was worth learning, only a judge can say whom the policy was not paid by.

# %% [markdown]
# ## 7 · Each detail switched off once
#
# PPO has a name for being a bag of tricks. Which of them does this task need? A
# benchmark of the course (`make bench ARGS=details`) makes the same short run again and
# again, each time with one thing left out; what it stored is drawn here. It is one run
# each: small differences are luck.

# %%
desk.predict(
    "12/detail",
    "Which of these, left out, lets the policy run farthest from instruct?",
    options=["the clip", "the critic's warm-up", "the KL price", "the critic"],
)

# %% tags=["folded"]
stored = json.loads((ROOT / "data" / "details.json").read_text("utf-8"))
LONG = "the course's run without old lessons"  # of section 11
runs = {n: entry["history"] for n, entry in stored.items() if n != LONG}


def moves(name, metric):
    """A metric, update by update, from where the policy begins to move."""
    warm = stored[name]["identity"]["warm_up"]
    return [entry.get(metric, math.nan) for entry in runs[name][warm:]]


TELLING = {
    "no KL price": ("kl", "KL (nats)"),
    "no clip": ("kl", "KL (nats)"),
    "no second look": ("kl", "KL (nats)"),
    "cold critic": ("explained_variance", "explained variance"),
    "no critic": ("gold", "gold"),
    "lambda 0": ("gold", "gold"),
    "lambda 1": ("gold", "gold"),
    "no whitening": ("gold", "gold"),
}
plots.small_multiples(
    {
        f"{name}: {label}": {
            "PPO": moves("PPO", metric),
            "without it": moves(name, metric),
        }
        for name, (metric, label) in TELLING.items()
        if name in runs
    }
)

# %%
left_out = {
    "no clip": "the clip",
    "cold critic": "the critic's warm-up",
    "no KL price": "the KL price",
    "no critic": "the critic",
}
farthest = {what: moves(name, "kl")[-1] for name, what in left_out.items()}
desk.answer(
    "12/detail",
    max(farthest, key=farthest.get),
    f"{about(max(farthest.values()), 2)} nats after a dozen updates; with "
    f"everything in its place {about(moves('PPO', 'kl')[-1], 2)}.",
)
claim(
    "A cold critic begins below the one that practised",
    moves("cold critic", "explained_variance")[0]
    < moves("PPO", "explained_variance")[0],
    measured=moves("cold critic", "explained_variance")[0],
)

# %% [markdown]
# And what did it do for gold? The last three rollouts of each run, beside PPO's.

# %% tags=["folded"]
print("left out           gold, last three updates      KL at the end")
for name in runs:
    last_gold = sum(moves(name, "gold")[-3:]) / 3
    nats = moves(name, "kl")[-1]
    print(f"{name:18} {about(last_gold, 3):>12} {about(nats, 2):>24}")

# %% [markdown]
# Read that table with the caution it deserves: one run each, 192 stories a figure, a
# dozen updates. And look once more at the dashboard: if hardly a ratio is clipped,
# the clip can hardly be missed. It is an insurance, and one does not judge an
# insurance by a year without a fire.
#
# But one difference is too large for luck, and it is not to PPO's credit.

# %%
desk.predict(
    "12/fade",
    "λ is 0.95 and the reward comes at the last token. Which share of it "
    "reaches the token 50 places before, if the critic knows nothing?",
    unit="%",
)

# %%
for places in (1, 10, 20, 50, 100):
    print(f"{places:4} places before: {0.95**places:6.1%}")

# %%
desk.answer(
    "12/fade",
    100 * 0.95**50,
    "The rest would have to come from the critic, and a dozen updates old it "
    "does not know much yet.",
    within=5,
)
last = {name: sum(moves(name, "gold")[-3:]) / 3 for name in runs}
claim(
    "With λ = 1, and with no critic at all, gold rose further in a dozen "
    "updates",
    min(last["lambda 1"], last["no critic"]) > last["PPO"] + 0.2,
    measured=min(last["lambda 1"], last["no critic"]) - last["PPO"],
    unit="points further",
)

# %% [markdown]
# λ = 0.95 comes from games, where something is earned at every step. Here all is earned
# at the end, and the beginning of a story hears of it only through the critic. The two
# runs that see the whole reward everywhere learn faster. (They also went three times as
# far from instruct: a part of the gain is distance, which more updates would have
# bought too.) The course's own run keeps 0.95, and pays for that with updates. Chapters
# later than this one have rows without a critic; keep this table in mind.
#
# ## 8 · Dry stories become imaginative
#
# From here on: the course's own PPO model, whose updates saw more stories, beside the
# instruct model that it came from. One story each to new prompts, at the temperature of
# training. Whatever could be chosen was chosen on other prompts.
#
# Twenty of them as a **strip**: a row a story, a cell a sentence. Grey cells are the
# plot; colours are what somebody *added* to it.

# %%
desk.predict(
    "12/additions",
    "How many times as many additions will there be in PPO's stories?",
    unit="times",
)

# %% tags=["folded"]
ppo = course.load("ppo").requires_grad_(False)
asked = village.story_prompts(120, seed=course.seed + 1, split="test")
models = {"instruct": instruct, "ppo": ppo}
stories, rollouts = {}, {}
for seed, (name, model) in enumerate(models.items()):
    stories[name], rollouts[name] = life.write_stories(
        course, model, asked, seed
    )
readings = {
    name: [read(*pair) for pair in zip(asked, told, strict=True)]
    for name, told in stories.items()
}
plots.story_strips(
    {
        "before: instruct": [f.kinds for f in readings["instruct"][:20]],
        "after: PPO, the same prompts": [f.kinds for f in readings["ppo"][:20]],
    }
)


# %% [markdown]
# Two of them in words.

# %% tags=["folded"]
gold = {
    name: [village.gold_score(*pair) for pair in zip(asked, told, strict=True)]
    for name, told in stories.items()
}
gains = [new - old for old, new in zip(*gold.values(), strict=True)]
middle = sorted(range(20), key=gains.__getitem__)[10]
desk.read(asked[middle])
for name in models:
    desk.read(f"\n[{name}]\n{stories[name][middle]}\n")


# %% tags=["folded"]
def changed(before, after):
    """Share of the sentences after that keep no place in the order before."""
    kept = total = 0
    for old, new in zip(before, after, strict=True):
        same = difflib.SequenceMatcher(None, old.kinds, new.kinds, False)
        kept += sum(block.size for block in same.get_matching_blocks())
        total += len(new.kinds)
    return 1 - kept / total


table = {name: story_metrics(asked, told) for name, told in stories.items()}
WORDS = {
    "gold": "gold score",
    "words": "words a story",
    "additions": "additions a story",
    "clean": "free of every fault",
    "consistent": "free of contradictions",
    "favourites": "favourite wordings",
    "distinct": "distinct 4-grams",
}
print(f"{'':24}   instruct        ppo")
for metric, words in WORDS.items():
    before, after = (about(table[name][metric], 3) for name in models)
    print(f"{words:24} {before:>10} {after:>10}")
share = changed(readings["instruct"], readings["ppo"])

# %%
times = table["ppo"]["additions"] / table["instruct"]["additions"]
desk.answer(
    "12/additions",
    times,
    "It told them before, now and then. Practice makes frequent what was "
    "already there.",
    factor=1.5,
)
claim(
    "PPO tells at least 1.8 times as many additions",
    times >= 1.8,
    measured=times,
    unit="times",
)
claim(
    "At least every fourth sentence is of another kind, or in another place",
    share >= 0.25,
    measured=100 * share,
    unit="%",
)
claim(
    "Distinct 4-grams are at least 85 % of the parent's",
    table["ppo"]["distinct"] >= 0.85 * table["instruct"]["distinct"],
    measured=100 * table["ppo"]["distinct"] / table["instruct"]["distinct"],
    unit="%",
)

# %% [markdown]
# *Favourite wordings* are the share of beats told in the commonest of their wordings:
# a policy that has found one good story and tells it again and again has many.
# *Distinct 4-grams* ask the same of every four words in a row. They belong beside
# every win-rate, since a judge who reads one story at a time cannot see that the next
# one is the same.
#
# ## 9 · Three judges
#
# The policy was trained to please the first of them. The second it never saw, except
# for the faults, whose count was taken off its reward.

# %%
desk.predict(
    "12/wins", "By gold, which share of the prompts does PPO win?", unit="%"
)
desk.predict(
    "12/partial",
    "And by the reward model, which it was paid by?",
    options=["fewer", "about as many", "more"],
)

# %% tags=["folded"]
liked = {
    name: [
        score
        for part in told
        for score in reward.score(part.prompts, part.responses).tolist()
    ]
    for name, told in rollouts.items()
}
verdicts = {
    "reward model (paid it)": win_rate(liked["ppo"], liked["instruct"]),
    "gold (never shown)": win_rate(gold["ppo"], gold["instruct"]),
}
by_gold = verdicts["gold (never shown)"]
paid_by = verdicts["reward model (paid it)"]
kl = torch.cat(
    [
        sequence_kl(
            log_probs_of(ppo, part), log_probs_of(instruct, part), part.mask
        )
        for part in rollouts["ppo"]
    ]
)
plots.win_rate_intervals(
    {name: (won.rate, *won.interval) for name, won in verdicts.items()},
    against="instruct",
)

# %%
desk.answer(
    "12/wins",
    100 * by_gold.rate,
    "A prompt for which both stories score alike counts one half.",
    within=7,
)
desk.answer(
    "12/partial",
    "more"
    if paid_by.rate > by_gold.rate + 0.02
    else "fewer"
    if paid_by.rate < by_gold.rate - 0.02
    else "about as many",
    f"{about(100 * paid_by.rate, 2)} % against {about(100 * by_gold.rate, 2)} "
    "%. What the first likes and the second does not is what a policy learns "
    "when it learns to please.",
)
claim(
    "Judged by gold, the 95 % interval lies above two thirds",
    by_gold.interval[0] > 2 / 3,
    measured=f"{about(100 * by_gold.rate, 3)} %, "
    f"from {about(100 * by_gold.interval[0], 3)} %",
)
claim(
    "The same stories lie less than 15 nats from instruct",
    float(kl.mean()) < 15,
    measured=float(kl.mean()),
    unit="nats a story",
)

# %% [markdown]
# ### The third judge is you
#
# Twelve pairs, one story by each model, and nothing says which is whose. Decide with
# the keys 1 and 2, or e; your choices are on the disk before the next pair appears.

# %% tags=["folded"]
RUNS.mkdir(parents=True, exist_ok=True)
sides = random.Random(12)
pairs = [
    village.StoryPair(asked[number], *sides.sample(both, 2))
    for number, both in enumerate(
        zip(stories["instruct"], stories["ppo"], strict=True)
    )
    if number >= 20 and both[0] != both[1]
][:12]
labeller = PairLabeller(pairs, LabelStore(RUNS / "blind.sqlite"))
display(labeller)

# %% tags=["folded"]
mine = [
    label
    for label in labeller.comparisons("person")
    if label.preferred != EQUAL
]
theirs = set(stories["ppo"])
wins = sum(label.winner in theirs for label in mine)
rows = {
    "reward model": f"{about(100 * paid_by.rate, 2)} % of {len(asked)} prompts",
    "gold": f"{about(100 * by_gold.rate, 2)} % of {len(asked)} prompts",
    "you, blind": f"{wins} of {len(mine)} pairs" if mine else "nobody clicked",
}
print("judge           PPO wins")
for who, what in rows.items():
    print(f"{who:15} {what}")

# %% [markdown]
# (In the stored page nobody clicked: it was built by a program, and only a person's
# click counts as a person's. Twelve pairs tell little more than whether you see a
# difference at all: even twelve of twelve leave an interval from 76 % up.)

# %%
alone = Share(12, 12)
print(f"twelve of twelve: at least {alone.interval[0]:.0%}")

# %% [markdown]
# ## 10 · How many samples is the training worth?
#
# There is a way to better stories without any training: draw $n$ from instruct, keep
# the one that the reward likes best (chapter 11). It costs $n$ times the writing, each
# time, and its distance from instruct is at most $\log n - (n - 1)/n$. So put both on
# one chart: what is the gold of the best of $n$, and where is PPO?

# %%
desk.predict(
    "12/worth",
    "Best of how many samples is as good as one story by PPO?",
    options=["2", "4", "8", "16", "more than 16"],
)

# %% tags=["folded"]
few = asked[:24]
few_ids = [render_prompt(tokenizer, prompt) for prompt in few]
drawn, many = sample_scores(
    instruct,
    judge,
    few_ids,
    torch.Generator().manual_seed(5),
    samples=16,
    max_new_tokens=shared.story_tokens,
    temperature=shared.story_temperature,
    unfinished_score=course.recipe.ppo.unfinished_score,
)
many_gold = gold_of(drawn.prompts, drawn.responses).view(-1, 16)
_, told_twice = sample_scores(
    ppo,
    gold_of,
    few_ids,
    torch.Generator().manual_seed(6),
    samples=6,
    max_new_tokens=shared.story_tokens,
    temperature=shared.story_temperature,
)
reached = float(told_twice.mean())
counts = (1, 2, 4, 8, 16)
curve = [float(expected_best(many, n, many_gold).mean()) for n in counts]
oracle = [float(expected_best(many_gold, n).mean()) for n in counts]
figure = Figure(figsize=(plots.WIDTH_INCHES, 3.2), layout="constrained")
axes = figure.subplots()
nats = [kl_bound(n) for n in counts]
axes.plot(nats, oracle, "--s", color=plots.GREY, label="best of n by gold")
axes.plot(nats, curve, "-o", color=plots.BLUE, label="best of n by the reward")
for n, x, y in zip(counts, nats, curve, strict=True):
    axes.annotate(f"n = {n}", (x, y), (4, -13), textcoords="offset points")
ppo_look = dict(color=plots.VERMILLION, markersize=11, label="PPO, one story")
axes.plot([float(kl.mean())], [reached], "D", **ppo_look)
axes.axhline(reached, color=plots.VERMILLION, linewidth=0.8, linestyle=":")
axes.set(xlabel="KL to instruct (nats; of best-of-n at most)", ylabel="gold")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower right")
plots.show(
    figure,
    alt="Gold against the distance from instruct. The best of n by the reward "
    f"rises from {about(curve[0])} at n = 1 to {about(curve[-1])} at n = 16, "
    f"the best by gold itself to {about(oracle[-1])}. One story by PPO has "
    f"{about(reached)}, at {about(float(kl.mean()), 2)} nats.",
)

# %%
enough = [n for n, value in zip(counts, curve, strict=True) if value >= reached]
desk.answer(
    "12/worth",
    str(max(2, enough[0])) if enough else "more than 16",
    "PPO pays once, in training, and in nats; best-of-n pays with every story.",
)
claim(
    "One story by PPO is better than the best of two by instruct",
    reached > curve[1],
    measured=reached - curve[1],
    unit="of gold",
)

# %% [markdown]
# Look at the nats, too. For the distance it travels, best-of-n gets more gold than
# PPO: it changes nothing but the choice. PPO's nats go in part into what no judge asked
# for.
#
# ## 11 · What it cost the other tasks
#
# The policy practises stories only. Nobody pays it for French any more, or for an
# answer at the help desk, and its weights are the same weights. There is a cure that is
# as old as PPO for language models, *PPO-ptx* (Ouyang et al. 2022): let a part of every
# step come from phase two's own loss, so that the old lessons are repeated while the
# new one is learned.

# %%
print(getsource(replay_loss))

# %% [markdown]
# It is an argument of the update: `policy_step(…, replay=replay_loss(…))`. The
# course's own policy was trained with it, on lessons of every kind but stories. The
# benchmark of section 7 made that run once more *without* it, everything else being the
# same. How many right answers did each of the two lose or gain, of 300 test prompts a
# task, beside instruct?

# %%
desk.predict(
    "12/tax",
    "Without the old lessons: in which task are most right answers lost?",
    options=["translate", "summarise", "support", "question", "talk"],
)
desk.predict(
    "12/cure",
    "With them: how many points does the worst task lose?",
    unit="points",
)

# %% tags=["folded"]
TASKS = ("translate", "summarise", "support", "question", "talk")
changes = {
    "without": stored[LONG]["changes"],
    "with old lessons": course.card("ppo").metrics,
}
change = {
    way: {task: 100 * told[f"change_{task}"] for task in TASKS}
    for way, told in changes.items()
}
print("right answers, in points" + "".join(f"{way:>19}" for way in change))
for task in TASKS:
    row = "".join(f"{points[task]:+19.1f}" for points in change.values())
    print(f"{task:24}{row}")

# %%
without, kept = change.values()
worst = min(TASKS, key=without.get)
desk.answer(
    "12/tax",
    worst,
    f"{about(-without[worst], 2)} points. Small talk is most like stories: "
    "free sentences about the village, with nothing to look up. What is like "
    "the thing practised, and is not it, changes with it."
    if worst == "talk"
    else f"{about(-without[worst], 2)} points.",
)
desk.answer(
    "12/cure",
    max(0.0, -min(kept.values())),
    "And gold rose all the same: what is repeated costs a tenth of the time.",
    within=3,
)
claim(
    "With the old lessons, the worst task loses less than without",
    min(kept.values()) > min(without.values()),
    measured=min(kept.values()) - min(without.values()),
    unit="points",
)
claim(
    "And no task loses more than two points",
    min(kept.values()) > -2,
    measured=min(kept.values()),
    unit="points",
)

# %% [markdown]
# Where you want to see it for yourself: sixty prompts of the task that suffered most,
# both models, the same prompts. If they differ, the sign test says how often coins
# would fall so unevenly.

# %% tags=["folded"]
examples = village.instructions(
    60, seed=course.seed + 1, split="test", task=worst
)
right = {}
for name, model in models.items():
    answered = answers_scored(
        model,
        tokenizer,
        examples,
        village.score_answer,
        max_new_tokens=course.longest_answer(worst),
    )
    right[name] = [bool(score) for score in answered[worst]["right"]]
for name, told in right.items():
    print(f"{name:9} {about(float(sum(told)), 2)} of 60 right")
print(f"by coins alone: {about(sign_test(*right.values()), 1)}")

# %% [markdown]
# ## What did not work at this size
#
# - **Gold lags behind the score.** What the reward model likes and gold does not is
#   learned as eagerly as the rest. Chapter 11's bench of faults says what that is.
# - **Few tricks show in a dozen updates.** Most of section 7's differences are smaller
#   than the luck of one run. We tell them because leaving them out would look as if
#   every trick were needed.
# - **Nats are spent on nothing.** The placebo moved as well. Best-of-n does more with
#   fewer.
# - **Skill that instruct lacks is not invented.** PPO makes more probable what the
#   model already writes now and then.

# %% [markdown]
# ## What you learned
#
# - A rollout may be looked at again if every token is weighted by its ratio, and only
#   while the ratio is near 1: that is what the clip is for.
# - A critic takes noise away if it knows something. One that does not adds noise;
#   therefore it practises first, and its explained variance is on the dashboard.
# - λ trades the critic's errors for noise; whitening takes the unit out of the reward.
# - A placebo moves without learning. Only a judge who did not pay can tell.
# - Training is worth so many samples, at so many nats, and has a price elsewhere that
#   the reward does not see.

# %%
desk.quiz(
    "12",
    desk.ask(
        "A token has a negative advantage and its ratio is 1.3. What does "
        "PPO do?",
        right=("It makes the token less probable.", "See the table."),
        wrong=[
            (
                "Nothing, it is clipped.",
                "The clip only stops what went far enough in the right "
                "direction. This one went in the wrong one.",
            ),
            (
                "It makes the token more probable.",
                "It was worse than usual, so it must become rarer.",
            ),
        ],
    ),
    desk.ask(
        "The critic's explained variance is -0.5, and λ is 1. What do its "
        "values do?",
        right=(
            "They make every advantage noisier.",
            f"Its variance is {1 + 0.5:.1f} times that of the plain returns.",
        ),
        wrong=[
            (
                "They bias the gradient.",
                "With λ = 1 a wrong critic costs noise, never bias.",
            ),
            (
                "Nothing: a bad critic is ignored.",
                "Nobody ignores it; it is subtracted from every return.",
            ),
        ],
    ),
    desk.ask(
        "A run with shuffled rewards has moved 2 nats. What does that say?",
        right=(
            "That a distance from the start is no sign of learning.",
            "Noise moves a policy too; gold stayed where it was.",
        ),
        wrong=[
            (
                "That its rewards were not shuffled well.",
                "Random steps are steps.",
            ),
            (
                "That it learned something else.",
                "There was nothing in the rewards to be learned.",
            ),
        ],
    ),
)

# %%
desk.tally("12")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 8](../exercises/release/ps8/ps8.ipynb), the parts of PPO
# and a dashboard to read, and [problem set 9](../exercises/release/ps9/ps9.ipynb), a
# museum of faults as they were published.
# **Play:** all stages side by side are in
# [0 · Start here](00_start_here.ipynb).
