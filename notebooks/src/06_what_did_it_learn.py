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
import math
import random
from collections import Counter, defaultdict
from inspect import getsource
from statistics import mean, median

import torch

from llmlab import (
    desk,
    interpretation,
    life,
    optimisers,
    plots,
    pretraining,
    training,
    village,
)
from llmlab.batching import next_token_batch, pad_sequences
from llmlab.claims import about, claim, shown
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

# %%
course = life.course()
base = course.load("base").requires_grad_(False)
tokenizer = course.tokenizer

# %% [markdown]
# What a model knows depends on what it read. The village makes its documents from
# a seed, and the order of training is fixed by another, so we can have the very
# same documents again, and how often each of them was read.

# %% tags=["folded"]
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
# can be put to a model that does not answer yet. One pair for each *phenomenon*
# (each kind of thing that can be spoilt), the words around the spot; the right
# sentences are from documents that the model never read:

# %% tags=["folded"]
def spots(pair, before=1, after=1):
    """Of both sentences: what is exchanged, with some words on either side."""
    good, bad = pair.good.split(), pair.bad.split()
    differ = [n for n, word in enumerate(good) if word != bad[n]]
    part = slice(max(0, differ[0] - before), differ[-1] + 1 + after)
    return " ".join(good[part]), " ".join(bad[part])


# %%
pairs = village.probes(seed=0, pairs_each=60).minimal_pairs
for pair in {pair.phenomenon: pair for pair in pairs}.values():
    good, bad = spots(pair, before=9, after=3)
    print(f"{pair.phenomenon}\n   good: {good}\n   bad:  {bad}")

# %% [markdown]
# A coin would be right in half of the pairs. A share of some pairs is an estimate of
# the share of all; in brackets stands its *interval*: a rule that draws such brackets
# catches the share of all 95 times in 100 (Wilson 1927). Few pairs, wide brackets.

# %% tags=["folded"]
phenomena = (
    "a or an",
    "verb agreement",
    "gender of the possessive",
    "place of the negation",
    "case of the pronoun",
)
desk.predict(
    "06/hardest",
    "Which of these will the model get wrong most often?",
    options=[*phenomena, "another one"],
)
desk.predict(
    "06/her",
    "What does one need to know for “her” in “Ivy … on her apron” that one "
    "does not need for “a” in “a dry cart”?",
)


# %% tags=["folded"]
def pooled(shares):
    """All the shares together."""
    counts = [(share.successes, share.trials) for share in shares]
    return Share(*map(sum, zip(*counts, strict=True)))


def estimate(share):
    """In percent, with its interval."""
    rate, low, high = (about(100 * x) for x in (share.rate, *share.interval))
    return f"{rate} % [{low}, {high}] of {shown(share.trials)}"


def with_intervals(shares):
    """As a picture of shares wants them."""
    return {name: (s.rate, *s.interval) for name, s in shares.items()}


def apart(one, other):
    """Whether two intervals do not touch."""
    (a, b), (c, d) = one.interval, other.interval
    return b < c or d < a


# %%
shares = minimal_pairs(base, tokenizer, pairs)
together = pooled(shares.values())
print("all pairs:", estimate(together))
plots.share_intervals(with_intervals(shares), chance=0.5)

# %%
claim(
    "Of all pairs the model prefers the right sentence in 95 % or more",
    together.rate >= 0.95,
    measured=100 * together.rate,
    unit="%",
)

# %% tags=["folded"]
hardest = min(shares, key=lambda name: shares[name].rate)
no_easier = not apart(shares["a or an"], shares["gender of the pronoun"])
desk.answer(
    "06/hardest",
    hardest if hardest in phenomena else "another one",
    ("" if hardest in phenomena else f"It is {hardest}. ")
    + f"There {estimate(shares[hardest])} are right. Most rules are "
    "settled by the word next door, and those are easy.",
)
desk.answer(
    "06/her",
    "The name decides, and it stands farther back; and of every name one must "
    "know whether it is a man's or a woman's. For “a” the next word is enough. "
    "But mind that a token does not show its letters: of every word the model "
    "had to learn how it begins. "
    + (
        "So “a or an” is no easier than “he or she”: their intervals overlap."
        if no_easier
        else "Here “a or an” and “he or she” are told apart by their intervals."
    ),
)

# %% [markdown]
# Is this knowledge of rules, or has it just seen the words together before? Take
# only those pairs in which the spot with the mistake, with a word on either side,
# is nowhere in what the model read:

# %%
everything_read = "\n".join(read_texts)
new_pairs = [pair for pair in pairs if spots(pair)[0] not in everything_read]
for pair in new_pairs[::20]:
    print(f"{spots(pair)[0]:30} {pair.phenomenon}")
never_read = pooled(minimal_pairs(base, tokenizer, new_pairs).values())
print("\npairs of which it never read the spot:", estimate(never_read))

# %%
claim(
    "It is right in 85 % or more of the pairs of which it never read the spot",
    never_read.rate >= 0.85,
    measured=100 * never_read.rate,
    unit="%",
)

# %% [markdown]
# That looks like proof. It is not, yet. **A good mark means little until something
# simpler has taken the same test.** So let two tables of counts take it, which know
# nothing but how often tokens followed each other on the pages that the model read:
# one looks two tokens back (the trigram model of chapter 5), one looks four back.

# %%
desk.predict(
    "06/two",
    "Of a hundred pairs, in how many will the table that looks two tokens back "
    "prefer the right sentence?",
    unit="%",
)
desk.predict(
    "06/four",
    "And the table that looks four tokens back?",
    unit="%",
)


# %%
def counter_is_right(counted, pair):
    """Whether a table of counts finds the right sentence more probable."""
    good, bad = (
        counted.log_probs([tokenizer.bos_id, *tokenizer.encode(text)]).sum()
        for text in (pair.good, pair.bad)
    )
    return bool(good > bad)


# %% tags=["folded"]
beyond = {}  # the pairs in which counting fails
counting = {}
for back in (2, 4):
    counted = NgramModel(tokenizer.vocab_size, back + 1).fit(sequences)
    for name, tested in (("all pairs", pairs), ("new spots", new_pairs)):
        rest = [pair for pair in tested if not counter_is_right(counted, pair)]
        beyond.setdefault(back, rest)  # of all pairs, which come first
        counting[back, name] = Share(len(tested) - len(rest), len(tested))
        print(f"{back} tokens back, {name}: {estimate(counting[back, name])}")

