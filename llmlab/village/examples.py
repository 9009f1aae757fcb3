"""Instructions with answers, and what each of them tests."""

from dataclasses import dataclass, field

from llmlab.village import edits, french, news, questions, small_talk, stories, support
from llmlab.village.chooser import Chooser
from llmlab.village.corpus import check_split
from llmlab.village.french_cells import Cell
from llmlab.village.french_grammar import Phrase
from llmlab.village.french_patterns import say
from llmlab.village.french_scene import Scene

TASKS = ("translate", "summarise", "support", "story", "question", "talk")
# What is learned are the answers' tokens, and this is their share of each task ...
LEARNED = dict(translate=0.2, summarise=0.05, support=0.24, story=0.28, question=0.18)
LEARNED |= dict(talk=0.05)
_TOKENS = dict(translate=8, summarise=23, support=15, story=104, question=14, talk=38)
# ... so that a task with short answers is asked more often.
_SHARES = {task: LEARNED[task] / _TOKENS[task] for task in TASKS}


@dataclass(frozen=True)
class Instruction:
    """`facts` holds what a scorer needs to know to judge an answer; `earlier` the turns
    of the conversation before the prompt, (question, answer) each; `phenomenon` is what
    a right answer shows, in a task whose examples do not all show the same:

        translate   "known cell", "new combination", "new cell", "new frame"
        support     "template wording", "own wording", "unanswerable", "follow-up"
        question    "known wording", "new wording", "backwards", "two steps",
                    "two steps, said first"
        talk        "a story"; of others none
    """

    task: str
    prompt: str
    answer: str
    facts: dict = field(default_factory=dict)
    phenomenon: str = ""
    earlier: tuple[tuple[str, str], ...] = ()

    @property
    def population(self) -> str:
        """What a share of right answers may be taken over: "question, backwards"."""
        return f"{self.task}, {self.phenomenon}" if self.phenomenon else self.task


def instructions(
    count: int, *, seed: int, split: str, task: str | None = None, start: int = 0
) -> list[Instruction]:
    """Instructions `start` to `start + count` of a split, of one task or of all.

    Validation and test translate what training never shows, each its own: pairs of noun
    and adjective, cells of person, tense, polarity and frame, whole frames. The test
    split also asks what training never did: held-out wordings of questions, held-out
    combinations in stories, facts whose reversal was never asked.
    """
    check_split(split)
    if task is not None and task not in TASKS:
        raise ValueError(f"expected task to be one of {TASKS} or None, got {task!r}")
    if count < 0:
        raise ValueError(f"expected a count of 0 or more, got {count}")
    drawn = []
    for number in range(start, start + count):
        chooser = Chooser("instructions", task or "all", split, seed, number)
        drawn.append(_WRITERS[task or chooser.weighted(_SHARES)](chooser, split))
    return drawn


# What is new in the translations of validation and of the test split.
_NEW = {"combination": 0.5, "cell": 0.3, "frame": 0.2}


def _translate(chooser: Chooser, split: str) -> Instruction:
    new = "" if split == "train" else chooser.weighted(_NEW)
    phenomenon = f"new {new}" if new else "known cell"
    return _translation(french.sentence(chooser, new, split), phenomenon)


def _translation(phrase: Phrase, phenomenon: str) -> Instruction:
    facts = {"french": phrase.french, "pattern": phrase.pattern}
    prompt = f"Translate into French: {phrase.english}"
    return Instruction("translate", prompt, phrase.french, facts, phenomenon)


def _summarise(chooser: Chooser, split: str) -> Instruction:
    event = news.draw_news(chooser)
    prompt = f"Summarise: {news.article(event, chooser)}"
    return Instruction("summarise", prompt, news.summary(event, chooser), event.facts())


def _support(chooser: Chooser, split: str) -> Instruction:
    said = support.draw_question(chooser, split)
    facts = {"intent": said.intent.name, "facts": said.facts}
    return Instruction(
        "support", said.question, said.answer, facts, said.kind, said.earlier
    )


def _story(chooser: Chooser, split: str) -> Instruction:
    prompt, event = stories.draw_request(chooser, split)
    return Instruction(
        "story", prompt, stories.tell(event, stories.DRY, chooser), event.labels()
    )


def _question(chooser: Chooser, split: str) -> Instruction:
    return _asked(questions.draw_question(chooser, split))


def _asked(question: questions.Question) -> Instruction:
    facts: dict = {"fact": question.fact}
    if question.link:
        said_first = question.phenomenon == questions.SAID_FIRST
        facts |= {"link": question.link, "said_first": said_first}
    said = question.text, question.answer, facts, question.phenomenon
    return Instruction("question", *said)


def _talk(chooser: Chooser, split: str) -> Instruction:
    kind, typed, answer = small_talk.draw(chooser, split)
    phenomenon = "a story" if kind.name == small_talk.STORY else ""
    return Instruction("talk", typed, answer, {"kind": kind.name}, phenomenon)


_WRITERS = dict(translate=_translate, summarise=_summarise, support=_support)
_WRITERS |= dict(story=_story, question=_question, talk=_talk)


def two_step_questions(*, split: str, said_first: bool = False) -> list[Instruction]:
    """Every combination of two facts that a split asks for, once.

    said_first : the two facts are to be said before the answer.
    """
    check_split(split)
    return list(map(_asked, questions.two_step_questions(split, said_first=said_first)))


def translations_of(cell: Cell, count: int, *, seed: int) -> list[Instruction]:
    """Up to `count` different sentences of one cell; fewer where it has no more."""
    found: dict[str, Instruction] = {}
    for number in range(20 * count):
        chooser = Chooser("translations", str(cell), seed, number)
        example = _translation(say(Scene(chooser), cell), str(cell))
        found[example.prompt] = example
        if len(found) == count:
            break
    return list(found.values())


def story_prompts(count: int, *, seed: int, split: str) -> list[str]:
    """What stories are asked to be about; see `stories.draw_request`."""
    check_split(split)
    return [
        stories.draw_request(Chooser("story_prompts", split, seed, number), split)[0]
        for number in range(count)
    ]


def story_pairs(count: int, *, seed: int, split: str) -> list[stories.StoryPair]:
    """Pairs of tellings; see `stories.draw_pair`."""
    check_split(split)
    return [
        stories.draw_pair(Chooser("story_pairs", split, seed, number), split)
        for number in range(count)
    ]


def story_edits(
    count: int, *, kind: str, seed: int, split: str
) -> list[edits.StoryEdit]:
    """Tellings before and after one edit of a kind; see `edits.draw_edit`.

    Raises ValueError for a kind that is none of `ADDITIONS` and `FAULTS`.
    """
    check_split(split)
    kinds = edits.ADDITIONS + edits.FAULTS
    if kind not in kinds:
        raise ValueError(f"expected kind to be one of {kinds}, got {kind!r}")
    return [
        edits.draw_edit(kind, Chooser("story_edits", kind, split, seed, number), split)
        for number in range(count)
    ]
