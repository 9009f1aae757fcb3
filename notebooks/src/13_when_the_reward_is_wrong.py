# %% [markdown]
# # 13 · When the reward is wrong
#
# **You will be able to** say why the best of many measurements is overrated, and by
# how much; watch a policy find the faults of a small reward, and name what it found;
# put training and best-of-n on one axis of distance; tell what early stopping, a price
# on distance, more labels, cautious heads and a second round of labels are worth, with
# the interval that three runs leave.
#
# **You need** [11 · The reward model](11_the_reward_model.ipynb). The reward is of the
# kind of [11b](11b_your_taste.ipynb), the update that of
# [chapter 9](09_policy_gradients.ipynb).
#
# **Time** 3 minutes to run on two processor cores, half of it stories being drawn; an
# hour and a quarter to work through.
#
# **Where we are in the model's life:** beside the road. `instruct → spoilt`, and what
# would have prevented it.

# %%
import copy
import itertools
import json
import math
from inspect import getsource

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import desk, ensemble, life, plots, village
from llmlab.best_of_n import expected_best, kl_bound, sample_scores
from llmlab.checkpoints import weights_hash
from llmlab.claims import about, claim
from llmlab.instruction import render_prompt
from llmlab.life.stories import story_scores
from llmlab.optimisers import adamw
from llmlab.paths import DATA
from llmlab.policy_gradient import PolicySettings, policy_step
from llmlab.preferences import label
from llmlab.rollouts import frozen_copy
from llmlab.taste import bootstrap, fit, pair_differences, scale_of, taste_of
from llmlab.training import train
from llmlab.village.gold import read
from llmlab.widgets import TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
shared = course.recipe.shared
instruct = course.load("instruct").requires_grad_(False)
stored = json.loads((DATA / "wrong_reward.json").read_text("utf-8"))
sizes = stored["one head, 1"]["identity"]

# %% [markdown]
# A reward is a measuring instrument. Like every instrument it is off now and then, and
# in everyday use that does little harm. But training is no everyday use. It asks the
# instrument about a hundred things, keeps what it praised most, and asks again. This
# chapter takes a reward that is known to be poor, lets a policy climb it as far as it
# likes, and looks at what comes out. Then it tries what could have helped.
#
# ## 1 · The winner is overrated
#
# Three stories, all equally good: 5 points. An instrument reads each of them 1 too low,
# right, or 1 too high, each as likely as the others. You keep the story with the
# highest reading.

# %%
desk.predict(
    "13/winner",
    "How many points does the winner's reading promise too much, on average?",
    unit="points",
)

# %%
readings = list(itertools.product([4, 5, 6], repeat=3))
highest = [max(three) for three in readings]
for reading in (4, 5, 6):
    print(f"highest reading {reading}: {highest.count(reading):2} of 27 cases")
promised = sum(highest) / 27 - 5

# %%
desk.answer(
    "13/winner",
    promised,
    "(19 · 1 + 1 · -1) / 27. No single reading is biased. Choosing the highest "
    "makes it so, since what is chosen is also what was lucky.",
    within=0.05,
)

# %% [markdown]
# Now with stories that do differ. Let the true worth of a story be spread with
# deviation 1, and the instrument's error as well, and keep the best of $n$.

# %%
desk.predict(
    "13/lag",
    "As n grows, the reading of the winner rises. What does its true worth do?",
    options=["rise as fast", "rise half as fast", "rise, and then fall"],
)

# %%
dice = torch.Generator().manual_seed(0)
NS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
worth, error = torch.randn(2, 4_000, 256, generator=dice)
won = {"what is read": [], "what is true": []}
for n in NS:
    winner = (worth + error)[:, :n].argmax(dim=1, keepdim=True)
    true, luck = (x.gather(1, winner).mean().item() for x in (worth, error))
    won["what is read"].append(true + luck)
    won["what is true"].append(true)
plots.lines(NS, won, x_label="best of n", y_label="points", doubling=True)

# %%
share = won["what is true"][-1] / won["what is read"][-1]
desk.answer(
    "13/lag",
    "rise half as fast"
    if won["what is true"][-1] > 1
    else "rise, and then fall",
    f"The share that is true is {about(share, 2)}: worth and error are spread "
    "alike, so a high reading is half worth and half luck, however high it is.",
)
claim(
    "Of the best of 256, half of the reading is true, to within 3 "
    "points of 100",
    abs(share - 0.5) < 0.03,
    measured=100 * share,
    unit="%",
)

