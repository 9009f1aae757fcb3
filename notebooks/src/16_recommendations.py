# %% [markdown]
# # 16 · Recommendations that learn
#
# **You will be able to** say what a recommender loses by not knowing a reader; train
# one by its readers' clicks, with the policy gradient of chapter 9; serve a reader and
# an article that nobody knows yet; see a filter bubble close, say what it costs, and
# open it again; and watch twenty clicks of your own turn the list.
#
# **You need** [9 · Policy gradients](09_policy_gradients.ipynb).
#
# **Time** 2 minutes to run on two processor cores; an hour to work through.
#
# **Where we are in the model's life:** beside the road, and at its end. `base` is only
# read from here: what it knows of an article is what the recommender sees.

# %%
import json
from inspect import getsource

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import desk, life, plots
from llmlab import recommendation as rec
from llmlab.checkpoints import weights_hash
from llmlab.claims import about, claim
from llmlab.interpretation import nearest_neighbours
from llmlab.paths import DATA, RUNS
from llmlab.preferences import LabelStore
from llmlab.recommendation import (
    Memory,
    Oracle,
    Policy,
    Popularity,
    Readers,
    visits,
)
from llmlab.village import StoryPair
from llmlab.widgets import PairLabeller

# %%
course = life.course()
base = course.load("base").requires_grad_(False)
articles = rec.gazette(200, seed=course.seed)

# %% [markdown]
# ## 1 · The loop
#
# The village has a gazette, and the gazette has a page with room for one
# recommendation. A reader comes by. Ten articles of the shelf of 200 are fresh today;
# one of the ten is put on the page. The reader clicks on it, or does not. That is all
# that anybody ever learns.

# %%
desk.read(articles[0].text)

# %% [markdown]
# Readers have **tastes**. Each of ours loves three of the gazette's fourteen topics,
# such as ghosts, bargains or lost things, and likes a quarter of the people and of the
# places a little. Each article has some charm of its own, too. Out of these comes the
# probability of a click; whether there *is* a click, dice decide. The recommender is
# shown none of this. We can look, because we made the readers:

# %%
readers = Readers(articles, 5, seed=course.seed + 1)
topics, people, places = readers.names
for number, loved in enumerate(readers.loved.tolist()):
    print(f"reader {number + 1} loves", *[topics[each] for each in loved])

# %% [markdown]
# How good is a recommendation? Not by its clicks alone: on some days nothing on offer
# suits. So compare it with the best that *was* on offer. What the best article's chance
# of a click is above that of the recommended one is called the **regret** of this
# visit. Three visits of the first reader, with three articles each, by hand:

# %% tags=["folded"]
small = [readers.offer(3)[:1] for _ in range(3)]
by_hand = []
for number, offered in enumerate(small, 1):
    chances = readers.chances(offered.expand(5, -1))[0]
    by_hand.append([round(chance, 2) for chance in chances.tolist()])
    told = [
        f"{articles[each].topic} {chance:.2f}"
        for each, chance in zip(offered[0].tolist(), by_hand[-1], strict=True)
    ]
    print(f"visit {number}: chances of a click:", ", ".join(told))

# %%
desk.predict(
    "16/hand",
    "Somebody always recommends the first of the three. What is the regret of "
    "these three visits together?",
    unit="clicks",
)

# %%
regrets = [max(chances) - chances[0] for chances in by_hand]
desk.answer(
    "16/hand",
    sum(regrets),
    " + ".join(f"{regret:.2f}" for regret in regrets)
    + ". Whoever always took the best had none, and would still not be clicked "
    "on every time.",
    within=0.01,
)

# %% [markdown]
# The loop itself is a few lines: offer, recommend, watch, learn. Everything that
# recommends has two methods, `choose` and `learn`, and the loop does not know which of
# them it runs. A *visit* is one round in which each of the five readers comes once; one
# reader's visit is an *interaction*. So 400 visits are 2,000 interactions.

# %%
print(getsource(visits).partition("    pages = []\n")[2])

# %% [markdown]
# ## 2 · What everybody likes
#
# The oldest recommender of all counts clicks and shows what others liked most. It needs
# no model and no reader. Beside it, an **oracle** that knows every taste. Nobody can
# beat that one; how far somebody is from it is what there is to gain.

# %% tags=["folded"]
def run(make, count=400, seed=0, **how):
    """A recommender and what comes of it, with five readers nobody has met."""
    group = Readers(articles, 5, seed=course.seed + 100 + seed)
    recommender = make(group)
    dice = torch.Generator().manual_seed(seed)
    return group, recommender, visits(group, recommender, count, dice, **how)


