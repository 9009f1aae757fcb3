# %% [markdown]
# # 5 · Next-token pre-training
#
# **You will be able to** say what a language model is trained to do, and check its
# loss with a pencil; train one from random numbers, line by line; say what AdamW and
# Muon do to a gradient; read a loss curve between the lines that matter; recognise
# a sick run, also one that looks better than a healthy one; draw text at any
# temperature; and predict the loss of a larger run from smaller ones.
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
import textwrap
from dataclasses import replace
from fractions import Fraction
from functools import partial
from inspect import getsource

import torch
from torch.nn.functional import scaled_dot_product_attention

from llmlab import life, optimisers, plots, pretraining, training, village
from llmlab.accounting import rule_of_thumb_flops
from llmlab.batching import IGNORE, Batch, next_token_batch
from llmlab.checks import your_attention
from llmlab.claims import claim
from llmlab.evaluation import entropy_line, language_loss
from llmlab.gpt import GPT
from llmlab.ngrams import NgramModel
from llmlab.sampling import complete, generate, shape_logits
from llmlab.scaling import fit_power_law
from llmlab.widgets import (
    NextTokenExplorer,
    TrainingMonitor,
    TrainingTimeSlider,
)

course = life.course()
tokenizer = course.tokenizer
base = course.load("base").requires_grad_(False)


def read(text):
    """Print a text in lines that fit the page."""
    print("\n".join(textwrap.fill(line, 80) for line in text.splitlines()))


# %% [markdown]
# ## 1 · What is there to learn?
#
# Here is some of what the model will read. **Before you run the cell**, think of a
# text that is cut off in the middle. What would you need to know to guess its next
# word: spelling, grammar, what the words mean, what happened before?

# %%
seen = set()
for document in village.documents(40, seed=0, split="train"):
    if document.genre not in seen:
        seen.add(document.genre)
        print(f"[{document.genre}]")
        read(document.text + "\n\n")

# %% [markdown]
# Somebody who always guesses the next word well has to know *all* of it: that *an*
# stands before a vowel, that *the quick brown* calls for a fox, that somebody who
# was given a lantern can now lend it, who lives at the lighthouse. Nobody labels
# any of this. The text is its own teacher, because the next word is
# always there to be looked up. That is the whole idea of pre-training.

# %% [markdown]
# ## 2 · The text, in numbers
#
# The model reads tokens ([chapter 2](02_tokens.ipynb)). A document begins with the
# token `<bos>` and ends with `<eos>`. These are the documents of this chapter:

# %%
train_documents = list(village.documents(7_600, seed=0, split="train"))
sequences = pretraining.encode_documents(
    tokenizer, [document.text for document in train_documents]
)
print(f"a vocabulary of {tokenizer.vocab_size:,} tokens")
print(f"{len(sequences):,} documents, {sum(map(len, sequences)):,} tokens")
first = sequences[0]
print("the first begins with", first[:6], "and ends with", first[-1])

# %% [markdown]
# ## 3 · The game
#
# At every position of a document the model reads what is there so far and says for
# *each* token of the vocabulary how probable it is as the next one. One document
# gives as many games as it has tokens. In a batch, `targets` is therefore the text
# moved by one:

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


moved = predictions_that_move(base)
claim("No prediction before the changed token moves", not moved[:-1].any())
claim("The prediction at the changed token does", moved[-1])

# %% [markdown]
# ## 4 · The score, with a pencil
#
# How good was a guess? What counts is the probability $p$ that the model gave to
# the token that really came. We charge $-\ln p$, its **surprise**: nothing if
# the model was certain and right, more and more as $p$ nears zero. The unit is the
# *nat*.
#
# Take a vocabulary of three tokens, and a document of which three tokens are to be
# guessed. **Work out the mean surprise** before you run the cell. All you need is
# $\ln 2 \approx 0.69$.

# %%
probabilities = torch.tensor(
    [
        [0.50, 0.25, 0.25],  # the token that came: 0
        [0.25, 0.50, 0.25],  # came: 2
        [0.25, 0.25, 0.50],  # came: 2
    ]
)
came = torch.tensor([0, 2, 2])
for row, token in zip(probabilities, came, strict=True):
    p = float(row[token])
    print(f"p = {p:.2f}   surprise = {-math.log(p):.4f} nats")
mean = -(math.log(1 / 2) + math.log(1 / 4) + math.log(1 / 2)) / 3
print(f"mean surprise        {mean:.4f} nats = 4/3 of ln 2")

