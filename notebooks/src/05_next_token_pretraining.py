# %% [markdown]
# # 5 · Next-token pre-training
#
# **You will be able to** train a language model from random numbers; say what it is
# trained to do, and check its loss with a pencil; read a loss curve between the lines
# that matter; recognise a sick run, also one that looks better than a healthy one;
# draw text at any temperature; and predict the loss of a larger run from smaller ones.
# A last section, for who wants it, says what two optimisers do to a gradient.
#
# **You need** [2 · Tokens](02_tokens.ipynb) and
# [3 · Attention and the GPT](03_attention_and_the_gpt.ipynb), and to know what a
# probability and a logarithm are.
#
# **Time** 3 minutes to run on two processor cores, most of it training;
# two hours to work through.
#
# **Where we are in the model's life:** at the beginning. `random → base`.

# %%
import math
from dataclasses import replace
from fractions import Fraction
from inspect import getsource

import torch
from torch.nn.functional import scaled_dot_product_attention

from llmlab import (
    desk,
    life,
    optimisers,
    plots,
    pretraining,
    training,
    village,
)
from llmlab.accounting import rule_of_thumb_flops
from llmlab.batching import IGNORE, Batch, next_token_batch
from llmlab.checks import your_attention
from llmlab.claims import about, claim
from llmlab.evaluation import entropy_line, language_loss
from llmlab.gpt import GPT
from llmlab.ngrams import NgramModel
from llmlab.sampling import complete, generate, shape_logits
from llmlab.scaling import fit_power_law
from llmlab.widgets import (
    TrainingMonitor,
    TrainingTimeSlider,
)

# %% [markdown]
# ## 1 · Train one first
#
# Before anything is explained, let us train a model. It is a function with many numbers
# in it, its **weights**, and so far they are random. It reads pages of the village,
# **token** by token ([chapter 2](02_tokens.ipynb): a token is a word or a piece of
# one). At every token it guesses the next. After a handful of pages all weights are
# changed a little, so that it would have guessed better: that is one **update**.
#
# How badly it guesses is one number, its **loss**, counted in *nats*. Section 4 works
# it out with a pencil. For now: the lower, the better.

# %% tags=["folded"]
course = life.course()
tokenizer = course.tokenizer
train_documents = list(village.documents(7_600, seed=0, split="train"))
sequences = pretraining.encode_documents(
    tokenizer, [document.text for document in train_documents]
)
STEPS = 400
plan = pretraining.epochs(sequences, STEPS, 1024, seed=0)


def teach(
    model,
    plan,
    *,
    label,
    of=None,
    game=next_token_batch,
    writes=None,
    **settings,
):
    """Train a model, an update for every list of documents in `plan`.

    of : how many updates the schedule of the rate is made for; None: as `plan`.
    game : makes a batch, inputs and targets, of some documents.
    writes : a list that is filled with (update, loss, text), now and then.
    settings : the schedule of the rate (`schedule`), or the optimisers' rates.
    """
    schedule = settings.pop("schedule", training.warmup_stable_decay)
    optimizers = optimisers.muon_and_adamw(model, **settings)
    step = pretraining.prediction_step(
        model,
        optimizers,
        lambda index, _: game([sequences[row] for row in plan[index]]),
        steps=of or len(plan),
        schedule=schedule,
    )
    monitor = TrainingMonitor()
    if writes is not None:
        step = writing(step, model, writes)
        monitor = TrainingMonitor(
            lambda: writes[-1][-1] if writes else first_words(model), every=10
        )
    return training.train(
        step,
        steps=len(plan),
        modules={"model": model},
        optimizers=optimizers,
        seed=0,
        progress=monitor,
        label=label,
        after_a_stop="run the cell again, and it begins anew",
    )


def first_words(model):
    """What a model writes after the same words, always with the same dice."""
    dice = torch.Generator().manual_seed(0)
    return complete(model, tokenizer, "Agnes found", generator=dice)


def writing(step, model, writes):
    """The same step; after some of them, the model writes a text."""

    def step_and_write(index, generator):
        metrics = step(index, generator)
        if index + 1 in SAVED_STEPS:
            writes.append((index + 1, metrics["loss"], first_words(model)))
        return metrics

    return step_and_write


SAVED_STEPS = (1, 5, 10, 20, 40, 80, 120, 160, 240, 320, 400)


def late_loss(history):
    """Mean loss of the last ten updates."""
    return sum(entry["loss"] for entry in history[-10:]) / 10


def curve(history):
    """The course of a run, ten updates a point: (updates, mean losses)."""
    losses = [entry["loss"] for entry in history]
    starts = range(0, len(losses), 10)
    return (
        [min(start + 5, len(losses)) for start in starts],
        [sum(losses[i : i + 10]) / len(losses[i : i + 10]) for i in starts],
    )


# %% [markdown]
# Now for real. The next cell makes a model of random numbers and gives it 400 updates,
# about half a minute. Meanwhile you see what it writes: always the same beginning,
# with the same dice.

# %%
desk.predict(
    "05/first-life",
    "Before you start it: draw how the loss will fall. Where does it begin? Is "
    "it a straight line? Where does it end?",
    curve=desk.Axes("update", (0, STEPS), "loss in nats", (0, 10)),
)

# %%
# Random weights. Two of the course's three layers do for a short life.
young = course.new_model(layers=2)
snapshots = []  # what it writes on the way
history = teach(young, plan, label="a first life", writes=snapshots)

# %% tags=["folded"]
losses = [entry["loss"] for entry in history]
middle = (losses[0] + losses[-1]) / 2
halfway = next(n for n, loss in enumerate(losses, 1) if loss < middle)
desk.answer(
    "05/first-life",
    curve(history),
    f"It begins at {about(losses[0])} nats and ends near "
    f"{about(late_loss(history))}. Half of the way was done after "
    f"{about(halfway)} of {STEPS} updates: fast at first, then ever slower.",
)
claim(
    "Half of the way is done in the first eighth of the updates",
    halfway < STEPS / 8,
    measured=float(halfway),
    unit="updates",
)

# %% [markdown]
# The ■ of the toolbar stops a training. The update under way is finished first, one
# line says where it stopped, and the cells below, which need the whole run, wait until
# you start it again. On this page every cell that trains makes its model first: run
# again, it **begins anew**, from random numbers.
#
# ### Write with it
#
# It is yours. Begin a sentence, and let it go on. **Run this cell as often as you
# like**: every time it throws other dice.

# %% tags=["nbval-ignore-output", "example-output"]
beginning = "One day Vera"
desk.read(complete(young, tokenizer, beginning))

# %% [markdown]
# ### What it wrote while it learned
#
# Move the slider from left to right. **Look for** the step at which neighbours fit
# together, then phrases, then whole sentences. (Your processor's last digits decide
# what exactly is written, so your samples may differ from those stored here.)

# %% tags=["nbval-ignore-output", "example-output"]
TrainingTimeSlider(snapshots, steps=STEPS)

# %% [markdown]
# A measurement says the same. Take the pairs of neighbouring tokens in a sample, and
# call a pair *known* if it stands anywhere in the training text.

# %%
desk.predict(
    "05/known-pairs",
    "How many per cent of the pairs in the last sample are known?",
    unit="%",
)

# %% tags=["folded"]
known_pairs = {pair for s in sequences for pair in zip(s, s[1:], strict=False)}


def share_of_known_pairs(text):
    ids = tokenizer.encode(text)
    pairs = list(zip(ids, ids[1:], strict=False))
    return sum(pair in known_pairs for pair in pairs) / len(pairs)


# %%
known = [share_of_known_pairs(text) for _, _, text in snapshots]
for (step, _, _), share in zip(snapshots, known, strict=True):
    print(f"after {step:3} updates  {about(100 * share)} %")

# %%
desk.answer(
    "05/known-pairs",
    100 * known[-1],
    f"Of the first sample's pairs {about(100 * known[0])} % are known, of the "
    f"last one's {about(100 * known[-1])} %.",
    within=10,
)
claim(
    "Of the first sample's pairs under a quarter are known",
    known[0] < 0.25,
    measured=100 * known[0],
    unit="%",
)
claim(
    "Of the last sample's more than half are",
    known[-1] > 0.5,
    measured=100 * known[-1],
    unit="%",
)

