"""Checks of the exercises: each proves properties of an answer and names the mistake.

A check never compares with a stored result. It asks what has to be true of every right
answer (the past does not change when the future does, a row of weights sums to one,
padding moves nothing), and measures the answer where a property fails, so that it can
say in one sentence what went wrong. A passing check prints what it has proven.

`exercises/wrong_answers` keeps the mistakes that the checks are proven to recognise.
"""

import contextlib
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmlab import gpt
from llmlab.batching import IGNORE
from llmlab.tokenizer import Tokenizer

TOLERANCE = 1e-4
"""Absolute; the answers are computed in 32 bits and are of the order of one."""


class CheckFailed(AssertionError):
    """An answer that is not right yet. The message says in plain words why."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the sentence. A stack of our own calls helps nobody."""
        return [f"Not yet: {self}"]


def attention(candidate) -> None:
    """Check causal scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

    Parameters
    ----------
    candidate : function of queries, keys, values, each (batch, heads, time, d_head),
        that returns the weighted means of the values in the same shape.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    generator = torch.Generator().manual_seed(1)
    # Queries this small keep every weight visible, even of scores that are not scaled.
    queries = torch.randn(2, 4, 6, 16, generator=generator) / 4
    keys = torch.randn(2, 4, 6, 16, generator=generator)
    _attention_reads_values(candidate, queries, keys, generator)
    # Position t holds the t-th unit vector: the output *is* the table of weights.
    values = torch.eye(6, 16).expand(2, 4, 6, 16)
    weights = _call(candidate, queries, keys, values)[..., :6]
    _weights_are_numbers(weights)
    _weights_sum_to_one(weights)
    _weights_look_back(weights)
    _future_changes_nothing(candidate, queries, keys)
    _heads_keep_apart(candidate, queries, keys)
    _scores_are_scaled(weights, queries, keys)
    _attention_equals_loop(candidate, generator)
    _large_scores_do_not_overflow(candidate, queries, keys)
    _gradients_reach_all(candidate, queries, keys)
    print(
        "Right. No later token ever changed an earlier output, every row of weights "
        "sums to one,\nthe scale follows the head's width, and an explicit loop over "
        "single queries agrees."
    )


def _attention_reads_values(candidate, queries, keys, generator) -> None:
    values = torch.randn(queries.shape, generator=generator)
    output = _call(candidate, queries, keys, values)
    _require_tensor(output, values.shape)
    if not torch.isfinite(output).all():
        return  # `_weights_are_numbers` can say where it comes from
    doubled = _call(candidate, queries, keys, 2 * values)
    if not _close(doubled, 2 * output):
        raise CheckFailed(
            "Twice as large values should give twice as large outputs. The output is "
            "a weighted mean of the values; keys and queries only decide the weights."
        )


_HIDES_ITSELF = (
    "A position cannot see itself: your mask is off by one and hides one token too "
    "many. Position 0 has only itself to look at."
)


def _weights_are_numbers(weights: Tensor) -> None:
    row_is_finite = torch.isfinite(weights).all(dim=-1).all(dim=0).all(dim=0)
    if row_is_finite.all():
        return
    if row_is_finite[1:].all():
        raise CheckFailed(_HIDES_ITSELF)
    if row_is_finite[-1]:
        raise CheckFailed(
            "The softmax runs over the wrong axis: not over positions, but over heads "
            "or batch rows, where a hidden pair is hidden for all and nothing is left "
            "to share. Normalise over the keys."
        )
    raise CheckFailed(
        "Some outputs are not numbers. Minus infinity times zero is one way to get "
        "there: place minus infinity at hidden pairs, do not multiply by it."
    )


def _weights_sum_to_one(weights: Tensor) -> None:
    rows = weights.sum(dim=-1)
    if _close(rows, torch.ones_like(rows)):
        return
    columns = weights.sum(dim=-2)
    if _close(columns, torch.ones_like(columns)):
        raise CheckFailed(
            "The softmax runs over the wrong axis: the weights that one key receives "
            "sum to one. Normalise over the keys that one query sees."
        )
    if (weights < -TOLERANCE).any():
        raise CheckFailed(
            "Some weights are negative, so these are bare scores: a softmax has to "
            "turn the scores of a query into shares."
        )
    if weights.triu(1).abs().max() < TOLERANCE and _close(rows[..., -1], 1.0):
        raise CheckFailed(
            "You hid the future after the softmax, so the shares that were left no "
            "longer sum to one. Hide it before, among the scores."
        )
    raise CheckFailed(
        f"The weights of position 0 sum to {rows[0, 0, 0]:.2f}, not to one: each "
        "output should be a weighted mean of the values."
    )


def _weights_look_back(weights: Tensor) -> None:
    seen = (weights > 1e-6).any(dim=0).any(dim=0)
    past = torch.ones_like(seen).tril()
    if seen.equal(past):
        return
    if seen.all():
        if _close(weights[..., 0, 1:], weights[..., 0, 1:2]):
            raise CheckFailed(
                "Hidden scores were set to zero, and zero is a score like any other: "
                "the exponential makes it one. Only minus infinity becomes weight zero."
            )
        raise CheckFailed(
            "Position 0 sees all the later tokens: there is no causal mask. A model "
            "that reads the answer learns nothing from predicting it."
        )
    if seen[1:].equal(past.tril(-1)[1:]):
        raise CheckFailed(_HIDES_ITSELF)
    if seen.equal(torch.ones_like(seen).tril(1)):
        raise CheckFailed(
            "Your mask is off by one: every position also sees the token after it, "
            "which is exactly the one it has to predict."
        )
    if seen.equal(past.T):
        raise CheckFailed(
            "The mask is upside down: positions see the future and not the past."
        )
    query, key = (seen != past).nonzero()[0].tolist()
    verb = "sees" if seen[query, key] else "does not see"
    raise CheckFailed(
        f"Position {query} {verb} position {key}; a position should see itself and "
        "everything before it, and nothing else."
    )


def _future_changes_nothing(candidate, queries, keys) -> None:
    values = keys.flip(-1)
    other_keys = torch.cat((keys[..., :4, :], keys[..., 4:, :] + 1), dim=-2)
    other_values = torch.cat((values[..., :4, :], values[..., 4:, :] - 1), dim=-2)
    before = _call(candidate, queries, keys, values)[..., :4, :]
    after = _call(candidate, queries, other_keys, other_values)[..., :4, :]
    if not _close(before, after):
        raise CheckFailed(
            "The outputs of positions 0 to 3 changed when only tokens 4 and 5 did. "
            "The mask is right, so something else mixes positions: an average or a "
            "norm taken over time?"
        )


def _heads_keep_apart(candidate, queries, keys) -> None:
    other_keys = keys.clone()
    other_keys[:, 0] += torch.linspace(-1, 1, 6).unsqueeze(-1)
    before = _call(candidate, queries, keys, keys)[:, 1:]
    after = _call(candidate, queries, other_keys, keys)[:, 1:]
    if not _close(before, after):
        raise CheckFailed(
            "Head 1 changed when only the keys of head 0 did: the heads are mixed. "
            "Each head compares its own queries with its own keys."
        )


def _scores_are_scaled(weights: Tensor, queries: Tensor, keys: Tensor) -> None:
    """Recover the scores from the weights, and from them the scale."""
    heads, time, d_head = queries.shape[1:]
    products = torch.einsum("bhqd,bhkd->bhqk", queries, keys)
    scale, misfit = _measured_scale(weights, products)
    if misfit > 0.01:
        _, misfit_swapped = _measured_scale(weights, products.transpose(-1, -2))
        if misfit_swapped < 0.01:
            raise CheckFailed(
                "Queries and keys have changed places: row t of the scores should "
                "hold query t against every key."
            )
        raise CheckFailed(
            "The scores behind your weights are not the dot products of queries and "
            "keys times one number."
        )
    width = heads * d_head
    mistakes = {
        1.0: "You did not scale the scores",
        1 / math.sqrt(width): f"You scaled by the model's width {width}",
        1 / d_head: f"You divided by the head's width {d_head}, not by its root",
        math.sqrt(d_head): "You multiplied the scores where you should divide them",
        1 / math.sqrt(time): f"You scaled by the number of positions, {time}",
    }
    if math.isclose(scale, 1 / math.sqrt(d_head), rel_tol=0.01):
        return
    for wrong_scale, mistake in mistakes.items():
        if math.isclose(scale, wrong_scale, rel_tol=0.01):
            raise CheckFailed(
                f"{mistake}; scale by the root of the head's width {d_head}."
            )
    raise CheckFailed(
        f"Your scores are the dot products times {scale:.3f}; it should be one over "
        f"the root of the head's width {d_head}."
    )


def _measured_scale(weights: Tensor, products: Tensor) -> tuple[float, float]:
    """Least squares fit of log(weights) by scale · products, over the visible pairs.

    Returns
    -------
    scale, misfit : misfit is the share of the variance that the fit leaves.
    """
    query, key = torch.ones(products.shape[-2:]).tril().nonzero().unbind(dim=1)
    # A softmax fixes scores only up to a constant per row: compare with key 0.
    logs = weights.log()
    found = (logs - logs[..., :1])[..., query, key]
    expected = (products - products[..., :1])[..., query, key]
    scale = (found * expected).sum() / expected.square().sum()
    misfit = (found - scale * expected).square().sum() / found.square().sum()
    return scale.item(), misfit.item()


def _attention_equals_loop(candidate, generator) -> None:
    for shape in ((1, 3, 5, 8), (3, 1, 1, 4)):
        queries, keys, values = (
            torch.randn(shape, generator=generator) for _ in range(3)
        )
        output = _call(candidate, queries, keys, values)
        _require_tensor(output, values.shape)
        if not _close(output, _attention_by_loop(queries, keys, values)):
            raise CheckFailed(
                "Right for inputs of shape (2, 4, 6, 16), wrong for "
                f"{shape}: is a size written as a number where it should be read off "
                "the input?"
            )


def _attention_by_loop(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The definition, one query and one key at a time."""
    batch, heads, time, d_head = queries.shape
    output = torch.zeros_like(values)
    for row in range(batch):
        for head in range(heads):
            for now in range(time):
                scores = [
                    float(queries[row, head, now] @ keys[row, head, then])
                    / math.sqrt(d_head)
                    for then in range(now + 1)
                ]
                total = sum(math.exp(score) for score in scores)
                for then, score in enumerate(scores):
                    share = math.exp(score) / total
                    output[row, head, now] += share * values[row, head, then]
    return output