# %% [markdown]
# This mean is the model's **loss**. Its usual name is *cross-entropy*; and $e$ to its
# power is the *perplexity*, the number of equally probable tokens that would surprise
# as much.
#
# **Exercise, before you look:** write it for whole batches, shift and padding
# included, in [problem set 3](../exercises/release/ps3/ps3.ipynb).
#
# The library's function takes *logits*, scores that become probabilities by a
# softmax; the logarithms of probabilities will do. This is its source, and it must
# find the same number:

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
# - **uniform**: all tokens are equally probable. **Work out** its loss: the
#   vocabulary has 2560 tokens, which is $5 \cdot 2^9$; $\ln 5 \approx 1.61$.
# - **unigram**: it knows how frequent each token is, and nothing else.
# - **bigram**: it has counted what follows each token.
# - **trigram**: it has counted what follows each *pair* of tokens. For decades the
#   best language models were counts like these.
#
# A pair that was never seen must not get the probability zero, for the surprise
# would be endless. Each model therefore sets a little aside and asks the next
# simpler one how to share it out (*Kneser-Ney smoothing*). **Predict:** which step
# from one guesser to the next brings most?

# %%
validation_documents = list(village.documents(300, seed=0, split="validation"))
validation = pretraining.encode_documents(
    tokenizer, [document.text for document in validation_documents]
)

baselines = {"uniform": math.log(tokenizer.vocab_size)}
for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
    counted = NgramModel(tokenizer.vocab_size, order).fit(sequences)
    baselines[name] = counted.loss(validation)
trigram = baselines["trigram"]

for name, nats in baselines.items():
    print(f"{name:8} {nats:.2f} nats a token")

# %% [markdown]
# ## 6 · What would the best possible guesser score?
#
# Not zero. Nobody can know whether the next story is about a kite or a drum; the
# program that writes the village threw dice for it. But it *counted* every throw.
# A choice among two equally likely things costs one **bit**, among four two bits,
# and so on:

# %%
document = validation_documents[0]
read(document.text)
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
# ## 7 · A model that knows nothing
#
# Time to make one, of the same shape as the course's model. Its weights are random
# numbers, its output layer is zero.
# **Predict two things:** its loss, and what it writes.

# %%
newborn = GPT(base.config, seed=0)
batch = next_token_batch(sequences[:8])
first_loss = pretraining.prediction_loss(newborn, batch)
claim(
    "The loss of a new model is that of the uniform guess",
    abs(first_loss - baselines["uniform"]) < 1e-3,
    measured=first_loss,
    unit="nats",
)

dice = torch.Generator().manual_seed(0)
print(complete(newborn, tokenizer, "Agnes", max_new_tokens=15, generator=dice))

# %% [markdown]
# ## 8 · One update
#
# Training is one small act, repeated: look at a batch, ask how each weight should
# change to be less surprised (the *gradient*), change all weights a little that
# way. **Predict:** is one update enough to notice?

# %%
optimizers = optimisers.muon_and_adamw(newborn)
training.apply_gradients(first_loss, newborn, optimizers.values())
second_loss = pretraining.prediction_loss(newborn, batch)
claim("After one update the batch surprises less", second_loss < first_loss)

# %% [markdown]
# These are the lines that did it. `zero_grad` forgets the last gradient,
# `backward` finds the new one, clipping shortens it if it is very long, and the
# optimisers move the weights. There are two: Muon for the matrices inside the
# blocks, AdamW for the tables of tokens.

# %%
print(getsource(training.apply_gradients))

# %% [markdown]
# ### What does an optimiser do with a gradient?
#
# The plain way would be to subtract it, times a rate. Then a weight with a gradient
# of 5 moves a hundred times as far as one with 0.05, though it may be in no greater
# need. **AdamW** keeps two running means of each weight's gradient $g$, of itself
# and of its square, and divides the one by the root of the other:
#
# $$m \leftarrow 0.9\,m + 0.1\,g \qquad v \leftarrow 0.99\,v + 0.01\,g^2
# \qquad \text{weight} \leftarrow \text{weight} - \text{rate}\cdot m/\sqrt{v}$$
#
# Three weights: one has the gradient 5 in each step, one 0.05, and one goes back and
# forth between 5 and −5. **How far will each move in its thirtieth step**, if the
# rate is 1?


# %%
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
by_hand = [torch.tensor([5.0, 0.05, 5.0 * (-1) ** n]) for n in range(30)]
for move in last_update(torch.optim.AdamW, by_hand, **adamw_settings).tolist():
    print(f"{move:.2f}")

# %% [markdown]
# The size of a gradient has dropped out. What counts is whether it keeps its
# direction: who always says the same moves at the full rate, who contradicts
# himself hardly at all. (Both means are corrected for having begun at zero. The *W* is
# weight decay, a pull towards zero, which these short runs do without.)
#
# AdamW treats every number alone. But the weights of a matrix act together: a
# matrix turns *directions* of its input into directions of its output, some strongly
# and some weakly, and its **singular values** say how strongly. **Muon** takes the
# running mean of the whole matrix's gradients, its *momentum*, and makes all its
# singular values about equal. Here is a matrix with one strong direction and one weak:

