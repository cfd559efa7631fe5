"""Differences in words: who is told to be ahead, corrected together; of the parts that are there, and no others."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pair_study import make

from passo.analysis.calibrated import calibrated
from passo.analysis.contrasts import POINTS, RATIO, Contrast, contrasted
from passo.analysis.differences import differences
from passo.analysis.divergences import divergences
from passo.analysis.intervals import t_quantile
from passo.errors import StoreError
from passo.store import Store, StoredStudy, open_study


def contrast(values: list[float], name: str = "accuracy", unit: str = POINTS, step: float = 0.0) -> Contrast:
    return Contrast("sizes", name, "is {by} more accurate than {other}", unit, dict(enumerate(values)), step)


def test_the_model_that_is_ahead_is_the_subject_of_the_sentence() -> None:
    ahead, behind = contrasted([contrast([0.07, 0.08, 0.09]), contrast([-0.07, -0.08, -0.09])], ("a", "b"))
    assert ahead.sentence() == "The b is 8.0 points more accurate than the a [5.5, 10.5]."
    assert behind.sentence() == "The a is 8.0 points more accurate than the b [5.5, 10.5]."


def test_a_ratio_is_told_as_times_and_below_one_as_the_other_model_s() -> None:
    logs = [math.log(4) + e for e in (-0.01, 0.0, 0.01)]
    more, less = contrasted([contrast(logs, unit=RATIO), contrast([-x for x in logs], unit=RATIO)], ("a", "b"))
    assert more.sentence().startswith("The b is about 4 times more accurate than the a [3.9")
    assert less.sentence().startswith("The a is about 4 times more accurate than the b [3.9")
    assert more.amount().startswith("4.00") and less.amount().startswith("0.25")


def test_the_correction_is_holm_s_over_all_that_are_given() -> None:
    """Five of the p-values are derived by hand from t = mean/(s/√n), and put in order naively."""
    random = np.random.default_rng(3)
    columns = [list(shift + 0.02 * random.standard_normal(5)) for shift in (0.0, 0.01, 0.02, 0.04, 0.08)]
    found = contrasted([contrast(column) for column in columns], ("a", "b"))
    ordered = sorted(found, key=lambda one: one.p)
    worst = 0.0
    for rank, one in enumerate(ordered):
        worst = max(worst, min(1.0, (5 - rank) * one.p))
        assert one.adjusted == pytest.approx(worst)
        assert one.told == (worst <= 0.05)
    for one, column in zip(found, columns, strict=True):
        error = np.std(column, ddof=1) / math.sqrt(5)
        assert one.surety == pytest.approx(abs(np.mean(column)) / error)
        half = t_quantile(1 - 0.05 / 5 / 2, 4) * error
        assert one.wide == pytest.approx((np.mean(column) - half, np.mean(column) + half))


def test_what_is_significant_alone_is_not_told_among_many() -> None:
    edge = contrast([0.01, 0.02, 0.03, 0.02, 0.01])
    (alone,) = contrasted([edge], ("a", "b"))
    assert alone.told
    noise = [contrast(list(0.01 * np.random.default_rng(i).standard_normal(5)), f"noise {i}") for i in range(30)]
    assert not contrasted([edge, *noise], ("a", "b"))[0].told


def test_what_would_be_told_alone_is_counted_apart(tmp_path: Path) -> None:
    found = differences(make(tmp_path / "quick", quick=True, parts=("sizes", "small", "classes")))
    naive = [one for one in found.each if not one.told and (one.low > 0 or one.high < 0)]
    assert naive and list(found.alone) == naive
    assert f"{len(naive)} more would, looked at alone" in found.sentence()
    assert [row[-1] for row in found.table().rows].count("only by itself") == len(naive)


def test_a_seed_without_a_number_is_never_told_and_counts() -> None:
    lost, sure = contrasted([contrast([0.1, math.nan, 0.1]), contrast([0.10, 0.11, 0.12])], ("a", "b"))
    assert not lost.told and not lost.known
    assert sure.adjusted == pytest.approx(2 * sure.p)


@pytest.mark.parametrize("alike", [True, False])
def test_studies_of_models_that_are_alike_tell_nothing_and_of_others_much(tmp_path: Path, alike: bool) -> None:
    found = differences(make(tmp_path / "study", alike=alike, parts=("small", "sizes", "classes")))
    if alike:
        assert found.told == () and found.sentences() == ()
        assert "none tells the mlp and the cnn apart" in found.sentence()
        told = "numbers at once, the mlp and the cnn are not distinguishable in images for the same"
        assert told in found.undecided()
    else:
        assert len(found.told) > 12 and found.undecided() == ""
        (fewer,) = (told for told in found.sentences() if "fewer images" in told)
        assert fewer.startswith("The cnn needs about 4.1 times fewer images than the mlp for the same accuracy [3.")
        assert fewer.endswith("] (from 63.1 % to 85.2 %).")


def test_studies_of_equal_models_seldom_tell_any_difference() -> None:
    """The chance that any of 12 numbers is told wrongly is at most 5 %; 3 standard errors of 200 trials are allowed."""
    random = np.random.default_rng(5)
    wrong = 0
    for _ in range(200):
        columns = random.standard_normal((12, 5))
        wrong += any(one.told for one in contrasted([contrast(list(column)) for column in columns], ("a", "b")))
    assert wrong / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_the_surest_comes_first_and_each_number_is_in_the_table_once(tmp_path: Path) -> None:
    found = differences(make(tmp_path / "study", parts=("sizes", "small")))
    sure = [one.surety for one in found.told]
    assert sure == sorted(sure, reverse=True)
    names = [row[0] for row in found.table().rows]
    assert len(names) == len(set(names)) == len(found.each)


def test_a_part_that_the_study_lacks_is_said_nothing_of(tmp_path: Path) -> None:
    found = differences(make(tmp_path / "study", parts=("sizes",)))
    assert {one.contrast.part for one in found.each} == {"sizes", "calibration", "cross-entropy"}
    assert {"small", "validated", "robustness", "imbalance", "classes"} <= set(found.lacking)
    assert not any(word in " ".join(found.sentences()) for word in ("over-fit", "training loss", "uneven"))


def test_the_correction_grows_with_the_parts(tmp_path: Path) -> None:
    """Early over-fitting of the second is told in a study of little data alone, with a smaller corrected p."""
    few = differences(make(tmp_path / "few", parts=("small",)))
    many = differences(make(tmp_path / "many", parts=("small", "sizes")))
    both = [next(one for one in each.each if one.name == "onset of over-fitting") for each in (few, many)]
    assert both[0].p == pytest.approx(both[1].p) and both[0].adjusted <= both[1].adjusted


def test_labels_are_those_of_the_study(tmp_path: Path) -> None:
    found = differences(make(tmp_path / "study", parts=("sizes",), labels=("flat", "folded")))
    told = " ".join([found.sentence(), *found.sentences(), str(found.table()), found.cost])
    assert "The folded needs about" in told and "mlp" not in told and "cnn" not in told


def test_one_seed_tells_nothing_apart(tmp_path: Path) -> None:
    found = differences(make(tmp_path / "one", seeds=1, parts=("sizes", "small")))
    assert found.told == () and found.undecided() == ""
    assert found.sentence().startswith("One seed tells nothing apart")


def test_calibration_errors_are_means_over_seeds_of_the_bins(tmp_path: Path) -> None:
    study = make(tmp_path / "study", parts=("sizes",))
    found = calibrated(study)
    for one in found.each:
        errors = []
        for run in study.select(f"base-{one.label}"):
            q, labels = run.array("test/probabilities"), run.array("test/labels")
            sure, right = q.max(1).astype(np.float64), q.argmax(1) == labels
            bins = np.ceil(sure * 10 - 1e-9).clip(1, 10)
            errors.append(sum(abs(sure[bins == b].sum() - right[bins == b].sum()) for b in set(bins)) / len(labels))
        assert one.error.mean == pytest.approx(np.mean(errors), abs=1e-6)
    assert found.sentence().count("expected calibration error") >= 2
    nearer = min(found.each, key=lambda one: one.error.mean)
    assert [one.ahead for one in found.contrasted] == [nearer.label]


def test_what_is_lost_to_rare_classes_and_won_with_fewer_is_the_second_s_advantage(tmp_path: Path) -> None:
    study = make(tmp_path / "study", parts=("imbalance", "classes"))
    found = {one.name: one for one in differences(study).each}

    def recalls(name: str) -> np.ndarray:
        """The mean recall of each seed, image by image."""
        each = []
        for run in study.select(name):
            q, labels = run.array("test/probabilities"), run.array("test/labels")
            each.append(np.mean([(q.argmax(1) == c)[labels == c].mean() for c in range(q.shape[1])]))
        return np.array(each)

    lost = [recalls(f"base-{m}") - recalls(f"unbalanced,imbalance=30-{m}") for m in ("mlp", "cnn")]
    assert found["balanced accuracy lost at 1:30"].mean == pytest.approx((lost[0] - lost[1]).mean())
    won = recalls("classes,classes=3-cnn") - recalls("classes,classes=3-mlp")  # as many images of each class
    assert found["accuracy with 3 classes"].mean == pytest.approx(won.mean())
    assert found["accuracy with 3 classes"].ahead == "cnn"


def test_all_of_a_cross_entropy_with_labels_is_divergence_and_is_the_test_loss(tmp_path: Path) -> None:
    study = make(tmp_path / "study", parts=("sizes",))
    found = divergences(study)
    for one in found.each:
        losses = [run.last("test/loss") for run in study.select(f"base-{one.label}")]
        assert one.entropy(0) == 0 and one.divergence(0).mean == pytest.approx(np.mean(losses), rel=1e-4)
        smooth = 0.1 / 10
        naive = -(0.9 + smooth) * math.log(0.9 + smooth) - 9 * smooth * math.log(smooth)
        assert one.entropy(1) == pytest.approx(naive)
    assert "The cnn has a test cross-entropy" in found.sentence() and "nats lower than the mlp" in found.sentence()


# ── Robustness, which the made-up study has not: two models whose accuracy is known at each strength ──────────

IMAGES, STRENGTHS = 200, [0.0, 1.0, 2.0, 4.0, 8.0]
RIGHT = {"a": [0.9, 0.8, 0.5, 0.3, 0.1], "b": [0.9, 0.9, 0.8, 0.5, 0.2]}


def perturbed(folder: Path, right: dict[str, list[float]], seeds: int = 5) -> StoredStudy:
    """A study whose models are right on so many of the images at each strength of a shift, but for a seed's chance."""
    cost = {"name": "net", "options": {}, "parameters": 10, "macs": 100, "memory": 400, "layers": []}
    labels = np.arange(IMAGES) % 10
    with Store.create(folder, name="perturbed", config={}) as store:
        store.facts(pair={"labels": [*right], "within": 0.02, "difference": 0.0, "matched": [cost, cost]})
        for place, (label, shares) in enumerate(right.items()):
            run = store.add_run(f"robustness-base-{label}", config={"model": label}, kind="robustness")
            run.info(classes=[str(c) for c in range(10)], seeds=[*range(seeds)], of=f"base-{label}", augment={})
            counts = np.array([[IMAGES * share + (s * (place + 2)) % 4 for share in shares] for s in range(seeds)])
            wrong = np.arange(IMAGES) >= counts[:, :, None]  # (S, K, N)
            arrays = {"strengths": np.array(STRENGTHS), "predicted": ((labels + wrong) % 10).astype(np.uint8)}
            arrays |= {"flip": np.zeros((seeds, IMAGES), np.int16), "flipped": np.zeros(IMAGES, np.int16)}
            arrays |= {"pictured": np.zeros((1, 4), np.int64), "pictures": np.zeros((1, 2, 4, 4), np.uint8)}
            for name, values in arrays.items():
                run.array(f"{name}/shift", values)
            run.array("labels", labels)
            run.array("positions", np.arange(IMAGES))
            run.finish()
    return open_study(folder)