# %% [markdown]
# So luck alone makes the truth *lag*. It does not make it fall. (This is the milder of
# two faults that go by the name of Goodhart's law: when a measure becomes a target, it
# ceases to be a good measure.) For the other fault, think of one thing that stories
# have more or less of, such as images. Among stories as they are, more is better. But
# the tenth image is not worth what the first one was: let the worth of $x$ be
# $x - x^2/4$, where $x = 0$ is the usual story and the unit is the usual spread. An
# instrument that was fitted among usual stories knows the first term only: it reads
# $x$.
#
# A policy that pushes: its stories lie around $d$ in place of 0. The mean of what is
# read is $d$, that of what is true $d - (d^2 + 1)/4$. And its distance from where it
# began, between two bell curves whose centres lie $d$ apart, is $d^2/2$ nats: so the
# **square root** of the KL is what grows in step with the push. That is the axis of all
# charts below (Gao et al. 2023 use it for the same reason).

# %%
desk.predict(
    "13/push",
    "At which push d is the true worth highest?",
    unit="units",
)

# %%
pushes = [step / 4 for step in range(21)]
true = [d - (d**2 + 1) / 4 for d in pushes]
roots = [math.sqrt(d**2 / 2) for d in pushes]
plots.lines(
    roots,
    {"what is read": pushes, "what is true": true},
    x_label="square root of the KL",
    y_label="points",
)

# %%
desk.answer(
    "13/push",
    pushes[true.index(max(true))],
    "Where the slope 1 - d/2 is nothing. There the instrument still says: "
    "more. What it was never shown it continues in a straight line.",
    within=0.2,
)

# %% [markdown]
# ## 2 · Three hundred labels
#
# Our instrument: the instruct model writes two stories to each of 300 prompts, one
# person of chapter 10's crowd says which is better, once, and a linear head on what the
# frozen instruct model knows of a story is fitted to that (chapter 11b). No program
# counts faults, and nothing is charged for distance: `beta` is 0. That is careless on
# purpose.

# %% tags=["folded"]
SEED = 0
labelled = life.own_pairs(
    course, instruct, sizes["labels"], "train", 1_000 * SEED
)
votes = label(
    labelled,
    village.gold_score,
    life.annotators(course),
    torch.Generator().manual_seed(SEED),
    labels_per_pair=1,
)
rows = pair_differences(instruct, tokenizer, votes)
scale = scale_of(rows)
rows = rows / scale
targets = torch.tensor([vote.target for vote in votes]).double()
direction = fit(rows, targets, sizes["ridge"]) / scale
print(f"{len(votes)} votes; {rows.shape[1]} weights")

# %% [markdown]
# As before, a reward's zero and unit are set on stories of the instruct model: mean 0,
# deviation 1. On the same stories, none of which was labelled, one can ask how well it
# knows what is good.

# %%
desk.predict(
    "13/knows",
    "How strongly are this reward and gold correlated, among instruct's own "
    "stories? (0: not at all; 1: they are one.)",
    unit="",
)

# %% tags=["folded"]
gold_of = story_scores(course, village.gold_score)
usual = village.story_prompts(100, seed=1_000 * SEED + 1, split="train")
_, (usual_rollout,) = life.write_stories(course, instruct, usual, SEED)
normal = usual_rollout.prompts, usual_rollout.responses
proxy = taste_of(instruct, direction, *normal)
usual_gold = gold_of(*normal)
usual_paid = proxy.score(*normal)
knows = torch.corrcoef(torch.stack([usual_paid, usual_gold]))[0, 1].item()
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.8), layout="constrained")
axes = figure.subplots()
axes.plot(usual_paid, usual_gold, "o", color=plots.BLUE, alpha=0.6)
axes.set(xlabel="what the reward says (deviations)", ylabel="gold")
axes.spines[["top", "right"]].set_visible(False)
plots.show(
    figure,
    alt="A point a story: gold against what the reward says. A cloud that "
    f"rises a little to the right; the correlation is {about(knows, 2)}.",
)

# %%
desk.answer(
    "13/knows",
    knows,
    "It knows something. That is the dangerous case: a reward that knew "
    "nothing would never have been used.",
    within=0.1,
)

# %% [markdown]
# ## 3 · Climb
#
# Chapter 9's update, a dozen times, at a brisk rate. Besides, every story of every
# rollout is judged by gold, which the policy is not told. In real life that curve does
# not exist; this village is the place to see it.

# %%
desk.predict(
    "13/end",
    "After the run, where will gold be?",
    options=["above its start", "about where it was", "below its start"],
)
desk.predict(
    "13/proxy",
    "And the reward that is paid, in deviations of instruct's stories?",
    unit="deviations",
)


