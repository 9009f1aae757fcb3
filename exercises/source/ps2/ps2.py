# %% [markdown]
# # Problem set 2 · Reading
#
# Five exercises for phase 1, in the order in which a text meets them: it is compared
# with others, cut into tokens, half hidden, scored, and in the end written.
#
# Write your answer in place of the line that raises `NotImplementedError`, run the
# cell, then run the check below it. The check proves properties that every right
# answer has, and if one does not hold it tells you what probably went wrong. If a
# check does not come back, your function loops: *Kernel → Interrupt*. The cell after
# the hints puts your function to use.

# %% [markdown] contents=true
# **What is here**

# %%
import hashlib
import math

import torch

from llmlab import checks, life, pretraining, real_text, sampling, village
from llmlab.batching import IGNORE, next_token_batch, pad_sequences
from llmlab.tokenizer import FIRST_MERGE_ID, Tokenizer

course = life.course()
tokenizer = course.tokenizer

# %% [markdown] name="estimated_likeness" skill="use MinHash" difficulty=2 minutes=15
# ## 1 · How alike are two texts?
#
# A page that was copied and changed a little should be read once. Two texts are
# **alike** as far as they share phrases: the number of phrases in both, divided by
# the number of phrases in either. A million texts have 500 billion pairs, too many to
# compare phrase by phrase. **MinHash** keeps a few numbers of each text instead. Give
# every phrase a number. Note the *smallest* number in each text. Do the same with
# another numbering, and again. The share of the numberings for which two texts have
# noted the same number estimates how alike they are.
#
# A is *the gull sat on*, B is *gull sat on walls*, a phrase is two words. They share 2
# phrases of 4, so their likeness is 1/2. Four numberings:
#
# | | the gull | gull sat | sat on | on walls | smallest in A | in B |
# |---|---|---|---|---|---|---|
# | first | 3 | 1 | 4 | 2 | 1 | 1 |
# | second | 1 | 3 | 2 | 4 | 1 | 2 |
# | third | 4 | 3 | 2 | 1 | 2 | 1 |
# | fourth | 2 | 4 | 1 | 3 | 1 | 1 |
#
# Two of four agree, and the estimate is 2/4. That it is exact is luck.
#
# **Before you start, predict:** which results are possible at all with four
# numberings?

# %% solution="estimated_likeness"
def estimated_likeness(first, second, numberings):
    """The share of numberings with the same smallest number in both sets.

    first, second: sets of phrases (strings), none of them empty
    numberings:    a list of functions; each of them gives a phrase its number
    returns:       a number from 0 to 1
    """
    ### BEGIN SOLUTION
    agreements = 0
    for number in numberings:
        smallest_in_first = min(number(phrase) for phrase in first)
        smallest_in_second = min(number(phrase) for phrase in second)
        agreements += smallest_in_first == smallest_in_second
    return agreements / len(numberings)
    ### END SOLUTION


# %% check="estimated_likeness" points=2
checks.estimated_likeness(estimated_likeness)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, random  # noqa: E401, E402, I001

    importlib.reload(checks).estimated_likeness(estimated_likeness)
    for seed in range(24):
        chance = random.Random(seed)
        words = [f"word {k}" for k in range(12)]
        one, other = (set(chance.sample(words, 1 + seed % 8)) for _ in range(2))
        tables = [
            dict(zip(words, chance.sample(range(99), 12), strict=True))
            for _ in range(6)
        ]
        same = sum(min(map(t.get, one)) == min(map(t.get, other)) for t in tables)
        found = estimated_likeness(one, other, [t.get for t in tables])
        if not abs(found - same / 6) < 1e-6:
            raise AssertionError(f"wrong estimate for the random sets {seed}")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Take one numbering of the table and find its two smallest numbers in Python: you need
# the number of every phrase of a set, and the smallest of these. Then do it for all
# numberings, and count.
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. agreements: none so far
# 2. for each numbering: the smallest number in the first set, the smallest in the
#    second; if they are equal, one agreement more
# 3. agreements divided by the number of numberings
#
# </details>
# <details><summary>Where to read</summary>
#
# Broder, *On the resemblance and containment of documents* (1997).
# `llmlab/real_text/near_duplicates.py` stores the notes of each text, and notebook 01
# shows how they are searched.
#
# </details>