# %%
lopsided = torch.tensor([[3.0, 0.0], [0.0, 0.01]])
evened = torch.linalg.svdvals(optimisers.orthogonalise(lopsided))
claim(
    "3 and 0.01 both become a number between 0.6 and 1.25",
    ((evened > 0.6) & (evened < 1.25)).all(),
)

# %% [markdown]
# No singular value was ever computed for that. A polynomial of the matrix, applied
# five times, pushes all of them towards one, and it needs nothing but products:

# %%
print(getsource(optimisers.orthogonalise))

# %% [markdown]
# Now a real matrix. We train the newborn for some more updates, write down each
# gradient of one matrix, and hand the same gradients to both optimisers. **Predict:**
# a text has a few common patterns and very many rare ones. How many of the matrix's
# 128 directions will the gradient use?

# %%
STEPS = 400
plan = pretraining.epochs(sequences, STEPS, 1024, seed=0)
matrix = newborn.blocks[0].feed_forward.expand.weight
gradients = []
for rows in plan[:40]:
    batch = next_token_batch([sequences[row] for row in rows])
    loss = pretraining.prediction_loss(newborn, batch)
    training.apply_gradients(loss, newborn, optimizers.values())
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

plots.lines(
    range(1, len(strengths["Muon"]) + 1),
    strengths,
    x_label="direction, the strongest first",
    y_label="singular value\n(the strongest is 1)",
    words="The singular values of one gradient, of the momentum, and of what "
    "AdamW and Muon make of it. The first three fall steeply: a few directions "
    "have almost everything. Muon's stay high to the last direction.",
)

# %%
strong = {
    name: sum(value >= 0.5 for value in values)
    for name, values in strengths.items()
}
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

# %% [markdown]
# ### How far to move
#
# The length of a step is the **learning rate**. It is raised gently (*warm-up*), kept
# (*stable*), and lowered to zero at the end (*decay*), so that the model settles.

# %%
rates = [training.warmup_stable_decay(step, STEPS) for step in range(STEPS)]
plots.schedule({"this run": rates})

# %%
print(getsource(training.warmup_stable_decay))

# %% [markdown]
# While the rate is high the model jumps about the valley; as it falls, the model
# sinks to the bottom. So the loss *in the middle* of a run says little about where
# the run would end. Keep that in mind for section 11, where runs are compared.
#
# And here is the whole of phase 1: choose documents, make a batch, take the loss,
# set the rate, update. The branch for masked models is the other game of phase 1. The
# last of the three functions makes every update of this course that makes a loss small.

# %%
print(getsource(pretraining.pretraining_step))
print(getsource(pretraining.prediction_step))
print(getsource(training.loss_step))

# %% [markdown]
# ## 9 · Train
#
# Now for real, from random numbers: 400 updates on about a thousand tokens each. The
# documents of every update are chosen in advance, and none is read twice: no page can
# be learned by heart. (A phrase that stands on many pages can.)

# %%
rows = [row for batch in plan for row in batch]
claim("No document is read twice", len(set(rows)) == len(rows))

# %% [markdown]
# A life in one function: a new model, its optimisers, and the library's loop. You
# have written that loop already: the forty updates of section 8 are it. The library's
# does the same with any step, keeps what it returns, shows how it goes, and can be
# interrupted.


# %%
def short_life(make_step, *, steps, label, config=base.config, **rates):
    """Train a new model for `steps` updates; return it and its history."""
    model = GPT(config, seed=0)
    optimizers = optimisers.muon_and_adamw(model, **rates)
    history = training.train(
        make_step(model, optimizers),
        steps=steps,
        modules={"model": model},
        optimizers=optimizers,
        seed=0,
        progress=TrainingMonitor(),
        label=label,
    )
    return model, history


def healthy_step(model, optimizers, steps=STEPS, tokens_per_batch=1024):
    return pretraining.pretraining_step(
        model,
        sequences,
        tokenizer,
        optimizers,
        steps=steps,
        tokens_per_batch=tokens_per_batch,
        seed=0,
    )


# %% [markdown]
# This time the model has to write something now and then: the same beginning, the
# same dice, after more and more updates.

# %%
SAVED_STEPS = (1, 5, 10, 20, 40, 80, 120, 160, 240, 320, 400)
snapshots = []


def watched_step(model, optimizers):
    step = healthy_step(model, optimizers)

    def step_and_sample(index, generator):
        metrics = step(index, generator)
        if index + 1 in SAVED_STEPS:
            dice = torch.Generator().manual_seed(0)
            text = complete(model, tokenizer, "Agnes found", generator=dice)
            snapshots.append((index + 1, metrics["loss"], text))
        return metrics

    return step_and_sample


