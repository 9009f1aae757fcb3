"""What `test_processes` has done by one process, and by two; small, and told as JSON.

Run as a program by each of the processes, with torchrun's variables set:
`python jobs_in_processes.py FOLDER JOB …`. In the end the second process dies.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch

from llmlab import processes, rollouts
from llmlab.batching import next_token_batch
from llmlab.checkpoints import Card, save_checkpoint, weights_hash
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import instruction_step
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.policy_gradient import policy_step
from llmlab.ppo import PPO, Critic, ValueModel
from llmlab.pretraining import prediction_step, pretraining_step
from llmlab.reward import (
    EncodedComparison,
    RewardModel,
    preference_step,
    reward_scores,
)
from llmlab.rollouts import frozen_copy
from llmlab.sharding import shard
from llmlab.tokenizer import Tokenizer
from llmlab.training import Interrupted, train

STEPS = 20
TOKENIZER = Tokenizer.train(["ab " * 40 + "cd " * 30], 264)


def texts(count=60):
    """Of very different lengths, so that means over shares would not add up."""
    dice = torch.Generator().manual_seed(0)
    return [
        torch.randint(6, 264, (int(length),), generator=dice).tolist()
        for length in torch.randint(3, 40, (count,), generator=dice)
    ]


def new_model(causal=True):
    return GPT(GPTConfig(264, context=64, layers=1, heads=2, width=16, causal=causal))


def opinionated_model():
    """A new model finds all tokens equally likely; this one does not."""
    model = new_model()
    torch.nn.init.normal_(
        model.output.weight, std=0.3, generator=torch.Generator().manual_seed(1)
    )
    return model


def step_of(phase, model, optimizers):
    if phase == "instruction":
        halves = [len(ids) // 2 for ids in texts()]
        examples = [
            (ids, [False] * half + [True] * (len(ids) - half))
            for ids, half in zip(texts(), halves, strict=True)
        ]
        return instruction_step(
            model,
            examples,
            optimizers,
            steps=STEPS,
            row_length=64,
            rows_per_batch=5,
            seed=3,
        )
    return pretraining_step(
        model,
        texts(),
        TOKENIZER,
        optimizers,
        steps=STEPS,
        tokens_per_batch=192,
        seed=3,
    )


def run(phase="causal", state=None, on_step=None, sharded=False):
    """A whole run, or the rest of one: (losses, fingerprint of the weights)."""
    model = new_model(causal=phase != "masked")
    if sharded:
        shard(model, torch.device("cpu"))
    optimizers = muon_and_adamw(model)
    update = step_of(phase, model, optimizers)

    def step(index, generator):
        if on_step is not None:
            on_step(index)
        return update(index, generator)

    history = train(
        step,
        steps=STEPS,
        modules={"model": model},
        optimizers=optimizers,
        seed=3,
        state_path=state,
        save_every=0,
    )
    return [metrics["loss"] for metrics in history], weights_hash(model)


def losses(folder):
    return {phase: run(phase)[0] for phase in ("causal", "masked", "instruction")}


def reward(folder):
    """What a reward model says of its steps."""
    model = RewardModel(opinionated_model())
    pairs = [
        EncodedComparison(*two) for two in zip(texts()[::2], texts()[1::2], strict=True)
    ]
    optimizers = adamw(model, 1e-3)
    step = preference_step(
        model, reward_scores(model), pairs, optimizers, steps=STEPS, comparisons=5
    )
    return history_of(step, {"model": model}, optimizers)


def ppo(folder):
    """What PPO says of its steps; what was rolled out is the same in any number of
    processes, which dice would not be."""
    policy = opinionated_model()
    value_model = ValueModel(policy)
    settings = replace(
        PPO, steps=STEPS, responses=6, minibatches=1, max_new_tokens=12, parts=2
    )
    policy_optimizers = adamw(policy, settings.rate, eps=1e-5)
    value_optimizers = adamw(value_model, settings.critic_rate, eps=1e-5)
    step = policy_step(
        policy,
        frozen_copy(policy),
        lambda prompts, responses: torch.tensor([sum(r) % 7 / 7 for r in responses]),
        [text[:4] for text in texts()],
        settings,
        policy_optimizers,
        Critic(value_model, settings, value_optimizers),
    )
    optimizers = {
        "policy": policy_optimizers["adamw"],
        "value": value_optimizers["adamw"],
    }
    with patch.object(rollouts, "roll_out", answers_by_heart):
        return history_of(step, {"policy": policy, "value": value_model}, optimizers)


def answers_by_heart(policy, prompts, generator, *, max_new_tokens, temperature):
    """A rollout in which every prompt has always the same answer."""
    responses = []
    for prompt in prompts:
        dice = torch.Generator().manual_seed(sum(prompt))
        length = int(torch.randint(1, max_new_tokens, (), generator=dice))
        drawn = torch.randint(6, 264, (length,), generator=dice).tolist()
        responses.append([*drawn, TOKENIZER.eos_id])
    batch = next_token_batch(
        [p + r for p, r in zip(prompts, responses, strict=True)],
        [
            [False] * len(p) + [True] * len(r)
            for p, r in zip(prompts, responses, strict=True)
        ],
    )
    finished = torch.ones(len(prompts), dtype=torch.bool)
    return rollouts.Rollout(prompts, responses, batch, finished, temperature)


def history_of(step, modules, optimizers):
    history = train(step, steps=STEPS, modules=modules, optimizers=optimizers, seed=3)
    own = ("seconds", "first_ratio_error")  # of every process, or of its rows
    return [{n: v for n, v in told.items() if n not in own} for told in history]


def gradients(folder):
    """Of batches of five rows, and of one, of which the second process gets none."""
    found = []
    for rows in (5, 1):
        model = opinionated_model()
        batch = next_token_batch(texts(rows))
        step = prediction_step(model, {}, lambda *_, batch=batch: batch, steps=1)
        metrics = step(0, torch.Generator())
        gradient = [p.grad.flatten() for p in model.parameters()]
        found.append([metrics["tokens"], *torch.cat(gradient).tolist()])
    return found


def interrupt_last_process(index):
    if index == 6 and processes.rank() == processes.world() - 1:
        os.kill(os.getpid(), signal.SIGINT)


def interrupted(folder):
    """Stopped by one process, gone on in all: (where it stopped, the run)."""
    state = folder / f"interrupted-{processes.world()}.state"
    try:
        run(state=state, on_step=interrupt_last_process)
    except Interrupted as stopped:
        return str(stopped), run(state=state), run()


def go_on(folder):
    """The rest of a run that was begun in another number of processes."""
    return run(state=folder / "begun-alone.state")[0]


def begin(folder):
    try:
        run(state=folder / "begun-together.state", on_step=interrupt_last_process)
    except Interrupted:
        return True


def sharded(folder):
    """Stopped and gone on, every process with a part of each weight."""
    state = folder / "sharded.state"
    try:
        run(state=state, on_step=interrupt_last_process, sharded=True)
    except Interrupted:
        losses, weights = run(state=state, sharded=True)
    model = shard(new_model(), torch.device("cpu"))
    held = sum(parameter.to_local().numel() for parameter in model.parameters())
    save_checkpoint(folder / "sharded.safetensors", model, Card(stage="sharded"))
    return losses, weights, held


def numbers(folder):
    number = processes.rank() + 1
    common = torch.Generator().manual_seed(5)
    return {
        "rows": list(processes.share(5)),
        "sum": processes.sum_(number),
        "tensor": processes.sum_(torch.tensor([number, 1.0])).tolist(),
        "weight": processes.weight(number),
        "mean": processes.mean({"loss": 10.0 * number, "tokens": 4}, number),
        "agree": [processes.agree(number == 2), processes.agree(False)],
        "dice": torch.rand(1, generator=processes.own_dice(common)).item(),
    }


def saved(folder):
    print(f"process {processes.rank()} prints")
    card = Card(stage=f"by process {processes.rank()}")
    save_checkpoint(folder / "saved.safetensors", new_model(), card)
    return (folder / "saved.safetensors").exists()


def too_small(folder):
    model = new_model()
    try:
        pretraining_step(
            model, texts(), TOKENIZER, {}, steps=1, tokens_per_batch=40, seed=0
        )
    except ValueError as error:
        return str(error)


def die_in_the_second_process(index):
    if index == 6 and processes.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, *jobs = sys.argv[1:]
    with processes.joined(torch.device("cpu")):
        results = {job: globals()[job](Path(folder)) for job in jobs}
        told = Path(folder) / f"told-{processes.rank()}.json"
        told.write_text(json.dumps(results))
        run(state=Path(folder) / "left.state", on_step=die_in_the_second_process)
