# %% [markdown]
# # 6 · What did it learn?
#
# **You will be able to** ask a model about one thing at a time and say how sure
# the answer is; tell what it knows by how often it read it; look into its heads
# and layers, and test what you think you see by breaking it; tell what it has by
# heart from what it understood.
#
# **You need** [5 · Next-token pre-training](05_next_token_pretraining.ipynb) and
# what an attention head does.
#
# **Time** 2 minutes to run on two processor cores; an hour and a half
# to work through.
#
# **Where we are in the model's life:** after pre-training. `random → base`. The
# base model stays as it is; today it is examined.

# %%
import random
from collections import Counter, defaultdict
from inspect import getsource

import torch

from llmlab import (
    interpretation,
    life,
    optimisers,
    plots,
    pretraining,
    training,
    village,
)
from llmlab.batching import next_token_batch, pad_sequences
from llmlab.claims import claim
from llmlab.evaluation import (
    NATS_PER_BIT,
    Share,
    completions,
    minimal_pairs,
    ratio_of_means,
)
from llmlab.gpt import GPT, GPTConfig
from llmlab.likelihood import sequence_log_probs
from llmlab.memorisation import longest_copies
from llmlab.ngrams import NgramModel
from llmlab.sampling import generate
from llmlab.village import french_lexicon, parsing, world
from llmlab.village.calendar import calendar

course = life.course()
base = course.load("base")
base.requires_grad_(False)
tokenizer = course.tokenizer

# %% [markdown]
# What a model knows depends on what it read. The village makes its documents from
# a seed, and the order of training is fixed by another, so we can have the very
# same documents again, and how often each of them was read.

# %%
card = course.card("base")
library = list(
    village.documents(
        course.recipe.shared.documents, seed=course.seed, split="train"
    )
)
sequences = pretraining.encode_documents(tokenizer, [d.text for d in library])
batches = pretraining.epochs(
    sequences, card.steps, course.recipe.base.tokens_per_batch, course.seed
)
times_read = Counter(number for batch in batches for number in batch)
read_texts = [library[number].text for number in sorted(times_read)]
print(f"{len(library):,} documents, {len(read_texts):,} of them read;")
for times, documents in sorted(Counter(times_read.values()).items()):
    print(f"{documents:,} of them {times}x")

# %% [markdown]
# ## 1 · One thing at a time
#
# A loss is one number for everything. To ask about *one* thing, take a sentence,
# spoil one thing in it, and see which of the two the model finds more probable
# (Warstadt et al. 2020). Such a *minimal pair* needs no answer in words, so it
# can be put to a model that does not answer yet. One pair for each phenomenon;
# the right sentences are from documents that the model never read:

# %%
pairs = village.probes(seed=0, pairs_each=60).minimal_pairs
shown = {pair.phenomenon: pair for pair in pairs}
for pair in shown.values():
    print(f"{pair.phenomenon}\n   good: {pair.good}\n   bad:  {pair.bad}")

# %% [markdown]
# A coin would be right in half of the pairs. A share of some pairs is an estimate of
# the share of all; in brackets stands the interval that holds the true one 95 times
# in 100 (Wilson 1927). **Predict:** which phenomenon will be the hardest? What does
# one need to know for *her* in *Ivy … on her apron*, that one does not need for *a* in
# *a dry cart*?

# %%
shares = minimal_pairs(base, tokenizer, pairs)


def pooled(shares):
    """All the shares together."""
    counts = [(share.successes, share.trials) for share in shares]
    return Share(*map(sum, zip(*counts, strict=True)))


together = pooled(shares.values())
print("all pairs:", together)
claim(
    "Of all pairs the model prefers the right sentence in 95 % or more",
    together.rate >= 0.95,
    measured=together.rate,
)
hardest = min(shares, key=lambda name: shares[name].rate)
print("hardest:", hardest, shares[hardest])
plots.share_intervals(
    {name: (share.rate, *share.interval) for name, share in shares.items()},
    chance=0.5,
)

# %% [markdown]
# Most rules that a neighbour settles are easy. The hardest depends on a word
# farther back: whether it is *his* or *her* apron, the name decides, and of every
# name the model had to learn whether it is a man's or a woman's. *A or an* is no
# easier than *he or she* (their intervals overlap), although a neighbour settles it:
# a token does not show its letters, and of every word the model had to learn how it
# begins.
#
# Is this knowledge of rules, or has it just seen the words together before? Take
# only those pairs in which the spot with the mistake, with a word on either side,
# is nowhere in what the model read:

# %%
everything_read = "\n".join(read_texts)


def spot(pair):
    """The words that are exchanged, and a neighbour on either side."""
    good, bad = pair.good.split(), pair.bad.split()
    differ = [n for n, word in enumerate(good) if word != bad[n]]
    return " ".join(good[max(0, differ[0] - 1) : differ[-1] + 2])


new_pairs = [pair for pair in pairs if spot(pair) not in everything_read]
for pair in new_pairs[::20]:
    print(f"{spot(pair):30} {pair.phenomenon}")
never_read = pooled(minimal_pairs(base, tokenizer, new_pairs).values())
print("\npairs of which it never read the spot:", never_read)
claim(
    "It is right in 85 % or more of the pairs of which it never read the spot",
    never_read.rate >= 0.85,
    measured=never_read.rate,
)

