"""Find the fault, a museum: drawn at one temperature, differentiated at another."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from exercises.bank._museum import WORLD, curves, detector_cases
from llmlab.checks import Case

TASK = r"""
Fourth room of the museum of faults. A policy draws its tokens at a **temperature** $T$:
not from $\text{softmax}(z)$ but from $p = \text{softmax}(z / T)$. The policy gradient
makes a drawn token $y$ more probable by moving along the **score**

$$\frac{\partial \log p(y)}{\partial z} = \frac{1}{T}\,(\text{one-hot of } y - p)$$

and it is right because of one sentence: *over tokens drawn from $p$, the mean score is
zero*. What everybody is paid teaches nothing.

| $T = 1$ | a | b | mean, weighted by $p$ |
|---|---|---|---|
| drawn with $p$ | 0.75 | 0.25 | |
| score, at the logit of a | 0.25 | −0.75 | 0 |
| score, at the logit of b | −0.25 | 0.75 | 0 |

The cell below trains two policies in the world of 31 texts, drawn at $T = 0.5$, with
exact gradients. **Every text is paid exactly 1**, so there is nothing to learn.

**Repair** the exhibit. And write a **detector**: it gets any function of this kind and
says whether, over tokens drawn at the temperature that it is given, its mean is ever
**not zero**. It meets six sick functions and four healthy ones, some of which are odd
in other ways: one is twice as long, one points the other way.

**Run the cell, look at its curves, and predict:** where does the sick policy go, and
would it go there with $T = 2$ as well?
"""


def given():
    from exercises.bank.museum_temperature import show

    def sick(logits, tokens, temperature):
        chosen = F.one_hot(tokens, logits.shape[-1])
        return chosen - logits.softmax(dim=-1)

    print(show("sick", sick))


def score(logits, tokens, temperature):
    """What `sick` should have been: how log p of a drawn token changes with the logits.

    logits:      (batch, vocab)
    tokens:      (batch,) int64, drawn from the softmax of logits / temperature
    temperature: a number above 0
    returns:     (batch, vocab)
    """
    shares = (logits / temperature).softmax(dim=-1)
    return (F.one_hot(tokens, logits.shape[-1]) - shares) / temperature


def learns_from_nothing(f):
    """Whether the mean of f over drawn tokens is ever not zero.

    f:       a function of logits, tokens and temperature, as above
    returns: True or False
    """
    generator = torch.Generator().manual_seed(0)
    tokens = torch.arange(5)
    for temperature in (0.5, 1.0, 2.0):
        logits = 2 * torch.randn(5, generator=generator)
        shares = (logits / temperature).softmax(dim=-1)
        mean = shares @ f(logits.expand(5, 5), tokens, temperature)
        if mean.abs().max() > 1e-4:
            return True
    return False


HINTS = (
    """For the repair: which distribution did the tokens come from, and of which one
does the exhibit take the logarithm? For the detector: a mean over draws need not be
drawn. How often does each token come?""",
    """1. repair: divide the logits by the temperature before the softmax; the chain
   rule leaves one more division
2. detector: some logits, far from equal; one row for each token of the vocabulary, all
   with these logits
3. weight the rows with the probabilities at the temperature, and add them up
4. the sum has to be zero at every logit, and at temperatures below and above 1""",
    """Williams, *Simple Statistical Gradient-Following Algorithms* (1992). `roll_out`
in `llmlab/rollouts.py` tells why it draws from the whole vocabulary; `chat_rl.py` of
nanochat draws from the 50 likeliest and differentiates the whole.""",
)

AFTER = r"""
**What you predicted.** To a single text, though nothing was to be had there: what is
drawn more often than the gradient believes is pushed up each time, and then drawn more
often still. With $T = 2$ it is the other way round: tokens are drawn less often than
the gradient believes, and the policy drifts towards all texts alike.

