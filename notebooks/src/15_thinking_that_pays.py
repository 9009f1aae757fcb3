# %% [markdown]
# # 15 · Thinking that pays
#
# **You will be able to** say why a question of two steps is hard to answer at once
# and easy to answer aloud; let a model find out by itself that thinking pays, from a
# reward that looks at nothing but the end; put a price on length; test whether a
# model *uses* what it says; tell sharper answers from new ones.
#
# **You need** [9 · Policy gradients](09_policy_gradients.ipynb).
#
# **Time** 3 minutes to run on two processor cores, most of it three training runs; an
# hour to work through.
#
# **Where we are in the model's life:** beside the road, from `instruct`.

# %%
import json
from dataclasses import replace
from inspect import getsource

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import desk, life, plots, thinking
from llmlab.best_of_n import expected_best
from llmlab.claims import about, claim
from llmlab.evaluation import sign_test
from llmlab.paths import DATA
from llmlab.talking import Speaker
from llmlab.thinking import (
    ENDS,
    PRACTICE,
    THINKS,
    inclination,
    is_right,
    one_step,
    practise,
    read,
    say,
    says_why,
    share,
    swapped,
    thinks,
    tune,
    two_steps,
)
from llmlab.widgets import Chat, TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
model = course.load("instruct")

# %% [markdown]
# ## 1 · Two facts and their join
#
# Where does the owner of the mirror live? Whoever has read the village's pages knows
# who has the mirror, and knows where everybody lives. That should be enough.

# %%
example = two_steps("validation")[60]
print(example.prompt)
print("  1 ", example.thought[0])
print("  2 ", example.thought[1])
print("  so", example.direct)

# %% [markdown]
# But think of how the model has to do it. It reads the question once. Its layers look
# up the first fact, somewhere on the way up. Only when that is there can the second
# be looked up, in the layers *above* it. There are three layers, and the lookups of
# facts were learned where training put them, perhaps both in the same layer. A chain
# that is longer than what is left of the layers cannot be followed in one pass.
#
# There is a way out. A token that has been *written* is read again from below, by all
# layers. Whoever says the first fact has it at hand for the second: **the text
# becomes the memory**.

# %% tags=["folded"]
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.7), layout="constrained")
panels = figure.subplots(1, 2, width_ratios=(1, 2.1))
walks = {
    "at once": [["question"], ["owner?", "home?", "end"]],
    "aloud": [
        ["question", "Agnes", "the mill"],
        ["owner?", "home?", "end"],
    ],
}
for axes, (title, (columns, steps)) in zip(
    panels, walks.items(), strict=True
):
    for place, name in enumerate(columns):
        for layer in range(3):
            axes.plot(place, layer, "o", color=plots.GREY, markersize=6)
        axes.text(place, -0.75, name, ha="center", fontsize=9)
    for number, step in enumerate(steps):
        at = (0, number) if title == "at once" else (number, 2)
        axes.annotate(
            step, at, (8, 3), textcoords="offset points", fontsize=9
        )
        axes.plot(*at, "s", color=plots.BLUE, markersize=8)
    if title == "aloud":
        for place in (0, 1):
            axes.annotate(
                "",
                (place + 1, -0.45),
                (place, 2),
                arrowprops={"arrowstyle": "->", "color": plots.VERMILLION},
            )
    axes.set(title=title, xlim=(-0.4, len(columns) - 0.3), ylim=(-1.1, 2.6))
    axes.set_axis_off()
plots.show(
    figure,
    alt="Two drawings. At once: one column of three layers, in which owner, "
    "home and end must be found one above the other. Aloud: three columns, one "
    "a token that was written; each has all three layers for one step, and "
    "what it finds is read again from below.",
)

# %% [markdown]
# ## 2 · Three answers of ten think aloud
#
# Two forms of an answer. Which of them it will be is settled by the first token.

# %%
print(example.direct)
print(example.aloud)

# %% [markdown]
# A short tuning shows both, to the same sort of question: three answers of ten, drawn
# by lot, think aloud. Nothing says which form is better. The questions are divided,
# for all that follows: combinations that this tuning **shows**, others that the
# reward will be **paid** on, some to choose by, and some to tell by, which *no*
# training has asked.

