# %% [markdown]
# # 5 · Next-token pre-training
#
# **You will be able to** say what a language model is trained to do, and check its
# loss with a pencil; train one from random numbers; read a loss curve between the
# two lines that matter, a simple model's and the best possible one's; recognise
# two training mistakes that raise no error.
#
# **You need** [0 · Start here](00_start_here.ipynb), and to know what a
# probability and a logarithm are.
#
# **Time** {{minutes}} minutes to run on two processor cores, most of it one
# training run; an hour to work through.
#
# **Where we are in the model's life:** at the beginning. `random → base`.

# %%
import math
import textwrap
from inspect import getsource

import torch

from llmlab import life, plots, pretraining, training, village
from llmlab.batching import IGNORE, Batch, next_token_batch
from llmlab.claims import claim
from llmlab.evaluation import (
    Share,
    completions,
    entropy_line,
    language_loss,
    minimal_pairs,
)
from llmlab.gpt import GPT, GPTConfig
from llmlab.ngrams import TrigramModel
from llmlab.sampling import complete
from llmlab.widgets import NextTokenExplorer, TrainingMonitor

course = life.course()
tokenizer = course.tokenizer


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
for document in village.documents(40, seed=3, split="train"):
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
# ## 2 · From text to numbers
#
# The model reads **tokens**: frequent words whole, rare ones in pieces, each with a
# number. The tokenizer learned its pieces from the same village.

# %%
text = "The quick brown fox jumps over the photocopier."
ids = tokenizer.encode(text)
print(f"a vocabulary of {tokenizer.vocab_size:,} tokens")
plots.token_colours([tokenizer.decode([i]) for i in ids], ids)

# %% [markdown]
# The village has no photocopier, so that word falls into pieces; nothing can be
# *unknown*. Going back gives the very same text, whatever the text:

# %%
for example in (text, "Ça va? 😀", "<eos> is not the end"):
    print(tokenizer.decode(tokenizer.encode(example)) == example, example)

# %% [markdown]
# A few tokens cannot be typed. `<bos>` begins a document and `<eos>` ends it; they
# are numbers without a spelling. The text *"<eos>"* above is ordinary characters.

# %%
train_documents = list(village.documents(4_200, seed=0, split="train"))
sequences = pretraining.encode_documents(
    tokenizer, [document.text for document in train_documents]
)
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
# to 3 only. Attention sees to that (it is *causal*), and you will write it yourself
# in the exercise. Here is the test that matters: change the last token, and no
# earlier prediction may move.

# %%
base = course.load("base")
base.requires_grad_(False)

tokens = batch.tokens.clone()
before = base(tokens)
tokens[0, -1] = tokenizer.mask_id
after = base(tokens)
moved = (after - before).abs().amax(dim=-1)[0]
claim("No prediction before the changed token moves", (moved[:-1] < 1e-4).all())
claim("The prediction at the changed token does", moved[-1] > 1e-4)

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
# The library's function does this for whole batches. It takes *logits*, scores
# that become probabilities by a softmax; the logarithms of probabilities will do.
# This is its source, and it must find the same number:

# %%
print(getsource(pretraining.cross_entropy))
loss = pretraining.cross_entropy(probabilities.log()[None], came[None])
print(f"{loss:.4f}")

# %% [markdown]
# ## 5 · What would a simple guesser score?
#
# A loss means nothing by itself. Three guessers that need no network give it a
# scale. They are tested on documents that are not in the training text.
#
# - **uniform**: all tokens are equally probable. **Work out** its loss: the
#   vocabulary has 2560 tokens, which is $5 \cdot 2^9$; $\ln 5 \approx 1.61$.
# - **unigram**: it knows how frequent each token is, and nothing else.
# - **trigram**: it has counted what follows each *pair* of tokens. For decades the
#   best language models were counts like these.

# %%
validation_documents = list(village.documents(300, seed=0, split="validation"))
validation = pretraining.encode_documents(
    tokenizer, [document.text for document in validation_documents]
)
guesses = sum(len(sequence) - 1 for sequence in validation)

counts = torch.ones(tokenizer.vocab_size, dtype=torch.float64)
for sequence in sequences:
    counts += torch.bincount(
        torch.tensor(sequence[1:]), minlength=tokenizer.vocab_size
    )
surprises = -(counts / counts.sum()).log()
unigram = sum(float(surprises[s[1:]].sum()) for s in validation) / guesses

trigram_model = TrigramModel(tokenizer.vocab_size).fit(sequences)
log_probs = [trigram_model.log_probs(sequence) for sequence in validation]
trigram = -float(torch.cat(log_probs).sum()) / guesses

baselines = {
    "uniform": math.log(tokenizer.vocab_size),
    "unigram": unigram,
    "trigram": trigram,
}
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
# Time to make one. Its weights are random numbers, its output layer is zero.
# **Predict two things:** its loss, and what it writes.

