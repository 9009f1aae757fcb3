"""Models larger than a card: every process holds a part of each weight (FSDP2).

Before a block computes, its weights are gathered from all processes, and afterwards
forgotten again; its gradients are summed and each process keeps its part. So do the
optimisers with what they remember (Rajbhandari et al. 2020, "ZeRO").
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from llmlab import processes

# PyTorch's parts for this take two seconds to import: only a sharded run does.


def shard(model: nn.Module, device: torch.device) -> nn.Module:
    """Spread a model, in place, over all processes; its `blocks` one by one."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (processes.world(),))
    for part in [*model.blocks, model]:
        fully_shard(part, mesh=mesh)
        # Losses are divided by what all processes have: their gradients are summed.
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    return model


def is_sharded(thing: nn.Module | Tensor) -> bool:
    return hasattr(thing, "unshard") or hasattr(thing, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor. Of a sharded one, all processes must ask for it."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def placed(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, which all processes have, spread out as another one is."""
    if not is_sharded(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = like.device_mesh, like.placements
    return distribute_tensor(
        tensor.to(like.device), mesh, placements, src_data_rank=None
    )


def gathered(model: nn.Module, build: Callable[[], nn.Module]) -> nn.Module:
    """The model itself; of a sharded one a whole copy, in one that `build` makes."""
    if not is_sharded(model):
        return model
    copy, state = build(), model.state_dict()
    copy.load_state_dict({name: whole(state[name]) for name in state})
    return copy