# %%
for part in thinking.PARTS:
    print(f"{part:11}{len(two_steps(part)):4} of two steps,", end=" ")
    print(f"{len(one_step(part)):4} of one")

# %%
desk.predict(
    "15/direct",
    "Made to answer at once, on combinations never asked: how many of 100 ends "
    "will be right?",
    unit="of 100",
)
desk.predict(
    "15/aloud",
    "And made to think first?",
    unit="of 100",
)

# %%
history = tune(
    model,
    tokenizer,
    progress=TrainingMonitor(),
    label="three of ten think aloud",
    after_a_stop="run the cells from the first one again",
)
model.requires_grad_(False)

# %% [markdown]
# An answer can be *begun* for the model: with `Answer:` it is too late to think, with
# `Think:` there is no way round it. Test questions, the likeliest answer to each.

# %% tags=["folded"]
exam, easy = two_steps("test"), one_step("test")


def judged(model, puzzles, begin, **settings):
    """Answers, and whether each is right."""
    said = say(model, tokenizer, puzzles, begin, **settings)
    ends = [is_right(*each) for each in zip(puzzles, said, strict=True)]
    return said, ends


forced = {
    "at once": judged(model, exam, ENDS)[1],
    "thinking first": judged(model, exam, THINKS)[1],
}
plots.share_intervals(
    {
        name: (share(ends).rate, *share(ends).interval)
        for name, ends in forced.items()
    },
    x_label="right ends, combinations never asked, with the 95 % interval",
)

# %%
at_once, aloud = (100 * share(ends).rate for ends in forced.values())
desk.answer(
    "15/direct",
    at_once,
    "It knows the facts, and cannot join most of them. Some it can: where it "
    "was shown many neighbours, or by luck.",
    within=8,
)
desk.answer(
    "15/aloud", aloud, "The same weights. They only spoke first.", within=8
)
claim(
    "Made to think, the same model is right on at least half as many again of "
    "the questions, and not by luck",
    aloud > 1.5 * at_once
    and sign_test(forced["at once"], forced["thinking first"]) < 0.001,
    measured=f"{about(at_once, 2)} % and {about(aloud, 2)} %",
)

# %% [markdown]
# ## 3 · What is paid for
#
# Now the reward. Not for thinking, not for a thought that is right, not for length. 1
# for the right end, 0 for any other. A program judges; it must not be fooled by an
# answer that ends twice.

# %%
print(getsource(read))
print(getsource(is_right))

# %% [markdown]
# The update is that of [chapter 9](09_policy_gradients.ipynb): eight answers to a
# question, each compared with the other seven. More than half of the
# questions have two steps, the others have one ("What is Bruno afraid of?"), where
# there is little to think about.

# %%
print(getsource(practise))

# %%
desk.predict(
    "15/curves",
    "Questions of two steps: what happens to the share of answers that think?",
    options=["it rises to nearly all", "it stays", "it falls"],
)
desk.predict(
    "15/easy",
    "And to questions of one step, where length costs nothing yet?",
    options=["it rises as well", "it stays", "it falls"],
)

# %%
practice = [*two_steps("rewarded"), *one_step("rewarded")]


def rewarded(price, label):
    """A policy that has practised, and how that went."""
    policy = course.load("instruct")
    policy.load_state_dict(model.state_dict())
    history = practise(
        policy,
        tokenizer,
        practice,
        price=price,
        progress=TrainingMonitor(),
        label=label,
        after_a_stop="run the cell again, and it begins anew",
    )
    return policy.requires_grad_(False), history


free, history = rewarded(0.0, "paid for the end")

# %% tags=["folded"]
plots.small_multiples(
    {
        title: {"two steps": [each[f"{key}, two"] for each in history]}
        | {"one step": [each[f"{key}, one"] for each in history]}
        for title, key in [
            ("share that thinks", "thinks"),
            ("right", "right"),
        ]
    }
    | {"tokens an answer": {"all": [each["length"] for each in history]}}
)

# %% [markdown]
# These are the curves that made reasoning models famous. Nobody asked for length. On
# test questions, drawn at the temperature of training:

# %% tags=["folded"]


def told(policy, puzzles, seed=0):
    """Drawn answers: right, thinking, tokens."""
    dice = torch.Generator().manual_seed(seed)
    said, ends = judged(policy, puzzles, "", temperature=1.0, generator=dice)
    sizes = [len(tokenizer.encode(answer)) for answer in said]
    return said, ends, list(map(thinks, said)), sum(sizes) / len(sizes)


