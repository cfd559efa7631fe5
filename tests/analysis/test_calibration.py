"""Confidence against accuracy in bins, and what of the difference is chance: by hand, and by drawing at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from answered import many

from passo.analysis import Answers, calibration
from passo.analysis.calibration import wilson
from passo.errors import UsageError


def binary(confidences: list[float], right: list[bool]) -> Answers:
    q = np.array([[c, 1 - c] for c in confidences])
    return Answers("it", ("yes", "no"), q, np.array([0 if hit else 1 for hit in right]))


def test_the_error_of_a_small_case_is_the_one_worked_out_by_hand() -> None:
    found = calibration(binary([0.55, 0.55, 0.85, 0.95, 0.95], [True, False, True, True, False]), 10)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 1, 2]
    assert found.right.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 1, 1]
    # |1/2 − 0.55| · 2/5 + |1 − 0.85| · 1/5 + |1/2 − 0.95| · 2/5
    assert found.error == pytest.approx(0.05 * 0.4 + 0.15 * 0.2 + 0.45 * 0.4)
    assert found.gaps[[5, 8, 9]] == pytest.approx([-0.05, 0.15, -0.45])
    assert np.isnan(found.confidence[0]) and np.isnan(found.low[0])
    assert "surer than right by 17.0 points" in found.sentence()
    assert "The bin from 90 to 100 % adds most: 2 images, 50.0 % of them right." in found.sentence()


def test_the_error_agrees_with_a_loop_over_images() -> None:
    q, labels = many(5, 400)
    found = calibration(Answers("it", tuple("abcde"), q, labels), 15)
    total = 0.0
    for b in range(15):
        inside = [(max(row), row.index(max(row)) == y) for row, y in zip(q.tolist(), labels.tolist(), strict=True)
                  if b / 15 < max(row) <= (b + 1) / 15]  # fmt: skip
        if inside:
            sure, hits = zip(*inside, strict=True)
            total += abs(sum(hits) - sum(sure)) / 400
    assert found.error == pytest.approx(total)
    assert found.counts.sum() == 400


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_and_1_to_the_last() -> None:
    found = calibration(binary([0.5, 0.75, 1.0], [True] * 3), 4)
    assert found.counts.tolist() == [0, 1, 1, 1]


def test_a_run_that_is_right_more_often_than_it_is_sure_is_told_so() -> None:
    found = calibration(binary([0.6] * 10, [True] * 9 + [False]))
    assert found.error == pytest.approx(0.3)
    assert "more often right than sure, by 30.0 points" in found.sentence()
    assert found.table().rows[0][0] == "50–60 %" and found.table().rows[0][-1] == "+30.0"


def test_what_chance_gives_a_perfectly_calibrated_run_is_what_draws_give() -> None:
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1, 600)
    errors = [calibration(binary(sure.tolist(), (random.random(600) < sure).tolist())).error for _ in range(200)]
    chance = calibration(binary(sure.tolist(), [True] * 600)).chance
    assert chance == pytest.approx(float(np.mean(errors)), rel=0.08)


def test_the_interval_of_a_share_solves_the_equation_that_defines_it() -> None:
    """(p̂ − p)² = z² p (1 − p) / n at both ends: Wilson's definition."""
    for right, of in ((8, 10), (0, 5), (60, 61), (1, 2)):
        for end in wilson(np.array(right), np.array(of)):
            p = float(end)
            assert (right / of - p) ** 2 == pytest.approx(1.959964**2 * p * (1 - p) / of, abs=1e-12)
    assert all(math.isnan(float(end)) for end in wilson(np.array(0), np.array(0)))


def test_no_bin_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one bin, got 0"):
        calibration(binary([0.6], [True]), 0)