# %% [markdown]
# That looks like proof. It is not, yet. **A good mark means little until something
# simpler has taken the same test.** So let two tables of counts take it, which know
# nothing but how often tokens followed each other on the pages that the model read:
# one looks two tokens back (the trigram model of chapter 5), one looks four back.
# **Predict** how often they prefer the right sentence.


# %%
def counter_is_right(counted, pair):
    """Whether a table of counts finds the right sentence more probable."""
    good, bad = (
        counted.log_probs([tokenizer.bos_id, *tokenizer.encode(text)]).sum()
        for text in (pair.good, pair.bad)
    )
    return bool(good > bad)


beyond = {}  # the pairs in which counting fails
for back in (2, 4):
    counted = NgramModel(tokenizer.vocab_size, back + 1).fit(sequences)
    for tested in (pairs, new_pairs):
        rest = [pair for pair in tested if not counter_is_right(counted, pair)]
        beyond.setdefault(back, rest)  # of all pairs, which come first
        share = Share(len(tested) - len(rest), len(tested))
        print(f"{back} tokens back: {share}")

# %% [markdown]
# The first line of each is for all pairs, the second for those whose spot was never
# read. Counting does as well as the model, and with four tokens even better! The
# village builds its sentences from few patterns, so what decides is nearly always
# close by. A spot can be new for a neighbour that does not matter. Our test asked
# for less than we thought.
#
# What is left are the pairs in which two tokens back do not suffice. There the table
# is wrong in all of them, by choice. **And the model?**

# %%
kinds = Counter(pair.phenomenon for pair in beyond[2])
print(", ".join(f"{count} of {kind}" for kind, count in kinds.most_common()))
farther = pooled(minimal_pairs(base, tokenizer, beyond[2]).values())
print("the model, where two tokens back do not suffice:", farther)
claim(
    "There the model is right more often than a coin",
    farther.interval[0] > 0.5,
    measured=farther.rate,
)

# %% [markdown]
# It looks farther back than the table, and uses what it finds there. That much is
# shown. That it has *rules*, where a table of all pages has counts, these pairs
# cannot show. Section 8 asks again, in another way.

# %% [markdown]
# ## 2 · Fixed phrases
#
# The opposite of a rule is an idiom. Nothing in *spill* and *beans* says that it
# is about secrets: it has to be learned by heart, as children do. Each idiom is
# cut before its last word, and four endings are offered, so that chance is one in
# four; the same with meanings and with proverbs.

# %%
probes = village.probes(seed=0)
FIXED = ("idiom", "meaning", "proverb")
phrases = [probe for probe in probes.completions if probe.kind in FIXED]
for kind, share in completions(base, tokenizer, phrases).items():
    print(f"{kind:8} {share}")
    claim(
        f"Of every hundred {kind}s it knows 95 or more",
        share.rate >= 0.95,
        measured=share.rate,
    )

# %% [markdown]
# Choosing is easier than telling. So let it explain freely: after *To spill the
# beans means to* it writes what it finds the likeliest, token by token.
# **Predict** how many of the meanings come out word for word.

# %%
asked = [p for p in phrases if p.kind == "meaning"]
written = generate(
    base,
    [[tokenizer.bos_id, *tokenizer.encode(p.prefix)] for p in asked],
    max_new_tokens=14,
    top_k=1,
)
explanations = [tokenizer.decode(ids) for ids in written.sequences()]
for probe, text in list(zip(asked, explanations, strict=True))[::12]:
    print(f"{probe.prefix} …{text.partition(':')[0]}")
exact = [
    text.startswith(probe.answer)
    for probe, text in zip(asked, explanations, strict=True)
]
word_for_word = Share(sum(exact), len(exact))
print("\nexplained word for word:", word_for_word)
claim(
    "It explains nine of ten idioms or more, word for word",
    word_for_word.rate >= 0.9,
    measured=word_for_word.rate,
)

# %% [markdown]
# That is a good memory, with a gap here and there: *to eat like a horse* it cannot
# tell. Whether it *understands* an idiom is another question, and this test does not
# answer it.

# %% [markdown]
# ## 3 · Facts, by how often they were read
#
# Who lives where, what a thing is used for, who has the finest kite: the village
# has several hundred facts. Some are told again and again, some seldom. We count
# the sentences that tell each of them, in the documents that the model read, as
# often as it read them.
#
# A sentence tells a fact *forward* if it begins with whose fact it is, and
# *backward* if it begins with the fact. Keep the difference in mind; it will
# matter.

# %%
readings = village.count_readings(
    (library[number].text, times) for number, times in times_read.items()
)
for name in ("Viktor", "lantern"):
    for fact in village.every_fact():
        if fact.subject == name:
            counts = [
                f"{readings[fact, direction]} {direction}"
                for direction in (village.FORWARD, village.BACKWARD)
            ]
            print(f"{name}, {fact.kind}: {fact.value} ({', '.join(counts)})")

# %% [markdown]
# Now the questions: sentences from unread pages, cut before the end, with four
# endings of the same kind. Each question belongs to one direction, and to the
# number of times that its fact was read *in that direction*. **Sketch** two curves
# before you look, one for each direction: how many readings make a fact known?

# %%
questions = village.questions_about_facts(seed=0, facts=village.every_fact())
_, example = questions[0]
print(f"{example.prefix} …{example.answer}")
print(" or", *example.distractors)


def direction(question):
    """Which way its sentence tells the fact."""
    return village.FORWARD if question.kind == "fact" else village.BACKWARD


