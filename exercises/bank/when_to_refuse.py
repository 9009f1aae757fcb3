"""Design: when should a help desk say that it does not know?"""

import itertools
import math
import random
from statistics import NormalDist

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = """
A model answers every question, also those whose answer nobody ever told it. How sure it
was can be read off: the mean log-probability of its own answer, token by token. Below
some number the desk had better say "I do not know". Below which?

Somebody has marked 1,400 **validation** questions: 1,000 that the desk can answer and
400 that nobody could. Another 1,400 are the **test**. Write the rule that turns them
into a threshold and into the number that you put into the report. Then the desk opens,
and fresh visitors come. Your rule is run at sixty simulated desks, each with a
model of its own. Agreed with the ferryman:

1. at nine of ten desks at most 3 of 100 fresh questions *that it can answer* are
   refused (those are the **false refusals**);
2. within that, as many unanswerable ones are caught as possible: nine tenths of what
   somebody would catch who knew the desk exactly;
3. the share of false refusals that you report is one that can be believed.

**Before you start, predict:** if the threshold refuses exactly 30 of the 1,000
answerable validation questions, at how many of sixty desks will fresh visitors be
refused more often than agreed?
"""


def when_to_refuse(sure, answerable, test_sure, test_answerable):
    """Below which number the desk refuses, and what you report.

    sure, answerable: of the validation questions: (questions,) float32, the mean
                      log-probability of the desk's answer, below 0; and
                      (questions,) bool, whether it can be answered
    test_sure, test_answerable: the same of the test questions
    returns: the threshold: refused is what is less sure; and the share of false
             refusals to be reported, between 0 and 1
    """
    known = sure[answerable].sort().values
    allowed = int(0.02 * len(known))  # not 0.03: fresh questions differ a little
    threshold = known[allowed]
    refused = test_sure[test_answerable] < threshold
    return threshold.item(), refused.float().mean().item()


HINTS = (
    """The agreement speaks of answerable questions only: which questions alone decide
how far the threshold may go? And 3 of 100 there: is it 3 of 100 here as well?""",
    """1. of the validation questions that can be answered take the least sure ones
2. refuse fewer than 3 of 100 of them, since fresh questions are another sample: a share
   of 3 % of 1,000 has a standard error of half a percent
3. nothing of the test has entered so far; now count on it how many of the answerable
   questions are refused, and report that""",
    """El-Yaniv and Wiener, *On the Foundations of Noise-free Selective Classification*
(2010); notebook 08, section 3. Intervals of shares: notebook 06.""",
)

AFTER = """
**What you predicted.** About half of them. A threshold that keeps a promise exactly on
the questions on which it was chosen keeps it elsewhere as often as a coin falls on
heads.
"""

DESKS, MOST, ENOUGH = 60, 0.03, 0.9
BELL = NormalDist()


def desk(words):
    """How a desk's model hesitates: minus the log-probability is log-normal.

    The mean of its logarithm, the spread, and by how many spreads unanswerable
    questions lie higher and how much wider they are spread.
    """
    chance = random.Random(words)
    middle = math.log(chance.uniform(0.02, 0.15))
    return middle, *map(chance.uniform, (0.7, 2.2, 0.8), (1.1, 3.4, 1.2))


def questions(words, seed, known=1000, unknown=400):
    """(questions,) how sure, and whether answerable: of one desk."""
    middle, spread, apart, wider = desk(words)
    luck = torch.randn(known + unknown, generator=torch.Generator().manual_seed(seed))
    answerable = torch.arange(known + unknown) < known
    luck = luck.where(answerable, apart + wider * luck)
    return -(middle + spread * luck).exp(), answerable


def cases(seed):
    """The desks; the first with another test, and surer of what it can answer.

    A case's words are the dice of its desk, so that fresh visitors can be asked.
    """
    names = [f"desk {number} of {seed}" for number in range(DESKS)]
    dice = random.Random(seed).randrange(2**40)
    for number, words in enumerate(names):
        pair = (questions(words, dice + 2 * number + k) for k in (0, 1))
        yield Case(tuple(itertools.chain(*pair)), words=words)
    sure, answerable = questions(names[0], dice)
    test, marks = questions(names[0], dice + 1)
    yield Case((sure, answerable, 3 * test, marks), words=names[0])
    surer = sure.where(~answerable, sure / 3)
    yield Case((surer, answerable, test, marks), words=names[0])