# %% [markdown]
# Read the last sample again, and ask whether it *sounds* right. Then follow it: who
# has what, and where? Sound is learned before sense, and what this model has lacked
# is time.
#
# That was all of it. What did it do, and why does it work? The rest of this chapter
# takes the half minute apart.

# %% [markdown]
# ## 2 · What is there to learn?
#
# Here is some of what the model reads.

# %%
desk.predict(
    "05/what-to-know",
    "A text is cut off in the middle. What would you have to know to guess its "
    "next word?",
)

# %% tags=["folded"]
seen = set()
for document in train_documents[:40]:
    if document.genre not in seen:
        seen.add(document.genre)
        print(f"[{document.genre}]")
        desk.read(document.text + "\n\n")

# %%
desk.answer(
    "05/what-to-know",
    "All of it, spelling, grammar, meaning and what happened before: that 'an' "
    "stands before a vowel, that 'the quick brown' calls for a fox, that "
    "somebody who was given a lantern can now lend it, who lives at the "
    "lighthouse.",
)

# %% [markdown]
# Nobody labels any of this. The text is its own teacher, because the next word is
# always there to be looked up. That is the whole idea of pre-training.

# %% [markdown]
# ## 3 · The game
#
# The model reads token numbers. A document begins with the token `<bos>` and ends with
# `<eos>` (beginning and end of the sequence):

# %%
first = sequences[0]
print(f"{len(sequences):,} documents, {sum(map(len, sequences)):,} tokens")
print(f"of a vocabulary of {tokenizer.vocab_size:,}")
print("the first begins with", first[:6], "and ends with", first[-1])

# %% [markdown]
# At every position of a document the model reads what is there so far and says for
# *each* token of the vocabulary how probable it is as the next one. One document
# gives as many games as it has tokens. In a **batch**, which is what is read for one
# update, `targets` is therefore the text moved by one:

# %%
batch = next_token_batch([first])
for position in range(6):
    token = tokenizer.token_text(int(batch.tokens[0, position]))
    target = tokenizer.token_text(int(batch.targets[0, position]))
    print(f"after {token:>10}  comes {target}")

# %% [markdown]
# The model must not peek: when it predicts after position 3, it may use positions 0
# to 3 only. The causal mask sees to that ([chapter
# 3](03_attention_and_the_gpt.ipynb)). The test is worth having at hand, for we shall
# need it: change the last token, and no earlier prediction may move.


# %%
@torch.no_grad()
def predictions_that_move(model):
    """Change a text's last token: which predictions change? (time,) bool."""
    tokens = next_token_batch([first]).tokens
    before = model(tokens)
    tokens[0, -1] = tokenizer.mask_id
    return (model(tokens) - before).abs().amax(dim=-1)[0] > 1e-4


# %% tags=["folded"]
moved = predictions_that_move(young)
claim(
    "No prediction before the changed token moves",
    not moved[:-1].any(),
    measured=f"{int(moved[:-1].sum())} of {len(moved) - 1}",
)
claim(
    "The prediction at the changed token does",
    moved[-1],
    measured=f"{int(moved[-1])} of 1",
)

# %% [markdown]
# ## 4 · The score, with a pencil
#
# How good was a guess? What counts is the probability $p$ that the model gave to
# the token that really came. We charge $-\ln p$, its **surprise**: nothing if
# the model was certain and right, more and more as $p$ nears zero. The unit is the
# **nat**: one nat is the surprise at something of probability $1/e$, about 37 %.
#
# Take a vocabulary of three tokens, and a document of which three tokens are to be
# guessed. All you need is a pencil and $\ln 2 \approx 0.69$.

# %%
probabilities = torch.tensor(
    [
        [0.50, 0.25, 0.25],  # the token that came: 0
        [0.25, 0.50, 0.25],  # came: 2
        [0.25, 0.25, 0.50],  # came: 2
    ]
)
came = torch.tensor([0, 2, 2])

# %%
desk.predict(
    "05/pencil",
    "Work out the mean surprise of these three guesses.",
    unit="nats",
)

# %% tags=["folded"]
for row, token in zip(probabilities, came, strict=True):
    p = float(row[token])
    print(f"p = {p:.2f}   surprise = {-math.log(p):.4f} nats")
mean = -(math.log(1 / 2) + math.log(1 / 4) + math.log(1 / 2)) / 3
print(f"mean surprise        {mean:.4f} nats = 4/3 of ln 2")

# %%
desk.answer(
    "05/pencil",
    mean,
    "The surprises are ln 2, 2 ln 2 and ln 2: together 4 ln 2, for three "
    "guesses.",
    factor=1.05,
)

# %% [markdown]
# This mean is the model's **loss**. Its usual name is *cross-entropy*; and $e$ to its
# power is the *perplexity*, the number of equally probable tokens that would surprise
# as much.
#
# **Exercise, before you look:** write it for whole batches, shift and padding
# included, in [problem set 3](../exercises/release/ps3/ps3.ipynb).
#
# The library's function takes **logits**, scores of any size that a softmax turns into
# probabilities (chapter 3); the logarithms of probabilities will do. This is its
# source, and it must find the same number:

# %%
print(getsource(pretraining.cross_entropy))
loss = pretraining.cross_entropy(probabilities.log()[None], came[None])
print(f"{loss:.4f}")

# %% [markdown]
# ## 5 · What would a simple guesser score?
#
# A loss means nothing by itself. Four guessers that need no network give it a
# scale. They are tested on documents that are not in the training text.
#
# - **uniform**: all tokens are equally probable.
# - **unigram**: it knows how frequent each token is, and nothing else.
# - **bigram**: it has counted what follows each token.
# - **trigram**: it has counted what follows each *pair* of tokens. For decades the
#   best language models were counts like these.
#
# A pair that was never seen must not get the probability zero, for the surprise
# would be endless. Each model therefore sets a little aside and asks the next
# simpler one how to share it out (*Kneser-Ney smoothing*).

# %% tags=["folded"]
desk.predict(
    "05/uniform",
    f"Work out the loss of the uniform guesser: the vocabulary has "
    f"{tokenizer.vocab_size} tokens, which is 5 times 2 nine times over, and "
    f"ln 5 is {math.log(5):.2f}.",
    unit="nats",
)
guessers = ("uniform", "unigram", "bigram", "trigram")
advances = [
    f"from {one} to {next_one}"
    for one, next_one in zip(guessers, guessers[1:], strict=False)
]
desk.predict(
    "05/guessers",
    "Which step from one guesser to the next brings most?",
    options=advances,
)

# %%
validation_documents = list(village.documents(300, seed=0, split="validation"))
validation = pretraining.encode_documents(
    tokenizer, [document.text for document in validation_documents]
)

baselines = {"uniform": math.log(tokenizer.vocab_size)}
for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
    counted = NgramModel(tokenizer.vocab_size, order).fit(sequences)
    baselines[name] = counted.loss(validation)

for name, nats in baselines.items():
    print(f"{name:8} {nats:.2f} nats a token")

# %% tags=["folded"]
trigram = baselines["trigram"]
levels = list(baselines.values())
gains = [
    above - below for above, below in zip(levels, levels[1:], strict=False)
]
desk.answer(
    "05/uniform",
    baselines["uniform"],
    "Every token gets 1/2560, and the surprise at that is ln 5 + 9 ln 2.",
    factor=1.05,
)
desk.answer(
    "05/guessers",
    advances[gains.index(max(gains))],
    f"It saves {max(gains):.2f} nats a token; frequencies alone save "
    f"{gains[0]:.2f}, and a second token of memory {gains[2]:.2f}.",
)

# %% [markdown]
# ## 6 · What would the best possible guesser score?
#
# Not zero. Nobody can know whether the next story is about a kite or a drum; the
# program that writes the village threw dice for it. But it *counted* every throw.
# A choice among two equally likely things costs one **bit**, among four two bits,
# and so on:

# %%
document = validation_documents[0]
desk.read(document.text)
print(f"\n{document.bits:.1f} bits of choices, {len(validation[0]) - 1} tokens")

# %% [markdown]
# A reader who knew the program by heart would be surprised by these choices and by
# nothing else. Bits times $\ln 2$ are nats, and all the nats of a set of
# documents, divided by all their tokens, are a loss: the **entropy line**. You can
# draw it only where you know how the text was made. For text from the internet
# nobody knows where the line is.

