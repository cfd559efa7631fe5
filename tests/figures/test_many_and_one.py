"""Figures of very many configurations, and of a single seed: legible, and read out without holes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import vl_convert

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from invented import adam, invented

from passo.analysis.paired import fair
from passo.figures import curves_chart
from passo.figures.batches import batch_figure
from passo.figures.parallel import parallel
from passo.figures.ranked import ranked
from passo.figures.style import colour, legend_look
from passo.figures.tuned import sensitivity_curves
from passo.store import StoredStudy

LONG = "taxa-de-aprendizagem-constante-sem-regularizacao,lr="


def many(folder: Path, count: int, epochs: int = 10, seeds: int = 1) -> StoredStudy:
    """Configurations that end the higher the larger their rate."""
    rates = [0.001 * (i + 1) for i in range(count)]
    runs = {
        f"{LONG}{rate:.3f}": [
            {"validation/accuracy": [rate * epoch + 0.01 * seed for epoch in range(1, epochs + 1)]}
            for seed in range(seeds)
        ]
        for rate in rates
    }
    return invented(folder, runs, {name: adam(rate) for name, rate in zip(runs, rates, strict=True)})


def svg(spec: dict[str, Any]) -> str:
    return vl_convert.vegalite_to_svg(spec)


def test_with_more_configurations_than_colours_the_best_have_one_each_and_the_rest_are_grey(tmp_path: Path) -> None:
    study = many(tmp_path / "many", 30)
    spec = curves_chart(study, "validation/accuracy").to_dict()
    coloured = next(layer["encoding"]["color"] for layer in spec["layer"] if "color" in layer["encoding"])
    assert coloured["scale"]["domain"] == [f"{LONG}{0.001 * i:.3f}" for i in range(30, 22, -1)]
    assert len(set(coloured["scale"]["range"])) == 8
    assert "22 others" in " ".join(spec["title"]["subtitle"])
    behind = spec["layer"][0]
    assert "color" not in behind["encoding"]


def test_no_two_of_as_many_configurations_as_colours_are_drawn_alike(tmp_path: Path) -> None:
    spec = curves_chart(many(tmp_path / "some", 16), "validation/accuracy").to_dict()
    shades = spec["layer"][0]["encoding"]["color"]["scale"]["range"]
    assert len(shades) == len(set(shades)) == 16


@pytest.mark.parametrize(
    "draw",
    [
        lambda study: ranked(fair(study, "validation/accuracy")).spec(),
        lambda study: sensitivity_curves(study).spec(),
        lambda study: curves_chart(study, "validation/accuracy").to_dict(),
    ],
)
def test_what_one_seed_cannot_tell_is_not_read_out_as_null(draw: Any, tmp_path: Path) -> None:
    told = re.findall(r'aria-label="([^"]*)"', svg(draw(many(tmp_path / "one", 3))))
    assert any("not known" in label for label in told)
    assert not [label for label in told if "null" in label]


def test_the_tenth_epoch_is_called_10(tmp_path: Path) -> None:
    drawn = svg(curves_chart(many(tmp_path / "ten", 2, seeds=2), "validation/accuracy").to_dict())
    assert ">10</text>" in drawn
    assert "1e" not in "".join(re.findall(r">([^<]*)</text>", drawn))


def test_rows_of_a_ranking_and_entries_of_a_legend_keep_what_tells_them_apart(tmp_path: Path) -> None:
    study = many(tmp_path / "rows", 12, seeds=2)
    texts = re.findall(r">([^<]*)</text>", svg(ranked(fair(study, "validation/accuracy")).spec()))
    rows = [text for text in texts if text.endswith(tuple(f",lr={0.001 * i:.3f}" for i in range(1, 13)))]
    assert len(set(rows)) == 12
    names = study.names()
    texts = re.findall(r">([^<]*)</text>", svg(curves_chart(study, "validation/accuracy").to_dict()))
    assert len({text for text in texts if text.endswith(tuple(name[-9:] for name in names))}) == 12


def test_a_legend_of_long_names_is_as_wide_as_the_plot() -> None:
    assert legend_look(["a" * 36] * 1 + [f"{'b' * 36}{i}" for i in range(5)])["columns"] == 2
    assert legend_look([f"name-{i}" for i in range(6)])["columns"] == 3
    assert "columns" not in colour("label", ["adam", "sgd"]).to_dict()["legend"]


def test_the_guide_through_the_noise_stays_in_its_panel(tmp_path: Path) -> None:
    curves = {"train/loss": [1.0, 1.1], "epoch/train_loss": [1.0, 1.0], "test/accuracy": [0.5, 0.5]}
    configs = {str(size): adam(0.1, batch_size=size) for size in (8, 4096)}  # 1/√B falls far below noise that does not
    study = invented(tmp_path / "batches", {name: [curves] for name in configs}, configs)
    marks = [layer["mark"] for layer in batch_figure(study).chart.to_dict()["vconcat"][0]["layer"]]
    assert [mark["clip"] for mark in marks if mark.get("strokeDash")] == [True]


def test_labels_of_the_first_parallel_axis_stand_where_no_line_is(tmp_path: Path) -> None:
    spec = parallel(many(tmp_path / "parallel", 3)).spec()
    words = [layer for layer in spec["layer"] if layer["mark"].get("align")]
    assert {(w["transform"][0]["filter"], w["mark"]["align"]) for w in words} == {
        ("datum.axis == 0", "right"),
        ("datum.axis > 0", "left"),
    }
