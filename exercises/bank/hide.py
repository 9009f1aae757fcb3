"""Masking: what is hidden, what is asked for, and what is never touched."""

import itertools
import math

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import life, pretraining, village
from llmlab.batching import IGNORE, pad_sequences
from llmlab.checks import Case, Dice
from llmlab.tokenizer import Tokenizer

TASK = """
A masked model learns by guessing tokens that it cannot see. A share of the
**ordinary** tokens is chosen at random, each by itself. Of the chosen ones 80 in 100
become `<mask>`, 10 become an ordinary token drawn at random, all equally often, and 10
stay as they are. Asked for are *all* the chosen ones, at the very place where they
stood:

| stood there | `<bos>` | Agnes | takes | her | old | umbrella | `<eos>` | `<pad>` |
|---|---|---|---|---|---|---|---|---|
| chosen | | | yes | | yes | yes | | |
| is read | `<bos>` | Agnes | `<mask>` | her | gull | umbrella | `<eos>` | `<pad>` |
| target | – | – | takes | – | old | umbrella | – | – |

A dash is `IGNORE`. Special tokens and padding are never chosen.

Of 1,000 ordinary tokens and a share of 0.15, about 150 are chosen: 120 become
`<mask>`, 15 another token, 15 stay.

**Before you start, predict:** how many of the 1,000 does the model read as they
were?
"""


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


HINTS = (
    """Draw whole tables of the shape of the tokens: one number from 0 to 1 that
chooses, another that decides the fate, and a random token for every place, of which
you will use few. Why do you need a second number for the fate? Think of what the
first one looks like at the places that it has chosen.""",
    """1. chosen: ordinary, and the first random number is less than the share
2. read, on a copy: `<mask>` where chosen and the second number is below 0.8; the
   random token where chosen and it lies from 0.8 to 0.9
3. targets: the token where chosen, IGNORE elsewhere""",
    """Devlin et al., *BERT* (2019), section 3.1 and appendix A.1. `masked_batch` in
`llmlab/pretraining.py`.""",
)

AFTER = """**What you predicted.** About 865: 850 not chosen and 15 that stayed.

**The masked model reads what you have hidden.** It was trained on texts of this
kind, but not on these. *At which of the three kinds of places does it guess best,
and at which worst?*
"""


def use(hide):
    course = life.course()
    tokenizer = course.tokenizer
    documents = village.documents(60, seed=0, split="validation")
    texts = [page.text for page in documents]
    unseen = pretraining.encode_documents(tokenizer, texts)
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


SPECIAL, VOCAB, SHARE = len(Tokenizer.SPECIAL_TOKENS), 40, 0.3
MASK, INNER = Tokenizer.mask_id, slice(31, 159)  # ordinary in every row


def cases(seed):
    """100 conversations of 160 to 220 tokens, in which some tokens are frequent."""
    generator = torch.Generator().manual_seed(seed)
    even = torch.randint(SPECIAL, VOCAB, (100, 220), generator=generator)
    low = torch.randint(SPECIAL, SPECIAL + 12, (100, 220), generator=generator)
    tokens = low.where(torch.rand(100, 220, generator=generator) < 0.6, even)
    tokens[:, 0], tokens[:, 1] = Tokenizer.bos_id, Tokenizer.user_id
    tokens[:, 30] = Tokenizer.assistant_id
    for row, length in enumerate(torch.linspace(160, 220, 100).long().tolist()):
        tokens[row, length - 1] = Tokenizer.eos_id
        tokens[row, length:] = Tokenizer.pad_id
    dice, other = Dice(1000 + 2 * seed), Dice(1001 + 2 * seed)
    yield Case((tokens, VOCAB, SHARE, dice), calls=2)
    yield Case((tokens, VOCAB, SHARE, dice))
    yield Case((tokens, VOCAB, SHARE, other))
    yield Case((tokens, VOCAB, 0.15, other))


# What is true of every right answer; otherwise the sentence of the first rule


def broken(*rules):
    """Of conditions and sentences in turn, the first sentence whose condition holds."""
    return next(itertools.compress(rules[1::2], rules[::2]), None)


def close(count, of, share):
    """Within five standard deviations: chance fails one right count in two million."""
    return abs(int(count) - of * share) <= 5 * math.sqrt(of * share * (1 - share))


