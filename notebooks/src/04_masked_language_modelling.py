# %% [markdown]
# # 4 · Masked language modelling
#
# **You will be able to** hide words as BERT does and check by counting that you did;
# train a model that fills gaps from both sides; say where looking both ways helps,
# with an interval; recognise two training mistakes whose loss looks wonderful; name
# three things that such a model cannot do.
#
# **You need** [0 · Start here](00_start_here.ipynb), and to know what a probability
# and a logarithm are.
#
# **Time** 3 minutes to run on two processor cores, most of it training;
# an hour to work through.
#
# **Where we are in the model's life:** at the first of its two beginnings.
# `random → masked`.

# %%
import json
import math
from fractions import Fraction
from inspect import getsource
from itertools import pairwise

import torch

from llmlab import desk, life, optimisers, plots, pretraining, training, village
from llmlab.batching import IGNORE, Batch, pad_sequences
from llmlab.claims import about, claim
from llmlab.evaluation import (
    Share,
    language_loss,
    masked_accuracy,
    wilson_interval,
    win_rate,
)
from llmlab.filling import fill, guess_tokens
from llmlab.sampling import generate
from llmlab.widgets import TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer

# %% [markdown]
# ## 1 · A gap
#
# Guess the last word: *Agnes looked at the sky and took her* … A coat? A boat? A
# seat? Many words would do.
#
# Now guess the word in the gap: *Agnes looked at the sky and took her ___, but the
# wind turned it inside out.* The same words stand before it. What changed your mind
# stands **after** it.
#
# A model that reads from left to right must guess before it sees those words. This
# chapter trains one that sees both sides. The game is old: teachers call it a cloze
# test. In 2018 Devlin and others trained a network called BERT by it. Models of its
# kind still search, sort and tag text, where nothing has to be written.

# %% [markdown]
# ## 2 · Hiding
#
# Any text can be turned into a gap text: hide some of its tokens, and keep them as
# the answers. Here is a sentence of the village, treated so by the library. To see
# more of it, we hide 40 in 100.

# %%
desk.predict(
    "04/never",
    "Which tokens will never be hidden?",
    options=[
        "names of people",
        "full stops",
        "the signs for beginning and end",
        "the commonest words",
    ],
)

# %%
text = "Otto lends the umbrella to Agnes because it rains at the harbour."
sequence = pretraining.encode_documents(tokenizer, [text])[0]
dice = torch.Generator().manual_seed(93)  # a draw in which all happens
batch = pretraining.masked_batch([sequence], tokenizer, dice, share=0.4)

# %% tags=["folded"]
print(f"{'stood there':>12}  {'is read':12} to be guessed")
for stood, shown, target in zip(
    sequence, batch.tokens[0].tolist(), batch.targets[0].tolist(), strict=True
):
    asked = "" if target == IGNORE else tokenizer.token_text(target)
    names = tokenizer.token_text(stood), tokenizer.token_text(shown)
    print(f"{names[0]:>12}  {names[1]:12} {asked}".rstrip())

# %%
desk.answer(
    "04/never",
    "the signs for beginning and end",
    "They stand in every text at the same place: nobody would learn anything.",
)

# %% [markdown]
# (␣ stands for the space that belongs to a token.) The targets are *not* moved by
# one, as they are for a model that guesses the next token: what must be guessed at a
# place is what stood at that very place.
#
# Most hidden tokens are replaced by `<mask>`, but not all: find the false word, and the
# one that stayed. BERT's recipe chooses 15 of 100 tokens, and of the chosen ones
#
# - 80 % become `<mask>`,
# - 10 % become some other token, drawn at random,
# - 10 % stay as they are.
#
# Why so odd? A text that is *used* later has no `<mask>` in it. A model that had to
# answer at that sign only could ignore all other places. Now it cannot: any word
# might be a false one that it will be asked about. **Exercise, before you look:**
# write it yourself, in [problem set 2](../exercises/release/ps2/ps2.ipynb).

# %%
print(getsource(pretraining.masked_batch))

# %% [markdown]
# ### Count it
#
# Code like this is easily wrong by a sign or a factor, and raises no error. So count.
# If each of $n$ tokens is chosen with probability $p$, the number of chosen ones is
# $np$, give or take: its standard deviation is $\sqrt{np(1-p)}$. Three of them is a
# fair margin.

# %%
desk.predict(
    "04/margin",
    "Three standard deviations for n = 10,000 and p = 0.1: how many tokens?",
    unit="tokens",
)

# %% tags=["folded"]
train_documents = list(village.documents(4_200, seed=0, split="train"))
sequences = pretraining.encode_documents(
    tokenizer, [document.text for document in train_documents]
)
originals, _ = pad_sequences(sequences, pad_id=tokenizer.pad_id)
dice = torch.Generator().manual_seed(4)
batch = pretraining.masked_batch(sequences, tokenizer, dice)


def count_fates(batch, originals):
    """What became of the tokens that may be hidden."""
    ordinary = originals >= len(tokenizer.SPECIAL_TOKENS)
    chosen = batch.target_mask
    shown, stood = batch.tokens[chosen], originals[chosen]
    masked = shown == tokenizer.mask_id
    same = shown == stood
    return {
        "chosen": (int(chosen.sum()), int(ordinary.sum())),
        "<mask>": (int(masked.sum()), len(stood)),
        "another token": (int((~masked & ~same).sum()), len(stood)),
        "unchanged": (int(same.sum()), len(stood)),
    }