def _large_scores_do_not_overflow(candidate, queries, keys) -> None:
    if not torch.isfinite(_call(candidate, 1000 * queries, keys, keys)).all():
        raise CheckFailed(
            "Large scores overflow: the exponential of a few hundred is too large for "
            "a 32-bit number. Subtract the row's largest score first, as the softmax "
            "of PyTorch does."
        )


def _gradients_reach_all(candidate, queries, keys) -> None:
    inputs = [x.clone().requires_grad_() for x in (queries, keys, keys.flip(-1))]
    output = _call(candidate, *inputs)
    if output.requires_grad:
        output.square().sum().backward()
    for name, x in zip(("queries", "keys", "values"), inputs, strict=True):
        if x.grad is None or not x.grad.any():
            raise CheckFailed(
                f"The numbers are right, but no gradient reaches the {name}, so the "
                "layer could not learn: something cuts the graph (detach, item, data "
                "or a tensor made from a list)."
            )


def instruction_targets(candidate) -> None:
    """Check the targets of supervised fine-tuning: shifted, answers only, <eos> kept.

    Parameters
    ----------
    candidate : function of tokens (batch, time) int64 and prompt_lengths (batch,) that
        returns targets (batch, time) int64. A row of tokens is prompt, answer, <eos>
        and padding; the target of a position is the token after it, or `IGNORE`.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    plain = _conversation(prompt=[1, 4, 70, 71, 72, 5], answer=[80, 81, 82], time=14)
    targets = _instruction_call(candidate, [plain])[0].tolist()
    _targets_use_ignore(targets, plain)
    _targets_are_shifted(targets, plain)
    _only_the_answer_is_trained(targets, plain)
    _targets_hold_in_every_row(candidate, plain)
    print(
        "Right. Every answer token and its <eos> is predicted from the position before "
        "it;\nno prompt, role or padding token is ever a target, whatever the rows "
        "look like."
    )


def _conversation(prompt: list[int], answer: list[int], time: int) -> dict:
    """A row of tokens with what is known about it."""
    spoken = [*prompt, *answer, Tokenizer.eos_id]
    tokens = spoken + [Tokenizer.pad_id] * (time - len(spoken))
    first, end = len(prompt) - 1, len(spoken) - 1
    targets = [IGNORE] * time
    for position in range(first, end):
        targets[position] = tokens[position + 1]
    return {
        "tokens": tokens,
        "prompt_length": len(prompt),
        "first": first,
        "end": end,
        "targets": targets,
    }


def _instruction_call(candidate, rows: list[dict]) -> Tensor:
    tokens = torch.tensor([row["tokens"] for row in rows])
    lengths = torch.tensor([row["prompt_length"] for row in rows])
    given = tokens.clone()
    targets = _call(candidate, given, lengths)
    if not given.equal(tokens):
        raise CheckFailed(
            "Your function changed the tokens that it was given. The model still has "
            "to read them: work on a copy."
        )
    _require_tensor(targets, tokens.shape)
    if targets.dtype != torch.int64:
        raise CheckFailed(
            f"Targets are token ids, so their type should be int64; it is "
            f"{str(targets.dtype).removeprefix('torch.')}."
        )
    return targets


def _targets_use_ignore(targets: list[int], row: dict) -> None:
    trained = [target for target in targets if target != IGNORE]
    if not trained:
        raise CheckFailed(
            "Every target is IGNORE: there is nothing left to learn from. The answer "
            "and its <eos> are learned."
        )
    outside = targets[: row["first"]] + targets[row["end"] :]
    if len(set(outside)) == 1 and outside[0] not in (IGNORE, Tokenizer.eos_id):
        raise CheckFailed(
            f"Positions that are not trained hold {outside[0]}, which is a target "
            f"like any other: the loss leaves out only IGNORE ({IGNORE})."
        )


def _targets_are_shifted(targets: list[int], row: dict) -> None:
    tokens = row["tokens"]
    trained = [t for t, target in enumerate(targets) if target != IGNORE]
    if targets[-1] == tokens[0]:
        raise CheckFailed(
            "The last position is asked for the row's first token: rolling a row "
            "carries its beginning round to the end. Nothing follows the last token."
        )

    def agrees(shift: int) -> bool:
        shifted = [
            tokens[t + shift] if 0 <= t + shift < len(tokens) else Tokenizer.pad_id
            for t in trained
        ]
        return shifted == [targets[t] for t in trained]

    if agrees(1):
        return
    if agrees(0):
        raise CheckFailed(
            "The targets are not shifted: each position is asked for the token that "
            "it has just read. It has to predict the next one."
        )
    if agrees(2):
        raise CheckFailed(
            "The targets are shifted twice: each position is asked for the token "
            "after the next. Shift once."
        )
    if agrees(-1):
        raise CheckFailed(
            "The targets are shifted the wrong way: each position is asked for the "
            "token before it."
        )
    wrong = next(t for t in trained if targets[t] != (tokens + [IGNORE])[t + 1])
    raise CheckFailed(
        f"Position {wrong} is asked for token {targets[wrong]}, but the token after "
        f"it is {(tokens + [IGNORE])[wrong + 1]}."
    )


def _only_the_answer_is_trained(targets: list[int], row: dict) -> None:
    trained = {t for t, target in enumerate(targets) if target != IGNORE}
    first, end = row["first"], row["end"]
    wanted = set(range(first, end))
    if not trained & wanted:
        raise CheckFailed(
            "The mask is the wrong way round: the question is learned and the answer "
            "is not."
        )
    if trained == {t + 1 for t in wanted}:
        raise CheckFailed(
            "The tokens were shifted, the mask was not: everything is trained one "
            "position late, so the first answer token is lost and <pad> is learned."
        )
    if any(t >= end for t in trained):
        raise CheckFailed(
            "Padding is trained: after <eos> the model is asked to write <pad>. "
            "Nothing is to be learned there."
        )
    if any(t < first - 1 for t in trained):
        raise CheckFailed(
            "The prompt is trained: the model is asked to write the person's words. "
            "Only the answer and its <eos> are learned."
        )
    if first - 1 in trained:
        raise CheckFailed(
            "The model is asked to write the <assistant> header. It is always given; "
            "the first thing to learn is the token after it."
        )
    if first not in trained:
        raise CheckFailed(
            "The answer's first token is not learned: it is the target of the "
            "<assistant> header, the last position of the prompt."
        )
    if end - 1 not in trained:
        raise CheckFailed(
            "The <eos> is not learned, so the model would never know when to stop. "
            "It is the target of the answer's last token."
        )
    if trained != wanted:
        missing = min(wanted - trained)
        raise CheckFailed(
            f"Position {missing}, in the middle of the answer, is not trained."
        )


def _targets_hold_in_every_row(candidate, plain: dict) -> None:
    """Rows of other lengths, in one batch, compared with the definition."""
    user, assistant = Tokenizer.user_id, Tokenizer.assistant_id
    earlier_turn = [1, user, 70, assistant, 80, Tokenizer.eos_id]
    cases = {
        "when rows of one batch have prompts of different lengths": _conversation(
            [1, user, 60, assistant], [90, 91, 92, 93, 94], time=14
        ),
        "when the answer repeats words of the prompt": _conversation(
            [1, user, 70, 71, assistant], [70, 71], time=14
        ),
        "when the prompt holds an earlier turn with its own <eos>": _conversation(
            [*earlier_turn, user, 71, assistant], [82, 83], time=14
        ),
        "when the answer is empty and only <eos> is left to learn": _conversation(
            [1, user, 70, 71, 72, assistant], [], time=14
        ),
        "when a row is full and has no padding": _conversation(
            [1, user, 70, assistant], list(range(80, 89)), time=14
        ),
    }
    targets = _instruction_call(candidate, [plain, *cases.values()]).tolist()
    for (situation, row), found in zip(cases.items(), targets[1:], strict=True):
        if found != row["targets"]:
            wrong = next(
                t for t, target in enumerate(found) if target != row["targets"][t]
            )
            raise CheckFailed(
                f"Right for a plain row, but wrong {situation}: the target of "
                f"position {wrong} should be {row['targets'][wrong]}, it is "
                f"{found[wrong]}."
            )


def policy_loss(candidate) -> None:
    """Check PPO's clipped policy loss (Schulman et al. 2017, equation 7, negated).

    Parameters
    ----------
    candidate : function of log_probs, old_log_probs, advantages (batch, time), mask
        (batch, time) bool, and clip, that returns the loss, a scalar: the mean over
        the True positions of mask.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    batch = _policy_batch()
    _first_step_is_the_policy_gradient(candidate, batch)
    _clip_stops_the_right_tokens(candidate, clip=0.2)
    _loss_equals_loop(candidate)
    _clip_follows_its_argument(candidate)
    _padding_changes_nothing(candidate, batch)
    _only_new_log_probs_learn(candidate, batch)
    print(
        "Right. At ratio 1 this is the policy gradient; beyond the clip range only "
        "tokens that already\nmoved the wished way stop learning; padding and "
        "advantages receive no gradient."
    )