def what_is_asked(cases, results):
    tokens, (read, targets) = cases[0].inputs[0], results[0][0]
    asked, changed = targets != IGNORE, read != tokens
    filler = int(targets.mode().values[0])
    wrong = ((targets != tokens) & asked).nonzero()
    row, place = wrong[0].tolist() if len(wrong) else (0, 0)
    found, stood = int(targets[row, place]), int(tokens[row, place])
    touched = tokens[(tokens < SPECIAL) & (changed | asked)].tolist()
    special = Tokenizer.SPECIAL_TOKENS[min(touched, default=0)]
    shifted = targets[:, :-1].where(asked[:, :-1], tokens[:, 1:]).equal(tokens[:, 1:])
    return broken(
        (read == IGNORE).any() and asked.all(),
        "What is read comes first, then the targets.",
        not asked.any(),
        "Every target is IGNORE: nothing is asked for.",
        asked.all() and (targets == filler).float().mean() > 0.5,
        f"Places that are not asked for hold {filler}, which is a target like any "
        f"other: the loss leaves out only IGNORE ({IGNORE}).",
        asked.all(),
        "Every place is asked for, even where the answer can be seen. The target of "
        "a place that was not chosen is IGNORE.",
        len(wrong) and targets[asked].equal(read[asked]),
        "The targets were read off after hiding, so the model is asked for the sign "
        "<mask> itself. Asked for is what stood there before.",
        len(wrong) and shifted,
        "The targets are shifted by one, as for a model that guesses the next token. "
        "Here a place is asked for what stood at that very place.",
        len(wrong),
        f"Place {place} is asked for token {found}, but token {stood} stood there.",
        touched,
        f"{special} was hidden or is asked for. Special tokens and padding stay as "
        "they are: nobody would learn anything from them.",
        (changed & ~asked).any() and asked.equal(read == MASK),
        "Only the places that became <mask> are asked for. So are the chosen ones "
        "that became another token, and those that stayed: else they teach nothing.",
        (changed & ~asked).any(),
        "Tokens were changed that are not asked for. The fate of a token is drawn "
        "for all, but it counts only where the token was chosen.",
    )


def the_generator(cases, results):
    (one, next_one), (again,), (other,), _ = results
    return broken(
        not all(map(torch.equal, one, again)),
        "The same generator, set to the same seed, gave two results. Pass it to "
        "every function that draws, or no run can be repeated.",
        any(map(torch.equal, one, other)),
        "Two seeds gave the same result: the generator that was passed in is not "
        "used, and every batch would be hidden alike.",
        any(map(torch.equal, one, next_one)),
        "Two batches, hidden one after the other with one generator, were hidden "
        "alike: draw from it, not from a new one with its seed.",
    )


def who_is_chosen(cases, results):
    tokens, asked = cases[0].inputs[0], results[0][0][1] != IGNORE
    inner, ordinary = asked[:, INNER], int((tokens >= SPECIAL).sum())
    counts = [int((several[0][1] != IGNORE).sum()) for several in results[2:]]
    never = sorted({*range(SPECIAL, VOCAB)} - {*tokens[asked].tolist()}) or [0]
    pairs = [
        (count, share)
        for count, share in zip(counts, (SHARE, 0.15), strict=True)
        if not close(count, ordinary, share)
    ]
    count, share = (pairs or [(0, 0.0)])[0]
    both = (inner[:, 1:] & inner[:, :-1]).float().mean()
    return broken(
        inner.equal(inner[:1].expand_as(inner)),
        "The same places are chosen in every row. Draw a number for each token, not "
        "for each column.",
        never != [0] and len(never) == 1,
        f"Token {never[0]} is never chosen, though it is an ordinary one: these are "
        f"{SPECIAL} to {VOCAB - 1}, both included. Is a limit off by one?",
        len(pairs) == 1 and share == SHARE and close(count, ordinary, 0.15),
        f"With share {SHARE} still 15 in 100 tokens are chosen: is 0.15 written as "
        "a number where the argument should stand?",
        pairs,
        f"With share {share} about {100 * share:.0f} of 100 ordinary tokens should "
        f"be asked for; it is {100 * count / ordinary:.1f}. Those that stay as they "
        "are count too.",
        not 0.7 < both / SHARE**2 < 1.4,
        f"Two neighbours are both chosen in {100 * both:.0f} of 100 places; it should "
        f"be {100 * SHARE**2:.0f}. Each token is chosen by itself, not in spans.",
        inner.float().mean(1).var() > 3 * SHARE * (1 - SHARE) / inner.shape[1],
        "Some rows have many more chosen tokens than others: the share is the same "
        "for every token of the batch.",
    )