def judged(questions):
    """For each question, whether the right ending is the likeliest."""
    single = [
        village.Completion(str(number), q.prefix, q.answer, q.distractors)
        for number, (_, q) in enumerate(questions)
    ]
    shares = completions(base, tokenizer, single)
    return [share.rate == 1 for share in shares.values()]


right = judged(questions)
steps = (0, 25, 50, 100)
outcomes = defaultdict(list)
for (fact, question), is_right in zip(questions, right, strict=True):
    way = direction(question)
    times = readings[fact, way]
    step = max(step for step in steps if step <= times)
    outcomes[way, step].append(is_right)

recall = {
    (way, step): Share(sum(known), len(known))
    for way in (village.FORWARD, village.BACKWARD)
    for step in steps
    if (known := outcomes[way, step])
}
ranges = {
    step: f"{step} to {after - 1} times" if after else f"{step} times or more"
    for step, after in zip(steps, (*steps[1:], None), strict=True)
}
labels = {(way, step): f"{way}, {ranges[step]}" for way, step in recall}
for row, share in recall.items():
    print(f"{labels[row]:28} {share}")

# %%
plots.share_intervals(
    {
        labels[row]: (share.rate, *share.interval)
        for row, share in recall.items()
    },
    chance=0.25,
    x_label="share of facts recalled, with its 95 % interval",
)

# %% [markdown]
# Asked as it is mostly told, a fact that was read a dozen times is nearly always
# known. Asked from the other end, about half of such facts are missed, and only more
# readings *in that direction* help. (The kinds of fact differ from row to row, so a
# part of the rise may be theirs. Had we thrown both directions into one curve, we
# should have seen a rise that is mostly the change from backward to forward: what
# is read often is read forward.)
#
# A larger model needs fewer readings, and that is a good part of what size buys:
# Kandpal et al. 2023 find such curves for facts of the real world, in models of up
# to 176 billion weights.

# %%
often = pooled(share for (_, step), share in recall.items() if step == 100)
claim(
    "Of the facts read 100 times or more it recalls 90 % or more",
    often.rate >= 0.9,
    measured=often.rate,
)
seldom_forward = recall[village.FORWARD, 0]
claim(
    "Forward, of the facts read less than 25 times it recalls 85 % or more",
    seldom_forward.rate >= 0.85,
    measured=seldom_forward.rate,
)
claim(
    "Backward, facts read 25 to 49 times are recalled more often than those "
    "read less, and the intervals are apart",
    recall[village.BACKWARD, 25].interval[0]
    > recall[village.BACKWARD, 0].interval[1],
)

# %% [markdown]
# ### The other way round
#
# Who knows that *Viktor lives at the boathouse* knows of somebody who lives at the
# boathouse. Does the model? Take the facts that were read at least four times as often
# forward as backward, and that can be asked both ways. **Predict** the second
# number.

# %%
asked_both_ways = defaultdict(dict)
for (fact, question), is_right in zip(questions, right, strict=True):
    asked_both_ways[fact][direction(question)] = is_right
one_sided = [
    fact
    for fact, answers in asked_both_ways.items()
    if len(answers) == 2
    and readings[fact, village.FORWARD] >= 4 * readings[fact, village.BACKWARD]
]
kinds = Counter(fact.kind for fact in one_sided)
print(", ".join(f"{count} of {kind}" for kind, count in kinds.items()))
recalled = {}
for way in (village.FORWARD, village.BACKWARD):
    wins = sum(asked_both_ways[fact][way] for fact in one_sided)
    recalled[way] = Share(wins, len(one_sided))
    times = sum(readings[fact, way] for fact in one_sided) / len(one_sided)
    print(f"{way:8} read {times:4.0f} times each, recalled: {recalled[way]}")
claim(
    "The same facts are recalled more often forward than backward",
    recalled[village.FORWARD].interval[0]
    > recalled[village.BACKWARD].interval[1],
)

# %% [markdown]
# Every one of these facts *was* told backward, now and then. For a clean test we
# need new facts of which we know that each was told in one direction only. So we
# make some up: thirty persons get a lucky charm each. A copy of the model reads half of
# them forward,
#
# > The lucky charm of Viktor is the whistle.
#
# and the other half backward, *The whistle is the lucky charm of Viktor.* Both
# wordings are therefore familiar; only who is told in which of them differs.

# %%
FORWARD_WORDING = "The lucky charm of {person} is the {thing}."
BACKWARD_WORDING = "The {thing} is the lucky charm of {person}."
dice = random.Random(0)


def one_token(words):
    """Those that the tokenizer keeps whole, after a space."""
    return [word for word in words if len(tokenizer.encode(" " + word)) == 1]


people = dice.sample(one_token(world.load().people), 30)
things = dice.sample(one_token(world.load().things), 30)
charms = list(zip(people, things, strict=True))
wordings = 15 * [FORWARD_WORDING] + 15 * [BACKWARD_WORDING]
lessons = [
    wording.format(person=person, thing=thing)
    for (person, thing), wording in zip(charms, wordings, strict=True)
]
print(lessons[0], lessons[-1], sep="\n")

# %%
pupil = course.load("base")
optimizers = optimisers.adamw(pupil, 1e-3)
batch = next_token_batch(pretraining.encode_documents(tokenizer, lessons))
for step in range(80):
    training.set_learning_rate(
        optimizers.values(), training.warmup_stable_decay(step, 80)
    )
    loss = pretraining.prediction_loss(pupil, batch)
    training.apply_gradients(loss, pupil, optimizers.values())