# %% tags=["folded"]
two, four = (counting[back, "all pairs"] for back in (2, 4))
desk.answer(
    "06/two",
    100 * two.rate,
    f"The model has {about(100 * together.rate)}. Two tokens back already "
    "settle nearly everything that it settles."
    if two.rate > together.rate - 0.05
    else f"The model has {about(100 * together.rate)}, clearly more.",
    within=5,
)
desk.answer(
    "06/four",
    100 * four.rate,
    f"Counting does {'better' if four.rate > together.rate else 'no better'} "
    f"than the model ({about(100 * together.rate)}), and of the pairs with a "
    f"new spot it gets {about(100 * counting[4, 'new spots'].rate)} % right. "
    "Our test asked for less than we thought.",
    within=5,
)

# %% [markdown]
# The village builds its sentences from few patterns, so what decides is nearly always
# close by. A spot can be new for a neighbour that does not matter.
#
# What is left are the pairs in which two tokens back do not suffice. There the table
# is wrong in all of them, by choice, and a coin would be right in half.

# %%
desk.predict(
    "06/farther",
    "In how many of a hundred such pairs will the model be right?",
    unit="%",
)

# %%
farther = pooled(minimal_pairs(base, tokenizer, beyond[2]).values())
print("the model, where two tokens back fail:", estimate(farther))
for kind, count in Counter(p.phenomenon for p in beyond[2]).most_common():
    print(f"  {count} of {kind}")

# %%
desk.answer(
    "06/farther",
    100 * farther.rate,
    "It looks farther back than the table, and uses what it finds there.",
    within=10,
)
claim(
    "There the model is right more often than a coin, its whole interval above "
    "one half",
    farther.interval[0] > 0.5,
    measured=estimate(farther),
)

# %% [markdown]
# That much is shown. That it has *rules*, where a table of all pages has counts, these
# pairs cannot show. Section 8 asks again, in another way.

# %% [markdown]
# ## 2 · Fixed phrases
#
# The opposite of a rule is an idiom. Nothing in *spill* and *beans* says that it
# is about secrets: it has to be learned by heart, as children do. Each idiom is
# cut before its last word, and four endings are offered, so that chance is one in
# four; the same with meanings and with proverbs.

# %%
probes = village.probes(seed=0).completions
FIXED = ("idiom", "meaning", "proverb")
phrases = [probe for probe in probes if probe.kind in FIXED]
known = completions(base, tokenizer, phrases)
for kind, share in known.items():
    print(f"{kind:8} {estimate(share)}")

# %%
for kind, share in known.items():
    claim(
        f"Of every hundred {kind}s it knows 95 or more",
        share.rate >= 0.95,
        measured=100 * share.rate,
    )

# %% [markdown]
# Choosing is easier than telling. So let it explain freely: after *To spill the
# beans means to* it writes what it finds the likeliest, token by token (`top_k=1`
# keeps the first choice only, so nothing is left to the dice).

# %%
desk.predict(
    "06/explained",
    "How many of the 60 meanings will come out word for word?",
    unit="",
)

# %%
asked = [p for p in phrases if p.kind == "meaning"]
written = generate(
    base,
    [[tokenizer.bos_id, *tokenizer.encode(p.prefix)] for p in asked],
    max_new_tokens=14,
    top_k=1,
)
explained = [tokenizer.decode(ids) for ids in written.sequences()]
exact = [
    text.startswith(probe.answer)
    for probe, text in zip(asked, explained, strict=True)
]
word_for_word = Share(sum(exact), len(exact))
print("explained word for word:", estimate(word_for_word))

# %% tags=["folded"]
told = [
    f"{probe.prefix} …{text.partition(':')[0].partition('.')[0]}"
    for probe, text in zip(asked, explained, strict=True)
]
for sentence in told[::15]:
    print(sentence)
failed = [text for text, right in zip(told, exact, strict=True) if not right]
print("\nnot as in the village:", *failed, sep="\n")
desk.answer(
    "06/explained",
    float(sum(exact)),
    ("A good memory" if word_for_word.rate >= 0.9 else "A poor memory")
    + (", with a gap here and there." if failed else ", without a gap.")
    + " Whether it understands an idiom is another question, which this test "
    "does not answer.",
    within=5,
)
claim(
    "It explains eight of ten idioms or more, word for word",
    word_for_word.rate >= 0.8,
    measured=100 * word_for_word.rate,
    unit="%",
)

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

# %% tags=["folded"]
WAYS = (village.FORWARD, village.BACKWARD)
for name in ("Viktor", "lantern"):
    for fact in village.every_fact():
        if fact.subject == name:
            counts = ", ".join(f"{readings[fact, way]} {way}" for way in WAYS)
            print(f"{name}, {fact.kind}: {fact.value} ({counts})")

# %% [markdown]
# Now the questions: sentences from unread pages, cut before the end, with four
# endings of the same kind, so that chance is a quarter. Each question belongs to one
# direction, and to the number of times that its fact was read *in that direction*.

# %%
questions = village.questions_about_facts(seed=0, facts=village.every_fact())
_, example = questions[0]
print(f"{example.prefix} …{example.answer}")
print(" or", *example.distractors)

# %% tags=["folded"]
AXES = desk.Axes("times read", (0, 250), "share that is known", (0, 1))
desk.predict(
    "06/forward",
    "Asked forward: draw the share of facts that it knows, by how often they "
    "were read.",
    curve=AXES,
)
desk.predict(
    "06/backward",
    "And asked backward?",
    curve=AXES,
)


# %% tags=["folded"]
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
steps = {
    0: "0 to 24 times",
    25: "25 to 49 times",
    50: "50 to 99 times",
    100: "100 times or more",
}
outcomes = defaultdict(list)  # (way, step) to (times read, whether it is known)
for (fact, question), is_right in zip(questions, right, strict=True):
    way = direction(question)
    times = readings[fact, way]
    outcomes[way, max(step for step in steps if step <= times)].append(
        (times, is_right)
    )

# %%
recall = {
    (way, step): Share(sum(right for _, right in rows), len(rows))
    for way in WAYS
    for step in steps
    if (rows := outcomes[way, step])
}
plots.share_intervals(
    with_intervals({f"{w}, {steps[s]}": r for (w, s), r in recall.items()}),
    chance=0.25,
    x_label="share of facts recalled, with its 95 % interval",
)