def clicks_of_100(diary):
    """Of the second half of a diary."""
    return 100 * diary.rewards[len(diary.rewards) // 2 :].mean().item()


# %%
_, _, best = run(Oracle)
print("clicks on the oracle's:", about(clicks_of_100(best), 2), "of 100")

# %%
desk.predict(
    "16/popular",
    "And how often are popularity's recommendations clicked, once it has seen "
    "a thousand interactions?",
    unit="of 100",
)

# %%
_, popular, crowd = run(lambda _: Popularity(len(articles)))
print("clicks on popularity's:", about(clicks_of_100(crowd), 2), "of 100")

# %%
desk.answer(
    "16/popular",
    clicks_of_100(crowd),
    "It finds what pleases the most readers, and gives it to everybody.",
    within=7,
)

# %% [markdown]
# Counting has a second fault. It knows articles by their *number* only. One that came
# in this morning has no clicks, however much it is like one that everybody loved. To
# say that two articles are alike, somebody must have read them.
#
# ## 3 · What our model knows of an article
#
# Somebody has. The base model has read thousands of pages of this village. We let it
# read an article, and take the mean of what stands in its middle block over all the
# tokens. (The middle, because of [chapter 6](06_what_did_it_learn.ipynb): the last
# block is busy with the next word.) Of its 128 numbers we keep the 48 directions in
# which articles differ most, each in units of its own spread.

# %%
known = rec.article_features(base, course.tokenizer, articles)
nearest = nearest_neighbours(known, 3).tolist()
alike = [
    articles[number].topic == articles[other].topic
    for number, others in enumerate(nearest)
    for other in others
]
shares = [sum(a.topic == b.topic for b in articles) - 1 for a in articles]
luck = sum(shares) / (len(articles) * (len(articles) - 1))

# %%
claim(
    "An article's three nearest neighbours have its topic at least four times "
    "as often as articles drawn at random",
    sum(alike) / len(alike) >= 4 * luck,
    measured=f"{about(100 * sum(alike) / len(alike), 2)} %, by chance "
    f"{about(100 * luck, 2)} %",
)

# %% [markdown]
# Nobody told the model what a topic is. It wanted to guess next tokens, and a ghost
# story goes on differently from a bargain.
#
# So an article is 48 numbers. What a reader did is then a list of such rows, each with
# a 1 for a click or a 0 for a skip, and the simplest summary of that is a straight
# line: which direction leads from skips to clicks? With more directions than clicks it
# takes a price on long answers, as in [chapter 11b](11b_your_taste.ipynb): **ridge
# regression**, which has a closed form. What was long ago counts less. That is the
# recommender's whole **memory** of a reader:

# %%
print(getsource(Memory.remember))
print(getsource(Memory.guess))

# %% [markdown]
# It returns two numbers for each article. The *guess*: how much more than usual it
# should please. And the *doubt*: how little the clicks so far say about that. A reader
# who never clicked at all has the guess 0 everywhere, and the same doubt.

# %%
blank = Memory(known, 1)
guess, doubt = blank.guess(torch.arange(len(articles))[None])
print("guesses:", set(guess[0].tolist()))
print("doubts from", f"{doubt.min():.3f} to {doubt.max():.3f}")

# %% [markdown]
# ## 4 · The policy gradient, once more
#
# With a guess, a doubt and the crowd's rate for each of the ten articles, what should
# be shown? Textbooks have a rule: take the largest guess plus so many doubts, since
# what may well be best is worth a try. That is a **contextual bandit** (LinUCB; Li et
# al. 2010, who chose front-page news with it). It is the opponent.
#
# Ours is a policy, and its rule is learned. Three weights, one for each number; a
# softmax over the ten articles; draw one. If it was clicked, make that choice more
# probable, in proportion to the reward less what was to be expected. It is the loss of
# chapter 9, to the letter, with one token a text:

# %%
print(getsource(rec.recommendation_loss))

# %% [markdown]
# Is the gradient right? Ten articles can be listed. Go through all choices and both
# outcomes, each with its probability, and add up; and differentiate the expected clicks
# themselves.

# %% tags=["folded"]
policy = Policy(Memory(known, 5), weights=(0.5, -0.3, 1.0))
visits(readers, policy, 20, torch.Generator().manual_seed(0))
offered = readers.offer(10)
seen, chances = policy.seen(offered), readers.chances(offered)
estimated = torch.zeros(3).double()
for place in range(10):
    for click in (0.0, 1.0):
        log_probs = policy.log_probs(seen)
        luck = chances[:, place] if click else 1 - chances[:, place]
        weight = log_probs[:, place].detach().exp() * luck
        for reader in range(5):
            row = slice(reader, reader + 1)
            loss = rec.recommendation_loss(
                log_probs[row],
                seen[row],
                torch.tensor([place]),
                torch.tensor([click]).double(),
            )
            [one] = torch.autograd.grad(
                loss, policy.weights, retain_graph=True
            )
            estimated -= weight[reader] * one
expected = (policy.log_probs(seen).exp() * chances).sum()
[truth] = torch.autograd.grad(expected, policy.weights)
gap = (estimated - truth).abs().max().item()

# %%
claim(
    "Over all choices and outcomes, the loss's gradient is that of the "
    "expected clicks, to 10 decimal places",
    gap < 1e-10,
    measured=f"off by {about(gap, 1)}",
)

# %% [markdown]
# Three weights are shared by all readers: they say *how to use* a memory, not what
# anybody likes. So they can be practised, with readers who have left town. Four groups,
# one after the other, 2,000 interactions each. It begins nearly as a throw of dice.

# %%
weights, path = [1.0, 0.0, 1.0], []
for group in range(4):
    learner = Policy(Memory(known, 5), weights=weights)
    those = Readers(articles, 5, seed=group)
    dice = torch.Generator().manual_seed(group)
    for _ in range(40):
        visits(those, learner, 10, dice)
        path.append(learner.weights.tolist())
    weights = path[-1]

# %% tags=["folded"]
names = ("guess", "doubt", "crowd")
plots.lines(
    [50 * (1 + number) for number in range(len(path))],
    dict(zip(names, map(list, zip(*path, strict=True)), strict=True)),
    x_label="interactions of practice",
    y_label="weight",
)

# %%
claim(
    "Practice at least doubled the weight of the guess",
    weights[0] >= 2,
    measured=weights[0],
)
claim(
    "And it pushed the weight of the doubt below zero",
    weights[1] < 0,
    measured=weights[1],
)

# %% [markdown]
# So the policy learned to trust the guess, and to shun what it does not know. That is
# no fault of the gradient. The reward of this visit is all that it is paid for, and on
# this visit a known pleasure is worth more than an unknown. What is *found out* pays
# later, and nobody credits it. So we keep the weights of guess and crowd, and set that
# of the doubt to 0: neither fear nor curiosity. (On a third lot of readers, put aside
# for such choices, that regretted less, above all when tastes turned. Section 6 shows
# both.)

# %%
calm = [weights[0], 0.0, weights[2]]

# %% [markdown]
# Now the test: readers that nobody has met, 2,000 interactions. The policy goes on
# learning while it serves them. A single group of five may be easy or hard, so `make
# bench ARGS=recommendations` did it with twenty groups, every recommender under the
# same offers and the same luck, and kept the figures. (The settings of bandit and
# memory were chosen on the third lot of readers, too.)

# %%
desk.predict(
    "16/half",
    "The policy's regret after 2,000 interactions, in percent of popularity's?",
    unit="%",
)
desk.predict(
    "16/bandit",
    "And who regrets less, averaged over the groups?",
    options=["the policy", "the bandit", "no difference to speak of"],
)

# %% tags=["folded"]
kept = json.loads((DATA / "recommendations.json").read_text("utf-8"))
same = kept["base"] == weights_hash(base)
print("measured on", "this" if same else "ANOTHER", "base model")
regret = {name: torch.tensor(each) for name, each in kept["regret"].items()}
BEFORE = 20  # blocks of 100 interactions until tastes turn


def spread(rows):
    """Mean over groups, and half the width of its 95 % interval."""
    return rows.mean(dim=0), 1.96 * rows.std(dim=0) / len(rows) ** 0.5


def banded(series, y_label, alt, marked=None, begin=0):
    """A line for each recommender, in its interval; blocks from `begin` on."""
    figure = Figure(figsize=(plots.WIDTH_INCHES, 3.3), layout="constrained")
    axes = figure.subplots()
    for number, (name, rows) in enumerate(series.items()):
        mean, half = spread(rows)
        mean, half = mean[begin:], half[begin:]
        x = [100 * (1 + begin + place) for place in range(len(mean))]
        colour = plots.PALETTE[number]
        style = plots.LINE_STYLES[number]
        axes.plot(x, mean, color=colour, linestyle=style, label=name)
        axes.fill_between(
            x, mean - half, mean + half, color=colour, alpha=0.15, lw=0
        )
    axes.set(xlabel="interactions", ylabel=y_label)
    axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
    if marked:
        axes.axvline(marked, color=plots.GREY, linewidth=1, linestyle=":")
        axes.text(marked, axes.get_ylim()[1], " tastes turn", va="top")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        loc="outside upper center", ncols=len(series), frameon=False
    )
    plots.show(figure, alt=alt)


