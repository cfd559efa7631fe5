"""Contours lie where the function has their level, and polygons cover what is above it, holes left open."""

import sys

import numpy as np
import pytest

from passo.errors import MissingExtra
from passo.figures.contours import outlines, regions

X, Y = np.linspace(-2, 2, 81), np.linspace(-1, 1.5, 61)


def area(shape: np.ndarray) -> float:
    """The shoelace formula: rings against the outline's sense count negative, seams nothing."""
    x, y = shape.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def test_the_outline_of_a_cone_is_a_closed_circle_of_that_radius() -> None:
    cone = np.hypot(*np.meshgrid(X, Y))
    ((level, line),) = outlines(X, Y, cone, [0.7])
    assert level == 0.7
    assert np.array_equal(line[0], line[-1])
    assert np.hypot(line[:, 0], line[:, 1]) == pytest.approx(0.7, abs=1e-3)


def test_axes_are_not_swapped() -> None:
    ((_, line),) = outlines(X, Y, np.meshgrid(X, Y)[0] * 1.0, [1.25])
    assert line[:, 0] == pytest.approx(1.25)
    assert {line[0, 1], line[-1, 1]} == {-1.0, 1.5}


def test_a_level_in_two_pieces_has_two_outlines_and_one_outside_the_values_none() -> None:
    valleys = (np.meshgrid(X, Y)[0] ** 2 - 1) ** 2
    assert [level for level, _ in outlines(X, Y, valleys, [0.09, -1.0])] == [0.09] * 4  # two sides of two valleys


def test_regions_cover_what_is_above_the_level_with_the_hole_left_out() -> None:
    cone = np.hypot(*np.meshgrid(X, Y))
    ((_, shape),) = regions(X, Y, cone, [0.7])
    assert abs(area(shape)) == pytest.approx(4 * 2.5 - np.pi * 0.7**2, rel=1e-3)


def test_regions_come_with_the_lowest_level_first() -> None:
    slope = np.meshgrid(X, Y)[0] * 1.0
    found = regions(X, Y, slope, [1.0, 0.0])
    assert [level for level, _ in found] == [0.0, 1.0]
    assert [abs(area(shape)) for _, shape in found] == pytest.approx([5.0, 2.5])


def test_what_is_not_finite_is_left_out() -> None:
    slope = np.meshgrid(X, Y)[0] * 1.0
    slope[:, 40:] = np.nan  # x ≥ 0
    assert sum(abs(area(shape)) for _, shape in regions(X, Y, slope, [-9.0])) == pytest.approx(2.5 * (2 - 0.05))


def test_a_missing_library_is_answered_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "contourpy", None)
    with pytest.raises(MissingExtra, match=r"needs contourpy.*pip install 'passo\[figures\]'"):
        outlines(X, Y, np.zeros((61, 81)), [0.5])
