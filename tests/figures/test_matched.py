"""The figure of two models of one size: what is drawn is what was measured."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from passo.errors import StoreError
from passo.figures import PAIR_FIGURES, draw
from passo.models.budget import cost
from passo.models.costs import Cost
from passo.store import Store, StoredStudy, open_study


def told(folder: Path, first: Cost, second: Cost) -> StoredStudy:
    with Store.create(folder / "study", name="pair", config={}) as study:
        matched = [first.facts(), second.facts()]
        study.facts(pair={"labels": ["one", "two"], "within": 0.02, "difference": 0.0, "matched": matched})
    return open_study(folder / "study")


def panels(spec: dict[str, Any]) -> list[list[dict[str, str]]]:
    """The rows of each panel: parameters, multiply-adds and memory of the first model, then of the second."""
    shown = [panel for row in spec["vconcat"] for panel in row["hconcat"]]
    return [list(csv.DictReader(io.StringIO(spec["datasets"][panel["data"]["name"]]))) for panel in shown]


def test_every_bar_is_a_layers_cost_and_each_panel_has_the_whole(tmp_path: Path) -> None:
    costs = cost("mlp", (1, 28, 28), 10, hidden=[50, 20]), cost("cnn", (1, 28, 28), 10)
    figure = draw("matched", told(tmp_path, *costs))
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"] and "matched" in PAIR_FIGURES
    assert spec["description"] == figure.sentence and "the two needs" in figure.sentence
    shown = panels(spec)
    assert [row["layer"] for row in shown[0]] == ["fc1", "fc2", "out", "2 others"]
    assert [row["layer"] for row in shown[3]] == ["conv1", "conv2", "fc1", "out", "4 others"]
    for place, model in enumerate(costs):
        for number, measure in enumerate(("parameters", "macs", "memory")):
            rows = {row["layer"]: int(row["value"]) for row in shown[3 * place + number]}
            assert sum(rows.values()) == getattr(model, measure)
            assert all(rows[one.layer] == getattr(one, measure) for one in model.layers if one.macs)


def test_both_models_have_one_scale_for_each_cost(tmp_path: Path) -> None:
    spec = draw("matched", told(tmp_path, cost("tiny-cnn", (1, 28, 28), 10), cost("lenet", (1, 28, 28), 10))).spec()
    first, second = (
        [panel["layer"][0]["encoding"]["x"]["scale"]["domain"] for panel in row["hconcat"]] for row in spec["vconcat"]
    )
    assert first == second and len({tuple(domain) for domain in first}) == 3


def test_of_many_layers_the_dearest_are_drawn_and_the_others_together(tmp_path: Path) -> None:
    deep = cost("mlp", (1, 28, 28), 10, hidden=[*range(60, 40, -1)])
    shown = panels(draw("matched", told(tmp_path, deep, cost("lenet", (1, 28, 28), 10))).spec())[0]
    assert [row["layer"] for row in shown] == [*(f"fc{n}" for n in range(1, 13)), "29 others"]
    assert sum(int(row["value"]) for row in shown) == deep.parameters


def test_a_study_of_no_pair_has_no_such_figure(tmp_path: Path) -> None:
    with Store.create(tmp_path / "study", name="alone", config={}):
        pass
    with pytest.raises(StoreError, match="compares no two models"):
        draw("matched", open_study(tmp_path / "study"))
