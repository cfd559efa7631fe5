"""Limits, what is kept, where two models part and which images flip, against loops over a study that is made up."""

from __future__ import annotations

import dataclasses
import math
import statistics
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from robust_study import CLASSES, IMAGES, LABELS, STRENGTHS, make, wrong

from passo.analysis.flips import flips, of
from passo.analysis.limits import crossing, limit, usual_level
from passo.analysis.parting import parting
from passo.analysis.perturbed import Along, along, alongs, amount, labels_of, told
from passo.analysis.robustness import kept, robustness
from passo.errors import StoreError, UnknownName
from passo.store import StoredStudy

T_975 = {1: 12.706205, 4: 2.776445}  # Student's t, printed tables


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return make(tmp_path_factory.mktemp("robust") / "study")


def accuracy(way: str, model: int, seed: int, k: int, trained: str = "") -> float:
    return 1 - wrong(way, model, seed, k, trained) / IMAGES


def t_interval(values: list[float]) -> tuple[float, float, float]:
    mean, half = statistics.mean(values), T_975[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def made(first: np.ndarray, second: np.ndarray, strengths: np.ndarray) -> tuple[Along, Along]:
    """Two models of one class-0 data set, from how many of 1,000 images each has wrong: (S, K) each."""
    found = []
    for label, counts in zip(LABELS, (first, second), strict=True):
        bad = np.arange(1000) < counts[:, :, None]
        nothing = np.zeros((0, 4), np.int64)
        flip = np.zeros((len(counts), 1000), np.int16)
        found.append(
            Along(
                label, label, "", "shift", "pixels", strengths, np.zeros(1000, np.int64), np.arange(1000),
                bad.astype(np.uint8), flip, flip[0], nothing, nothing, ("a", "b"), tuple(range(len(counts))),
            )
        )  # fmt: skip
    return found[0], found[1]


# ── reading ──


def test_what_was_measured_is_read_back_in_order(study: StoredStudy) -> None:
    found = [(one.perturbation, one.trained, one.model) for one in alongs(study)]
    both = [(way, "", label) for way in ("scale", "shift") for label in LABELS]
    assert found == [*both, *(("shift", "shift", label) for label in LABELS)]
    for one in alongs(study):
        for seed in range(5):
            for k in range(5):
                m = LABELS.index(one.model)
                assert one.accuracy[seed, k] == pytest.approx(accuracy(one.perturbation, m, seed, k, one.trained))


def test_recall_of_each_class_is_what_a_loop_counts(study: StoredStudy) -> None:
    one = along(study, "shift")[0]
    for c in range(CLASSES):
        own = [i for i in range(IMAGES) if i % CLASSES == c]
        for seed, k in ((0, 0), (3, 2), (4, 4)):
            right = sum(i >= wrong("shift", 0, seed, k) for i in own)
            assert one.by_class[seed, c, k] == pytest.approx(right / len(own))
    assert one.chance == 1 / CLASSES


def test_strengths_go_outwards_from_nothing_on_each_side(study: StoredStudy) -> None:
    smaller, larger = along(study, "scale")[0].sides
    assert [STRENGTHS["scale"][k] for k in smaller.places] == [0.0, -0.2, -0.4]
    assert [STRENGTHS["scale"][k] for k in larger.places] == [0.0, 0.2, 0.4]
    (only,) = along(study, "shift")[0].sides
    assert only.places.tolist() == [0, 1, 2, 3, 4]


def test_a_study_without_perturbed_images_says_so(study: StoredStudy) -> None:
    bare = dataclasses.replace(study, runs=())
    with pytest.raises(StoreError, match="no run that measured perturbed images"):
        robustness(bare)
    with pytest.raises(UnknownName, match="Did you mean 'shift'"):
        flips(study, "shfit")


def test_models_are_those_of_the_pair_in_its_order(tmp_path: Path) -> None:
    assert labels_of(make(tmp_path / "study", labels=("z", "a"), seeds=1, trained=False)) == ("z", "a")


# ── limits ──


def test_a_limit_is_where_a_straight_line_crosses_the_level(study: StoredStudy) -> None:
    flat, deep = robustness(study).of("shift").limits[0][:2]
    each = []
    for seed in range(5):
        low, high = accuracy("shift", 0, seed, 2), accuracy("shift", 0, seed, 3)
        assert low >= 0.6 > high
        each.append(2 + (low - 0.6) / (low - high))
    assert (flat.mean, flat.low, flat.high) == pytest.approx(t_interval(each))
    assert deep.held == 0 or not deep.found
    assert math.isnan(deep.mean) == (deep.held > 0)
    reached = [min(accuracy("shift", 1, seed, k) for k in range(5)) < 0.6 for seed in range(5)]
    assert deep.held == reached.count(False) > 0


def test_a_limit_is_the_first_fall_and_nothing_where_there_is_none() -> None:
    x = np.array([0.0, 1.0, 3.0, 5.0])
    assert crossing(x, np.array([0.9, 0.5, 0.9, 0.1]), 0.6) == pytest.approx(0.75)
    assert crossing(x, np.array([0.9, 0.8, 0.7, 0.6]), 0.6) == math.inf
    assert crossing(x, np.array([0.5, 0.8, 0.7, 0.6]), 0.6) == 0.0
    assert crossing(-x, np.array([0.9, 0.9, 0.5, 0.1]), 0.7) == pytest.approx(-2.0)


def test_an_interval_of_a_limit_does_not_reach_beyond_nothing() -> None:
    counts = np.array([[100, 450, 700], [100, 200, 500]])  # falls below 60 % at 0.86 and at 1.67
    one, _ = made(counts, counts, np.array([0.0, 1.0, 2.0]))
    found = limit(one, 0.6)
    raw = t_interval([6 / 7, 5 / 3])
    assert raw[1] < 0 == found.low and (found.mean, found.high) == pytest.approx((raw[0], raw[2]))
    below = limit(dataclasses.replace(one, strengths=-one.strengths), 0.6)
    assert (below.mean, below.low, below.high) == pytest.approx((-raw[0], -raw[2], 0.0))


def test_the_sentence_names_who_falls_first_and_who_stays_above(tmp_path: Path) -> None:
    table = {"shift": ((20, 30, 60, 100, 160), (20, 30, 40, 50, 60))}
    found = robustness(make(tmp_path / "study", table=table)).of("shift")
    limit = amount("shift", found.limits[0][0])
    assert found.limit_sentence() == (
        f"Beyond a shift of {limit} pixels the flat falls below 60 %; the deep stays above it up to the strongest, "
        "a shift of 4 pixels."
    )
    assert found.exposed_sentence().startswith("Trained on such images: up to a shift of 4 pixels, the flat and the")
    turned = {"shift": tuple(reversed(table["shift"]))}
    other = robustness(make(tmp_path / "turned", table=turned)).of("shift").limit_sentence()
    assert (
        other.startswith("Beyond a shift of") and "pixels the deep falls below 60 %; the flat stays above it" in other
    )


def test_the_level_is_sixty_percent_where_that_says_something() -> None:
    assert usual_level(0.1, [0.85, 0.9]) == 0.6
    assert usual_level(0.5, [0.94, 0.97]) == 0.7  # two classes
    assert usual_level(0.01, [0.35, 0.45]) == 0.2  # a hundred
    assert usual_level(0.1, [0.16, 0.9]) == 0.13  # one of them hardly learned


def test_a_level_that_is_no_share_is_refused(study: StoredStudy) -> None:
    with pytest.raises(ValueError, match="between 0 and 1, got 60"):
        robustness(study, level=60)
    assert robustness(study, level=0.5).of("shift").limits[0][0].mean > robustness(study).of("shift").limits[0][0].mean


# ── what is kept ──


def test_what_is_kept_is_the_area_relative_to_unchanged_images(study: StoredStudy) -> None:
    for way, model in (("shift", 0), ("shift", 1), ("scale", 0)):
        one = along(study, way)[model]
        order = sorted(range(5), key=lambda k: STRENGTHS[way][k])
        for seed in range(5):
            area = 0.0
            for a, b in pairwise(order):
                width = STRENGTHS[way][b] - STRENGTHS[way][a]
                area += width * (accuracy(way, model, seed, a) + accuracy(way, model, seed, b)) / 2
            whole = (STRENGTHS[way][order[-1]] - STRENGTHS[way][order[0]]) * accuracy(way, model, seed, 0)
            assert kept(one)[seed] == pytest.approx(area / whole)


def test_differences_in_what_is_kept_are_paired_and_corrected(study: StoredStudy) -> None:
    found = robustness(study)
    gaps = {one.perturbation: one.gap for one in found.borne}
    for way, gap in gaps.items():
        first, second = along(study, way)[:2]
        assert gap is not None
        assert (gap.mean, gap.low, gap.high) == pytest.approx(t_interval((kept(second) - kept(first)).tolist()))
    p = sorted(gap.p for gap in gaps.values() if gap is not None)
    assert sorted(gap.adjusted for gap in gaps.values() if gap is not None) == pytest.approx(
        [2 * p[0], max(2 * p[0], p[1])]
    )
    mean = [np.mean([kept(along(study, way)[1])[s] - kept(along(study, way)[0])[s] for way in gaps]) for s in range(5)]
    assert found.gap is not None and found.gap.mean == pytest.approx(np.mean(mean))
    assert "The deep keeps more of it along scale and shift" in found.sentence()
    assert len(found.table().rows) == 6


# ── parting ──


def test_two_models_part_at_the_strength_from_which_they_differ(study: StoredStudy) -> None:
    (found,) = parting(*along(study, "shift")[:2])
    assert found.strength == 3.0 and found.until == 3 and found.better == "deep"
    lost = [[(accuracy("shift", m, s, 3) - accuracy("shift", m, s, 0)) for s in range(5)] for m in (0, 1)]
    each = [b - a for a, b in zip(*lost, strict=True)]
    gap = found.differences[2]
    assert (gap.mean, gap.low, gap.high) == pytest.approx(t_interval(each))
    assert "Along shift the two part at a shift of 3 pixels, where the flat has lost" in found.sentence()
    assert "and they stay apart to the last strength (5 seeds, corrected for 4 strengths)." in found.sentence()
    assert [row[-1] for row in found.table().rows] == ["no", "no", "yes", "yes"]


def test_each_side_of_nothing_is_looked_at_and_corrected_together(study: StoredStudy) -> None:
    smaller, larger = parting(*along(study, "scale")[:2])
    assert smaller.strength == -0.4 and larger.at is None
    assert smaller.count == larger.count == 4
    assert "Along scale (smaller) the two part at a shrinking to 60 %" in smaller.sentence()
    assert "Along scale (larger) it cannot be told" in larger.sentence()


def test_a_difference_that_was_there_unchanged_is_no_parting() -> None:
    counts = np.array([[100, 200, 300], [103, 204, 302], [98, 199, 303], [101, 203, 299]])
    (found,) = parting(*made(counts, counts - 90, np.array([0.0, 1.0, 2.0])))
    assert found.at is None and [gap.mean for gap in found.differences] == [0.0, 0.0]


def test_models_that_meet_again_are_apart_up_to_there() -> None:
    random = np.random.default_rng(0)
    noise = random.integers(-5, 6, (2, 6, 6))
    first = np.array([100, 150, 300, 500, 700, 900]) + noise[0]
    second = np.array([100, 150, 200, 300, 700, 900]) + noise[1]
    (found,) = parting(*made(first, second, np.arange(6.0)))
    assert (found.strength, found.until) == (2.0, 2)
    assert ", and they stay apart up to a shift of 3 pixels (6 seeds" in found.sentence()
    (turned,) = parting(*made(second, first, np.arange(6.0)))
    assert turned.better == "flat" and "where the deep has lost" in turned.sentence()


def test_equal_models_are_said_to_part_in_at_most_one_study_of_twenty() -> None:
    """Without the correction for 8 strengths it would be about one in four (seeds' noise is independent here)."""
    random = np.random.default_rng(5)
    parted, loose = 0, 0
    for _ in range(300):
        counts = np.round(300 + 40 * random.standard_normal((2, 5, 9))).astype(int)
        (found,) = parting(*made(counts[0], counts[1], np.arange(9.0)))
        parted += found.at is not None
        loose += any(not gap.low <= 0 <= gap.high for gap in found.differences)
    assert parted <= 27  # 15 expected at most; 27 is three standard deviations more
    assert loose > 40


def test_one_seed_tells_nothing_apart_and_two_are_enough_to_ask(tmp_path: Path) -> None:
    one = robustness(make(tmp_path / "one", seeds=1))
    (alone,) = one.of("shift").partings
    assert alone.at is None and "one seed does not tell the flat and the deep apart" in alone.sentence()
    assert "One seed tells nothing apart." in one.sentence() and "one seed, so no interval" in one.sentence()
    assert not one.of("shift").limits[0][0].known and one.of("shift").limits[0][0].found
    two = robustness(make(tmp_path / "two", seeds=2))
    assert two.overall[0].known and two.of("shift").partings[0].n == 2


def test_seeds_that_only_one_model_has_are_left_out() -> None:
    random = np.random.default_rng(1)
    first, second = made(*random.integers(100, 900, (2, 4, 3)), np.arange(3.0))
    fewer = dataclasses.replace(second, seeds=(9, 1, 3, 8))
    (found,) = parting(first, fewer)
    lost = [one.accuracy - one.accuracy[:, :1] for one in (first, fewer)]
    each = [lost[1][1, 2] - lost[0][1, 2], lost[1][2, 2] - lost[0][3, 2]]
    assert found.n == 2 and found.differences[1].mean == pytest.approx(np.mean(each))
    with pytest.raises(ValueError, match="share no seed"):
        parting(first, dataclasses.replace(second, seeds=(5, 6, 7, 8)))


# ── flips ──


def test_flips_are_counted_as_a_loop_counts_them(study: StoredStudy) -> None:
    for way in ("shift", "scale"):
        found = flips(study, way)
        sizes = sorted({abs(s) for s in STRENGTHS[way]} - {0.0})
        for m, one in enumerate(found.models):
            assert one.sizes.tolist() == sizes
            for seed in range(5):
                bad = [[i < wrong(way, m, seed, k) for k in range(5)] for i in range(IMAGES)]
                right = [i for i in range(IMAGES) if not bad[i][0]]
                for at, size in enumerate(sizes):
                    upto = [k for k in range(1, 5) if abs(STRENGTHS[way][k]) <= size]
                    share = sum(any(bad[i][k] for k in upto) for i in right) / len(right)
                    assert one.share[seed, at] == pytest.approx(share)


def test_images_that_flip_for_one_model_alone_are_named(study: StoredStudy) -> None:
    found = flips(study, "shift")
    most = [[sorted(wrong("shift", m, s, k) for s in range(5))[2] for k in range(5)] for m in (0, 1)]
    lost = [set(range(most[m][0], max(most[m]))) for m in (0, 1)]
    assert found.both == len(lost[0] & lost[1]) and found.only == (len(lost[0] - lost[1]), 0)
    assert found.neither == IMAGES - max(most[0])
    assert set(found.first[0]) == {7 * i for i in lost[0] - lost[1]} and found.first[1].size == 0
    assert found.first[0][0] == min(found.first[0])  # lost at shift 3, the others at 4
    assert f"{found.only[0]} for the flat alone and 0 for the deep alone" in found.sentence()
    assert "flipped by a shift of 4 pixels for the flat; no strength flips as many for the deep." in found.sentence()


def test_shares_by_class_are_of_the_images_that_were_right(study: StoredStudy) -> None:
    one = flips(study, "shift").models[0]
    flipped = one.along.flipped
    for c in range(CLASSES):
        own = [i for i in range(IMAGES) if i % CLASSES == c and flipped[i] != -2]
        for k in range(4):
            assert one.by_class[c, k] == pytest.approx(sum(0 < flipped[i] <= k + 1 for i in own) / len(own))


def test_the_strength_that_flips_half_of_a_class_is_told_class_by_class(tmp_path: Path) -> None:
    found = flips(make(tmp_path / "study", table={"shift": ((20, 30, 60, 130, 160), (20, 30, 60, 70, 80))}), "shift")
    rows = {row[0]: row[1:] for row in found.by_class().rows}
    assert set(rows) == {f"class {c}" for c in range(CLASSES)}
    assert set(rows.values()) == {("a shift of 3 pixels", "—")}  # 110 of 180 at 3; 60 of 180 at most
    uneven = dataclasses.replace(along(make(tmp_path / "one", seeds=1), "shift")[0], flipped=np.arange(IMAGES) % 4 + 1)
    told_by = list(of("shift", [uneven]).by_class().rows)
    assert told_by == [(f"class {c}", told("shift", float(c + 1))) for c in range(CLASSES)]


def test_one_model_alone_has_flips_and_no_comparison(study: StoredStudy) -> None:
    found = of("shift", along(study, "shift")[:1])
    assert (
        found.sentence()
        == "Half of the images that are named rightly unchanged are flipped by a shift of 4 pixels for the flat."
    )
    assert len(found.table().rows) == 4


# ── words ──


def test_strengths_are_told_in_their_units() -> None:
    assert told("shift", 1.0) == "a shift of 1 pixel"
    assert told("rotation", 15.0) == "a turn of 15°"
    assert told("scale", 0.5) == "an enlargement to 150 %"
    assert told("scale", -0.5, either=True) == "a change of size by 50 %"
    assert told("somebody's-own", 0.5) == "somebody's-own of 0.5"
