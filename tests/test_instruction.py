import math

import pytest
import torch

from llmlab import pretraining
from llmlab.batching import IGNORE, next_token_batch, pack
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import (
    answer,
    instruction_step,
    packed_batches,
    read_conversation,
    render_example,
    render_prompt,
)
from llmlab.optimisers import muon_and_adamw
from llmlab.pretraining import cross_entropy, prediction_loss
from llmlab.tokenizer import Tokenizer
from llmlab.training import train

CONFIG = GPTConfig(vocab_size=264, context=64, layers=2, heads=2, width=32)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["ab " * 40 + "cd " * 30], 264)


def test_the_template_is_these_ids(tokenizer):
    ids, mask = render_example(tokenizer, "hi", "yo")
    byte = lambda letter: 6 + ord(letter)  # noqa: E731
    assert ids == [1, 4, byte("h"), byte("i"), 5, byte("y"), byte("o"), 2]
    assert mask == [False] * 5 + [True] * 3


def test_training_text_begins_with_the_generation_prompt(tokenizer):
    for prompt, reply in [("ab?", "cd."), ("", "x"), ("<eos>", "<assistant>")]:
        rendered = render_prompt(tokenizer, prompt)
        assert render_example(tokenizer, prompt, reply)[0][: len(rendered)] == rendered


def test_earlier_turns_are_read_and_only_the_last_answer_is_learned(tokenizer):
    ids, mask = render_example(tokenizer, "hi", "yo", [("a", "b"), ("c", "d")])
    byte = lambda letter: 6 + ord(letter)  # noqa: E731
    before = [4, byte("a"), 5, byte("b"), 2, 4, byte("c"), 5, byte("d"), 2]
    alone, alone_mask = render_example(tokenizer, "hi", "yo")
    assert ids == [1, *before, *alone[1:]]
    assert mask == [False] * (1 + len(before)) + alone_mask[1:]


def test_an_answer_depends_on_the_turns_before_it(tokenizer):
    model = GPT(CONFIG)
    torch.manual_seed(0)
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    how = dict(max_new_tokens=8, top_k=1)
    turns = [("ab cd", "cd"), ("ab", "ab ab")]
    alone, after = (
        answer(model, tokenizer, ["ab"] * 2, earlier=earlier, **how)
        for earlier in (None, [(), turns])
    )
    assert alone[0] == alone[1] == after[0] != after[1]
    with pytest.raises(ValueError, match="argument 2 is"):
        answer(model, tokenizer, ["ab"] * 2, earlier=[()], **how)


def says(*texts):
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


def test_a_conversation_of_the_usual_form_is_read():
    assert read_conversation(says("a", "b")) == ("a", "b", [])
    assert read_conversation(says("a", "b", "c", "d")) == ("c", "d", [("a", "b")])


@pytest.mark.parametrize(
    "messages, complaint",
    [
        ([], "0 messages has no answer"),
        (says("a"), "1 messages has no answer"),
        (says("a", "b", "c"), "no answer at its end"),
        (says("a", " "), r"message 1 \(assistant\) has no content"),
        ([{"role": "user"}], r"message 0 \(user\) has no content"),
        (says("a", "b")[::-1], "message 0 is of role 'assistant'; expected 'user'"),
        (says("a") * 2, "message 1 is of role 'user'; expected 'assistant'"),
        ([{"role": "system", "content": "x"}], "'system'; expected 'user'"),
    ],
)
def test_a_conversation_that_cannot_be_learned_from_is_refused(messages, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_conversation(messages)


def test_typed_text_never_becomes_a_control_token(tokenizer):
    typed = "".join(tokenizer.SPECIAL_TOKENS)
    ids, _ = render_example(tokenizer, typed, typed)
    control = [token for token in ids if token < 6]
    assert control == [1, 4, 5, 2]
    assert tokenizer.decode(render_prompt(tokenizer, typed)) == typed


def test_targets_are_the_answer_and_its_end(tokenizer):
    examples = [render_example(tokenizer, "ab ab", r) for r in ("cd", "", "cd cd ab")]
    batch = next_token_batch(*zip(*examples, strict=True))
    for row, (_, mask) in enumerate(examples):
        assert int(batch.target_mask[row].sum()) == sum(mask)
    assert (batch.targets == tokenizer.eos_id).sum() == len(examples)


def test_a_changed_question_is_never_a_target(tokenizer):
    batches = []
    for prompt in ("xyz", "zyx"):
        ids, mask = render_example(tokenizer, prompt, "cd")
        batches.append(next_token_batch([ids], [mask]))
    assert torch.equal(batches[0].targets, batches[1].targets)
    assert not torch.equal(batches[0].tokens, batches[1].tokens)


def test_packed_examples_have_the_loss_of_unpacked_ones(tokenizer):
    model = GPT(CONFIG).double()
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.Generator().manual_seed(parameter.numel())
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise).double())
    examples = [
        render_example(tokenizer, "ab" * n, "cd" * (5 - n)) for n in range(1, 5)
    ]
    [packed] = packed_batches(
        examples,
        row_length=40,
        rows_per_batch=8,
        generator=torch.Generator().manual_seed(0),
    )
    plain = next_token_batch(*zip(*examples, strict=True))
    assert len(packed.tokens) < len(plain.tokens)
    losses = [
        cross_entropy(model(b.tokens, segment_ids=b.segment_ids), b.targets)
        for b in (packed, plain)
    ]
    torch.testing.assert_close(*losses)