With real rewards this stands on top of what is learned, and looks like convergence.
**Your repair, in the same world:**
"""


def use(score, learns_from_nothing):
    from exercises.bank.museum_temperature import show

    print(show("repaired", score))


def show(name, function, temperature=0.5):
    functions = {name: function, "as it should be": score}
    runs = {n: constant_reward(f, temperature) for n, f in functions.items()}
    return curves(runs, rate=0.2, temperature=temperature)


def constant_reward(function, temperature):
    """The direction in which a reward of 1 for every text moves the logits."""
    states, tokens = WORLD.states.flatten(), WORLD.tokens.flatten()

    def ascent(logits):
        share = WORLD.probabilities(logits / temperature)
        weights = (share[:, None] * WORLD.mask).flatten()
        rows = function(logits[states], tokens, temperature) * weights[:, None]
        return torch.zeros_like(logits).index_add(0, states, rows)

    return ascent


# Functions, sick and healthy


def built(shares, chosen=lambda c, t: c / t, scale=lambda t: 1 / t):
    """One-hot less shares, each of them scaled."""

    def f(logits, tokens, temperature):
        one_hot = F.one_hot(tokens, logits.shape[-1]).to(logits)
        found = shares(logits, temperature).softmax(dim=-1)
        return chosen(one_hot, temperature) - found * scale(temperature)

    return f


def two_likeliest(logits, temperature):
    least = logits.topk(2, dim=-1).values[..., -1:]
    return (logits / temperature).masked_fill(logits < least, -torch.inf)


def plain(one_hot, temperature):
    return one_hot


def one(temperature):
    return 1.0


def through_autograd(logits, tokens, temperature):
    leaf = logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        log_probs = (leaf / temperature).log_softmax(dim=-1)
        total = log_probs.gather(-1, tokens[:, None]).sum()
    return torch.autograd.grad(total, leaf)[0]


ignored = built(lambda z, t: z, plain, one)
divided_late = built(lambda z, t: z)
twice = built(lambda z, t: z / t**2)
times = built(lambda z, t: z * t)
truncated = built(two_likeliest)
half_divided = built(lambda z, t: z / t, scale=one)
SICK = ignored, divided_late, twice, times, truncated, half_divided
unscaled = built(lambda z, t: z / t, plain, one)
HEALTHY = (
    through_autograd,
    unscaled,
    built(lambda z, t: z / t, lambda c, t: 2 * c / t, lambda t: 2 / t),
    built(lambda z, t: z / t, lambda c, t: -c / t, lambda t: -1 / t),
)
EVERY = "at every temperature"
DETECTOR = "the detector is right on six sick and four healthy functions"


def definition(logits, tokens, temperature):
    rows = torch.zeros_like(logits)
    for row, (z, token) in enumerate(
        zip(logits.tolist(), tokens.tolist(), strict=True)
    ):
        powers = [torch.tensor(x / temperature).exp().item() for x in z]
        for k, power in enumerate(powers):
            rows[row, k] = ((k == token) - power / sum(powers)) / temperature
    return rows


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    logits = torch.tensor([[1.0986123, 0.0]])  # three to one
    tokens = torch.tensor([0])
    yield Case((logits, tokens, 0.5), words="logits ln 3 and 0, drawn at 0.5,")
    yield Case((logits, tokens, 1.0), EVERY)
    for temperature in (0.7, 2.0):
        several = 2 * torch.randn(3, 4, generator=dice)
        drawn = torch.randint(4, (3,), generator=dice)
        words = f"three rows of logits at temperature {temperature}"
        yield Case((several, drawn, temperature), EVERY, words)
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong


def means(
    temperatures=(0.5, 2.0),
    spread=2.0,
    weight=lambda z, t: (z / t).softmax(-1),
):
    """The detector, with another idea of a mean, or less to see."""

    def detector(f):
        logits = spread * torch.tensor([1.0, -0.4, 0.3, -1.2])
        rows = logits.expand(4, 4), torch.arange(4)
        found = [weight(logits, t) @ f(*rows, t) for t in temperatures]
        return any(bool(mean.abs().max() > 1e-4) for mean in found)

    return detector


def unlike_mine(f):
    inputs = torch.tensor([[1.0, -0.4, 0.3]]), torch.tensor([1]), 0.5
    return not torch.allclose(f(*inputs), score(*inputs), atol=1e-4)


def repair(f):
    return f, learns_from_nothing


def detector(f):
    return score, f


MISTAKES = {
    repair(ignored): "The repair still differentiates another distribution than the "
    "one that was drawn from: the temperature is missing.",
    repair(divided_late): "The repair divides the log-probabilities. The temperature "
    "belongs to the logits, before they are normalised.",
    repair(unscaled): "The mean is zero, but the length is not right: the chain rule "
    "leaves a division by the temperature.",
    repair(built(lambda z, t: z, lambda c, t: t * c, lambda t: t)): "The repair scales "
    "the gradient and leaves the distribution as it was: divide the logits, too.",
    repair(twice): "The repair divides by the temperature twice before the softmax.",
    repair(times): "The repair multiplies by the temperature: below 1 it has to make "
    "the distribution sharper.",
    repair(half_divided): "One of the two parts was divided by the temperature: it is "
    "a factor of the whole.",
    repair(lambda z, tokens, t: -score(z, tokens, t)): "The sign is wrong: the logit "
    "of the drawn token has to rise.",
    repair(lambda z, tokens, t: (z / t).log_softmax(-1)): (
        "That is the log-probability. Asked for is how it changes with the logits."
    ),
    detector(lambda f: True): "Your detector says the same of all functions. Take the "
    "mean over the tokens, each as often as it is drawn.",
    detector(means(temperatures=(1.0,))): "Your detector asks at temperature 1 only, "
    "where most of the sick functions are right.",
    detector(means(spread=0.0)): "Your detector gives equal logits. They make the same "
    "distribution at every temperature: take others.",
    detector(means(weight=lambda z, t: z.softmax(-1))): "Your detector weights with "
    "the probabilities at temperature 1. Tokens come from those at the temperature "
    "given.",
    detector(unlike_mine): "Your detector calls a healthy function sick that is only "
    "unlike yours: a factor in front changes no mean that is zero.",
}
EXERCISE = Exercise(
    name="museum_temperature",
    title="Museum of faults, room 4: learning from nothing",
    kind="find the fault",
    skill="test a gradient",
    difficulty=4,
    importance=4,
    minutes=25,
    chapter="09, after section 4",
    task=TASK,
    given=given,
    solution=(score, learns_from_nothing),
    definition=(definition, lambda f: f in SICK),
    cases=cases,
    points={"the score of what was drawn": 1, EVERY: 1, DETECTOR: 2},
    proven="What was drawn is differentiated, and your detector is right on six sick "
    "functions\nand four healthy ones.",
    mistakes=MISTAKES,
    right=((through_autograd, means()),),
    hints=HINTS,
    after=AFTER,
    use=use,
)