# %% [markdown]
# **What you predicted.** Possible were 0, 1/4, 1/2, 3/4 and 1.
#
# **Your estimate on a small web.** Some of its pages are copies that were edited. A
# phrase is five words, and a hash gives it 120 numbers. With so many numberings the
# standard error of the estimate is less than 0.05. *How far off do you expect the
# worst of these estimates to be?*

# %%
documents = village.documents(400, seed=0, split="train")
texts = [page.text for page in documents if page.genre == "websites"]
pages = real_text.messy_web(texts, seed=0)
text_at = {page.address: page.text for page in pages}


def phrases_of(text, length=5):
    words = text.split()
    starts = range(len(words) - length + 1)
    return {" ".join(words[start : start + length]) for start in starts}


def numbering(seed):
    """A function that gives each phrase a number; another one for each seed."""
    salt = seed.to_bytes(16, "little")

    def number(phrase):
        digest = hashlib.blake2b(phrase.encode(), digest_size=7, salt=salt)
        return int(digest.hexdigest(), 16)

    return number


print("likeness  your estimate")
for page in pages:
    if page.fault == "near copy":
        copied = phrases_of(page.text)
        original = phrases_of(text_at[page.original])
        likeness = len(copied & original) / len(copied | original)
        estimate = estimated_likeness(
            copied, original, [numbering(seed) for seed in range(120)]
        )
        print(f"{likeness:8.2f} {estimate:14.2f}")

# %% [markdown] name="merge" skill="merge a pair" difficulty=2 minutes=15
# ## 2 · One merge
#
# A tokenizer is learned by one step, repeated: find the most frequent pair of
# neighbours, and write one new token in place of the two. Counting is easy. The merge
# is where tokens get lost or used twice.
#
# | ids | pair | new id | becomes |
# |---|---|---|---|
# | 5 1 2 7 1 2 | 1, 2 | 300 | 5 300 7 300 |
# | 2 1 | 1, 2 | 300 | 2 1 |
# | 9 4 4 4 | 4, 4 | 300 | 9 300 4 |
#
# The last line holds two pairs that share a token, and a token can be used once. One
# goes **from left to right**, so that everybody gets the same.
#
# **Before you start, predict:** what becomes of 4 4 4 4 4 with the pair 4, 4 and the
# new id 300, and how long is it?

# %% solution="merge"
def merge(ids, pair, new_id):
    """The ids with new_id in place of every pair, from left to right.

    ids:     a list of token ids, perhaps empty
    pair:    a tuple of two ids
    new_id:  the id of the new token
    returns: a new list
    """
    ### BEGIN SOLUTION
    merged, place = [], 0
    while place < len(ids):
        if tuple(ids[place : place + 2]) == pair:
            merged.append(new_id)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged
    ### END SOLUTION


# %% check="merge" points=2
checks.merge(merge)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, random  # noqa: E401, E402, I001

    importlib.reload(checks).merge(merge)
    for seed in range(60):
        chance = random.Random(seed)
        letters = "".join(chance.choices("abcÅ", k=seed % 15))
        for pair in ("aa", "ab", "ba"):
            wanted = [ord(letter) for letter in letters.replace(pair, "X")]
            found = merge([*map(ord, letters)], tuple(map(ord, pair)), ord("X"))
            if found != wanted:
                raise AssertionError(f"wrong for {letters!r} and the pair {pair!r}")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# A loop over all positions cannot leave one out. Keep the position in a variable of
# your own, and ask at each turn: how far do I go on? By two after a merge, by one
# otherwise. What do you compare at the last position, where no neighbour is left?
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. an empty list, and the position 0
# 2. as long as the position lies in the list: if this token and the next are the pair,
#    append the new id and go on by two
# 3. else append this token and go on by one
#
# </details>
# <details><summary>Where to read</summary>
#
# Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with Subword
# Units* (2016), section 3.2. `merge_pair` in `llmlab/tokenizer.py` does it by looking
# back instead of ahead.
#
# </details>

# %% [markdown]
# **What you predicted.** It became 300 300 4: three tokens.
#
# **A tokenizer that learns with your function.** Inside the `with` block the library
# counts, and you merge. *Will it learn the same merges?*