shown = ["popularity", "bandit", "policy", "policy, no practice"]
banded(
    {name: regret[name][:, :BEFORE].cumsum(dim=1) for name in shown},
    "regret so far, clicks",
    "The regret that has added up, mean of twenty groups with its 95 % "
    "interval. Popularity's line is nearly straight and ends more than twice "
    "as high as the others, which bend as they get to know their readers.",
)

# %%
total = {name: each[:, :BEFORE].sum(dim=1) for name, each in regret.items()}
share = total["policy"].mean() / total["popularity"].mean()
less, half = spread(total["policy"] - total["bandit"])
for name in shown:
    mean, width = spread(total[name])
    print(f"{name:22}{about(mean)} +- {about(width, 2)}")

# %%
desk.answer(
    "16/half",
    100 * share.item(),
    "Most of what is left falls in the first few hundred interactions.",
    within=7,
)
desk.answer(
    "16/bandit",
    "no difference to speak of"
    if abs(less) < half
    else "the policy"
    if less < 0
    else "the bandit",
    f"The policy's regret less the bandit's: {about(less, 2)} +- "
    f"{about(half, 2)}. Both rest on the same memory.",
)
claim(
    "After 2,000 interactions with new readers, the policy's regret is at most "
    "half of popularity's",
    share <= 0.5,
    measured=100 * share.item(),
    unit="%",
)
claim(
    "It is not worse than the bandit's: the 95 % interval of the difference "
    "reaches below zero",
    less - half <= 0,
    measured=f"{about(less, 2)} +- {about(half, 2)} clicks",
)