def what_becomes_of_them(cases, results):
    tokens, (read, targets) = cases[0].inputs[0], results[0][0]
    asked, masked, stayed = targets != IGNORE, read == MASK, read == tokens
    another = asked & ~masked & ~stayed
    # A token drawn at random is now and then the one that stood there.
    counts = [int(x.sum()) for x in (masked, another, asked & stayed)]
    total, drawn = sum(counts), read[another]
    off = [not close(c, total, s) for c, s in zip(counts, (0.8, 0.1, 0.1), strict=True)]
    in_100 = [round(100 * count / total) for count in counts]
    uneven = [
        f"In one third of the {line} {100 * rate:.0f} of 100 chosen tokens are <mask>, "
        "and in all 80: the fates follow the order of the places. Draw them for each."
        for axis, line in ((0, "rows"), (1, "columns"))
        for rate in thirds(masked, asked, axis)
    ]
    missing = sorted({*range(SPECIAL, VOCAB)} - {*drawn.tolist()}) or [0]
    first, last = (int(f(drawn)) if len(drawn) else SPECIAL for f in (min, max))
    frequent = (drawn < SPECIAL + 12).sum()
    return broken(
        *shared_fates(read[:, INNER], *(x[:, INNER] for x in (asked, masked, another))),
        counts[0] == total,
        "Every chosen token became <mask>. 10 in 100 should become another token "
        "and 10 stay: a text that is used later has no <mask> in it. Draw the fate "
        "anew; the number that chose a token is small for all of them.",
        any(off) and not off[0] and close(counts[1], total, 0.02),
        "Only 2 in 100 chosen tokens became another token: a tenth of the fifth "
        "that is left. 10 in 100 of all the chosen ones should.",
        any(off),
        "Of 100 chosen tokens about 80 should become <mask>, 10 another token, and "
        "10 stay; it is {}, {} and {}.".format(*in_100),
        uneven,
        (uneven or [""])[0],
        first < SPECIAL,
        "A token was replaced by a special token. Draw from the ordinary ones: from "
        f"{SPECIAL} up to the size of the vocabulary.",
        first == last,
        "All random tokens are the same one. Draw one for each place.",
        last >= VOCAB,
        f"Token {last} was drawn, which does not exist: with vocab_size {VOCAB} the "
        f"last one is {VOCAB - 1}. Where does the drawing end?",
        missing != [0],
        f"Not all of the {VOCAB - SPECIAL} ordinary tokens are drawn; token "
        f"{missing[-1]} never was.",
        not close(frequent, len(drawn), 12 / 34),
        "Tokens that are frequent in the batch are drawn more often than others. All "
        "ordinary tokens should be drawn equally often.",
    )


def thirds(masked, asked, axis):
    """The rates of <mask> in the first and the last third, where they are not 0.8."""
    for third in (0, 2):
        count, of = (int(x.tensor_split(3, axis)[third].sum()) for x in (masked, asked))
        if not close(count, of, 0.8):
            yield count / max(of, 1)


def shared_fates(read, asked, masked, another):
    for axis, line in ((0, "column"), (1, "row")):
        whole = (masked | ~asked).all(axis) | (~masked | ~asked).all(axis)
        several = another.sum(axis) > 1
        low, high = (
            read.where(another, VOCAB).amin(axis),
            read.where(another, -1).amax(axis),
        )
        yield from (
            whole.all() and 0.5 < masked[asked].float().mean() < 0.95,
            f"All chosen tokens of a {line} share one fate. Draw a number for each "
            f"token, not for each {line}.",
        )
        yield from (
            several.sum() > 5
            and (low == high)[several].all()
            and len(low.unique()) > 2,
            f"All random tokens of a {line} are the same one. Draw one for each place.",
        )


# What people get wrong, and a part of what is said


def uniform(tokens, generator):
    return torch.rand(tokens.shape, generator=generator)


def integers(tokens, generator, low=SPECIAL, high=VOCAB):
    return torch.randint(low, high, tokens.shape, generator=generator)


def ordinary(tokens):
    return tokens >= SPECIAL


