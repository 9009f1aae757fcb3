"""What each token is paid, and what is still to come."""

import torch

from exercises import Exercise
from llmlab import policy_gradient, rollouts
from llmlab.checks import Case

TASK = r"""
A response gets one score, when it is finished. And each of its tokens pays a price for
leaving the **reference**, the policy as it was before: `beta` for each nat by which it
has become more probable than there. So what token $t$ is paid is

$$r_t = -\beta\,\bigl(\log \pi(y_t) - \log \pi_\text{ref}(y_t)\bigr) \;+\;
\text{score, if } t \text{ is the response's last token.}$$

A token can change what comes after it, and its own pay, but nothing before. So what
counts for it is the **reward to go**, the sum of its own pay and all that follows. A
response of three tokens that scores 2, between its prompt and padding, with beta 0.1:

| | prompt | y1 | y2 | y3 | `<pad>` |
|---|---|---|---|---|---|
| log pi | | -1.0 | -2.0 | -0.5 | |
| log pi of the reference | | -2.0 | -2.0 | -1.5 | |
| reward | 0 | -0.1 | 0.0 | +1.9 | 0 |
| reward to go | 0 | 1.8 | 1.9 | 1.9 | 0 |

Write both. The mask says which positions hold the response: not the prompt before it,
and not the padding behind.

**Before you start, predict:** a token is *less* probable than under the reference. Is
it paid for that, or does it pay?
"""


def token_rewards(scores, log_probs, reference_log_probs, mask, beta):
    """What each token of a response is paid.

    scores:              (batch,), one for each response
    log_probs:           (batch, time), of the tokens, under the policy that wrote them
    reference_log_probs: (batch, time), under the reference
    mask:                (batch, time) bool, True on the tokens of the response; other
                         positions hold any finite numbers
    beta:                a number, the price of a nat
    returns:             (batch, time), 0 off the mask; a fact: no gradient goes
                         through it
    """
    rewards = -beta * (log_probs - reference_log_probs) * mask
    columns = torch.arange(mask.shape[1])
    last = (columns * mask).argmax(dim=1)
    rewards[torch.arange(len(scores)), last] += scores
    return rewards.detach()


def rewards_to_go(rewards, mask):
    """What each token is paid, and all that the response is paid after it.

    rewards: (batch, time), what each token is paid; off the mask any finite numbers
    mask:    (batch, time) bool, as above
    returns: (batch, time), 0 off the mask
    """
    to_the_right = (rewards * mask).flip(1).cumsum(dim=1).flip(1)
    return to_the_right * mask


HINTS = (
    """Which column holds the last token of each row? It is neither the last column nor
the number of tokens, since a prompt stands before them. And for the second: a sum from
the right is one from the left, of a row that was turned round.""",
    """1. price: minus beta, times (log pi less log pi of the reference), 0 off the mask
2. the last token: the largest column in which the mask is True, row by row
3. add the score there; the last token still pays its price
4. to go: leave out what is off the mask, turn each row round, sum up, turn it back; and
   leave out what is off the mask once more""",
    """Ziegler et al., *Fine-Tuning Language Models from Human Preferences* (2019),
equation 2; Sutton and Barto, *Reinforcement Learning* (2018), section 13.3.
`token_rewards` in `llmlab/rollouts.py`.""",
)

AFTER = """
**What you predicted.** It is paid: the price of a negative nat is negative. On average
over tokens that the policy draws the sum is a price all the same, since the divergence
is never negative; a single token may well earn something.
"""


def rewards_slowly(scores, log_probs, reference_log_probs, mask, beta):
    rewards = torch.zeros_like(log_probs)
    for row, score in enumerate(scores):
        places = mask[row].nonzero().flatten().tolist()
        for place in places:
            gap = log_probs[row, place] - reference_log_probs[row, place]
            rewards[row, place] = -beta * gap.item()
        rewards[row, places[-1]] += score.item()
    return rewards


def to_go_slowly(rewards, mask):
    found = torch.zeros_like(rewards)
    for row, place in mask.nonzero().tolist():
        found[row, place] = sum(rewards[row, place:][mask[row, place:]])
    return found


