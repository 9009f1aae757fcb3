"""Phase 1 of a life: it reads, once to fill gaps and once to go on."""

from llmlab import evaluation, village
from llmlab.gpt import GPT
from llmlab.life.folder import Life, Trained, optimisers_of
from llmlab.life.settings import Pretraining
from llmlab.pretraining import pretraining_step
from llmlab.progress import Metrics


def train_masked(life: Life) -> Trained:
    """Guess hidden words from both sides.

    Only hidden words teach, so at BERT's 15 % most of every batch is read for nothing.
    In a short training more hiding learns more (Wettig et al. 2023); the measurement
    hides 15 %, as everybody's does.
    """
    model = life.new_model(causal=False)
    history = _pretrain(life, "masked", model)
    sequences, _ = life.validation
    share = evaluation.masked_accuracy(model, life.tokenizer, sequences, seed=life.seed)
    metrics = {"masked_accuracy": share.rate}
    return Trained(model, history, metrics, "the village, hidden words")


def train_base(life: Life) -> Trained:
    """Guess the next word."""
    model = life.new_model()
    history = _pretrain(life, "base", model)
    sequences, bits = life.validation
    loss, line = (
        evaluation.language_loss(model, sequences),
        evaluation.entropy_line(bits, sequences),
    )
    probes = village.probes(seed=life.seed)
    chosen = evaluation.completions(model, life.tokenizer, probes.completions)
    pairs = evaluation.minimal_pairs(model, life.tokenizer, probes.minimal_pairs)
    metrics = {
        "validation_loss": loss.nats_per_token,
        "validation_loss_error": loss.error,
        "entropy_line": line.nats_per_token,
        "excess": loss.nats_per_token - line.nats_per_token,
        "minimal_pairs": sum(share.successes for share in pairs.values())
        / sum(share.trials for share in pairs.values()),
        **{f"completions_{kind}": share.rate for kind, share in chosen.items()},
    }
    return Trained(model, history, metrics, "the village, next words")


def _pretrain(life: Life, stage: str, model: GPT) -> list[Metrics]:
    settings: Pretraining = getattr(life.recipe, stage)
    optimizers = optimisers_of(model, settings)
    step = pretraining_step(
        model,
        life.sequences,
        life.tokenizer,
        optimizers,
        steps=settings.steps,
        tokens_per_batch=settings.tokens_per_batch,
        seed=life.seed,
        mask_share=settings.mask_share,
    )
    return life.train(stage, step, settings.steps, {"model": model}, optimizers)