# %% tags=["folded"]
def curve(way):
    """Mean readings and share known, where there are ten questions or more."""
    many = [rows for (w, _), rows in outcomes.items() if w == way]
    points = sorted(
        (
            mean(times for times, _ in rows),
            mean(float(right) for _, right in rows),
        )
        for rows in many
        if len(rows) >= 10
    )
    return [x for x, _ in points], [y for _, y in points]


def readings_of(known):
    """Backward: how often the facts were read that it knows, or does not."""
    rows = [row for step in steps for row in outcomes[village.BACKWARD, step]]
    return [times for times, is_right in rows if is_right == known]


seldom = {way: recall[way, 0].rate for way in WAYS}
desk.answer(
    "06/forward",
    curve(village.FORWARD),
    "Asked as it is mostly told, a fact that was read less than 25 times is "
    f"known in {about(100 * seldom[village.FORWARD])} of 100 cases; on average "
    f"such facts were read {about(curve(village.FORWARD)[0][0], 2)} times.",
)
desk.answer(
    "06/backward",
    curve(village.BACKWARD),
    "Asked from the other end: "
    + ", ".join(
        f"read {about(times, 2)} times, known in {about(100 * share, 2)} of 100"
        for times, share in zip(*curve(village.BACKWARD), strict=True)
    )
    + ". Counted are the readings in that direction.",
)

# %% [markdown]
# The kinds of fact differ from row to row, so a part of the rise may be theirs. Had we
# thrown both directions into one curve, we should have seen a rise that is mostly the
# change from backward to forward: what is read often is read forward.
#
# A larger model needs fewer readings, and that is a good part of what size buys:
# Kandpal et al. 2023 find such curves for facts of the real world, in models of up
# to 176 billion weights.

# %% tags=["folded"]
often = pooled(share for (_, step), share in recall.items() if step == 100)
claim(
    "Of the facts read 100 times or more it recalls 90 % or more",
    often.rate >= 0.9,
    measured=100 * often.rate,
    unit="%",
)
claim(
    "Forward, of the facts read less than 25 times it recalls 75 % or more",
    seldom[village.FORWARD] >= 0.75,
    measured=100 * seldom[village.FORWARD],
    unit="%",
)
known_times, missed_times = map(readings_of, (True, False))
claim(
    "Backward, the facts that it knows were read more often (in the middle of "
    "each list) than those that it misses",
    median(known_times) > median(missed_times or [0]),
    measured=f"{about(median(known_times))} times and "
    + about(median(missed_times or [0])),
)

# %% [markdown]
# ### The other way round
#
# Who knows that *Viktor lives at the boathouse* knows of somebody who lives at the
# boathouse. Does the model? Take the facts that were read at least four times as often
# forward as backward, and that can be asked both ways.

# %%
desk.predict(
    "06/round",
    "Asked forward it knows nearly all of these. Of a hundred, how many does "
    "it know when the same facts are asked backward?",
    unit="%",
)

# %% tags=["folded"]
both_ways = defaultdict(dict)
for (fact, question), is_right in zip(questions, right, strict=True):
    both_ways[fact][direction(question)] = is_right
one_sided = [
    fact
    for fact, answers in both_ways.items()
    if len(answers) == 2
    and readings[fact, village.FORWARD] >= 4 * readings[fact, village.BACKWARD]
]
kinds = Counter(fact.kind for fact in one_sided)
print(", ".join(f"{count} of {kind}" for kind, count in kinds.items()))

# %%
recalled = {}
for way in WAYS:
    wins = sum(both_ways[fact][way] for fact in one_sided)
    recalled[way] = Share(wins, len(one_sided))
    times = mean(readings[fact, way] for fact in one_sided)
    print(f"{way:8} read {times:4.0f} times each: {estimate(recalled[way])}")