before, after = (told(each, exam) for each in (model, free))
easy_before, easy_after = (told(each, easy) for each in (model, free))
print("two steps, never asked    right   think   tokens")
for name, (_, ends, thought, size) in {
    "before": before,
    "after": after,
}.items():
    shares = (
        f"{about(100 * share(s).rate, 2):>5} %" for s in (ends, thought)
    )
    print(f"{name:24}", *shares, f"{about(size, 2):>6}")

# %%
more = 100 * share(after[2]).rate
desk.answer(
    "15/curves",
    "it rises to nearly all"
    if more >= 90
    else "it falls"
    if more < 100 * share(before[2]).rate
    else "it stays",
    f"On questions never asked {about(more, 2)} of 100 answers think now.",
)
easy_share = [100 * share(each[2]).rate for each in (easy_before, easy_after)]
change = easy_share[1] - easy_share[0]
desk.answer(
    "15/easy",
    "it rises as well"
    if change > 8
    else "it falls"
    if change < -8
    else "it stays",
    f"From {about(easy_share[0], 2)} to {about(easy_share[1], 2)} of 100: a "
    "habit goes along with its neighbour when it costs nothing.",
)
claim(
    "More answers think, more ends are right, and not by luck",
    more > 100 * share(before[2]).rate
    and sign_test(before[1], after[1]) < 0.01,
    measured=f"{about(100 * share(after[1]).rate, 2)} % are right",
)

# %% [markdown]
# One run is one run. The benchmark `thinking` makes three, from the tuning on, with
# other seeds each time, and keeps what it finds on test questions. Where it has been
# run:

# %% tags=["folded"]
kept = DATA / "thinking.json"
runs = json.loads(kept.read_text("utf-8"))["seeds"] if kept.exists() else {}
for seed, found in runs.items():
    print(f"seed {seed}:", end=" ")
    for name in ("direct", "aloud", "before", "after", "thinks"):
        right, asked = found[name]
        print(f"{name} {about(100 * right / asked, 2)} %", end="  ")
    print()
if not runs:
    print("python -m benchmarks thinking has not been run yet")

# %% [markdown]
# ## 4 · Where the credit went
#
# An answer that thinks has many tokens, and all of them were pushed by the same
# number. But most of them were nearly certain already, and a token that is certain is
# not pushed ([chapter 9](09_policy_gradients.ipynb), section 1). What could move is
# the first one, which decides. How probable it is can be read off exactly, without a
# draw.

# %% tags=["folded"]
some = exam[::4]
leaning = {
    name: inclination(each, tokenizer, some).mean().item()
    for name, each in {"before": model, "after": free}.items()
}
for name, value in leaning.items():
    print(f"{name:7} it begins to think: {about(100 * value, 2)} %")
claim(
    "The first token alone has become more probable",
    leaning["after"] > leaning["before"],
    measured=100 * leaning["after"],
    unit="%",
)

# %% [markdown]
# Was it *only* the first token? Then the old model, made to think, must be as good as
# the new one.

# %%
made = {
    name: 100 * share(judged(each, exam, THINKS)[1]).rate
    for name, each in {"before": model, "after": free}.items()
}
print({name: f"{about(value, 2)} % right" for name, value in made.items()})

# %% [markdown]
# What lies between these two is what the reward taught *about* thinking. The rest of
# the gain is the decision to do it.
#
# ## 5 · A price on length
#
# Tokens cost time. Let each cost a hundredth of a right answer. Thoughts on two
# steps cost little beside what they bring. On one step they bring nothing.

# %%
PRICE = 0.01
desk.predict(
    "15/price",
    "With the price, which answers will still think?",
    options=["to two steps only", "to both", "to neither"],
)

# %%
priced, history_priced = rewarded(PRICE, "a price on length")

# %% tags=["folded"]
plots.small_multiples(
    {
        "thinks, two steps": {
            "free": [each["thinks, two"] for each in history],
            "with a price": [each["thinks, two"] for each in history_priced],
        },
        "thinks, one step": {
            "free": [each["thinks, one"] for each in history],
            "with a price": [each["thinks, one"] for each in history_priced],
        },
        "tokens an answer": {
            "free": [each["length"] for each in history],
            "with a price": [each["length"] for each in history_priced],
        },
    }
)