def wrong(
    who=ordinary,
    draw=uniform,
    share=None,
    fate=uniform,
    new=integers,
    below=(0.8, 0.9),
    asked=lambda t, read, chosen: t.where(chosen, IGNORE),
    dice=lambda g: g,
    hides=None,
):
    """Hiding with one part exchanged."""

    def answer(tokens, vocab_size, given_share, generator):
        generator = dice(generator)
        chosen = who(tokens) & (draw(tokens, generator) < (share or given_share))
        fates, tokens_drawn = fate(tokens, generator), new(tokens, generator)
        hidden = chosen if hides is None else hides(tokens)
        read = tokens.masked_fill(hidden & (fates < below[0]), MASK)
        is_new = hidden & (fates >= below[0]) & (fates < below[1])
        read = tokens_drawn.where(is_new, read)
        return read, asked(tokens, read, chosen)

    return answer


def one_draw_for_both(tokens, vocab_size, share, generator):
    """What is below the share of 0.3 is below 0.8, too."""
    draw = uniform(tokens, generator)
    return wrong(draw=lambda t, g: draw, fate=lambda t, g: draw)(
        tokens, 0, share, generator
    )


def in_reading_order(tokens, vocab_size, share, generator):
    _, targets = hide(tokens, vocab_size, share, generator)
    places, read = (targets != IGNORE).nonzero(), tokens.clone()
    most, rest = int(0.8 * len(places)), int(0.9 * len(places))
    read[places[:most].unbind(1)] = MASK
    new = torch.randint(SPECIAL, VOCAB, (rest - most,), generator=generator)
    read[places[most:rest].unbind(1)] = new
    return read, targets


def span(tokens, generator):
    """Below the share in one contiguous part of each row."""
    place = torch.arange(tokens.shape[1]) / tokens.shape[1]
    return (place + torch.rand(len(tokens), 1, generator=generator)) % 1


def shares_by_row(tokens, generator):
    rows = 0.5 + torch.rand(len(tokens), 1, generator=generator)
    return uniform(tokens, generator) / rows


def fixed(shape_of, draw):
    """A draw for a whole line, or with dice of its own."""
    return lambda t, g: draw(t[shape_of], g).expand(t.shape)


def from_the_batch(tokens, generator):
    ordinary_ones = tokens[tokens >= SPECIAL]
    return ordinary_ones[
        torch.randint(len(ordinary_ones), tokens.shape, generator=generator)
    ]


def changed(result):
    """The right answer, handed over in another form."""

    def answer(tokens, vocab_size, share, generator):
        return result(tokens, *hide(tokens, vocab_size, share, generator))

    return answer


def in_place(tokens, read, targets):
    tokens[:] = read
    return tokens, targets


def restarted(generator):
    return torch.Generator().manual_seed(generator.initial_seed())


COLUMN, ROW = (slice(0, 1), slice(None)), (slice(None), slice(0, 1))
MISTAKES = {
    wrong(who=lambda t: t >= 0): "<pad> was hidden or is asked for",
    wrong(who=lambda t: t != 0): "<bos> was hidden or is asked for",
    wrong(asked=lambda t, read, chosen: t.clone()): "Every place is asked for",
    wrong(asked=lambda t, read, chosen: t.where(chosen, 0)): "not asked for hold 0",
    wrong(asked=lambda t, read, chosen: t * 0 + IGNORE): "Every target is IGNORE",
    wrong(asked=lambda t, read, c: t.roll(-1, 1).where(c, IGNORE)): "shifted by one",
    wrong(asked=lambda t, read, c: read.where(c, IGNORE)): "read off after hiding",
    wrong(asked=lambda t, read, c: t.flip(0).where(c, IGNORE)): "stood there",
    wrong(
        asked=lambda t, read, c: t.where(read == MASK, IGNORE)
    ): "Only the places that",
    wrong(
        asked=lambda t, read, c: t.where(read != t, IGNORE)
    ): "stay as they are count",
    wrong(hides=ordinary): "Tokens were changed that are not asked for",
    wrong(below=(1.0, 1.0)): "Every chosen token became <mask>",
    one_draw_for_both: "the number that chose a token is small for all of them",
    wrong(below=(0.8, 0.82)): "Only 2 in 100 chosen tokens became another token",
    wrong(below=(0.8, 1.0)): "Of 100 chosen tokens about 80",
    wrong(share=0.15): "is 0.15 written as a number",
    wrong(draw=fixed(COLUMN, uniform)): "The same places are chosen in every row",
    wrong(draw=span): "not in spans",
    wrong(draw=shares_by_row): "Some rows have many more chosen tokens",
    wrong(who=lambda t: t > SPECIAL): "Token 6 is never chosen",
    wrong(new=lambda t, g: integers(t, g, low=4)): "replaced by a special token",
    wrong(
        new=fixed((slice(0, 1),) * 2, integers)
    ): "All random tokens are the same one",
    wrong(new=lambda t, g: integers(t, g, high=VOCAB - 1)): "token 39 never was",
    wrong(new=lambda t, g: integers(t, g, high=VOCAB + 1)): "Token 40 was drawn",
    wrong(new=from_the_batch): "frequent in the batch are drawn more often",
    wrong(fate=fixed(COLUMN, uniform)): "All chosen tokens of a column share one fate",
    wrong(fate=fixed(ROW, uniform)): "All chosen tokens of a row share one fate",
    wrong(new=fixed(COLUMN, integers)): "All random tokens of a column are the same",
    in_reading_order: "the fates follow the order of the places",
    wrong(dice=lambda g: None): "gave two results",
    wrong(
        dice=lambda g: torch.Generator().manual_seed(0)
    ): "Two seeds gave the same result",
    wrong(
        draw=lambda t, g: uniform(t, torch.Generator().manual_seed(9))
    ): "Two seeds gave",
    wrong(dice=restarted): "with one generator, were hidden alike",
    changed(lambda t, read, targets: (targets, read)): "What is read comes first",
    changed(lambda t, read, targets: read): "should return 2 results",
    changed(lambda t, read, targets: (read, targets.float())): "type float32",
    changed(in_place): "first input in place",
}