# %% tags=["folded"]
def over_distance(curves, peak=None):
    """Gold, or the reward, over the square root of the KL.

    curves: name to (distances, values). peak: a point to be marked.
    """
    figure = Figure(figsize=(plots.WIDTH_INCHES, 3.2), layout="constrained")
    axes = figure.subplots()
    looks = itertools.cycle(
        zip(plots.PALETTE, plots.MARKERS, plots.LINE_STYLES, strict=False)
    )
    for (name, (x, y)), (colour, mark, style) in zip(
        curves.items(), looks, strict=False
    ):
        axes.plot(x, y, color=colour, marker=mark, linestyle=style, label=name)
    if peak is not None:
        x, y = peak
        axes.annotate(
            "peak",
            (x, y),
            (0, 16),
            textcoords="offset points",
            ha="center",
            arrowprops={"arrowstyle": "-"},
        )
    axes.set(xlabel="square root of the KL to instruct", ylabel="points")
    axes.set_xlim(left=-0.1)
    axes.grid(axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False)
    return figure


class LiveCurve(TrainingMonitor):
    """Also draws what is paid and what it is worth, while the run goes."""

    def start(self, *what):
        super().start(*what)
        self.paid, self.nats = [], []
        self.chart = display({"text/plain": ""}, raw=True, display_id=True)

    def update(self, step, metrics, seconds):
        super().update(step, metrics, seconds)
        self.paid.append(metrics["score"])
        self.nats.append(metrics["kl"])
        far = [math.sqrt(nats) for nats in self.nats]
        figure = over_distance(
            {
                "the reward that is paid": (far, self.paid),
                "gold, paid by nobody": (far, gold_seen),
            }
        )
        if self.chart is not None:
            data, metadata = plots.notebook_image(figure, "the run so far")
            self.chart.update(data, raw=True, metadata=metadata)

    def stop(self, message):
        super().stop(message)
        if self.chart is not None:  # the finished chart stands below
            self.chart.update({"text/plain": ""}, raw=True)


# %% [markdown]
# One thing goes on beside it, for section 6. At every second rollout 16 stories are
# *judged* by gold, as a team might pay people to do, and the policy is kept if its
# stories were the best so far.

# %%
practice = village.story_prompts(1_000, seed=1_000 * SEED, split="train")
rendered = [render_prompt(tokenizer, prompt) for prompt in practice]
settings = PolicySettings(
    **sizes["run"]
    | dict(
        max_new_tokens=shared.story_tokens,
        temperature=shared.story_temperature,
    )
)
print(f"{settings.steps} updates, {settings.responses} stories each, beta")
print(f"{settings.beta}, rate {settings.rate}")

# %%
policy = course.load("instruct")
gold_seen, kept, walked = [], {"judged": -math.inf}, []


def watched(prompts, stories):
    """The reward of each story. Its gold is written down on the way."""
    gold = gold_of(prompts, stories)
    walked.append((prompts, stories))
    judged = gold[::2].mean().item()
    if len(gold_seen) % 2 == 0 and judged > kept["judged"]:
        weights = copy.deepcopy(policy.state_dict())
        kept.update(judged=judged, update=len(gold_seen), policy=weights)
    gold_seen.append(gold.mean().item())
    return proxy.score(prompts, stories)


optimizers = adamw(policy, settings.rate, eps=1e-5)
step = policy_step(
    policy, frozen_copy(policy), watched, rendered, settings, optimizers
)
history = train(
    step,
    steps=settings.steps,
    modules={"policy": policy},
    optimizers=optimizers,
    seed=SEED,
    progress=LiveCurve(),
    label="a reward of 300 labels, no price on distance",
    after_a_stop="run the cell above and this one again",
)

# %% tags=["folded"]
policy.requires_grad_(False)
far = [math.sqrt(update["kl"]) for update in history]
paid = [update["score"] for update in history]
top = max(range(len(gold_seen)), key=gold_seen.__getitem__)
first, last = sum(paid[:3]) / 3, sum(paid[-3:]) / 3
fallen = sum(gold_seen[-3:]) / 3
plots.show(
    over_distance(
        {
            "the reward that is paid": (far, paid),
            "gold, paid by nobody": (far, gold_seen),
        },
        peak=(far[top], gold_seen[top]),
    ),
    alt="The reward that is paid and gold over the square root of the KL. The "
    f"reward rises from {about(first, 2)} to {about(last, 2)}. Gold begins at "
    f"{about(gold_seen[0], 2)}, has its peak of {about(gold_seen[top], 2)} at "
    f"a distance of {about(far[top], 2)}, and ends at {about(fallen, 2)}, at "
    f"a distance of {about(far[-1], 2)}.",
)

# %%
desk.answer(
    "13/end",
    "below its start"
    if fallen < gold_seen[0] - 0.15
    else "above its start"
    if fallen > gold_seen[0] + 0.15
    else "about where it was",
    f"It began at {about(gold_seen[0], 2)}, rose to {about(gold_seen[top], 2)} "
    f"and is {about(fallen, 2)} over the last three updates.",
)
desk.answer(
    "13/proxy",
    last,
    "By the only number that a team without gold would have, the run went "
    "splendidly.",
    within=0.5,
)
claim(
    "The reward that is paid has risen by more than half a deviation",
    last > first + 0.5,
    measured=last - first,
    unit="deviations",
)
claim(
    "Gold has its peak inside the run, and ends below its start",
    0 < top < len(history) - 3 and fallen < gold_seen[0],
    measured=f"{about(gold_seen[0], 2)}, {about(gold_seen[top], 2)} at update "
    f"{about(top, 2)}, {about(fallen, 2)}",
)