# %% [markdown]
# The next cell takes about half a minute. **Sketch the curve** while you wait. Where
# does it begin? Is it a straight line? Will it get below the trigram? Below the
# entropy line?

# %%
young, history = short_life(watched_step, steps=STEPS, label="a short life")

# %% [markdown]
# The pale line is the loss of each batch, the strong one its running mean.

# %%
plots.loss_curve(
    {"this run": history},
    entropy_line=line.nats_per_token,
    baselines=baselines,
    title="A short life",
)

# %% [markdown]
# It falls fast, then slowly, and past the counting models one by one. Which tokens
# are frequent is learned almost at once; which follow which takes longer; what needs
# a longer memory, longer still. Every batch was new to the model when its loss was
# taken. Even so, the verdict belongs to documents that are kept apart for it:

# %%
young_loss = language_loss(young, validation).nats_per_token
claim(
    "On unseen text the young model beats the trigram by 0.1 nats or more",
    young_loss < trigram - 0.1,
    measured=young_loss,
    unit="nats",
)
claim(
    "It is still 0.2 nats or more above the entropy line",
    young_loss > line.nats_per_token + 0.2,
    measured=young_loss,
    unit="nats",
)

# %% [markdown]
# ### Its progress, read aloud
#
# Move the slider from left to right. **Look for** the step at which neighbours fit
# together, then phrases, then whole sentences. (Your processor's last digits decide
# what exactly is written, so your samples may differ from those stored here.)

# %% tags=["nbval-ignore-output", "example-output"]
TrainingTimeSlider(snapshots)

# %% [markdown]
# A measurement says the same. Count the pairs of neighbouring tokens in each sample,
# and ask which of them stand anywhere in the training text.

# %%
known_pairs = {pair for s in sequences for pair in zip(s, s[1:], strict=False)}


def share_of_known_pairs(text):
    ids = tokenizer.encode(text)
    pairs = list(zip(ids, ids[1:], strict=False))
    return sum(pair in known_pairs for pair in pairs) / len(pairs)


known = [share_of_known_pairs(text) for _, _, text in snapshots]
claim("Of the first sample's pairs under a quarter are known", known[0] < 0.25)
claim("Of the last sample's more than half are", known[-1] > 0.5)

# %% [markdown]
# Read the last sample again, and ask whether it *sounds* right. Then follow it: who
# has what, and where? Sound is learned before sense, and what this model has lacked
# is time.

# %% [markdown]
# ## 10 · Sick runs
#
# Here are the first 40 updates of two more runs, beside those of the healthy one.
# Neither raised an error. **Before you read on:** which of the three would you
# rather go on with?


# %%
def copying_step(model, optimizers):
    def step(index, generator):
        batch = next_token_batch([sequences[row] for row in plan[index]])
        targets = torch.where(batch.target_mask, batch.tokens, IGNORE)
        batch = Batch(batch.tokens, targets, batch.segment_ids)
        loss = pretraining.prediction_loss(model, batch)
        training.apply_gradients(loss, model, optimizers.values())
        return {"loss": loss.item(), "tokens": batch.number_of_tokens()}

    return step


run_b, history_b = short_life(
    healthy_step,
    steps=40,
    label="run B",
    matrix_rate=30 * 0.0035,
    other_rate=30 * 0.01,
)
run_c, history_c = short_life(copying_step, steps=40, label="run C")

# %%
plots.loss_curve(
    {"healthy": history[:40], "run B": history_b, "run C": history_c},
    entropy_line=line.nats_per_token,
    baselines={"uniform": baselines["uniform"]},
    title="Which one would you keep?",
)


# %% [markdown]
# **Run B: a rate too high.** The sickness everybody knows. Its learning rate is
# thirty times too high: every update overshoots, and the model is soon *worse* than
# the uniform guess. A loss above the uniform line is always a mistake; knowing
# nothing would be better.


# %%
def late_loss(history):
    """Mean loss of the last ten updates."""
    return sum(entry["loss"] for entry in history[-10:]) / 10


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
# Look at `copying_step` again. One line makes the targets: the token that must be
# predicted is `batch.tokens`, the one the model is *reading*. The shift is missing.
# It has learned to copy, and a copyist has no idea what comes next:

# %%
honest = language_loss(run_c, validation[:50]).nats_per_token
claim(
    "Asked for the next token, run C is worse than the uniform guess",
    honest > baselines["uniform"],
    measured=honest,
    unit="nats",
)
print(complete(run_c, tokenizer, "Agnes found a", max_new_tokens=10, top_k=1))