# %% [markdown]
# A click says little: yes or no. A **rating** of one to five stars says more, and it is
# a reward like any other, brought to 0 … 1. The same policy, the same readers, six
# groups; one half of them click, the other half rate:

# %% tags=["folded"]
def practised(features=known, count=5, **how):
    """A policy with the weights of practice, doubt apart."""
    settings = {"weights": calm, "rate": 0.03} | how
    return lambda _: Policy(Memory(features, count), **settings)


by_reward = {
    said: sum(
        run(practised(), 200, seed=seed, stars=stars)[2].regret.sum().item()
        for seed in range(3)
    )
    for said, stars in {"clicks": False, "stars": True}.items()
}
for said, sum_of_three in by_reward.items():
    print(f"{said:7} regret {about(sum_of_three / 3)} after 1,000 interactions")

# %% [markdown]
# ## 5 · Nobody knows you yet
#
# Two strangers come to every recommender. A **new reader** has clicked nothing. The
# guesses are all alike, so the crowd's rate decides; and the first clicks count at
# once, for the weights are known already. A **new article** has been shown to nobody.
# Its number says nothing. But the base model can read it. To see what that is worth,
# here is the same policy once more, with the same weights, but articles are bare
# *numbers* to it: no two are alike.

# %%
desk.predict(
    "16/numbers",
    "Without the base model's features, what happens to the regret after 2,000 "
    "interactions? It becomes … times as large.",
    unit="times",
)

# %% tags=["folded"]
banded(
    {
        name: regret[name][:, :BEFORE] / 100
        for name in ("popularity", "policy, numbers only", "policy")
    },
    "regret of an interaction",
    "Regret of an interaction, block by block, mean of twenty groups with its "
    "95 % interval. With the model's features it falls fast; with bare numbers "
    "it falls slowly, and stays near popularity's for long.",
)

# %%
times = (total["policy, numbers only"].mean() / total["policy"].mean()).item()
desk.answer(
    "16/numbers",
    times,
    "With ten of 200 articles on offer, most of what a reader is offered they "
    "have never been shown, and a number tells nothing about another number.",
    factor=1.2,
)
claim(
    "Reading the articles saves at least a quarter of the regret",
    times >= 4 / 3,
    measured=times,
    unit="times as much without",
)

# %% [markdown]
# And the reader who never clicks? Nothing breaks. Every skip is a reward of 0, and says
# of the articles like it that they do not please. The list wanders on, and after a
# while it says "I have no idea" in the only way it can: all guesses are low.

# %%
silent = practised(count=1)(None)
silent.crowd = popular
page = torch.arange(len(articles))[None]
for _ in range(50):
    place = silent.log_probs(silent.seen(page)).argmax(dim=1)
    silent.learn(page, place, torch.zeros(1).double())