def _policy_batch() -> dict[str, Tensor]:
    """Two rows of five positions, of which seven are real tokens."""
    generator = torch.Generator().manual_seed(2)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    return {
        "old_log_probs": (-0.2 - torch.rand(2, 5, generator=generator)) * mask,
        "advantages": (torch.randn(2, 5, generator=generator) + 0.5) * mask,
        "mask": mask,
    }


def _loss_and_gradient(
    candidate, log_ratio, old_log_probs, advantages, mask, clip=0.2
) -> tuple[float, Tensor]:
    """The loss where log_probs = old_log_probs + log_ratio, and d loss / d log_probs"""
    log_probs = (old_log_probs + log_ratio).requires_grad_()
    loss = _call(candidate, log_probs, old_log_probs, advantages, mask, clip)
    _require_tensor(loss, ())
    if loss.requires_grad:
        loss.backward()
    if log_probs.grad is None:
        raise CheckFailed(
            "No gradient reaches log_probs, so the policy could not learn: something "
            "cuts the graph (detach, item, no_grad)."
        )
    if not (loss.isfinite() and log_probs.grad.isfinite().all()):
        raise CheckFailed(
            "The loss or its gradient is not a number. Leave padding out by the mask; "
            "minus infinity, which serves attention well, does not work here."
        )
    return loss.item(), log_probs.grad