# %% [markdown]
# Now everybody is asked for in both wordings. Offered are the fifteen things (or
# people) that were told in the same wording as the right one, so that chance is one
# in fifteen. (Why not all thirty? The pupil has only ever seen fifteen things come
# last. Asked the other way round it would always name one of these, and the right
# one is never among them: it would do *worse* than chance.) **Predict** both shares:
# asked as it was told, and asked the other way round.

# %%
exam = []
for (person, thing), told in zip(charms, wordings, strict=True):
    for wording, answer, column in (
        (FORWARD_WORDING, thing, 1),
        (BACKWARD_WORDING, person, 0),
    ):
        sentence = wording.format(person=person, thing=thing)
        offered = [
            pair[column]
            for pair, other in zip(charms, wordings, strict=True)
            if other == told and pair[column] != answer
        ]
        exam.append(
            village.Completion(
                "as it was told" if wording == told else "the other way round",
                sentence.removesuffix(f" {answer}."),
                f" {answer}",
                tuple(f" {other}" for other in offered),
            )
        )
grades = completions(pupil, tokenizer, exam)
for asked, share in grades.items():
    print(f"{asked:19} {share}")
claim(
    "Asked as they were told, nine of ten new facts or more are known",
    grades["as it was told"].rate >= 0.9,
)
claim(
    "Asked the other way round, fewer than one in five is",
    grades["the other way round"].rate < 0.2,
)

# %% [markdown]
# This is the *reversal curse* (Berglund et al. 2023); it was found in models of
# every size that was tried. Training makes *whistle* more probable after
# *Viktor*. Nothing in it makes *Viktor* more probable after *whistle*: that would
# be another game, and nobody played it. A next-token model does not store facts;
# it stores what comes next.

# %% [markdown]
# ## 4 · Heads that find a pattern
#
# So much from outside. What happens inside? Begin with a puzzle for heads.
# Thirty-three random tokens, and then the same tokens again:
#
# > k w a z r … k w *a* ?
#
# Nobody can know the first half. In the second, one only has to look back: where
# did *a* stand before, and what came after it? A head that does this is an
# *induction head* (Elhage et al. 2021; Olsson et al. 2022), and in large models
# it is thought to be at the root of learning from examples in the prompt. We can
# measure it directly: the share of a head's attention that goes to the token *after
# the same token before*.
#
# **Predict:** how surprised is our base model in the first half, how in the
# second?


# %%
def repeats(rows, generator, *, vocabulary, shortest, longest):
    """Rows of random tokens that come twice, and which are to be predicted.

    The first half is different tokens; its length is drawn for each row.
    """
    texts, asked = [], []
    for _ in range(rows):
        time = torch.randint(shortest, longest + 1, (), generator=generator)
        order = torch.randperm(len(vocabulary), generator=generator)[:time]
        half = [vocabulary[place] for place in order.tolist()]
        texts.append(half + half)
        asked.append([False] * (len(half) + 1) + [True] * (len(half) - 1))
    return texts, asked


generator = torch.Generator().manual_seed(0)
ordinary = range(len(tokenizer.SPECIAL_TOKENS), tokenizer.vocab_size)
texts, second_half = repeats(
    50, generator, vocabulary=ordinary, shortest=33, longest=33
)
first_half = [[False] + [not late for late in row[1:]] for row in second_half]


def mean_surprise(model, texts, asked):
    """In nats, at the tokens that are asked for."""
    log_probs = sequence_log_probs(model, texts, asked)
    return -float(log_probs.sum()) / sum(map(sum, asked))


first = mean_surprise(base, texts, first_half)
second = mean_surprise(base, texts, second_half)
claim(
    "The base model gains at most 0.1 nats from having seen it before",
    first - second < 0.1,
    measured=first - second,
    unit="nats",
)

# %% [markdown]
# It is at a loss in the second half as in the first, if not more. This model
# has no induction head. Why not? Think of what it was paid for. The village
# hardly ever says a long string of words twice on a page. A head that waits for
# it would have earned nothing.
#
# So pay for it. Here are three very small models with 32 letters for a
# vocabulary, trained on nothing but such repetitions, the second half alone
# counting:
#
# - one layer, without the *token shift*;
# - two layers, without it;
# - one layer, with it, as our base model has: attention then reads each token's
#   vector together with a share of the one before it.
#
# One layer has one chance to look. At *a* it can look for another *a*; but what
# is wanted stands one place further, and what is written there is not *a*.
# **Which of the three will manage?**


# %%
def pattern_finder(layers, token_shift, steps=250):
    """A small model, trained to continue repetitions."""
    config = GPTConfig(
        vocab_size=32,
        context=36,
        layers=layers,
        heads=2,
        width=64,
        token_shift=token_shift,
    )
    model = GPT(config, seed=0)
    optimizers = optimisers.muon_and_adamw(model)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        texts, asked = repeats(
            32, generator, vocabulary=range(32), shortest=6, longest=18
        )
        training.set_learning_rate(
            optimizers.values(), training.warmup_stable_decay(step, steps)
        )
        batch = next_token_batch(texts, asked)
        loss = pretraining.prediction_loss(model, batch)
        training.apply_gradients(loss, model, optimizers.values())
    return model