# %% [markdown]
# One run is an anecdote. The benchmark `make bench ARGS=wrong_reward` makes the same
# run with three other seeds, each with labels, prompts and dice of its own, and keeps
# them in `data/wrong_reward.json`.

# %% tags=["folded"]
SEEDS = (1, 2, 3)
same = sizes["instruct"] == weights_hash(instruct)
print("measured on", "this" if same else "ANOTHER", "instruct model")


def series(name, seed, key):
    return [update[key] for update in stored[f"{name}, {seed}"]["history"]]


def distances(name, seed):
    return [math.sqrt(nats) for nats in series(name, seed, "kl")]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def spoilt(seed):
    """Peak inside, end below the start, while the reward rises."""
    gold, scores = (series("one head", seed, k) for k in ("gold", "score"))
    inside = 0 < gold.index(max(gold)) < len(gold) - 3
    rises = mean(scores[-3:]) > mean(scores[:3])
    return inside and rises and mean(gold[-3:]) < gold[0]


plots.show(
    over_distance(
        {
            f"gold, seed {seed}": (
                distances("one head", seed),
                series("one head", seed, "gold"),
            )
            for seed in SEEDS
        }
    ),
    alt="Gold over the square root of the KL in three more runs. "
    + " ".join(
        "From {} over {} to {}.".format(
            *(
                about(value, 2)
                for value in (
                    series("one head", seed, "gold")[0],
                    max(series("one head", seed, "gold")),
                    mean(series("one head", seed, "gold")[-3:]),
                )
            )
        )
        for seed in SEEDS
    ),
)
claim(
    "In 3 of 3 runs gold peaks inside and ends below its start, while the "
    "reward rises",
    all(map(spoilt, SEEDS)),
    measured=f"{sum(map(spoilt, SEEDS))} of 3",
)

# %% [markdown]
# ## 4 · What did it find?
#
# Numbers fall for many reasons. Read. Twelve stories each to the same prompts, from the
# instruct model, from the policy where the judged stories were best, and from the end:
# a row a story, a cell a sentence.

# %% tags=["folded"]
best = course.load("instruct").requires_grad_(False)
best.load_state_dict(kept["policy"])
asked = village.story_prompts(40, seed=course.seed + 1, split="test")
models = {"instruct": instruct, "kept": best, "the end": policy}
told = {
    name: life.write_stories(course, model, asked, seed=7)[0]
    for name, model in models.items()
}
findings = {
    name: [read(*pair) for pair in zip(asked, stories, strict=True)]
    for name, stories in told.items()
}
plots.story_strips(
    {
        "instruct": [each.kinds for each in findings["instruct"][:12]],
        f"kept, after {kept['update']} updates": [
            each.kinds for each in findings["kept"][:12]
        ],
        "the end": [each.kinds for each in findings["the end"][:12]],
    }
)

# %% [markdown]
# And one of them in words, each sentence with the letter of its kind. (Of the twelve,
# the one whose loss of gold is in the middle: neither the worst nor the best.)

# %% tags=["folded"]
LETTERS = {"beat": "b", "simile": "S", "line": "L", "detail": "D"}
LETTERS |= {"twist": "T", "fact": "f", "moral": "m", "stray": "?"}
LETTERS |= {"contradiction": "X"}
golds = {
    name: [
        village.gold_score(*pair) for pair in zip(asked, stories, strict=True)
    ]
    for name, stories in told.items()
}
lost = [a - b for a, b in zip(golds["instruct"], golds["the end"], strict=True)]
middle = sorted(range(12), key=lost.__getitem__)[6]
desk.read(asked[middle])
for name in models:
    found = findings[name][middle]
    print(f"\n[{name}] gold {about(golds[name][middle], 2)}")
    for sentence, kind in zip(found.sentences, found.kinds, strict=True):
        desk.read(f"{LETTERS[kind]}  {sentence.text}")

# %% [markdown]
# What did the policy exploit? The village's reader counts what stands in a story. For
# each thing: how often it stands there at the three stations, and how far the reward
# itself goes along with it among instruct's stories, where it was fitted.

# %%
desk.predict(
    "13/found",
    "Which of these has risen most, in deviations of instruct's stories?",
    options=[
        "words",
        "lines of dialogue",
        "similes",
        "details",
        "sentences out of place",
        "unknown sentences",
    ],
)