# %%
newborn = GPT(GPTConfig(vocab_size=tokenizer.vocab_size), seed=0)
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
optimizers = training.muon_and_adamw(newborn)
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
# How *far* to move is the learning rate. It is raised gently, kept, and lowered to
# zero at the end, so that the model settles.

# %%
STEPS = 400
rates = [training.warmup_stable_decay(step, STEPS) for step in range(STEPS)]
plots.schedule({"this run": rates})

# %% [markdown]
# And here is the whole of phase 1: choose documents, make a batch, take the loss,
# set the rate, update. The branch for masked models is the other game of phase 1.

# %%
print(getsource(pretraining.pretraining_step))

# %% [markdown]
# ## 9 · Train
#
# Now for real, from random numbers: 400 updates on about a thousand tokens each. The
# documents of every update are chosen in advance, and none is read twice: what this
# model gets right, it cannot have learned by heart.

# %%
plan = pretraining.epochs(sequences, STEPS, 1024, seed=0)
rows = [row for batch in plan for row in batch]
claim("No document is read twice", len(set(rows)) == len(rows))

# %% [markdown]
# A life in one function: a new model, its optimisers, and the library's loop, which
# calls the step again and again and keeps what it returns.


# %%
def short_life(make_step, *, steps, label, **rates):
    """Train a new model for `steps` updates; return it and its history."""
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size), seed=0)
    optimizers = training.muon_and_adamw(model, **rates)
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


def healthy_step(model, optimizers):
    return pretraining.pretraining_step(
        model,
        sequences,
        tokenizer,
        optimizers,
        steps=STEPS,
        tokens_per_batch=1024,
        seed=0,
    )


# %% [markdown]
# The next cell takes about a minute. **Sketch the curve** while you wait. Where does
# it begin? Is it a straight line? Will it get below the trigram? Below the entropy
# line?

# %%
young, history = short_life(healthy_step, steps=STEPS, label="a short life")

# %% [markdown]
# The pale line is the loss of each batch, the strong one its running mean.

# %%
plots.loss_curve(
    {"this run": history},
    entropy_line=line.nats_per_token,
    baselines=baselines,
    title="A minute of reading",
)

# %% [markdown]
# It falls fast, then slowly. Which tokens are frequent is learned almost at once;
# which follow which takes longer; what needs a longer memory, longer still. Every
# batch was new to the model when its loss was taken. Even so, the verdict belongs
# to documents that are kept apart for it:

# %%
loss = language_loss(young, validation)
claim(
    "On unseen text the young model beats the trigram by 0.1 nats or more",
    loss.nats_per_token < trigram - 0.1,
    measured=loss.nats_per_token,
    unit="nats",
)
claim(
    "It is still 0.2 nats or more above the entropy line",
    loss.nats_per_token > line.nats_per_token + 0.2,
    measured=loss.nats_per_token,
    unit="nats",
)

# %% [markdown]
# What does it write now? (Your processor's last digits decide what exactly, so this
# output appears only once you run the cell.)

# %% tags=["nbval-ignore-output"]
book = next(page for page in validation_documents if page.genre == "books")
title = book.text.splitlines()[0]
opening = title.rsplit(" ", 1)[0]
lesson = "On Thursday Ivy and Otto learn French at the mill:\n"
starts = (opening, "Questions and answers\n", lesson)

dice = torch.Generator().manual_seed(0)
for start in starts:
    read(complete(young, tokenizer, start, generator=dice) + "\n\n")

# %% [markdown]
# Read it aloud, and ask whether it *sounds* right. Then follow it: who has what, and
# where? Sound is learned before sense, and what this model has lacked is time.

# %% [markdown]
# ## 10 · Two sick runs
#
# Here are the first 40 updates of two more runs, beside those of the healthy one.
# Neither raised an error. **Before you read on:** which of the three would you
# rather go on with?


# %%
def sick_step(model, optimizers):
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
run_c, history_c = short_life(sick_step, steps=40, label="run C")

# %%
plots.loss_curve(
    {"healthy": history[:40], "run B": history_b, "run C": history_c},
    entropy_line=line.nats_per_token,
    baselines={"uniform": baselines["uniform"]},
    title="Which one would you keep?",
)

# %% [markdown]
# **Run B** is the sickness everybody knows. Its learning rate is thirty times too
# high: every update overshoots, and the model is soon *worse* than the uniform
# guess. A loss above the uniform line is always a mistake; knowing nothing would
# be better.

# %%
late_b = sum(entry["loss"] for entry in history_b[-10:]) / 10
claim(
    "Run B ends worse than a model that knows nothing",
    late_b > baselines["uniform"],
    measured=late_b,
    unit="nats",
)

# %% [markdown]
# **Run C** looks like a triumph. In 40 updates it has left the healthy run far
# behind. It has even crossed the entropy line, and no honest model goes far below
# that.

# %%
late_c = sum(entry["loss"] for entry in history_c[-10:]) / 10
claim(
    "Run C's training loss ends below the entropy line",
    late_c < line.nats_per_token,
    measured=late_c,
    unit="nats",
)

