"""Three ways to count a distance, and which of them is for what."""

import torch

from exercises import Exercise
from llmlab import rollouts
from llmlab.checks import Case

TASK = r"""
How far has the policy gone from the reference? Its divergence is a mean over all that
the policy may write, and there are only tokens that it did write, with their
log-probabilities under both. With $\rho = \pi_\text{ref}(y) / \pi(y)$, three numbers a
token have been proposed (Schulman, 2020):

$$k_1 = -\log \rho, \qquad k_2 = \tfrac12 (\log \rho)^2, \qquad
k_3 = \rho - 1 - \log \rho$$

| token | pi | reference | k1 | k2 | k3 |
|---|---|---|---|---|---|
| a | 0.5 | 0.25 | +0.69 | 0.24 | 0.19 |
| b | 0.5 | 0.75 | -0.41 | 0.08 | 0.09 |
| **mean over tokens drawn from pi** | | | **0.144** | 0.161 | **0.144** |

The exact divergence is 0.144. Write the three. Then **choose**, from means like those
of the table and from their gradients:

1. which are right on average (the others are **biased**)?
2. Which of them can never be negative? A plot of it does not wobble through zero.
3. Inside the **reward** its value is a fact, without a gradient, that is multiplied
   with the score of the token. For which one is the mean of (value times score) the
   gradient of the divergence?
4. In the **loss** it is differentiated as it stands, token by token, through $\pi(y)$.
   The mean of which gradient is that of the divergence from policy to reference?

The cell below has three tokens for trying: means are sums over them, weighed with the
policy's probabilities.

**Before you start, predict:** what is the mean gradient of k1 as a loss?
"""


def given():
    policy = torch.tensor([0.9, -0.2, 0.1]).requires_grad_()  # logits
    reference = torch.tensor([0.0, 0.5, -0.3]).log_softmax(dim=-1)
    log_probs = policy.log_softmax(dim=-1)
    probabilities = log_probs.exp().detach()
    divergence = (log_probs.exp() * (log_probs - reference)).sum()
    gradient = torch.autograd.grad(divergence, policy, retain_graph=True)[0]
    print(f"three tokens, drawn with {probabilities}")
    print(f"divergence {divergence:.4f}, its gradient {gradient}")


def k1(log_probs, reference_log_probs):
    """The plain estimate of each token's divergence from policy to reference.

    log_probs:           (batch, time), of tokens that the policy drew
    reference_log_probs: (batch, time), of the same tokens under the reference
    returns:             (batch, time)
    """
    return log_probs - reference_log_probs


def k2(log_probs, reference_log_probs):
    """The squared one, (batch, time); arguments as above."""
    return (log_probs - reference_log_probs) ** 2 / 2


def k3(log_probs, reference_log_probs):
    """The one with a correction, (batch, time); arguments as above."""
    log_ratio = reference_log_probs - log_probs
    return log_ratio.exp() - 1 - log_ratio


def chosen():
    """What each of them is good for.

    returns: four lists of names out of "k1", "k2" and "k3": those that are right on
             average; those that are never negative; those for the reward; those for
             the loss
    """
    return ["k1", "k3"], ["k2", "k3"], ["k1"], ["k2"]


HINTS = (
    """Mind the direction: the ratio has the reference on top. For the choice make the
three numbers for the three tokens of the cell, and compare their means with the
divergence it prints, and the means of their gradients with the gradient.""",
    """1. the logarithm of the ratio is reference less policy; k1 is minus that
2. questions 1 and 2: sum the probabilities times k, and look at its sign
3. question 3: the sum of probabilities times k, cut off the graph, times the
   log-probabilities; its gradient
4. question 4: the sum of probabilities, cut off the graph, times k as it is; its
   gradient""",
    """Schulman, *Approximating KL Divergence* (2020), has the values; Tang and Munos,
*On a Few Pitfalls in KL Divergence Gradient Estimation for RL* (2025), the gradients.
`kl_k1` to `kl_k3` in `llmlab/rollouts.py`.""",
)