def test_every_example_is_learned_once_an_epoch(tokenizer):
    examples = [render_example(tokenizer, "ab" * n, f"{n}") for n in range(1, 20)]
    batches = packed_batches(
        examples,
        row_length=64,
        rows_per_batch=2,
        generator=torch.Generator().manual_seed(0),
    )
    learned = sum(int(batch.target_mask.sum()) for batch in batches)
    assert learned == sum(sum(mask) for _, mask in examples)
    assert all((batch.targets != IGNORE).any() for batch in batches)


def test_no_examples_are_an_error_and_no_endless_loop():
    model = GPT(CONFIG)
    with pytest.raises(ValueError, match="there are no examples to learn from"):
        instruction_step(
            model,
            [],
            muon_and_adamw(model),
            steps=3,
            row_length=64,
            rows_per_batch=2,
            seed=0,
        )


def test_a_text_where_a_list_of_texts_belongs_is_named(tokenizer):
    with pytest.raises(ValueError, match=r"'When\?' is one text; put it in brackets"):
        answer(GPT(CONFIG), tokenizer, "When?")


def test_a_run_packs_as_it_was_asked_to_and_repeats_all_before_any_again(
    tokenizer, monkeypatch
):
    examples = [render_example(tokenizer, "ab" * n, f"{n}") for n in range(1, 13)]
    model, batches = GPT(CONFIG), []

    def loss_of(model, batch):
        batches.append(batch)
        return prediction_loss(model, batch)

    monkeypatch.setattr(pretraining, "prediction_loss", loss_of)
    for seed in (0, 0, 1):
        step = instruction_step(
            model,
            examples,
            muon_and_adamw(model),
            steps=8,
            row_length=30,
            rows_per_batch=2,
            seed=seed,
        )
        for index in range(8):
            step(index, torch.Generator())
    runs = batches[:8], batches[8:16], batches[16:]
    for batch in batches:
        assert batch.tokens.shape[0] <= 2 and batch.tokens.shape[1] <= 30
    assert max(batch.tokens.shape[1] for batch in batches) > 25
    learned = [[b.targets[b.target_mask].tolist() for b in run] for run in runs]
    assert learned[0] == learned[1] != learned[2]
    rows = pack([len(ids) - 1 for ids, _ in examples], 30)
    once = sum(learned[0][: math.ceil(len(rows) / 2)], [])
    wanted = [torch.tensor(ids)[torch.tensor(mask)].tolist() for ids, mask in examples]
    assert sorted(once) == sorted(sum(wanted, []))


def test_a_model_learns_to_answer_and_to_stop(tokenizer):
    model = GPT(CONFIG)
    pairs = {"ab": "cd", "cd": "ab ab", "abcd": "x"}
    examples = [render_example(tokenizer, *pair) for pair in pairs.items()] * 6
    optimizers = muon_and_adamw(model)
    step = instruction_step(
        model,
        examples,
        optimizers,
        steps=60,
        row_length=64,
        rows_per_batch=8,
        seed=0,
    )
    train(step, steps=60, modules={"model": model}, optimizers=optimizers, seed=0)
    said = answer(model, tokenizer, list(pairs), max_new_tokens=20, top_k=1)
    assert said == list(pairs.values())