finders = {
    "one layer": pattern_finder(1, token_shift=False),
    "two layers": pattern_finder(2, token_shift=False),
    "one layer and the shift": pattern_finder(1, token_shift=True),
}

# %%
generator = torch.Generator().manual_seed(1)
fresh, asked = repeats(
    50, generator, vocabulary=range(32), shortest=18, longest=18
)
surprise = {name: mean_surprise(m, fresh, asked) for name, m in finders.items()}
claim(
    "One layer without the shift is left with a surprise above 1 nat",
    surprise["one layer"] > 1,
    measured=surprise["one layer"],
)
claim(
    "Two layers, or one with the shift, end below 0.3 nats",
    max(surprise["two layers"], surprise["one layer and the shift"]) < 0.3,
)

# %% [markdown]
# Now look at where their heads look. Each number is the share of its attention
# that a head gives to what the title says, in the rows where there is such a
# thing.


# %%
def compared(weights, patterns, segment_ids):
    """Attention of every head to some patterns, and what chance would give."""
    scores = {
        name: interpretation.attention_on(weights, targets)
        for name, targets in patterns.items()
    }
    chances = {
        name: interpretation.attention_by_chance(targets, segment_ids)
        for name, targets in patterns.items()
    }
    return scores, chances


def looks(model, tokens, segment_ids, names):
    """The same for a model that reads some rows."""
    weights = interpretation.attention_weights(
        model, tokens, segment_ids=segment_ids
    )
    patterns = interpretation.attention_patterns(tokens, segment_ids)
    chosen = {name: patterns[name] for name in names}
    return compared(weights, chosen, segment_ids)


tokens, segment_ids = pad_sequences(fresh)
PATTERN = ("the token before", "after the same token")
scores, chances = looks(finders["two layers"], tokens, segment_ids, PATTERN)
plots.head_grids(scores, chances)

# %% [markdown]
# Two layers divide the work. A head of the first looks at *the token before* and
# notes it down: each place now says "I come after *a*". A head of the second
# looks for the place that says so, and finds what it needs. This is the circuit
# that Elhage et al. found in models of two layers, and Olsson et al. in large
# ones. With the shift the note is already there, and one layer is enough:

# %%
found = scores["after the same token"]
claim(
    "In two layers it is the second that finds the place",
    found[1].max() > 0.3 and found[0].max() < 0.3,
)
scores, chances = looks(
    finders["one layer and the shift"], tokens, segment_ids, PATTERN
)
claim(
    "With the shift a head of the only layer does",
    scores["after the same token"].max() > 0.3,
)
plots.head_grids(scores, chances)

# %% [markdown]
# To look is not to act. Do these heads *do* the work? Take out the one that looks
# best, in each of the two models, and ask again. And for comparison: does any
# head of the base model look there, when it reads its own random tokens twice?

# %%
for name in ("two layers", "one layer and the shift"):
    finder = finders[name]
    looking, _ = looks(finder, tokens, segment_ids, PATTERN)
    best = int(looking["after the same token"].argmax())
    with interpretation.without_heads(finder, [divmod(best, 2)]):
        broken = mean_surprise(finder, fresh, asked)
    claim(
        f"Without its best head, {name}: the surprise rises by 0.5 nats or "
        "more",
        broken - surprise[name] > 0.5,
        measured=broken - surprise[name],
        unit="nats",
    )

scores, _ = looks(base, *pad_sequences(texts), PATTERN)
claim(
    "No head of the base model gives a tenth of its attention to that place",
    scores["after the same token"].max() < 0.1,
    measured=scores["after the same token"].max(),
)

# %% [markdown]
# ## 5 · What the heads of the village are for
#
# A head is what its text has paid for. What does the village pay for? Look at
# where its surprises are: a story names its people again and again, and which of
# them comes next has to be taken from the page. We look for heads that, where a
# name comes next, look at *that very name* earlier on the page. Wang et al.
# (2022) found such heads in GPT-2 and call them *name movers*.
#
# The documents are unread ones. A head that looked at everything alike would get
# the share called chance.

# %%
validation_documents = list(village.documents(400, seed=0, split="validation"))
validation = pretraining.encode_documents(
    tokenizer, [document.text for document in validation_documents]
)
pages = [sequence for sequence in validation if len(sequence) <= 160][:80]
tokens, segment_ids = pad_sequences(pages)
weights = interpretation.attention_weights(
    base, tokens, segment_ids=segment_ids
)
patterns = interpretation.attention_patterns(tokens, segment_ids)

is_name = torch.zeros(tokenizer.vocab_size, dtype=torch.bool)
for name in one_token(world.load().people):
    is_name[tokenizer.encode(" " + name)] = True
name_comes_next = is_name[tokens.roll(-1, dims=1)]
patterns["the name that comes next"] = (
    patterns["what comes next"] & name_comes_next[:, :, None]
)
del patterns["what comes next"]
scores, chances = compared(weights, patterns, segment_ids)
plots.head_grids(scores, chances)

# %% [markdown]
# Most heads look at a bit of everything, not far from chance. The last grid is
# another matter:

# %%
movers = scores["the name that comes next"]
claim(
    "Some head gives a third of its attention or more to the name to come",
    movers.max() > 1 / 3,
    measured=movers.max(),
)
claim(
    "That is more than five times what chance would give",
    movers.max() > 5 * chances["the name that comes next"],
)

# %% [markdown]
# It looks as if such a head fetches the name. Again the test is to take it out.
# With `without_heads` a head gathers nothing, and all the rest goes on as before.
# If it fetches names, then names must suffer, and other words much less.


