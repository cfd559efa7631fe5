"""Rare and fewer classes, read back from a made-up study and from counts that are made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pair_study
import pytest

from passo.analysis.fewer import CONFUSED, FIRST, Fewer, Taken, fewer
from passo.analysis.imbalance import Imbalance, imbalance, minus
from passo.analysis.intervals import interval
from passo.analysis.rarity import class_counts, class_shares, exponential, stepped
from passo.analysis.treated import NONE, RESAMPLING, WEIGHTS, Case
from passo.data.sampling import class_counts as counted
from passo.data.sampling import profile, unbalanced
from passo.data.sampling import stepped as stepped_data
from passo.errors import StoreError
from passo.store import Store, StoredStudy, open_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return pair_study.make(tmp_path_factory.mktemp("imbalance") / "study", parts=["imbalance", "classes"])


@pytest.fixture(scope="module")
def found(study: StoredStudy) -> Imbalance:
    return imbalance(study)


# ── How rare ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ratio", [1, 10, 30, 100])
def test_the_shares_are_those_that_the_data_were_taken_by(ratio: int):
    assert exponential(ratio, 10) == pytest.approx(profile(ratio, 10))
    names = list("abcdefghij")
    assert stepped(ratio, names, ["b", 7]).tolist() == pytest.approx(stepped_data(ratio, ["b", 7], names))


@pytest.mark.parametrize(("ratio", "per_class"), [(10, 300), (30, 300), (100, 300), (100, 1000), (10, 7)])
def test_counts_from_the_total_are_those_that_were_drawn(ratio: int, per_class: int):
    labels = np.repeat(np.arange(10), per_class)
    drawn = counted(labels[unbalanced(labels, ratio, 10, seed=0)], 10)
    assert class_counts(exponential(ratio, 10), int(drawn.sum())).tolist() == drawn.tolist()


def test_the_counts_of_one_to_ten_stand_in_the_words(tmp_path: Path):
    study = pair_study.make(tmp_path / "study", parts=["imbalance"], seeds=1)
    kept = {
        name: told for name, told in study.facts["configurations"].items() if "=100" not in name and "=30" not in name
    }
    study.facts["configurations"] = kept
    labels = np.repeat(np.arange(10), 300)
    drawn = counted(labels[unbalanced(labels, 10, 10, seed=0)], 10)
    told = imbalance(study).sentence()
    assert (
        f"At 1:10, classes go from {drawn[0]} training images (top) to {drawn[-1]} (boot), {drawn.sum():,} in all"
        in told
    )
    assert (drawn[0], drawn[-1]) == (300, 30)


def test_a_list_of_numbers_is_as_rare_as_it_says(tmp_path: Path):
    with Store.create(tmp_path / "study", name="one", config={}) as store:
        run = store.add_run("a", config={"dataset": {"imbalance": [50, 5, 10]}}, seed=0)
        run.info(data={"classes": ["x", "y", "z"]})
        nameless = store.add_run("b", config={}, seed=0)
        run.finish()
        nameless.finish()
    there = {run.name: run for run in open_study(tmp_path / "study").runs}
    assert class_shares(there["a"]).tolist() == [1.0, 0.1, 0.2]
    with pytest.raises(StoreError, match="does not name its classes"):
        class_shares(there["b"])


# ── Recall ────────────────────────────────────────────────────────────────────────────────────────────────


def test_recalls_are_those_that_the_answers_were_made_with(study: StoredStudy, found: Imbalance):
    one = found.each[Case("mlp", 100.0)]
    by_hand = []
    for run in study.select("unbalanced,imbalance=100-mlp"):
        labels, given = run.array("test/labels"), run.array("test/probabilities").argmax(1)
        by_hand.append([np.mean(given[labels == c] == c) for c in range(10)])
    assert one.found.recall.tolist() == pytest.approx(np.array(by_hand))
    assert one.balanced == interval(np.mean(by_hand, axis=1))
    assert one.recall_of([7, 8, 9]) == interval(np.array(by_hand)[:, 7:].mean(1))


def test_the_rarest_third_is_that_with_the_fewest_images(found: Imbalance):
    largest = found.largest
    assert largest.case.ratio == 100
    assert largest.rarest == [7, 8, 9]
    assert largest.frequent == [0, 1, 2]
    assert min(largest.images[c] for c in largest.frequent) > max(largest.images[c] for c in largest.rarest)


def test_what_imbalance_costs_is_the_law_that_it_was_made_by(found: Imbalance):
    for m, label in enumerate(found.labels):
        for ratio in (10.0, 30.0, 100.0):
            counts = np.array([max(1, round(300 * ratio ** (-c / 9))) for c in range(10)])
            expected = pair_study.LOSS[m] * np.log10(counts.max() / counts).mean()
            lost = found.lost[Case(label, ratio)]
            assert lost.mean == pytest.approx(expected, abs=0.01)
            assert lost.verdict == "higher"


def test_the_model_that_loses_more_is_told_with_how_much_more(found: Imbalance):
    for ratio, one in found.parted.items():
        expected = found.lost[Case("mlp", ratio)].mean - found.lost[Case("cnn", ratio)].mean
        assert one.mean == pytest.approx(expected)
        assert one.verdict == "higher"
    assert "the mlp loses more at 1:10 (by" in found.sentence()
    assert "the cnn loses more" not in found.sentence()


def test_a_remedy_gives_back_what_it_was_made_to_give_back(found: Imbalance):
    assert found.remedies == (NONE, RESAMPLING, WEIGHTS)
    for case, helped in found.helped.items():
        assert helped.verdict == "higher"
        assert helped.mean == pytest.approx(0.5 * found.lost[case._replace(remedy=NONE)].mean, abs=0.012)
    assert len(found.helped) == 2 * 2 * 3


def test_a_remedy_that_does_nothing_is_not_distinguishable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pair_study, "REMEDY", {"unbalanced": 0.0, "resampled": 0.0, "weighted": 0.4})
    found = imbalance(pair_study.make(tmp_path / "study", parts=["imbalance"]))
    verdicts = {case.remedy: set() for case in found.helped}
    for case, helped in found.helped.items():
        verdicts[case.remedy].add(helped.verdict)
    assert verdicts == {RESAMPLING: {"not distinguishable"}, WEIGHTS: {"higher"}}
    told = found.sentence().partition("Remedies that are distinguishable from none: ")[2]
    assert "class weights at 1:10, 1:30 and 1:100 (there +" in told
    assert "resampling" not in told


def test_equal_models_lose_as_much(tmp_path: Path):
    found = imbalance(pair_study.make(tmp_path / "study", parts=["imbalance"], alike=True))
    assert {one.verdict for one in found.parted.values()} == {"not distinguishable"}
    assert "Which model loses more is not distinguishable at any ratio." in found.sentence()


def test_chosen_rare_classes_are_told_with_what_they_lose(found: Imbalance):
    case = Case("mlp", 30.0, NONE, ("top", "shirt"))
    one, even = found.each[case], found.each[Case("mlp", 1.0)]
    assert one.rarest == [0, 6]
    assert one.recall_of(one.rarest).mean < even.recall_of([0, 6]).mean
    assert "With top and shirt alone rare (1:30), their recall is" in found.sentence()
    assert not found.chosen  # no other two classes were made rare, so whether it matters cannot be told


def test_two_choices_of_rare_classes_are_held_against_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = list(pair_study._unbalanced())
    varied = {"dataset.imbalance": 30, "dataset.rare": [8, 9]}
    made.append(pair_study.Made("rare-others,imbalance=30", "rare-others", ("imbalance",), varied, plus=-0.1))
    monkeypatch.setattr(pair_study, "_unbalanced", lambda: iter(made))
    found = imbalance(pair_study.make(tmp_path / "study", parts=["imbalance"]))
    assert len(found.chosen) == 2
    for (case, other), one in found.chosen.items():
        assert (case.rare, other.rare) == (("top", "shirt"), ("bag", "boot"))
        assert one.mean == pytest.approx(0.1, abs=0.02)
        assert one.verdict == "higher"
    assert "With top and shirt rare and not bag and boot, balanced accuracy differs by +" in found.sentence()


def test_one_seed_has_no_intervals_and_tells_nothing_apart(tmp_path: Path):
    found = imbalance(pair_study.make(tmp_path / "study", parts=["imbalance"], seeds=1))
    told = found.sentence()
    assert "one seed, so no interval" in told
    assert "[" not in told
    assert "Remedies" not in told
    assert {row[-1] for row in found.table().rows} == {"", "—"}


def test_the_table_has_a_row_for_each_training(found: Imbalance):
    rows = found.table().rows
    assert len(rows) == len(found.each) == 2 * 11
    assert rows[0][:3] == ("mlp", "1:1", "none")
    assert rows[0][-2:] == ("", "")


def test_a_study_without_unbalanced_runs_says_so(tmp_path: Path):
    study = pair_study.make(tmp_path / "study", parts=["sizes"], seeds=1)
    with pytest.raises(StoreError, match="no finished run with fewer and fewer images from class to class"):
        imbalance(study)


def test_a_difference_turned_round_keeps_its_interval(found: Imbalance):
    one = next(iter(found.lost.values()))
    back = minus(one)
    assert (back.mean, back.low, back.high) == (-one.mean, -one.high, -one.low)
    assert (back.first, back.second, back.p) == (one.second, one.first, one.p)
    assert back.wide == (-one.wide[1], -one.wide[0])
    assert minus(back) == one


# ── Fewer classes ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def taken(study: StoredStudy) -> Fewer:
    return fewer(study)


def test_accuracies_are_those_that_the_runs_ended_with(study: StoredStudy, taken: Fewer):
    for key, name in {
        Taken("cnn", 3): "classes,classes=3-cnn",
        Taken("mlp", 2, CONFUSED): "confused-classes,classes=2-mlp",
        Taken("mlp", 10): "base-mlp",
    }.items():
        ended = [run.last("test/accuracy") for run in study.select(name)]
        assert taken.accuracy[key].mean == pytest.approx(np.mean(ended))
    assert taken.counts == (2, 3, 5, 10)


def test_the_most_confused_classes_are_named_and_held_against_as_many_first_ones(taken: Fewer):
    assert taken.classes(2, FIRST) == ("top", "trouser")
    assert taken.classes(3, CONFUSED) == ("top", "shirt", "pullover")
    for key, one in taken.kinds.items():
        assert one.mean == pytest.approx(taken.accuracy[key].mean - taken.accuracy[key._replace(kind=FIRST)].mean)
        assert one.verdict == "lower"
    assert len(taken.kinds) == 6


def test_chance_is_one_in_as_many_classes(taken: Fewer):
    assert [row[2] for row in taken.table().rows] == [
        "50.0 %",
        "50.0 %",
        "33.3 %",
        "33.3 %",
        "20.0 %",
        "20.0 %",
        "10.0 %",
    ]
    assert "With all 10 classes, the mlp reaches" in taken.sentence()
    assert "With 2 classes, the most confused ones (top and shirt), the mlp reaches" in taken.sentence()


def test_equal_models_are_not_distinguishable_with_any_number_of_classes(tmp_path: Path):
    taken = fewer(pair_study.make(tmp_path / "study", parts=["classes"], alike=True))
    assert {one.verdict for one in taken.models.values()} == {"not distinguishable"}
    assert "not distinguishable, where chance is 50.0 %" in taken.sentence()


def test_a_study_of_all_classes_alone_says_so(tmp_path: Path):
    with pytest.raises(StoreError, match="no finished runs with different numbers of classes"):
        fewer(pair_study.make(tmp_path / "study", parts=["sizes"], seeds=1))
