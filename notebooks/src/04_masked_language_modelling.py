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
import textwrap
from fractions import Fraction
from inspect import getsource

import torch

from llmlab import life, optimisers, plots, pretraining, training, village
from llmlab.batching import IGNORE, Batch, pad_sequences
from llmlab.claims import claim
from llmlab.evaluation import (
    Share,
    language_loss,
    masked_accuracy,
    wilson_interval,
    win_rate,
)
from llmlab.filling import fill, guess_tokens
from llmlab.gpt import GPT, GPTConfig
from llmlab.sampling import generate
from llmlab.widgets import FillIn, TrainingMonitor

course = life.course()
tokenizer = course.tokenizer


def read(text):
    """Print a text in lines that fit the page."""
    print("\n".join(textwrap.fill(line, 80) for line in text.splitlines()))


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
# more of it, we hide 40 in 100. **Before you run the cell:** which tokens can never
# be hidden, do you think?

# %%
text = "Otto lends the umbrella to Agnes because it rains at the harbour."
sequence = pretraining.encode_documents(tokenizer, [text])[0]
dice = torch.Generator().manual_seed(93)  # a draw in which all happens
batch = pretraining.masked_batch([sequence], tokenizer, dice, share=0.4)

print(f"{'stood there':>12}  {'is read':12} to be guessed")
for stood, shown, target in zip(
    sequence, batch.tokens[0].tolist(), batch.targets[0].tolist(), strict=True
):
    asked = "" if target == IGNORE else tokenizer.token_text(target)
    names = tokenizer.token_text(stood), tokenizer.token_text(shown)
    print(f"{names[0]:>12}  {names[1]:12} {asked}".rstrip())

# %% [markdown]
# (␣ stands for the space that belongs to a token.) The targets are *not* moved by
# one, as they are for a model that guesses the next token: what must be guessed at a
# place is what stood at that very place. The signs for the beginning and the end are
# never hidden. Nobody would learn anything from them.
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
# fair margin. **Work out** the margin for $n = 10\,000$ and $p = 0.1$ before you go on.

# %%
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


print(f"margin for 10,000 at 0.1: {3 * math.sqrt(10_000 * 0.1 * 0.9):.0f}\n")
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

# %% [markdown]
# ## 3 · The score, with a pencil
#
# The charge for a guess is its surprise, $-\ln p$ of the token that really stood
# there; its unit is the *nat*. Only the chosen places are charged. Take three places,
# one of them hidden; the model gives the hidden token $p = \frac14$, and it copies the
# two tokens that it can see, with certainty. **Work out** the loss
# ($\ln 4 \approx 1.39$).

# %%
surprises = torch.tensor([0.0, math.log(4), 0.0])
hidden = torch.tensor([0.0, 1.0, 0.0])
loss = (surprises * hidden).sum() / hidden.sum()
print(f"{loss:.4f} nats for each hidden token")

# %% [markdown]
# Here is the same sum as a well-known textbook once published it. The loss function
# takes the mean *first*; multiplying by the weights comes too late. **What does it
# give, and which number do the weights change?**

# %%
mean_of_all = surprises.mean()
published = (mean_of_all * hidden).sum() / hidden.sum()
print(f"{published:.4f}")

# %% [markdown]
# The weights cancel: the line that was to pick the hidden places did nothing. (In the
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
# One switch of the model's shape makes the difference, `causal`. **Predict:** if the
# last token of a text changes, at which places does each model change its opinion?

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
claim("The masked model moves at every earlier place", moved["masked"].all())
claim("The base model moves at none of them", not moved["base"].any())

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


def short_life(make_step, *, steps, label, **settings):
    """Train a new model for `steps` updates; return it and its history."""
    size = course.recipe.shared
    shape = {"layers": size.layers, "width": size.width}
    config = GPTConfig(vocab_size=tokenizer.vocab_size, causal=False, **shape)
    model = GPT(config, seed=0)
    optimizers = optimisers.muon_and_adamw(model)
    history = training.train(
        make_step(model, optimizers, steps, **settings),
        steps=steps,
        modules={"model": model},
        optimizers=optimizers,
        seed=0,
        progress=TrainingMonitor(),
        label=label,
    )
    return model, history


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
# **Sketch the curve** while the cell runs. Will it be smooth?

# %%
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
young, history = short_life(healthy_step, steps=STEPS, label="a short life")

# %%
plots.loss_curve(
    {"this run": history},
    baselines=baselines,
    title="Half a minute of guessing hidden words",
)

# %% [markdown]
# How low could it get? For models that read from left to right chapter 5 will draw that
# line: the village throws dice to write its texts, it counts them in the order in which
# it writes, and so it knows what such a reader cannot know. What can be known about a
# word from both sides it does not tell. We have to judge by other means: how often is
# the first guess right, on documents that it never saw?