# %% tags=["folded"]
only = {  # known when asked this way, and not the other way
    way: sum(both_ways[f][way] and not both_ways[f][other] for f in one_sided)
    for way, other in (WAYS, WAYS[::-1])
}
desk.answer(
    "06/round",
    100 * recalled[village.BACKWARD].rate,
    "The very same facts, asked forward: "
    f"{about(100 * recalled[village.FORWARD].rate)}. "
    + (
        "What was read in one direction is known in that direction."
        if apart(*recalled.values())
        else "The two cannot be told apart."
    ),
    within=10,
)
claim(
    "Of the facts that it knows from one side only, nine of ten or more it "
    "knows forward",
    only[village.FORWARD] >= 9 * only[village.BACKWARD],
    measured=f"{about(only[village.FORWARD])} forward only, "
    f"{about(only[village.BACKWARD])} backward only",
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

# %% tags=["folded"]
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
# one is never among them: it would do *worse* than chance.)

# %%
desk.predict(
    "06/told",
    "Asked in the wording in which they were told: how many of a hundred new "
    "facts will the pupil know?",
    unit="%",
)
desk.predict("06/reversed", "And asked the other way round?", unit="%")

# %% tags=["folded"]
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

# %%
grades = completions(pupil, tokenizer, exam)
for asked, share in grades.items():
    print(f"{asked:19} {estimate(share)}")

# %% tags=["folded"]
as_told, reversed_ = grades["as it was told"], grades["the other way round"]
desk.answer(
    "06/told",
    100 * as_told.rate,
    "Eighty steps are enough to learn thirty sentences by heart.",
    within=10,
)
desk.answer(
    "06/reversed",
    100 * reversed_.rate,
    "Chance alone gives 100/15 = 6.7. "
    + (
        "What it learned in one direction it cannot be asked for in the other."
        if reversed_.rate < 0.2
        else "Some of it can be asked for from the other end."
    ),
    within=10,
)
claim(
    "Asked as they were told, nine of ten new facts or more are known",
    as_told.rate >= 0.9,
    measured=100 * as_told.rate,
    unit="%",
)
claim(
    "Asked as they were told, at least three times as many are known as asked "
    "the other way round",
    as_told.rate >= 3 * reversed_.rate,
    measured=f"{about(as_told.successes)} and {about(reversed_.successes)}",
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
# Surprise is counted in *nats*: minus the logarithm of the probability that the token
# got. Who knows nothing at all gives each of 512 tokens 1/512, and is surprised by
# ln 512 = 6.24 nats every time; who is sure and right, by nothing.

# %%
desk.predict(
    "06/first",
    "How surprised is our base model by the tokens of the first half?",
    unit="nats a token",
)
desk.predict(
    "06/second",
    "And by those of the second half?",
    unit="nats a token",
)


# %% tags=["folded"]
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


def mean_surprise(model, texts, asked):
    """In nats, at the tokens that are asked for."""
    log_probs = sequence_log_probs(model, texts, asked)
    return -float(log_probs.sum()) / sum(map(sum, asked))


# %%
generator = torch.Generator().manual_seed(0)
ordinary = range(len(tokenizer.SPECIAL_TOKENS), tokenizer.vocab_size)
texts, second_half = repeats(
    50, generator, vocabulary=ordinary, shortest=33, longest=33
)
first_half = [[False] + [not late for late in row[1:]] for row in second_half]
first = mean_surprise(base, texts, first_half)
second = mean_surprise(base, texts, second_half)
print(f"first half:  {about(first)} nats a token")
print(f"second half: {about(second)} nats a token")

# %% tags=["folded"]
gain = first - second
desk.answer(
    "06/first",
    first,
    "More than the ln 512 = 6.24 nats of somebody who knows nothing: the model "
    "bets on words of the village, and on random tokens it loses its bets."
    if first > 6.24
    else "About what somebody pays who knows nothing, ln 512 = 6.24 nats.",
)
desk.answer(
    "06/second",
    second,
    f"That is {about(abs(gain), 2)} nats "
    f"{'less' if gain > 0 else 'more'} than in the first half. "
    + (
        "It has just seen the very same tokens and makes nothing of it: this "
        "model has no induction head."
        if gain < 1
        else "It does look back."
    ),
)
claim(
    "In the first half the base model is more surprised than one that knows "
    "nothing, for it bets",
    first > math.log(512),
    measured=first,
    unit="nats",
)

# %% [markdown]
# Why does a model get such a head, or not? Think of what it was paid for. The village
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

# %%
desk.predict(
    "06/three",
    "Which of the three will manage?",
    options=[
        "none of them",
        "only the two layers",
        "only the one layer with the shift",
        "the two layers, and the one layer with the shift",
        "all three",
        "the one layer without the shift, and one other",
    ],
)


# %% tags=["folded"]
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


# %%
finders = {
    "one layer": pattern_finder(1, token_shift=False),
    "two layers": pattern_finder(2, token_shift=False),
    "one layer and the shift": pattern_finder(1, token_shift=True),
}
generator = torch.Generator().manual_seed(1)
fresh, asked = repeats(
    50, generator, vocabulary=range(32), shortest=18, longest=18
)
surprise = {name: mean_surprise(m, fresh, asked) for name, m in finders.items()}
for name, nats in surprise.items():
    print(f"{name:24} {about(nats, 2)} nats a token in the second half")

# %% tags=["folded"]
manage = [surprise[name] < 1 for name in finders]
desk.answer(
    "06/three",
    {
        (False, False, False): "none of them",
        (False, True, False): "only the two layers",
        (False, False, True): "only the one layer with the shift",
        (False, True, True): "the two layers, and the one layer with the shift",
        (True, True, True): "all three",
    }.get(tuple(manage), "the one layer without the shift, and one other"),
    "Who knows nothing pays ln 32 = 3.47 nats. Two layers can look twice, and "
    "the shift brings the token before along, so that one look is enough.",
)
best_pair = max(surprise["two layers"], surprise["one layer and the shift"])
claim(
    "Two layers, or one with the shift, end below 0.3 nats",
    best_pair < 0.3,
    measured=best_pair,
    unit="nats",
)
claim(
    "One layer without the shift is left with at least three times that",
    surprise["one layer"] >= 3 * best_pair,
    measured=surprise["one layer"],
    unit="nats",
)

# %% [markdown]
# Now look at where their heads look. Each number is the share of its attention
# that a head gives to what the title says, in the rows where there is such a
# thing. *Chance* is the share that a head would give that looks at everything alike.

# %% tags=["folded"]
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


# %%
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
shifted, chances = looks(
    finders["one layer and the shift"], tokens, segment_ids, PATTERN
)
plots.head_grids(shifted, chances)

# %% tags=["folded"]
by_depth = scores["after the same token"].max(dim=1).values.tolist()
claim(
    "In two layers a head of the second gives more than 0.3 of its attention "
    "to the place that is wanted",
    by_depth[1] > 0.3,
    measured=by_depth[1],
)
claim(
    "No head of the first gives half as much",
    by_depth[0] < by_depth[1] / 2,
    measured=by_depth[0],
)
of_one_layer = shifted["after the same token"].max().item()
claim(
    "With the shift a head of the only layer gives more than 0.3",
    of_one_layer > 0.3,
    measured=of_one_layer,
)

# %% [markdown]
# To look is not to act. Do these heads *do* the work? Take out the one that looks
# best, in each of the two models, and ask again. To take a part out in order to see
# what it did is called an *ablation*. And for comparison: does any head of the base
# model look there, when it reads its own random tokens twice?

# %%
desk.predict(
    "06/broken",
    "The best head is taken out of the model of two layers. How surprised will "
    "it be then? (Who knows nothing pays ln 32 = 3.47 nats.)",
    unit="nats a token",
)
desk.predict(
    "06/base",
    "Will some head of the base model give a tenth of its attention to the "
    "place that is wanted?",
    options=["yes", "no"],
)

# %%
broken = {}
for name in ("two layers", "one layer and the shift"):
    finder = finders[name]
    looking, _ = looks(finder, tokens, segment_ids, PATTERN)
    best = divmod(int(looking["after the same token"].argmax()), 2)
    with interpretation.without_heads(finder, [best]):
        broken[name] = mean_surprise(finder, fresh, asked)
    print(f"{name}: {about(surprise[name], 2)} → {about(broken[name])} nats")

# %% tags=["folded"]
in_base, _ = looks(base, *pad_sequences(texts), PATTERN)
best_of_base = in_base["after the same token"].max().item()
desk.answer(
    "06/broken",
    broken["two layers"],
    f"With the head it was {about(surprise['two layers'], 2)}: "
    + (
        "the head does most of the work that it seems to do."
        if broken["two layers"] - surprise["two layers"] > 1
        else "others can do some of its work."
    ),
)
desk.answer(
    "06/base",
    "yes" if best_of_base >= 0.1 else "no",
    "The most that a head of the base model gives is "
    f"{about(best_of_base, 2)}. A head learns what its text pays for.",
)
for name, nats in broken.items():
    claim(
        f"Without its best head, {name}: the surprise rises by 0.5 nats or "
        "more",
        nats - surprise[name] >= 0.5,
        measured=nats - surprise[name],
        unit="nats",
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
# See for yourself first. This letter is about to name its reader again. Head 1.3 (layer
# 1, head 3, both counted from 0) and the last token are chosen; take others, and
# **type a text of your own**: where does a head look just before a name?

# %% tags=["folded"]
import torch

from llmlab import interpretation, life
from llmlab.widgets import AttentionViewer

course = life.course()
tokenizer, base = course.tokenizer, course.load("base").requires_grad_(False)


def where_it_looks(text):
    """The tokens of a text, and where each looks, in every head."""
    ids = [tokenizer.bos_id, *tokenizer.encode(text)]
    weights = interpretation.attention_weights(base, torch.tensor([ids]))
    return [tokenizer.token_text(token) for token in ids], weights[:, 0]


text = "Dear Silas, I sit at the boathouse and think of you,"
AttentionViewer(*where_it_looks(text), layer=1, head=3, ask=where_it_looks)

# %% [markdown]
# One text is an anecdote, so here are eighty unread documents. A head that looked at
# everything alike would get the share called chance.

# %% tags=["folded"]
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
    patterns.pop("what comes next") & name_comes_next[:, :, None]
)

# %%
scores, chances = compared(weights, patterns, segment_ids)
plots.head_grids(scores, chances)

# %% [markdown]
# Most heads look at a bit of everything, not far from chance. The last grid is
# another matter:

# %% tags=["folded"]
movers = scores["the name that comes next"]
most = movers.max().item()
by_chance = chances["the name that comes next"]
claim(
    "Some head gives a third of its attention or more to the name to come",
    most > 1 / 3,
    measured=most,
)
claim(
    "That is more than five times what chance would give",
    most > 5 * by_chance,
    measured=most / by_chance,
    unit="times",
)

# %% [markdown]
# It looks as if such a head fetches the name. Again the test is to take it out.
# With `without_heads` a head gathers nothing, and all the rest goes on as before.
# If it fetches names, then names must suffer, and other words much less. For
# comparison we take out another one, the head that looks at the name *least*.

# %%
desk.predict(
    "06/least",
    "The head that looks at the name least is taken out. What will suffer?",
    options=[
        "nothing that can be measured",
        "other words more than names",
        "names and other words alike",
        "names more than other words",
    ],
)


# %% tags=["folded"]
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


# %%
def damage(heads, where):
    """What is lost without some heads, in nats a token; its 95 % interval."""
    with interpretation.without_heads(base, heads):
        loss = (surprises(base) - healthy) * where
    mean, error = ratio_of_means(loss.sum(dim=1), where.sum(dim=1))
    return mean, mean - 1.96 * error, mean + 1.96 * error


# %% tags=["folded"]
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
without_mover = at_names[mover], damage([mover], other_words)
without_control = at_names[control], damage([control], other_words)


# %% tags=["folded"]
def lost(result):
    """The damage in nats, with its interval."""
    mean, low, high = (about(number, 2) for number in result)
    return f"{mean} [{low}, {high}]"


for name, results in (
    ("the name mover", without_mover),
    ("the head that looks least", without_control),
):
    for kind, result in zip(("names", "other words"), results, strict=True):
        print(f"without {name}, {kind}: {lost(result)} nats a token")

# %% tags=["folded"]
(names, names_low, names_high), (others, others_low, others_high) = (
    without_control
)
if names_low > others_high:
    suffers = "names more than other words"
elif others_low > names_high:
    suffers = "other words more than names"
elif names_low > 0 or others_low > 0:
    suffers = "names and other words alike"
else:
    suffers = "nothing that can be measured"
desk.answer(
    "06/least",
    suffers,
    f"Names lose {about(names, 2)} nats, other words {about(others, 2)}. "
    + (
        "Heads build on what others have gathered, so that also a head matters "
        "that does not look at what is at stake."
        if names_low > 0
        else "This head is not needed where names come next."
    ),
)
claim(
    "Without the name mover names are more surprising, the whole interval "
    "above zero",
    without_mover[0][1] > 0,
    measured=f"{lost(without_mover[0])} nats",
)
claim(
    "The damage at other words is less than half of that",
    without_mover[1][2] < without_mover[0][1] / 2,
    measured=f"{lost(without_mover[1])} nats",
)

# %% [markdown]
# That is evidence of a cause and not only a picture: take the name mover out, and
# names suffer, and little else. The other head is instructive too. Neither sign is
# enough alone: whoever looks at an attention map and tells a story has only half of
# it; the other half is what breaks.
#
# Break it yourself. Below stands what the whole model would say after each token of a
# text, and what it would say without each of its heads: dark where it is sure, framed
# where it is what comes. (Of a long text the last six tokens.) A letter of the
# village names its reader again; see which head must not be missing.
# **Type a text of your own.** Which choices change?

# %% tags=["folded"]
import torch

from llmlab import interpretation, life, plots
from llmlab.widgets import YourText

course = life.course()
tokenizer, base = course.tokenizer, course.load("base").requires_grad_(False)


def without_each_head(text, most=6):
    """First choices after the last tokens of a text, head by head taken out."""
    ids = torch.tensor([[tokenizer.bos_id, *tokenizer.encode(text)]])
    if ids.shape[1] < 2:
        raise ValueError("write a word or more")
    answers = {"the whole model": base(ids)[0]}
    for layer in range(base.config.layers):
        for head in range(base.config.heads):
            with interpretation.without_heads(base, [(layer, head)]):
                answers[f"without {layer}.{head}"] = base(ids)[0]
    names = [tokenizer.token_text(token) for token in ids[0].tolist()]
    guesses = []
    for logits in answers.values():
        sure, choices = logits[:-1].softmax(dim=-1).max(dim=-1)
        guesses.append(
            [
                (tokenizer.token_text(token), share)
                for token, share in zip(
                    choices.tolist(), sure.tolist(), strict=True
                )
            ][-most:]
        )
    whole = [token for token, _ in guesses[0]]
    changed = {
        name: sum(a != b for a, (b, _) in zip(whole, row, strict=True))
        for name, row in zip(answers, guesses, strict=True)
    }
    worst = max(changed, key=changed.get)
    return plots.logit_lens_grid(
        list(answers), names[:-1][-most:], guesses, names[1:][-most:]
    ).told(
        "the first choice of the model after each token, whole and without "
        "each "
        "of its heads. " + (
            f"Most choices change {worst}." if changed[worst]
            else "No choice changes."
        )
    )


text = "Dear Silas, I sit at the boathouse and think of you, Silas"
YourText(without_each_head, text)

# %% [markdown]
# ## 6 · What each layer would say
#
# Every block adds something to one vector per token. These vectors, which pass
# through the model and are only ever added to, are called its *residual stream*. At
# the end each is read out: normalised, and compared with every token of the output
# table, which gives each token a score, its *logit*. Nothing keeps us from reading out
# *earlier*. That is the **logit lens** (nostalgebraist 2020):

# %%
print(getsource(interpretation.logit_lens))

# %% [markdown]
# In the village the sentence of the fox stands under a header such as *Zeno tries a
# new pen at the beach on Tuesday*. We put it there and look at the sentence alone.
# Each cell is the first choice of a layer after the token below it, dark where it is
# sure. A frame says that this is what comes.

# %%
desk.predict(
    "06/lazy",
    "After “The quick brown fox jumps over the”: from which layer on is “lazy” "
    "the first choice?",
    options=[
        "embedding",
        "after block 0",
        "after block 1",
        "after block 2",
        "none",
    ],
)
desk.predict(
    "06/dog",
    "After “over the lazy”: from which layer on does the fox find its “dog”?",
    options=[
        "embedding",
        "after block 0",
        "after block 1",
        "after block 2",
        "none",
    ],
)

# %% tags=["folded"]
import torch

from llmlab import interpretation, life, plots
from llmlab.widgets import YourText

course = life.course()
tokenizer, base = course.tokenizer, course.load("base").requires_grad_(False)
layer_names = ["embedding"]
layer_names += [f"after block {number}" for number in range(base.config.layers)]
HEADER = "Zeno tries a new pen at the beach on Tuesday:\n"
pangram = "The quick brown fox jumps over the lazy dog."


def read_early(text):
    """The ids of a text and what every layer would say after each of them."""
    header = HEADER if text == pangram else ""
    before = [tokenizer.bos_id, *tokenizer.encode(header)]
    ids = torch.tensor([[*before, *tokenizer.encode(text)]])
    if ids.shape[1] < len(before) + 2:
        raise ValueError("write two words or more")
    lens = interpretation.logit_lens(base, ids)
    return ids[0, len(before) :].tolist(), lens[:, 0, len(before) :]


def lens_of(text, most=11):
    """The first choices of every layer after the last tokens of a text."""
    ids, lens = read_early(text)
    names = [tokenizer.token_text(token) for token in ids]
    sure, choices = lens[:, :-1].softmax(dim=-1).max(dim=-1)
    guesses = [
        [
            (tokenizer.token_text(token), share)
            for token, share in zip(*row, strict=True)
        ][-most:]
        for row in zip(choices.tolist(), sure.tolist(), strict=True)
    ]
    return plots.logit_lens_grid(
        layer_names, names[:-1][-most:], guesses, names[1:][-most:]
    )


YourText(lens_of, pangram)

# %% tags=["folded"]
ids, lens = read_early(pangram)
found = {}
for word in ("lazy", "dog"):
    (wanted,) = tokenizer.encode(" " + word)
    choices = lens[:, ids.index(wanted) - 1].argmax(dim=-1).tolist()
    wrong = [n for n, choice in enumerate(choices) if choice != wanted]
    from_here = max(wrong, default=-1) + 1  # no layer from here on is wrong
    found[word] = [*layer_names, "none"][from_here]
desk.answer(
    "06/lazy",
    found["lazy"],
    "“The” may stand before anything: a block has to look back to the fox.",
)
desk.answer(
    "06/dog",
    found["dog"],
    "What the last token settles alone may be there from the start: in this "
    "village a dog follows “lazy”. A layer can also be sure and wrong.",
)
whole = torch.tensor([[tokenizer.bos_id, *tokenizer.encode(HEADER + pangram)]])
last = interpretation.logit_lens(base, whole)[-1]
differing = int((last != base(whole)).sum())
claim(
    "What the last layer says is what the model says, to the bit",
    differing == 0,
    measured=differing,
    unit="numbers differ",
)

# %% [markdown]
# **Type a sentence of your own** into the lens. It stands there without a header, and
# of a long one you see the last eleven tokens. Where is a layer sure and wrong?
#
# One sentence is an anecdote, so here are all the unread pages:

# %%
stream = interpretation.residual_stream(base, tokens, segment_ids=segment_ids)
by_layer = []
for state in stream:
    log_probs = base.logits(base.final_norm(state)).log_softmax(dim=-1)
    following = tokens.roll(-1, dims=1)[:, :, None]
    nats = -log_probs.gather(-1, following)[:, :, 0] * has_next
    by_layer.append(ratio_of_means(nats.sum(dim=1), has_next.sum(dim=1)))

# %% tags=["folded"]
for name, (nats, error) in zip(layer_names, by_layer, strict=True):
    print(f"{name:14} {about(nats)} nats a token (± {about(1.96 * error, 2)})")
by_last = by_layer[-2][0] - by_layer[-1][0]
claim(
    "The last block takes off more than 1 nat",
    by_last > 1,
    measured=by_last,
    unit="nats",
)

# %% [markdown]
# Do not read too much into the upper rows. A middle layer writes for the layers
# after it, and not for the output table. That the lens sees nothing there does
# not mean that nothing is there. (Belrose et al. 2023 learn a translation for
# each layer and see more.)

# %% [markdown]
# ## 7 · A map of words
#
# Every token has a vector, its *embedding*, and nobody told the model which tokens are
# names. Yet names come in the same places, so their vectors were pushed in the same
# directions. We take words of six kinds and look at their vectors from the side
# that shows the most. Its two axes are the *principal components*: the directions in
# which the cloud of points is longest.

# %% tags=["folded"]
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

# %%
places = [tokenizer.encode(" " + word)[0] for word in words]
vectors = base.embedding.weight[places]
coordinates, kept = interpretation.principal_components(vectors)
plots.embedding_map(words, kinds, coordinates.tolist(), shares=kept.tolist())

# %% [markdown]
# A pretty map, and a flattering one: the axes say how little of the whole two
# dimensions keep. Two words that lie together here may be far apart in the
# others. So ask the question in *all* dimensions: of which kind is each word's
# nearest neighbour?

# %%
desk.predict(
    "06/nearest",
    "Of a hundred words, how many have a nearest neighbour of their own kind?",
    unit="%",
)

# %%
nearest = interpretation.nearest_neighbours(vectors)[:, 0].tolist()
for word in ("Viktor", "bridge", "lantern"):
    if word in kind_of:
        print(f"nearest to {word}: {words[nearest[words.index(word)]]}")

# %% tags=["folded"]
same_kind = Share(
    sum(kinds[n] == kinds[other] for n, other in enumerate(nearest)), len(kinds)
)
count_of = Counter(kinds)
alike = sum(count * (count - 1) for count in count_of.values())
chance = alike / (len(kinds) * (len(kinds) - 1))
print(f"nearest neighbour of the same kind: {estimate(same_kind)}")
print(f"by chance: {about(100 * chance, 2)} %")

# %% tags=["folded"]
desk.answer(
    "06/nearest",
    100 * same_kind.rate,
    f"By chance it would be {about(100 * chance, 2)}. Nobody taught the model "
    "what a name or a place is: words that come in the same places were pushed "
    "the same way.",
    within=10,
)
claim(
    "The nearest neighbour is of the same kind in 90 % or more",
    same_kind.rate >= 0.9,
    measured=100 * same_kind.rate,
    unit="%",
)
claim(
    "That is more than twice as often as chance",
    same_kind.interval[0] > 2 * chance,
    measured=same_kind.rate / chance,
    unit="times",
)

# %% [markdown]
# ## 8 · By heart, or understood?
#
# Last, the suspicion that every good result must face: does it merely recite?
# Three tests. **First:** if it had learned its pages by heart, it would be much
# less surprised by them than by new ones. We compare unread pages with pages that it
# read once, long ago or near the end of its training, when the learning rate was
# already low.
#
# To make the comparison sharper, we take off each page's own *entropy*: the surprise
# that nobody can avoid, since the village threw dice when it wrote the page, and we
# know how. What is left is the surprise *beyond the dice*.

# %%
desk.predict(
    "06/beyond",
    "How surprised is the model by unread pages, beyond the dice?",
    unit="nats a token",
)
desk.predict(
    "06/order",
    "And by pages that it has read?",
    options=[
        "a little less, but only by those that it read last",
        "less, and less again by those that it read last",
        "no less, so far as can be measured",
        "less only by those that it read long ago",
    ],
)


# %% tags=["folded"]
def beyond_the_dice(documents):
    """Mean nats a token above the entropy of the documents; and the error."""
    texts = [document.text for document in documents]
    encoded = pretraining.encode_documents(tokenizer, texts)
    bits = torch.tensor([document.bits for document in documents])
    excess = -sequence_log_probs(base, encoded) - NATS_PER_BIT * bits
    counts = torch.tensor([len(ids) - 1 for ids in encoded])
    return ratio_of_means(excess, counts)


# %%
in_order = [number for batch in batches for number in batch]
once = [library[number] for number in in_order if times_read[number] == 1]
unread_pages = list(village.documents(1_000, seed=0, split="validation"))
new, new_error = beyond_the_dice(unread_pages)
print(f"unread        {about(new)} nats a token beyond the dice")
saved = {}
for when, read in (("long ago", once[:1_000]), ("last", once[-1_000:])):
    known, known_error = beyond_the_dice(read)
    error = 1.96 * (known_error**2 + new_error**2) ** 0.5
    saved[when] = (new - known, error)
    print(
        f"read {when:8} {about(known)}, saved {about(new - known, 2)} "
        f"± {about(error, 2)}"
    )

# %% tags=["folded"]
long_ago, last = (saved[when][0] > saved[when][1] for when in saved)
desk.answer(
    "06/beyond",
    new,
    "Nobody who does not know how the dice will fall gets below zero. In all "
    f"it is surprised by {about(by_layer[-1][0])} nats a token (section 6).",
    factor=2,
)
desk.answer(
    "06/order",
    {
        (False, True): "a little less, but only by those that it read last",
        (True, True): "less, and less again by those that it read last",
        (False, False): "no less, so far as can be measured",
        (True, False): "less only by those that it read long ago",
    }[long_ago, last],
    f"Of the pages that it read last {about(saved['last'][0], 2)} nats a "
    f"token are left, of the earlier ones {about(saved['long ago'][0], 2)} ± "
    f"{about(saved['long ago'][1], 2)}. If it had them by heart, it would "
    "know how the dice fell on them. What it learned from a page, it learned "
    "about all pages.",
)
claim(
    "Of pages read long ago, less than 0.02 nats a token is left",
    saved["long ago"][0] < 0.02,
    measured=saved["long ago"][0],
    unit="nats",
)
claim(
    "Of pages read last, less than 0.05 nats a token, to the upper end of the "
    "interval",
    sum(saved["last"]) < 0.05,
    measured=sum(saved["last"]),
    unit="nats",
)

# %% [markdown]
# **Second:** let it write. A hundred stories, from titles that it never saw; and
# as the measure, the village's own stories to the same titles. What is the
# longest run of words that stands just so in anything it read?

# %%
desk.predict(
    "06/copied",
    "The longest run of words of the model's that stands in what it read:",
    unit="words",
)
desk.predict(
    "06/villager",
    "And of the village's own new stories:",
    unit="words",
)

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

# %%
longest = {}
for author, texts in stories.items():
    copies = longest_copies(texts, read_texts)
    longest[author] = max(copies, key=lambda copy: copy.words)
    desk.read(
        f"{author}, {about(longest[author].words)} words: "
        f"{longest[author].text}\n"
    )

# %% tags=["folded"]
ours, theirs = (longest[author].words for author in stories)
desk.answer(
    "06/copied",
    float(ours),
    f"The village itself repeats {about(theirs)} words, so a run of that "
    "length is no sign of copying"
    + (", unless the model's are much longer." if ours < 2 * theirs else
       "; but the model's is twice as long."),
)
desk.answer(
    "06/villager",
    float(theirs),
    "The village has phrases of its own, and comes back to them.",
)
claim(
    "The model's longest copy is not twice as long as the village's own",
    ours < 2 * theirs,
    measured=ours / theirs,
    unit="times as long",
)

# %% [markdown]
# **Third:** new is easy, noise is always new. So ask of every sentence that it
# wrote whether it stands in what it read; and of the *new* ones, whether the
# village could have said them. The grammar of stories decides that, the same that
# will judge whole stories in phase 3: is the sentence one of its own, and does it
# fit what the story has said?

# %% tags=["folded"]
read_sentences = {
    sentence
    for text in read_texts
    for sentence in parsing.split_sentences(text.partition("\n")[2] or text)
}


def judged_sentences(texts):
    """Shares: new; of the new ones well formed; of the new ones fitting."""
    sentences = [
        sentence
        for title, text in zip(titles, texts, strict=True)
        for sentence in parsing.parse_story(title, text).sentences
    ]
    unread = [s for s in sentences if s.text not in read_sentences]
    sound = [s for s in unread if s.meaning]
    fitting = [s for s in sound if not s.broken]
    return {
        # Floats: how much it writes belongs to this run.
        "new sentences": Share(len(unread), float(len(sentences))),
        "of them, well formed": Share(len(sound), float(len(unread))),
        "and fit the story": Share(len(fitting), float(len(unread))),
    }


# %%
verdicts = {name: judged_sentences(texts) for name, texts in stories.items()}
for author, verdict in verdicts.items():
    print(author)
    for what, share in verdict.items():
        print(f"  {what:22} {estimate(share)}")

# %% tags=["folded"]
new_share, grammatical, fitting = verdicts["the model"].values()
claim(
    "Nine of ten of its sentences or more are new",
    new_share.rate >= 0.9,
    measured=100 * new_share.rate,
    unit="%",
)
claim(
    "Of the new ones 70 % or more are sentences of the village",
    grammatical.rate >= 0.7,
    measured=100 * grammatical.rate,
    unit="%",
)
desk.read(
    f"Of its new sentences {about(100 * grammatical.rate)} % are well formed: "
    "it has learned how sentences are made. "
    f"{about(100 * fitting.rate)} % also fit the story."
)

# %% [markdown]
# What fails more often is the last line. A sentence can be perfect and still lend
# a lantern that was lost one line before. Form comes first, then facts; to keep
# track of what happened is the hardest.

# %% [markdown]
# ## What did not work at this size
#
# - **Facts from the other end.** What is told backward has to be read far more often
#   before it is known, and of what was told in one direction only, next to nothing is
#   known in the other.
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
# ### One more prediction
#
# Take out *two* heads at once, the name mover and the other one.

# %%
desk.predict(
    "06/both",
    "Is the damage at names the sum of what each of them does alone?",
    options=[
        "less: the one does not matter where the other is gone",
        "about the sum, give or take a tenth",
        "more: together they do what neither does alone",
    ],
)

# %%
both, *_ = damage([mover, control], known_name)
alone = without_mover[0][0] + without_control[0][0]
print(f"both: {about(both)} nats, one and one: {about(alone)} nats")

# %% tags=["folded"]
if both < 0.9 * alone:
    compared_with_sum = "less: the one does not matter where the other is gone"
elif both > 1.1 * alone:
    compared_with_sum = "more: together they do what neither does alone"
else:
    compared_with_sum = "about the sum, give or take a tenth"
desk.answer(
    "06/both",
    compared_with_sum,
    f"Both together cost {about(both)} nats, one and one {about(alone)}. "
    + (
        "They do not depend on each other."
        if abs(both - alone) <= 0.1 * alone
        else "Parts that work on one thing cannot be judged one by one."
    ),
)

# %% [markdown]
# ### Three questions

# %% tags=["folded"]
low, high = Share(19, 20).interval
desk.quiz(
    "06",
    desk.ask(
        "A model is right in 19 of 20 pairs. May you say that it masters the "
        "rule?",
        right=(
            "Not yet: more pairs are needed, pairs with words it never read "
            "together, and something simpler to compare with.",
            f"The interval reaches from {low:.0%} to {high:.0%}, what was read "
            "before proves no rule, and a table of counts may pass as well.",
        ),
        wrong=[
            (
                "Yes: 95 % is a good mark.",
                f"With 20 pairs the interval reaches from {low:.0%} to "
                f"{high:.0%}.",
            ),
            (
                "No: a single mistake shows that there is no rule.",
                "Whoever knows a rule may still slip; one mistake proves as "
                "little as 19 right ones.",
            ),
        ],
    ),
    desk.ask(
        "A head gives nearly all its attention to the first token of every "
        "text. What do you conclude?",
        right=(
            "Nothing yet: take the head out and see what breaks.",
            "It may just be parked there, with nothing to look for.",
        ),
        wrong=[
            (
                "The first token is important for it.",
                "It may be. But attention must sum to one, so it has to go "
                "somewhere even where nothing is of use.",
            ),
            (
                "The head does nothing and can be removed.",
                "To look at nothing is not to do nothing; the damage without "
                "it would say.",
            ),
        ],
    ),
    desk.ask(
        "“The author of Waves is Ann Lee” was in the training text a thousand "
        "times. Which question may fail?",
        right=(
            "“Ann Lee wrote the book …”",
            "That is the other direction: it is known only if the text told it "
            "so as well.",
        ),
        wrong=[
            (
                "“The author of Waves is …”",
                "That is what it read, word for word.",
            ),
            (
                "Neither: a thousand times is enough for both.",
                "However often it is read, training pays for what comes next "
                "and not for what came before.",
            ),
        ],
    ),
)
desk.tally("06")

# %% [markdown]
# ### Where to go from here
#
# **Next:** the model knows a lot and does not answer.
# [7 · Instruction tuning](07_instruction_tuning.ipynb) teaches it that.
#
# **Read on:** Warstadt et al. 2020, *BLiMP: the benchmark of linguistic minimal pairs
# for English*; Olsson et al. 2022, *In-context learning and induction heads*;
# Berglund et al. 2023, *The reversal curse*.
