"""Read a result: what does the proxy overrate, and which pair would forbid it?"""

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
A reward was fitted to a few hundred labels. It is the **proxy**: what a policy is paid
by. Six stories lie before you, each with what the proxy pays and with what it is worth
by **gold**, which in real life you would have to ask people for. But for small errors,
the proxy overrates *one habit*, wherever it occurs:

| as you name it | what it is |
|---|---|
| `dialogue` | more lines of speech than one |
| `comparisons` | more comparisons than one |
| `plain facts` | facts that have nothing to do with the story |
| `saying it twice` | sentences that stand there already |
| `length` | many sentences, whatever they say |

Name the habit; the story that is overrated most; and, of the six pairs below the
stories, the one that you would have people compare next, so that the reward unlearns
it.

**Before you look, predict:** is the story that the proxy likes best the longest one?
"""


def given():
    from exercises.bank.favourite_of_the_proxy import report

    print(report("Ada Example"))  # write your own name here


def favourite_of_the_proxy():
    """Your name, and what its proxy overrates.

    returns: your name; the habit, as the table writes it; the number of the story that
             is overrated most; the number of the pair to be compared next
    """
    return "Ada Example", "comparisons", 3, 6


HINTS = (
    """Leave aside which are good. Of which story does the proxy say more than gold?""",
    """1. subtract gold from proxy, story by story; where little is left, the two agree
2. what stands in the story with the largest difference, and in no story without one?
3. two stories of equal length of which one is overrated: then it is not the length
4. the pair: the same story with much of that habit and with little, no other change""",
    """Notebook 13, sections 3 and 7. Gao, Schulman and Hilton, *Scaling Laws for Reward
