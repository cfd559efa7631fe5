"""Pictures of weights: every bar is a share of the stored weights, and `passo` trains, draws and tells them."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert
from typer.testing import CliRunner

from passo.analysis.weights import layer, weights
from passo.cli.app import app
from passo.errors import StoreError
from passo.experiments import study as make_study
from passo.figures import draw_run, study_weights
from passo.figures.weights import NEARLY, OTHERS
from passo.store import Store, StoredStudy, open_study

SMALL = ["seeds=2", "epochs=2", "dataset.per_class=20", "batch_size=20"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """The shipped study on few images for few epochs, its λ large enough to be seen by then."""
    folder = tmp_path_factory.mktemp("penalties") / "study"
    return make_study("penalties", SMALL).run(folder, jobs=1)


def rows(spec: dict[str, Any]) -> list[dict[str, str]]:
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def bars(spec: dict[str, Any], row: str, *, lowest: float = -np.inf) -> Counter[str]:
    """The sum of the shares of a row's bars, by their colour."""
    total: Counter[str] = Counter()
    for each in rows(spec):
        if each.get("row") == row and float(each["x"]) >= lowest:
            total[each["which"]] += float(each["share"])  # type: ignore[assignment]
    return total


def test_the_shipped_study_penalises_as_its_names_say(study: StoredStudy) -> None:
    assert study.names() == ["none", "l1-1e-5", "l1-1e-4", "l1-1e-3", "l2-1e-4", "l2-1e-3", "l2-1e-2"]
    for run in study.select():
        kind, _, strength = run.name.partition("-")
        asked = {"l1": 0.0, "l2": 0.0} | ({kind: float(strength)} if strength else {})
        assert {key: run.config[key] for key in ("l1", "l2")} == asked
        assert ("train/penalty" in run.metrics()) == bool(strength)


def test_the_picture_of_a_run_draws_every_weight_of_every_layer_twice(study: StoredStudy) -> None:
    run = study.select("l1-1e-3")[0]
    figure = draw_run("weights", run)
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    for one in weights(run):
        drawn = bars(spec, one.name)  # once as they are, once by their size
        assert drawn[NEARLY] == pytest.approx(2 * one.near_zero, abs=1e-3)
        assert drawn[NEARLY] + drawn[OTHERS] == pytest.approx(2, abs=1e-3)
    assert spec["description"] == figure.sentence
    assert figure.sentence.startswith("Of 101,632 weights ") and "none exactly 0" in figure.sentence
    assert "fc1.weight" in figure.sentence and "out.weight" in figure.sentence
    assert "at most 1 % of the largest |w|" in figure.caption


def test_bars_are_as_high_as_their_shares_nearly_zero_below_the_others(study: StoredStudy) -> None:
    spec = draw_run("weights", study.select("l1-1e-3")[0]).spec()
    panels = [
        drawn for text in spec["datasets"].values() if "row" in (drawn := list(csv.DictReader(io.StringIO(text))))[0]
    ]
    assert len(panels) == 2
    for panel in panels:
        for place, name in enumerate(("fc1.weight", "out.weight"), start=1):
            bins: dict[str, dict[str, dict[str, str]]] = {}
            for bar in panel:
                if bar["row"] == name:
                    bins.setdefault(bar["x"], {})[bar["which"]] = bar
            peak = max(sum(float(bar["share"]) for bar in both.values()) for both in bins.values())
            for both in bins.values():
                foot = float(place)
                for which in [which for which in (NEARLY, OTHERS) if which in both]:
                    top = foot - 0.84 * float(both[which]["share"]) / peak
                    assert float(both[which]["y"]) == pytest.approx(foot, abs=2e-4)
                    assert float(both[which]["y2"]) == pytest.approx(top, abs=2e-4)
                    foot = top


def test_the_picture_of_a_study_draws_the_mean_over_seeds_and_says_what_it_shows(study: StoredStudy) -> None:
    figure = study_weights(study)
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    for name in study.names():
        flat = [[layer(n, run.array(f"weights/{n}.weight")) for n in ("fc1", "out")] for run in study.select(name)]
        near = np.mean([sum(o.near.sum() for o in both) / 101_632 for both in flat])
        assert bars(spec, name)[NEARLY] == pytest.approx(near, abs=1e-3)
        dots = [float(r["x"]) for r in rows(spec) if "low" in r]
        assert any(dot == pytest.approx(near, rel=1e-4) for dot in dots)
    assert "No weight is exactly 0." in figure.sentence
    assert "test accuracy" in figure.sentence and "test loss" in figure.sentence
    assert "(l1-1e-3)" in figure.sentence
    assert json.dumps(spec) == json.dumps(study_weights(study).spec())


def test_one_layer_and_some_configurations_can_be_chosen(study: StoredStudy) -> None:
    figure = study_weights(study, ["none", "l2-1e-2"], layer="out.weight")
    assert {row["row"] for row in rows(figure.spec()) if "row" in row} == {"none", "l2-1e-2"}
    assert "(out.weight)" in figure.caption


def test_l1_draws_more_weights_near_zero_and_l2_shortens_them(study: StoredStudy) -> None:
    def of(name: str, what: str) -> float:
        return float(np.mean([getattr(weights(run)[0], what) for run in study.select(name)]))

    assert of("l1-1e-3", "near_zero") > of("none", "near_zero")
    assert of("l1-1e-3", "l1") < of("l1-1e-4", "l1") < of("none", "l1")
    assert of("l2-1e-2", "rms") < of("l2-1e-3", "rms") < of("none", "rms")


def test_zeros_are_counted_and_drawn_in_the_first_bin(tmp_path: Path) -> None:
    values = np.zeros((10, 10))
    values[0] = np.linspace(-1, 1, 10)
    with Store.create(tmp_path / "zeros", name="zeros", config={}) as store:
        run = store.add_run("pruned", config={})
        run.array("weights/fc.weight", values, shape=[10, 10], kernel=True)
        run.finish()
    found = open_study(tmp_path / "zeros")
    for figure in (draw_run("weights", found.runs[0]), study_weights(found)):
        spec = figure.spec()
        assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
        smallest = [r for r in rows(spec) if "row" in r and float(r["x"]) == -7]
        assert [(r["which"], float(r["share"])) for r in smallest] == [(NEARLY, 0.9)]
        assert "≤ 10⁻⁷" in json.dumps(spec, ensure_ascii=False)
        assert "90 %" in figure.sentence


def test_a_study_without_a_training_is_told(tmp_path: Path) -> None:
    with Store.create(tmp_path / "none", name="none", config={}) as store:
        store.add_run("bowl", config={}, kind="surface").finish()
    with pytest.raises(StoreError, match="has no finished training"):
        study_weights(open_study(tmp_path / "none"))


def test_the_command_line_draws_them(study: StoredStudy, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["study", "weights", str(study.folder), "--out", str(tmp_path / "w.png")])
    assert done.exit_code == 0, done.output
    assert "l1-1e-3" in done.output and "nearly 0" in done.output
    assert (tmp_path / "w.png").read_bytes()[:4] == b"\x89PNG"
    out = str(tmp_path / "run.html")
    done = CliRunner().invoke(app, ["inspect", f"{study.folder}/none-s0", "--figure", "weights", "--out", out])
    assert done.exit_code == 0, done.output
    assert "Of 101,632 weights" in done.output
    assert "vegaEmbed" in Path(out).read_text(encoding="utf-8")
    with pytest.raises(StoreError, match="holds 14 runs with weights, say which: none-s0"):
        CliRunner().invoke(app, ["inspect", str(study.folder), "--figure", "weights"], catch_exceptions=False)
