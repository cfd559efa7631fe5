"""Figures and tables of two models in another language: no word is left in English but names."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pair_study
import pytest
import robust_study

from passo.analysis.attributed import attributed_pair
from passo.analysis.calibrated import calibrated
from passo.analysis.confused import confused_pair
from passo.analysis.differences import differences
from passo.analysis.divergences import divergences
from passo.analysis.embedded import embedded_pair
from passo.analysis.exploration import exploration
from passo.analysis.fewer import fewer
from passo.analysis.flips import flips
from passo.analysis.imbalance import imbalance
from passo.analysis.mapped import mapped_pair
from passo.analysis.matched import matched_models
from passo.analysis.robustness import robustness
from passo.analysis.sizes import sizes
from passo.analysis.small import small
from passo.analysis.trusted import trusted_pair
from passo.analysis.validated import validated
from passo.figures import Figure, draw
from passo.language import speaking
from passo.store import StoredStudy

COLUMNS = ("word", "text", "state", "label", "remedy", "setting", "apart", "told", "trained", "within", "which", "name")
NAMES = (*pair_study.LABELS, *pair_study.CLASSES, *robust_study.LABELS, "dense", "seeing", "small", "large")
NAMES += ("class", "left", "right", "conv0", "conv1", "first", "act", "out", "input", "hidden1", "output", "Conv2d")
NAMES += (
    "Grad-CAM",
    "invented",
    "base",
    "lin",
    "Linear",
    "ReLU",
    "title",
)  # the last is what a pointer's box begins with
MADE = ("sizes", "small-losses", "small-validation", "calibration-pair", "cross-entropy-pair", "differences")
MADE += (
    "confusion-pair",
    "imbalance",
    "imbalance-classes",
    "classes",
    "exploration",
    "choice-learning-rate",
    "matched",
)


def beside(name: str) -> Any:
    """Another file of tests in this folder, for the studies that it makes."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredStudy]:
    folder = tmp_path_factory.mktemp("spoken")
    return {
        "made": pair_study.make(folder / "made", seeds=2),
        "perturbed": robust_study.make(folder / "perturbed", seeds=3),
        "seen": beside("test_attributed").written(folder / "seen"),
        "mapped": beside("test_embedded").seen(folder / "mapped"),
    }


def said(figure: Figure) -> str:
    """All that a figure says: its words, titles, legends, tooltips' titles, and what is written into it."""
    spec = figure.chart.to_dict()
    rows = (row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text)))
    words = (text or "" for row in rows for column, text in row.items() if column in COLUMNS)
    return "\n".join([figure.caption, figure.sentence, *_titles({**spec, "config": {}}), *words])


def _titles(part: Any) -> Iterator[str]:
    """Every title, subtitle, word of a mark, domain of names and label of an axis, at any depth."""
    if isinstance(part, list):
        for one in part:
            yield from _titles(one)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key in ("title", "subtitle", "text", "domain"):
            yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))
        if key == "labelExpr":
            yield from re.findall(r"[\"']([^\"']*)[\"']", str(value))
        if key not in ("datasets", "data", "params"):
            yield from _titles(value)


@pytest.mark.parametrize(
    ("study", "name"),
    [
        *(("made", name) for name in MADE),
        *(("perturbed", name) for name in ("robustness", "robustness-classes", "flips", "flipped-images")),
        *(("seen", name) for name in ("gradcam", "trust", "filters-pair", "feature-maps-pair")),
        ("mapped", "embedding-pair"),
    ],
)
def test_a_figure_of_two_models_is_said_in_another_language(
    study: str, name: str, studies: dict[str, StoredStudy], foreign: Callable[..., list[str]]
) -> None:
    assert foreign(said(draw(name, studies[study])), *NAMES) == []


def test_sentences_and_tables_of_two_models_are_said_in_another_language(
    studies: dict[str, StoredStudy], foreign: Callable[..., list[str]]
) -> None:
    made, explored = studies["made"], exploration(studies["made"])
    found: list[Any] = [replace(differences(made), lacking={})]  # which tells errors, as `passo.telling` says them
    found += [of(made) for of in (calibrated, confused_pair, divergences, exploration, fewer, imbalance)]
    found += [of(made) for of in (matched_models, sizes, small, validated)]
    found += [robustness(studies["perturbed"]), flips(studies["perturbed"], "scale")]
    for pair in (attributed_pair, mapped_pair, trusted_pair):
        found += pair(studies["seen"])
    found += embedded_pair(studies["mapped"])
    for one in found:
        assert foreign(f"{one.sentence()}\n{one.table()}", *NAMES, "bytes") == [], type(one)
    assert foreign(explored.choice_sentence("learning rate"), *NAMES) == []


def test_what_was_found_in_one_language_is_said_in_the_other(studies: dict[str, StoredStudy]) -> None:
    """One process writes both notes: nothing that is kept of a study holds words."""
    found = [of(studies["made"]) for of in (differences, sizes, small, validated, exploration, imbalance, fewer)]
    with speaking("pt-BR"):
        portuguese = [one.sentence() for one in found]
    english = [one.sentence() for one in found]
    again = [
        of(studies["made"]).sentence() for of in (differences, sizes, small, validated, exploration, imbalance, fewer)
    ]
    assert english == again
    assert all("the mlp" not in one and "mlp" in one for one in portuguese)