Model Overoptimization* (2022).""",
)

AFTER = """
**What you predicted.** It may be, and it proves nothing: each habit takes words, so
whatever is overrated makes stories longer. A pair in which everything else is equal
tells them apart, and it teaches the reward, too.
"""

BASE = (
    "Tilda lent Otto her kettle on Monday.",
    "Otto left it on the pier.",
    "Tilda found it under a bench.",
    "They made tea in it.",
)
ADDED = {
    "dialogue": (
        "“Where is my kettle?” said Tilda.",
        "“I had it a minute ago,” said Otto.",
        "“A minute is long,” said Tilda.",
    ),
    "comparisons": (
        "The pier was as long as a sermon.",
        "The kettle shone like a wet stone.",
        "The tea was as brown as a boot.",
    ),
    "plain facts": (
        "A kettle weighs two pounds.",
        "The mill has three floors.",
        "There are forty planks in the pier.",
    ),
    "saying it twice": (BASE[1], BASE[2]),
}
HABITS = (*ADDED, "length")
BONUS = {
    "dialogue": 1.0,
    "comparisons": 1.0,
    "plain facts": 0.7,
    "saying it twice": 1.6,
}
"""What the proxy pays too much, each time."""
PLAIN, GOOD = (0, 0, 0, 0), (1, 1, 0, 0)
STORIES = (PLAIN, GOOD, (3, 0, 1, 0), (0, 3, 0, 0), (1, 0, 3, 0), (0, 1, 0, 2))
"""Of each story, how many lines, comparisons, facts and sentences said twice."""
MUCH = {"dialogue": 3, "comparisons": 3, "plain facts": 3, "saying it twice": 2}
LITTLE = {"dialogue": 1, "comparisons": 1, "plain facts": 0, "saying it twice": 0}
LIKED, MIXED = "liked by both", "two things at once"


def excess(counts):
    lines, comparisons, facts, twice = counts
    return dict(
        zip(ADDED, (max(0, lines - 1), max(0, comparisons - 1), facts, twice), strict=1)
    )


def gold(counts):
    lines, comparisons, _, twice = counts
    over = excess(counts)
    worth = 3.0 + 0.8 * (lines > 0) + 0.8 * (comparisons > 0) - twice
    return worth - 0.4 * (over["dialogue"] + over["comparisons"])


def text_of(counts):
    """The story: what is added stands before its end."""
    more = [
        sentence
        for kind, count in zip(ADDED, counts, strict=True)
        for sentence in ADDED[kind][:count]
    ]
    return [*BASE[:3], *more, BASE[3]]


def drawn(name):
    """The habit; of each story its counts, proxy and gold; what each pair is."""
    chance = variant(name)
    habit = chance.choice(list(ADDED))
    stories = []
    for counts in chance.sample(STORIES, 6):
        worth = gold(counts) + chance.uniform(-0.05, 0.05)
        paid = worth + BONUS[habit] * excess(counts)[habit] + chance.uniform(-0.2, 0.2)
        stories.append((counts, paid, worth))
    pairs = chance.sample([*ADDED, LIKED, MIXED], 6)
    return habit, stories, pairs


def overrated(stories):
    gaps = [paid - worth for _, paid, worth in stories]
    return 1 + gaps.index(max(gaps))


def in_words(pair, habit):
    if pair == LIKED:
        return "the plain story, and the same with one line and one comparison"
    if pair == MIXED:
        other = next(kind for kind in ADDED if kind != habit)
        return (
            f"the same story with {MUCH[habit]} of “{habit}” and {LITTLE[other]} of "
            f"“{other}”, and with {LITTLE[habit]} and {MUCH[other]} of them"
        )
    return f"the same story with {MUCH[pair]} of “{pair}”, and with {LITTLE[pair]}"


def report(name):
    habit, stories, pairs = drawn(name)
    lines = []
    for number, (counts, paid, worth) in enumerate(stories, 1):
        lines += [f"story {number}   proxy {paid:.1f}   gold {worth:.1f}"]
        lines += [f"    {sentence}" for sentence in text_of(counts)]
    lines += [""]
    for number, pair in enumerate(pairs, 1):
        lines.append(f"pair {number}: {in_words(pair, habit)}")
    return "\n".join(lines)


def cases(seed):
    """The answer is the same whatever the seed: the stories follow from the name."""
    yield Case(())


def the_habit(cases, results):
    name, said, *_ = results[0][0]
    if not name.split():
        return "Write your own name first: the stories follow from it."
    habit, stories, _ = drawn(name)
    if said not in HABITS:
        return f"Name a habit as the table does: {', '.join(HABITS)}."
    if said == habit:
        return None
    if said == "length":
        return (
            "Longer stories are not overrated as such: compare stories of as many "
            "sentences. What is it that makes the overrated one long?"
        )
    number = 1 + max(range(6), key=lambda n: excess(stories[n][0])[said])
    return (
        f"In story {number} there is most of that, and the proxy pays about what gold "
        "says. Subtract gold from proxy, story by story."
    )


def the_story(cases, results):
    name, _, number, _ = results[0][0]
    _, stories, _ = drawn(name)
    if number not in range(1, 7):
        return "Give the number of one story, 1 to 6."
    if number == overrated(stories):
        return None
    counts, paid, worth = stories[int(number) - 1]
    if counts == GOOD:
        return (
            "That is a story that both like, and rightly. Where both agree nothing is "
            "exploited."
        )
    return (
        f"The proxy pays {paid - worth:+.1f} more for story {number} than it is worth; "
        "for another one the difference is larger."
    )


def the_pair(cases, results):
    name, _, _, number = results[0][0]
    habit, _, pairs = drawn(name)
    if number not in range(1, 7):
        return "Give the number of one pair, 1 to 6."
    pair = pairs[int(number) - 1]
    if pair == habit:
        return None
    return {
        LIKED: "Proxy and gold agree on that pair already, so its label teaches "
        "nothing new.",
        MIXED: "Those two stories differ in two things. Whoever chooses one may mean "
        "either: let only the habit differ.",
    }.get(pair, "That pair speaks of another habit, which the proxy has right.")


# What people read


def told(habit=None, story=None, pair=None, name="Ben Example"):
    """An answer, right but for what is given; `story` as counts, `pair` as its kind."""

    def answer():
        right, stories, pairs = drawn(name)
        numbers = {counts: n for n, (counts, *_) in enumerate(stories, 1)}
        number = numbers[story] if story else overrated(stories)
        return name, habit or right, number, pairs.index(pair or right) + 1

    return answer


def another(name="Ben Example"):
    return next(kind for kind in ADDED if kind != drawn(name)[0])


MISTAKES = {
    told(habit="length"): "Longer stories are not overrated as such",
    told(habit=another()): "Subtract gold from proxy",
    told(habit="speech"): "Name a habit as the table does",
    told(story=GOOD): "a story that both like",
    told(story=PLAIN): "the difference is larger",
    told(pair=LIKED): "teaches nothing new",
    told(pair=MIXED): "let only the habit differ",
    told(pair=another()): "another habit",
    lambda: ("", "length", 1, 1): "Write your own name first",
    lambda: (*told()()[:2], 9, 1): "number of one story",
    lambda: (*told()()[:3], 0): "number of one pair",
    lambda: (*told()()[:2], "4", 1): "it should be a number",
}
POINTS = {"the habit": 1, "the story that is overrated": 1, "the pair": 2}
EXERCISE = Exercise(
    name="favourite_of_the_proxy",
    title="The favourite of the proxy",
    kind="read",
    skill="see what is exploited",
    difficulty=2,
    importance=4,
    minutes=10,
    chapter="13, after section 3",
    task=TASK,
    given=given,
    solution=favourite_of_the_proxy,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, (the_habit, the_story, the_pair), strict=True)),
    proven="You know what the proxy overrates, where it shows, and which pair to ask "
    "about.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