# %% tags=["folded"]
THINGS = {
    "words": lambda found: found.words,
    "lines of dialogue": lambda found: found.counts["line"],
    "similes": lambda found: found.counts["simile"],
    "details": lambda found: found.counts["senses"],
    "sentences out of place": lambda found: found.out_of_place,
    "unknown sentences": lambda found: found.strange,
}


def decoded(ids):
    return [tokenizer.decode(each).strip() for each in ids]


usual_found = list(map(read, usual, decoded(normal[1])))
print("                          instruct    kept   the end   with the reward")
risen = {}
for thing, count in THINGS.items():
    among = torch.tensor([float(count(found)) for found in usual_found])
    stations = [mean(map(count, findings[name])) for name in models]
    spread = max(among.std().item(), 0.1)
    risen[thing] = (stations[-1] - stations[0]) / spread
    together = torch.corrcoef(torch.stack([among, usual_paid]))[0, 1]
    words = "".join(f"{about(value, 2):>9}" for value in stations)
    goes = "  none there" if together.isnan() else about(float(together), 1)
    print(f"{thing:24} {words}{goes:>18}")

# %%
desk.answer(
    "13/found",
    max(risen, key=risen.get),
    "By "
    + ", ".join(
        f"{about(risen[thing], 2)} ({thing})"
        for thing in sorted(risen, key=risen.get, reverse=True)[:3]
    )
    + " deviations.",
)
spoiled = mean(golds["the end"]) - mean(golds["instruct"])
claim(
    "To test prompts, too, the end writes worse stories than instruct",
    spoiled < 0,
    measured=spoiled,
    unit="points of gold",
)
claim(
    "And longer ones",
    risen["words"] > 0.5,
    measured=risen["words"],
    unit="deviations",
)

# %% [markdown]
# Compare the last column with what was bought. Among instruct's stories those with more
# of an addition are longer, and better, and were chosen by people. The reward cannot
# know which of the three was meant: there, they come together. A policy takes them
# apart. It writes *more*, wherever it may stand, since nothing ever told the reward
# that an image in the wrong place is a fault: instruct hardly wrote one.
#
# ## 5 · Best of n on the same axis
#
# There is a second way to use the same reward, which trains nothing (chapter 11): draw
# $n$ stories and keep the one it likes best. Its distance is at most
# $\log n - (n-1)/n$ nats. On the axis of the square root, it can lie beside the run.

# %%
desk.predict(
    "13/beside",
    "The best of 16 by this reward: is its gold above or below that of a "
    "single story?",
    options=["above", "no difference to speak of", "below"],
)

# %% tags=["folded"]
few = [render_prompt(tokenizer, prompt) for prompt in asked[:20]]
drawn, scores = sample_scores(
    instruct,
    proxy.score,
    few,
    torch.Generator().manual_seed(5),
    samples=16,
    max_new_tokens=shared.story_tokens,
    temperature=shared.story_temperature,
)
drawn_gold = gold_of(drawn.prompts, drawn.responses).view(-1, 16)
COUNTS = (1, 2, 4, 8, 16)
by_proxy = [expected_best(scores, n, drawn_gold).mean().item() for n in COUNTS]
by_gold = [expected_best(drawn_gold, n).mean().item() for n in COUNTS]
roots = [math.sqrt(kl_bound(n)) for n in COUNTS]
plots.show(
    over_distance(
        {
            "the run": (far, gold_seen),
            "best of n by the reward": (roots, by_proxy),
            "best of n by gold itself": (roots, by_gold),
        }
    ),
    alt="Gold over the square root of the KL. The best of 1 to 16 by the "
    f"reward goes from {about(by_proxy[0], 2)} to {about(by_proxy[-1], 2)} "
    f"within a distance of {about(roots[-1], 2)}, the best by gold itself to "
    f"{about(by_gold[-1], 2)}. The run goes on to a distance of "
    f"{about(far[-1], 2)} and falls.",
)

# %%
gain = by_proxy[-1] - by_proxy[0]
desk.answer(
    "13/beside",
    "above"
    if gain > 0.1
    else "below"
    if gain < -0.1
    else "no difference to speak of",
    f"By {about(gain, 2)}, where choosing by gold itself would gain "
    f"{about(by_gold[-1] - by_gold[0], 2)}.",
)
claim(
    "The run goes at least twice as far as the best of 16",
    far[-1] > 2 * roots[-1],
    measured=far[-1] / roots[-1],
    unit="times",
)

# %% [markdown]
# The same reward, asked mildly, does no harm. Best-of-n can only choose among stories
# that instruct writes anyway, where the reward was fitted. To get as far as the run's
# end by choosing, one would have to draw this many stories:

# %%
print(f"about ten to the power {about(history[-1]['kl'] / math.log(10), 2)}")

