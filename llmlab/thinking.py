"""Thinking that pays: answers that may say facts before their end.

A question of two steps joins two facts: "Where does the owner of the mirror live?" It
may be answered at once, "Answer: the mill.", or aloud, "Think: Agnes has the finest
mirror. Agnes lives at the mill. Answer: the mill." The first token decides which. What
is paid for is the right end, and nothing else.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from zlib import crc32

import torch
from torch import Tensor

from llmlab.evaluation import Share
from llmlab.gpt import GPT
from llmlab.instruction import instruction_step, render_example, render_prompt
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.policy_gradient import RLOO, PolicySettings, policy_step
from llmlab.progress import Metrics
from llmlab.rollouts import Tokens, frozen_copy, verified_reward
from llmlab.sampling import generate
from llmlab.tokenizer import Tokenizer
from llmlab.training import train
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.questions import THINK, Fact, load, two_step_questions

THINKS, ENDS = "Think:", "Answer:"
LEFT_OUT = ("kin", "colour", "use of a thing")
"""Kinds of facts that are not asked for. "Greta is the cousin of Otto" says first what
is to be found, so that nothing is gained by saying it; the others lead nowhere."""

PARTS = ("shown", "rewarded", "validation", "test")
"""What tuning shows; what the reward is paid on; what is chosen by; what is told."""


# Questions ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Puzzle:
    """A question, the facts on the way to its answer, and the answer's end.

    thought : a sentence for each step.
    link : of two steps, the fact whose value is the subject of `fact`.
    """

    prompt: str
    thought: tuple[str, ...]
    fact: Fact
    link: Fact | None = None

    @property
    def end(self) -> str:
        return self.fact.value

    @property
    def direct(self) -> str:
        return f"{ENDS} {self.end}."

    @property
    def aloud(self) -> str:
        return " ".join((THINKS, *self.thought, self.direct))


@cache
def two_steps(part: str) -> tuple[Puzzle, ...]:
    """One of every combination of two facts of a part.

    Validation and test hold the village's own, which no training has asked. Of the
    others, one in three is shown; the rest is what the reward is paid on.
    """
    _check(part)
    kept_out = part in ("validation", "test")
    asked = two_step_questions(part if kept_out else "train", said_first=True)
    puzzles = []
    for question in asked:
        *thought, _ = re.findall(r"[^ .][^.]*\.", question.answer)
        link, fact = question.link, question.fact
        if {link.kind, fact.kind} & set(LEFT_OUT):
            continue
        is_shown = crc32(f"{link.name} {link.kind} {fact.kind}".encode()) % 3 == 0
        if kept_out or is_shown == (part == "shown"):
            prompt = question.text.removesuffix(f" {THINK}")
            puzzles.append(Puzzle(prompt, tuple(thought), fact, link))
    return tuple(puzzles)


@cache
def one_step(part: str) -> tuple[Puzzle, ...]:
    """Every fact that two steps may need, asked alone, in a wording of the part."""
    _check(part)
    split = part if part in ("validation", "test") else "train"
    puzzles = []
    for kind in load():
        for fact in kind.facts if kind.name not in LEFT_OUT else ():
            chooser = Chooser("thinking", part, fact.kind, fact.name)
            wording = chooser.pick(kind.wordings(split))
            said = expand(kind.answers[0], fact.slots, chooser)
            asked = expand(wording, fact.slots, chooser)
            puzzles.append(Puzzle(asked, (said,), fact))
    return tuple(puzzles)


def _check(part: str) -> None:
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; choose one of {PARTS}")


# Reading an answer --------------------------------------------------------------------

_FORM = re.compile(rf"(?:{THINKS}(.*))?{ENDS} ([^.]+)\.", re.DOTALL)


def read(answer: str) -> tuple[str, str]:
    """The thought of an answer and its end; "" where there is none.

    There is one end, at the end: whoever ends twice has not decided.
    """
    found = _FORM.fullmatch(answer.strip())
    if found is None or answer.count(ENDS) != 1:
        return "", ""
    return (found[1] or "").strip(), found[2]


def is_right(puzzle: Puzzle, answer: str) -> float:
    """1 for the right end, 0 for any other; the thought is not looked at."""
    return float(read(answer)[1] == puzzle.end)


def says_why(puzzle: Puzzle, answer: str) -> bool:
    """Whether the thought holds the facts on the way, in order and nothing else."""
    return read(answer)[0] == " ".join(puzzle.thought)


def thinks(answer: str) -> bool:
    """Whether an answer begins to think, however it goes on."""
    return answer.lstrip().startswith(THINKS)


# What the model says ------------------------------------------------------------------


def say(
    model: GPT,
    tokenizer: Tokenizer,
    puzzles: Sequence[Puzzle],
    begin: str | Sequence[str] = "",
    **settings,
) -> list[str]:
    """A whole answer to each question; greedy, unless `settings` of `generate` differ.

    begin : how all answers must begin, or each: `ENDS` forbids to think, `THINKS`
        forbids not to.
    """
    begins = [begin] * len(puzzles) if isinstance(begin, str) else begin
    prompts = [
        render_prompt(tokenizer, puzzle.prompt) + tokenizer.encode(each)
        for puzzle, each in zip(puzzles, begins, strict=True)
    ]
    how = {"max_new_tokens": ROOM} | (settings or {"top_k": 1})
    drawn = generate(model, prompts, **how).sequences()
    pairs = zip(begins, map(tokenizer.decode, drawn), strict=True)
    return [(each + said).strip() for each, said in pairs]


def share(judged: Sequence[float]) -> Share:
    return Share(sum(judged), len(judged))


@torch.no_grad()
def inclination(model: GPT, tokenizer: Tokenizer, puzzles: Sequence[Puzzle]) -> Tensor:
    """The probability that an answer begins to think, exactly: (puzzles,).

    The first token decides, so no answer has to be drawn.
    """
    first = tokenizer.encode(THINKS)[0]
    seen = []
    for puzzle in puzzles:
        ids = torch.tensor([render_prompt(tokenizer, puzzle.prompt)])
        seen.append(model(ids)[0, -1].softmax(dim=-1)[first])
    return torch.stack(seen)


def swapped(puzzle: Puzzle, others: Sequence[Puzzle]) -> tuple[str, Puzzle] | None:
    """A thought whose first fact is another's, and the puzzle whose end would follow.

    "Think: Otto has the finest mirror." where Agnes has it. None: nobody else's end
    differs.
    """
    kinds = puzzle.link.kind, puzzle.fact.kind
    fit = [o for o in others if (o.link.kind, o.fact.kind) == kinds]
    fit = [o for o in fit if o.end != puzzle.end and o.fact.name != puzzle.fact.name]
    if not fit:
        return None
    other = Chooser("swapped", puzzle.prompt).pick(fit)
    said = puzzle.thought[0].replace(puzzle.link.value, other.link.value)
    return f"{THINKS} {said}", other


# Tuning -------------------------------------------------------------------------------

ROOM = 60
"""Tokens of an answer, at most."""


def mixture(
    tokenizer: Tokenizer, *, share: float, rounds: int, seed: int
) -> list[tuple[Tokens, list[bool]]]:
    """Rendered examples: of the answers, `share` think aloud, drawn anew each round.

    Two steps and one, as many of the one as of the other.
    """
    if not 0 < share < 1:
        raise ValueError(
            f"share is {share}; expected a number between 0 and 1. What a model never "
            "does, no reward can find"
        )
    chance = Random(seed)
    two, one = two_steps("shown"), one_step("shown")
    puzzles = [*two, *chance.sample(one, k=min(len(one), len(two)))] * rounds
    return [
        render_example(
            tokenizer, p.prompt, p.aloud if chance.random() < share else p.direct
        )
        for p in puzzles
    ]


def tune(
    model: GPT,
    tokenizer: Tokenizer,
    *,
    share: float = 0.3,
    steps: int = 150,
    rate: float = 3e-3,
    seed: int = 0,
    **watching,
) -> list[Metrics]:
    """Phase 2 once more, shortly: a model that thinks aloud in `share` of its answers.

    Returns the history of `training.train`, which also gets `watching`.
    """
    examples = mixture(tokenizer, share=share, rounds=12, seed=seed)
    optimizers = muon_and_adamw(model, matrix_rate=rate, other_rate=rate)
    shape = dict(row_length=256, rows_per_batch=4)
    step = instruction_step(
        model, examples, optimizers, steps=steps, seed=seed, **shape
    )
    how = dict(steps=steps, modules={"model": model}, optimizers=optimizers, seed=seed)
    return train(step, **how, **watching)


# The reward ---------------------------------------------------------------------------


class Reward:
    """What a judge says of an answer, less a price for each token; it is watched.

    seen : of the answers judged last, the share that is right and the share that
        thinks, among questions of one step ("right, one") and of two ("right, two").
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        puzzles: Sequence[Puzzle],
        price: float = 0.0,
        judge: Callable[[Puzzle, str], float] = is_right,
    ):
        if not 0 <= price < 1:
            raise ValueError(
                f"price is {price}; expected 0 or more, or length would be paid for, "
                "and less than a right answer, 1"
            )
        self.price, self.judge, self.seen = price, judge, {}
        self._paid = verified_reward(tokenizer, puzzles, render_prompt, self._note)

    def _note(self, puzzle: Puzzle, answer: str) -> float:
        steps = "one" if puzzle.link is None else "two"
        for what, judge in (
            ("right", is_right(puzzle, answer)),
            ("thinks", thinks(answer)),
        ):
            self._noted.setdefault(f"{what}, {steps}", []).append(float(judge))
        return self.judge(puzzle, answer)

    def __call__(self, prompts: list[Tokens], responses: list[Tokens]) -> Tensor:
        self._noted: dict[str, list[float]] = {}
        scores = self._paid(prompts, responses)
        self.seen = {name: sum(v) / len(v) for name, v in self._noted.items()}
        return scores - self.price * torch.tensor(list(map(len, responses)))