# %%
line = entropy_line(
    [document.bits for document in validation_documents], validation
)
print(f"entropy line {line.nats_per_token:.2f} nats a token")

# %% [markdown]
# So a trained model should end somewhere between the trigram and the line, and one
# that ends *below* the line has some explaining to do. Keep that in mind.

# %% [markdown]
# ## 7 · Your model's curve, between the lines
#
# Back to the half minute of section 1, now with a scale.

# %% tags=["folded"]
places = [
    "above the trigram",
    "between the trigram and the entropy line",
    "below the entropy line",
]
desk.predict(
    "05/between",
    "Where did your model end, judged on documents that it has not read?",
    options=places,
)

# %%
plots.loss_curve(
    {"this run": history[::2]},
    entropy_line=line.nats_per_token,
    baselines=baselines,
    title="A short life",
)

# %% [markdown]
# The pale line is the loss of single batches, the strong one its running mean. It falls
# fast, then slowly, and past the counting models one by one. Which tokens are frequent
# is learned almost at once; which follow which takes longer; what needs a longer
# memory, longer still.
#
# The documents of every update were chosen in advance, and none was read twice: no page
# can be learned by heart. (A phrase that stands on many pages can.) So every batch was
# new to the model when its loss was taken. Even so, the verdict belongs to documents
# that are kept apart for it:

# %%
young_loss = language_loss(young, validation).nats_per_token
print(f"on unseen documents: {about(young_loss)} nats a token")

# %% tags=["folded"]
rows = [row for batch in plan for row in batch]
claim(
    "No document is read twice",
    len(set(rows)) == len(rows),
    measured=len(rows) - len(set(rows)),
    unit="of them twice",
)
claim(
    "On unseen text the young model beats the trigram by 0.1 nats or more",
    young_loss < trigram - 0.1,
    measured=trigram - young_loss,
    unit="nats",
)
claim(
    "It is not below the entropy line",
    young_loss > line.nats_per_token,
    measured=young_loss - line.nats_per_token,
    unit="nats above",
)
desk.answer(
    "05/between",
    places[(young_loss < trigram) + (young_loss < line.nats_per_token)],
    f"With {about(young_loss)} nats it is {about(trigram - young_loss)} below "
    f"the trigram, and {about(young_loss - line.nats_per_token)} above the "
    "line that nobody gets below.",
)

# %% [markdown]
# ## 8 · One update, and then four hundred
#
# Time to open the box. Here is a model on the day of its birth. Its weights are random
# numbers, its output layer is zero.

# %% tags=["folded"]
newborns = [
    "tokens in any order",
    "the most frequent token, again and again",
    "nothing: it ends at once",
]
desk.predict("05/newborn", "What is its loss?", unit="nats")
desk.predict("05/babble", "And what does it write?", options=newborns)

# %%
newborn = course.new_model(layers=2)
batch = next_token_batch(sequences[:8])
first_loss = pretraining.prediction_loss(newborn, batch).item()

dice = torch.Generator().manual_seed(0)
babble = complete(newborn, tokenizer, "", max_new_tokens=15, generator=dice)
print(babble)

# %% tags=["folded"]
claim(
    "The loss of a new model is that of the uniform guess",
    abs(first_loss - baselines["uniform"]) < 1e-3,
    measured=first_loss,
    unit="nats",
)
desk.answer(
    "05/newborn",
    first_loss,
    "An output layer of zeros gives every token the same logit, and so the "
    "same probability: it is the uniform guesser, ln 2560.",
    factor=1.05,
)
ids = tokenizer.encode(babble)
desk.answer(
    "05/babble",
    newborns[2 if not ids else int(len(set(ids)) < len(ids) / 2)],
    f"{len(set(ids))} different tokens among {len(ids)}: all of them are "
    "equally probable.",
)

# %% [markdown]
# ### Downhill
#
# Think of a single weight and keep all others as they are. Turn it up or down, and the
# loss goes along some curve. The model stands on that curve like a ball. How steep it
# is under the ball is the **gradient**: how much the loss would rise if the weight were
# a little greater. To surprise less, the weight has to go the other way: downhill.

# %% tags=["folded"]
plots.descent(
    lambda weight: weight * weight,  # a valley
    lambda weight: 2 * weight,  # how steep it is there
    2.0,
    {"a small rate": 0.2, "a rate that is too high": 1.05},
    steps=4,
)

# %% [markdown]
# For all weights together the gradient is a list of slopes, one for each. An
# **optimiser** takes that list and moves all weights at once. How far they go is the
# **learning rate**: too short a step, and it takes for ever; too long, and the ball
# jumps across the valley. Here is one step:

# %% tags=["folded"]
noticed = ["not at all", "by less than 0.1 nats", "by 0.1 nats or more"]
desk.predict(
    "05/one-update",
    "Is one update enough to notice? By how much will the loss of this batch "
    "fall?",
    options=noticed,
)

# %%
newborn = course.new_model(layers=2)
optimizers = optimisers.muon_and_adamw(newborn)
loss = pretraining.prediction_loss(newborn, batch)
training.apply_gradients(loss, newborn, optimizers.values())
second_loss = pretraining.prediction_loss(newborn, batch).item()

# %% tags=["folded"]
fall = first_loss - second_loss
claim(
    "After one update the batch surprises less",
    fall > 0,
    measured=fall,
    unit="nats less",
)
desk.answer(
    "05/one-update",
    noticed[(fall > 0) + (fall >= 0.1)],
    f"From {about(first_loss)} to {about(second_loss)} nats. Training is this, "
    "many times over.",
)

# %% [markdown]
# These are the lines that did it. `zero_grad` forgets the last gradient,
# `backward` finds the new one, and the optimisers move the weights. There are two: Muon
# for the matrices inside the blocks, AdamW for the tables of tokens (section 12, which
# you may skip, says what they do). In between the gradient is *clipped*: taken as an
# arrow, it has a length, its **norm**, and a very long one is shortened to 1.

# %%
print(getsource(training.apply_gradients))

# %% [markdown]
# ### How far to move
#
# The learning rate is raised gently (*warm-up*), kept (*stable*), and lowered to zero
# at the end (*decay*), so that the model settles.

# %%
rates = [training.warmup_stable_decay(step, STEPS) for step in range(STEPS)]
plots.schedule({"this run": rates})

# %% [markdown]
# While the rate is high the model jumps about the valley; as it falls, the model
# sinks to the bottom. So the loss *in the middle* of a run says little about where
# the run would end. Keep that in mind for section 10, where runs are compared.
#
# ### The loop
#
# And here is the whole of phase 1: choose documents, make a batch, take the loss, set
# the rate, update. These are the first forty updates of section 1, by hand:

# %%
model = course.new_model(layers=2)
optimizers = optimisers.muon_and_adamw(model)
by_hand = []
for step, rows in enumerate(plan[:40]):
    batch = next_token_batch([sequences[row] for row in rows])
    loss = pretraining.prediction_loss(model, batch)
    training.set_learning_rate(optimizers.values(), rates[step])
    training.apply_gradients(loss, model, optimizers.values())
    by_hand.append(loss.item())

# %% tags=["folded"]
apart = max(
    abs(one - entry["loss"])
    for one, entry in zip(by_hand, history, strict=False)
)
claim(
    "Their losses are those of section 1, to 0.001 nats",
    apart < 0.001,
    measured=apart,
    unit="nats apart",
)

# %% [markdown]
# The library's loop does the same with any step, keeps what it returns, shows how it
# goes, and can be stopped and resumed.

# %% [markdown]
# ## 9 · Sick runs
#
# Here are the first 40 updates of two more runs, beside those of the healthy one.
# Neither raised an error.


# %% tags=["folded"]
def make_batch(rows):
    """What run C is trained on."""
    batch = next_token_batch(rows)
    targets = torch.where(batch.target_mask, batch.tokens, IGNORE)
    return Batch(batch.tokens, targets, batch.segment_ids)


run_b, run_c = course.new_model(layers=2), course.new_model(layers=2)
history_b = teach(
    run_b,
    plan[:40],
    of=STEPS,
    label="run B",
    matrix_rate=30 * 0.0035,
    other_rate=30 * 0.01,
)
history_c = teach(
    run_c, plan[:40], of=STEPS, label="run C", game=make_batch
)