# %% [markdown]
# ## 6 · What helps, and how much
#
# Five remedies, each alone, each on three seeds, beside the careless run with the same
# labels, prompts and dice:
#
# - **stopping early**: at every second update 16 stories are judged, and the best
#   policy is kept. It costs about a hundred judgements of true worth, and somebody who
#   gives them;
# - **a price on distance**: a nat costs some of the reward (chapter 9);
# - **more labels** of the same kind, on instruct's stories;
# - **the lower bound** of eight heads (section 7);
# - **a second round**: as many new labels as before, on stories that the careless
#   policy wrote on its way; then fitted to both, and begun again from instruct.

# %%
for thing in ("labels", "heads", "ridge"):
    print(f"{thing:10} {sizes[thing]}")
for arm, thing in {
    "a price": "price",
    "more labels": "more",
    "the lower bound": "caution",
}.items():
    print(f"{thing:10} {stored[f'{arm}, 1']['identity'][thing]}")

# %%
desk.predict(
    "13/best",
    "Which of them ends with the best stories?",
    options=[
        "stopped early",
        "a price",
        "more labels",
        "the lower bound",
        "a second round",
    ],
)
desk.predict(
    "13/more",
    "Three times as many labels of the same kind: how does that "
    "run end, beside "
    "the careless one?",
    options=["better", "much the same", "worse"],
)

# %% tags=["folded"]
ARMS = ("a price", "more labels", "the lower bound", "a second round")
ARMS = [arm for arm in ARMS if all(f"{arm}, {s}" in stored for s in SEEDS)]
SHORT = {
    "one head": "careless",
    "a price": "price",
    "more labels": "labels",
    "the lower bound": "bound",
    "a second round": "round two",
}
plots.small_multiples(
    {
        f"gold, seed {seed}": {
            SHORT[name]: series(name, seed, "gold")
            for name in ("one head", *ARMS)
        }
        for seed in SEEDS
    }
)

# %% [markdown]
# What each has come to, judged once on test prompts that nothing was chosen on: its
# stories' gold less that of the careless run's stories to the same prompts. Each thin
# line is a seed, with the 95 % interval of its mean over the prompts: so much is known
# of *these* runs. The diamond is the mean of the three, with Student's interval for two
# degrees of freedom: so much is known of runs with *other* labels and dice. It is wide,
# as three of anything leave it.


# %% tags=["folded"]
def of_test(name, seed):
    """Gold of one story to each test prompt."""
    whose, key = {
        "stopped early": ("one head", "stopped"),
        "instruct": ("one head", "before"),
    }.get(name, (name, "end"))
    return torch.tensor(stored[f"{whose}, {seed}"][key])


def gained(name, seed):
    """Mean gain over the careless run, prompt by prompt; half its interval."""
    gains = of_test(name, seed) - of_test("one head", seed)
    return gains.mean().item(), 1.96 * gains.std().item() / len(gains) ** 0.5


def student(values):
    """Mean and half of its 95 % interval, of three values."""
    spread = torch.tensor(values).std().item()
    return mean(values), 4.303 * spread / math.sqrt(3)


def effects_chart(effects, x_label):
    """A row a remedy: three seeds (mean, half an interval), and their mean."""
    size = (plots.WIDTH_INCHES, 0.8 + 0.55 * len(effects))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    words = []
    for row, (name, seeds) in enumerate(effects.items()):
        middle, half = student([value for value, _ in seeds])
        look = dict(color=plots.BLUE, linewidth=2)
        axes.plot([middle - half, middle + half], [row - 0.2] * 2, **look)
        axes.plot(middle, row - 0.2, "D", color=plots.BLUE, markersize=7)
        for number, (value, each) in enumerate(seeds):
            place, look = (
                row + 0.05 + 0.15 * number,
                {"color": plots.VERMILLION},
            )
            axes.plot([value - each, value + each], [place] * 2, **look)
            axes.plot(value, place, "o", markersize=4, **look)
        words.append(
            f"{name}: {about(middle, 2)}, give or take {about(half, 2)}"
        )
    axes.axvline(0, color=plots.GREY, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(effects)), effects)
    axes.set_ylim(len(effects) - 0.4, -0.6)
    axes.set_xlabel(x_label)
    axes.spines[["top", "right"]].set_visible(False)
    plots.show(figure, alt=f"{x_label}. {'; '.join(words)}.")


effects = {
    name: [gained(name, seed) for seed in SEEDS]
    for name in ("instruct", "stopped early", *ARMS)
}
effects_chart(effects, "gold at the end, less the careless run's")

