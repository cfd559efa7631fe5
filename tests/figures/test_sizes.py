"""The figures of sizes, of little data and of all differences: what is drawn is what was computed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert
from pair_study import make

from passo.analysis.contrasts import POINTS, RATIO
from passo.analysis.differences import differences
from passo.analysis.sizes import sizes
from passo.errors import StoreError
from passo.figures import PAIR_FIGURES, draw
from passo.figures.style import BLUE, RED
from passo.store import StoredStudy

NAMES = ("sizes", "small-losses", "small-validation", "calibration-pair", "cross-entropy-pair", "differences")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return make(tmp_path_factory.mktemp("pair") / "study", parts=("small", "sizes"), labels=("flat", "folded"))


def rows(spec: dict[str, Any], *columns: str) -> list[dict[str, str]]:
    """The rows of all data sets that have these columns."""
    tables = [list(csv.DictReader(io.StringIO(text))) for text in spec["datasets"].values()]
    return [row for table in tables for row in table if set(columns) <= set(row)]


def texts(spec: dict[str, Any]) -> set[str]:
    return {row["word"] for row in rows(spec, "word")}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_valid_and_says_its_sentence(name: str, study: StoredStudy) -> None:
    assert name in PAIR_FIGURES
    figure = draw(name, study)
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    assert figure.name == name and spec["description"] == figure.sentence
    assert "nan" not in figure.sentence.lower() and figure.sentence.endswith(".")
    assert BLUE in json.dumps(spec) and RED in json.dumps(spec)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_are_drawn_too(name: str, seeds: int, tmp_path: Path) -> None:
    few = make(tmp_path / "few", seeds=seeds, quick=True, parts=("small", "sizes"))
    assert vl_convert.vegalite_to_vega(draw(name, few).spec(), vl_version="6.4")["marks"]


def test_the_arrow_joins_both_curves_at_one_accuracy_and_tells_the_ratio(study: StoredStudy) -> None:
    found = sizes(study)
    (arrow, *_) = rows(draw("sizes", study).spec(), "to")
    level = float(arrow["y"])
    for m, column in enumerate(("drawn", "to")):  # the first needs more images
        curve = found.accuracies[m].mean(0)
        at = float(np.exp(np.interp(level, curve, np.log(found.per_class))))
        assert float(arrow[column]) == pytest.approx(at, rel=1e-3)
    assert arrow["word"] == "3.9 times fewer [3.80, 4.06]"


def test_alike_models_have_no_arrow_and_their_differences_are_grey(tmp_path: Path) -> None:
    spec = draw("sizes", make(tmp_path / "alike", parts=("sizes",), alike=True)).spec()
    assert not rows(spec, "to")
    assert {row["told"] for row in rows(spec, "told")} == {"not distinguishable"}


def test_the_marks_of_little_data_are_the_computed_epochs(study: StoredStudy) -> None:
    assert texts(draw("small-losses", study).spec()) == {
        "flat: 95 % by epoch 13 (settled)",
        "folded: 95 % by epoch 7.4 (settled)",
    }
    told = texts(draw("small-validation", study).spec())
    assert any(word.startswith("stopped after 15") for word in told)
    assert sum(word.startswith("gap grows since epoch") for word in told) == 2


def test_each_number_is_a_row_of_the_forest_in_the_colour_of_who_is_ahead(study: StoredStudy) -> None:
    found = differences(study)
    drawn = {row["name"]: row for row in rows(draw("differences", study).spec(), "wide_low")}
    assert set(drawn) == {one.name for one in found.each}
    for one in found.each:
        row = drawn[one.name]
        level = "only by itself" if one.low > 0 or one.high < 0 else "not distinguishable"
        assert row["state"] == (f"the {one.ahead} is ahead" if one.told else level)
        ends = np.array([one.low, one.mean, one.high])
        ends = np.exp(ends) if one.contrast.unit == RATIO else 100 * ends if one.contrast.unit == POINTS else ends
        np.testing.assert_allclose([float(row[end]) for end in ("low", "x", "high")], ends, rtol=1e-3, atol=1e-4)


def test_a_forest_of_alike_models_is_all_grey(tmp_path: Path) -> None:
    spec = draw("differences", make(tmp_path / "alike", parts=("sizes", "small"), alike=True)).spec()
    assert {row["state"] for row in rows(spec, "wide_low")} <= {"only by itself", "not distinguishable"}


def test_the_dots_of_calibration_are_means_over_seeds(study: StoredStudy) -> None:
    dots = rows(draw("calibration-pair", study).spec(), "images")
    (top,) = (row for row in dots if row["label"] == "flat" and float(row["x"]) > 0.9)
    shares = []
    for run in study.select("base-flat"):
        q, labels = run.array("test/probabilities"), run.array("test/labels")
        shares.append(float((q.argmax(1) == labels)[q.max(1) > 0.9].mean()))
    assert float(top["y"]) == pytest.approx(np.mean(shares), abs=1e-4)


def test_a_study_without_the_part_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished run of the entry 'small'"):
        draw("small-losses", make(tmp_path / "sizes", parts=("sizes",)))