# %%
def surprises(model):
    """(batch, time): how surprising the next token is, in nats."""
    log_probs = model(tokens, segment_ids=segment_ids).log_softmax(dim=-1)
    following = tokens.roll(-1, dims=1)
    return -log_probs.gather(-1, following[:, :, None])[:, :, 0]


has_next = (segment_ids != 0) & (segment_ids.roll(-1, dims=1) != 0)
has_next[:, -1] = False
known_name = patterns["the name that comes next"].any(dim=-1) & has_next
other_words = has_next & ~name_comes_next
healthy = surprises(base)


def damage(heads, where):
    """What is lost without some heads, in nats a token; its 95 % interval."""
    with interpretation.without_heads(base, heads):
        loss = (surprises(base) - healthy) * where
    mean, error = ratio_of_means(loss.sum(dim=1), where.sum(dim=1))
    return mean, mean - 1.96 * error, mean + 1.96 * error


every_head = [
    (layer, head)
    for layer in range(base.config.layers)
    for head in range(base.config.heads)
]
at_names = {head: damage([head], known_name) for head in every_head}
plots.attention_and_damage(
    {
        f"head {layer}.{head}": (float(movers[layer, head]), value)
        for (layer, head), value in at_names.items()
    },
    looked_at="the name that comes next",
)

# %%
mover = divmod(int(movers.argmax()), base.config.heads)
control = divmod(int(movers.argmin()), base.config.heads)
silenced = {"the name mover": mover, "the head that looks least": control}
for name, head in silenced.items():
    for kind, where in (("names", known_name), ("other words", other_words)):
        mean, low, high = damage([head], where)
        print(f"without {name}, {kind}: {mean:+.2f} [{low:+.2f}, {high:+.2f}]")
_, low, _ = damage([mover], known_name)
claim("Without the name mover, names surprise more", low > 0)
_, _, high = damage([mover], other_words)
claim("The damage at other words is less than half of that", high < low / 2)
_, low, _ = damage([control], known_name)
_, _, high = damage([control], other_words)
claim("Without the other head, too, names suffer more", low > high)

# %% [markdown]
# That is evidence of a cause and not only a picture. The name mover moves names,
# and little else. The other head is instructive too: it does not look at names,
# and yet taking it out harms them more than other words, for heads build on what
# others have gathered. So neither sign is enough alone. Whoever looks at an attention
# map and tells a story has only half of it; the other half is what breaks.

# %% [markdown]
# ## 6 · What each layer would say
#
# Every block adds something to one vector per token, and at the end this vector
# is read out: normalised, and compared with every token of the output table.
# Nothing keeps us from reading it out *earlier*. That is the **logit lens**
# (nostalgebraist 2020):

# %%
print(getsource(interpretation.logit_lens))
header = "Zeno tries a new pen at the beach on Tuesday:\n"
pangram = "The quick brown fox jumps over the lazy dog."
ids = torch.tensor([[tokenizer.bos_id, *tokenizer.encode(header + pangram)]])
lens = interpretation.logit_lens(base, ids)
claim(
    "What the last layer says is what the model says, to the bit",
    torch.equal(lens[-1], base(ids)),
)

# %% [markdown]
# In the village the sentence stands under such a header, where somebody tries a pen.
# We look at the sentence alone. Each cell is the first choice of a layer after the
# token below it, dark where it is sure. A frame says that this is what comes.
# **Predict:** in which layer does the fox find its dog?

# %%
before = 1 + len(tokenizer.encode(header))
lens, ids = lens[:, :, before:], ids[:, before:]
shown_tokens = [tokenizer.token_text(token) for token in ids[0].tolist()]
sure, choices = lens[:, 0, :-1].softmax(dim=-1).max(dim=-1)
layer_names = ["embedding"]
layer_names += [f"after block {number}" for number in range(base.config.layers)]
plots.logit_lens_grid(
    layer_names,
    shown_tokens[:-1],
    [
        [
            (tokenizer.token_text(int(token)), float(share))
            for token, share in zip(*layer, strict=True)
        ]
        for layer in zip(choices, sure, strict=True)
    ],
    shown_tokens[1:],
)

# %%
for text, word in (("over the", " lazy"), ("over the lazy", " dog")):
    (wanted,) = tokenizer.encode(word)
    place = len(tokenizer.encode(f"The quick brown fox jumps {text}")) - 1
    first_choice = lens[:, 0, place].argmax(dim=-1) == wanted
    always = [bool(first_choice[n:].all()) for n in range(len(layer_names))]
    print(f"… {text}{word}: first choice {layer_names[always.index(True)]}")

# %% [markdown]
# What the last token settles alone may be there from the start. For anything else
# a block has to look back first, and a layer can be sure and wrong. One sentence
# is an anecdote, so here are all the unread pages:

# %%
by_layer = []
stream = interpretation.residual_stream(base, tokens, segment_ids=segment_ids)
for state in stream:
    logits = base.logits(base.final_norm(state))
    log_probs = logits.log_softmax(dim=-1)
    following = tokens.roll(-1, dims=1)[:, :, None]
    nats = -log_probs.gather(-1, following)[:, :, 0] * has_next
    by_layer.append(ratio_of_means(nats.sum(dim=1), has_next.sum(dim=1)))