def test_a_shift_that_one_model_bears_better_is_told_by_what_is_kept_and_by_how_much_more(tmp_path: Path) -> None:
    found = differences(perturbed(tmp_path / "study", RIGHT))
    told = " ".join(found.sentences())
    # a crosses 60 % at 1 + (0.8 − 0.6)/0.3 = 1.67, b at 2 + 2·(0.8 − 0.6)/0.3 = 3.33: twice the shift
    (borne,) = (one for one in found.each if one.contrast.unit == RATIO)
    assert math.exp(borne.mean) == pytest.approx(2, rel=0.05)
    assert "The b bears about 2 times more shift than the a before its accuracy falls below 60 % [" in told
    assert "(the a at a shift of 1.6" in told and " pixels, the b at 3.3" in told
    assert "The b keeps" in told and "more of its accuracy than the a along shift" in told


def test_the_sentence_turns_with_the_data(tmp_path: Path) -> None:
    found = differences(perturbed(tmp_path / "turned", {"a": RIGHT["b"], "b": RIGHT["a"]}))
    assert "The a bears about 2" in " ".join(found.sentences())
    level = differences(perturbed(tmp_path / "level", {"a": RIGHT["a"], "b": RIGHT["a"]}, seeds=2))
    assert level.told == () and "shift" in level.undecided()


def test_a_model_that_never_falls_has_no_ratio_of_strengths(tmp_path: Path) -> None:
    found = differences(perturbed(tmp_path / "held", {"a": RIGHT["a"], "b": [0.9, 0.9, 0.88, 0.86, 0.85]}))
    assert not [one for one in found.each if one.contrast.unit == RATIO]
    assert "accuracy kept along shift" in {one.name for one in found.told}


def test_a_study_with_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    with Store.create(tmp_path / "plain", name="plain", config={}):
        pass
    with pytest.raises(StoreError, match="compares no two models"):
        differences(open_study(tmp_path / "plain"))
    with pytest.raises(StoreError, match="nothing in which its two models could be compared"):
        differences(make(tmp_path / "explored", parts=("exploration",), seeds=1))