AFTER = """
**What you predicted.** Zero. Differentiated as it stands, k1 is the log-probability
of a drawn token, and the mean score is zero: a loss of k1 costs time and pulls nowhere.
And k3 as a loss pulls, but along the divergence from reference to policy, which is
another one. The best estimate of a value need not be the best to differentiate.
"""


def k3_slowly(log_probs, reference_log_probs):
    """In double precision, from the probabilities."""
    new, old = log_probs.double(), reference_log_probs.double()
    ratio = old.exp() / new.exp()
    return (ratio - 1 - ratio.log()).float()


ESTIMATE = "each estimate, token by token"
LEARNS = "a gradient goes through them"
MEANS, SIGNS = "which are right on average", "which are never negative"
REWARD, LOSS = "which is for the reward", "which is for the loss"
PLACES = {MEANS: 0, SIGNS: 1, REWARD: 2, LOSS: 3}


def compared(inputs, result):
    """The order of names in a list does not matter."""
    if inputs:
        return result
    return tuple(
        sorted(names) if isinstance(names, list) else names for names in result
    )


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.rand(shape, generator=generator)

    pair = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    log_probs, reference = -1 - numbers(2, 4), -1 - numbers(2, 4)
    rare = (log_probs - 109, reference - 109)
    for of in range(3):
        yield Case(pair, ESTIMATE, "the table's two tokens", of=of)
        yield Case((log_probs, reference), ESTIMATE, of=of)
        words = "tokens whose probability is e to the power of -110"
        yield Case(rare, ESTIMATE, words, of=of)
        yield Case((log_probs, reference), LEARNS, gradients=(0,), of=of)
    yield Case((), "the choice", "the four questions", of=3)


# What people get wrong


def unlike(**parts):
    """All parts right, but for these."""
    right = {"k1": k1, "k2": k2, "k3": k3, "chosen": chosen}
    return tuple((right | parts).values())


def chooses(what, *names):
    lists = list(chosen())
    lists[PLACES[what]] = list(names)
    return unlike(chosen=lambda: tuple(lists))


def everywhere(change):
    return tuple(change(f) for f in (k1, k2, k3)) + (chosen,)


def of_probabilities(new, old):
    ratio = old.exp() / new.exp()
    return ratio - 1 - ratio.log()