recipe = {"chosen": 0.15, "<mask>": 0.8, "another token": 0.1, "unchanged": 0.1}
for name, (count, of) in count_fates(batch, originals).items():
    expected = of * recipe[name]
    margin = 3 * math.sqrt(of * recipe[name] * (1 - recipe[name]))
    inside = abs(count - expected) <= margin
    print(
        f"{name:13} {count:7,} of {of:7,}, expected {expected:9,.0f}"
        f" ± {margin:5.0f}  {'ok' if inside else 'WRONG'}"
    )
    assert inside

# %%
desk.answer(
    "04/margin",
    round(3 * math.sqrt(10_000 * 0.1 * 0.9)),
    "10,000 · 0.1 · 0.9 is 900, its root 30. In the table every count is "
    "inside its own margin.",
)

# %% [markdown]
# ## 3 · The score, with a pencil
#
# The charge for a guess is its surprise, $-\ln p$ of the token that really stood
# there; its unit is the *nat*. Only the chosen places are charged. Take three places,
# one of them hidden; the model gives the hidden token $p = \frac14$, and it copies the
# two tokens that it can see, with certainty. ($\ln 4$ is about 1.39.)

# %%
desk.predict(
    "04/pencil", "What is the loss of these three places?", unit="nats"
)

# %%
surprises = torch.tensor([0.0, math.log(4), 0.0])
hidden = torch.tensor([0.0, 1.0, 0.0])
loss = (surprises * hidden).sum() / hidden.sum()
print(f"{loss:.4f} nats for each hidden token")

# %%
desk.answer(
    "04/pencil",
    round(loss.item(), 3),
    "One place is asked, and its surprise is −ln 1/4. The two others do not "
    "count.",
)

# %% [markdown]
# Here is the same sum as a well-known textbook once published it. The loss function
# takes the mean *first*; multiplying by the weights comes too late.

# %%
desk.predict(
    "04/published",
    "mean(surprises) · hidden, summed and divided by the sum of hidden: what "
    "does it give?",
    unit="nats",
)

# %%
mean_of_all = surprises.mean()
published = (mean_of_all * hidden).sum() / hidden.sum()
print(f"{published:.4f}")

# %%
desk.answer(
    "04/published",
    round(published.item(), 3),
    "The weights cancel, and what is left is the mean over all three places.",
    factor=1.1,
)

# %% [markdown]
# So the line that was to pick the hidden places did nothing. (In the
# book it let padding be trained on,
# [issue 2582](https://github.com/d2l-ai/d2l-en/issues/2582).) And see which way the
# mistake leans. The wrong loss is a third of the right one, because two easy places
# are counted in. You will meet that again with a whole model.
#
# The library asks only at the places that have a target, so there is nothing to
# cancel:

# %%
print(getsource(pretraining.prediction_loss))

# %% [markdown]
# ## 4 · Looking both ways
#
# One switch of the model's shape makes the difference, `causal`.

# %%
desk.predict(
    "04/moves",
    "The full stop at the end of a text becomes “!”. At which of the earlier "
    "places does the masked model change its opinion?",
    options=["at none", "at the one before", "at about half", "at all"],
)

# %%
masked, base = course.load("masked"), course.load("base")
print("masked:", masked.config.causal, "  base:", base.config.causal)

tokens = torch.tensor([sequence])
changed = tokens.clone()
changed[0, -2] = tokenizer.encode("!")[0]  # instead of the full stop
moved = {}
with torch.inference_mode():
    for name, model in (("masked", masked), ("base", base)):
        difference = (model(changed) - model(tokens)).abs().amax(dim=-1)[0]
        moved[name] = difference[:-2] > 1e-4

# %%
seen = int(moved["masked"].sum()), int(moved["base"].sum())
earlier = len(moved["masked"])
desk.answer(
    "04/moves",
    "at all"
    if seen[0] == earlier
    else "at none"
    if not seen[0]
    else "at about half",
    "It looks both ways, so every place sees the change. The base model, "
    "causal, sees it nowhere.",
)
claim(
    "The masked model moves at every earlier place",
    seen[0] == earlier,
    measured=f"{seen[0]} of {earlier}",
)
claim(
    "The base model moves at none of them",
    seen[1] == 0,
    measured=f"{seen[1]} of {earlier}",
)

# %% [markdown]
# Such a model cannot play the causal game: it sees the next token and need not guess
# it. Whoever looks both ways must have something hidden.

# %% [markdown]
# ## 5 · Train
#
# From random numbers, for about half a minute. We hide more than BERT did, because
# only hidden tokens teach; section 9 comes back to that.

# %%
STEPS = 300
SHARE = course.recipe.masked.mask_share
print(f"{SHARE:.0%} of the tokens are hidden")


# %% tags=["folded"]
pangram = "The quick brown fox jumps over the _ dog."


def short_life(make_step, *, steps, label, **settings):
    """Train a new model for `steps` updates; return it and its history.

    It has two of the course's three layers: a short life does not fill more.
    """
    model = course.new_model(causal=False, layers=2)
    optimizers = optimisers.muon_and_adamw(model)

    def guesses():
        fillings = fill(model, tokenizer, pangram)[:4]
        return f"{pangram} {', '.join(name.strip() for name, _ in fillings)}"

    history = training.train(
        make_step(model, optimizers, steps, **settings),
        steps=steps,
        modules={"model": model},
        optimizers=optimizers,
        seed=0,
        progress=TrainingMonitor(guesses),
        label=label,
        after_a_stop="run the cell again, and it begins anew",
    )
    return model, history


