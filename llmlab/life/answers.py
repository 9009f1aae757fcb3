"""Phase 2 of a life: it answers."""

from statistics import fmean

from llmlab import village
from llmlab.evaluation import Scores, answers_scored, language_loss
from llmlab.gpt import GPT
from llmlab.instruction import instruction_step, render_example
from llmlab.life.folder import Life, Trained, optimisers_of
from llmlab.life.judging import measure_stories


def train_instruct(life: Life) -> Trained:
    """Answer when asked."""
    settings = life.recipe.instruct
    model = life.load("base")
    examples = instruction_examples(life)
    optimizers = optimisers_of(model, settings)
    step = instruction_step(
        model,
        examples,
        optimizers,
        steps=settings.steps,
        row_length=life.recipe.shared.context,
        rows_per_batch=settings.rows_per_batch,
        seed=life.seed,
    )
    history = life.train("instruct", step, settings.steps, {"model": model}, optimizers)
    metrics = answer_metrics(measure_answers(life, model))
    told = measure_stories(life, model)
    metrics |= {f"story_{name}": value for name, value in told.items()}
    # What tuning costs: the loss on pages that it never read, beside the base model's.
    sequences, _ = life.validation
    metrics["validation_loss"] = language_loss(model, sequences).nats_per_token
    return Trained(model, history, metrics, "instructions about the village")


def instruction_examples(life: Life) -> list[tuple[list[int], list[bool]]]:
    """What is learned from: questions with answers, and pages of the village.

    The pages, every token of which is learned, keep what was learned from them: without
    them the village is forgotten for its help desk. (Experience replay; Scialom et al.
    2022 need one hundredth of the old data, a model of this size a good deal more.)
    """
    settings, tokenizer = life.recipe.instruct, life.tokenizer
    drawn = village.instructions(settings.examples, seed=life.seed, split="train")
    examples = [
        render_example(tokenizer, each.prompt, each.answer, each.earlier)
        for each in drawn
    ]
    pages = life.sequences[: settings.pages]
    return examples + [(page, [True] * len(page)) for page in pages]


def measure_answers(
    life: Life, model: GPT, *, split: str = "test", seed: int | None = None
) -> dict[str, Scores]:
    """How the answers to held-out prompts score, by task and by what a prompt tests.

    A task whose prompts are of several kinds is told apart: "question" for all of them,
    "question, backwards" for one kind. `split` and `seed`: what was chosen, was chosen
    on "validation"; what is told, on test prompts of another seed.
    """
    shared, seed = life.recipe.shared, life.seed + 1 if seed is None else seed
    found: dict[str, Scores] = {}
    for task in village.TASKS:
        drawn = dict(seed=seed, split=split, task=task)
        examples = village.instructions(shared.test_instructions, **drawn)
        asked = (model, life.tokenizer, examples, village.score_answer)
        found |= answers_scored(*asked, max_new_tokens=life.longest_answer(task))
    known = dict(seed=seed + 1, split="train", task="question")
    examples = village.instructions(shared.test_instructions, **known)
    asked = (model, life.tokenizer, examples, village.score_answer)
    known_wording = answers_scored(*asked, max_new_tokens=shared.answer_tokens)
    return found | {"question, known wording": known_wording["question, known wording"]}


def answer_metrics(scores: dict[str, Scores]) -> dict[str, float]:
    """What is told of the scores: the share that is right of each population, what is
    said of a summary's slots, who is refused, and how many answers end."""

    def mean(name: str, *populations: str) -> float:
        return fmean(value for each in populations for value in scores[each][name])

    metrics = {
        f"{population.replace(', ', '_').replace(' ', '_')}_right": mean(
            "right", population
        )
        for population in scores
    }
    refused = "support, unanswerable"
    answerable = [p for p in scores if p.startswith("support, ") and p != refused]
    return metrics | {
        "summarise_recalled": mean("recalled", "summarise"),
        "summarise_invented": mean("invented", "summarise"),
        "refused": mean("refused", refused),
        "falsely_refused": mean("refused", *answerable),
        "ended": mean("ended", *village.TASKS),
    }
