"""Find the fault, a museum: the sign of the KL."""

import torch

from exercises import Exercise
from exercises.bank._museum import ascent_of, curves, detector_cases
from exercises.bank._museum import paid as weights_of
from llmlab.checks import Case
from llmlab.rollouts import kl_k3

TASK = r"""
Welcome to the museum of faults. What is shown here stood in published code or went
through a night of training, raised no error, and cost somebody days. You see a curve
and a function, you **repair** the function, and you write a **detector** that finds
the fault in any function of its kind.

First room: what a token is paid. At every token of an answer it is the price of having
left the reference, at its last token the score of the answer as well:

$$r_t = -\beta\,\bigl(\log \pi(y_t) - \log \pi_\text{ref}(y_t)\bigr) + s_t$$

where $s_t$ is the score at the last token, and 0 before.

The cell below trains two policies, one with the exhibit and one as it should be, in the
world of 31 texts, with exact gradients, so that no luck is involved. The last column
tells among how many texts a policy still chooses.

The detector says whether a policy is **ever paid more for making one of its tokens more
probable** than under the reference, the score being the same. It meets four sick
functions and four healthy ones, which can be odd in other ways: one doubles the score,
one charges another measure of the divergence, one charges for the whole answer at its
end.

**Run the cell, look at its curves, and predict:** which of the two policies would you
have shipped if you had seen the scores only?
"""


def given():
    from exercises.bank.museum_kl_sign import show

    def sick(scores, log_probs, reference_log_probs, mask, beta):
        columns, rows = torch.arange(mask.shape[1]), torch.arange(len(mask))
        rewards = -beta * (reference_log_probs - log_probs) * mask
        rewards[rows, (columns * mask).amax(dim=1)] += scores
        return rewards

    print(show("sick", sick))


def token_rewards(scores, log_probs, reference_log_probs, mask, beta):
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
    last = (torch.arange(mask.shape[1]) * mask).amax(dim=1)
    rewards[torch.arange(len(mask)), last] += scores
    return rewards


def pays_to_leave(f):
    """Whether a more probable token, at equal scores, is ever paid more.

    f:       a function of scores, log_probs, reference_log_probs, mask and beta
    returns: True or False
    """
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0]]).bool()
    scores, reference = torch.tensor([1.0, -1, 2, -2]), torch.full((4, 4), -3.0)
    stays = f(scores, reference, reference, mask, 0.5).sum()
    for row, t in mask.nonzero().tolist():
        moved = reference.clone()
        moved[row, t] += 1.5
        if f(scores, moved, reference, mask, 0.5).sum() > stays + 1e-5:
            return True
    return False


HINTS = (
    """One of the policies ends with a single text, and is as far from the reference as
it can be with that text. What is it paid for? For the detector: call the function
twice, with inputs that differ in one thing only.""",
    """1. the price is minus beta times policy less reference
2. detector: choose an answer and one of its tokens; make that more probable than under
   the reference, and leave all else equal
3. the sum of the answer's rewards must not rise: where in the answer the price is
   charged is another matter
4. then another token, the last one as well, and answers of other lengths""",
    """Ziegler et al., *Fine-Tuning Language Models from Human Preferences* (2019),
section 4.4: a change of the code turned both signs over, that of the score and that of
the KL. The policy spoke well, and said the worst it could.""",
)

AFTER = """
**What you predicted.** The sick one, as its score is the best. Nothing in it holds
against the score: it says one text, and nothing else ever again. With a learned reward
that text would be the one about which the reward is most in error. The curve that
shows the fault is the last column, and the KL beside it.

**Your repair, in the same world:**
"""


def use(token_rewards, pays_to_leave):
    from exercises.bank.museum_kl_sign import show

    print(show("repaired", token_rewards))


def show(name, function):
    functions = {name: function, "as it should be": token_rewards}
    return curves({n: ascent_of(weights_of(f)) for n, f in functions.items()})


# Functions, sick and healthy


def k1(log_probs, reference):
    return log_probs - reference


def last_place(mask):
    return (torch.arange(mask.shape[1]) * mask).amax(dim=1)


def one_at(place):
    """Where the score goes, (batch, time), by its place in each row."""
    return lambda mask: (torch.arange(mask.shape[1]) == place(mask)[:, None]).float()


at_the_last = one_at(last_place)


def built(
    price=k1, where=at_the_last, score=lambda s: s, charge=lambda cost, mask: cost
):
    """The function with one part exchanged."""

    def f(scores, log_probs, reference_log_probs, mask, beta):
        cost = charge(beta * price(log_probs, reference_log_probs) * mask, mask)
        return score(scores)[:, None] * where(mask) - cost

    return f


def all_turned(*inputs):
    return -token_rewards(*inputs)


turned = built(lambda new, reference: reference - new)
positive_turned = built(lambda new, reference: -kl_k3(new, reference))
last_turned = built(charge=lambda cost, mask: cost * (1 - 2 * at_the_last(mask)))
doubled = built(score=lambda s: 2 * s)
positive = built(kl_k3)
at_once = built(charge=lambda cost, mask: cost.sum(1, keepdim=True) * at_the_last(mask))
SICK = turned, all_turned, positive_turned, last_turned
HEALTHY = token_rewards, doubled, positive, at_once
EVERY = "at every token of every row"
DETECTOR = "the detector is right on four sick and four healthy functions"