# %%
def healthy_step(model, optimizers, steps, share=SHARE):
    return pretraining.pretraining_step(
        model,
        sequences,
        tokenizer,
        optimizers,
        steps=steps,
        tokens_per_batch=1024,
        seed=0,
        mask_share=share,
    )


# %% [markdown]
# Two guessers that need no network give the loss a scale: *uniform*, for whom all
# tokens are equally probable, and *unigram*, who knows how frequent each one is.

# %%
desk.predict(
    "04/curve",
    "Draw the loss of the half minute to come. (Uniform is at 7.6 nats, "
    "unigram at about 5.7.)",
    curve=desk.Axes("update", (0, 300), "loss in nats", (0, 8)),
)

# %% tags=["folded"]
counts = torch.ones(tokenizer.vocab_size, dtype=torch.float64)
for ids in sequences:
    counts += torch.bincount(
        torch.tensor(ids[1:-1]), minlength=tokenizer.vocab_size
    )
frequencies = counts / counts.sum()
baselines = {
    "uniform": math.log(tokenizer.vocab_size),
    "unigram": -float((frequencies * frequencies.log()).sum()),
}

# %% [markdown]
# The next cell trains a new model, from random numbers each time it is run. Now and
# then it shows its first four words for a gap.

# %%
young, history = short_life(healthy_step, steps=STEPS, label="a short life")

# %% tags=["folded"]
plots.loss_curve(
    {"this run": history[::3]},
    baselines=baselines,
    title="Half a minute of guessing hidden words",
)

# %%
curve = [entry["loss"] for entry in history]
rough = sum(abs(b - a) for a, b in pairwise(curve[-50:])) / 49
desk.answer(
    "04/curve",
    (list(range(len(curve))), curve),
    "First it learns how frequent each token is, which is quick, then what "
    "stands together. Smooth it is not: from one batch to the next it jumps "
    f"by {about(rough, 2)} nats, because each batch asks about other words.",
)

# %% [markdown]
# How low could it get? For models that read from left to right chapter 5 will draw that
# line: the village throws dice to write its texts, it counts them in the order in which
# it writes, and so it knows what such a reader cannot know. What can be known about a
# word from both sides it does not tell. We have to judge by other means: how often is
# the first guess right, on documents that it never saw?

# %% tags=["folded"]
validation_documents = list(village.documents(500, seed=0, split="validation"))
validation = pretraining.encode_documents(
    tokenizer, [document.text for document in validation_documents]
)
accuracy = masked_accuracy(young, tokenizer, validation[:200], seed=0)
commonest = tokenizer.token_text(int(counts.argmax()))
print(f"who always says {commonest!r} is right in {frequencies.max():.1%}")

# %%
claim(
    "The young model is right at least three times as often",
    accuracy.interval[0] > 3 * float(frequencies.max()),
    measured=100 * accuracy.rate,
    unit="%",
)

# %% [markdown]
# It has learned something. Enough? The pangram is in the village's books. (Your
# processor's last digits decide the order here, so this output appears only once you
# run the cell.)

# %% tags=["nbval-ignore-output"]
for name, share in fill(young, tokenizer, pangram)[:4]:
    print(f"{share:6.1%} {name}")

# %% [markdown]
# ## 6 · Two sick runs
#
# Two more runs of a hundred updates, beside the first hundred of the healthy one.
# Neither raised an error. This is what they change of a batch; `stood` is the text as
# it stood before anything was hidden:


# %%
def spoil_b(batch, stood):
    return Batch(stood, batch.targets, batch.segment_ids)


def spoil_c(batch, stood):
    return Batch(batch.tokens, stood, batch.segment_ids)


# %%
desk.predict(
    "04/sick",
    "Which of the three runs will have the lowest loss?",
    options=["the healthy one", "run B", "run C"],
)


# %% tags=["folded"]
def sick_step(model, optimizers, steps, spoil):
    plan = pretraining.epochs(sequences, steps, 1024, seed=0)

    def step(index, generator):
        rows = [sequences[row] for row in plan[index]]
        stood, _ = pad_sequences(rows, pad_id=tokenizer.pad_id)
        batch = pretraining.masked_batch(
            rows, tokenizer, generator, share=SHARE
        )
        batch = spoil(batch, stood)
        loss = pretraining.prediction_loss(model, batch)
        training.set_learning_rate(
            optimizers.values(), training.warmup_stable_decay(index, STEPS)
        )
        training.apply_gradients(loss, model, optimizers.values())
        return {"loss": loss.item(), "tokens": batch.number_of_tokens()}

    return step


# %%
SHORT = 100
run_b, history_b = short_life(
    sick_step, steps=SHORT, label="run B", spoil=spoil_b
)
run_c, history_c = short_life(
    sick_step, steps=SHORT, label="run C", spoil=spoil_c
)


# %% tags=["folded"]
def late_loss(history):
    """Mean over the last ten updates."""
    return sum(entry["loss"] for entry in history[-10:]) / 10


# %% tags=["folded"]
plots.loss_curve(
    {
        "healthy": history[:SHORT:2],
        "run B": history_b[::2],
        "run C": history_c[::2],
    },
    baselines=baselines,
    title="Which one would you keep?",
)

# %%
late = {
    "the healthy one": late_loss(history[:SHORT]),
    "run B": late_loss(history_b),
    "run C": late_loss(history_c),
}
desk.answer(
    "04/sick",
    min(late, key=late.get),
    "After a hundred updates: "
    + ", ".join(f"{name} {about(loss)}" for name, loss in late.items())
    + " nats. "
    + " and ".join(
        name for name in late if late[name] < late["the healthy one"]
    )
    + " would have looked better than the healthy one, and B and C are sick.",
)