# Right in other styles


def as_the_library(tokens, vocab_size, share, generator):
    rows = [row[row != Tokenizer.pad_id].tolist() for row in tokens]
    vocabulary = Tokenizer()
    vocabulary._token_bytes = [b""] * vocab_size
    batch = pretraining.masked_batch(rows, vocabulary, generator, share=share)
    rest = (0, tokens.shape[1] - batch.tokens.shape[1])
    return F.pad(batch.tokens, rest, value=0), F.pad(batch.targets, rest, value=IGNORE)


def with_one_draw(tokens, vocab_size, share, generator):
    """What is left of the draw, once it has chosen a token, decides its fate."""
    draw = uniform(tokens, generator) / share
    draw[tokens < SPECIAL] = 2
    read = integers(tokens, generator, high=vocab_size).where(draw < 0.9, tokens)
    return read.masked_fill(draw < 0.8, MASK), tokens.where(draw < 1, IGNORE)


def exact_numbers(tokens, vocab_size, share, generator):
    """As many as the shares say, to the token."""
    read, targets = tokens.clone(), torch.full_like(tokens, IGNORE)
    places = (tokens >= SPECIAL).nonzero()
    order = torch.randperm(len(places), generator=generator)
    places = places[order[: round(share * len(places))]]
    most, rest = round(0.8 * len(places)), round(0.9 * len(places))
    targets[places.unbind(1)] = tokens[places.unbind(1)]
    read[places[:most].unbind(1)] = MASK
    new = torch.randint(SPECIAL, vocab_size, (rest - most,), generator=generator)
    read[places[most:rest].unbind(1)] = new
    return read, targets


POINTS = {
    "all the chosen are asked for what stood there": 1,
    "each token is chosen by itself, and 80, 10 and 10 of 100 get their fate": 1,
    "the generator decides": 1,
}
EXERCISE = Exercise(
    name="hide",
    title="Hiding",
    kind="implement",
    skill="mask a text",
    difficulty=3,
    importance=4,
    minutes=20,
    chapter="04, before section 2, which prints the library's",
    task=TASK,
    solution=hide,
    cases=cases,
    points=POINTS,
    properties=dict(
        zip(
            POINTS,
            (
                what_is_asked,
                lambda *seen: who_is_chosen(*seen) or what_becomes_of_them(*seen),
                the_generator,
            ),
            strict=True,
        )
    ),
    proven="Of 100 chosen tokens 80 became <mask>, 10 a random ordinary token, 10 "
    "stayed;\nexactly these are asked for, no special token was touched, and one seed "
    "gives one result.",
    mistakes=MISTAKES,
    right=(as_the_library, with_one_draw, exact_numbers),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.pretraining.masked_batch",),
)
