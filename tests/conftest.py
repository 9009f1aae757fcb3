"""Every test starts from the same random state, draws without a screen."""

import random

import matplotlib
import numpy
import pytest
import torch

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def same_random_state():
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