# %% [markdown]
# Look at `spoil_b` and `spoil_c` again. A batch is what the model reads, what it must
# guess, and which places belong together.
#
# **Run B** hides the tokens, and then hands the model the text as it *stood*. Nothing
# is hidden. The model learns the identity: say what you see. It does so almost
# perfectly, and its loss falls towards zero. What will it make of real gaps?

# %%
desk.predict(
    "04/identity",
    "Of 1,000 real gaps, hidden by <mask>, how many does run B fill rightly?",
    unit="of 1,000",
)

# %% tags=["folded"]
late_b = late_loss(history_b)
dice = torch.Generator().manual_seed(0)
places = [
    sorted((torch.randperm(len(ids) - 2, generator=dice)[:2] + 1).tolist())
    for ids in validation
]
gaps_b = guess_tokens(run_b, tokenizer, validation, places)
right_b = Share(int(gaps_b.right.sum()), len(gaps_b.right))

# %%
desk.answer(
    "04/identity",
    1000 * right_b.rate,
    "It has never met the sign <mask> and never needed a neighbour.",
    within=10,
)
claim(
    "Run B's loss has fallen below 0.4 nats",
    late_b < 0.4,
    measured=late_b,
    unit="nats",
)
claim(
    "Of 1,000 gaps it fills fewer than one in a hundred",
    right_b.rate < 0.01,
    measured=100 * right_b.rate,
    unit="%",
)

# %% tags=["nbval-ignore-output"]
for name, share in fill(run_b, tokenizer, pangram)[:4]:
    print(f"{share:6.1%} {name}")

# %% [markdown]
# (Here, too, you see its answer only once you run the cell.)
#
# **Run C** hides properly, and then asks for *every* token, those it can see and even
# the padding at the end of short rows. Most of its guesses are copying. Its loss is
# lower than the healthy one, and says little about the hidden words. To see how
# little, ask it about hidden words alone:

# %%
late_c = late_loss(history_c)
gaps_c = guess_tokens(run_c, tokenizer, validation, places)
surprise_c = -float(gaps_c.log_probs.mean())

# %%
claim(
    "Run C's loss is lower than that of the healthy run",
    late_c < late["the healthy one"],
    measured=f"{about(late_c)} against {about(late['the healthy one'])} nats",
)
claim(
    "Over real gaps, its surprise is more than one and a half times its loss",
    surprise_c > 1.5 * late_c,
    measured=surprise_c / late_c,
    unit="times",
)

# %% [markdown]
# So far the model may be no worse for it. What is broken is the *number* by which you
# would have judged it.
#
# It is easy to make and hard to see. Whoever mends it may be alarmed, for then the loss
# *rises*. A loss is a number about the places where you asked. If you do not know which
# those are, you do not know what it says.
#
# Two counts of a single batch find both mistakes before a single update is made:


# %%
def examine(batch, stood):
    """Where a model is asked: does it see the answer? How often is that?"""
    asked = batch.target_mask
    given_away = (batch.tokens == batch.targets)[asked].float().mean()
    return float(given_away), float(asked.sum() / (stood != 0).sum())


# %% tags=["folded"]
rows = sequences[:100]
stood, _ = pad_sequences(rows, pad_id=tokenizer.pad_id)
dice = torch.Generator().manual_seed(0)
healthy = pretraining.masked_batch(rows, tokenizer, dice, share=SHARE)
print(f"{'':8} answer given away   asked, for each token of text")
for name, batch in {
    "healthy": healthy,
    "run B": spoil_b(healthy, stood),
    "run C": spoil_c(healthy, stood),
}.items():
    given_away, asked = examine(batch, stood)
    print(f"{name:8} {given_away:11.0%} {asked:21.2f}")

# %% [markdown]
# In a healthy batch the answer is in plain sight at one place in ten, the recipe's
# 10 %. And a model cannot be asked about more tokens than there are.

# %% [markdown]
# ## 7 · The grown-up
#
# The masked model of this course had the same beginning and a longer schooling. Its
# loss was written down at every update:

# %% tags=["folded"]
print(f"{course.card('masked').steps / STEPS:.0f} times as many updates")
report = json.loads((course.folder / "report.json").read_text("utf-8"))
[schooling] = [x for x in report["stages"] if x["name"] == "masked"]
plots.loss_curve(
    {"masked": schooling["history"][::20]},
    baselines=baselines,
    title="The schooling of the masked model",
)

# %% tags=["folded"]
losses = [entry["loss"] for entry in schooling["history"]]
tenth = len(losses) // 10
means = [sum(losses[n * tenth :][:tenth]) / tenth for n in range(10)]
print("mean loss of each tenth:", *(f"{mean:.2f}" for mean in means))

# %%
claim(
    "The last tenth gained less than a tenth of what the second gained",
    means[-2] - means[-1] < (means[0] - means[1]) / 10,
    measured=f"{about(means[-2] - means[-1])} after "
    f"{about(means[0] - means[1])} nats",
)

# %% [markdown]
# The curve has flattened and has not stopped: more schooling would still teach it, at a
# rising price. It fills the gap of the fox by now:

# %%
choices = fill(masked, tokenizer, pangram)
claim(
    "Its first choice is “lazy”, with a probability of 0.9 or more",
    choices[0][0] == " lazy" and choices[0][1] >= 0.9,
    measured=choices[0][1],
)