# %%
validation_documents = list(village.documents(500, seed=0, split="validation"))
validation = pretraining.encode_documents(
    tokenizer, [document.text for document in validation_documents]
)
accuracy = masked_accuracy(young, tokenizer, validation[:200], seed=0)
commonest = tokenizer.token_text(int(counts.argmax()))
print(f"who always says {commonest!r} is right in {frequencies.max():.1%}")
claim(
    "The young model is right at least three times as often",
    accuracy.interval[0] > 3 * float(frequencies.max()),
    measured=accuracy.rate,
)

# %% [markdown]
# It has learned something. Enough? The pangram is in the village's books. (Your
# processor's last digits decide the order here, so this output appears only once you
# run the cell.)

# %% tags=["nbval-ignore-output"]
pangram = "The quick brown fox jumps over the _ dog."
for name, share in fill(young, tokenizer, pangram)[:4]:
    print(f"{share:6.1%} {name}")

# %% [markdown]
# ## 6 · Two sick runs
#
# Two more runs of a hundred updates, beside the first hundred of the healthy one.
# Neither raised an error. **Before you read on:** which of the three curves would you
# like to have?


# %%
def spoil_b(batch, stood):
    return Batch(stood, batch.targets, batch.segment_ids)


def spoil_c(batch, stood):
    return Batch(batch.tokens, stood, batch.segment_ids)


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


SHORT = 100
run_b, history_b = short_life(
    sick_step, steps=SHORT, label="run B", spoil=spoil_b
)
run_c, history_c = short_life(
    sick_step, steps=SHORT, label="run C", spoil=spoil_c
)


def late_loss(history):
    """Mean over the last ten updates."""
    return sum(entry["loss"] for entry in history[-10:]) / 10


# %%
plots.loss_curve(
    {"healthy": history[:SHORT], "run B": history_b, "run C": history_c},
    baselines=baselines,
    title="Which one would you keep?",
)

# %% [markdown]
# Look at `spoil_b` and `spoil_c` again. A batch is what the model reads, what it must
# guess, and which places belong together.
#
# **Run B** hides the tokens, and then hands the model the text as it *stood*. Nothing
# is hidden. The model learns the identity: say what you see. It does so almost
# perfectly, and its loss falls towards zero. **Predict** what it makes of a real gap.

# %%
late_b = late_loss(history_b)
claim("Run B's loss has fallen below 0.4 nats", late_b < 0.4, measured=late_b)

dice = torch.Generator().manual_seed(0)
places = [
    sorted((torch.randperm(len(ids) - 2, generator=dice)[:2] + 1).tolist())
    for ids in validation
]
gaps_b = guess_tokens(run_b, tokenizer, validation, places)
right_b = Share(int(gaps_b.right.sum()), len(gaps_b.right))
claim(
    "Of 1,000 gaps it fills fewer than one in a hundred",
    right_b.rate < 0.01,
    measured=right_b.rate,
)

# %% tags=["nbval-ignore-output"]
for name, share in fill(run_b, tokenizer, pangram)[:4]:
    print(f"{share:6.1%} {name}")

# %% [markdown]
# (Here, too, you see its answer only once you run the cell.) It is nonsense: this model
# has never met the sign `<mask>` and never needed a neighbour.
#
# **Run C** hides properly, and then asks for *every* token, those it can see and even
# the padding at the end of short rows. Most of its guesses are copying. Its loss is
# lower than the healthy one, and says little about the hidden words. To see how
# little, ask it about hidden words alone:

# %%
late_c = late_loss(history_c)
claim(
    "Run C's loss is lower than that of the healthy run",
    late_c < late_loss(history[:SHORT]),
    measured=late_c,
)