PRACTICE = replace(
    RLOO,
    steps=20,
    rate=8e-4,
    responses=96,
    beta=0.0,
    temperature=1.0,
    max_new_tokens=ROOM,
    unfinished_score=0.0,
)


def practise(
    policy: GPT,
    tokenizer: Tokenizer,
    puzzles: Sequence[Puzzle],
    settings: PolicySettings = PRACTICE,
    *,
    price: float = 0.0,
    judge: Callable[[Puzzle, str], float] = is_right,
    seed: int = 0,
    **watching,
) -> list[Metrics]:
    """Chapter 9's update; its reward looks at the end of an answer and at its length.

    price, judge : as of `Reward`.

    Returns the history of `training.train`, which also gets `watching`; with what the
    reward has seen. Where "silent" is 1, all answers to each question were paid alike:
    there was nothing to learn from.
    """
    reward = Reward(tokenizer, puzzles, price, judge)
    optimizers = adamw(policy, settings.rate, eps=1e-5)
    prompts = [render_prompt(tokenizer, puzzle.prompt) for puzzle in puzzles]
    update = policy_step(
        policy, frozen_copy(policy), reward, prompts, settings, optimizers
    )

    def step(index: int, generator: torch.Generator) -> Metrics:
        return update(index, generator) | reward.seen

    how = dict(steps=settings.steps, modules={"policy": policy}, optimizers=optimizers)
    return train(step, **how, seed=seed, **watching)
