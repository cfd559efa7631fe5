"""Pictures of rare and fewer classes and of the exploration: what is drawn is what was computed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pair_study  # type: ignore[import-not-found]
import pytest
import vl_convert

from passo.analysis.exploration import exploration
from passo.analysis.fewer import fewer
from passo.analysis.imbalance import imbalance
from passo.analysis.paired import ALONE
from passo.analysis.treated import Case
from passo.errors import StoreError
from passo.figures import PAIR_FIGURES, Figure, draw
from passo.figures.choices import CHOICES, slug
from passo.store import StoredStudy

OURS = ("imbalance", "imbalance-classes", "classes", "exploration", *map(slug, CHOICES))


def drawn(figure: Figure) -> list[dict[str, str]]:
    """All rows that the picture holds."""
    spec = figure.spec()
    assert spec["description"] == figure.sentence
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def with_(rows: list[dict[str, str]], *columns: str) -> list[dict[str, str]]:
    return [row for row in rows if set(columns) <= set(row)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    parts = ["imbalance", "classes", "exploration"]
    return pair_study.make(tmp_path_factory.mktemp("figures") / "study", parts=parts, seeds=3, labels=("wide", "deep"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """One seed: nothing has an interval."""
    parts = ["imbalance", "classes", "exploration"]
    return pair_study.make(tmp_path_factory.mktemp("figures") / "alone", parts=parts, seeds=1)


def test_every_choice_of_the_exploration_has_a_figure():
    assert set(OURS) <= set(PAIR_FIGURES)
    assert set(pair_study.EFFECT) == set(CHOICES)


@pytest.mark.parametrize("name", OURS)
def test_a_figure_bears_its_name_its_models_and_no_others(name: str, study: StoredStudy):
    figure = draw(name, study)
    rows = drawn(figure)
    assert vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")["marks"]
    assert figure.name == name
    assert {row["model"] for row in with_(rows, "model")} <= {"wide", "deep"}
    words = f"{figure.caption} {figure.sentence}"
    assert "mlp" not in words
    assert "cnn" not in words
    assert not re.search(r"\bnan\b", words, re.IGNORECASE)
    assert "nan" not in words.replace("finance", "")


@pytest.mark.parametrize("name", OURS)
def test_one_seed_is_drawn_without_intervals(name: str, alone: StoredStudy):
    figure = draw(name, alone)
    rows = drawn(figure)
    assert {row["low"] for row in with_(rows, "low")} <= {""}
    assert with_(rows, "mean")
    assert "one seed" in figure.caption


def test_lines_of_imbalance_go_through_what_was_measured(study: StoredStudy):
    found = imbalance(study)
    rows = with_(drawn(draw("imbalance", study)), "ratio", "remedy", "model")
    for m, label in enumerate(("wide", "deep")):
        mine = [row for row in rows if row["model"] == label]
        assert len(mine) == 2 * 3 * 4  # the rarest and all, three remedies, four ratios
        expected = found.each[Case(label, 100.0)].recall_of([7, 8, 9]).mean
        there = [float(row["mean"]) for row in mine if row["ratio"] == "100" and row["remedy"] == "none"]
        assert min(there) == pytest.approx(expected, rel=1e-4), m


def test_every_class_has_a_point_for_each_remedy_the_most_frequent_first(study: StoredStudy):
    figure = draw("imbalance-classes", study)
    rows = with_(drawn(figure), "class", "remedy", "mean")
    assert len(rows) == 2 * 3 * 10
    names = list(dict.fromkeys(row["class"] for row in rows))
    assert names[0].startswith("top · 300")
    assert names[-1].startswith("boot · 3")


def test_of_very_many_classes_those_at_both_ends_have_rows(study: StoredStudy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("passo.figures.imbalance.MOST", 4)
    figure = draw("imbalance-classes", study)
    rows = with_(drawn(figure), "class", "remedy", "mean")
    names = list(dict.fromkeys(row["class"].partition(" ·")[0] for row in rows))
    assert names == ["top", "trouser", "bag", "boot"]
    assert "Of 10 classes, the 2 most frequent and the 2 rarest." in figure.caption


def test_fewer_classes_stand_over_chance(study: StoredStudy):
    found = fewer(study)
    rows = drawn(draw("classes", study))
    points = with_(rows, "label", "kind")
    assert len(points) == 2 * (3 + 3 + 2)  # both kinds with 2, 3 and 5; all of them end both lines
    chance = [float(row["mean"]) for row in rows if set(row) == {"x", "mean"}]
    assert chance == pytest.approx([1 / 2, 1 / 3, 1 / 5, 1 / 10], rel=1e-4)
    assert len(found.each) == 14


def test_the_forest_has_a_point_for_each_effect_and_cuts_no_mean(study: StoredStudy):
    found = exploration(study)
    rows = with_(drawn(draw("exploration", study)), "setting", "difference", "apart")
    assert len(rows) == len(found.effects)
    means = sorted(float(row["mean"]) for row in rows)
    assert means == pytest.approx(sorted(100 * e.difference.mean for e in found.effects), rel=1e-4, abs=1e-6)
    assert sum(row["apart"] == "yes" for row in rows) == len(found.apart)
    assert sum(row["apart"] == ALONE for row in rows) == sum(e.difference.alone for e in found.effects)


def test_the_reference_stands_beside_the_settings_of_a_choice(study: StoredStudy):
    found = exploration(study)
    rows = with_(drawn(draw("choice-activation", study)), "setting", "state")
    assert {row["setting"] for row in rows} == {"reference", "a", "b"}
    for label, (_, accuracy) in found.reference.items():
        there = next(row for row in rows if row["setting"] == "reference" and row["model"] == label)
        assert float(there["mean"]) == pytest.approx(accuracy.mean, rel=1e-4)


def test_a_choice_that_one_model_has_shows_that_model_alone(study: StoredStudy):
    rows = with_(drawn(draw("choice-kernel-size", study)), "model", "mean")
    assert {row["model"] for row in rows} == {"deep"}


def test_numbers_stand_in_their_order_with_the_reference_among_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def settings() -> list[pair_study.Made]:
        explored = pair_study.Made("explored", "explored", ("exploration",))
        sizes = [
            pair_study.Made(f"b,{n}", "choice-batch-size", ("exploration",), {"batch_size": n}, choice="batch size")
            for n in (256, 16)
        ]
        return [explored, *sizes]

    monkeypatch.setattr(pair_study, "_configurations", settings)
    study = pair_study.make(tmp_path / "study", parts=["exploration"], seeds=2)
    rows = with_(drawn(draw("choice-batch-size", study)), "setting", "y")
    places = {row["setting"]: round(float(row["y"])) for row in rows}
    assert places == {"batch size 16": 0, "batch size 64 (reference)": 1, "batch size 256": 2}


def test_losses_are_drawn_where_they_are_one_quantity(study: StoredStudy):
    assert with_(drawn(draw("choice-learning-rate", study)), "x", "y", "label")
    assert not with_(drawn(draw("choice-regularisation", study)), "x", "y", "label")


def test_a_choice_that_the_study_left_out_is_said_with_those_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pair_study, "EFFECT", {"layers": 0.03})
    study = pair_study.make(tmp_path / "study", parts=["exploration"], seeds=1)
    with pytest.raises(StoreError, match="no setting of 'optimiser' was explored; there are: layers"):
        draw("choice-optimiser", study)