def refusals(words, threshold):
    """Of fresh questions: the share of false refusals, and the share caught."""
    middle, spread, apart, wider = desk(words)
    if threshold >= 0:
        return 1.0, 1.0
    place = (math.log(-threshold) - middle) / spread
    return 1 - BELL.cdf(place), 1 - BELL.cdf((place - apart) / wider)


def could_be_caught(words):
    *_, apart, wider = desk(words)
    return 1 - BELL.cdf((BELL.inv_cdf(1 - MOST) - apart) / wider)


def on_validation_only(cases, results):
    thresholds = [float(found[0][0]) for found in results]
    if not all(map(math.isfinite, thresholds)):
        return "A threshold is no finite number."
    *desks, other_test, surer = thresholds
    if len({*desks}) == 1:
        return (
            "The same number for every desk. How sure a model is when it knows differs "
            "from model to model: the number has to come from its validation questions."
        )
    if other_test != desks[0]:
        return (
            "The threshold moves when only the test changes: it was chosen on the "
            "test. Nothing is left to count its false refusals on honestly."
        )
    if surer == desks[0]:
        return (
            "The threshold stays when the desk becomes surer of what it can answer. "
            "The agreement is about those questions: choose by them, not by the "
            "unanswerable ones."
        )
    return None


def mistakes_below(sure, answerable, threshold):
    """How many questions are treated wrongly with each of these thresholds."""
    known, unknown = sure[answerable].sort().values, sure[~answerable].sort().values
    refused = torch.searchsorted(known, threshold)
    return refused + len(unknown) - torch.searchsorted(unknown, threshold)


def makes_fewest_mistakes(case, threshold):
    sure, answerable, *_ = case.inputs
    fewest = mistakes_below(sure, answerable, sure).min()
    return mistakes_below(sure, answerable, torch.tensor([threshold])) <= fewest + 1


def keeps_the_agreement(cases, results):
    pairs = [(c, found[0][0]) for c, found in zip(cases, results, strict=True)][:DESKS]
    false = [refusals(case.words, threshold)[0] for case, threshold in pairs]
    broken, mean = sum(share > MOST for share in false), 100 * sum(false) / DESKS
    if broken <= DESKS * (0.15 if cases[0].hidden else 0.1):
        return None
    said = "Keep the agreement first, then catch what can be caught."
    if all(makes_fewest_mistakes(*pair) for pair in pairs[:5]):
        said = "Your threshold makes the fewest mistakes; agreed was something else."
    elif mean < 115 * MOST:
        said = (
            "What is 3 of 100 of your validation questions is by luck a little more or "
            "less of fresh ones: leave room."
        )
    return (
        f"At {broken} of {DESKS} desks more than 3 of 100 fresh answerable questions "
        f"are refused, {mean:.1f} on average. {said}"
    )


def catches_most(cases, results):
    words = [case.words for case in cases[:DESKS]]
    pairs = zip(words, results, strict=False)
    caught = sum(refusals(one, found[0][0])[1] for one, found in pairs)
    share = caught / sum(map(could_be_caught, words))
    if share >= ENOUGH - 0.02 * cases[0].hidden:
        return None
    return (
        f"Of the unanswerable questions that could be caught, {100 * share:.0f} of 100 "
        f"are; it should be {100 * ENOUGH:.0f}. The agreement leaves more room: refuse "
        "nearly as many as it allows."
    )


def reports_the_test(cases, results):
    sure, answerable, test, marks = cases[0].inputs
    threshold, reported = results[0][0]
    refused, right = test < threshold, (test[marks] < threshold).float().mean()
    said = {
        (sure[answerable] < threshold).float().mean(): "That is their share among the "
        "questions on which you chose, where it looks as you wanted it.",
        refused.float().mean(): "That is the share of all questions that are refused.",
        (refused & marks).float().mean(): "Divide by the questions that can be "
        "answered, not by all.",
        refused[~marks].float().mean(): "That is the share that is caught.",
    }
    if abs(reported - right) < 1e-4:
        return None
    why = next((s for x, s in said.items() if abs(reported - x) < 1e-4), "")
    return (
        f"You report {reported:.4g} at the first desk; of its answerable test "
        f"questions {right:.4g} are refused. {why}".strip()
    )