UPSIDE_DOWN = (
    "The ratio is upside down: the tokens come from the policy, so it is the reference "
    "over the policy. Yours estimates nothing that is wanted, and it has stood in "
    "published code."
)
REVERSED = (
    "The sign is wrong: it counts the nats by which a token is more probable under the "
    "policy than under the reference, policy less reference."
)
MISTAKES = {
    unlike(k1=lambda new, old: old - new): REVERSED,
    unlike(k3=lambda new, old: k3(old, new)): UPSIDE_DOWN,
    everywhere(lambda f: lambda new, old: f(old, new)): REVERSED,
    unlike(k1=lambda new, old: (new - old).abs()): "A token that is less probable than "
    "under the reference counts negative. Without the negative ones the mean is too "
    "large.",
    unlike(k1=lambda new, old: new.exp() * (new - old)): "Each token was weighed with "
    "its probability. It was drawn with that probability already: the mean over drawn "
    "tokens weighs them.",
    unlike(k1=lambda new, old: new.exp() - old.exp()): "You took the difference of the "
    "probabilities; the divergence is a mean of differences of logarithms.",
    unlike(k2=lambda new, old: (new - old) ** 2): "The half is missing in k2: near the "
    "reference the divergence is half the mean square of the difference.",
    unlike(k2=lambda new, old: (new - old).abs() / 2): "k2 is the *square* of the "
    "difference, halved, not its absolute value.",
    unlike(k3=lambda new, old: (old - new).exp() - (old - new)): "One has to be "
    "subtracted in k3: at equal probabilities it is 0, and the ratio is 1.",
    unlike(k3=lambda new, old: (old - new).exp() - 1): "The logarithm of the ratio is "
    "missing in k3. The ratio less 1 has mean 0: it is a correction that takes away "
    "noise, not an estimate.",
    unlike(k3=lambda new, old: (old - new).exp() - 1 + (old - new)): "The logarithm of "
    "the ratio is subtracted in k3, not added: then it is never negative.",
    unlike(k3=of_probabilities): "Small probabilities were rounded to zero, and zero "
    "was divided by zero: subtract the logarithms first, then exponentiate.",
    everywhere(lambda f: lambda new, old: f(new, old).mean()): "",
    everywhere(lambda f: lambda new, old: f(new.detach(), old)): "",
    everywhere(lambda f: lambda new, old: f(new, old).sum(-1, keepdim=True)): "",
    chooses(MEANS, "k1"): "k3 is right on average as well: what it adds to k1, the "
    "ratio less 1, has mean 0.",
    chooses(MEANS, "k3"): "k1 is right on average as well: its mean *is* the "
    "divergence, by definition.",
    chooses(MEANS, "k1", "k2", "k3"): "The mean of k2 is not the divergence, only near "
    "it: see the table.",
    chooses(SIGNS, "k3"): "A square is never negative: k2 belongs to them.",
    chooses(SIGNS, "k2"): "k3 is never negative either: the logarithm of a ratio is at "
    "most the ratio less 1.",
    chooses(
        SIGNS, "k1", "k2", "k3"
    ): "k1 is negative wherever a token is less probable than under the reference.",
    chooses(REWARD, "k3"): "In the reward k3 has another gradient than the divergence, "
    "though its mean is right. Question 3 asks for the mean of value times score.",
    chooses(REWARD, "k2"): "In the reward k2 has another gradient than the divergence: "
    "sum the probabilities times k2 times the scores.",
    chooses(REWARD, "k1", "k3"): "Only one of the two is for the reward. Their means "
    "are alike; the means of value times score are not.",
    chooses(LOSS, "k1"): "As a loss k1 does nothing at all: its gradient is the score "
    "of a drawn token, whose mean is zero.",
    chooses(LOSS, "k3"): "As a loss k3 pulls along the divergence from reference to "
    "policy. Asked is the one from policy to reference.",
    chooses(LOSS, "k1", "k3"): "That an estimate is right on average does not make its "
    "gradient right: differentiate each, and take the mean of the gradients.",
    unlike(chosen=lambda: ["k1"]): "",
    unlike(chosen=lambda: ("k1", "k2", "k3", "k1")): "",
}


# Right in other styles


def k3_for_small_gaps(log_probs, reference_log_probs):
    gap = log_probs - reference_log_probs
    return torch.expm1(-gap) + gap


OTHERS = {
    "k2": lambda new, old: 0.5 * (old - new).square(),
    "k3": k3_for_small_gaps,
    "chosen": lambda: [["k3", "k1"], ["k3", "k2"], ["k1"], ["k2"]],
}
LIBRARY = {"k1": rollouts.kl_k1, "k2": rollouts.kl_k2, "k3": rollouts.kl_k3}
EXERCISE = Exercise(
    name="kl_estimators",
    title="Three ways to count a distance",
    kind="implement",
    skill="estimate a divergence",
    difficulty=4,
    importance=4,
    minutes=30,
    chapter="09, before section 5",
    task=TASK,
    given=given,
    solution=(k1, k2, k3, chosen),
    definition=(k1, k2, k3_slowly, chosen),
    cases=cases,
    points={ESTIMATE: 2, LEARNS: 1, "the choice": 2},
    compared=compared,
    proven="k1 and k3 are right on average; k1 is for the reward, k2 for the loss, and "
    "k3 for\nlooking at.",
    mistakes=MISTAKES,
    right=(unlike(**OTHERS), unlike(**LIBRARY)),
    hints=HINTS,
    after=AFTER,
    library=tuple(f"llmlab.rollouts.kl_k{k}" for k in (1, 2, 3)),
)