guess, _ = silent.memory.guess(page)
print("a usual guess after 50 skips:", about(guess.median()))

# %% [markdown]
# ## 6 · When tastes turn
#
# People change. After 2,000 interactions each reader drops their oldest love and takes
# up another topic. Nobody announces it. All that the recommender notices is that clicks
# fail to come where they always came.

# %%
desk.predict(
    "16/turn",
    "Right after the turn the policy's regret jumps. Will it fall below half "
    "of popularity's again within 500 interactions?",
    options=["yes", "no"],
)

# %% tags=["folded"]
banded(
    {
        name: regret[name] / 100
        for name in (*shown[:3], "policy, as practised")
    },
    "regret of an interaction",
    "Regret of an interaction before and after tastes turn, mean of twenty "
    "groups with its 95 % interval. The lines of policy and bandit jump at the "
    "turn and come down again in 500 interactions, most of the way; that of "
    "the policy as practised, which shuns the unknown, stays higher.",
    marked=2_000,
    begin=10,
)

# %%
after = {name: each[:, BEFORE:].mean(dim=0) for name, each in regret.items()}
of_crowd = (after["policy"] / after["popularity"]).tolist()
desk.answer(
    "16/turn",
    "yes" if of_crowd[-1] <= 0.5 else "no",
    f"Of popularity's regret it has {about(100 * of_crowd[0], 2)} % in the "
    f"first hundred interactions after the turn, "
    f"{about(100 * of_crowd[-1], 2)} % in the fifth.",
)
claim(
    "Within 500 interactions after the turn, the policy's regret is at most "
    "half of popularity's again",
    of_crowd[-1] <= 0.5,
    measured=100 * of_crowd[-1],
    unit="%",
)
turned = {name: each[:, BEFORE:].sum(dim=1) for name, each in regret.items()}
less, half = spread(turned["policy"] - turned["bandit"])
claim(
    "In these 500 it is not worse than the bandit either: the 95 % interval of "
    "the difference reaches below zero",
    less - half <= 0,
    measured=f"{about(less, 2)} +- {about(half, 2)} clicks",
)
less, half = spread(turned["policy"] - turned["policy, as practised"])
print("regret after the turn, less that of the policy as practised:")
print(about(less, 2), "+-", about(half, 2), "clicks")

# %% [markdown]
# It has not forgotten how to *use* a memory; the three weights hardly move. What has to
# change is the memory itself, and it does so at the rate at which it forgets. Who
# forgets fast recovers fast, and knows less in quiet times. Each visit here keeps 99 %
# of the weight of what was before.
#
# ## 7 · The bubble
#
# So far a reader was offered ten articles of the day, and chance saw to it that there
# was something of everything among them. That was kind. Let the recommender choose from
# the **whole shelf**, as most recommenders do, and start it greedily: only the guess
# counts, and always the largest. No one asks for variety. Below, every dot is an
# article that the reader was shown, in the row of its topic; the topics that they love
# are shaded.

# %%
desk.predict(
    "16/bubble",
    "A reader loves three of fourteen topics. How many different ones will the "
    "greedy recommender show in visits 100 to 150?",
    unit="topics",
)

# %% tags=["folded"]
SHELF = len(articles)
of_topic = readers.is_of[0]


def bubble(make, seed):
    """200 visits, tastes turn, 100 more; the whole shelf to choose from."""
    group, recommender, first = run(make, 200, seed=seed, size=SHELF)
    loved = [group.loved.clone()]
    group.turn()
    dice = torch.Generator().manual_seed(seed)
    second = visits(group, recommender, 100, dice, size=SHELF)
    loved.append(group.loved.clone())
    whole = {
        name: torch.cat([getattr(first, name), getattr(second, name)])
        for name in ("articles", "rewards", "regret")
    }
    return whole | {"loved": loved}


def variety(shown):
    """How many topics, as if all were equally frequent: exp of the entropy."""
    counts = torch.stack(
        [of_topic[row].bincount(minlength=len(topics)) for row in shown.T]
    )
    entropy = torch.distributions.Categorical(counts.double()).entropy()
    return entropy.exp().mean().item()


ways = {
    "greedy": practised(weights=(50.0, 0.0, 0.0), rate=0.0),
    "one in ten by lot": practised(explore=0.1),
    "curious": practised(weights=(weights[0], 3.0, weights[2]), rate=0.0),
}
GROUPS = 4
lives = {
    name: [bubble(make, seed) for seed in range(GROUPS)]
    for name, make in ways.items()
}