# What people plan


def on_the_test(inputs, threshold):
    return (inputs[2][inputs[3]] < threshold).float().mean()


def rule(choose, report=on_the_test, on_test=False):
    """A plan: choose a threshold on some questions, report what another counts."""

    def plan(*inputs):
        threshold = float(choose(*inputs[2 * on_test : 2 * on_test + 2]))
        return threshold, float(report(inputs, threshold))

    return plan


def share(of):
    return lambda sure, answerable: sure[answerable].sort().values[int(of * 1000)]


def fewest_mistakes(sure, answerable):
    return sure[mistakes_below(sure, answerable, sure).argmin()]


def two_deviations(sure, answerable):
    return sure[answerable].mean() - 2 * sure[answerable].std()


GOOD = share(0.02)
MISTAKES = {
    rule(GOOD, on_test=True): "it was chosen on the test",
    rule(share(0.03)): "leave room",
    rule(fewest_mistakes): "makes the fewest mistakes",
    rule(two_deviations): "Keep the agreement first",
    rule(lambda sure, answerable: sure[~answerable].quantile(0.7)): "not by the",
    rule(lambda sure, answerable: sure[~answerable].max()): "not by the unanswerable",
    rule(lambda sure, answerable: -1.0): "The same number for every desk",
    rule(share(0.008)): "refuse nearly as many as it allows",
    rule(lambda sure, answerable: sure.quantile(0.03)): "choose by them",
    rule(lambda sure, answerable: sure[answerable].min()): "it should be 90",
    rule(GOOD, lambda x, t: (x[0][x[1]] < t).float().mean()): "on which you chose",
    rule(GOOD, lambda x, t: (x[2] < t).float().mean()): "share of all questions",
    rule(GOOD, lambda x, t: (x[3] & (x[2] < t)).float().mean()): "Divide by",
    rule(GOOD, lambda x, t: (x[2][~x[3]] < t).float().mean()): "that is caught",
    rule(GOOD, lambda x, t: 0.03): "You report 0.03",
    lambda *inputs: (float("nan"), 0.0): "no finite number",
    lambda *inputs: -1.0: "should return 2 results",
    lambda *inputs: ("-1", 0.0): "it should be a number",
}


# Right in other styles


def by_an_interval(sure, answerable):
    """As many as a share of 3 % lets one count, less two standard errors of it."""
    known = sure[answerable].sort().values
    return known[int(len(known) * (MOST - 2 * (MOST * 0.97 / len(known)) ** 0.5))]


def by_a_curve(sure, answerable):
    """The logarithm of its hesitation looks like a bell: mean and two deviations."""
    hesitation = (-sure[answerable]).log()
    return -(hesitation.mean() + 2 * hesitation.std()).exp()


POINTS = {
    "the threshold is chosen on the validation questions": 1,
    "the agreement about false refusals is kept": 2,
    "most of what can be caught is caught": 1,
    "what is reported was counted on the test": 1,
}
PROOFS = (on_validation_only, keeps_the_agreement, catches_most, reports_the_test)
EXERCISE = Exercise(
    name="when_to_refuse",
    title="When to say “I do not know”",
    kind="design",
    skill="choose a threshold",
    difficulty=4,
    importance=4,
    minutes=25,
    chapter="08, before section 3",
    task=TASK,
    solution=when_to_refuse,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, PROOFS, strict=True)),
    proven="At sixty desks your rule keeps the agreement with fresh visitors, catches "
    "most of\nwhat can be caught, and reports a number that holds.",
    mistakes=MISTAKES,
    right=(rule(by_an_interval), rule(by_a_curve), rule(share(0.021))),
    hints=HINTS,
    after=AFTER,
)
