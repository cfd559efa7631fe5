"""Contours lie where the function has their level, and polygons cover what is above it, holes left open."""

import sys

import numpy as np
import pytest

from passo.errors import MissingExtra
from passo.figures.contours import label_places, outlines, regions, round_levels

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


def test_levels_of_a_wide_positive_range_are_round_numbers_on_a_logarithmic_scale() -> None:
    heights, levels = round_levels(np.geomspace(0.03, 40, 100))
    assert heights == pytest.approx(np.log10(np.geomspace(0.03, 40, 100)))
    assert list(levels) == [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    assert list(levels.values()) == pytest.approx(np.log10(list(levels)))


def test_levels_of_a_narrow_or_negative_range_are_evenly_spaced_round_numbers_inside_it() -> None:
    for low, high in ((1.0, 2.0), (-7.3, 5.0), (0.0, 0.004)):
        heights, levels = round_levels(np.array([low, high]))
        assert heights.tolist() == [low, high]
        steps = np.diff(list(levels))
        assert 4 <= len(levels) <= 11 and low < min(levels) and max(levels) < high
        assert steps == pytest.approx(steps[0])
    assert round_levels(np.full(3, 2.0))[1] == {}
    assert round_levels(np.array([1.0, 2.0, np.nan, np.inf]))[0].tolist() == [1, 2, 2, 2]


def test_numbers_stand_on_their_lines_away_from_the_path_and_from_each_other() -> None:
    cone = np.hypot(*np.meshgrid(X, Y))
    frame, path = np.array([[-2, -1.0], [2, 1.5]]), np.stack([np.linspace(0, 1.8, 9), np.zeros(9)], 1)
    found = label_places(outlines(X, Y, cone, [0.6, 0.9, 0.91, 99.0]), frame, 2.5 / 4, path, air=0.1)
    assert [level for level, _ in found] == [0.6, 0.9, 0.91]
    for n, (level, place) in enumerate(found):
        assert np.hypot(*place) == pytest.approx(level, abs=1e-2)
        others = np.concatenate([path, *(other[None] for k, (_, other) in enumerate(found) if k != n)])
        assert np.linalg.norm(others - place, axis=1).min() > 0.1 * 4


def test_a_line_without_room_has_no_number() -> None:
    cone = np.hypot(*np.meshgrid(X, Y))
    frame = np.array([[-2, -1.0], [2, 1.5]])
    assert label_places(outlines(X, Y, cone, [0.1]), frame, 2.5 / 4, np.zeros((1, 2))) == []
