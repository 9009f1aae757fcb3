import pytest
import torch

from llmlab import pretraining
from llmlab.batching import IGNORE, length_batches, next_token_batch
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.pretraining import (
    cross_entropy,
    encode_documents,
    epochs,
    masked_batch,
    prediction_loss,
    pretraining_step,
)
from llmlab.tokenizer import Tokenizer
from llmlab.training import step_generator

CONFIG = GPTConfig(vocab_size=264, context=64, layers=2, heads=2, width=16)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["ab " * 40 + "cd " * 30], 264)


def random_sequences(*lengths):
    generator = torch.Generator().manual_seed(0)
    return [
        [1, *torch.randint(6, 264, (n - 2,), generator=generator).tolist(), 2]
        for n in lengths
    ]


def lively(config):
    model = GPT(config)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.Generator().manual_seed(parameter.numel())
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
    return model


def test_a_document_begins_and_ends(tokenizer):
    [ids] = encode_documents(tokenizer, ["ab cd"])
    assert ids[0] == tokenizer.bos_id and ids[-1] == tokenizer.eos_id
    assert tokenizer.decode(ids) == "ab cd"


def test_a_text_where_a_list_of_texts_belongs_is_named(tokenizer):
    with pytest.raises(ValueError, match="'ab cd' is one text; put it in brackets"):
        encode_documents(tokenizer, "ab cd")


def test_a_target_outside_of_the_vocabulary_is_named():
    with pytest.raises(ValueError, match="no token 264 in a vocabulary of 264"):
        prediction_loss(lively(CONFIG), next_token_batch([[1, 10, 264]]))


def test_a_short_text_has_something_to_guess_whatever_the_dice_say(tokenizer):
    for seed in range(20):
        dice = torch.Generator().manual_seed(seed)
        batch = masked_batch([[1, 50, 60, 2]], tokenizer, dice, share=1e-6)
        assert batch.target_mask.sum() == 1
        assert batch.targets[batch.target_mask].item() in (50, 60)