def _first_step_is_the_policy_gradient(candidate, batch) -> None:
    """Before the first update the ratio is 1: nothing is clipped, loss = -mean(A)."""
    loss, gradient = _loss_and_gradient(candidate, 0.0, **batch)
    old, advantages, mask = batch.values()
    count = int(mask.sum())
    right_loss = -(advantages * mask).sum().item() / count
    right_gradient = -advantages * mask / count
    if _close(gradient, right_gradient) and math.isclose(
        loss, right_loss, abs_tol=TOLERANCE
    ):
        return
    if gradient[~mask].any():
        raise CheckFailed(
            "Padding takes part: positions where the mask is False receive a gradient."
        )
    if _close(gradient, -right_gradient):
        if math.isclose(loss, right_loss, abs_tol=TOLERANCE):
            raise CheckFailed(
                "The ratio is upside down: it should be the new probability over the "
                "old one. Yours makes good tokens rarer."
            )
        raise CheckFailed(
            "The sign is wrong: an optimiser makes a loss small, so this one would "
            "make good tokens rarer."
        )
    if _close(gradient, right_gradient * count):
        raise CheckFailed(
            "The loss is a sum over tokens; it should be their mean, so that a step "
            "does not grow with the batch."
        )
    if _close(gradient, right_gradient * count / mask.numel()):
        raise CheckFailed(
            f"You divided by all {mask.numel()} positions, padding included; divide "
            f"by the {count} real tokens."
        )
    per_row = -advantages * mask / mask.sum(dim=1, keepdim=True) / len(mask)
    if _close(gradient, per_row):
        raise CheckFailed(
            "You averaged each row first, so a token of a short answer weighs more. "
            "Take one mean over all real tokens of the batch."
        )
    if _close(gradient, right_gradient.where(mask, 0.0) / _or_one(old)):
        raise CheckFailed(
            "You divided log-probabilities. The ratio is one of probabilities: "
            "subtract the logarithms, then exponentiate."
        )
    if not gradient[advantages < 0].any() and not gradient[~mask].any():
        raise CheckFailed(
            "You clipped the difference of the log-probabilities, which is 0 and not "
            "1 where nothing has changed. Exponentiate it first."
        )
    if _is_affine(gradient[mask], advantages[mask]):
        raise CheckFailed(
            "The advantages were shifted or rescaled on the way. Whitening belongs to "
            "the rollout, before the loss; take them here as they are."
        )
    raise CheckFailed(
        "At ratio 1, before any update, the loss should be minus the mean advantage "
        f"of the real tokens, {right_loss:.3f}; it is {loss:.3f}. Its gradient should "
        "be minus each token's advantage over the number of real tokens."
    )