# %% tags=["folded"]
print("                      gold at the end      sqrt of the KL")
for name in ("instruct", "one head", "stopped early", *ARMS):
    golds_at = (of_test(name, seed).mean().item() for seed in SEEDS)
    reached = about(mean(golds_at), 3)
    if name in ("instruct", "stopped early"):
        at = [stored[f"one head, {s}"]["stopped_at"] for s in SEEDS]
        roots_at = [
            distances("one head", s)[k if name != "instruct" else 0]
            for s, k in zip(SEEDS, at, strict=True)
        ]
    else:
        roots_at = [sorted(distances(name, s)[-3:])[1] for s in SEEDS]
    print(f"{name:18}{reached:>16}{about(mean(roots_at), 2):>20}")

# %%
remedies = {
    name: [value for value, _ in seeds]
    for name, seeds in effects.items()
    if name != "instruct"
}
desk.answer(
    "13/best",
    max(remedies, key=lambda name: mean(remedies[name])),
    "On the mean of three seeds. Where the wide intervals overlap, "
    "three others "
    "might order them otherwise.",
)
more = mean(remedies["more labels"])
desk.answer(
    "13/more",
    "better" if more > 0.3 else "worse" if more < -0.3 else "much the same",
    f"By {about(more, 2)}. A reward that knows more of instruct's stories is "
    "climbed with more confidence, and as little is known of where that leads: "
    "not one of its labels lies there.",
)
claim(
    "Stopping early, and a price, end above the careless run on 3 of 3 seeds",
    min(remedies["stopped early"] + remedies["a price"]) > 0,
    measured=min(remedies["stopped early"] + remedies["a price"]),
    unit="points, the least",
)
claim(
    "What was stopped early is better than instruct on 3 of 3 seeds",
    all(
        of_test("stopped early", s).mean() > of_test("instruct", s).mean()
        for s in SEEDS
    ),
    measured=mean(
        (of_test("stopped early", s) - of_test("instruct", s)).mean().item()
        for s in SEEDS
    ),
    unit="points on average",
)

# %% [markdown]
# ### At equal distance
#
# A part of that is trivial: whoever moves less spoils less. So compare at the *same*
# distance from instruct: each run's gold where it first was as far away as the run that
# went least far ever got.

# %%
desk.predict(
    "13/equal",
    "At equal distance, how much of the price's effect is left?",
    options=["most of it", "a part of it", "next to nothing"],
)


# %% tags=["folded"]
def gold_at(distance, name, seed):
    """Gold of a run where it first was so far away, between two updates."""
    x, y = distances(name, seed), series(name, seed, "gold")
    for place in range(1, len(x)):
        if x[place] >= distance:
            share = (distance - x[place - 1]) / (x[place] - x[place - 1])
            return y[place - 1] + share * (y[place] - y[place - 1])
    return y[-1]


common = min(
    max(distances(name, seed)) for name in ("one head", *ARMS) for seed in SEEDS
)
at_equal = {
    name: [
        (gold_at(common, name, seed) - gold_at(common, "one head", seed), 0.0)
        for seed in SEEDS
    ]
    for name in ARMS
}
effects_chart(
    at_equal,
    f"gold at a distance of {about(common, 2)}, less the careless run's",
)

# %%
left = mean(value for value, _ in at_equal["a price"])
left /= mean(remedies["a price"])
desk.answer(
    "13/equal",
    "next to nothing"
    if left < 0.2
    else "most of it"
    if left > 0.7
    else "a part of it",
    f"{about(100 * left, 2)} % of it. For the most part a price "
    "does not make a "
    "reward better. It says how far to trust it: a way of stopping early, "
    "without knowing where.",
)

# %% [markdown]
# What is left at equal distance has changed the *direction* of a run, and not only its
# length. But a point of this chart is two rollouts of one run. Three such points leave
# wide intervals; where they lie close together, that may be luck as well. Of none of
# these remedies would we say on this evidence that it points better by much.
#
# ## 7 · Where the heads disagree
#
# How can a reward know that it does not know? Chapter 11b's bootstrap again: draw the
# 300 votes anew with repetition and fit a head, eight times over. Where the votes
# decide, the eight agree. Pay the mean less a price for their disagreement, which is
# called a **lower bound** (Coste et al. 2023).

# %%
print(getsource(ensemble.lower_bound))

# %%
desk.predict(
    "13/apart",
    "The policy of section 3 was paid by one head. By what factor do eight "
    "heads disagree more about its last stories than about its first?",
    unit="times",
)

# %% tags=["folded"]
directions = bootstrap(
    rows,
    targets,
    torch.Generator().manual_seed(SEED),
    members=sizes["heads"],
    ridge=sizes["ridge"],
)
heads = ensemble.ensemble_of(
    instruct,
    directions / scale,
    *normal,
    caution=stored["the lower bound, 1"]["identity"]["caution"],
)
said = [heads.of_each(*rollout) for rollout in walked]
apart = [scores.std(dim=0).mean().item() for scores in said]
plots.small_multiples(
    {
        "mean of the heads": {"run": [s.mean().item() for s in said]},
        "their disagreement": {"run": apart},
        "the lower bound": {
            "run": [
                ensemble.lower_bound(s, heads.caution).mean().item()
                for s in said
            ]
        },
    }
)