# %% [markdown]
# Nothing crashes, the curve is beautiful, and without a line to compare with one might
# celebrate.
#
# **Run D: no warm-up.** The textbooks warn of this one: at the first updates AdamW's
# running means know next to nothing, so its steps are unreliable, and they should be
# short. **Predict:** how much worse will run D be after 40 updates?


# %%
def sudden_step(model, optimizers):
    def step(index, generator):
        batch = next_token_batch([sequences[row] for row in plan[index]])
        loss = pretraining.prediction_loss(model, batch)
        training.apply_gradients(loss, model, optimizers.values())
        return {"loss": loss.item(), "tokens": batch.number_of_tokens()}

    return step


run_d, history_d = short_life(sudden_step, steps=40, label="run D")
plots.loss_curve(
    {"healthy": history[:40], "run D": history_d},
    baselines={"uniform": baselines["uniform"]},
    title="With warm-up and without",
)

# %%
lag = late_loss(history_d) - late_loss(history[:40])
claim(
    "Without warm-up the loss is at most 0.1 nats higher",
    lag < 0.1,
    measured=lag,
    unit="nats",
)

# %% [markdown]
# Not worse: at this size, with this recipe, warm-up is a habit and no medicine. The
# reasons can be read in the code. Every block begins by adding nothing, since its
# output layer is zero. Queries and keys are normalised, so that no attention score
# can explode. And a Muon update has the same size from the first step to the last,
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
# **Predict** how its curve will look, beside the healthy one.


# %%
def leaky_attention(queries, keys, values):
    time = queries.shape[2]
    mask = torch.ones(time, time, dtype=torch.bool).tril(diagonal=1)
    return scaled_dot_product_attention(queries, keys, values, mask)


half_step = partial(healthy_step, tokens_per_batch=512)
with your_attention(leaky_attention):
    run_e, history_e = short_life(half_step, steps=180, label="run E")

plots.loss_curve(
    {"healthy": history[:180], "run E": history_e},
    entropy_line=line.nats_per_token,
    baselines={"trigram": trigram},
    title="A leak is found",
)

# %% [markdown]
# For a while nothing can be seen. Then the model finds the hole in the wall, and the
# loss falls through the entropy line. This one is treacherous: had we stopped early,
# the curve would have been a normal one.

# %%
claim(
    "Run E's training loss ends below the entropy line",
    late_loss(history_e) < line.nats_per_token,
    measured=late_loss(history_e),
    unit="nats",
)
with your_attention(leaky_attention):
    moved = predictions_that_move(run_e)
claim("The test of section 3 finds it: an earlier prediction moves", moved[-2])

# %% [markdown]
# And when there is no next token to look at, as always when a model writes, nothing
# is left of the skill:

# %%
honest = language_loss(run_e, validation[:50]).nats_per_token
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
# ## 11 · A larger run, foretold
#
# A large model is trained once, and nobody can afford to find out afterwards that
# another plan would have been better. So one trains small models first, and looks for
# a law. Let us do the same on a scale where it can be checked: from five runs of a
# very small model, of width 16, we foretell where a run four times as long will end.


# %%
def loss_of_run(width, steps):
    """Train a model of this width; tokens read, cost, loss on unseen text."""
    model, history = short_life(
        partial(healthy_step, steps=steps, tokens_per_batch=512),
        steps=steps,
        label=f"width {width}",
        config=replace(base.config, width=width),
    )
    tokens = sum(entry["tokens"] for entry in history)
    cost = rule_of_thumb_flops(model.config, tokens)
    return tokens, cost, language_loss(model, validation).nats_per_token


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
# sixteen numbers for a position can hold. Our runs are too short to feel that.)

# %%
print(getsource(fit_power_law))

# %%
amounts = [tokens for tokens, _, _ in fitted]
losses = [loss for _, _, loss in fitted]
ends = dict(floor=line.nats_per_token, start=baselines["uniform"])
law = fit_power_law(amounts, losses, **ends)

# %% [markdown]
# The forecast is made. Now the long run, 1,140 updates, which the law has not seen.