# %%
lessons = [page.text for page in village.documents(60, seed=0, split="train")]

with checks.your_merge(merge):
    yours = Tokenizer.train(lessons, FIRST_MERGE_ID + 300)
library = Tokenizer.train(lessons, FIRST_MERGE_ID + 300)

print("the same merges:", yours.merges == library.merges)
learned = [
    yours.decode([token]) for token in range(FIRST_MERGE_ID, yours.vocab_size)
]
print("the longest tokens:", sorted(learned, key=len)[-6:])

# %% [markdown] name="hide" skill="mask a text" difficulty=3 minutes=20
# ## 3 · Hiding
#
# A masked model learns by guessing tokens that it cannot see. A share of the
# **ordinary** tokens is chosen at random. Of the chosen ones 80 in 100 become
# `<mask>`, 10 become an ordinary token drawn at random, and 10 stay as they are. Asked
# for are *all* the chosen ones, at the very place where they stood:
#
# | stood there | `<bos>` | Agnes | takes | her | old | umbrella | `<eos>` | `<pad>` |
# |---|---|---|---|---|---|---|---|---|
# | chosen | | | yes | | yes | yes | | |
# | is read | `<bos>` | Agnes | `<mask>` | her | gull | umbrella | `<eos>` | `<pad>` |
# | target | – | – | takes | – | old | umbrella | – | – |
#
# A dash is `IGNORE`. Special tokens and padding are never chosen.
#
# Of 1,000 ordinary tokens and a share of 0.15, about 150 are chosen: 120 become
# `<mask>`, 15 another token, 15 stay.
#
# **Before you start, predict:** how many of the 1,000 does the model read as they
# were?

# %% solution="hide"
def hide(tokens, vocab_size, share, generator):
    """What is read and what is asked for.

    tokens:     (batch, time) int64; not to be changed
    vocab_size: ordinary tokens are the ids from len(Tokenizer.SPECIAL_TOKENS)
                up to, not including, vocab_size
    share:      the probability that an ordinary token is chosen
    generator:  pass it on as generator=generator wherever you draw
    returns:    read and targets, both (batch, time) int64

    The ids have names: IGNORE, Tokenizer.mask_id.
    """
    ### BEGIN SOLUTION
    first_ordinary = len(Tokenizer.SPECIAL_TOKENS)
    chance = torch.rand(tokens.shape, generator=generator)
    chosen = (tokens >= first_ordinary) & (chance < share)
    fate = torch.rand(tokens.shape, generator=generator)
    random_tokens = torch.randint(
        first_ordinary, vocab_size, tokens.shape, generator=generator
    )
    read = tokens.masked_fill(chosen & (fate < 0.8), Tokenizer.mask_id)
    is_replaced = chosen & (fate >= 0.8) & (fate < 0.9)
    read = random_tokens.where(is_replaced, read)
    return read, tokens.where(chosen, IGNORE)
    ### END SOLUTION


# %% check="hide" points=3
checks.hide(hide)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, numpy  # noqa: E401, E402, I001

    importlib.reload(checks).hide(hide)
    stood = numpy.random.default_rng(0).integers(6, 30, size=(100, 200))
    stood[:, 0], stood[:, 70], stood[::2, 150:] = 1, 2, 0
    results = {}
    for run, seed in enumerate((0, 0, 1)):
        dice = torch.Generator().manual_seed(seed)
        found = hide(torch.tensor(stood), 30, 0.5, dice)
        results[run] = read, target = [numpy.array(x.tolist()) for x in found]
        asked = target != -100
        if not (target == stood)[asked].all():
            raise AssertionError("the targets are not what stood there")
        if (asked & (stood < 6)).any() or not (read == stood)[~asked].all():
            raise AssertionError("a token was touched that should not be")
        if set(target[asked]) != set(range(6, 30)):
            raise AssertionError("not all ordinary tokens can be chosen")
        if not 0.47 < asked[stood >= 6].mean() < 0.53:
            raise AssertionError("the share of chosen tokens is wrong")
        is_mask, is_same = read[asked] == 3, (read == stood)[asked]
        if not (0.77 < is_mask.mean() < 0.83 and 0.08 < is_same.mean() < 0.13):
            raise AssertionError("the chosen tokens are not divided into 80, 10 and 10")
        if set(read[asked & (read != stood) & (read != 3)]) != set(range(6, 30)):
            raise AssertionError("the random tokens are not all the ordinary ones")
        if (asked[1, 1:70] == asked[:, 1:70]).all():
            raise AssertionError("the same places are chosen in every row")
    if not numpy.array_equal(results[0], results[1]):
        raise AssertionError("two runs with one seed differ")
    if numpy.array_equal(results[0], results[2]):
        raise AssertionError("two runs with two seeds are the same")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Draw whole tables of the shape of the tokens: one number from 0 to 1 that chooses,