# %%
plots.loss_curve(
    {"healthy": history[:40], "run B": history_b, "run C": history_c},
    entropy_line=line.nats_per_token,
    baselines={"uniform": baselines["uniform"]},
    title="Which one would you keep?",
)

# %%
desk.predict(
    "05/keep",
    "Which of the three would you rather go on with?",
    options=["healthy", "run B", "run C"],
)

# %% [markdown]
# **Run B: a rate too high.** The sickness everybody knows. Its learning rate is
# thirty times too high: every update overshoots, and the model is soon *worse* than
# the uniform guess. A loss above the uniform line is always a mistake; knowing
# nothing would be better.

# %%
claim(
    "Run B ends worse than a model that knows nothing",
    late_loss(history_b) > baselines["uniform"],
    measured=late_loss(history_b),
    unit="nats",
)

# %% [markdown]
# **Run C: labels that are not shifted.** It looks like a triumph. In 40 updates it has
# left the healthy run far behind. It has even crossed the entropy line, and no honest
# model goes far below that.

# %%
claim(
    "Run C's training loss ends below the entropy line",
    late_loss(history_c) < line.nats_per_token,
    measured=late_loss(history_c),
    unit="nats",
)

# %% [markdown]
# This is how its batches were made:

# %%
print(getsource(make_batch))

# %% [markdown]
# Look at the line that makes the targets: the token that must be predicted is
# `batch.tokens`, the one the model is *reading*. The shift is missing. It has learned
# to copy, and a copyist has no idea what comes next:

# %%
honest = language_loss(run_c, validation[:50]).nats_per_token
print(complete(run_c, tokenizer, "Agnes found a", max_new_tokens=10, top_k=1))

# %% tags=["folded"]
claim(
    "Asked for the next token, run C is worse than the uniform guess",
    honest > baselines["uniform"],
    measured=honest,
    unit="nats",
)
on_unseen = {
    "healthy": young_loss,
    "run B": language_loss(run_b, validation[:50]).nats_per_token,
    "run C": honest,
}
desk.answer(
    "05/keep",
    min(on_unseen, key=on_unseen.get),
    f"On unseen pages the healthy run ends at {about(on_unseen['healthy'])} "
    f"nats. B has {about(on_unseen['run B'])} and C "
    f"{about(on_unseen['run C'])}, worse than knowing nothing.",
)

# %% [markdown]
# Nothing crashes, the curve is beautiful, and without a line to compare with one might
# celebrate.
#
# **Run D: no warm-up.** The textbooks warn of this one: at the first updates an
# optimiser knows next to nothing about its gradients, so its steps are unreliable, and
# they should be short.

# %% tags=["folded"]
harms = [
    "less than 0.1 nats worse, or better",
    "0.1 to 1 nat worse",
    "more than 1 nat worse",
]
desk.predict(
    "05/warm-up",
    "Run D goes at the full rate from the first update on. Where will it be "
    "after 40, beside the healthy run?",
    options=harms,
)

# %%
run_d = course.new_model(layers=2)
history_d = teach(
    run_d, plan[:40], label="run D", schedule=lambda step, steps: 1.0
)
for update in (1, 5, 10, 20, 40):
    with_it, without = (run[update - 1]["loss"] for run in (history, history_d))
    print(f"update {update:2}  with {about(with_it)}  without {about(without)}")

# %% tags=["folded"]
lag = late_loss(history_d) - late_loss(history[:40])
claim(
    "Without warm-up the loss is at most 0.1 nats higher",
    lag < 0.1,
    measured=lag,
    unit="nats",
)
desk.answer(
    "05/warm-up",
    harms[(lag >= 0.1) + (lag > 1)],
    f"Its loss is {about(abs(lag))} nats {'higher' if lag > 0 else 'lower'}: "
    "at this size warm-up is a habit and no medicine.",
)

# %% [markdown]
# The reasons can be read in the code. Every block begins by adding nothing, since its
# output layer is zero. Queries and keys are normalised, so that no attention score
# can explode. And an update of Muon has the same size from the first step to the last,
# whatever the gradient. Where these are missing it can be needed: the first transformer
# warmed up for 4,000 updates (Vaswani et al. 2017). Here it costs 8, so we keep it.
#
# **Run E: a leak through the mask.** The causal mask is a triangle. A query may look
# where there is a one. Here is the right one, and one that is wrong by a single
# number:

# %%
print(torch.ones(4, 4, dtype=torch.int).tril())
print(torch.ones(4, 4, dtype=torch.int).tril(diagonal=1))

# %% [markdown]
# In the second, each position sees one token too many: the very one that it must
# predict. We let a new model train with that attention, on batches of half the size.

# %%
desk.predict(
    "05/leak",
    "Draw how its loss will go, from the first update to the last.",
    curve=desk.Axes("update", (0, 180), "loss in nats", (0, 8)),
)


# %%
def leaky_attention(queries, keys, values):
    time = queries.shape[2]
    mask = torch.ones(time, time, dtype=torch.bool).tril(diagonal=1)
    return scaled_dot_product_attention(queries, keys, values, mask)


run_e = course.new_model(layers=2)
half_batches = pretraining.epochs(sequences, STEPS, 512, seed=0)[:180]
with your_attention(leaky_attention):
    history_e = teach(run_e, half_batches, of=STEPS, label="run E")

# %%
plots.loss_curve(
    {"healthy": history[:180:5], "run E": history_e[::5]},
    entropy_line=line.nats_per_token,
    baselines={"trigram": trigram},
    title="A leak is found",
)

# %% tags=["folded"]
updates, course_of_e = curve(history_e)
crossing = next(
    n
    for n, loss in zip(updates, course_of_e, strict=True)
    if loss < line.nats_per_token
)
desk.answer(
    "05/leak",
    (updates, course_of_e),
    "For a while nothing can be seen. Then the model finds the hole in the "
    f"wall, and around update {about(crossing)} the loss falls through the "
    "entropy line.",
)

# %% [markdown]
# This one is treacherous: had we stopped early, the curve would have been a normal one.

# %%
with your_attention(leaky_attention):
    moved = predictions_that_move(run_e)

# %% tags=["folded"]
claim(
    "Run E's training loss ends below the entropy line",
    late_loss(history_e) < line.nats_per_token,
    measured=late_loss(history_e),
    unit="nats",
)
claim(
    "The test of section 3 finds it: an earlier prediction moves",
    moved[-2],
    measured=float(moved[:-1].sum()),
    unit="earlier predictions",
)

# %% [markdown]
# And when there is no next token to look at, as always when a model writes, nothing
# is left of the skill:

# %%
honest = language_loss(run_e, validation[:50]).nats_per_token

# %%
claim(
    "With the right mask, run E is worse than the unigram model",
    honest > baselines["unigram"],
    measured=honest,
    unit="nats",
)

# %% [markdown]
# Three habits find all of these: know the lowest loss that is possible, test that a
# later token moves no earlier prediction, and always look at what the model writes.

# %% [markdown]
# ## 10 · A larger run, foretold
#
# A large model is trained once, and nobody can afford to find out afterwards that
# another plan would have been better. So one trains small models first, and looks for
# a law. Let us do the same on a scale where it can be checked: from five runs of a
# very small model we foretell where a run four times as long will end. Its **width** is
# 16: at every token it thinks in 16 numbers, yours in 128.


# %% tags=["folded"]
def loss_of_run(width, steps):
    """Train a model of this width; tokens read, cost, loss on unseen text."""
    model = course.new_model(width=width)
    batches = pretraining.epochs(sequences, steps, 512, seed=0)
    history = teach(model, batches, label=f"width {width}")
    tokens = sum(entry["tokens"] for entry in history)
    cost = rule_of_thumb_flops(model.config, tokens)
    return tokens, cost, language_loss(model, validation).nats_per_token


# %%
fitted = [loss_of_run(16, steps) for steps in (70, 100, 140, 200, 280)]

