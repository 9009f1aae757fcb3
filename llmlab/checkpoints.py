"""Models on disk: weights as safetensors, and a card that says where they come from.

Loading never unpickles, so a file from a stranger can be wrong but cannot run code.
Weights are stored in 16 bits; training goes on from what was stored, so that the file
that a learner makes and the file that the course ships are the same thing.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab import processes
from llmlab.files import write_atomically
from llmlab.gpt import GPT, GPTConfig
from llmlab.sharding import placed, whole


@dataclass(frozen=True)
class Card:
    """Where a checkpoint comes from.

    stage : what was learned last, such as "base" or "ppo".
    parent : stage that training began from; "random" for random weights.
    parent_hash : `weights_hash` of the parent; "" for random weights.
    data : what it was trained on, in words.
    settings : every number behind it; see `life.settings`.
    tokenizer : fingerprint of the tokenizer that its ids belong to.
    """

    stage: str
    parent: str = "random"
    parent_hash: str = ""
    data: str = ""
    seed: int = 0
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    settings: dict = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tokenizer: str = ""


def plain(value) -> float:
    """The Python number in a tensor or in a number of another library.

    Raises TypeError for anything else.
    """
    if getattr(value, "shape", None) in ((), (1,)):
        return value.item()
    raise TypeError(f"{value!r} is not one number")


def weights_hash(model: nn.Module) -> str:
    """Fingerprint of a model's weights as a checkpoint stores them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(_stored(model).items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(path: Path | str, model: nn.Module, card: Card) -> None:
    """Write a model and its card, wholly or not at all. Of several processes the first
    writes, and all wait for it.

    The model itself is rounded to what was stored, so that going on from memory and
    going on from the file give the same bits.

    Raises OSError: nothing could be written; an earlier file of that name is unchanged.
    """
    metadata = {
        "config": json.dumps(asdict(model.config), sort_keys=True),
        "card": json.dumps(asdict(card), sort_keys=True, default=plain),
    }
    stored = _stored(model)
    if processes.is_first():
        write_atomically(path, save(stored, metadata))
    processes.wait()
    _load(model, stored)


def load_checkpoint(
    path: Path | str, build: Callable[[GPTConfig], nn.Module] = GPT
) -> tuple[nn.Module, Card]:
    """Read a model and its card.

    build : makes the model from its configuration, for models other than a plain GPT.

    Raises FileNotFoundError or ValueError: there is no such file, or it is damaged, a
    pickle, or of another shape than it says; the message tells which.
    """
    tensors, metadata = read_safetensors(path)
    if not {"config", "card"} <= metadata.keys():
        raise ValueError(
            f"{path} holds tensors but no model card; it was not made by "
            "save_checkpoint. Load it with safetensors and copy the weights yourself"
        )
    card = _card(path, metadata)
    with _named(path, "model configuration"):
        config = GPTConfig(**json.loads(metadata["config"]))
    model = build(config)
    expected, found = _shapes(model.state_dict()), _shapes(tensors)
    if expected != found:
        name = _differing(expected, found)[0]
        raise ValueError(
            f"{path} (stage {card.stage!r}) does not fit a {type(model).__name__}: "
            f"{name} is {found.get(name, 'absent')} in the file and "
            f"{expected.get(name, 'absent')} in the model. Load it as what it is"
        )
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    return model, card


def read_card(path: Path | str) -> Card:
    """Only the card of a checkpoint."""
    _, metadata = read_safetensors(path, tensors=False)
    if "card" not in metadata:
        raise ValueError(f"{path} has no model card; it was not made by this course")
    return _card(path, metadata)


def _card(path: Path | str, metadata: dict[str, str]) -> Card:
    known = {field.name for field in fields(Card)}
    with _named(path, "model card"):
        card = json.loads(metadata["card"])
        return Card(**{name: value for name, value in card.items() if name in known})