# %%
hard, simple = told(priced, exam), told(priced, easy)
both = [100 * share(each[2]).rate for each in (hard, simple)]
desk.answer(
    "15/price",
    "to neither"
    if max(both) < 50
    else "to two steps only"
    if min(both) < 50
    else "to both",
    f"Of 100 answers to test questions, {about(both[0], 2)} think on two steps "
    f"and {about(both[1], 2)} on one.",
)

# %% [markdown]
# ## 6 · Nothing to learn from
#
# Two rewards that teach nothing: one that always pays, one that never does. The share
# of groups without any difference, `silent`, says so before anybody has waited for a
# curve.

# %%
for name, pay in {"always": 1.0, "never": 0.0}.items():
    policy = course.load("instruct")
    policy.load_state_dict(model.state_dict())
    silent = practise(
        policy,
        tokenizer,
        practice,
        replace(PRACTICE, steps=1, responses=32),
        judge=lambda puzzle, answer, pay=pay: pay,
    )[0]["silent"]
    moved = max(
        (old - new).abs().max().item()
        for old, new in zip(
            model.parameters(), policy.parameters(), strict=True
        )
    )
    print(f"{name} paid: {silent:.0%} of the groups silent, moved by {moved}")

# %% [markdown]
# ## 7 · Are the thoughts used?
#
# A thought that is right before an end that is right proves nothing: both may come
# from the question. So change it. We write the first fact for the model, and it is
# *false*: somebody else's mirror. Does it go on from there, or does it end where it
# would have ended anyway?