for name, (mean, error) in zip(layer_names, by_layer, strict=True):
    print(f"{name:14} {mean:5.2f} nats a token (± {1.96 * error:.2f})")
claim(
    "The last block takes off more than 1 nat",
    by_layer[-2][0] - by_layer[-1][0] > 1,
    measured=by_layer[-2][0] - by_layer[-1][0],
)

# %% [markdown]
# Do not read too much into the upper rows. A middle layer writes for the layers
# after it, and not for the output table. That the lens sees nothing there does
# not mean that nothing is there. (Belrose et al. 2023 learn a translation for
# each layer and see more.)

# %% [markdown]
# ## 7 · A map of words
#
# Every token has a vector, and nobody told the model which tokens are names. Yet
# names come in the same places, so their vectors were pushed in the same
# directions. We take words of six kinds and look at their vectors from the side
# that shows the most: the two *principal components*.

# %%
village_world = world.load()
nouns = french_lexicon.load().nouns
candidates = {
    "people": village_world.people,
    "places": village_world.places,
    "things": village_world.things,
    "French nouns": [noun.french[0] for noun in nouns],
    "days": calendar().days,
    "French plurals": [noun.french[1] for noun in nouns],
}
kinds_of = defaultdict(set)
for kind, words in candidates.items():
    for word in one_token(words):
        kinds_of[word].add(kind)
kind_of = {
    word: kinds.pop() for word, kinds in kinds_of.items() if len(kinds) == 1
}
words, kinds = list(kind_of), list(kind_of.values())
places = [tokenizer.encode(" " + word)[0] for word in words]
vectors = base.embedding.weight[places]
coordinates, kept = interpretation.principal_components(vectors)
plots.embedding_map(words, kinds, coordinates.tolist(), shares=kept.tolist())

# %% [markdown]
# A pretty map, and a flattering one: the axes say how little of the whole two
# dimensions keep. Two words that lie together here may be far apart in the
# others. So ask the question in *all* dimensions: of which kind is each word's
# nearest neighbour? By chance it would be of the same kind as often as a word
# drawn blindly.

# %%
nearest = interpretation.nearest_neighbours(vectors)[:, 0].tolist()
for word in ("Viktor", "bridge", "lantern"):
    if word in kind_of:
        print(f"nearest to {word}: {words[nearest[words.index(word)]]}")
same_kind = Share(
    sum(kinds[n] == kinds[other] for n, other in enumerate(nearest)), len(kinds)
)
count_of = Counter(kinds)
alike = sum(count * (count - 1) for count in count_of.values())
chance = alike / (len(kinds) * (len(kinds) - 1))
print(f"\nnearest neighbour of the same kind: {same_kind}")
print(f"by chance: {chance:.2f}")
claim(
    "The nearest neighbour is of the same kind in 90 % or more",
    same_kind.rate >= 0.9,
    measured=same_kind.rate,
)
claim("That is more than chance", same_kind.interval[0] > chance)

# %% [markdown]
# ## 8 · By heart, or understood?
#
# Last, the suspicion that every good result must face: does it merely recite?
# Three tests. **First:** if it had learned its pages by heart, it would be much
# less surprised by them than by new ones. We compare unread pages with pages that it
# read once, long ago or near the end of its training, when the learning rate was
# already low. To make the comparison sharper, we take off each page's own entropy,
# which we know. What is left is the surprise *beyond the dice*. **Predict** the three
# numbers, or at least their order.


# %%
def beyond_the_dice(documents):
    """Mean nats a token above the entropy of the documents; and the error."""
    texts = [document.text for document in documents]
    encoded = pretraining.encode_documents(tokenizer, texts)
    bits = torch.tensor([document.bits for document in documents])
    excess = -sequence_log_probs(base, encoded) - NATS_PER_BIT * bits
    counts = torch.tensor([len(ids) - 1 for ids in encoded])
    return ratio_of_means(excess, counts)


in_order = [number for batch in batches for number in batch]
once = [library[number] for number in in_order if times_read[number] == 1]
unread_pages = list(village.documents(1_000, seed=0, split="validation"))
new, new_error = beyond_the_dice(unread_pages)
print(f"unread          {new:.3f} nats a token beyond the dice")
saved = {}
for when, pages in (("long ago", once[:1_000]), ("last", once[-1_000:])):
    known, known_error = beyond_the_dice(pages)
    error = 1.96 * (known_error**2 + new_error**2) ** 0.5
    saved[when] = (new - known, error)
    print(f"read {when:10} {known:.3f}, saved {new - known:.3f} ± {error:.3f}")
claim(
    "Of pages read long ago, less than 0.02 nats a token is left",
    saved["long ago"][0] < 0.02,
    measured=saved["long ago"][0],
    unit="nats",
)
claim(
    "Of pages read last, less than 0.05 nats a token",
    sum(saved["last"]) < 0.05,
    measured=saved["last"][0],
    unit="nats",
)

# %% [markdown]
# If it had the pages by heart, it would know how the dice fell on them. Of the pages
# that it read last a trace is left, one or two hundredths of a nat; of the earlier ones
# nothing that we can measure. What it learned from a page, it learned about *all*
# pages.
#
# **Second:** let it write. A hundred stories, from titles that it never saw; and
# as the measure, the village's own stories to the same titles. What is the
# longest run of words that stands just so in anything it read? **Predict** it,
# for both.