PRICE, SCORE = "each token pays for its distance", "the score is on the last token"
FACT, TO_GO = "no gradient, and nothing off the mask", "a token gets what comes after"
ALONE = "the prompt and the padding stay out of the sum"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.rand(shape, generator=generator).round(decimals=2)

    whole = torch.ones(1, 3, dtype=torch.bool)
    first, second = -1 - numbers(1, 3), -2 - numbers(1, 3)
    yield Case((torch.zeros(1), first, second, whole, 0.1), PRICE)
    yield Case((torch.zeros(1), second, first, whole, 0.5), PRICE)
    yield Case((torch.ones(1) * 2, first, second, whole, 0.1), SCORE)
    mask = torch.tensor(
        [[0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    ).bool()
    log_probs, reference = -1 - numbers(4, 6), -1.3 - numbers(4, 6)
    scores = torch.tensor([2.0, -1.0, 0.5, 3.0])[torch.randperm(4, generator=generator)]
    clean = (scores, log_probs * mask, reference * mask, mask, 0.2)
    words = "four responses of other lengths, behind prompts,"
    yield Case(clean, SCORE, words)
    yield Case((scores, log_probs, reference, mask, 0.2), FACT, "numbers in padding")
    inputs = (scores, log_probs, reference, mask, 0.2)
    yield Case(inputs, FACT, "inputs that come with a graph", gradients=(0, 1, 2))

    rewards = numbers(1, 4) * 4 - 2
    yield Case((rewards, torch.ones(1, 4, dtype=torch.bool)), TO_GO, of=1)
    paid = numbers(4, 6) - 0.7
    yield Case((paid * mask, mask), TO_GO, "four responses", of=1)
    yield Case((paid + 1, mask), ALONE, "numbers off the mask", of=1)


# What people get wrong


def last_place(mask):
    return (torch.arange(mask.shape[1]) * mask).amax(dim=1, keepdim=True)


def put(places):
    """Scores at these places, (batch, time)."""

    def where(scores, mask):
        spread = torch.zeros(mask.shape)
        return spread.scatter_add(1, places(mask), scores[:, None].to(spread))

    return where


ON_THE_LAST = put(last_place)


def gap(new, old, mask):
    return new - old


def wrong(price=gap, where=ON_THE_LAST, sign=-1, cut=torch.detach):
    """The rewards with one part exchanged."""

    def answer(scores, log_probs, reference_log_probs, mask, beta):
        cost = price(log_probs, reference_log_probs, mask)
        paid = sign * beta * cost * mask + where(scores, mask)
        return cut(paid)

    return answer, rewards_to_go


def replaced(scores, log_probs, reference_log_probs, mask, beta):
    rewards = -beta * (log_probs - reference_log_probs) * mask
    return rewards.scatter(1, last_place(mask), scores[:, None]).detach()


def unmasked(scores, log_probs, reference_log_probs, mask, beta):
    rewards = -beta * (log_probs - reference_log_probs)
    return (rewards + ON_THE_LAST(scores, mask)).detach()


def summed(of):
    return token_rewards, lambda rewards, mask: of(rewards * mask, mask) * mask


def one_late(mask):
    return (last_place(mask) + 1).clamp(max=mask.shape[1] - 1)


def counted(mask):
    return mask.sum(dim=1, keepdim=True) - 1


def to_the_right(x, mask=None):
    return x.flip(1).cumsum(dim=1).flip(1)


MISTAKES = {
    wrong(sign=1): "The sign of the price is wrong: tokens are paid for leaving the "
    "reference. Nothing stops, the reward even rises, and the model drifts away.",
    wrong(lambda new, old, mask: (new - old).abs()): "A token that is less probable "
    "than under the reference gets its price back. With the absolute value the mean is "
    "no longer the divergence.",
    wrong(lambda new, old, mask: (new - old).clamp(min=0)): "A negative price was cut "
    "off at zero. A token that is less probable than under the reference is paid for "
    "it, and that makes the mean right.",
    wrong(lambda new, old, mask: (old - new).expm1() - (old - new)): "That is the "
    "estimate of the divergence that is never negative. As a price inside the reward "
    "it has the wrong gradient: take the plain difference.",
    wrong(lambda new, old, mask: new.exp() - old.exp()): "The price is on the "
    "difference of the *logarithms*, not of the probabilities.",
    wrong(lambda new, old, mask: ((new - old) * mask).sum(1, keepdim=True)): "Each "
    "token was charged for the whole response. It pays for its own distance.",
    wrong(lambda new, old, mask: (new - old) / mask.sum(1, keepdim=True)): "The price "
    "was divided by the response's length: a nat costs less in a long one.",
    wrong(lambda new, old, mask: 0 * new): "There is no price: the distance from the "
    "reference does not come in.",
    wrong(where=put(lambda mask: last_place(mask) * 0 + mask.shape[1] - 1)): "The "
    "score stands in the last column, which is padding in all rows but the longest. It "
    "belongs on the response's last token.",
    wrong(where=put(one_late)): "The score is one slot late, behind the last token of "
    "the response, where nothing learns from it.",
    wrong(where=put(counted)): "You counted the response's tokens to find the last, as "
    "if the response began in the first column. A prompt stands before it.",
    wrong(where=lambda scores, mask: scores[:, None] * mask): "Every token gets the "
    "score. It is paid once, at the last token; the others get their share by the sum "
    "of what is to come.",
    wrong(where=lambda s, mask: s[:, None] * mask / mask.sum(1, keepdim=True)): "The "
    "score was shared out among the tokens. It is paid at the last one: before the end "
    "nobody knows it.",
    wrong(where=lambda scores, mask: 0 * mask): "There is no score.",
    (replaced, rewards_to_go): "The last token gets the score in place of its price. "
    "It is added: the last token pays like the others.",
    (unmasked, rewards_to_go): "Prompt or padding is charged as well. Off the mask the "
    "rewards are 0.",
    wrong(cut=lambda rewards: rewards): "",
    summed(lambda x, mask: x.cumsum(1)): "You summed from the left: that is what a "
    "token has behind it, which it cannot change any more.",
    summed(lambda x, mask: x.sum(1, keepdim=True)): "Every token gets the whole sum. "
    "That is right on average, but what came before a token is noise to it.",
    summed(lambda x, mask: to_the_right(x) - x): "A token's own pay is missing; its "
    "sum begins with it.",
    summed(lambda x, mask: to_the_right(x) / to_the_right(mask).clamp(min=1)): "You "
    "took the mean of what is to come. It is a sum.",
    summed(lambda x, mask: x): "Nothing is summed: each token gets its own pay alone, "
    "and so only the last one learns from the score.",
    (token_rewards, lambda x, mask: to_the_right(x) * mask): "What stands in the "
    "padding was summed along. Leave it out before you sum.",
    (token_rewards, lambda x, mask: to_the_right(x * mask)): "Positions before the "
    "response get a sum, too. The prompt was not written by the policy: 0 there.",
}


# Right in other styles


def scattered(scores, log_probs, reference_log_probs, mask, beta):
    is_last = mask & (to_the_right(mask.long()) == 1)
    price = beta * (log_probs - reference_log_probs)
    return ((scores[:, None] * is_last - price).detach()) * mask


def by_a_loop(rewards, mask):
    found, total = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0])
    for place in reversed(range(rewards.shape[1])):
        total = total + rewards[:, place].where(mask[:, place], 0)
        found[:, place] = total.where(mask[:, place], 0)
    return found


OF_THE_LIBRARY = rollouts.token_rewards, policy_gradient.reward_to_go
EXERCISE = Exercise(
    name="rewards_to_go",
    title="What a token is paid for",
    kind="implement",
    skill="give each token its reward",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="09, before section 3, which prints one half of it",
    task=TASK,
    solution=(token_rewards, rewards_to_go),
    definition=(rewards_slowly, to_go_slowly),
    cases=cases,
    points={PRICE: 1, SCORE: 1, FACT: 1, TO_GO: 1, ALONE: 1},
    proven="Each token pays for its own distance, the last one gets the score besides, "
    "and each\ncounts what comes after it and nothing else.",
    mistakes=MISTAKES,
    right=((scattered, by_a_loop), OF_THE_LIBRARY),
    hints=HINTS,
    after=AFTER,
    library=(
        "llmlab.rollouts.token_rewards",
        "llmlab.policy_gradient.reward_to_go",
    ),
)
