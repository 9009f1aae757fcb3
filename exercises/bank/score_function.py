"""The score function: a gradient through dice."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import policy_gradient
from llmlab.checks import Case
from llmlab.exact import World

TASK = r"""
A policy draws a text, and the text is paid for. How should the policy change, to be
paid more? The reward has no derivative: it is a number, from a program or a person. And
nobody differentiates a throw of dice. But how *probable* a text is can be
differentiated, and that is enough:

$$\nabla \sum_y \pi(y)\,R(y) = \sum_y \pi(y)\;R(y)\,\nabla \log \pi(y)$$

The sum on the right is a mean over texts as the policy draws them. So each drawn text
$y$ reports its reward times $\nabla \log \pi(y)$, which is called the **score**, and
the mean of the reports is right on average.

The policy here is a table: in each **state** (what has been written so far) a row of
logits. One token with three choices, drawn with the probabilities below:

| token | a | b | end |
|---|---|---|---|
| probability | 0.5 | 0.3 | 0.2 |
| score, if **b** was drawn | -0.5 | +0.7 | -0.2 |
| report, if b is paid 2 | -1.0 | +1.4 | -0.4 |

**Before you start, predict:** every text is paid 5, whatever it says. What does a
single text report, and what do all texts report on average?
"""


def score_function(logits, states, tokens, mask, rewards):
    """The gradient of the expected reward, as a batch of drawn texts reports it.

    logits:  (states, vocab), the policy: a row for each state
    states:  (texts, time) int64, the state in which each token was drawn
    tokens:  (texts, time) int64
    mask:    (texts, time) bool, False behind the end of a text
    rewards: (texts,), what each text was paid
    returns: (states, vocab), how the expected reward changes with each logit
    """
    logits = logits.detach().requires_grad_()
    of_tokens = logits.log_softmax(dim=-1)[states, tokens]
    of_texts = (of_tokens * mask).sum(dim=1)
    return torch.autograd.grad((of_texts * rewards).mean(), logits)[0]


HINTS = (
    """A text is as probable as its tokens, multiplied. What does the logarithm make of
a product? Autograd may do the rest: which number has the wished gradient?""",
    """1. logits to log-probabilities, along the vocabulary; pick those of the tokens
2. leave out what stands behind the end; sum along each text
3. times the text's reward, then the mean over the texts
4. the gradient of that with respect to the logits. By hand: in the row of each token's
   state, the reward times (1 at the token, 0 elsewhere, less the probabilities)""",
    """Williams, *Simple Statistical Gradient-Following Algorithms* (1992). Chapter 09
counts a whole world; `World.estimates` in `llmlab/exact.py` has it by hand.""",
)

AFTER = """
**What you predicted.** A single text reports 5 times its score, which is not zero; on
average it is zero, since nothing is to be won. All of it is noise, and a number that is
subtracted from every reward takes it away: the next exercise.