def _or_one(x: Tensor) -> Tensor:
    return x.where(x != 0, torch.ones_like(x))


def _is_affine(found: Tensor, of: Tensor) -> bool:
    design = torch.stack((of, torch.ones_like(of)), dim=1)
    fit = design @ torch.linalg.lstsq(design, found.unsqueeze(1)).solution
    return _close(fit.squeeze(1), found)


_RATIOS = (0.5, 0.7, 0.79, 0.82, 0.95, 1.0, 1.05, 1.18, 1.21, 1.4, 2.0)


def _policy_table(clip: float) -> dict:
    """Every ratio of the table with a good (+1) and a bad (-1) advantage."""
    ratios = torch.tensor(_RATIOS).repeat(2, 1)
    signs = torch.tensor([[1.0], [-1.0]]).expand_as(ratios)
    too_high, too_low = ratios > 1 + clip, ratios < 1 - clip
    return {
        "ratios": ratios,
        "signs": signs,
        "outside": too_high | too_low,
        "stopped": ((signs > 0) & too_high) | ((signs < 0) & too_low),
        "stopped_if_swapped": ((signs > 0) & too_low) | ((signs < 0) & too_high),
    }


def _table_call(candidate, table: dict, clip: float) -> tuple[float, Tensor]:
    return _loss_and_gradient(
        candidate,
        table["ratios"].log(),
        old_log_probs=torch.full_like(table["ratios"], -3.0),
        advantages=table["signs"],
        mask=torch.ones_like(table["outside"]),
        clip=clip,
    )


