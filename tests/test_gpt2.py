"""GPT-2's published files: the logits of transformers, the ids of tokenizers."""

import json
import random

import pytest
import tokenizers
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from llmlab.batching import next_token_batch
from llmlab.gpt import GPT, GPTConfig
from llmlab.gpt2 import (
    END_OF_TEXT,
    load_gpt2,
    load_gpt2_weights,
    published_name,
    read_vocabulary,
    with_tokenizer,
)
from llmlab.pretraining import encode_documents
from llmlab.tokenizer import Tokenizer

SMALL = dict(vocab_size=50, context=24, layers=2, heads=2, width=16)


def random_tokens(*shape, vocab=50):
    return torch.randint(vocab, shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def reference():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=50,
        n_positions=24,
        n_embd=16,
        n_layer=2,
        n_head=2,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
    )
    reference = transformers.GPT2LMHeadModel(config).double()
    with torch.no_grad():  # published gains and biases are not ones and zeros
        for parameter in reference.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return reference


def test_the_gpt2_preset_has_the_logits_of_gpt2(reference):
    model = GPT(GPTConfig.gpt2(**SMALL)).double()
    load_gpt2_weights(model, reference.state_dict())
    tokens = random_tokens(3, 24)
    torch.testing.assert_close(
        model(tokens), reference(tokens).logits, atol=1e-12, rtol=1e-10
    )


def test_the_gpt2_preset_has_the_loss_and_gradients_of_gpt2(reference):
    model = GPT(GPTConfig.gpt2(**SMALL)).double()
    load_gpt2_weights(model, reference.state_dict())
    batch = next_token_batch(random_tokens(3, 24).tolist())

    loss = F.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten())
    loss.backward()
    # transformers computes its own loss in float32: compare with its logits in float64
    logits = reference(batch.tokens).logits
    expected = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    reference.zero_grad()
    expected.backward()
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=1e-10)

    theirs = GPT(GPTConfig.gpt2(**SMALL)).double()
    load_gpt2_weights(theirs, {n: p.grad for n, p in reference.named_parameters()})
    for name, gradient in theirs.named_parameters():
        ours = model.get_parameter(name).grad
        torch.testing.assert_close(ours, gradient.detach(), atol=1e-11, rtol=1e-9)


def test_foreign_gpt2_weights_are_refused_whole(reference):
    model = GPT(GPTConfig.gpt2(**(SMALL | {"width": 32})))
    before = model.embedding.weight.clone()
    with pytest.raises(ValueError, match="wte.weight has shape"):
        load_gpt2_weights(model, reference.state_dict())
    assert torch.equal(model.embedding.weight, before)


# From files ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(reference, tmp_path_factory):
    """The reference model, saved by its own library."""
    folder = tmp_path_factory.mktemp("gpt2")
    reference.save_pretrained(folder)
    return folder / "model.safetensors"


def changed(published, folder, change):
    tensors = load_file(published)
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_bytes(
        published.with_name("config.json").read_bytes()
    )
    return folder / "model.safetensors"


def without_prefix(tensors):
    for name in list(tensors):
        tensors[name.removeprefix("transformer.")] = tensors.pop(name)
    for layer in range(2):  # the first files held the causal mask
        tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 24, 24).tril()
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()


@pytest.mark.parametrize("change", [lambda tensors: None, without_prefix])
def test_a_published_file_gives_the_logits_of_gpt2(
    published, reference, tmp_path, change
):
    model, tokens = (
        load_gpt2(changed(published, tmp_path, change)),
        random_tokens(3, 24),
    )
    assert model.config == GPTConfig.gpt2(**SMALL)
    expected = reference(tokens).logits.float()
    torch.testing.assert_close(model(tokens), expected, atol=1e-4, rtol=0)


def test_heads_are_of_64_numbers_where_no_config_tells(tmp_path):
    wide = GPT(GPTConfig.gpt2(vocab_size=9, context=4, layers=1, heads=2, width=128))
    tensors = {published_name(n): p.detach() for n, p in wide.named_parameters()}
    for name in tensors:
        if ".c_" in name and name.endswith("weight"):
            tensors[name] = tensors[name].T.contiguous()
    save_file(tensors, tmp_path / "model.safetensors")
    again = load_gpt2(tmp_path / "model.safetensors")
    assert again.config == wide.config
    assert all(map(torch.equal, again.parameters(), wide.parameters()))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.pop("transformer.wte.weight"), "no table 'wte.weight'"),
        (lambda t: t.pop("transformer.h.1.mlp.c_fc.bias"), "no 'h.1.mlp.c_fc.bias'"),
        (
            lambda t: [t.pop(n) for n in list(t) if ".h." in n],
            "no 'ln_f.weight'|no 'h.0",
        ),
        (
            lambda t: t.update({"transformer.h.0.mlp.c_fc.weight": torch.ones(64, 16)}),
            r"h.0.mlp.c_fc.weight has shape \(64, 16\), but \(16, 64\) was expected",
        ),
        (
            lambda t: t.update({"transformer.h.0.ln_3.weight": torch.ones(16)}),
            "'h.0.ln_3.weight' has no place in GPT-2",
        ),
        (lambda t: t.update({"lm_head.weight": torch.ones(50, 16)}), "lm_head.weight"),
    ],
)
def test_a_file_of_another_architecture_is_named(
    published, tmp_path, change, complaint
):
    with pytest.raises(ValueError, match=complaint) as error:
        load_gpt2(changed(published, tmp_path, change))
    assert "model.safetensors" in str(error.value)


