import pytest
from opened import random_points

from rlprobe.internals.modules import Inside, open_pair
from rlprobe.internals.points import Point


@pytest.fixture(scope="session")
def inside(tiny_pair) -> dict[str, Inside]:
    return open_pair(tiny_pair)


@pytest.fixture(scope="session")
def points(tiny_pair) -> list[Point]:
    return random_points(tiny_pair)