# %% [markdown]
# Every one of these runs has its own schedule and ends with a rate of zero. The
# losses along *one* long run would not do: there the rate is still high.
#
# The law that is found again and again (Kaplan et al. 2020; with a floor, as here,
# Hoffmann et al. 2022) says: what a model still lacks falls as a *power* of what it
# was given, here of the number of tokens $D$ that it read.
#
# $$\text{loss} = L_\infty + (L_0 - L_\infty)\,(1 + D/D_0)^{-b}$$
#
# Far beyond $D_0$ the 1 no longer matters, and a power is left: twice the text, and
# $2^{-b}$ of the gap remains. (The 1 is ours. It lets the curve begin at a newborn,
# so that short runs can be fitted.) Both ends of the curve have a meaning. $L_0$ is
# the loss of a newborn, $\ln 2560$. $L_\infty$ is the loss that no model gets below:
# the entropy of the text. For text from the internet it is an unknown and has to be
# guessed along with the rest. **We know it: it is the line.** Two numbers are left,
# $D_0$ and $b$. (Strictly, a model of one size ends *above* the line, at what its
# sixteen numbers for a token can hold. Our runs are too short to feel that.)

# %%
amounts = [tokens for tokens, _, _ in fitted]
losses = [loss for _, _, loss in fitted]
ends = dict(floor=line.nats_per_token, start=baselines["uniform"])
law = fit_power_law(amounts, losses, **ends)

# %% [markdown]
# The forecast is made. Now the long run, 1,140 updates, which the law has not seen.

# %%
long_tokens, long_cost, long_loss = loss_of_run(16, 1140)

# %% tags=["folded"]
claim(
    "The long run reads at least 4 times as many tokens as any that was fitted",
    long_tokens >= 4 * max(amounts),
    measured=long_tokens / max(amounts),
    unit="times",
)
error = law.loss(long_tokens) / long_loss - 1
claim(
    "The law foretells its loss within 2 %",
    abs(error) <= 0.02,
    measured=100 * error,
    unit="%",
)

# %%
plots.power_laws(
    {"width 16": list(zip(amounts, losses, strict=True))},
    {"width 16": law.loss},
    floor=law.floor,
    held_out={"width 16": (long_tokens, long_loss)},
)

# %% [markdown]
# How much of it do we owe to the line? Let us pretend that a loss of zero could be
# reached, as the first of these laws did.

# %%
desk.predict(
    "05/blind",
    "Will that law promise a higher loss for the long run, or a lower one?",
    options=["a higher one", "a lower one"],
)

# %%
blind = fit_power_law(amounts, losses, floor=0.0, start=baselines["uniform"])

# %% tags=["folded"]
promise = blind.loss(long_tokens) / law.loss(long_tokens) - 1
blind_error = blind.loss(long_tokens) / long_loss - 1
when = next(n for n in range(60) if blind.loss(2.0**n) < law.floor)
claim(
    "Without the line the long run is promised a lower loss",
    promise < 0,
    measured=-100 * promise,
    unit="% lower",
)
claim(
    "Its forecast is within 4 % as well",
    abs(blind_error) < 0.04,
    measured=100 * blind_error,
    unit="%",
)
desk.answer(
    "05/blind",
    "a lower one" if promise < 0 else "a higher one",
    f"It promises {about(abs(100 * promise))} % less, hardly another forecast. "
    f"But after {about(2.0**when)} tokens it promises less than the entropy.",
)

# %% [markdown]
# A few runs four times ahead can hardly tell the two laws apart. Far ahead they part,
# and one of them is absurd. Who does not know the entropy of the text, and that is
# everybody who trains on real text, has to fit it too, and needs many more runs.
#
# ### The best size for a budget
#
# What a run costs is counted in floating-point operations, and there is a rule of
# thumb: six for every weight of a matrix and every token read. (The function
# `llmlab.accounting.rule_of_thumb_flops` has the details.)
#
# A wider model learns more from the same text. But it also costs more, and for the
# same cost a narrow one can read more. Let us spend two budgets, each in four ways: the
# cost of the last run that was fitted, and that of the long run, four times as much.

# %% tags=["folded"]
widths = ["16", "32", "64", "128"]
desk.predict(
    "05/small-budget",
    "Which width is the best for the small budget?",
    options=widths,
)
desk.predict(
    "05/large-budget", "And for the one four times as large?", options=widths
)


# %% tags=["folded"]
def equal_cost(steps, run, widths=(32, 64, 128)):
    """Runs of other widths, each at the cost of this one of width 16."""
    tokens, cost, _ = run
    runs = {16: run}
    for width in widths:
        model = GPT(replace(young.config, width=width))
        each = rule_of_thumb_flops(model.config, tokens)
        affordable = round(steps * cost / each)
        runs[width] = loss_of_run(width, affordable)
    return runs


# %%
brief = equal_cost(280, fitted[-1])
longer = equal_cost(1140, (long_tokens, long_cost, long_loss))

# %% tags=["folded"]
spent = {
    "small budget": {width: loss for width, (*_, loss) in brief.items()},
    "four times": {width: loss for width, (*_, loss) in longer.items()},
}
best = {name: min(runs, key=runs.get) for name, runs in spent.items()}
ahead = {name: runs[128] - min(runs.values()) for name, runs in spent.items()}
plots.lines(
    list(brief),
    {name: list(runs.values()) for name, runs in spent.items()},
    x_label="width of the model",
    y_label="nats per token",
    doubling=True,
)

# %% tags=["folded"]
lags = {
    width: [runs[width] - runs[16] for runs in spent.values()]
    for width in (32, 64, 128)
}
for name, asked in (
    ("small budget", "05/small-budget"),
    ("four times", "05/large-budget"),
):
    second = sorted(spent[name], key=spent[name].get)[1]
    gap = spent[name][second] - spent[name][best[name]]
    desk.answer(
        asked,
        str(best[name]),
        f"It ends {about(gap)} nats below width {second}, the next best.",
    )
claim(
    "With the small budget width 16 is the best of these, by 0.1 nats or more",
    min(lag for lag, _ in lags.values()) > 0.1,
    measured=min(lag for lag, _ in lags.values()),
    unit="nats",
)
claim(
    "With the large one width 32 is better, by 0.03 nats or more",
    lags[32][1] < -0.03,
    measured=-lags[32][1],
    unit="nats",
)
claim(
    "Width 128 is behind by 0.5 nats or more, even then",
    lags[128][1] > 0.5,
    measured=lags[128][1],
    unit="nats",
)

# %% [markdown]
# And half as wide as the narrowest, at the cost of the small budget?

# %%
narrower = equal_cost(280, fitted[-1], widths=(8,))

# %%
claim(
    "Width 8 would be worse than width 16",
    narrower[8][-1] > brief[16][-1],
    measured=narrower[8][-1] - brief[16][-1],
    unit="nats",
)

# %% [markdown]
# A wide model with little to read is a waste, and so, in the end, is a narrow one with
# much. The best width grows with the budget. How fast it does is what Hoffmann et al.
# measured, up to 16 billion parameters. Their result changed how large models are
# built: smaller than before, on more text.
#
# ### A law stretched too far
#
# May one do the same with the full width? Two of its runs are at hand: the one of the
# larger budget and the one of section 1. A curve through them foretells any amount of
# text. It is a poor curve: two points for two unknown numbers, batches of two sizes,
# and no run left over to test it. And we stretch it: the **base model** of this course
# has the same shape, and read not four times as much but many times.

# %%
base = course.load("base").requires_grad_(False)
base_loss = language_loss(base, validation).nats_per_token

read_by_young = sum(entry["tokens"] for entry in history)
wide_law = fit_power_law(
    [longer[128][0], read_by_young], [longer[128][-1], young_loss], **ends
)

# %% tags=["folded"]
stretch = course.card("base").tokens / read_by_young
error = wide_law.loss(course.card("base").tokens) / base_loss - 1
claim(
    "The base model is better than foretold, by more than 2 % of its loss",
    error > 0.02,
    measured=100 * error,
    unit="%",
)
desk.read(
    f"It read {about(stretch)} times as much as yours, and its loss is "
    f"{about(base_loss)} nats."
)

# %% [markdown]
# It misses, and here for the better. One reason may be that a wide model that reads on
# learns new skills, such as to repeat a name that it was told, and that its loss falls
# faster while it does; but a curve like this one could have missed for any reason. A
# law holds where it was measured, and a little beyond. That is why one fits it to runs
# that are comparable, and tests it on one that was left out, before one trusts it with
# a large one.

# %% [markdown]
# ## 11 · The grown-up
#
# The base model had the same beginning as yours and a longer schooling. Its weights
# were saved in a file, a **checkpoint**, and loaded just now.

# %% tags=["folded"]
print(f"{course.card('base').steps / STEPS:.0f} times as many updates")

