"""Find the fault, a museum: the score is paid one slot late."""

import torch

from exercises import Exercise
from exercises.bank import museum_kl_sign as first_room
from exercises.bank._museum import detector_cases
from exercises.bank.museum_kl_sign import (
    all_turned,
    at_the_last,
    built,
    doubled,
    last_place,
    one_at,
    positive,
    turned,
)

TASK = r"""
Second room of the museum of faults. Again a token is paid $-\beta$ times how far it has
left the reference, and the **last** token of an answer, its `<eos>`, the score besides.

| | prompt | boat | came | `<eos>` | `<pad>` | `<pad>` |
|---|---|---|---|---|---|---|
| mask | False | True | True | True | False | False |
| score 2 is paid | 0 | 0 | 0 | 2 | 0 | 0 |

The exhibit is how a library in wide use placed the score for two years. The cell below
trains a policy with it, and one as it should be, in the world of 31 texts. In that
world the best texts are short, and a text is cut off after four tokens.

**Repair** it. And write a **detector**: it gets any function of this kind and says
whether **the score of some answer is paid elsewhere than on its last token**, or is not
paid at all. It meets six sick functions and four healthy ones, which may have other
faults: one doubles the score, one charges for the divergence with the wrong sign.

**Run the cell, look at its curves, and predict:** which answers are still worth
something to the sick policy?
"""


def given():
    from exercises.bank.museum_kl_sign import show

    def sick(scores, log_probs, reference_log_probs, mask, beta):
        columns, rows = torch.arange(mask.shape[1]), torch.arange(len(mask))
        rewards = -beta * (log_probs - reference_log_probs) * mask
        end = (columns * mask).amax(dim=1) + 1
        rewards[rows, end.clamp(max=mask.shape[1] - 1)] += scores
        return rewards

    print(show("sick", sick))


def scored_rewards(scores, log_probs, reference_log_probs, mask, beta):
    """What `sick` should have been.

    scores:  (batch,) one for each answer
    log_probs, reference_log_probs: (batch, time) of each token, under the policy that
             wrote it and under the reference
    mask:    (batch, time) bool, True at the tokens of the answer, side by side; a
             prompt may stand before them and padding behind
    beta:    the price of a nat
    returns: (batch, time) rewards, 0 where the mask is False
    """
    rewards = -beta * (log_probs - reference_log_probs) * mask
    places = torch.arange(mask.shape[1]) * mask
    is_last = places == places.amax(dim=1, keepdim=True)
    return rewards + scores[:, None] * (is_last & mask)


def score_is_misplaced(f):
    """Whether some score is not paid on the last token of its answer, and there only.

    f:       a function of scores, log_probs, reference_log_probs, mask and beta
    returns: True or False
    """
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]]).bool()
    last = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 0]]).bool()
    scores, same = torch.tensor([1.0, -1, 2, -2]), torch.full((4, 4), -3.0)
    paid = f(scores + 1, same, same, mask, 0.5) - f(scores, same, same, mask, 0.5)
    return not torch.equal(paid.abs() > 1e-5, last)


HINTS = (
    """The mask is laid over the rewards afterwards, as always: what is paid to padding
is paid to nobody. Which answers have no padding behind them? For the detector: change
the scores, and nothing else.""",
    """1. the last token is the last place at which the mask is True, whatever stands
   before and behind it
2. detector: raise all scores by one, leave the rest equal, subtract the rewards
3. the difference has to be there at the last token of each row, and to be zero at every
   other place
4. rows with padding, with a prompt, with both and with neither: each of them hides
   another fault""",
    """Issues 1893 and 3750 of TRL, whose `PPOTrainer` paid the score to the first slot
behind the `<eos>`, with a value of its own. With $\\lambda = 1$ the advantages come out
right all the same; `token_rewards` in `llmlab/rollouts.py` has the course's.""",
)

AFTER = """
**What you predicted.** Those that fill the room: the others are paid to the padding. So
the answers grow longer while the score hardly rises, and whoever looks at the length
sees it first.

Where padding has a value of its own and is not masked before the advantages are made,
as in the library's case, the score finds its way back, and the fault costs only a
little. That is why it could live for so long.

**Your repair, in the same world:**
"""


def use(scored_rewards, score_is_misplaced):
    from exercises.bank.museum_kl_sign import show

    print(show("repaired", scored_rewards))


# Functions, sick and healthy


def one_late(mask):
    return one_at(lambda m: (last_place(m) + 1).clamp(max=m.shape[1] - 1))(mask)


