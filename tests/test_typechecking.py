"""What the tests stand on: what a function does not state is refused, the shapes of two arrays together."""

import numpy as np
import pytest
import torch

from rlprobe.analysis.statistics import Clusters
from rlprobe.runs import Shard
from rlprobe.training.losses import reweighted


def test_two_arrays_have_the_lengths_that_their_function_states():
    reweighted(torch.zeros(2), torch.zeros(2, 3), 1.0)
    with pytest.raises(TypeError):
        reweighted(torch.zeros(3), torch.zeros(2, 3), 1.0)
    with pytest.raises(TypeError):
        reweighted(torch.zeros(2), torch.zeros(2), 1.0)


def test_fields_are_checked_as_arguments_are_arrays_and_all_others():
    Clusters(np.zeros(3, np.int64), 2)
    with pytest.raises(TypeError):
        Clusters(np.zeros((3, 1), np.int64), 2)
    with pytest.raises(TypeError):
        Shard("base", "0", 1)


def test_an_int_is_a_float():
    reweighted(torch.zeros(2), torch.zeros(2, 3), 1)