# %%
long_tokens, long_cost, long_loss = loss_of_run(16, 1140)
claim(
    "The long run reads at least 4 times as many tokens as any that was fitted",
    long_tokens >= 4 * max(amounts),
    measured=long_tokens / max(amounts),
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
# reached, as the first of these laws did. **Predict:** will that law promise a higher
# loss for the long run, or a lower one?

# %%
blind = fit_power_law(amounts, losses, floor=0.0, start=baselines["uniform"])
claim(
    "Without the line the long run is promised a lower loss",
    blind.loss(long_tokens) < law.loss(long_tokens),
    measured=100 * (blind.loss(long_tokens) / law.loss(long_tokens) - 1),
    unit="%",
)
claim(
    "Its forecast is within 4 % as well",
    abs(blind.loss(long_tokens) / long_loss - 1) < 0.04,
    measured=100 * (blind.loss(long_tokens) / long_loss - 1),
    unit="%",
)
when = next(n for n in range(60) if blind.loss(2.0**n) < law.floor)
print(f"It promises less than the entropy after {2.0**when:,.0f} tokens.")

# %% [markdown]
# A few runs four times ahead can hardly tell the two laws apart. Far ahead they part,
# and one of them is absurd. Who does not know the entropy of the text, and that is
# everybody who trains on real text, has to fit it too, and needs many more runs.

# %% [markdown]
# ### The best size for a budget
#
# What a run costs is counted in floating-point operations, and there is a rule of
# thumb: six for every weight of a matrix and every token read.

# %%
print(getsource(rule_of_thumb_flops))

# %% [markdown]
# A wider model learns more from the same text. But it also costs more, and for the
# same cost a narrow one can read more. Let us spend two budgets, each in four ways: the
# cost of the last run that was fitted, and that of the long run, four times as much.
# **Predict** the best width for each.


# %%
def equal_cost(steps, run, widths=(32, 64, 128)):
    """Runs of other widths, each at the cost of this one of width 16."""
    tokens, cost, _ = run
    runs = {16: run}
    for width in widths:
        model = GPT(replace(base.config, width=width))
        each = rule_of_thumb_flops(model.config, tokens)
        affordable = round(steps * cost / each)
        runs[width] = loss_of_run(width, affordable)
    return runs


brief = equal_cost(280, fitted[-1])
longer = equal_cost(1140, (long_tokens, long_cost, long_loss))

plots.lines(
    list(brief),
    {
        "small budget": [loss for *_, loss in brief.values()],
        "four times": [loss for *_, loss in longer.values()],
    },
    x_label="width of the model",
    y_label="nats per token",
    words="Loss against the width of the model, a line for each budget. With "
    "the small one the narrowest model is the best. With four times as much "
    "the next one is, and the wide ones are less far behind.",
    doubling=True,
)

# %%
lags = {
    width: [runs[width][-1] - runs[16][-1] for runs in (brief, longer)]
    for width in (32, 64, 128)
}
claim(
    "With the small budget width 16 is the best of these, by 0.1 nats or more",
    min(lag for lag, _ in lags.values()) > 0.1,
    measured=min(lag for lag, _ in lags.values()),
    unit="nats",
)
narrower = equal_cost(280, fitted[-1], widths=(8,))
claim(
    "And half as wide would be worse",
    narrower[8][-1] > brief[16][-1],
    measured=narrower[8][-1] - brief[16][-1],
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
# A wide model with little to read is a waste, and so, in the end, is a narrow one with
# much. The best width grows with the budget. How fast it does is what Hoffmann et al.
# measured, up to 16 billion parameters. Their result changed how large models are
# built: smaller than before, on more text.
#
# ### A law stretched too far
#
# May one do the same with the full width? Two of its runs are at hand: the one of the
# larger budget and the healthy one. A curve through them foretells any amount of text.
# It is a poor curve: two points for two unknown numbers, batches of two sizes, and no
# run left over to test it. And we stretch it: the base model has the same shape, and
# read not four times as much but many times.

# %%
wide_law = fit_power_law(
    [longer[128][0], sum(entry["tokens"] for entry in history)],
    [longer[128][-1], young_loss],
    **ends,
)
base_loss = language_loss(base, validation).nats_per_token
error = wide_law.loss(course.card("base").tokens) / base_loss - 1
claim(
    "The base model is better than foretold, by more than 2 % of its loss",
    error > 0.02,
    measured=100 * error,
    unit="%",
)

# %% [markdown]
# It misses, and here for the better. One reason may be that a wide model that reads on
# learns new skills, such as to repeat a name that it was told, and that its loss falls
# faster while it does; but a curve like this one could have missed for any reason. A
# law holds where it was measured, and a little beyond. That is why one fits it to runs
# that are comparable, and tests it on one that was left out, before one trusts it with
# a large one.

# %% [markdown]
# ## 12 · The grown-up
#
# The base model of this course had the same beginning and a longer schooling:

# %%
print(f"{course.card('base').steps / STEPS:.0f} times as many updates")

# %% [markdown]
# First its opinion, word by word, where the village writes this sentence: below a
# header that says that somebody tries a pen. **Predict** the first bar.

# %%
vocabulary = range(tokenizer.vocab_size)
names = [tokenizer.decode([i], skip_special=False) for i in vocabulary]


def distribution(text):
    """Every token and its probability of coming next."""
    ids = [tokenizer.bos_id, *tokenizer.encode(text)]
    shares = base(torch.tensor([ids]))[0, -1].softmax(dim=-1)
    return list(zip(names, shares.tolist(), strict=True))


header = "Zeno tries a new pen at the beach on Tuesday:\n"
pangram = "The quick brown fox jumps over the"
tokens, shares = zip(*distribution(header + pangram), strict=True)
plots.next_token_bars(tokens, shares, prompt=pangram, top=5)

# %% [markdown]
# And now a place where the dice have the word, the title of an unseen story.
# **Predict:** will the bars be as uneven?

# %%
book = next(page for page in validation_documents if page.genre == "books")
opening = book.text.splitlines()[0].rsplit(" ", 1)[0]
tokens, shares = zip(*distribution(opening), strict=True)
plots.next_token_bars(tokens, shares, prompt=opening, top=8)

# %% [markdown]
# A good model is sure where the text leaves no choice, and undecided where it does.
# Not knowing, in the right proportions, is half of the skill.
#
# **Be the sampler.** Click on a token to go on with it, or type. Move the
# temperature: low makes the favourite a certainty, high makes all alike.

# %%
NextTokenExplorer(
    distribution,
    prompt="Wilma lives at the",
    top=6,
    special_tokens=tokenizer.SPECIAL_TOKENS,
)

# %% [markdown]
# Left to itself, it draws each token with the probability it gave:

# %%
lesson = "On Thursday Ivy and Otto learn French at the mill:\n"
dice = torch.Generator().manual_seed(1)
for start in (opening, "News of Monday, a frosty evening, about", lesson):
    read(complete(base, tokenizer, start, generator=dice) + "\n\n")

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
# Four tokens have the probabilities 1/2, 1/4, 1/8 and 1/8. **Work out** each line
# before you run the cell. At temperature 1/2 probabilities are squared.

# %%
halves = torch.tensor([[1 / 2, 1 / 4, 1 / 8, 1 / 8]])
by_hand = {
    "temperature 1/2": dict(temperature=0.5),
    "top-k 2": dict(top_k=2),
    "top-p 0.7": dict(top_p=0.7),
    "top-p 0.8": dict(top_p=0.8),
}
for name, setting in by_hand.items():
    shaped = shape_logits(halves.log(), **setting).softmax(dim=-1)[0]
    fractions = [Fraction(p).limit_denominator(100) for p in shaped.tolist()]
    print(f"{name:16}", *(f"{str(fraction):5}" for fraction in fractions))

# %% [markdown]
# The same on a real distribution, that of the first token after *The*. A cross marks
# what can no longer be drawn. **Compare** the second panel with the third: which of
# them still allows a surprise?

# %%
ids = torch.tensor([[tokenizer.bos_id, *tokenizer.encode("The")]])
logits = base(ids)[:, -1]
settings = {
    "as it is": {},
    "temperature 0.5": dict(temperature=0.5),
    "top-k 4": dict(top_k=4),
    "top-p 0.7": dict(top_p=0.7),
}
plots.shaped_distributions(
    names,
    {
        name: shape_logits(logits, **setting).softmax(dim=-1)[0].tolist()
        for name, setting in settings.items()
    },
    top=8,
)

# %% [markdown]
# What does it do to whole texts? Two things can go wrong with them. They can *break*:
# then they hold triples of tokens that stand nowhere in what the model read, which for
# the base model is 45,000 documents. And they can be *dull*: then the same triples come
# again and again. A few triples of the village's own unseen pages are new, too; their
# shares are the right ones. Every setting goes on from the same 96 beginnings of unseen
# pages. **Predict** the best and the worst setting on both counts.


# %%
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


judged = {"the village": judge([ids[:65] for ids in validation[:96]])}
beginnings = [ids[:8] for ids in validation[:96]]
settings = {
    "the favourite": dict(top_k=1),
    "temperature 0.5": dict(temperature=0.5),
    "temperature 1": {},
    "temperature 1.5": dict(temperature=1.5),
    "top-k 20": dict(top_k=20),
    "top-p 0.9": dict(top_p=0.9),
}
for name, setting in settings.items():
    drawn = generate(
        base,
        beginnings,
        max_new_tokens=57,
        generator=torch.Generator().manual_seed(0),
        **setting,
    )
    written = zip(beginnings, drawn.sequences(), strict=True)
    judged[name] = judge([begun + added for begun, added in written])

plots.scattered(
    judged,
    x_label="unheard-of triples",
    y_label="different triples",
    words="Share of different triples against the share of unheard-of ones. "
    "Always taking the favourite is far below the others: dull. Temperature "
    "1.5 is far to the right: broken. Temperature 1 lies a little to the right "
    "of the village, top-p 0.9 close to it.",
)

# %%
broken = {name: unheard for name, (unheard, _) in judged.items()}
various = {name: different for name, (_, different) in judged.items()}
claim(
    "At temperature 1 more triples are unheard of than in the village",
    broken["temperature 1"] > broken["the village"],
    measured=broken["temperature 1"] / broken["the village"],
)
claim(
    "At temperature 1.5 at least twice as many as at temperature 1",
    broken["temperature 1.5"] >= 2 * broken["temperature 1"],
    measured=broken["temperature 1.5"] / broken["temperature 1"],
)
claim(
    "The favourite alone has less than three quarters of the village's variety",
    various["the favourite"] < 0.75 * various["the village"],
)
claim(
    "Temperature 0.5 has less variety than the village",
    various["temperature 0.5"] < various["the village"],
)
claim(
    "At temperature 1 the variety is within 0.1 of the village's",
    abs(various["temperature 1"] - various["the village"]) < 0.1,
)
claim(
    "Top-p 0.9 breaks less than temperature 1",
    broken["top-p 0.9"] < broken["temperature 1"],
)

# %% [markdown]
# Temperature 1 is the model's honest opinion, as various as the village itself and a
# little more often wrong. Its faults are in the long tail: thousands of tokens, each
# wrong and each with a little probability. Top-p cuts the tail and leaves the rest as
# it is. A low temperature cuts it as well, and with it the variety.
#
# ### How far from perfect?

# %%
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
    measured=excess,
    unit="nats",
)

# %% [markdown]
# One caution about the line. It counts the choices behind a text, and the same text
# can sometimes come from different choices. Here is a world of two choices in which
# that happens. **Count** the ways to *the big fox*.


# %%
def fox(chooser):
    size = chooser.pick(["big ", "small ", ""])
    look = chooser.pick(["red ", "big ", ""])
    return f"the {size}{look}fox"


ways = {}
for text, bits in village.every_derivation(fox):
    ways[text] = ways.get(text, 0) + 2**-bits
for text, probability in sorted(ways.items(), key=lambda pair: -pair[1]):
    print(f"{probability * 9:.0f}/9  {text}")

of_choices = math.log2(9)
of_text = -sum(p * math.log2(p) for p in ways.values())
print(f"\n{of_choices:.2f} bits of choices, {of_text:.2f} bits of text")

# %% [markdown]
# A reader sees only the text, and is surprised by the smaller number. So our line
# lies, if anything, a little too high: the true floor is at the line or slightly
# below it. A model that ends *a hair* under the line may be excellent. One that is
# far under it, like run C, is cheating.

# %% [markdown]
# What it knows, of English and of the village, is the matter of
# [chapter 6](06_what_did_it_learn.ipynb).

# %% [markdown]
# ## What did not work at this size
#
# - **A minute is not enough.** The young model has the sound of the village and not
#   its sense. Only a longer run brings it near the line.
# - **One law for all sizes.** A curve through two runs of the full width missed, as
#   you saw. The law of the very small model must bend in the end: sixteen numbers for
#   a position cannot hold the village, however long the model reads. A law between
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
# - AdamW evens out the single weights, Muon the directions of a matrix.
# - Loss minus entropy falls about as a power of what a run was given. Small runs that
#   are comparable foretell a larger one, if it is not too much larger. For every
#   budget there is a best size.
# - Temperature, top-k and top-p trade variety against breakage.
#
# ### Three questions
#
# **1. A new model has a vocabulary of 8 tokens. What is its loss, about?**
#
# <details><summary>0 nats</summary>
# That would be certainty. It gives every token the same probability.</details>
# <details><summary>ln 8 nats</summary>
# Right: each token gets 1/8, and the surprise at 1/8 is ln 8 = 3 ln 2.</details>
# <details><summary>8 nats</summary>
# The surprise grows with the logarithm of the number of choices.</details>
#
# **2. Two tokenizers, one text. Model A has 1.0 nats a token and short tokens,
# model B has 1.5 and long ones. Which knows the text better?**
#
# <details><summary>A, since its loss is lower.</summary>
# Not necessarily. A makes more guesses for the same text, and each is easier.</details>
# <details><summary>One cannot say from these numbers.</summary>
# Right. Compare the surprise of the whole text, or of one character.</details>
#
# **3. Your training loss falls far below everybody else's. What do you do first?**
#
# <details><summary>Train longer, it is going well.</summary>
# Run C was going well too.</details>
# <details><summary>Check that the targets are shifted and attention does not look
# ahead, and read samples.</summary>
# Right. Wonderful losses are usually leaks.</details>
# <details><summary>Lower the learning rate.</summary>
# That helps when the loss jumps or rises, not when it is too good.</details>
#
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