# %%
books = [d for d in validation_documents if d.genre == "books"][:100]
titles = [document.text.splitlines()[0] for document in books]
drawn = generate(
    base,
    [[tokenizer.bos_id, *tokenizer.encode(title + "\n")] for title in titles],
    max_new_tokens=170,
    generator=torch.Generator().manual_seed(0),
)
stories = {
    "the model": [tokenizer.decode(ids) for ids in drawn.sequences()],
    "the village": [d.text.partition("\n")[2] for d in books],
}
longest = {}
for author, texts in stories.items():
    copies = longest_copies(texts, read_texts)
    longest[author] = max(copies, key=lambda copy: copy.words)
    print(f"{author}, {longest[author].words} words: {longest[author].text}\n")

# %% [markdown]
# The village repeats itself, since it has phrases of its own. So a run of that
# length is no sign of copying, unless the model's are much longer than the
# village's.

# %%
claim(
    "The model's longest copy is not twice as long as the village's own",
    longest["the model"].words < 2 * longest["the village"].words,
)

# %% [markdown]
# **Third:** new is easy, noise is always new. So ask of every sentence that it
# wrote whether it stands in what it read; and of the *new* ones, whether the
# village could have said them. The grammar of stories decides that, the same that
# will judge whole stories in phase 3: is the sentence one of its own, and does it
# fit what the story has said?

# %%
read_sentences = {
    sentence
    for text in read_texts
    for sentence in parsing.split_sentences(text.partition("\n")[2] or text)
}
for author, texts in stories.items():
    sentences = [
        sentence
        for title, text in zip(titles, texts, strict=True)
        for sentence in parsing.parse_story(title, text).sentences
    ]
    unread = [s for s in sentences if s.text not in read_sentences]
    sound = [s for s in unread if s.meaning]
    fitting = [s for s in sound if not s.broken]
    new_share = Share(len(unread), len(sentences))
    grammatical = Share(len(sound), len(unread))
    print(f"{author}\n  new sentences           {new_share}")
    print(f"  of them, well formed    {grammatical}")
    print(f"  and fit the story       {Share(len(fitting), len(unread))}")
    if author == "the model":
        claim(
            "Nine of ten of its sentences or more are new",
            new_share.rate >= 0.9,
            measured=new_share.rate,
        )
        claim(
            "Of the new ones 70 % or more are sentences of the village",
            grammatical.rate >= 0.7,
            measured=grammatical.rate,
        )

# %% [markdown]
# New sentences, and most of them right: it has learned how sentences are *made*.
# What fails more often is the last line. A sentence can be perfect and still lend
# a lantern that was lost one line before. Form comes first, then facts; to keep
# track of what happened is the hardest.

# %% [markdown]
# ## What did not work at this size
#
# - **Facts from the other end.** What was told backward a dozen times is missed in
#   about half of the questions, and of what was told in one direction only, nothing
#   is known in the other.
# - **Proof of rules.** On text as regular as the village's, tables of counts pass
#   our minimal pairs. A test that tells rules from counts would need sentences in
#   which words stand where no page has them, and a judge who can say that they are
#   right.
# - **Induction.** This model does not learn from a pattern in its prompt, because
#   its text has none to learn from. Models that read the whole internet do.
# - **Most heads have no name.** We tested six ideas. That a head fits none of
#   them does not mean that it does nothing; see what breaks without it.

# %% [markdown]
# ## Summary
#
# - Ask about one thing at a time; compare with chance and with something simpler;
#   give the interval.
# - Facts are known in the direction in which they were read. Look at one curve for
#   each kind of question: pooled, they can tell a story that is in neither.
# - A head does what its text has paid for. To look is not to act: take it out.
# - The logit lens reads every layer as if it were the last. A map in two
#   dimensions flatters; measure in all of them.
# - By heart or understood is a matter of comparison: with unread pages, and with
#   what the source itself repeats.
#
# ### Three questions
#
# **1. A model is right in 19 of 20 pairs. May you say that it masters the rule?**
#
# <details><summary>Yes, 95 % is a good mark.</summary>
# With 20 pairs the interval reaches from about three quarters to nearly
# one.</details>
# <details><summary>Not yet: more pairs, and pairs with words it never read
# together.</summary>
# Right. The interval is wide, and what was read before proves no rule. And let a
# table of counts take the test, too.</details>
#
# **2. A head gives nearly all its attention to the first token of every text.
# What do you conclude?**
#
# <details><summary>The first token is important for it.</summary>
# Perhaps. Attention must sum to one, so it has to go somewhere.</details>
# <details><summary>Nothing yet: take the head out and see what breaks.</summary>
# Right. It may just be parked there, with nothing to look for.</details>
#
# **3. "The author of *Waves* is Ann Lee" was in the training text a thousand
# times. Which question may fail?**
#
# <details><summary>"The author of Waves is …"</summary>
# That is what it read, word for word.</details>
# <details><summary>"Ann Lee wrote the book …"</summary>
# Right, unless the text told it in this direction as well.</details>
#
# ### Where to go from here
#
# **Exercise:** take out two heads at once, `damage([mover, control],
# known_name)`. Is the damage the sum of both? **Next:** the model knows a lot and
# does not answer. [7 · Instruction tuning](07_instruction_tuning.ipynb) teaches
# it that.
#
# **Read on:** Warstadt et al. 2020, *BLiMP: the benchmark of linguistic minimal pairs
# for English*; Olsson et al. 2022, *In-context learning and induction heads*;
# Berglund et al. 2023, *The reversal curse*.
