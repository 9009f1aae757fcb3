"""GPT-2 as it was published: its weights and its vocabulary, from files on this disk.

The weights are a safetensors file with names such as "h.0.attn.c_attn.weight", with or
without "transformer." before them. The vocabulary is a `tokenizer.json`, or a
`vocab.json` with `merges.txt` beside it. GPT-2's ids are put into the order of our own,
so that special tokens, and all that stands on them, work as with any other model.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from llmlab.checkpoints import read_safetensors
from llmlab.gpt import GPT, GPTConfig
from llmlab.tokenizer import FIRST_BYTE_ID, Tokenizer

D_HEAD = 64
"""Numbers of a head in every published size; the weights do not tell it."""

END_OF_TEXT = "<|endoftext|>"

# Weights ------------------------------------------------------------------------------

# Our name of a part, and GPT-2's.
_PUBLISHED = {
    "position_embedding": "wpe",
    "embedding": "wte",
    "final_norm": "ln_f",
    "blocks": "h",
    "attention_norm": "ln_1",
    "attention.query_key_value": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "feed_forward_norm": "ln_2",
    "feed_forward.expand": "mlp.c_fc",
    "feed_forward.output": "mlp.c_proj",
    "gain": "weight",
}


def published_name(ours: str) -> str:
    """GPT-2's name of one of our parameters."""
    parts = "|".join(map(re.escape, _PUBLISHED))
    return re.sub(rf"\b(?:{parts})\b", lambda match: _PUBLISHED[match[0]], ours)