**Your function in a world of 31 texts.** All of them once, each weighed with how often
it would be drawn: that is the theorem. Then drawn ones. *How many times as many texts
does it take to be ten times nearer?*
"""


def use(score_function):
    world, dice = World(), torch.Generator().manual_seed(0)
    logits = world.random_logits(dice)
    rewards = torch.randn(31, generator=dice, dtype=torch.float64)
    exact = world.gradient(logits, rewards)
    probabilities = world.probabilities(logits)

    def error(rows, rewards):
        told = world.states[rows], world.tokens[rows], world.mask[rows]
        found = score_function(logits, *told, rewards)
        return ((found - exact).norm() / exact.norm()).item()

    everything = error(torch.arange(31), 31 * probabilities * rewards)
    print("all texts, weighed: equal to 12 digits", everything < 1e-12)
    for count in (100, 10_000, 1_000_000):
        drawn = torch.multinomial(
            probabilities, count, replacement=True, generator=dice
        )
        print(f"{count:9,} texts drawn: off by {error(drawn, rewards[drawn]):.1%}")


def definition(logits, states, tokens, mask, rewards):
    """By hand, one token after the other."""
    total = torch.zeros_like(logits)
    for text, place in mask.nonzero().tolist():
        state, token = states[text, place], tokens[text, place]
        score = -logits[state].softmax(dim=-1)
        score[token] += 1
        total[state] += rewards[text] * score
    return total / len(tokens)


ONE, MANY = "one text reports its reward times its score", "many report their mean"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    world = World(time=3)
    logits = world.random_logits(generator).float()
    order = torch.randperm(len(world.sequences), generator=generator)
    lengths = world.mask.sum(dim=1)[order]

    def batch(rows, rewards, logits=logits):
        told = world.states[rows], world.tokens[rows], world.mask[rows]
        return (logits, *told, rewards)

    for length, reward in ((1, 2.0), (3, 1.0), (2, -3.0)):
        row = order[lengths == length][:1]
        words = f"one text of {length} tokens, paid {reward:g},"
        yield Case(batch(row, torch.tensor([reward])), ONE, words)
    rewards = torch.randn(len(order), generator=generator) + 1
    yield Case(batch(order[:4], rewards[:4]), MANY, "four texts")
    yield Case(batch(order, rewards), MANY, "all texts of a world, once each,")
    often = order.repeat_interleave(3 ** (3 - lengths))
    yield Case(
        batch(often, rewards[often], torch.zeros_like(logits)),
        MANY,
        "all texts as often as they are probable, whose mean is the exact gradient,",
    )


# What people get wrong


def wrong(
    token=lambda logits: logits.log_softmax(-1),
    text=lambda x, mask: (x * mask).sum(1),
    batch=lambda x, mask: x.mean(),
    pay=lambda rewards: rewards,
):
    """The gradient with one part exchanged."""

    def answer(logits, states, tokens, mask, rewards):
        logits = logits.detach().requires_grad_()
        of_texts = text(token(logits)[states, tokens], mask)
        goal = batch(of_texts * pay(rewards), mask)
        return torch.autograd.grad(goal, logits)[0]

    return answer


def last_token(x, mask):
    return x[torch.arange(len(x)), mask.sum(1) - 1]


def of_the_vocabulary(logits, states, tokens, mask, rewards):
    """All probabilities of a state are pushed, not that of the token drawn."""
    logits = logits.detach().requires_grad_()
    of_states = logits.log_softmax(-1)[states].sum(-1)
    goal = ((of_states * mask).sum(1) * rewards).mean()
    return torch.autograd.grad(goal, logits)[0]


def in_place(logits, states, tokens, mask, rewards):
    rewards -= rewards.mean()
    return score_function(logits, states, tokens, mask, rewards)


PROBABILITY = (
    "You differentiated the probability of a text. How probable it is has come in "
    "already, by drawing it; once more is once too often. It is the logarithm whose "
    "gradient is reported."
)
BASELINE = (
    "The mean reward was subtracted. That is a baseline, of which each text is itself "
    "a part, so that its mean is no longer the gradient. Leave the rewards as they "
    "are."
)
MISTAKES = {
    wrong(pay=lambda rewards: -rewards): "The sign is wrong: that is the gradient of a "
    "loss, and going along it makes what was paid rarer. Asked is how the reward "
    "grows.",
    wrong(text=lambda x, mask: (x * mask).sum(1).exp()): PROBABILITY,
    wrong(token=lambda logits: logits.softmax(-1)): "You summed the probabilities of "
    "the tokens. A text's is their product: take the logarithm first, then the sum.",
    wrong(text=lambda x, mask: (x * mask).sum(1) / mask.sum(1)): "Each text was "
    "divided by its length, so tokens of short texts count more. The logarithm of a "
    "text's probability is a sum over its tokens.",
    wrong(text=lambda x, mask: x.sum(1)): "What stands behind the end of a text takes "
    "part. Nobody drew it: go by the mask.",
    wrong(text=last_token): "Only the last token of a text learns. All of its tokens "
    "were drawn, and the reward is for all of them.",
    wrong(batch=lambda x, mask: x.sum()): "That is the sum over the texts. The "
    "expected reward is a mean, so that its gradient does not grow with the batch.",
    wrong(batch=lambda x, mask: x.sum() / mask.sum()): "You divided by the number of "
    "tokens. A mean over texts divides by how many texts there are.",
    wrong(token=lambda logits: logits): "The logits were taken for log-probabilities. "
    "What is given to one token is taken from the others of its state: that comes from "
    "the softmax.",
    wrong(pay=lambda rewards: rewards - rewards.mean()): BASELINE,
    wrong(pay=lambda r: (r - r.mean()) / (r.std(correction=0) + 1e-8)): BASELINE,
    wrong(pay=torch.ones_like): "The rewards do not come in. Without them the mean "
    "report is zero, whatever the policy is.",
    wrong(pay=torch.sign): "The size of a reward does not matter to you, only its "
    "sign.",
    of_the_vocabulary: "All tokens of a state are pushed, drawn or not. Only the token "
    "that was drawn can answer for the reward.",
    in_place: "",
    lambda *inputs: score_function(*inputs).sum(): "",
    lambda *inputs: -score_function(*inputs[:-1], -inputs[-1].abs()): "",
}


# Right in other styles


def by_hand(logits, states, tokens, mask, rewards):
    row = F.one_hot(tokens, logits.shape[1]) - logits.softmax(-1)[states]
    weights = (mask * rewards[:, None] / len(tokens))[..., None]
    total = torch.zeros_like(logits)
    return total.index_add(0, states.flatten(), (row * weights).flatten(end_dim=1))


def text_by_text(logits, states, tokens, mask, rewards):
    reports = []
    for state, token, real, reward in zip(states, tokens, mask, rewards, strict=True):
        leaf = logits.detach().clone().requires_grad_()
        log_prob = leaf.log_softmax(dim=-1)[state[real], token[real]].sum()
        log_prob.backward()
        reports.append(reward * leaf.grad)
    return torch.stack(reports).mean(dim=0)


def by_the_librarys_loss(logits, states, tokens, mask, rewards):
    leaf = logits.detach().requires_grad_()
    log_probs = leaf.log_softmax(dim=-1)[states, tokens]
    loss = policy_gradient.policy_gradient_loss(
        log_probs, rewards[:, None] * mask, mask / len(mask)
    )
    return -torch.autograd.grad(loss, leaf)[0]


EXERCISE = Exercise(
    name="score_function",
    title="A gradient through dice",
    kind="implement",
    skill="write a policy gradient",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="09, before section 1, which prints the library's",
    task=TASK,
    solution=score_function,
    definition=definition,
    cases=cases,
    points={ONE: 1, MANY: 2},
    proven="Each text reports its reward times its score, and over texts as often as "
    "they are\nprobable the mean of the reports is the exact gradient.",
    mistakes=MISTAKES,
    right=(by_hand, text_by_text, by_the_librarys_loss),
    hints=HINTS,
    after=AFTER,
    use=use,
)