# %% tags=["folded"]
def rows_of_topics(found, reader):
    """Which topic one reader was shown at each visit, for two recommenders."""
    figure = Figure(figsize=(plots.WIDTH_INCHES, 3.4), layout="constrained")
    grid = figure.subplots(1, len(found), sharey=True)
    for axes, (name, life_of) in zip(grid, found.items(), strict=True):
        for loved, begin, end in zip(
            life_of["loved"], (0, 200), (200, 300), strict=True
        ):
            for row in loved[reader].tolist():
                axes.fill_between(
                    (begin, end), row - 0.45, row + 0.45, color="#d9d9d9", lw=0
                )
        seen_there = of_topic[life_of["articles"][:, reader]]
        axes.plot(seen_there, ".", color=plots.BLUE, markersize=4)
        axes.axvline(200, color=plots.GREY, linewidth=1, linestyle=":")
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("visit")
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_yticks(range(len(topics)), topics, fontsize=8)
    return figure


plots.show(
    rows_of_topics(
        {name: lives[name][0] for name in ("greedy", "curious")}, reader=0
    ),
    alt="The topic that one reader was shown at each of 300 visits, with the "
    "topics they love shaded. The greedy recommender settles on one row for "
    "good. The curious one tries many rows first, and again after the turn.",
)

# %%
windows = {"visits 0 to 50": (0, 50), "100 to 150": (100, 150)}
windows |= {"after the turn": (200, 250)}
shown_topics = {
    name: [
        sum(variety(one["articles"][slice(*window)]) for one in several)
        / GROUPS
        for window in windows.values()
    ]
    for name, several in lives.items()
}
print("topics shown        ", *[f"{name:>16}" for name in windows])
for name, numbers in shown_topics.items():
    print(f"{name:20}", *[f"{about(number, 2):>16}" for number in numbers])

# %%
desk.answer(
    "16/bubble",
    shown_topics["greedy"][1],
    "It found something that is clicked, and has had no reason to try anything "
    "else since. The reader's clicks seem to prove it right.",
    within=0.5,
)

# %% [markdown]
# That is a **filter bubble**, and nobody built it. What is shown decides what can be
# clicked; what is clicked decides what is shown. From inside it looks like success: the
# reader clicks on most of what is shown. That two other topics would please them as
# well, or better, is nowhere in the data, and no amount of data gathered in this way
# will ever say so. Then tastes turn.
#
# Two cures. **One in ten by lot**: on a tenth of the visits the article is drawn
# blindly. **Curious**: the weight of the doubt, which practice pushed below zero, is
# set above it by hand, for good. What is unknown gets a premium, which falls as it
# becomes known. What do they cost, and what do they bring?

# %%
desk.predict(
    "16/cure",
    "Which of the three has the least regret in all?",
    options=["greedy", "one in ten by lot", "curious"],
)

# %% tags=["folded"]
parts = {"before the turn": slice(0, 200), "after it": slice(200, 300)}
cost = {
    name: torch.tensor(
        [
            [one["regret"][part].mean().item() for part in parts.values()]
            for one in several
        ]
    ).mean(dim=0)
    for name, several in lives.items()
}
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.4), layout="constrained")
axes = figure.subplots()
for number, (part, hatch) in enumerate(zip(parts, ("", "///"), strict=True)):
    axes.barh(
        [place + 0.38 * number for place in range(len(cost))],
        [values[number].item() for values in cost.values()],
        height=0.36,
        color=plots.PALETTE[number],
        hatch=hatch,
        edgecolor="white",
        label=part,
    )
axes.set_yticks([place + 0.19 for place in range(len(cost))], list(cost))
axes.invert_yaxis()
axes.set_xlabel("regret of an interaction")
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside upper center", ncols=2, frameon=False)
plots.show(
    figure,
    alt="Bars of the regret of an interaction before and after tastes turn. "
    "For the greedy recommender it is much larger after the turn; the curious "
    "one has the least in both.",
)

# %%
whole = {
    name: (sum(one["regret"].sum() for one in several) / GROUPS).item()
    for name, several in lives.items()
}
desk.answer(
    "16/cure",
    min(whole, key=whole.get),
    "Regret in 1,500 interactions: "
    + ", ".join(f"{name} {about(each, 2)}" for name, each in whole.items())
    + ". A lot asks again about what is known to be dull; doubt asks where "
    "nobody has looked.",
)
claim(
    "The greedy recommender shows fewer than two topics of the three that its "
    "readers love",
    shown_topics["greedy"][1] < 2,
    measured=shown_topics["greedy"][1],
    unit="topics",
)
claim(
    "A premium on doubt opens it: the regret after the turn is at most two "
    "thirds of the greedy one's",
    cost["curious"][1] <= 2 / 3 * cost["greedy"][1],
    measured=(cost["curious"][1] / cost["greedy"][1]).item(),
    unit="times as much",
)