# %% [markdown]
# And the gap with which this chapter began?

# %%
desk.predict(
    "04/umbrella",
    "“Agnes looked at the sky and took her _, but the wind turned it inside "
    "out.” Does the grown-up model find the umbrella?",
    options=["yes, as its first choice", "no"],
)

# %%
first_gap = (
    "Agnes looked at the sky and took her _, but the wind turned it inside out."
)
first_choice = fill(masked, tokenizer, first_gap)[0][0]
print("first choice:", first_choice)

# %%
desk.answer(
    "04/umbrella",
    "yes, as its first choice" if first_choice == " umbrella" else "no",
    f"It says “{first_choice.strip()}”. You needed to have seen a storm. The "
    "model has read the village's pages, and knows what stands on them, no "
    "more.",
)

# %% [markdown]
# **Your turn.** Type a sentence with one `_` in it. (␣ is the space of a token.) A gap
# is one token, so a rare word, which is made of several, can never be the answer. Try
# to find a gap whose filling you can turn round by changing a word on its *right*:
# type *Agnes found _ empty box at the mill.*, and then *kite* for *empty box*.

# %% tags=["folded"]
from functools import partial

from llmlab import life
from llmlab.filling import fill
from llmlab.widgets import FillIn

course = life.course()
filler = partial(fill, course.load("masked"), course.tokenizer)
FillIn(filler, "Agnes lost a _ at the beach.")

# %% [markdown]
# ### Does it use what comes after?
#
# There is a word whose choice depends on its right neighbour alone: *a* or *an*. We
# take every *an* of the unseen documents and as many *a*. Whoever always says *a* is
# right in half of them. (In the pairs of sentences with which chapter 6 tests grammar
# it would be right in 95 of 100: nearly all of them need *a*.)

# %%
desk.predict(
    "04/article",
    "A coin is right in 50 %. What does the base model of chapter 5 get, "
    "which sees the left side only?",
    unit="%",
)

# %% tags=["folded"]
A, AN = (tokenizer.encode(word)[0] for word in (" a", " an"))


def standing(article):
    """Documents and places where this article stands before a new word."""
    return [
        (ids, place)
        for ids in validation
        for place in range(1, len(ids) - 1)
        if ids[place] == article
        and tokenizer.decode([ids[place + 1]]).startswith(" ")
    ]


def prefers_an(model, spots):
    """At each place: is " an" likelier than " a", by what the model sees?"""
    log_probs = []
    for article in (A, AN):
        texts = [[*ids[:at], article, *ids[at + 1 :]] for ids, at in spots]
        places = [[at] for _, at in spots]
        guesses = guess_tokens(model, tokenizer, texts, places)
        log_probs.append(guesses.log_probs)
    return log_probs[1] > log_probs[0]