# another that decides the fate, and a random token for every place, of which you will
# use few. Why do you need a second number for the fate? Think of what the first one
# looks like at the places that it has chosen.
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. chosen: ordinary, and the first random number is less than the share
# 2. read, on a copy: `<mask>` where chosen and the second number is below 0.8; the
#    random token where chosen and it lies from 0.8 to 0.9
# 3. targets: the token where chosen, IGNORE elsewhere
#
# </details>
# <details><summary>Where to read</summary>
#
# Devlin et al., *BERT* (2019), section 3.1 and appendix A.1. `masked_batch` in
# `llmlab/pretraining.py`.
#
# </details>

# %% [markdown]
# **What you predicted.** About 865: 850 not chosen and 15 that stayed.
#
# **The masked model reads what you have hidden.** It was trained on texts of this
# kind, but not on these. *At which of the three kinds of places does it guess best,
# and at which worst?*

# %%
unseen = pretraining.encode_documents(
    tokenizer,
    [page.text for page in village.documents(60, seed=0, split="validation")],
)
tokens, segment_ids = pad_sequences(unseen, pad_id=tokenizer.pad_id)
dice = torch.Generator().manual_seed(0)
read, targets = hide(tokens, tokenizer.vocab_size, 0.15, dice)

model = course.load("masked")
with torch.no_grad():
    guesses = model(read, segment_ids=segment_ids).argmax(dim=-1)

masked, unchanged = read == tokenizer.mask_id, read == tokens
kinds = {
    "<mask>": masked,
    "another token": ~masked & ~unchanged,
    "unchanged": unchanged & (targets != IGNORE),
}
for kind, places in kinds.items():
    count, right = int(places.sum()), (guesses == targets)[places]
    print(f"{kind:14} {count:5} places, {right.float().mean():4.0%} right")

# %% [markdown] name="next_token_loss" skill="write the loss" difficulty=3 minutes=20
# ## 4 · The loss that you watched fall
#
# After each token the model says for every token of the vocabulary how probable it is
# to come next. It is charged the **surprise** $-\ln p$ of the token that came, in
# nats, and the loss is the mean of all surprises.
#
# | reads | `<bos>` | the | gull | `<eos>` | `<pad>` |
# |---|---|---|---|---|---|
# | what comes | the | gull | `<eos>` | – | – |
# | its probability | 1/2 | 1/4 | 1/8 | | |
# | surprise | ln 2 | 2 ln 2 | 3 ln 2 | | |
#
# The loss is $(1 + 2 + 3)/3 \cdot \ln 2 = 2 \ln 2 \approx 1.39$. Four tokens have three
# surprises, nothing is asked after `<eos>`, and padding does not exist.
#
# The model gives **logits**, any numbers, of which a softmax makes probabilities. A
# probability like $e^{-1000}$ is rounded to zero in 32 bits, and the logarithm of zero
# is no number to learn from. The surprise itself, 1000, is harmless.
#
# **Before you start, predict:** a batch holds a text of 100 tokens and one of 10, and
# each position costs 1 nat. Somebody leaves padding out of the sum but divides by all
# 198 positions that have a successor. Which loss do they report?