# %% [markdown]
# But look at the dots again: even the curious one comes to rest on one topic. It asks
# until it is sure, and then it is sure. To be shown *several* of the things one loves,
# variety itself would have to be paid for. The regret of this chapter does not ask for
# it, since the best article of the shelf is the best on every visit. That is a property
# of our reward, not of readers.
#
# ## 8 · Twenty clicks of your own
#
# Now you are the reader. Twenty articles, drawn by lot from the shelf, one after the
# other: click on the article if you would read it, on "Something else, please." if not
# (or press 1 or 2; the sides change). Decide before you begin what you like: ghosts,
# say, or parcels that were mixed up, or wishes. Where no kernel runs, or nobody clicks,
# reader 1 of section 1 does it, who loves three topics, and clicks by dice.

# %% tags=["folded"]
lot = torch.Generator().manual_seed(course.seed)
offered = torch.randperm(len(articles), generator=lot)[:20].tolist()
SKIP = "Something else, please."
asked = [
    StoryPair("Would you read this?", articles[number].text, SKIP)
    for number in offered
]
RUNS.mkdir(parents=True, exist_ok=True)
labeller = PairLabeller(
    asked, LabelStore(RUNS / "reader.sqlite"), annotator="me, as a reader"
)
display(labeller)


# %% tags=["folded"]
def scripted(group, reader):
    """What a reader of ours makes of the twenty: 1 for a click."""
    everywhere = torch.tensor(offered).expand(group.count, -1)
    chances = group.chances(everywhere)[reader]
    dice = torch.Generator().manual_seed(reader)
    return (torch.rand(20, generator=dice) < chances).double().tolist()


number_of = {article.text: n for n, article in enumerate(articles)}
labels = [
    label
    for label in labeller.comparisons("person")
    if {label.first, label.second} & number_of.keys()
]
mine = len(labels) >= 15
if mine:
    clicks = [
        (number_of[one.first], one.target)
        if one.first in number_of
        else (number_of[one.second], 1 - one.target)
        for one in labels
    ]
else:
    clicks = list(zip(offered, scripted(readers, 0), strict=True))
print("clicks of:", "you" if mine else "reader 1, who is scripted")
print("clicked on", sum(reward > 0.5 for _, reward in clicks), "articles")


def list_after(clicks, best=8):
    """Of a new reader with these clicks: the articles that come first."""
    policy = practised(count=1)(None)
    policy.crowd = popular
    for number, reward in clicks:
        told = torch.tensor([reward]).double()
        policy.memory.remember(torch.tensor([number]), told)
    log_probs = policy.log_probs(policy.seen(page))
    return log_probs[0].argsort(descending=True)[:best].tolist()


# %% [markdown]
# The list of a stranger, and the list after the clicks, the first eight of each. (The
# stranger's is the crowd's. That is the cold start, and you see why it is nobody's
# list.)

# %%
lists = {"before": list_after([]), "after": list_after(clicks)}
loved = {topics[each] for each in readers.loved[0].tolist()}
for when, numbers in lists.items():
    print(f"\n{when}:")
    for number in numbers:
        article = articles[number]
        heart = "*" if article.topic in loved and not mine else " "
        first = article.text.split(". ")[0]
        print(f"{heart} [{article.topic}] {first[:62]}")

# %% [markdown]
# A star marks a topic that the scripted reader loves; yours we do not know. One list is
# an anecdote. Here are forty scripted readers, with the same twenty articles.

# %%
desk.predict(
    "16/twenty",
    "A reader loves three topics of fourteen. Of the first eight articles on "
    "the list, how many are of these topics after twenty clicks and skips?",
    unit="of 8",
)

# %% tags=["folded"]
strangers = Readers(articles, 40, seed=course.seed + 7)
hits = {"before": [], "after": []}
for reader in range(strangers.count):
    told = list(zip(offered, scripted(strangers, reader), strict=True))
    their = set(strangers.loved[reader].tolist())
    for when, numbers in {
        "before": lists["before"],
        "after": list_after(told),
    }.items():
        right = sum(of_topic[number].item() in their for number in numbers)
        hits[when].append(right)
hits = {when: torch.tensor(each).double() for when, each in hits.items()}

