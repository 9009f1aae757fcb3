"""How fast this machine is now, beside the one on which the course's minutes are told.

Rented machines, and one machine on two days, differ by more than a factor of two. The
minutes of a notebook are to say something about the notebook.
"""

import time

import torch

from llmlab.batching import next_token_batch
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import muon_and_adamw
from llmlab.pretraining import prediction_loss
from llmlab.training import apply_gradients

# What an update of the base model took on one thread of the machine on which the
# shipped life was trained. Not measured then, but inferred: with both cores it took
# 85 ms, and two cores were found 1.4 to 1.7 times as fast as one. Of 0.12 to 0.145 s
# this is the end at which a notebook takes more minutes.
SECONDS_OF_AN_UPDATE = 0.14
ROUNDS = 5


def pace() -> float:
    """How many times as long as there the same work takes here, on one thread.

    In processor seconds, so that other programs disturb it little.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = sorted(_updates())
    finally:
        torch.set_num_threads(threads)
    return seconds[ROUNDS // 2] / SECONDS_OF_AN_UPDATE


def _updates() -> list[float]:
    """Seconds of the same update again and again, of 1,024 tokens."""
    model = GPT(GPTConfig(layers=3))
    dice = torch.Generator().manual_seed(0)
    rows = torch.randint(1, model.config.vocab_size, (4, 257), generator=dice)
    batch = next_token_batch(rows.tolist())
    optimizers = muon_and_adamw(model, matrix_rate=1e-3, other_rate=1e-3)
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        loss = prediction_loss(model, batch)
        apply_gradients([loss], model, optimizers.values(), clip=1.0)
        taken.append(time.process_time() - began)
    return taken