# %% solution="next_token_loss"
def next_token_loss(logits, tokens):
    """The mean surprise at the next tokens, in nats.

    logits:  (batch, time, vocab); logits[b, t] were made after reading tokens
             0 to t of text b
    tokens:  (batch, time) int64; a text, then padding (Tokenizer.pad_id)
    returns: a tensor (), from which a gradient can flow back: the mean over all
             tokens of the batch that come after another one and are not padding
    """
    ### BEGIN SOLUTION
    came = tokens[:, 1:]
    log_probs = logits[:, :-1].log_softmax(dim=-1)
    surprises = -log_probs.gather(-1, came.unsqueeze(-1)).squeeze(-1)
    return surprises[came != Tokenizer.pad_id].mean()
    ### END SOLUTION


# %% check="next_token_loss" points=3
checks.next_token_loss(next_token_loss)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, math, numpy  # noqa: E401, E402, F811, I001

    importlib.reload(checks).next_token_loss(next_token_loss)
    for seed, size in enumerate((1.0, 4.0, 500.0)):
        chance = numpy.random.default_rng(seed)
        scores = size * chance.normal(size=(3, 9, 20))
        lengths, surprises = (9, 2, 5), []
        rows = numpy.zeros((3, 9), dtype=int)
        for row, length in enumerate(lengths):
            rows[row, :length] = [1, *chance.integers(6, 20, size=length - 2), 2]
            for place in range(length - 1):
                one = scores[row, place]
                total = numpy.exp(one - one.max()).sum()
                log_of_sum = one.max() + math.log(total)
                surprises.append(log_of_sum - one[rows[row, place + 1]])
        given = torch.tensor(scores, dtype=torch.float32), torch.tensor(rows)
        found, wanted = next_token_loss(*given).item(), sum(surprises) / len(surprises)
        if not abs(found - wanted) < 1e-4 * max(1, wanted):
            raise AssertionError(f"wrong loss for logits of size {size}")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Which logits have nothing to predict, and which token was never predicted? Cut both
# off, and the rest fit together place by place. Then think of the last step first: you
# need one surprise a place, and a mask that says which of them count.
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. the tokens that came: all but the first; the logits before them: all but the last
# 2. the logarithms of the probabilities, in one step
# 3. of each place, minus the entry of the token that came
# 4. the mean over the places where that token is not padding
#
# </details>
# <details><summary>Where to read</summary>
#
# Notebook 05, section 4. `cross_entropy` in `llmlab/pretraining.py` does the same; the
# shift happens in `llmlab/batching.py`.
#
# </details>

# %% [markdown]
# **What you predicted.** 108/198, about 0.55 nats instead of 1.
#
# **Your loss on two models.** One has random weights, the other is the base model of
# the course. *What is the loss of the first?* (It has a vocabulary of 2560 tokens and
# no opinion.)

# %%
tokens, segment_ids = pad_sequences(unseen, pad_id=tokenizer.pad_id)
print(f"no opinion:     {math.log(tokenizer.vocab_size):.3f} nats")
for name, model in (
    ("random weights", course.new_model()),
    ("base model", course.load("base")),
):
    with torch.no_grad():
        logits = model(tokens, segment_ids=segment_ids)
        yours = next_token_loss(logits, tokens)
        library = pretraining.prediction_loss(model, next_token_batch(unseen))
    print(f"{name + ':':15} {yours:.3f} nats, library {library:.3f}")

# %% [markdown] name="keep_nucleus" skill="choose by top-p" difficulty=3 minutes=15
# ## 5 · What may be drawn
#
# A model that writes draws its next token. Each of the two thousand unlikely ones has
# hardly any probability, but together they have some, and one of them spoils the text.
# **Top-p** keeps the *smallest* set of tokens whose probability reaches $p$. One takes
# the likeliest first, then the next, until the sum is at least $p$ or no token is left:
# rounded probabilities may sum to a little less than one. The token that brings the
# sum there is in.
#
# Five tokens have the probabilities 8/16, 4/16, 2/16, 1/16, 1/16:
#
# | p | kept | their sum |
# |---|---|---|
# | 0.3 | the first | 8/16 = 0.5 |
# | 0.5 | the first | 0.5 is enough |
# | 0.7 | the first two | 12/16 = 0.75 |
# | 0.8 | the first three | 14/16 = 0.875 |
#
# **Before you start, predict:** with p = 0.9, how many tokens are kept where the model
# gives one of them 0.95, and how many where it finds all 2560 equally probable?