@contextmanager
def _named(path: Path | str, part: str):
    """Say of which file and which part of it an error is."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} has a {part} that cannot be read ({error}); it is damaged, or "
            "was made by a newer version of the course. Restore it or update the course"
        ) from error


def _stored(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: _on_cpu(value).to(torch.float16)
        for name, value in model.state_dict().items()
    }


def _differing(first: dict, second: dict) -> list[str]:
    """Under which names the two hold different things."""
    names = sorted(first.keys() | second.keys())
    return [name for name in names if first.get(name) != second.get(name)]


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def read_safetensors(
    path: Path | str, tensors: bool = True
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file (none unless wanted) and its metadata.

    Raises FileNotFoundError or ValueError: as `load_checkpoint`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint {path}; `python -m llmlab tour` makes the "
            "course's own"
        )
    if _is_pickle(path):
        raise ValueError(
            f"{path} is a pickle, which may run code when it is loaded; this course "
            "reads safetensors only. Convert it where you trust it"
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            content = {name: file.get_tensor(name) for name in file.keys()}
            return (content if tensors else {}), metadata
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or not a safetensors file ({error}); it may have been "
            "cut short. Restore it (`git checkout` for a shipped one) or train it again"
        ) from error


def _is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle or as PyTorch's zip of pickles does.

    A safetensors file begins with the length of its header, eight bytes that may look
    like anything, and the header's "{".
    """
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] != b"{" and start.startswith((b"PK", b"\x80"))


# The state of a run under way ---------------------------------------------------------


def save_run_state(
    path: Path | str,
    modules: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    identity: dict,
    history: list[dict],
) -> None:
    """Write all that a run needs to go on, wholly or not at all; nothing is rounded."""
    tensors = {}
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            tensors[f"module/{name}/{key}"] = _on_cpu(value)
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = _on_cpu(value)
    metadata = {
        "identity": json.dumps(identity, sort_keys=True),
        "history": json.dumps(history),
    }
    if processes.is_first():
        # Straight from where they lie: a large run has no room for a second copy.
        write_atomically(path, lambda name: save_file(tensors, name, metadata))


def _on_cpu(value: Tensor | float) -> Tensor:
    return whole(torch.as_tensor(value).detach()).cpu().contiguous()


def _load(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put whole tensors into a module, be it sharded or not."""
    own = module.state_dict()
    module.load_state_dict({key: placed(tensors[key], own[key]) for key in tensors})


def run_history(path: Path | str) -> list[dict]:
    """What a run under way has done so far; nothing where none was saved."""
    if not Path(path).expanduser().exists():
        return []
    _, metadata = read_safetensors(path, tensors=False)
    return json.loads(metadata["history"])


def load_run_state(
    path: Path | str,
    modules: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    identity: dict,
) -> list[dict]:
    """Put a run back to where it was saved; returns its history.

    Raises ValueError: the file is damaged or belongs to a run with other settings;
    nothing was changed.
    """
    tensors, metadata = read_safetensors(path)
    stored = json.loads(metadata.get("identity", "{}"))
    wanted = json.loads(json.dumps(identity))
    if stored != wanted:
        differing = ", ".join(_differing(stored, wanted))
        raise ValueError(
            f"{path} belongs to a run with other settings ({differing} differ). "
            "Use another folder, or delete the file to begin anew"
        )
    found = {name: _below(f"module/{name}/", tensors) for name in modules}
    for name, module in modules.items():
        if _shapes(found[name]) != _shapes(module.state_dict()):
            raise ValueError(
                f"{path} holds {name!r} in another shape than this run gives it. Use "
                "another folder, or delete the file to begin anew"
            )
    for name, module in modules.items():
        _load(module, found[name])
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for key, value in _below(f"optimizer/{name}/", tensors).items():
            index, entry = key.split("/")
            # A copy: the tensor is a view of the file, which Windows would then not
            # let us replace, and the optimiser keeps what it is given.
            value, like = value.clone(), parameters[int(index)]
            value = placed(value, like) if value.shape == like.shape else value
            state.setdefault(int(index), {})[entry] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    return json.loads(metadata["history"])


def _below(folder: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with the folder's, by the rest of their names."""
    found = [key for key in tensors if key.startswith(folder)]
    return {key.removeprefix(folder): tensors[key] for key in found}
