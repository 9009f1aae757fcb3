"""Every test starts from the same random state, draws without a screen."""

import random

import matplotlib
import numpy
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def same_random_state():
    # Not above: this file is read before the number of threads is set.
    import torch

    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