def test_a_file_cut_short_is_named(published, tmp_path):
    path = tmp_path / "short.safetensors"
    path.write_bytes(published.read_bytes()[:-100])
    with pytest.raises(ValueError, match="short.safetensors is damaged"):
        load_gpt2(path)
    with pytest.raises(FileNotFoundError, match="there is no file .*other"):
        load_gpt2(tmp_path / "other.safetensors")


# Vocabulary ---------------------------------------------------------------------------

WORDS = "the baker's boat didn't sail 1984 times; été ½ Ⅷ — we'll see_it  now\n".split(
    " "
)


@pytest.fixture(scope="module")
def theirs():
    """A tokenizer of GPT-2's kind, learned by the library that the field uses."""
    words = random.Random(0).choices(WORDS, k=2000)
    theirs = tokenizers.ByteLevelBPETokenizer()
    theirs.train_from_iterator(
        [" ".join(words)], 330, show_progress=False, special_tokens=[END_OF_TEXT]
    )
    return theirs


def save_json(theirs, folder):
    theirs.save(str(folder / "tokenizer.json"))


def save_pair(theirs, folder):
    theirs.save_model(str(folder))


def texts_of_all_kinds():
    chooser = random.Random(1)
    for _ in range(200):
        yield " ".join(chooser.choices(WORDS, k=20))
        yield "".join(chr(chooser.randrange(0xD800)) for _ in range(30))
        yield "".join(chooser.choices(" \t\n\x1c\u00a0a1½'s_.", k=30))


@pytest.mark.parametrize("save", [save_json, save_pair])
def test_a_published_vocabulary_gives_the_ids_of_the_tokenizers_library(
    theirs, tmp_path, save
):
    save(theirs, tmp_path)
    tokenizer, id_of = read_vocabulary(tmp_path)
    for text in texts_of_all_kinds():
        ids = tokenizer.encode(text)
        assert [id_of[token] for token in ids] == theirs.encode(text).ids, repr(text)
        assert tokenizer.decode(ids) == text


def test_a_saved_tokenizer_of_gpt2_still_cuts_as_gpt2(theirs, tmp_path):
    save_json(theirs, tmp_path)
    tokenizer, _ = read_vocabulary(tmp_path)
    tokenizer.save(tmp_path / "ours.json")
    again = Tokenizer.load(tmp_path / "ours.json")
    assert again.fingerprint() == tokenizer.fingerprint()
    assert again.fingerprint() != Tokenizer(tokenizer.merges).fingerprint()
    text = " ".join(WORDS)
    assert again.encode(text) == tokenizer.encode(text)
    assert encode_documents(again, ["a"])[0][0] == again.bos_id == again.eos_id


def test_in_our_ids_a_model_finds_the_same_tokens_likely(theirs, tmp_path):
    save_pair(theirs, tmp_path)
    model = GPT(GPTConfig.gpt2(**(SMALL | {"vocab_size": 309})), seed=1)
    turned, tokenizer = with_tokenizer(model, tmp_path / "vocab.json")
    _, id_of = read_vocabulary(tmp_path)
    ours = tokenizer.encode("the baker's boat")
    known = [token for token in range(tokenizer.vocab_size) if id_of[token] >= 0]
    logits = turned(torch.tensor([ours]))[..., known]
    expected = model(torch.tensor([[id_of[token] for token in ours]]))
    expected = expected[..., [id_of[token] for token in known]]
    torch.testing.assert_close(logits, expected)
    assert len(known) == 309


def edited(edit):
    def damage(theirs, folder):
        save_json(theirs, folder)
        stored = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        edit(stored)
        (folder / "tokenizer.json").write_text(json.dumps(stored), "utf-8")

    return damage


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (edited(lambda s: s["model"]["merges"].append("x y z")), "cannot be used"),
        (edited(lambda s: s["model"]["merges"].append("zq q")), "lacks 'zq'"),
        (edited(lambda s: s.update(pre_tokenizer={"type": "Metaspace"})), "cut as GPT"),
        (edited(lambda s: s.pop("pre_tokenizer")), "lacks 'pre_tokenizer'"),
        (
            lambda _, folder: (folder / "tokenizer.json").write_text("{"),
            "cannot be used",
        ),
        (lambda _, folder: (folder / "vocab.json").write_text("[]"), "cannot be used"),
    ],
)
def test_a_vocabulary_that_cannot_be_used_is_named(theirs, tmp_path, damage, complaint):
    damage(theirs, tmp_path)
    with pytest.raises(ValueError, match=complaint):
        read_vocabulary(tmp_path)


def test_weights_without_their_vocabulary_say_what_is_missing(theirs, tmp_path):
    with pytest.raises(FileNotFoundError, match="merges.txt, beside them"):
        read_vocabulary(tmp_path)
    save_pair(theirs, tmp_path)
    with pytest.raises(ValueError, match="an id 308, the weights a table of 50"):
        with_tokenizer(GPT(GPTConfig.gpt2(**SMALL)), tmp_path)