def _clip_stops_the_right_tokens(candidate, clip: float) -> None:
    table = _policy_table(clip)
    _, gradient = _table_call(candidate, table, clip)
    stopped = gradient == 0
    if stopped.equal(table["stopped"]):
        return
    if not stopped.any():
        raise CheckFailed(
            "Nothing is clipped: a token whose probability has doubled is still pushed "
            "up, however often the same samples are used."
        )
    if stopped.equal(table["outside"]):
        raise CheckFailed(
            "You use the clipped ratio alone. A good token that has become too rare "
            "must still learn: take the pessimistic one of the clipped and the "
            "unclipped objective."
        )
    if stopped.equal(table["stopped_if_swapped"]):
        raise CheckFailed(
            "Minimum and maximum have changed places: you take the optimistic one of "
            "the two objectives, so the clip stops the wrong tokens. Mind the sign: "
            "the smaller objective is the larger loss."
        )
    sign, column = (stopped != table["stopped"]).nonzero()[0].tolist()
    goes_on = "still learns" if table["stopped"][sign, column] else "stops learning"
    raise CheckFailed(
        f"A token with ratio {_RATIOS[column]} and advantage "
        f"{'+1' if sign == 0 else '-1'} {goes_on}, which it should not with clip "
        f"{clip}: the range is from 1 - clip to 1 + clip, for the ratio alone."
    )