# %% [markdown]
# Look at `sick_step` again. One line makes the targets: the token that must be
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
# This mistake is in published code. Nothing crashes, the curve is beautiful, and
# without a line to compare with one might celebrate. Two habits find it: know the
# lowest loss that is possible, and always look at what the model writes.

# %% [markdown]
# ## 11 · The grown-up
#
# The base model of this course had the same beginning and a longer schooling:

# %%
print(f"{course.card('base').steps / STEPS:.0f} times as many updates")

# %% [markdown]
# First its opinion, word by word. **Predict** the first bar.

# %%
vocabulary = range(tokenizer.vocab_size)
names = [tokenizer.decode([i], skip_special=False) for i in vocabulary]


def distribution(text):
    """Every token and its probability of coming next."""
    ids = [tokenizer.bos_id, *tokenizer.encode(text)]
    shares = base(torch.tensor([ids]))[0, -1].softmax(dim=-1)
    return list(zip(names, shares.tolist(), strict=True))


pangram = "The quick brown fox jumps over the"
tokens, shares = zip(*distribution(pangram), strict=True)
plots.next_token_bars(tokens, shares, prompt=pangram, top=5)

# %% [markdown]
# And now a place where the dice have the word, the title of an unseen story.
# **Predict:** will the bars be as uneven?

# %%
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
dice = torch.Generator().manual_seed(1)
for start in starts:
    read(complete(base, tokenizer, start, generator=dice) + "\n\n")

# %% [markdown]
# ### How far from perfect?

# %%
loss = language_loss(base, validation)
excess = loss.nats_per_token - line.nats_per_token
claim(
    "The base model is within 0.25 nats a token of the entropy line",
    excess <= 0.25,
    measured=excess,
    unit="nats",
)
claim(
    "That is less than a quarter of the way up to the trigram",
    excess < 0.25 * (trigram - line.nats_per_token),
    measured=excess,
    unit="nats",
)
claim("The standard error of its loss is below 0.03 nats", loss.error < 0.03)

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
# ### Does it know English? Does it know the village?
#
# A loss is one number for everything. To ask about *one* thing, compare two
# sentences that differ in that thing only, and see which the model finds more
# probable. Some pairs:

# %%
probes = village.probes(seed=0)
shown = {pair.phenomenon: pair for pair in probes.minimal_pairs}
for pair in shown.values():
    print(f"{pair.phenomenon}\n   good: {pair.good}\n   bad:  {pair.bad}")

# %% [markdown]
# A coin would be right in half of them. The brackets hold the 95 % interval: with
# so few pairs a share is only known roughly. **Predict** which phenomenon is the
# hardest.

# %%
pairs = minimal_pairs(base, tokenizer, probes.minimal_pairs)
for phenomenon, share in pairs.items():
    print(f"{phenomenon:24} {share}")
together = Share(
    sum(share.successes for share in pairs.values()),
    sum(share.trials for share in pairs.values()),
)
print(f"{'all':24} {together}")
claim("Over all pairs it is better than a coin", together.interval[0] > 0.5)

# %% [markdown]
# A share near one half is guessing. One *well below* it is not: the model then has
# a reason to prefer the wrong sentence. It judges sentences as wholes, and a right
# one of a form that it never read can look stranger than a wrong one made of
# familiar pieces. If there is such a line above, read its pair again.
#
# Next: a sentence begins, and four endings are offered, one of them right. **Which
# will be easiest:** the idioms and proverbs, which always have the same words, or
# the facts, who does what and lives where, which are told in many different words?

# %%
endings = completions(base, tokenizer, probes.completions)
for kind, share in endings.items():
    print(f"{kind:24} {share}")
    claim(f"Of {kind}s it knows more than chance", share.interval[0] > 0.25)

# %% [markdown]
# ## What did not work at this size
#
# - **A minute is not enough.** The young model has the sound of the village and not
#   its sense. Only a longer run brings it near the line.
# - **Rare things stay unlearned.** What a page says once in a thousand pages hardly
#   moves the weights. A larger model on more text learns the rare things too, and
#   that is most of what larger models are for.
# - **It knows one village.** No probe here says anything about English elsewhere.
#   Start a text on any other subject and watch it drift home.

# %% [markdown]
# ## Summary
#
# - A language model is trained to guess the next token. The loss is its mean
#   surprise, $-\ln p$ of what really came.
# - A new model scores $\ln$ of its vocabulary's size. Simple counts give a better
#   score, and the entropy of the text is the best there is.
# - Above the uniform line something is broken; far below the entropy line something
#   leaks.
# - What it learned is a matter of measurement: unseen text, one thing at a time,
#   with an interval.
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
# **Exercise:** the first of [problem set 1](../exercises/release/ps1/ps1.ipynb),
# attention that looks back and never ahead. **Next:** this model continues text,
# but it does not answer. [7 · Instruction tuning](07_instruction_tuning.ipynb)
# teaches it that.