def test_the_loss_is_the_mean_surprise_per_target():
    logits = torch.tensor([[[0.0, 1.0, 2.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    targets = torch.tensor([[2, 0, IGNORE]])
    log_probs = logits.log_softmax(-1)
    expected = -(log_probs[0, 0, 2] + log_probs[0, 1, 0]) / 2
    torch.testing.assert_close(cross_entropy(logits, targets), expected)


def test_right_padding_needs_no_mask():
    model = lively(CONFIG)
    batch = next_token_batch(random_sequences(5, 17, 9))
    with_mask = cross_entropy(
        model(batch.tokens, segment_ids=batch.segment_ids), batch.targets
    )
    torch.testing.assert_close(prediction_loss(model, batch), with_mask)


def test_every_token_counts_the_same_in_short_rows_and_long():
    model = lively(CONFIG)
    sequences = random_sequences(4, 30)
    losses = [prediction_loss(model, next_token_batch([s])) for s in sequences]
    together = prediction_loss(model, next_token_batch(sequences))
    torch.testing.assert_close(together, (3 * losses[0] + 29 * losses[1]) / 32)
    assert not torch.isclose(together, (losses[0] + losses[1]) / 2)


def test_masking_hides_15_in_100_and_of_these_80_10_10(tokenizer):
    sequences = random_sequences(*[60] * 800)
    generator = torch.Generator().manual_seed(0)
    batch = masked_batch(sequences, tokenizer, generator)
    original = torch.tensor(sequences)
    chosen = batch.targets != IGNORE
    ordinary = original >= 6
    assert 0.145 < chosen.sum() / ordinary.sum() < 0.155
    read = batch.tokens[chosen]
    masked = (read == tokenizer.mask_id).float().mean()
    kept = (read == original[chosen]).float().mean()
    assert 0.78 < masked < 0.82
    assert 0.085 < kept < 0.115  # 10 % stay, and a random token may be the same one
    assert 0.085 < 1 - masked - kept < 0.115


def test_a_random_replacement_is_never_a_special_token(tokenizer):
    sequences = random_sequences(*[60] * 400)
    generator = torch.Generator().manual_seed(0)
    batch = masked_batch(sequences, tokenizer, generator, share=1.0)
    written = batch.tokens[batch.target_mask]
    assert set(written[written < 6].tolist()) == {tokenizer.mask_id}


def test_a_run_hides_the_share_that_it_was_asked_to(tokenizer, monkeypatch):
    model = lively(GPTConfig(**{**CONFIG.__dict__, "causal": False}))
    batches = []

    def loss_of(model, batch):
        batches.append(batch)
        return prediction_loss(model, batch)

    monkeypatch.setattr(pretraining, "prediction_loss", loss_of)
    step = pretraining_step(
        model,
        random_sequences(*[60] * 60),
        tokenizer,
        muon_and_adamw(model),
        steps=3,
        tokens_per_batch=2000,
        seed=0,
        mask_share=0.5,
    )
    step(0, step_generator(0, 0))
    (batch,) = batches
    assert batch.target_mask.double().mean().item() == pytest.approx(0.5, abs=0.06)


def test_what_is_hidden_is_the_target_and_nothing_else_changes(tokenizer):
    sequences = random_sequences(20, 33)
    batch = masked_batch(sequences, tokenizer, torch.Generator().manual_seed(1))
    for row, sequence in enumerate(sequences):
        for t, token in enumerate(sequence):
            if batch.targets[row, t] == IGNORE:
                assert batch.tokens[row, t] == token
            else:
                assert batch.targets[row, t] == token
                assert token >= 6  # <bos>, <eos> and padding are never hidden


def test_the_masked_loss_looks_at_hidden_positions_only(tokenizer):
    model = lively(GPTConfig(**{**CONFIG.__dict__, "causal": False}))
    sequences = random_sequences(20, 33)
    batch = masked_batch(sequences, tokenizer, torch.Generator().manual_seed(1))
    logits = model(batch.tokens, segment_ids=batch.segment_ids).log_softmax(-1)
    surprises = [
        -logits[b, t, batch.targets[b, t]] for b, t in batch.target_mask.nonzero()
    ]
    expected = torch.stack(surprises).mean()
    torch.testing.assert_close(prediction_loss(model, batch), expected)


def test_a_run_reads_all_documents_before_any_again():
    sequences = random_sequences(*[20] * 50)
    batches = epochs(sequences, steps=12, tokens_per_batch=200, seed=0)
    read = [index for batch in batches for index in batch]
    assert len(batches) == 12
    assert sorted(read[:50]) == list(range(50))
    assert batches == epochs(sequences, steps=12, tokens_per_batch=200, seed=0)
    assert batches != epochs(sequences, steps=12, tokens_per_batch=200, seed=1)


def batches_of(step, steps, monkeypatch):
    """The batches that a step learns from."""
    batches = []

    def loss_of(model, batch):
        batches.append(batch)
        return prediction_loss(model, batch)

    monkeypatch.setattr(pretraining, "prediction_loss", loss_of)
    for index in range(steps):
        step(index, step_generator(0, index))
    return batches


@pytest.mark.parametrize("tokens_per_batch", [100, 200])
def test_a_run_reads_batches_of_the_size_that_it_was_asked_to(
    tokenizer, monkeypatch, tokens_per_batch
):
    model, texts = GPT(CONFIG), random_sequences(*[20] * 30)
    step = pretraining_step(
        model,
        texts,
        tokenizer,
        muon_and_adamw(model),
        steps=3,
        tokens_per_batch=tokens_per_batch,
        seed=0,
    )
    for batch in batches_of(step, 3, monkeypatch):
        assert batch.tokens.shape == (tokens_per_batch // 20, 19)


def test_a_run_reads_in_the_order_of_its_seed_and_at_the_rates_of_its_schedule(
    tokenizer, monkeypatch
):
    texts, read = random_sequences(*[20] * 30), []
    for seed in (5, 6):
        model = GPT(CONFIG)
        optimizers = muon_and_adamw(model, other_rate=0.01)
        step = pretraining_step(
            model,
            texts,
            tokenizer,
            optimizers,
            steps=3,
            tokens_per_batch=100,
            seed=seed,
            schedule=lambda index, steps: index / steps,
        )
        tokens = [b.tokens[:, 1:].tolist() for b in batches_of(step, 3, monkeypatch)]
        plan = epochs(texts, 3, 100, seed)
        assert tokens == [[texts[row][1:-1] for row in rows] for rows in plan]
        read.append(tokens)
        assert optimizers["adamw"].param_groups[0]["lr"] == pytest.approx(0.01 * 2 / 3)
    assert read[0] != read[1]


def test_each_pass_through_the_text_has_an_order_of_its_own():
    sequences = random_sequences(*[3] * 50)
    pass_ = len(length_batches([3] * 50, 30, torch.Generator()))
    batches = epochs(sequences, steps=20, tokens_per_batch=30, seed=0)
    assert batches[:pass_] != batches[pass_ : 2 * pass_]


def test_a_batch_in_parts_makes_the_same_update():
    texts = ["the boat came home", "no boat", "a storm came up and the boat did not"]
    tokenizer = Tokenizer.train(texts * 3, 300)
    sequences = encode_documents(tokenizer, texts)
    weights = []
    for parts in (1, 2, 5):
        model = GPT(GPTConfig(vocab_size=300, layers=1, heads=2, width=16)).double()
        step = pretraining_step(
            model,
            sequences,
            tokenizer,
            {"sgd": adamw(model, 0.1)["adamw"]},
            steps=2,
            tokens_per_batch=100,
            seed=0,
            parts=parts,
        )
        metrics = step(0, step_generator(0, 0))
        weights.append([metrics["loss"], *(p.clone() for p in model.parameters())])
    for other in weights[1:]:
        assert other[0] == pytest.approx(weights[0][0], rel=1e-9)
        for ours, theirs in zip(weights[0][1:], other[1:], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