# %%
pairs = [(puzzle, swapped(puzzle, exam)) for puzzle in exam]
pairs = [(puzzle, found) for puzzle, found in pairs if found]
puzzle, (begin, other) = pairs[len(pairs) // 2]
print(puzzle.prompt)
print("true:   ", puzzle.thought[0])
print("changed:", begin)

# %%
desk.predict(
    "15/faithful",
    "Of 100 answers begun with a false fact: how many ends will follow it?",
    unit="of 100",
)

# %% tags=["folded"]
faithful = {}
for name, each in {"before": model, "after": free, "price": priced}.items():
    begins = [begin for _, (begin, _) in pairs]
    ends = say(each, tokenizer, [puzzle for puzzle, _ in pairs], begins)
    follows = stays = 0
    for (puzzle, (_, other)), said in zip(pairs, ends, strict=True):
        follows += read(said)[1] == other.end
        stays += read(said)[1] == puzzle.end
    faithful[name] = {
        "follows the changed fact": follows / len(pairs),
        "ends as if unchanged": stays / len(pairs),
        "neither": 1 - (follows + stays) / len(pairs),
    }
plots.stacked_shares(faithful)

# %%
desk.answer(
    "15/faithful",
    100 * faithful["after"]["follows the changed fact"],
    "What ends as if nothing had been changed did not need the thought.",
    within=8,
)

# %% [markdown]
# And among answers drawn freely: thought and end, each right or wrong.

# %%
for name, (said, ends, thought, _) in {
    "before": before,
    "after": after,
}.items():
    why = [says_why(*each) for each in zip(exam, said, strict=True)]
    rows = [each for each in zip(why, ends, thought, strict=True) if each[2]]
    counts = {
        f"{a} thought, {b} end": sum(
            w == (a == "right") and e == (b == "right") for w, e, _ in rows
        )
        for a in ("right", "wrong")
        for b in ("right", "wrong")
    }
    print(
        name, {key: about(float(value), 2) for key, value in counts.items()}
    )

# %% [markdown]
# The reward never looked at a thought. A wrong thought with a right end was paid in
# full.
#
# ## 8 · Sharper, or new?
#
# Drawn sixteen times, how often is at least one answer right? If training only moved
# probability, the old model reaches with many answers what the new one says at once.

# %%
desk.predict(
    "15/passk",
    "At k = 16, which model has the higher pass@k?",
    options=["before", "after", "no difference to speak of"],
)

# %% tags=["folded"]
DRAWS = (1, 2, 4, 8, 16)


def pass_at_each(policy):
    """pass@k over test questions, from 16 drawn answers to each."""
    dice = {"temperature": 1.0, "generator": torch.Generator().manual_seed(5)}
    asked = [puzzle for puzzle in exam[::3] for _ in range(max(DRAWS))]
    scores = torch.tensor(judged(policy, asked, "", **dice)[1])
    scores = scores.view(-1, max(DRAWS))
    return [expected_best(scores, k).mean().item() for k in DRAWS]


curves = {
    name: pass_at_each(each)
    for name, each in {"before": model, "after": free}.items()
}
plots.lines(
    DRAWS,
    curves,
    x_label="answers drawn, k",
    y_label="pass@k, combinations never asked",
    doubling=True,
    from_zero=True,
)

# %%
last = curves["after"][-1] - curves["before"][-1]
desk.answer(
    "15/passk",
    "after"
    if last > 0.03
    else "before"
    if last < -0.03
    else "no difference to speak of",
    f"pass@1 went from {about(100 * curves['before'][0], 2)} % to "
    f"{about(100 * curves['after'][0], 2)} %; pass@16 from "
    f"{about(100 * curves['before'][-1], 2)} % to "
    f"{about(100 * curves['after'][-1], 2)} %.",
)

# %% [markdown]
# ## 9 · Ask it
#
# Pick a question, or type one. Left as it was tuned, then after the reward, then with
# the price. Each answer is written as it is drawn, at the temperature below.

# %% tags=["nbval-ignore-output"]
display(
    Chat(
        {
            "before": Speaker(model, tokenizer),
            "after the reward": Speaker(free, tokenizer),
            "with a price": Speaker(priced, tokenizer),
        },
        examples=[exam[100].prompt, easy[5].prompt],
        suggestions={
            "two steps": exam[60].prompt,
            "one step": easy[40].prompt,
        },
        temperature=0.1,
    )
)

# %% [markdown]
# ## What did not work at this size
#
# - **Kin.** "Greta is the cousin of Otto" says first what is to be found. A thought
#   that begins with its result is no help, and many of these went wrong. They are
#   left out.
# - **The rewarded questions are not all new.** Phase 2 asked some of these
#   combinations, of both kinds. What is told here is told on combinations that no
#   training asked.
# - **The price, so far.** We expected that one step would no longer be thought about.
#   In the run that we built this chapter with, twenty updates moved both kinds of
#   questions together: they share the first token, and it is pushed up by the many
#   ends that thinking saves on two steps. Whether more updates part them, we have not
#   shown; `steps` and `PRICE` are two numbers.
# - **No new thoughts.** The form of the thought was shown. What was found out is when
#   to use it. Larger models have found forms that nobody showed; ours does not.
# - **What else was forgotten** by so narrow a practice, we did not measure here.
#
# ## Summary
#
# - A chain of facts needs a pass for each link; written tokens give it more passes.
# - Paid for the end alone, a model that sometimes thinks comes to think where it
#   pays.
# - Length is not the aim. A price on it is a reward like any other: look at what it
#   moved before you believe that it did.
# - A right thought is no proof that it was used. Change it and see.
# - pass@k says what was there before.

# %%
desk.quiz(
    "15",
    desk.ask(
        "Tuning shows no answer that thinks. Then the reward for the right end "
        "is paid for a day. How many answers think?",
        right=(
            "Practically none: what is never tried is never paid.",
            "A reward chooses among what is drawn.",
        ),
        wrong=[
            (
                "All: thinking pays.",
                "It would. But nobody has tried it.",
            ),
            (
                "Half of them.",
                "There is nothing that would push towards half.",
            ),
        ],
    ),
    desk.ask(
        "You exchange a fact in the thought and the end stays what it was. "
        "What do you conclude?",
        right=(
            "This end did not come out of this thought.",
            "Whatever the thought says, it was not used here.",
        ),
        wrong=[
            (
                "The model noticed the mistake, so it reasons well.",
                "Perhaps. But then its end did not come from its thought.",
            ),
            (
                "Nothing: one has to read more answers.",
                "Reading shows what is said, never what is used.",
            ),
        ],
    ),
)

# %%
desk.tally("15")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 12](../exercises/release/ps12/ps12.ipynb): a judge that
# cannot be fooled, did thinking do it?, one of k is right.