def _loss_equals_loop(candidate) -> None:
    table = _policy_table(clip=0.2)
    loss, _ = _table_call(candidate, table, clip=0.2)
    total = 0.0
    for advantage in (1.0, -1.0):
        for ratio in _RATIOS:
            clipped = max(0.8, min(ratio, 1.2))
            total -= min(ratio * advantage, clipped * advantage)
    expected = total / (2 * len(_RATIOS))
    if not math.isclose(loss, expected, abs_tol=TOLERANCE):
        raise CheckFailed(
            "The right tokens learn, but the loss of a batch with many ratios is "
            f"{loss:.4f} where a loop over its tokens gives {expected:.4f}."
        )


def _clip_follows_its_argument(candidate) -> None:
    for clip in (0.1, 0.3):
        table = _policy_table(clip)
        _, gradient = _table_call(candidate, table, clip)
        if not (gradient == 0).equal(table["stopped"]):
            raise CheckFailed(
                f"Right with clip 0.2, wrong with clip {clip}: is 0.2 written as a "
                "number where the argument should stand?"
            )


def _padding_changes_nothing(candidate, batch) -> None:
    mask = batch["mask"]
    log_ratio = torch.linspace(-0.4, 0.4, mask.numel()).view_as(mask) * mask
    loss, gradient = _loss_and_gradient(candidate, log_ratio, **batch)
    filled = {
        "old_log_probs": batch["old_log_probs"].masked_fill(~mask, -2.0),
        "advantages": batch["advantages"].masked_fill(~mask, 3.0),
        "mask": mask,
    }
    wider = {name: F.pad(x, (0, 3)) for name, x in filled.items()}
    wider_ratio = F.pad(log_ratio.masked_fill(~mask, 0.1), (0, 3))
    padded_loss, padded_gradient = _loss_and_gradient(candidate, wider_ratio, **wider)
    same_loss = math.isclose(loss, padded_loss, abs_tol=TOLERANCE)
    if not same_loss or not _close(padded_gradient, F.pad(gradient, (0, 3))):
        raise CheckFailed(
            "The loss changed when only padding did. What stands at positions where "
            "the mask is False must not matter; go by the mask, not by the numbers."
        )


def _only_new_log_probs_learn(candidate, batch) -> None:
    constants = {
        name: batch[name].clone().requires_grad_()
        for name in ("old_log_probs", "advantages")
    }
    log_probs = (batch["old_log_probs"] + 0.05).requires_grad_()
    loss = _call(candidate, log_probs, *constants.values(), batch["mask"], 0.2)
    loss.backward()
    for name, x in constants.items():
        if x.grad is not None and x.grad.any():
            raise CheckFailed(
                f"The loss sends a gradient into {name}. They are measurements of the "
                "rollout: treat them as constants and detach them."
            )


@contextlib.contextmanager
def your_attention(candidate):
    """Run every `GPT` on the learner's attention while the `with` block lasts.

    It computes each full causal pass; batches with padding and cached generation,
    which ask for other masks, stay with the library's function.
    """
    library_attention = gpt.attention

    def attention(queries, keys, values, mask, causal):
        if causal and mask is None and queries.shape == keys.shape:
            return candidate(queries, keys, values)
        return library_attention(queries, keys, values, mask, causal)

    gpt.attention = attention
    try:
        yield
    finally:
        gpt.attention = library_attention


def _call(candidate, *inputs):
    try:
        return candidate(*inputs)
    except NotImplementedError as error:
        raise CheckFailed(f"There is nothing to check yet. {error}") from error


def _require_tensor(output, shape) -> None:
    if output is None:
        raise CheckFailed("Your function returns nothing: end it with a return.")
    if not isinstance(output, Tensor):
        raise CheckFailed(
            f"Your function returns a {type(output).__name__}; it should be a tensor."
        )
    if output.shape != torch.Size(shape):
        raise CheckFailed(
            f"The result has shape {tuple(output.shape)}; it should have "
            f"{tuple(shape) or '(), a single number'}."
        )


def _close(left: Tensor, right: Tensor | float) -> bool:
    return bool(((left - right).abs() <= TOLERANCE).all())