# %%
factor = mean(apart[-3:]) / apart[0]
desk.answer(
    "13/apart",
    factor,
    "The further from the labelled stories, the less the labels decide.",
    factor=1.5,
)
claim(
    "Eight heads disagree more about the last stories than about the first",
    factor > 1,
    measured=factor,
    unit="times as much",
)


# %% tags=["folded"]
def rise_of_bound(seed):
    """How much more the lower bound pays at the end than at first."""
    scores = series("the lower bound", seed, "score")
    return mean(scores[-3:]) - mean(scores[:3])


# %%
claim(
    "A policy that is paid by the lower bound finds a way to raise that, too, "
    "on 3 of 3 seeds",
    all(rise_of_bound(seed) > 0 for seed in SEEDS),
    measured=mean(map(rise_of_bound, SEEDS)),
    unit="deviations on average",
)

# %% [markdown]
# So there is a limit, and the picture shows it. The heads' *mean* rises along with the
# one head that was paid: they share their labels and the body whose features they read,
# so they share its blind spots. An ensemble knows the luck of the labels. Of what no
# label shows, all heads say the same.
#
# Only one remedy brings news from where the policy went: the second round, whose labels
# lie there. Look back at what it came to: less than one would hope. After a dozen brisk
# updates without a price, its gold, too, ended below its start. One round is not many,
# and teams that work like this have a price besides.

# %% [markdown]
# ## What did not work at this size
#
# - **Chapter 11's whole network on 300 single votes.** It learned nothing that could be
#   seen on new stories, at several rates and after one pass or three. That is why this
#   chapter has a linear head on a frozen body.
# - **More labels of the same kind.** They make the reward better where it was good
#   already. That did not help where the policy goes.
# - **The lower bound as a cure.** It delays. With a caution of 1 (on a seed that is not
#   told here) it changed little; with the benchmark's it still rises where gold falls.
# - **Three seeds.** They show that gold falls, and that stopping helps. To order
#   remedies that lie close to each other they are too few.
# - **Stopping by the reward itself.** Nothing in the curve of the reward marks the
#   place where gold turns. It took judgements of true worth.

# %% [markdown]
# ## Summary
#
# - The best of many measurements is overrated. Luck makes the truth lag; what was never
#   measured makes it fall.
# - A policy finds what the reward overrates, and it finds it fast: gold peaks inside
#   the run while the reward goes on rising.
# - The square root of the KL is the axis on which training and best-of-n can be
#   compared. The same reward, asked mildly, does no harm.
# - An early stop and a price say how far to trust a reward, and that was worth most.
#   More labels of the same kind say nothing about new places; heads that disagree give
#   warning, as far as they do not share a blind spot.
# - Judge by somebody who does not pay.

# %%
desk.quiz(
    "13",
    desk.ask(
        "A colleague shows a reward that rises smoothly for a "
        "thousand updates. "
        "What do you ask for?",
        right=(
            "Judgements of stories from along the way, by somebody else.",
            "The reward is what was pushed up. It rises in "
            "sickness and health.",
        ),
        wrong=[
            (
                "A thousand more updates.",
                "The further it goes, the less the labels say about it.",
            ),
            (
                "A smaller learning rate.",
                "Then the same way takes longer. It leads to the same place.",
            ),
        ],
    ),
    desk.ask(
        "Eight heads agree that a strange new story is excellent. "
        "What follows?",
        right=(
            "Little: they share labels and body, and may share a blind spot.",
            "Their disagreement shows the luck of the labels, nothing else.",
        ),
        wrong=[
            (
                "It is excellent: eight are better than one.",
                "Eight witnesses who read the same newspaper are one witness.",
            ),
            (
                "The heads are broken.",
                "They may each be as good as 300 labels allow.",
            ),
        ],
    ),
    desk.ask(
        "You can pay for 300 more labels. Where do they help most?",
        right=(
            "On stories of the policy that was trained on the first 300.",
            "There the reward is wrong in the way that is being exploited.",
        ),
        wrong=[
            (
                "On the best stories that people have written.",
                "The policy writes no such stories; its own faults "
                "stay unseen.",
            ),
            (
                "On the same pairs, to make the votes surer.",
                "What these pairs do not show, a second vote does not show.",
            ),
        ],
    ),
)

# %%
desk.tally("13")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 10](../exercises/release/ps10/ps10.ipynb): the lower bound
# of an ensemble, when to stop, the favourite of the proxy. **Try:** `beta` is one
# number; find the price at which gold no longer falls. **Next:** the comparisons have
# gone into a reward, and the reward into a policy. Chapter 14 leaves out the middle.
