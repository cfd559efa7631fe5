"""The figures that compare: valid, told in the numbers that they draw, and true row by row."""

import csv
import io
import itertools
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from invented import adam, invented, sgd

from passo.analysis.batches import batch_sizes
from passo.analysis.paired import fair
from passo.analysis.sensitivity import sensitivity
from passo.analysis.words import ranged
from passo.errors import UnknownName, UsageError
from passo.figures import COMPARED, Wish, draw_compared
from passo.figures.curves import curves_figure, final_accuracy
from passo.figures.style import Figure
from passo.store import Store, StoredStudy, open_study

LEVEL = "not distinguishable"
RATES, DECAYS = (0.001, 0.01, 0.1), (0.0, 0.1)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Rates × decays, four seeds, three epochs; the best is at 0.01."""
    random = np.random.default_rng(0)
    runs, configs = {}, {}
    for lr, decay in itertools.product(RATES, DECAYS):
        name = f"lr{lr:g}-l2-{decay:g}"
        level = 0.8 - 0.1 * abs(math.log10(lr) + 2) - 0.2 * decay
        ends = [level + 0.01 * float(random.standard_normal()) for _ in range(4)]
        runs[name] = [
            {
                "validation/accuracy": [end - 0.2, end - 0.1, end],
                "validation/loss": [1.2 - end, 1.1 - end, 1 - end],
                "epoch/train_loss": [1.2 - end, 1.1 - end, 1 - end],
                "test/accuracy": [math.nan, math.nan, end - 0.02],
                "train/loss": [1.0, 1.1, 0.9],
            }
            for end in ends
        ]
        configs[name] = adam(lr, l2=decay)
    return invented(tmp_path_factory.mktemp("compared") / "grid", runs, configs)


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    curves = {"epoch/train_loss": [1.0, 0.5], "test/accuracy": [0.1, 0.6], "train/loss": [1.0, 0.8]}
    runs = {f"b{size}": [curves, {**curves, "epoch/train_loss": [1.0, 0.6]}] for size in (8, 32)}
    configs = {f"b{size}": sgd(0.1, batch_size=size) for size in (8, 32)}
    return invented(tmp_path_factory.mktemp("batches") / "batches", runs, configs)


def of(name: str, grid: StoredStudy, batches: StoredStudy) -> Figure:
    return draw_compared(name, batches if name == "batch-size" else grid, Wish(problem="l2", target=0.7))


def rows(figure: Figure) -> list[dict[str, str]]:
    return [row for text in figure.spec()["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


@pytest.mark.parametrize("name", list(COMPARED))
def test_a_comparing_figure_is_valid_and_has_words(name: str, grid: StoredStudy, batches: StoredStudy) -> None:
    figure = of(name, grid, batches)
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    assert figure.name == name
    assert spec["description"] == figure.sentence
    assert figure.sentence.endswith(".") and "nan" not in figure.sentence.lower()
    assert figure.caption.endswith(".") and spec["title"]["text"]


@pytest.mark.parametrize("name", list(COMPARED))
def test_a_comparing_figure_renders_without_infinite_extents(
    name: str, grid: StoredStudy, batches: StoredStudy
) -> None:
    svg = vl_convert.vegalite_to_svg(of(name, grid, batches).spec(), vl_version="6.4")
    assert svg.startswith("<svg") and "NaN" not in svg and "Infinity" not in svg


@pytest.mark.parametrize("draw", [lambda study: draw_compared("ranked", study), final_accuracy])
def test_one_seed_has_no_interval_and_none_is_drawn(draw: Any, tmp_path: Path) -> None:
    ends = {"a": [{"test/accuracy": [0.8]}], "b": [{"test/accuracy": [0.7]}]}
    figure = draw(invented(tmp_path / "one", ends, {"a": adam(0.1), "b": sgd(0.1)}))
    drawn = [row for row in rows(figure) if "low" in row]
    assert drawn and all(row["low"] == row["high"] == "" for row in drawn)
    assert ">null<" not in vl_convert.vegalite_to_svg(figure.spec(), vl_version="6.4")


def test_both_panels_of_the_ranking_have_the_same_rows_in_the_same_order(grid: StoredStudy) -> None:
    spec: dict[str, Any] = draw_compared("ranked", grid).spec()
    found = fair(grid)
    domains = [
        layer["encoding"]["y"]["scale"]["domain"]
        for panel in spec["hconcat"]
        for layer in panel["layer"]
        if "y" in layer["encoding"]
    ]
    assert domains and all(domain == list(found.comparison.names) for domain in domains)


def test_the_ranking_draws_the_differences_that_it_tells(grid: StoredStudy) -> None:
    drawn = {row["name"]: row for row in rows(draw_compared("ranked", grid)) if row.get("state")}
    found = fair(grid)
    assert set(drawn) == set(found.comparison.names) - {found.reference}
    for name, row in drawn.items():
        pair = found.against[name]
        assert float(row["mean"]) == pytest.approx(100 * pair.mean, rel=1e-4)
        level = pair.low <= 0 <= pair.high
        assert row["state"] == ("told apart" if pair.adjusted <= 0.05 else LEVEL if level else "only by itself")


def test_a_planned_reference_is_drawn_and_called_so(grid: StoredStudy) -> None:
    figure = draw_compared("ranked", grid, Wish(against="lr0.1-l2-0"))
    assert "differences from lr0.1-l2-0 (named before)" in figure.caption
    assert "all 5 comparisons" in figure.caption


def test_the_heatmap_holds_every_mean_and_the_best_is_told(grid: StoredStudy) -> None:
    figure = draw_compared("heatmap", grid)
    drawn = {row["name"]: float(row["mean"]) for row in rows(figure) if "left" in row and row.get("name")}
    for name in grid.names():
        naive = np.mean([run.metric("validation/accuracy").last for run in grid.select(name)])
        assert drawn[name] == pytest.approx(naive, rel=1e-4)
    assert max(drawn, key=lambda name: drawn[name]).startswith("lr0.01-")
    assert "learning rate 0.01" in figure.sentence


def test_a_corner_that_failed_leaves_the_colours_to_the_rest_and_is_told(tmp_path: Path) -> None:
    """Of 12 losses, one is 2.3 and the others lie between 0.5 and 0.71: the scale ends at 0.71."""
    places = list(itertools.product((1e-3, 1e-2, 1e-1, 1.0), (1e-3, 1e-2, 1e-1)))
    losses = [0.5 + 0.02 * i for i in range(11)] + [2.3]
    runs = {f"c{i}": [{"validation/loss": [loss]}] * 2 for i, loss in enumerate(losses)}
    configs = {f"c{i}": adam(lr, l2=l2) for i, (lr, l2) in enumerate(places)}
    figure = draw_compared("heatmap", invented(tmp_path / "s", runs, configs), Wish(curve="validation/loss"))
    scale = figure.spec()["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == pytest.approx([0.5, 0.7]) and scale["clamp"]
    assert "One cell is worse than the strongest colour says (to 2.3)." in figure.caption
    assert {row["text"] for row in rows(figure) if row.get("text")} >= {"0.5", "0.52", "2.3"}


def test_the_numbers_of_a_finer_round_stand_in_its_cells_and_hide_those_below(tmp_path: Path) -> None:
    first = list(itertools.product((1e-3, 1e-2, 1e-1), (1e-3, 1e-2, 1e-1)))
    finer = list(itertools.product((5e-3, 1e-2, 2e-2), (5e-3, 1e-2, 2e-2)))
    values = {f"round-1,{i}": (place, 0.6 + 0.01 * i) for i, place in enumerate(first)}
    values |= {f"round-2,{i}": (place, 0.7 + 0.01 * i) for i, place in enumerate(finer)}
    runs = {name: [{"validation/accuracy": [value]}] for name, (_, value) in values.items()}
    configs = {name: adam(place[0], l2=place[1]) for name, (place, _) in values.items()}
    told = {
        row["text"]
        for row in rows(draw_compared("heatmap", invented(tmp_path / "s", runs, configs)))
        if row.get("text")
    }
    assert {f"{70 + i} %" for i in range(9)} <= told
    assert "64 %" not in told and "60 %" in told  # the middle of the first round lies below the second


def test_a_search_that_ended_inside_the_noise_is_told_so(tmp_path: Path) -> None:
    places = {f"round-{r},{i}-{j}": (r * 10.0**-i, 10.0**-j) for r in (1, 2) for i in (1, 2) for j in (2, 3)}
    with Store.create(tmp_path / "s", name="search", config={}) as store:
        for name, (lr, l2) in places.items():
            run = store.add_run(name, config=adam(lr, l2=l2), seed=0)
            run.scalars(1, 1.0, {"validation/loss": lr, "validation/accuracy": 1 - lr})
            run.finish()
        why = "the gain of round 2 is inside the noise"
        store.facts(search=[{"metric": "validation/loss", "best": "round-2,1-2", "why": why}])
    study = open_study(tmp_path / "s")
    assert draw_compared("heatmap", study, Wish(curve="validation/loss")).sentence.endswith(f"ended, since {why}.")
    assert "ended" not in draw_compared("heatmap", study).sentence  # it did not go by the accuracy


def test_a_fine_grid_has_lines_of_equal_height_in_place_of_numbers(tmp_path: Path) -> None:
    places = list(itertools.product(np.geomspace(1e-4, 1, 11), np.geomspace(1e-3, 1e-1, 5)))
    curves = [[{"validation/accuracy": [0.9 - 0.1 * math.log10(lr / 0.01) ** 2]}] for lr, _ in places]
    runs = {f"c{i}": each for i, each in enumerate(curves)}
    configs = {f"c{i}": adam(float(lr), l2=float(l2)) for i, (lr, l2) in enumerate(places)}
    figure = draw_compared("heatmap", invented(tmp_path / "fine", runs, configs))
    pieces = [row for row in rows(figure) if row.get("piece")]
    heights = {round(0.9 - 0.1 * math.log10(float(row["x"]) / 0.01) ** 2, 2) for row in pieces}
    assert 0.8 in heights and len(heights) > 3  # the lines are where the function has a round height, or near
    assert "Lines: heights" in figure.caption
    assert {row["text"] for row in rows(figure) if row.get("text")} <= {f"{p} %" for p in range(50, 91)}


def test_lines_of_parallel_coordinates_end_at_the_result_and_the_best_is_on_top(grid: StoredStudy) -> None:
    figure = draw_compared("parallel", grid)
    lines = [row for row in rows(figure) if row.get("name")]
    ends = {row["name"]: float(row["height"]) for row in lines if float(row["axis"]) == 2}
    best = max(grid.names(), key=lambda n: np.mean([r.metric("validation/accuracy").last for r in grid.select(n)]))
    assert ends[best] == pytest.approx(1) and min(ends.values()) == pytest.approx(0)
    assert lines[-1]["name"] == best
    assert "learning rate 0.01" in figure.sentence


def test_sensitivity_draws_the_band_that_it_tells(grid: StoredStudy) -> None:
    bands = [row for row in rows(draw_compared("sensitivity", grid)) if "x" not in row]
    found = sensitivity(grid, "validation/accuracy")
    assert {row["label"]: float(row["low"]) for row in bands} == pytest.approx(
        {group.name: group.low for group in found.groups}, rel=1e-4
    )


def test_shares_of_importance_are_drawn_whole(grid: StoredStudy) -> None:
    drawn = [float(row["share"]) for row in rows(draw_compared("importance", grid))]
    assert sum(drawn) == pytest.approx(1, abs=1e-4)


def test_the_batch_figure_says_where_the_loss_is_lowest(batches: StoredStudy) -> None:
    first = batch_sizes(batches).each[0]
    assert ranged(first.end) in draw_compared("batch-size", batches).sentence


def test_an_unknown_figure_and_several_studies_for_one_are_refused(grid: StoredStudy, batches: StoredStudy) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'ranked'"):
        draw_compared("rankd", grid)
    with pytest.raises(UsageError, match="the figure heatmap is of one study, got 2"):
        draw_compared("heatmap", [grid, batches])
    with pytest.raises(UsageError, match="two problems or more"):
        draw_compared("profiles", grid)


def test_many_curves_are_told_by_who_ends_best_and_by_how_much(grid: StoredStudy) -> None:
    figure = curves_figure(grid, "validation/accuracy")
    ends = {name: np.mean([run.last("validation/accuracy") for run in grid.select(name)]) for name in grid.names()}
    best, second, *_, last = sorted(ends, key=lambda name: -ends[name])
    assert (
        f"Of 6 configurations {best} ends with the best validation accuracy, {100 * ends[best]:.2f} %"
        in figure.sentence
    )
    assert f"next is {second} with" in figure.sentence and f"last is {last} with" in figure.sentence
    assert f"{100 * (ends[best] - ends[second]):.1f} points apart" in figure.sentence
    few = curves_figure(grid, "validation/accuracy", [best, second]).sentence
    assert best in few and second in few and "Of " not in few