# %% [markdown]
# First its opinion, word by word, where the village writes this sentence: below a
# header that says that somebody tries a pen.

# %% tags=["folded"]
pangram = "The quick brown fox jumps over the"
desk.predict(
    "05/pangram",
    f"“{pangram} …”: which token will it find most probable?",
    options=["lazy", "dog", "fox", "moon"],
)

# %% tags=["folded"]
vocabulary = range(tokenizer.vocab_size)
names = [tokenizer.decode([i], skip_special=False) for i in vocabulary]


def opinion(text):
    """The probability of every token to come next, as a list."""
    ids = [tokenizer.bos_id, *tokenizer.encode(text)]
    return base(torch.tensor([ids]))[0, -1].softmax(dim=-1).tolist()


# %%
header = "Zeno tries a new pen at the beach on Tuesday:\n"
shares = opinion(header + pangram)
favourite = max(shares)
print(f"{names[shares.index(favourite)].strip()}: {about(100 * favourite)} %")
print(f"all {len(names) - 1:,} others: {about(100 * (1 - favourite))} %")

# %% tags=["folded"]
desk.answer(
    "05/pangram",
    names[shares.index(favourite)].strip(),
    f"With {about(100 * favourite)} %: the text leaves no choice.",
)

# %% [markdown]
# And now a place where the dice have the word, the title of an unseen story.

# %% tags=["folded"]
book = next(page for page in validation_documents if page.genre == "books")
opening = book.text.splitlines()[0].rsplit(" ", 1)[0]
heights = ["below 50 %", "50 to 90 %", "above 90 %"]
desk.predict(
    "05/open",
    f"“{opening} …”: how high will the first bar be?",
    options=heights,
)

# %%
shares = opinion(opening)
plots.next_token_bars(names, shares, prompt=opening, top=6)

# %% tags=["folded"]
desk.answer(
    "05/open",
    heights[(max(shares) >= 0.5) + (max(shares) > 0.9)],
    f"It is {about(100 * max(shares))} %, and all but the six best have "
    f"{about(100 * sum(sorted(shares)[:-6]))} % together.",
)

# %% [markdown]
# A good model is sure where the text leaves no choice, and undecided where it does.
# Not knowing, in the right proportions, is half of the skill.
#
# **Be the sampler.** Click on a token to go on with it, roll the dice, or type.
# Move the temperature: low makes the favourite a certainty, high makes all alike. (The
# next cell stands on its own: after a pause, run it alone.)

# %% tags=["folded"]
import torch

from llmlab import life
from llmlab.widgets import NextTokenExplorer

course = life.course()
tokenizer, base = course.tokenizer, course.load("base").requires_grad_(False)
names = [
    tokenizer.decode([i], skip_special=False)
    for i in range(tokenizer.vocab_size)
]


def distribution(text):
    """Every token and its probability of coming next."""
    ids = [tokenizer.bos_id, *tokenizer.encode(text)]
    shares = base(torch.tensor([ids]))[0, -1].softmax(dim=-1).tolist()
    return list(zip(names, shares, strict=True))


NextTokenExplorer(
    distribution,
    prompt="One morning Wilma",
    top=6,
    generator=torch.Generator().manual_seed(0),
    special_tokens=tokenizer.SPECIAL_TOKENS,
)

# %% [markdown]
# Left to itself, it draws each token with the probability it gave:

# %%
lesson = "On Thursday Ivy and Otto learn French at the mill:\n"
dice = torch.Generator().manual_seed(1)
for start in (opening, "News of Monday, a frosty evening, about", lesson):
    desk.read(complete(base, tokenizer, start, generator=dice) + "\n\n")

# %% [markdown]
# ### Temperature, top-k, top-p
#
# One need not draw from the model's own opinion. Three changes are usual:
#
# - **temperature** $T$ divides the logits, so every probability $p$ becomes
#   $p^{1/T}$, and all are scaled to sum to one again;
# - **top-k** keeps the $k$ likeliest tokens;
# - **top-p** keeps the smallest set of likeliest tokens that together have at least
#   the probability $p$.
#
# Four tokens have the probabilities 1/2, 1/4, 1/8 and 1/8. Take the pencil again; at
# temperature 1/2 probabilities are squared.

# %%
desk.predict(
    "05/half",
    "At temperature 1/2, how probable is the first of the four? (With a "
    "point: 0.6 is six tenths.)",
    unit="",
)
desk.predict("05/top-k", "How probable is it with top-k 2?", unit="")
desk.predict(
    "05/top-p-7", "How many of the four does top-p 0.7 keep?", unit=""
)
desk.predict("05/top-p-8", "And how many top-p 0.8?", unit="")

# %%
halves = torch.tensor([[1 / 2, 1 / 4, 1 / 8, 1 / 8]])
settings = {
    "temperature 1/2": dict(temperature=0.5),
    "top-k 2": dict(top_k=2),
    "top-p 0.7": dict(top_p=0.7),
    "top-p 0.8": dict(top_p=0.8),
}
fractions = {}
for name, setting in settings.items():
    shaped = shape_logits(halves.log(), **setting).softmax(dim=-1)[0]
    fractions[name] = [
        Fraction(p).limit_denominator(100) for p in shaped.tolist()
    ]
    print(f"{name:16}", *(f"{str(part):5}" for part in fractions[name]))

# %% tags=["folded"]
first_halved = fractions["temperature 1/2"][0]
first_of_two = fractions["top-k 2"][0]
kept = {name: sum(map(bool, parts)) for name, parts in fractions.items()}
desk.answer(
    "05/half",
    float(first_halved),
    "The squares are 16, 4, 1 and 1 parts of 64, together 22: "
    f"{first_halved}.",
    factor=1.03,
)
desk.answer(
    "05/top-k",
    float(first_of_two),
    f"1/2 and 1/4 are left, scaled to sum to one: {first_of_two}.",
    factor=1.03,
)
desk.answer(
    "05/top-p-7",
    kept["top-p 0.7"],
    "1/2 is not enough, 1/2 and 1/4 together are.",
    factor=1.01,
)
desk.answer(
    "05/top-p-8",
    kept["top-p 0.8"],
    "1/2 and 1/4 are 0.75, so a third is needed.",
    factor=1.01,
)

# %% [markdown]
# The same on a real distribution, that of the first token after *The*. A cross marks
# what can no longer be drawn.

# %%
desk.predict(
    "05/surprise",
    "Temperature 0.5 or top-k 4: which of them still allows a surprise?",
    options=["temperature 0.5", "top-k 4"],
)

# %%
settings = {
    "as it is": {},
    "temperature 0.5": dict(temperature=0.5),
    "top-k 4": dict(top_k=4),
    "top-p 0.7": dict(top_p=0.7),
}
ids = torch.tensor([[tokenizer.bos_id, *tokenizer.encode("The")]])
logits = base(ids)[:, -1]
shaped = {
    name: shape_logits(logits, **setting).softmax(dim=-1)[0].tolist()
    for name, setting in settings.items()
}
plots.shaped_distributions(names, shaped, top=6)

# %% tags=["folded"]
left_over = {
    name: 1 - sum(sorted(shares)[-4:]) for name, shares in shaped.items()
}
desk.answer(
    "05/surprise",
    max(("temperature 0.5", "top-k 4"), key=left_over.get),
    f"At temperature 0.5 {about(100 * left_over['temperature 0.5'])} % of the "
    "draws are none of the four likeliest; as it is, "
    f"{about(100 * left_over['as it is'])} % are. Top-k 4 allows no other.",
)

# %% [markdown]
# What does it do to whole texts? Two things can go wrong with them. They can *break*:
# then they hold triples of tokens that stand nowhere in what the model read. And they
# can be *dull*: then the same triples come again and again. A few triples of the
# village's own unseen pages are new, too; their shares are the right ones. Every
# setting goes on from the same 96 beginnings of unseen pages.

# %%
settings = {
    "the favourite": dict(top_k=1),
    "temperature 0.5": dict(temperature=0.5),
    "temperature 1": {},
    "temperature 1.5": dict(temperature=1.5),
    "top-k 20": dict(top_k=20),
    "top-p 0.9": dict(top_p=0.9),
}

# %%
desk.predict(
    "05/breaks", "Which of the six breaks most often?", options=list(settings)
)
desk.predict("05/dull", "Which is the dullest?", options=list(settings))
desk.predict(
    "05/faithful",
    "Which comes closest to the village on both counts?",
    options=list(settings),
)