# %%
gained, half = spread(hits["after"] - hits["before"])
desk.answer(
    "16/twenty",
    hits["after"].mean().item(),
    f"Before, it was {about(hits['before'].mean(), 2)}.",
    within=1,
)
claim(
    "After twenty articles the list holds more of what the reader loves, and "
    "not by luck: the 95 % interval of the gain lies above zero",
    gained - half > 0,
    measured=f"{about(gained, 2)} +- {about(half, 2)} of 8",
)

# %% [markdown]
# ## 9 · What a click is not
#
# A click is not what is good for a reader: it is what they did when they were shown
# what we chose to show. Whoever pays a recommender for clicks will get clicks, and if a
# lie, a scare or a quarrel is clicked more than what they would be glad to have read,
# the policy of this chapter would learn that in a few hundred interactions, and would
# not know that it had.
#
# ## What did not work at this size
#
# - **To know a metric.** We let the gradient learn 48 times 48 weights in place of
#   three: which directions of the model's states matter to readers. From many
#   thousands of clicks it learned mostly noise, and did much worse than with three.
# - **People and places.** Readers like some of them a little. The middle block says
#   little about who and where; the last block does, and less of the topic. We took the
#   topic.
# - **A clear victory over the bandit.** With the same memory, a rule from a textbook
#   and three learned weights do about equally well. What is learned is worth more where
#   no textbook has the rule.
# - **Recovery to the full.** Five hundred interactions are a hundred visits of each
#   reader. They bring regret down again, not to where it was.
# - **Twenty pairs.** We first asked which of *two* articles a reader would rather have.
#   They must choose between two dull ones, and the click then says what is not so. One
#   article at a time taught the policy more.
# - **These readers are ours.** They have three loves and honest dice. People get tired
#   of a topic, come back for a second look, and click by mistake.
#
# ## Looking back
#
# This is the last chapter, so look back at the life of one model. It was random
# weights. It filled gaps, and learned what fits on both sides. It read a village from
# the first page to the last, and wrote. It was shown questions and answers, and
# answered; it learned when to say that it does not know. Then nobody could write the
# right text any more, and it was told only how good its own were: by a program, by a
# crowd, by you. In this chapter it wrote nothing at all, and what it had once learned
# by guessing the next token told us what a stranger would like to read.
#
# The same three ideas carried all of it: guess, and be corrected by what came; make
# what was rewarded more probable, in proportion to the surprise; and measure it on what
# was put away, before you believe it. What comes next is **your own experiment**:
# another corpus, another reward, a question of yours that has a number for an answer.
#
# ## Summary
#
# - Regret compares with the best on offer, not with perfection.
# - Popularity serves the many and no one. What sets readers apart has to be remembered,
#   reader by reader.
# - A model that has read the articles makes the strange ones familiar: that is what
#   solves the cold start.
# - The policy gradient of chapter 9 learns how to use a memory. Paid for this click
#   only, it learns to avoid what it does not know.
# - What is shown decides what can be clicked. A bubble looks like success from inside;
#   doubt, given a premium, opens it.
# - Clicks are a proxy, like every reward.

# %%
desk.quiz(
    "16",
    desk.ask(
        "A recommender is clicked on 80 of 100 times. Is its regret small?",
        right=(
            "That depends on what else was on offer.",
            "Regret compares with the best article of the same visit.",
        ),
        wrong=[
            (
                "Yes, at most 20 clicks.",
                "The best on offer may have had a chance of 80 % too, or 99 %.",
            ),
            (
                "No, popularity would have 80, too.",
                "Nobody knows that from the clicks alone.",
            ),
        ],
    ),
    desk.ask(
        "A reader's log holds ghost stories only, all clicked. What does it "
        "say about bargains?",
        right=(
            "Nothing.",
            "None was shown. To know, one has to be shown now and then.",
        ),
        wrong=[
            (
                "The reader does not care for them.",
                "A topic that was never shown was never skipped either.",
            ),
            (
                "They like them less than ghosts.",
                "That may be, but nothing in the log says so.",
            ),
        ],
    ),
    desk.ask(
        "An article came in a minute ago. Which recommender can place it?",
        right=(
            "The one that reads it.",
            "Its features are there at once; clicks take time.",
        ),
        wrong=[
            (
                "The most popular one.",
                "Its rate is the rate of what is unknown: nobody has seen it.",
            ),
            (
                "None before its first click.",
                "Readers of articles like it have clicked already.",
            ),
        ],
    ),
)

# %%
desk.tally("16")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 13](../exercises/release/ps13/ps13.ipynb): try, or take
# the best; what would the other list have earned; the bubble. **Try:** in section 7,
# pay for variety: subtract from each article's number how often its topic was shown
# lately. What does it cost in clicks? **Next:** your own experiment.