def load_gpt2(path: Path | str) -> GPT:
    """A model of the `gpt2` preset with published weights, in GPT-2's own ids.

    Its sizes are read off the weights, its heads off a `config.json` beside them.

    Raises FileNotFoundError or ValueError: there is no such file, or it is damaged, or
    holds another architecture; the message names the weight and the shapes.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {path}; give GPT-2's weights as a .safetensors file"
        )
    tensors, _ = read_safetensors(path)
    published = _without_prefix(tensors)
    for table in ("wte.weight", "wpe.weight"):
        if getattr(published.get(table), "ndim", 0) != 2:
            raise ValueError(
                f"{path} has no table {table!r}, so it is no GPT-2. It has "
                f"{', '.join(sorted(published)[:3])} … Give a file in the layout in "
                "which GPT-2 was published"
            )
    vocab_size, width = published["wte.weight"].shape
    layers = {name.split(".")[1] for name in published if name.startswith("h.")}
    config = GPTConfig.gpt2(
        vocab_size=vocab_size,
        context=len(published["wpe.weight"]),
        layers=max(1, len(layers)),
        heads=_heads(path.with_name("config.json"), width),
        width=width,
    )
    model = GPT(config)
    try:
        load_gpt2_weights(model, published)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return model


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("transformer."): tensors[name] for name in tensors}


def _heads(config: Path, width: int) -> int:
    if config.is_file():
        heads = json.loads(config.read_text("utf-8")).get("n_head")
        if isinstance(heads, int):
            return heads
    return max(1, width // D_HEAD)


def load_gpt2_weights(model: GPT, published: dict[str, Tensor]) -> None:
    """Copy GPT-2's published weights into a model of the `gpt2` preset, in place.

    model : built from `GPTConfig.gpt2(...)` of the same sizes.
    published : the state dict as published.

    Raises ValueError: a weight is missing, has another shape, or has no place in GPT-2;
    the model is unchanged.
    """
    published, weights = _without_prefix(published), {}
    for ours, parameter in model.named_parameters():
        theirs = published_name(ours)
        if theirs not in published:
            raise ValueError(
                f"there is no {theirs!r}; a GPT-2 of {model.config.layers} blocks "
                "has one. The file is incomplete or of another architecture"
            )
        value = published.pop(theirs)
        # GPT-2 stores its linear layers as (in, out); PyTorch's are (out, in).
        stored_turned = re.search(r"\.c_\w+\.weight$", theirs)
        expected = parameter.shape[::-1] if stored_turned else parameter.shape
        if value.shape != expected:
            raise ValueError(
                f"{theirs} has shape {tuple(value.shape)}, but {tuple(expected)} was "
                "expected; the file is of another size or another architecture"
            )
        weights[ours] = value.T if stored_turned else value
    head = published.pop("lm_head.weight", None)  # GPT-2's is its token table
    if head is not None and not torch.equal(head, weights["embedding.weight"]):
        raise ValueError(
            "lm_head.weight differs from wte.weight; in GPT-2 both are one table"
        )
    # Some files hold the causal mask as well, which has nothing learned in it.
    unknown = [n for n in published if not re.search(r"attn\.(masked_)?bias$", n)]
    if unknown:
        raise ValueError(
            f"{sorted(unknown)[0]!r} has no place in GPT-2; the file is of another "
            "architecture"
        )
    model.load_state_dict(weights)


# Vocabulary ---------------------------------------------------------------------------


def with_tokenizer(model: GPT, vocabulary: Path | str) -> tuple[GPT, Tokenizer]:
    """The same model in our ids, and the tokenizer that makes them.

    model : in GPT-2's ids, as `load_gpt2` gives it.
    vocabulary : `tokenizer.json`, `vocab.json` beside `merges.txt`, or their folder.

    Raises FileNotFoundError or ValueError: the vocabulary is absent or another one.
    """
    tokenizer, theirs = read_vocabulary(vocabulary)
    table = model.embedding.weight.detach()
    if max(theirs) >= len(table):
        raise ValueError(
            f"{vocabulary} has an id {max(theirs)}, the weights a table of "
            f"{len(table)} tokens; both must be of one model"
        )
    turned = GPT(replace(model.config, vocab_size=tokenizer.vocab_size))
    # A token that GPT-2 never had begins as the mean of all: about as likely as any.
    ids = torch.tensor(theirs)
    rows = torch.where(ids[:, None] < 0, table.mean(dim=0), table[ids])
    turned.load_state_dict(model.state_dict() | {"embedding.weight": rows})
    return turned, tokenizer


def read_vocabulary(path: Path | str) -> tuple[Tokenizer, list[int]]:
    """GPT-2's tokenizer, and GPT-2's id for each of its ids: -1 where it has none."""
    path = Path(path).expanduser()
    if path.is_dir():
        names = ("tokenizer.json", "vocab.json")
        path = next((path / n for n in names if (path / n).is_file()), path / names[0])
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}. GPT-2's weights mean nothing without its vocabulary. "
            "Put its tokenizer.json, or vocab.json and merges.txt, beside them, or "
            "name it with --tokenizer"
        )
    try:
        vocab, merges = _published(path)
        return _in_our_order(vocab, merges)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{path} cannot be used as GPT-2's vocabulary ({reason}); expected a "
            "tokenizer.json, or a vocab.json with its merges.txt, of byte-level BPE"
        ) from error


def _published(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Ids by token, and merges, both in GPT-2's letters for bytes."""
    stored = json.loads(path.read_text("utf-8"))
    if "model" not in stored:  # vocab.json
        lines = path.with_name("merges.txt").read_text("utf-8").split("\n")
        merges = [line for line in lines if line and not line.startswith("#version")]
        return stored, [tuple(line.split(" ")) for line in merges]
    splitting = stored["pre_tokenizer"]
    if splitting["type"] != "ByteLevel" or splitting["add_prefix_space"]:
        raise ValueError("its text is not cut as GPT-2's is")
    added = {token["content"]: token["id"] for token in stored["added_tokens"]}
    merges = [
        tuple(merge.split(" ") if isinstance(merge, str) else merge)
        for merge in stored["model"]["merges"]
    ]
    return stored["model"]["vocab"] | added, merges


def _in_our_order(vocab, merges) -> tuple[Tokenizer, list[int]]:
    letters = byte_letters()
    spellings = [""] * FIRST_BYTE_ID + letters
    our_id = {letter: FIRST_BYTE_ID + byte for byte, letter in enumerate(letters)}
    pairs = []
    for left, right in merges:
        if left + right in our_id:
            raise ValueError(f"two of its merges make {left + right!r}")
        our_id[left + right] = len(spellings)
        spellings.append(left + right)
        pairs.append((our_id[left], our_id[right]))
    tokenizer = Tokenizer(pairs, pattern="gpt2")
    theirs = [-1] * FIRST_BYTE_ID
    theirs[tokenizer.eos_id] = vocab[END_OF_TEXT]
    return tokenizer, theirs + [vocab[s] for s in spellings[FIRST_BYTE_ID:]]


def byte_letters() -> list[str]:
    """The letter that GPT-2's files write for each byte, so that each can be seen."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    stand_ins = iter(range(256, 512))
    return [chr(byte if byte in visible else next(stand_ins)) for byte in range(256)]