def definition(scores, log_probs, reference_log_probs, mask, beta):
    rewards = torch.zeros_like(log_probs)
    for row, t in mask.nonzero().tolist():
        rewards[row, t] = beta * (reference_log_probs[row, t] - log_probs[row, t])
        if not mask[row, t + 1 :].any():
            rewards[row, t] += scores[row]
    return rewards


def repair_cases(seed):
    dice = torch.Generator().manual_seed(seed)
    same = torch.full((1, 3), -1.0)
    mask = torch.tensor([[True, True, False]])
    moved = torch.tensor([[-0.5, -2.0, -1.0]])
    yield Case((torch.tensor([0.0]), moved, same, mask, 0.5))
    yield Case((torch.tensor([5.0]), same, same, mask, 0.5), EVERY)
    mask = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 1, 1, 1, 1]]).bool()
    pair = -3 * torch.rand(2, 3, 5, generator=dice)
    words = "a short row, one with a prompt, and a full one,"
    yield Case((torch.randn(3, generator=dice), *pair, mask, 0.3), EVERY, words)


def cases(seed):
    yield from repair_cases(seed)
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong


def leaves(step=1.0, look=lambda rewards: rewards.sum(1), one=True):
    """The detector: of a step, of one token or of all, and of what is looked at."""

    def answer(f):
        mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 1]]).bool()
        scores, reference = torch.ones(3), torch.full((3, 4), -3.0)
        steps = torch.eye(4)[:, None] if one else torch.ones(1, 1, 4)
        before = look(f(scores, reference, reference, mask, 0.5))
        after = [f(scores, reference + step * s, reference, mask, 0.5) for s in steps]
        return any(bool((look(x) > before + 1e-5).any()) for x in after)

    return answer


def unlike_mine(f):
    dice = torch.Generator().manual_seed(3)
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0]]).bool()
    inputs = torch.ones(2), *-torch.rand(2, 2, 4, generator=dice), mask, 0.5
    return not torch.allclose(f(*inputs), token_rewards(*inputs))


def at_its_own_token(f):
    mask, reference = torch.ones(1, 4, dtype=torch.bool), torch.full((1, 4), -3.0)
    paid = [
        f(torch.ones(1), x, reference, mask, 0.5) for x in (reference, reference + 1)
    ]
    return bool((paid[1] >= paid[0]).any())


def repair(f):
    return f, pays_to_leave


MISTAKES = {
    repair(turned): "The repair still pays for leaving the reference: where the policy "
    "finds a token more probable than the reference does, the reward has to fall.",
    repair(
        all_turned
    ): "The repair turned the sign of the whole, of the score as well.",
    repair(positive): "The repair charges another estimate of the divergence, one that "
    "is never negative. As a price of tokens the plain difference has the right "
    "gradient.",
    repair(built(lambda new, old: (new - old).abs())): "The repair charges the "
    "distance whatever its sign. A token less probable than under the reference gets "
    "something back; only so is the mean the divergence.",
    repair(built(lambda new, old: new.exp() - old.exp())): "The repair subtracts "
    "probabilities. The divergence is made of differences of their logarithms.",
    repair(at_once): "The repair charges for the divergence at the end. Each token "
    "pays for itself, where it left the reference.",
    repair(built(lambda new, old: 0 * new)): "The repair charges nothing for leaving.",
    repair(lambda *x: token_rewards(*x[:4], 0.5)): "",
    (token_rewards, lambda f: True): "Your detector says the same of all functions. "
    "Change one input, and compare what comes out.",
    (token_rewards, leaves(one=False)): "Your detector misses a function that pays at "
    "one place and charges at the others: let one token leave at a time.",
    (token_rewards, leaves(step=-1.0)): "Your detector makes tokens less probable than "
    "under the reference. There the plain difference gives something back, and is "
    "healthy all the same: make them more probable.",
    (token_rewards, at_its_own_token): "Your detector looks at each token for itself. "
    "A function may charge for the whole answer at its end: look at the sum.",
    (token_rewards, unlike_mine): "Your detector calls a healthy function sick that is "
    "only unlike yours: it may double the score, or charge elsewhere.",
}


# Right in other styles


def by_scatter(scores, log_probs, reference_log_probs, mask, beta):
    cost = torch.where(mask, beta * (log_probs - reference_log_probs), 0.0)
    left = mask.flip(1).cumsum(1).flip(1)
    return scores[:, None] * (mask & (left == 1)) - cost


EXERCISE = Exercise(
    name="museum_kl_sign",
    title="Museum of faults, room 1: paid for leaving",
    kind="find the fault",
    skill="test a price",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="09, after section 5",
    task=TASK,
    given=given,
    solution=(token_rewards, pays_to_leave),
    definition=(definition, lambda f: f in SICK),
    cases=cases,
    points={"leaving the reference costs": 1, EVERY: 1, DETECTOR: 2},
    proven="Leaving the reference costs, token by token, and your detector is right on "
    "four\nsick functions and four healthy ones.",
    mistakes=MISTAKES,
    right=((by_scatter, leaves()),),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.rollouts.token_rewards",),
)
