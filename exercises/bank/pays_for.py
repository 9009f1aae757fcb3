"""Design: which pairs tell what a crowd pays for?"""

import itertools
import random

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = """
People choose the story that they like better, of two at a time. Do they like images? Do
they dislike facts? Or do they simply like what is long? A reward model that is trained
on their choices cannot know it either, if the pairs do not tell: an image takes words,
so in stories as they come images and length rise together.

You may ask for 80 choices. **Plan the pairs.** Each story of a pair is three whole
numbers: images (0 to 4), facts (0 to 4) and words (20 to 80; an image or a fact takes
at least 8 of them). Your plan is then run: simulated crowds, each of which pays for one
thing and chooses with some luck, choose from your pairs; a logistic regression on the
three differences names what the crowd pays for, if one stands out by two standard
errors and more than the others. It should be right about 9 of 10 crowds.

**Before you start, predict:** with pairs of the same length, what can never be found?
"""


def pays_for(choices):
    """Pairs of stories to be compared, one for each choice that you may ask for.

    choices: a number, how many there are
    returns: a list of as many pairs ((images, facts, words), (images, facts, words))
    """
    pairs = []
    for number in range(choices):
        what = number % 3
        if what == 0:  # images, at equal facts and length
            pairs.append(((4, 0, 50), (0, 0, 50)))
        elif what == 1:  # facts
            pairs.append(((0, 4, 50), (0, 0, 50)))
        else:  # length
            pairs.append(((0, 0, 80), (0, 0, 20)))
    return pairs


HINTS = (
    """A choice between two stories that differ in two things speaks of both. What may a
pair differ in, if its choice is to speak of one?""",
    """1. three kinds of pairs: each differs in one thing, and is equal in the other two
2. differ as much as the rules allow: a small difference drowns in the crowd's luck
3. divide the choices among the three kinds""",
    """Fisher, *The Arrangement of Field Experiments* (1926). Gao, Schulman and Hilton,
*Scaling Laws for Reward Model Overoptimization* (2022), on what becomes of a reward
that took one thing for another.""",
)

AFTER = """
**What you predicted.** Whether length pays. What never differs cannot be chosen; and
what always differs together cannot be told apart.
"""

CROWDS = 200
NAMES = ("images", "facts", "words")
PAYS = torch.tensor([[0.42, 0, 0], [0, -0.42, 0], [0, 0, 0.028]])
"""What an image, a fact or a word adds to a story's score, for each kind of crowd."""


def cases(seed):
    yield Case((80,))


def differences(plan):
    """(pairs, 3): first story less second."""
    return torch.tensor(
        [[a - b for a, b in zip(*p, strict=True)] for p in plan]
    ).float()


def keeps_the_rules(cases, results):
    plan, choices = results[0][0], cases[0].inputs[0]
    if len(plan) != choices:
        return (
            f"There are {choices} choices to ask for; your plan has {len(plan)} pairs."
        )
    for number, pair in enumerate(plan):
        stories = list(pair) if isinstance(pair, tuple | list) else []
        if len(stories) != 2 or not all(
            isinstance(story, tuple | list)
            and len(story) == 3
            and all(type(n) is int for n in story)
            for story in stories
        ):
            return f"Pair {number} is not two stories of three whole numbers each."
        for images, facts, words in stories:
            fits = 0 <= images <= 4 and 0 <= facts <= 4 and 20 <= words <= 80
            if not fits or words < 8 * (images + facts):
                return (
                    f"A story of pair {number} has {images} images and {facts} facts "
                    f"in {words} words, which the rules do not allow."
                )
    return None


def found_by(gaps, chosen):
    """What stands out in each crowd's choices: (crowds,) 0 to 2, or -1.

    A logistic regression by Newton's method, all crowds at once.

    gaps:   (pairs, 3)
    chosen: (crowds, pairs), 1 where the first story was chosen
    """
    scale = gaps.abs().amax(dim=0).clamp(min=1)
    x = gaps / scale
    weights = torch.zeros(len(chosen), 3)
    for _ in range(12):
        p = (weights @ x.T).sigmoid()
        curvature = torch.einsum("cp,pi,pj->cij", p * (1 - p), x, x) + 1e-2 * torch.eye(
            3
        )
        step = (chosen - p) @ x - 1e-2 * weights
        weights = weights + torch.linalg.solve(curvature, step)
    errors = torch.linalg.inv(curvature).diagonal(dim1=1, dim2=2).sqrt()
    size, what = (weights / errors).abs().max(dim=1)
    return what.where(size > 2, -1)