# %% tags=["folded"]
def triples(texts):
    return [
        triple
        for ids in texts
        for triple in zip(ids, ids[1:], ids[2:], strict=False)
    ]


known_triples = {
    triple for ids in course.sequences for triple in triples([ids])
}


def judge(texts):
    """Share of triples that are unheard of, share that differ from others."""
    found = triples(texts)
    unheard = sum(triple not in known_triples for triple in found)
    return unheard / len(found), len(set(found)) / len(found)


def write_on(setting):
    """The 96 beginnings, continued by the base model: lists of token ids."""
    drawn = generate(
        base,
        beginnings,
        max_new_tokens=57,
        generator=torch.Generator().manual_seed(0),
        **setting,
    )
    written = zip(beginnings, drawn.sequences(), strict=True)
    return [begun + added for begun, added in written]


beginnings = [ids[:8] for ids in validation[:96]]
print(f"The base model read {len(course.sequences):,} documents.")

# %%
judged = {"the village": judge([ids[:65] for ids in validation[:96]])}
for name, setting in settings.items():
    judged[name] = judge(write_on(setting))

plots.scattered(
    judged,
    x_label="unheard-of triples",
    y_label="different triples",
)

# %% tags=["folded"]
broken = {name: unheard for name, (unheard, _) in judged.items()}
various = {name: different for name, (_, different) in judged.items()}
off = {
    name: math.dist(judged[name], judged["the village"]) for name in settings
}
worst = max(settings, key=broken.get)
dullest = min(settings, key=various.get)
nearest = min(settings, key=off.get)
desk.answer(
    "05/breaks",
    worst,
    f"Of its triples {about(100 * broken[worst])} % are unheard of; in the "
    f"village's unseen pages {about(100 * broken['the village'])} % are.",
)
desk.answer(
    "05/dull",
    dullest,
    f"Only {about(100 * various[dullest])} % of its triples are different from "
    f"one another; the village has {about(100 * various['the village'])} %.",
)
desk.answer(
    "05/faithful",
    nearest,
    f"It has {about(100 * broken[nearest])} % unheard-of triples and "
    f"{about(100 * various[nearest])} % different ones.",
)
claim(
    "At temperature 1 at most four times as many triples are unheard of as in "
    "the village",
    broken["temperature 1"] <= 4 * broken["the village"],
    measured=broken["temperature 1"] / broken["the village"],
    unit="times",
)
claim(
    "At temperature 1.5 at least twice as many as at temperature 1",
    broken["temperature 1.5"] >= 2 * broken["temperature 1"],
    measured=broken["temperature 1.5"] / broken["temperature 1"],
    unit="times",
)
claim(
    "The favourite alone has less than three quarters of the village's variety",
    various["the favourite"] < 0.75 * various["the village"],
    measured=various["the favourite"] / various["the village"],
    unit="of it",
)
claim(
    "Temperature 0.5 has less variety than the village",
    various["temperature 0.5"] < various["the village"],
    measured=various["temperature 0.5"] / various["the village"],
    unit="of it",
)
claim(
    "At temperature 1 the variety is within 0.1 of the village's",
    abs(various["temperature 1"] - various["the village"]) < 0.1,
    measured=abs(various["temperature 1"] - various["the village"]),
    unit="apart",
)
claim(
    "Top-p 0.9 breaks less than temperature 1",
    broken["top-p 0.9"] < broken["temperature 1"],
    measured=broken["top-p 0.9"] / broken["temperature 1"],
    unit="times as often",
)

# %% [markdown]
# Temperature 1 is the model's honest opinion, as various as the village itself. Its
# faults are in the long tail: thousands of tokens, each wrong and each with a little
# probability. Top-p cuts the tail and leaves the rest as it is. A low temperature cuts
# it as well, and with it the variety.
#
# ### How far from perfect?

# %% tags=["folded"]
excess = base_loss - line.nats_per_token
claim(
    "The base model is within 0.15 nats a token of the entropy line",
    excess <= 0.15,
    measured=excess,
    unit="nats",
)
claim(
    "That is less than a tenth of the way up to the trigram",
    excess < 0.1 * (trigram - line.nats_per_token),
    measured=100 * excess / (trigram - line.nats_per_token),
    unit="% of it",
)

# %% [markdown]
# One caution about the line. It counts the choices behind a text, and the same text
# can sometimes come from different choices. Here is a world of two choices in which
# that happens.


# %%
def fox(chooser):
    size = chooser.pick(["big ", "small ", ""])
    look = chooser.pick(["red ", "big ", ""])
    return f"the {size}{look}fox"


# %%
desk.predict(
    "05/ways", "How many of the nine ways lead to “the big fox”?", unit=""
)

# %% tags=["folded"]
ways = {}
for text, bits in village.every_derivation(fox):
    ways[text] = ways.get(text, 0) + 2**-bits
for text, probability in sorted(ways.items(), key=lambda pair: -pair[1]):
    print(f"{probability * 9:.0f}/9  {text}")

of_choices = math.log2(9)
of_text = -sum(p * math.log2(p) for p in ways.values())
print(f"\n{of_choices:.2f} bits of choices, {of_text:.2f} bits of text")

# %%
desk.answer(
    "05/ways",
    round(9 * ways["the big fox"]),
    "Its 'big' is either the size or the look.",
    factor=1.01,
)

# %% [markdown]
# A reader sees only the text, and is surprised by the smaller number. So our line
# lies, if anything, a little too high: the true floor is at the line or slightly
# below it. A model that ends *a hair* under the line may be excellent. One that is
# far under it, like run C, is cheating.
#
# What it knows, of English and of the village, is the matter of
# [chapter 6](06_what_did_it_learn.ipynb).

# %% [markdown]
# ## 12 · For the curious: what an optimiser does with a gradient
#
# **You may skip this section.** Nothing later needs it. It is for who wants to know
# what the names AdamW and Muon stand for; a little linear algebra helps. Its code is
# folded; a click on the line beside a cell opens it.
#
# The plain way would be to subtract the gradient, times a rate. Then a weight with a
# gradient of 5 moves a hundred times as far as one with 0.05, though it may be in no
# greater need. **AdamW** keeps two running means of each weight's gradient $g$, of
# itself and of its square, and divides the one by the root of the other:
#
# $$m \leftarrow 0.9\,m + 0.1\,g \qquad v \leftarrow 0.99\,v + 0.01\,g^2
# \qquad \text{weight} \leftarrow \text{weight} - \text{rate}\cdot m/\sqrt{v}$$
#
# Three weights: one has the gradient 5 in each step, one 0.05, and one goes back and
# forth between 5 and −5. The rate is 1.

# %% tags=["folded"]
desk.predict(
    "05/small-gradient",
    "How far does the second weight, whose gradient is always 0.05, move in "
    "its thirtieth step?",
    unit="",
)
zigzags = ["as far as the first", "about half as far", "hardly at all"]
desk.predict(
    "05/zigzag",
    "And the third, which goes back and forth?",
    options=zigzags,
)


# %% tags=["folded"]
def last_update(optimizer_class, gradients, **settings):
    """What an optimiser subtracts for the last of some gradients, at rate 1."""
    weight = torch.nn.Parameter(torch.zeros_like(gradients[0]))
    optimizer = optimizer_class([weight], lr=1.0, **settings)
    for gradient in gradients:
        before = weight.detach().clone()
        weight.grad = gradient
        optimizer.step()
    return before - weight.detach()


adamw_settings = dict(betas=(0.9, 0.99), weight_decay=0.0)
three = [torch.tensor([5.0, 0.05, 5.0 * (-1) ** n]) for n in range(30)]
moves = last_update(torch.optim.AdamW, three, **adamw_settings).tolist()
for kind, move in zip(("5", "0.05", "5, −5, 5, …"), moves, strict=True):
    print(f"gradient {kind:12} moves {move:5.2f}")

# %% tags=["folded"]
desk.answer(
    "05/small-gradient",
    moves[1],
    "As far as the first: the size of a gradient has dropped out.",
)
swing = abs(moves[2] / moves[0])
desk.answer(
    "05/zigzag",
    zigzags[(swing < 0.75) + (swing < 0.25)],
    f"It moves {swing:.2f} times as far as the first. What counts is whether a "
    "gradient keeps its direction.",
)

