"""What the tests of malformed inputs share, and how many inputs they try."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from damage import FEW, MANY


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `wanted` runs with a few malformed inputs, and slowly with two thousand."""
    if "wanted" in metafunc.fixturenames:
        metafunc.parametrize("wanted", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