late = built(where=one_late)
lost = built(where=one_at(lambda mask: last_place(mask) + 1))
final_column = built(
    where=one_at(lambda mask: last_place(mask) * 0 + mask.shape[1] - 1)
)
counted = built(where=one_at(lambda mask: mask.sum(dim=1) - 1))
spread = built(where=lambda mask: mask / mask.sum(dim=1, keepdim=True))
everywhere = built(where=lambda mask: mask.float())
early = built(where=one_at(lambda mask: last_place(mask) - 1))
SICK = late, lost, final_column, counted, spread, everywhere
HEALTHY = scored_rewards, doubled, turned, positive
DETECTOR = "the detector is right on six sick and four healthy functions"


def cases(seed):
    yield from reversed(list(first_room.repair_cases(seed))[:2])
    yield list(first_room.repair_cases(seed))[2]
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong


def misplaced(rows=(0, 1, 2), finds=lambda paid, last: (paid.abs() > 1e-5) != last):
    """The detector, with fewer kinds of rows: padded, with a prompt, full."""

    def answer(f):
        mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 1]]).bool()[[*rows]]
        scores, same = torch.ones(len(mask)), torch.full(mask.shape, -3.0)
        paid = f(scores + 1, same, same, mask, 0.5) - f(scores, same, same, mask, 0.5)
        return bool(finds(paid, at_the_last(mask) > 0).any())

    return answer


def unlike_mine(f):
    dice = torch.Generator().manual_seed(3)
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0]]).bool()
    inputs = torch.ones(2), *-torch.rand(2, 2, 4, generator=dice), mask, 0.5
    return not torch.allclose(f(*inputs), scored_rewards(*inputs), atol=1e-5)


def sums_up(f):
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 1]]).bool()
    same = torch.full(mask.shape, -3.0)
    rewards = f(torch.ones(3), same, same, mask, 0.5)
    return bool(((rewards * mask).sum(dim=1) < 0.99).any())


def repair(f):
    return f, score_is_misplaced


def detector(f):
    return scored_rewards, f


MISTAKES = {
    repair(late): "The repair still pays the score one slot late, to the padding, "
    "which nobody wrote.",
    repair(lost): "The repair still pays the score one slot late, and full rows, which "
    "have no such slot, lose it.",
    repair(early): "The repair pays the score one token early: the <eos> is a token of "
    "the answer, its last one.",
    repair(final_column): "The repair pays the score in the last column. That is "
    "padding in all rows but the longest.",
    repair(counted): "The repair counts the tokens of the answer from the row's "
    "beginning. Where a prompt stands before it, the answer ends later.",
    repair(spread): "The repair spreads the score over the answer. It is known at the "
    "end, and paid there.",
    repair(everywhere): "The repair pays the score at every token: long answers earn "
    "it many times.",
    repair(turned): "The score is in its place, but now the sign of the divergence is "
    "wrong.",
    repair(all_turned): "",
    detector(lambda f: True): "Your detector says the same of all functions. Change "
    "the scores, and see where the rewards change.",
    detector(misplaced(rows=(2,))): "Your detector misses scores that are paid to the "
    "padding: give it rows that end early.",
    detector(misplaced(rows=(0, 2))): "Your detector misses a function that counts "
    "from the row's beginning: give it a row with a prompt.",
    detector(misplaced(finds=lambda paid, last: (paid.abs() < 0.9) & last)): (
        "Your detector is content if the last token gets the score. No other token may "
        "get anything of it."
    ),
    detector(sums_up): "Your detector adds up a row. A score may stand at a wrong "
    "token of the answer, and the sum is the same: look at each place.",
    detector(unlike_mine): "Your detector calls a healthy function sick that is only "
    "unlike yours: what the divergence costs is not the question here.",
}


# Right in other styles


def in_a_loop(scores, log_probs, reference_log_probs, mask, beta):
    rewards = torch.zeros_like(log_probs)
    for row, real in enumerate(mask):
        places = real.nonzero().flatten()
        left = log_probs[row, places] - reference_log_probs[row, places]
        rewards[row, places] = -beta * left
        rewards[row, places[-1]] += scores[row]
    return rewards


EXERCISE = Exercise(
    name="museum_late_score",
    title="Museum of faults, room 2: one slot late",
    kind="find the fault",
    skill="test a reward",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="09, after section 5",
    task=TASK,
    given=given,
    solution=(scored_rewards, score_is_misplaced),
    definition=(first_room.definition, lambda f: f in SICK),
    cases=cases,
    points={"the score is paid at the last token": 1, first_room.EVERY: 1, DETECTOR: 2},
    proven="The score is paid where the answer ends, and your detector is right on six "
    "sick\nfunctions and four healthy ones.",
    mistakes=MISTAKES,
    right=((in_a_loop, misplaced()), (first_room.token_rewards, score_is_misplaced)),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.rollouts.token_rewards",),
)