# %% [markdown]
# Who always says the same moves at the full rate, who contradicts himself hardly at
# all. (Both means are corrected for having begun at zero. The *W* is weight decay, a
# pull towards zero, which these short runs do without.)
#
# AdamW treats every number alone. But the weights of a matrix act together: a
# matrix turns *directions* of its input into directions of its output, some strongly
# and some weakly, and its **singular values** say how strongly. **Muon** takes the
# running mean of the whole matrix's gradients, its *momentum*, and makes all its
# singular values about equal. Here is a matrix with one strong direction and one weak:

# %% tags=["folded"]
lopsided = torch.tensor([[3.0, 0.0], [0.0, 0.01]])
evened = torch.linalg.svdvals(optimisers.orthogonalise(lopsided))
claim(
    "3 and 0.01 both become a number between 0.6 and 1.25",
    ((evened > 0.6) & (evened < 1.25)).all(),
    measured=" and ".join(about(value) for value in evened.tolist()),
)

# %% [markdown]
# No singular value was ever computed for that. A polynomial of the matrix, applied
# five times, pushes all of them towards one, and it needs nothing but products:

# %% tags=["folded"]
print(getsource(optimisers.orthogonalise))

# %% [markdown]
# Now a real matrix. We give a new model forty updates, write down each gradient of one
# matrix, and hand the same gradients to both optimisers. A text has a few common
# patterns and very many rare ones.

# %%
desk.predict(
    "05/directions",
    "Of the matrix's 128 directions, how many will the last gradient use at "
    "least half as strongly as its strongest?",
    unit="",
)

# %% tags=["folded"]
model = course.new_model(layers=2)
optimizers = optimisers.muon_and_adamw(model)
matrix = model.blocks[0].feed_forward.expand.weight
gradients = []
for rows in plan[:40]:
    batch = next_token_batch([sequences[row] for row in rows])
    loss = pretraining.prediction_loss(model, batch)
    training.apply_gradients(loss, model, optimizers.values())
    gradients.append(matrix.grad.clone())

momentum = torch.zeros_like(matrix)
for gradient in gradients:
    momentum.lerp_(gradient, 0.05)

updates = {
    "gradient": gradients[-1],
    "momentum": momentum,
    "AdamW": last_update(torch.optim.AdamW, gradients, **adamw_settings),
    "Muon": last_update(optimisers.Muon, gradients),
}
strengths = {}
for name, update in updates.items():
    values = torch.linalg.svdvals(update)
    strengths[name] = (values / values[0]).tolist()
strong = {
    name: float(sum(value >= 0.5 for value in values))
    for name, values in strengths.items()
}
print("the 2nd, 4th, … singular value, where the strongest is 1")
for name, values in strengths.items():
    places = (2, 4, 16, 64, 128)
    some = (f"{place}: {about(values[place - 1])}" for place in places)
    print(f"{name:9}", *some, sep="  ")

# %% tags=["folded"]
desk.answer(
    "05/directions",
    strong["gradient"],
    "A few directions have almost everything. Of AdamW's update "
    f"{about(strong['AdamW'])} are as strong, of Muon's "
    f"{about(strong['Muon'])}.",
    factor=2,
)
claim(
    "At most 10 directions of the gradient are half as strong as its strongest",
    strong["gradient"] <= 10,
    measured=strong["gradient"],
)
claim(
    "At most 20 of AdamW's update are",
    strong["AdamW"] <= 20,
    measured=strong["AdamW"],
)
claim(
    "At least 100 of Muon's update are",
    strong["Muon"] >= 100,
    measured=strong["Muon"],
)

# %% [markdown]
# AdamW has evened out the single weights, and the matrix as a whole still moves in a
# few directions: those that the common words ask for. With Muon the rare directions
# learn as fast as the common ones. The tables of tokens keep AdamW. Their rows are
# not directions of one map, each belongs to a token of its own.
#
# The library's own lines of all the rest are as short: `training.loss_step`,
# `pretraining.pretraining_step`, `scaling.fit_power_law`; `print(getsource(…))` shows
# them.

# %% [markdown]
# ## What did not work at this size
#
# - **A minute is not enough.** The young model has the sound of the village and not
#   its sense. Only a longer run brings it near the line.
# - **One law for all sizes.** A curve through two runs of the full width missed, as
#   you saw. The law of the very small model must bend in the end: sixteen numbers for
#   a token cannot hold the village, however long the model reads. A law between
#   width and loss was tried too. It held for one length of the runs and failed for a
#   slightly greater one, at which the wide model was just learning to repeat. To be
#   sure of such laws takes many more runs than fit into a notebook.
# - **No warm-up** should have been a sick run, and was not one.

# %% [markdown]
# ## Summary
#
# - A language model is trained to guess the next token. The loss is its mean
#   surprise, $-\ln p$ of what really came.
# - A new model scores $\ln$ of its vocabulary's size. Simple counts give a better
#   score, and the entropy of the text is the best there is.
# - Above the uniform line something is broken; far below the entropy line something
#   leaks.
# - The gradient says for every weight which way is downhill; an update is a small step
#   that way, and training is many of them.
# - Loss minus entropy falls about as a power of what a run was given. Small runs that
#   are comparable foretell a larger one, if it is not too much larger. For every
#   budget there is a best size.
# - Temperature, top-k and top-p trade variety against breakage.
#
# ### Questions

# %%
desk.quiz(
    "05",
    desk.ask(
        "A new model has a vocabulary of 8 tokens. What is its loss, about?",
        right=(
            f"{math.log(8):.2f} nats",
            "Each token gets 1/8, and the surprise at 1/8 is ln 8 = 3 ln 2.",
        ),
        wrong=[
            (
                f"{math.log(1):.2f} nats",
                "That would be certainty. It gives every token the same "
                "probability.",
            ),
            (
                "8.00 nats",
                "The surprise grows with the logarithm of the number of "
                "choices.",
            ),
        ],
    ),
    desk.ask(
        "Two tokenizers, one text. Model A has 1.0 nats a token and short "
        "tokens, model B has 1.5 and long ones. Which knows the text better?",
        right=(
            "One cannot say from these numbers.",
            "Compare the surprise of the whole text, or of one character.",
        ),
        wrong=[
            (
                "A, since its loss is lower.",
                "Not necessarily. A makes more guesses for the same text, and "
                "each is easier.",
            ),
            (
                "B, since long tokens are harder.",
                "They are harder, and there are fewer of them. By how much, "
                "these numbers do not say.",
            ),
        ],
    ),
    desk.ask(
        "Your training loss falls far below everybody else's. What do you do "
        "first?",
        right=(
            "Check that the targets are shifted and attention does not look "
            "ahead, and read samples.",
            "Wonderful losses are usually leaks.",
        ),
        wrong=[
            ("Train longer, it is going well.", "Run C was going well too."),
            (
                "Lower the learning rate.",
                "That helps when the loss jumps or rises, not when it is too "
                "good.",
            ),
        ],
    ),
    desk.ask(
        "You have four times the budget of your last run, and it is a fixed "
        "one. What did section 10 find to be the best use?",
        right=(
            "A somewhat wider model that reads more as well.",
            f"The best width went from {best['small budget']} to "
            f"{best['four times']}, and width 128 was still behind.",
        ),
        wrong=[
            (
                "The widest model that there is.",
                f"Width 128 ended {about(ahead['four times'])} nats above the "
                "best: it had too little to read.",
            ),
            (
                "The same model, on four times the text.",
                f"It ended {about(-lags[32][1])} nats above width 32 at the "
                "same cost.",
            ),
        ],
    ),
)
desk.tally("05")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 3](../exercises/release/ps3/ps3.ipynb), the loss that
# you watched fall, top-p, and four fever charts. **Next:** [6 · What did it
# learn?](06_what_did_it_learn.ipynb) asks the base model one thing at a time. It
# continues text, but it does not answer:
# [7 · Instruction tuning](07_instruction_tuning.ipynb) teaches it that.
#
# **Read on:** Kaplan et al. 2020, *Scaling laws for neural language models*; Hoffmann
# et al. 2022, *Training compute-optimal large language models*; Jordan et al. 2024,
# *Muon: an optimizer for hidden layers in neural networks*; Holtzman et al. 2020, *The
# curious case of neural text degeneration* (top-p).