def tells_apart(cases, results):
    """Of simulated crowds, those that are understood; if too few, why."""
    gaps = differences(results[0][0])
    seed, bar = (1, 0.85) if cases[0].hidden else (0, 0.9)
    generator = torch.Generator().manual_seed(seed)
    shares = []
    for pays in PAYS:
        likes = (gaps @ pays).sigmoid().expand(CROWDS, -1)
        found = found_by(gaps, torch.bernoulli(likes, generator=generator))
        shares.append((found == len(shares)).float().mean().item())
    if min(shares) >= bar:
        return None
    for name, gap in zip(NAMES, gaps.T, strict=True):
        if not gap.any():
            return (
                f"All pairs have equally many {name}: so nobody can see what they pay."
            )
    for one, other in itertools.combinations(range(3), 2):
        together = torch.nn.functional.cosine_similarity(
            gaps[:, one], gaps[:, other], 0
        )
        if together.abs() > 0.7:
            kind = "rise together" if together > 0 else "stand against each other"
            return (
                f"In your pairs {NAMES[one]} and {NAMES[other]} {kind}: whoever pays "
                "for one of them seems to pay for the other as well."
            )
    worst = min(range(3), key=shares.__getitem__)
    return (
        f"Of the crowds that pay for {NAMES[worst]}, {100 * shares[worst]:.0f} of 100 "
        f"are understood; it should be {100 * bar:.0f}. Are the differences as large "
        "as they may be, and are there enough pairs of that kind?"
    )


# What people plan


def at_random(choices, seed=0):
    chance = random.Random(seed)
    stories = []
    for _ in range(2 * choices):
        images, facts = chance.randrange(5), chance.randrange(5)
        stories.append(
            (images, facts, chance.randrange(max(20, 8 * (images + facts)), 81))
        )
    return list(zip(stories[::2], stories[1::2], strict=True))


def always(first, second):
    return lambda choices: [(first, second)] * choices


def kinds(*pairs):
    return lambda choices: list(itertools.islice(itertools.cycle(pairs), choices))


IMAGES, FACTS, WORDS = pays_for(3)
MISTAKES = {
    kinds(((4, 0, 32 + 20), (0, 0, 20)), ((3, 1, 60), (0, 1, 36)), FACTS): "In your "
    "pairs images and words rise together",
    kinds(((4, 0, 50), (0, 4, 50)), ((1, 3, 50), (3, 1, 50))): "equally many words",
    kinds(((4, 0, 50), (0, 4, 50)), ((3, 1, 50), (1, 3, 50)), WORDS): "images and "
    "facts stand against each other",
    kinds(IMAGES, WORDS): "equally many facts",
    kinds(((1, 0, 50), (0, 0, 50)), ((0, 1, 50), (0, 0, 50)), WORDS): "are understood",
    kinds(*[IMAGES] * 12, FACTS, WORDS): "are understood",
    always((4, 0, 80), (0, 4, 32)): "In your pairs",
    at_random: "are understood",
    lambda choices: pays_for(choices)[:-1]: "your plan has 79 pairs",
    lambda choices: [IMAGES, *pays_for(choices)]: "your plan has 81 pairs",
    always((4, 4, 50), (0, 0, 50)): "which the rules do not allow",
    always((4, 0), (0, 0)): "not two stories of three whole numbers",
    lambda choices: tuple(pays_for(choices)): "it should be a list",
}
POINTS = {"the plan keeps the rules": 0, "9 of 10 crowds are understood": 3}
EXERCISE = Exercise(
    name="pays_for",
    title="What does it pay for?",
    kind="design",
    skill="plan comparisons",
    difficulty=4,
    importance=4,
    minutes=25,
    chapter="11, after section 4",
    task=TASK,
    solution=pays_for,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, (keeps_the_rules, tells_apart), strict=True)),
    proven="Your pairs tell three crowds apart: who likes images, who dislikes facts, "
    "and who\nlikes what is long.",
    mistakes=MISTAKES,
    right=(kinds(IMAGES, FACTS, WORDS, IMAGES[::-1], FACTS[::-1], WORDS[::-1]),),
    hints=HINTS,
    after=AFTER,
)