gaps_c = guess_tokens(run_c, tokenizer, validation, places)
surprise_c = -float(gaps_c.log_probs.mean())
claim(
    "Over real gaps, its surprise is more than one and a half times its loss",
    surprise_c > 1.5 * late_c,
    measured=surprise_c / late_c,
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

# %%
print(f"{course.card('masked').steps / STEPS:.0f} times as many updates")
report = json.loads((course.folder / "report.json").read_text("utf-8"))
[schooling] = [x for x in report["stages"] if x["name"] == "masked"]
plots.loss_curve(
    {"masked": schooling["history"]},
    baselines=baselines,
    title="The schooling of the masked model",
)

# %%
losses = [entry["loss"] for entry in schooling["history"]]
tenth = len(losses) // 10
means = [sum(losses[n * tenth :][:tenth]) / tenth for n in range(10)]
print("mean loss of each tenth:", *(f"{mean:.2f}" for mean in means))
claim("The last tenth gained less than 0.1 nats", means[-2] - means[-1] < 0.1)

# %% [markdown]
# The curve has flattened and has not stopped: more schooling would still teach it, at a
# rising price. **Predict** its first choice for the gap of the fox.

# %%
SURE = 0.9
choices = fill(masked, tokenizer, pangram)
claim("Its first choice is “lazy”", choices[0][0] == " lazy")
claim(
    f"It gives it a probability of {SURE} or more",
    choices[0][1] >= SURE,
    measured=choices[0][1],
)

# %% [markdown]
# And the gap with which this chapter began?

# %%
first_gap = (
    "Agnes looked at the sky and took her _, but the wind turned it inside out."
)
first_choice = fill(masked, tokenizer, first_gap)[0][0]
print("first choice:", first_choice)
claim("It does not find the umbrella", first_choice != " umbrella")

# %% [markdown]
# You needed to have seen a storm. The model has read the village's pages, and cannot
# know what they do not tell. It knows what stands on them.
#
# **Your turn.** Type a sentence with one `_` in it. (␣ is the space of a token.) A gap
# is one token, so a rare word, which is made of several, can never be the answer. Try
# to find a gap whose filling you can turn round by changing a word on its *right*:
# type *Agnes found _ empty box at the mill.*, and then *kite* for *empty box*.

# %%
FillIn(
    lambda text: fill(masked, tokenizer, text), "Agnes lost a _ at the beach."
)

# %% [markdown]
# ### Does it use what comes after?
#
# There is a word whose choice depends on its right neighbour alone: *a* or *an*. We
# take every *an* of the unseen documents and as many *a*. Whoever always says *a* is
# right in half of them. (In the pairs of sentences with which chapter 6 tests grammar
# it would be right in 95 of 100: nearly all of them need *a*.) **Predict:** what does
# the masked model get, and what the base model of chapter 5, which sees the left side
# only?

# %%
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
claim(
    "Both sides beat one, their intervals apart",
    articles["masked"].interval[0] > articles["base"].interval[1],
)

# %% [markdown]
# It does. The base model is better than a coin, because some phrases announce their
# thing; the rest stands to the right.

# %% [markdown]
# ## 8 · What two sides are worth
#
# Now compare with a model that sees the left side only: the base model, the same body
# with the other switch. They have not practised equally. A causal model is asked at
# *every* token it reads, a masked one only where something is hidden, and the base
# model has read more as well. **Guess** how many times as many questions it has
# answered.

# %%
questions = {
    "base": course.card("base").tokens,
    "masked": SHARE * course.card("masked").tokens,
}
print(f"{questions['base'] / questions['masked']:.0f} times as many")

# %% [markdown]
# So the race is not fair to the masked model. If it wins all the same, what stands to
# the right of a word must be worth a lot.
#
# One sentence from each of 500 documents that neither has seen; every token of that
# sentence is guessed by both. The masked model sees the whole document but for this one
# token, the base model what stands before it. Same text, same tokens.


# %%
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

# %%
both_sides = guess_tokens(masked, tokenizer, texts, places)
left_side = guess_tokens(base, tokenizer, texts, places)
for name, guesses in (("masked", both_sides), ("base", left_side)):
    right = guesses.right
    print(f"{name:7} {Share(int(right.sum()), len(right))} right at first")

# %% [markdown]
# Two shares hide that both were asked the *same* things. Pair them: sentence by
# sentence, who got more tokens right? A tie counts one half. **Predict** the share of
# sentences that go to the masked model.

# %%
lengths = [len(group) for group in places]


def right_by_sentence(guesses):
    return [int(part.sum()) for part in guesses.right.split(lengths)]


wins = win_rate(right_by_sentence(both_sides), right_by_sentence(left_side))
claim(
    "The masked model wins more than half of the sentences",
    wins.interval[0] > 0.5,
    measured=wins.rate,
)

# %% [markdown]
# It wins, with a fraction of the practice. Where in the sentence? Cut each one into
# five parts of equal length. **Predict:** in which fifth will its lead be the largest,
# and in which the smallest?

# %%
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

# %%
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
claim("In the first fifth the masked model is less surprised", points[0][1] > 0)
claim(
    "Its lead is larger in the first fifth than in the last",
    points[0][1] > points[4][2],
)
claim(
    "Over the whole sentence its lead is below 0.05 nats a token",
    float(saved.mean()) < 0.05,
    measured=float(saved.mean()),
    unit="nats",
)

# %% [markdown]
# At the beginning of a sentence the base model knows the least, and the masked one has
# all the rest to look at. Its lead comes from there. Further on, the left side has
# already said most of it, and the model with more practice does as well there or
# better. In nats it makes up for all that it lost at the beginning. So the masked model
# is right more often, and it is not less surprised: which of the two is better depends
# on the question. (To an ideal guesser more to look at cannot hurt. A lead below zero
# is probably the price of less practice; we did not measure it.)

# %% [markdown]
# ## 9 · What a masked model cannot do
#
# ### It cannot write
#
# **Predict** how each model goes on. What does the masked one make of an opening, with
# one gap after it and then the end?

# %%
opening = "On Monday Agnes found a"
print("masked, _ and the end:", fill(masked, tokenizer, opening + " _")[0][0])
ids = [tokenizer.bos_id, *tokenizer.encode(opening)]
with torch.inference_mode():
    [token] = base(torch.tensor([ids]))[0, -1:].argmax(dim=-1).tolist()
print("causal, what is next: ", tokenizer.decode([token]))

# %% [markdown]
# It was shown a text that *ends* right after the gap, and had to answer for that one.
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


written = {}
for order in ("left to right", "surest first"):
    dice = torch.Generator().manual_seed(0)
    written[order] = [fill_all(24, order, dice) for _ in range(20)]
    print(f"[{order}]")
    for ids in written[order][:2]:
        read(tokenizer.decode(ids) + "\n\n")

# %% [markdown]
# Read them aloud. Here and there two neighbours fit, and the whole does not hold
# together. And it had to be told the length in advance. To put a number to it, let the
# base model judge: how much does such a text surprise it, and how much one that it
# wrote itself?

# %%
dice = torch.Generator().manual_seed(0)
prompts = [[tokenizer.bos_id]] * 20
drawn = generate(base, prompts, max_new_tokens=24, generator=dice).sequences()
own = language_loss(base, [[tokenizer.bos_id, *ids] for ids in drawn])
for order, texts_written in written.items():
    loss = language_loss(base, texts_written)
    claim(
        f"Filled {order}, a token surprises it by 4 nats more than its own",
        loss.nats_per_token > own.nats_per_token + 4,
        measured=loss.nats_per_token - own.nats_per_token,
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
# Here is a world of two texts. **Work out both products with a pencil.**

# %%
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


# %%
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
claim("On average the two differ by 1 nat or more", mean >= 1)

# %% [markdown]
# Where they differ, no distribution over texts, however strange, has these guesses as
# its parts. "How probable is this sentence?" has no answer.

# %% [markdown]
# ### It learns little from much
#
# A causal model is asked at every token it reads. A masked one only where something is
# hidden:

# %%
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
# **Which one wins?**

# %%
fifteen, _ = short_life(
    healthy_step, steps=120, label="15 % hidden", share=0.15
)
forty, _ = short_life(healthy_step, steps=120, label="more hidden")
gaps_fifteen = guess_tokens(fifteen, tokenizer, texts, places)
gaps_forty = guess_tokens(forty, tokenizer, texts, places)
difference = (gaps_forty.log_probs - gaps_fifteen.log_probs).double()
means = torch.stack([values.mean() for values in difference.split(lengths)])
error = 1.96 * float(means.std()) / math.sqrt(len(means))
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
# - **What no page tells.** The umbrella of section 1 stayed unfound.
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
#
# ### Three questions
#
# **1. Of 1,000 tokens, how many does BERT's recipe replace by `<mask>`, about?**
#
# <details><summary>150</summary>
# So many are chosen. A fifth of these is not replaced by the sign.</details>
# <details><summary>120</summary>
# Right: 15 % of 1,000 are chosen, and 80 % of these become the sign.</details>
# <details><summary>800</summary>
# The 80 % are of the chosen ones.</details>
#
# **2. A friend's masked model reaches a loss of 0.02 in a minute. What do you ask
# first?**
#
# <details><summary>Which learning rate was that?</summary>
# No rate makes hidden words that predictable.</details>
# <details><summary>What does the model read at the places where it is asked?</summary>
# Right. If the answers stand there, as in run B, it has learned to copy.</details>
# <details><summary>How large is the model?</summary>
# However large: a word that several could replace keeps its surprise.</details>
#
# **3. You want to sort sentences from the most to the least probable. Which model?**
#
# <details><summary>The masked one, since it guesses better.</summary>
# Its first guess is right a little more often, yes. But its guesses do not multiply to
# a probability.</details>
# <details><summary>The causal one.</summary>
# Right: its guesses are the steps of a chain, and their product is the probability of
# the text.</details>
# <details><summary>Either, the order is the same.</summary>
# In the world of two texts above it was not even the same for these two.</details>
#
# ### Where to go from here
#
# **Exercise:** the last of [problem set 2](../exercises/release/ps2/ps2.ipynb):
# what is hidden, what is asked for, and what is never touched.
# **Next:** [5 · Next-token pre-training](05_next_token_pretraining.ipynb), the other
# game, and the model that the rest of the course raises.