need_an, need_a = standing(AN), standing(A)
need_a = need_a[:: len(need_a) // len(need_an)][: len(need_an)]
articles = {}
for name, model in {"masked": masked, "base": base}.items():
    right = [*prefers_an(model, need_an), *~prefers_an(model, need_a)]
    articles[name] = Share(int(sum(right)), len(right))
    print(f"{name:6} {articles[name]}")

# %%
desk.answer(
    "04/article",
    100 * articles["base"].rate,
    "Some phrases announce their thing, so the left side is worth something; "
    "the rest stands to the right. The masked model gets "
    f"{about(100 * articles['masked'].rate)} %.",
    within=7,
)
claim(
    "Both sides beat one, their intervals apart",
    articles["masked"].interval[0] > articles["base"].interval[1],
    measured=100 * (articles["masked"].rate - articles["base"].rate),
    unit="points",
)

# %% [markdown]
# (An **interval** is the range in which the true share lies, but for five times in a
# hundred. Where two of them do not touch, chance is a poor explanation.)

# %% [markdown]
# ## 8 · What two sides are worth
#
# Now compare with a model that sees the left side only: the base model, the same body
# with the other switch. They have not practised equally. A causal model is asked at
# *every* token it reads, a masked one only where something is hidden, and the base
# model has read more as well.

# %%
desk.predict(
    "04/practice",
    "How many times as many questions has the base model answered?",
    unit="times as many",
)

# %%
questions = {
    "base": course.card("base").tokens,
    "masked": SHARE * course.card("masked").tokens,
}
times_as_many = questions["base"] / questions["masked"]
print(f"{times_as_many:.0f} times as many")

# %%
desk.answer(
    "04/practice",
    round(times_as_many, 1),
    f"It was asked at each token and not at {SHARE:.0%} of them, and read "
    "longer.",
    factor=1.5,
)

# %% [markdown]
# So the race is not fair to the masked model. If it wins all the same, what stands to
# the right of a word must be worth a lot.
#
# One sentence from each of 500 documents that neither has seen; every token of that
# sentence is guessed by both. The masked model sees the whole document but for this one
# token, the base model what stands before it. Same text, same tokens.


# %% tags=["folded"]
def sentences(ids):
    """The places of each sentence that has five tokens or more."""
    found, current = [], []
    for place in range(1, len(ids) - 1):
        current.append(place)
        name = tokenizer.decode([ids[place]])
        if name.endswith("\n") or any(mark in name for mark in ".!?"):
            found.append(current)
            current = []
    return [places for places in found if len(places) >= 5]


dice = torch.Generator().manual_seed(0)
texts, places = [], []
for ids in validation:
    offered = sentences(ids)
    if offered:
        draw = torch.randint(len(offered), (1,), generator=dice)
        texts.append(ids)
        places.append(offered[int(draw)])
print(f"{len(texts)} sentences, {sum(map(len, places)):,} tokens")
print(tokenizer.decode([texts[0][place] for place in places[0]]))

# %% tags=["folded"]
both_sides = guess_tokens(masked, tokenizer, texts, places)
left_side = guess_tokens(base, tokenizer, texts, places)
for name, guesses in (("masked", both_sides), ("base", left_side)):
    right = guesses.right
    print(f"{name:7} {Share(int(right.sum()), len(right))} right at first")

# %% [markdown]
# Two shares hide that both were asked the *same* things. Pair them: sentence by
# sentence, who got more tokens right? A tie counts one half.

# %%
desk.predict(
    "04/wins",
    "Which share of the sentences goes to the masked model?",
    unit="%",
)

# %% tags=["folded"]
lengths = [len(group) for group in places]


def right_by_sentence(guesses):
    return [int(part.sum()) for part in guesses.right.split(lengths)]


wins = win_rate(right_by_sentence(both_sides), right_by_sentence(left_side))

# %%
desk.answer(
    "04/wins",
    100 * wins.rate,
    "It wins with a fraction of the practice, and not by much: most tokens "
    "of a sentence can be guessed from the left as well.",
    within=5,
)
claim(
    "The masked model wins more than half of the sentences",
    wins.interval[0] > 0.5,
    measured=100 * wins.rate,
    unit="%",
)

# %% [markdown]
# Where in the sentence? Cut each one into five parts of equal length.

# %%
desk.predict(
    "04/fifth",
    "In which fifth of a sentence is the lead of the masked model the largest?",
    options=["first fifth", "second", "third", "fourth", "last fifth"],
)

# %% tags=["folded"]
PARTS = ("first fifth", "second", "third", "fourth", "last fifth")
part = torch.tensor(
    [5 * i // length for length in lengths for i in range(length)]
)


def share_right(guesses):
    """Share of right guesses in every fifth, with its 95 % interval."""
    points = []
    for number in range(5):
        right = guesses.right[part == number]
        successes = int(right.sum())
        rate = successes / len(right)
        points.append((rate, *wilson_interval(successes, len(right))))
    return points


plots.intervals_by_group(
    PARTS,
    {"masked": share_right(both_sides), "base": share_right(left_side)},
    x_label="part of the sentence",
    y_label="first guess is right",
    share=True,
)

# %% [markdown]
# First guesses are coarse. The surprise says more: how many nats does the base model
# pay on top of what the masked one pays, for the same token? A value below zero means
# that the base model pays less.

# %% tags=["folded"]
saved = (both_sides.log_probs - left_side.log_probs).double()
points = []
for number in range(5):
    values = saved[part == number]
    error = 1.96 * float(values.std()) / math.sqrt(len(values))
    mean = float(values.mean())
    points.append((mean, mean - error, mean + error))
plots.intervals_by_group(
    PARTS,
    {"the masked model's lead": points},
    x_label="part of the sentence",
    y_label="nats a token\n(above 0: masked is better)",
)

# %%
leads = [mean for mean, _, _ in points]
whole = float(saved.mean())
desk.answer(
    "04/fifth",
    PARTS[leads.index(max(leads))],
    f"There it saves {about(max(leads))} nats a token, in the {PARTS[-1]} "
    f"{about(leads[-1])}. At the beginning of a sentence the base model knows "
    "the least, and the masked one has all the rest to look at.",
)
claim(
    "In the first fifth the masked model is less surprised",
    points[0][1] > 0,
    measured=points[0][0],
    unit="nats a token",
)
claim(
    "Its lead is larger in the first fifth than in the last",
    points[0][1] > points[4][2],
    measured=points[0][0] - points[4][0],
    unit="nats more",
)
print(f"Over the whole sentence its lead is {about(whole)} nats a token.")

# %% [markdown]
# Further on, the left side has already said most of it, and the model with more
# practice does as well there or better. The masked model is right more often; in nats,
# over whole sentences, there is little between the two: which of them is better depends
# on the question. (To an ideal guesser more to look at cannot hurt. A lead below zero
# is probably the price of less practice; we did not measure it.)

# %% [markdown]
# ## 9 · What a masked model cannot do
#
# ### It cannot write
#
# What does the masked model make of an opening, with one gap after it and then the end?

# %%
desk.predict(
    "04/end",
    "“On Monday Agnes found a _”, and then the text ends. Which word does "
    "the masked model put into the gap?",
)

# %%
opening = "On Monday Agnes found a"
filled = fill(masked, tokenizer, opening + " _")[0][0]
print("masked, _ and the end:", filled)
ids = [tokenizer.bos_id, *tokenizer.encode(opening)]
with torch.inference_mode():
    [token] = base(torch.tensor([ids]))[0, -1:].argmax(dim=-1).tolist()
print("causal, what is next: ", tokenizer.decode([token]))

# %%
desk.answer(
    "04/end",
    f"“{filled.strip()}”",
    "It was shown a text that ends right after the gap, and had to answer "
    "for that one: few texts end so.",
)

# %% [markdown]
# To go on, it would need to see what comes after what it is about to write. We can
# cheat: set out a row of gaps and let it fill one after the other, each time looking at
# what is there. Either from left to right, or the gap first of which it is surest.


# %%
@torch.inference_mode()
def fill_all(gaps, order, dice):
    """A text of so many tokens, all of them hidden at the beginning."""
    row = [tokenizer.bos_id, *[tokenizer.mask_id] * gaps, tokenizer.eos_id]
    tokens = torch.tensor([row])
    while (hidden := tokens == tokenizer.mask_id).any():
        shares = masked(tokens, where=hidden).softmax(dim=-1)
        shares[:, : len(tokenizer.SPECIAL_TOKENS)] = 0
        surest = int(shares.amax(dim=-1).argmax())
        gap = surest if order == "surest first" else 0
        token = torch.multinomial(shares[gap], 1, generator=dice)
        tokens[0, hidden[0].nonzero()[gap]] = token
    return tokens[0].tolist()


# %% tags=["folded"]
written = {}
for order in ("left to right", "surest first"):
    dice = torch.Generator().manual_seed(0)
    written[order] = [fill_all(24, order, dice) for _ in range(20)]
    print(f"[{order}]")
    for ids in written[order][:2]:
        desk.read(tokenizer.decode(ids) + "\n\n")

# %% [markdown]
# Read them aloud. Here and there two neighbours fit, and the whole does not hold
# together. And it had to be told the length in advance. To put a number to it, let the
# base model judge: how much does such a text surprise it, and how much one that it
# wrote itself?

# %% tags=["folded"]
dice = torch.Generator().manual_seed(0)
prompts = [[tokenizer.bos_id]] * 20
drawn = generate(base, prompts, max_new_tokens=24, generator=dice).sequences()
own = language_loss(base, [[tokenizer.bos_id, *ids] for ids in drawn])
lost = {}
for order, texts_written in written.items():
    loss = language_loss(base, texts_written)
    lost[order] = loss.nats_per_token - own.nats_per_token

# %%
for order, nats in lost.items():
    claim(
        f"Filled {order}, a token surprises it by 4 nats more than its own",
        nats > 4,
        measured=nats,
        unit="nats",
    )

# %% [markdown]
# ### It has no probability for a text
#
# A causal model's guesses multiply: the probability of the first word, times that of
# the second given the first, and so on. The product is the probability of the text, and
# over all texts it sums to one. Multiply a masked model's guesses, each word given all
# the *others*, and you get a number too. What is it?
#
# Here is a world of two texts: *a kite*, three times in four, and *an umbrella*.

# %%
desk.predict(
    "04/product",
    "The perfect guess of “an” given “umbrella”, times that of “umbrella” "
    "given “an”: what is the product?",
    options=["1/16", "1/4", "1/2", "1"],
)

# %% tags=["folded"]
world = {
    ("a", "kite"): Fraction(3, 4),
    ("an", "umbrella"): Fraction(1, 4),
}


def given(world, text, place, known):
    """Probability of the word at `place`, given those at the known places."""
    fits = {
        other: p
        for other, p in world.items()
        if all(other[i] == text[i] for i in known)
    }
    return sum(p for o, p in fits.items() if o[place] == text[place]) / sum(
        fits.values()
    )


print(f"{'':12} {'in truth':>9} {'left to right':>14} {'both sides':>11}")
sums = [0, 0, 0]
for text, truth in world.items():
    chain = given(world, text, 0, []) * given(world, text, 1, [0])
    both = given(world, text, 0, [1]) * given(world, text, 1, [0])
    print(f"{' '.join(text):12} {truth!s:>9} {chain!s:>14} {both!s:>11}")
    sums = [a + b for a, b in zip(sums, (truth, chain, both), strict=True)]
print(f"{'sum':12} {sums[0]!s:>9} {sums[1]!s:>14} {sums[2]!s:>11}")

# %%
desk.answer(
    "04/product",
    str(both),
    "Who sees one word knows the other for sure: 1 times 1.",
)

# %% [markdown]
# Each of these guesses is perfect. Still the products from both sides sum to 2, and
# they find *an umbrella* as good as *a kite*, though it is three times as rare. The
# logarithm of such a product is called a **pseudo**-log-likelihood (Salazar et al.
# 2020). It is used to rank sentences, often well; a probability it is not.
#
# It gets worse. A trained model's guesses are not perfect, and nothing forces them to
# agree *with each other*. Take a gap for the article and a gap for the thing. In any
# world at all, how much *an* rather than *a* raises the odds of *umbrella* over *kite*
# is the same number as how much *umbrella* rather than *kite* raises the odds of *an*
# over *a*. (Write both as a ratio of the four joint probabilities to see it.) Ask the
# model in both ways:


# %% tags=["folded"]
def log_odds(text, one, other):
    """How much likelier one filling of the gap is than the other, in nats."""
    shares = dict(fill(masked, tokenizer, text))
    return math.log(shares[one]) - math.log(shares[other])


things = [("umbrella", "kite"), ("accordion", "harp"), ("anchor", "drum")]
differences = []
for vowel, consonant in things:
    asked_article = [
        log_odds(f"Agnes found _ {thing} at the mill.", " an", " a")
        for thing in (vowel, consonant)
    ]
    asked_thing = [
        log_odds(
            f"Agnes found {word} _ at the mill.", f" {vowel}", f" {consonant}"
        )
        for word in ("an", "a")
    ]
    one_way = asked_article[0] - asked_article[1]
    other_way = asked_thing[0] - asked_thing[1]
    differences.append(abs(one_way - other_way))
    print(f"{vowel}, {consonant}: {one_way:5.1f} and {other_way:5.1f} nats")
mean = sum(differences) / len(differences)

# %%
print(f"On average the two differ by {about(mean)} nats.")

# %% [markdown]
# Where they differ, no distribution over texts, however strange, has these guesses as
# its parts. "How probable is this sentence?" has no answer.

# %% [markdown]
# ### It learns little from much
#
# A causal model is asked at every token it reads. A masked one only where something is
# hidden:

# %% tags=["folded"]
rows = sequences[:200]
tokens_read = sum(len(ids) - 1 for ids in rows)
print(f"causal  {1:.2f} questions for each token read")
for share in (0.15, SHARE):
    dice = torch.Generator().manual_seed(0)
    batch = pretraining.masked_batch(rows, tokenizer, dice, share=share)
    questions = int(batch.target_mask.sum()) / tokens_read
    print(f"masked  {questions:.2f} when it hides {share:.0%}")

# %% [markdown]
# Then why not hide nearly everything? Because what is hidden cannot help with the
# rest. Between the two lies a best share, and in a short schooling it is above BERT's
# 15 % (Wettig et al. 2023). Two runs of equal length, judged on the same gaps.

# %%
desk.predict(
    "04/share",
    "After 120 updates, which of the two is less surprised by the same gaps?",
    options=["the one that hides 15 %", "the one that hides more"],
)

# %%
fifteen, _ = short_life(
    healthy_step, steps=120, label="15 % hidden", share=0.15
)
forty, _ = short_life(healthy_step, steps=120, label="more hidden")

# %% tags=["folded"]
gaps_fifteen = guess_tokens(fifteen, tokenizer, texts, places)
gaps_forty = guess_tokens(forty, tokenizer, texts, places)
difference = (gaps_forty.log_probs - gaps_fifteen.log_probs).double()
means = torch.stack([values.mean() for values in difference.split(lengths)])
error = 1.96 * float(means.std()) / math.sqrt(len(means))

# %%
desk.answer(
    "04/share",
    "the one that hides more"
    if float(means.mean()) > 0
    else "the one that hides 15 %",
    "It was asked more often in the same time. What it lost in context "
    "weighs less, so early.",
)
claim(
    "Hiding more has taught more after so few updates",
    float(means.mean()) - error > 0,
    measured=float(means.mean()),
    unit="nats",
)

# %% [markdown]
# ## What did not work at this size
#
# - **Fifteen in a hundred.** With BERT's share our short schooling was too short, so
#   the shipped model hides more. BERT itself read so much that it could afford it.
# - **Half a minute is not enough**, and for a masked model even less than for a causal
#   one. The young model of section 5 fills grammar's gaps, and few others.
# - **What no page tells.** A gap like that of section 1 asks for having seen a storm.
# - **Gaps longer than a token.** A name in pieces would need several gaps, and a model
#   that fills them one by one does not know how many to expect.
# - **Writing by filling** gave no text worth reading, in either order. There are
#   methods that make more of it (diffusion models for text begin here); ours was not
#   trained for it.

# %% [markdown]
# ## Summary
#
# - A masked model is trained to guess hidden tokens from both sides. 15 in 100 are
#   chosen, and of these 80 become `<mask>`, 10 something else, 10 stay.
# - The loss counts the hidden places and no others. Count once what a batch hides and
#   where it asks; a loss that is too good is usually answering another question.
# - At the beginning of a sentence two sides outweigh six times less practice; further
#   on, here, they do not. What they are worth at equal practice was not measured.
# - The price: it cannot write, it has no probability for a text, and it is asked less
#   often than it reads. The rest of this course grows from the causal model.

# %%
desk.quiz(
    "04",
    desk.ask(
        "Of 1,000 tokens, how many does BERT's recipe replace by <mask>, "
        "about?",
        right=(
            f"{0.15 * 0.8 * 1000:.0f}",
            "15 % of 1,000 are chosen, and 80 % of these become the sign.",
        ),
        wrong=[
            (
                f"{0.15 * 1000:.0f}",
                "So many are chosen. A fifth of these is not replaced by the "
                "sign.",
            ),
            (f"{0.8 * 1000:.0f}", "The 80 % are of the chosen ones."),
        ],
    ),
    desk.ask(
        "A friend's masked model reaches a loss of 0.02 in a minute. What do "
        "you ask first?",
        right=(
            "What does the model read at the places where it is asked?",
            "If the answers stand there, as in run B, it has learned to copy.",
        ),
        wrong=[
            (
                "Which learning rate was that?",
                "No rate makes hidden words that predictable.",
            ),
            (
                "How large is the model?",
                "However large: a word that several could replace keeps its "
                "surprise.",
            ),
        ],
    ),
    desk.ask(
        "You want to sort sentences from the most to the least probable. "
        "Which model?",
        right=(
            "The causal one.",
            "Its guesses are the steps of a chain, and their product is the "
            "probability of the text.",
        ),
        wrong=[
            (
                "The masked one, since it guesses better.",
                "Its first guess is right a little more often, yes. But its "
                "guesses do not multiply to a probability.",
            ),
            (
                "Either, the order is the same.",
                "In the world of two texts above it was not even the same "
                "for these two.",
            ),
        ],
    ),
)

# %%
desk.tally("04")

# %% [markdown]
# ### Where to go from here
#
# **Exercise:** the last of [problem set 2](../exercises/release/ps2/ps2.ipynb):
# what is hidden, what is asked for, and what is never touched.
# **Next:** [5 · Next-token pre-training](05_next_token_pretraining.ipynb), the other
# game, and the model that the rest of the course raises.