# %% solution="keep_nucleus"
def keep_nucleus(probabilities, p):
    """Which tokens top-p keeps, row by row.

    probabilities: (batch, vocab); every row sums to one, up to rounding
    p:             a number, more than 0 and at most 1
    returns:       (batch, vocab) bool, True for the tokens that are kept
    """
    ### BEGIN SOLUTION
    ordered, order = probabilities.sort(dim=-1, descending=True)
    sum_before = ordered.cumsum(dim=-1) - ordered
    return torch.zeros_like(order, dtype=torch.bool).scatter(
        -1, order, sum_before < p
    )
    ### END SOLUTION


# %% check="keep_nucleus" points=2
checks.keep_nucleus(keep_nucleus)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, numpy  # noqa: E401, E402, I001

    importlib.reload(checks).keep_nucleus(keep_nucleus)
    cases = [
        ([[0.125, 0.5, 0.25, 0.125], [0.25, 0.25, 0.25, 0.25]], 0.5),
        ([[0.125, 0.5, 0.25, 0.125], [0.25, 0.25, 0.25, 0.25]], 0.75),
        ([[0.25, 0.2499999, 0.5]], 1.0),
    ]
    for seed, p in enumerate((0.05, 0.35, 0.6, 0.95)):
        chance = numpy.random.default_rng(seed)
        shares = chance.dirichlet(numpy.full(40, 0.3), size=5)
        cases.append((shares.tolist(), p))
    for rows, p in cases:
        found = keep_nucleus(torch.tensor(rows), p).tolist()
        for row, kept in zip(rows, found, strict=True):
            shares, total = [], 0.0
            for share in sorted(row, reverse=True):
                if total < p:
                    shares.append(share)
                    total += share
            kept = [s for s, keep in zip(row, kept, strict=True) if keep is True]
            if sorted(kept, reverse=True) != shares:
                raise AssertionError(f"wrong tokens are kept with p {p}")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Sort a row, the likeliest first, and write its running sums below it. A token is kept
# if what comes *before* it does not reach p yet. That says it for all tokens, the first
# one included. You now know which *ranks* are kept; the sort also told you which token
# has which rank.
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. sort every row from the likeliest down, and remember which tokens they are
# 2. running sums; less the token's own probability they are the sums before it
# 3. a rank is kept if the sum before it is less than p
# 4. carry each True or False back to the token of that rank
#
# </details>
# <details><summary>Where to read</summary>
#
# Holtzman et al., *The Curious Case of Neural Text Degeneration* (2020), section 3.1.
# `shape_logits` in `llmlab/sampling.py`.
#
# </details>

# %% [markdown]
# **What you predicted.** One, and 2304 (give or take one, by rounding).
#
# **Your nucleus in the base model.** After each token of a sentence: how many tokens
# does p = 0.9 leave to choose from? *Where do you expect few, and where many?*

# %%
base = course.load("base").requires_grad_(False)
sentence = tokenizer.encode("The quick brown fox jumps over the lazy dog.")
tokens = torch.tensor([[tokenizer.bos_id, *sentence]])
sizes = keep_nucleus(base(tokens)[0].softmax(dim=-1), 0.9).sum(dim=-1)
for token, size in zip(tokens[0].tolist(), sizes.tolist(), strict=True):
    print(f"after {tokenizer.token_text(token):>8}  {size:4} are kept")

# %% [markdown]
# And now it writes, and may draw only what you keep.

# %%
dice = torch.Generator().manual_seed(0)
tokens = torch.tensor([[tokenizer.bos_id, *tokenizer.encode("Dear Wilma,")]])
while tokens.shape[1] < 60 and tokens[0, -1] != tokenizer.eos_id:
    shares = base(tokens)[:, -1].softmax(dim=-1)
    drawn = sampling.draw(shares * keep_nucleus(shares, 0.9), dice)
    tokens = torch.cat((tokens, drawn), dim=1)
print(tokenizer.decode(tokens[0].tolist()))

# %% [markdown]
# ## When all five checks say "Right"
#
# A text can be found among its copies, cut, hidden, scored and written with what you
# have made. If you hand this notebook in, restart the kernel and run all cells once
# more: what is graded is the notebook from top to bottom.
