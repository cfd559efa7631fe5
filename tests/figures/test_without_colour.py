"""No chart tells its series apart by colour alone: a dash, a shape, a word or a place says the same."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

import pair_study
import robust_study
from watched_run import train

from passo.figures import FIGURES, PAIR_FIGURES, draw, draw_run
from passo.store import StoredStudy

COLOURS = ("color", "fill", "stroke")
PLACES = ("x", "y", "xOffset", "yOffset", "row", "column", "facet", "text", "url")
MARKS = ("strokeDash", "shape")
OF_A_RUN = ("activations", "apart", "betas", "clipping", "cosine", "layers", "loss-change", "ratios", "stages")
OF_TWO = ("small-losses", "small-validation", "sizes", "imbalance", "imbalance-classes", "classes", "exploration",
          "choice-learning-rate", "choice-kernel-size", "matched", "differences", "confusion-pair", "calibration-pair",
          "cross-entropy-pair")  # fmt: skip
ALLOWED = {
    ("cross-entropy-pair", "which"): "a bar begins with the entropy and ends with the divergence, on its model's row",
}


def fields(channel: Any) -> set[str]:
    """The fields that a channel tells apart by name: its own, or those that its conditions compare."""
    if not isinstance(channel, dict) or channel.get("type") == "quantitative":
        return set()
    conditions = channel.get("condition", [])
    tests = str([one.get("test") for one in (conditions if isinstance(conditions, list) else [conditions])])
    compared = re.findall(r"datum(?:\.(\w+)|\[\\?[\"'](\w+)\\?[\"']\]) ?===? ?\\?[\"']", tests)
    return {one or other for one, other in compared} | ({channel["field"]} if "field" in channel else set())


def views(spec: dict[str, Any], above: dict[str, Any], told: set[str]) -> Iterator[tuple[list[dict], set[str]]]:
    """Each panel: its layers with all that they have from above, and the fields that facets tell."""
    here = {**above, **{key: spec[key] for key in ("data", "mark") if key in spec}}
    here["encoding"] = {**above.get("encoding", {}), **spec.get("encoding", {})}
    told = told | fields(spec.get("facet")) | set().union(*map(fields, spec.get("facet", {}).values()))
    if "layer" in spec:
        layers = [each for one in spec["layer"] for units, _ in views(one, here, told) for each in units]
        yield layers, told
    elif "mark" in spec:
        yield [here], told
    for part in [*(one for key in ("hconcat", "vconcat", "concat") for one in spec.get(key, [])), spec.get("spec")]:
        yield from views(part, here, told) if part else ()


def several(spec: dict[str, Any], layer: dict[str, Any], field: str) -> bool:
    """Whether the layer's data have more than one value of a field; a field that is computed is taken to."""
    rows = csv.DictReader(io.StringIO(spec["datasets"].get(layer.get("data", {}).get("name"), "")))
    return len({row[field] for row in rows if field in row}) != 1


def by_colour_alone(spec: dict[str, Any]) -> set[str]:
    """Fields that a panel tells apart by colour and by nothing else. A word (mark text) says itself what it is."""
    alone: set[str] = set()
    for layers, told in views(spec, {}, set()):
        coloured = {
            field
            for layer in layers
            if layer["mark"].get("type") != "text"
            for channel in COLOURS
            for field in fields(layer["encoding"].get(channel))
            if several(spec, layer, field)
        }
        others = set().union(*(fields(one["encoding"].get(way)) for one in layers for way in (*PLACES, *MARKS)))
        alone |= coloured - others - told
    return alone


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return pair_study.make(tmp_path_factory.mktemp("alone") / "pair", seeds=2)


@pytest.fixture(scope="module")
def perturbed(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return robust_study.make(tmp_path_factory.mktemp("alone") / "perturbed", seeds=3)


def left(name: str, spec: dict[str, Any]) -> set[str]:
    return {field for field in by_colour_alone(spec) if (name, field) not in ALLOWED}


@pytest.mark.parametrize("name", list(FIGURES))
def test_a_figure_of_optimizers_tells_nothing_by_colour_alone(name: str, study: StoredStudy) -> None:
    assert left(name, draw(name, study).chart.to_dict()) == set()


@pytest.mark.parametrize("name", OF_TWO)
def test_a_figure_of_two_models_tells_nothing_by_colour_alone(name: str, pair: StoredStudy) -> None:
    assert left(name, PAIR_FIGURES[name](pair).chart.to_dict()) == set()


@pytest.mark.parametrize("name", ["robustness", "flips", "robustness-classes"])
def test_a_figure_of_perturbations_tells_nothing_by_colour_alone(name: str, perturbed: StoredStudy) -> None:
    assert left(name, PAIR_FIGURES[name](perturbed).chart.to_dict()) == set()


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_figure_of_a_watched_run_tells_nothing_by_colour_alone(name: str) -> None:
    run = train("SGD" if name == "apart" else "Adam", steps=12, clip=1.0).run()
    assert left(name, draw_run(name, run).chart.to_dict()) == set()
