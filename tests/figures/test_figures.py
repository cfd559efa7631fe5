"""Every figure draws, is valid, small and the same each time, and says the numbers that it shows."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert

from passo.analysis import bands, compare, descent, lr_ranges, predictions, traces
from passo.analysis.coasting import coasting
from passo.analysis.rates import rates
from passo.analysis.words import significant
from passo.errors import StoreError, UnknownName
from passo.figures import FIGURES, curves_chart, draw, draw_all, range_chart, schedule_chart, stage_chart
from passo.store import Store, StoredStudy, open_study

NAMES = """adam-apart adapted-gradients coasting cross-entropy ewma-bias ewma-gradients ewma-series ewma-weights
final-accuracy final-adapted final-curves library-defaults lr-range momentum-limit rates schedule-effects schedule-paths
schedule-shapes sgd-curves sgd-paths sgd-traces""".split()  # noqa: SIM905 (one long list of names is easier to read as words)


def found(value: Any, key: str) -> list[Any]:
    """Every value of a key, anywhere in a specification."""
    if isinstance(value, dict):
        return [v for k, v in value.items() if k == key] + [x for v in value.values() for x in found(v, key)]
    return [x for v in value for x in found(v, key)] if isinstance(value, list) else []


def rows(spec: dict[str, Any]) -> list[dict[str, str]]:
    """All rows of all data sets of a specification."""
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def test_the_registry_holds_the_figures_of_the_note() -> None:
    assert list(FIGURES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_valid_vega_lite_with_its_sentence_as_description(name: str, study: StoredStudy) -> None:
    figure = draw(name, study)
    spec = figure.spec()
    vega = vl_convert.vegalite_to_vega(spec, vl_version="6.4")
    assert vega["marks"]
    assert spec["description"] == figure.sentence
    assert "nan" not in figure.sentence.lower() and figure.sentence.endswith(".")
    assert figure.caption and spec["title"]["text"]


@pytest.mark.parametrize("name", NAMES)
def test_views_have_names_of_their_own_because_vega_confuses_their_data_otherwise(
    name: str, study: StoredStudy
) -> None:
    spec = draw(name, study).spec()
    names = [n for n in found({k: v for k, v in spec.items() if k != "params"}, "name") if str(n).startswith("view_")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_study_gives_the_same_specification(name: str, study: StoredStudy) -> None:
    assert json.dumps(draw(name, study).spec()) == json.dumps(draw(name, open_study(study.folder)).spec())


def test_all_figures_together_are_small(study: StoredStudy) -> None:
    figures = draw_all(study)
    assert [figure.name for figure in figures] == NAMES
    assert sum(len(json.dumps(figure.spec())) for figure in figures) < 1_000_000


def test_a_figure_is_saved_as_png_and_svg(study: StoredStudy, tmp_path: Path) -> None:
    png, svg = draw("sgd-paths", study).save(tmp_path / "figures")
    assert png.read_bytes().startswith(b"\x89PNG") and png.name == "sgd-paths.png"
    text = svg.read_text(encoding="utf-8")
    assert text.startswith("<svg") and "Three ways down one valley" in text


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(study: StoredStudy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"^cannot write .*file"):
        draw("ewma-weights", study).save(tmp_path / "file")


def test_an_unknown_figure_gets_the_nearest_and_the_list(study: StoredStudy) -> None:
    with pytest.raises(UnknownName, match="unknown figure 'sgd-path'. Did you mean 'sgd-paths'"):
        draw("sgd-path", study)


# ── What the pictures hold ──


def test_curves_carry_the_means_and_intervals_of_the_study(study: StoredStudy) -> None:
    drawn = rows(draw("adam-apart", study).spec())
    for band in bands(study, "validation/loss", ["adam", "adam-eps-0.1"]):
        mine = [row for row in drawn if row["label"] == band.name]
        assert band.low is not None
        np.testing.assert_allclose([float(row["y"]) for row in mine], band.mean, rtol=1e-4)
        np.testing.assert_allclose([float(row["low"]) for row in mine], band.low, rtol=1e-4)


def test_the_adapted_gradient_and_the_measured_update_are_drawn_from_their_own_stages(study: StoredStudy) -> None:
    seen = traces(study.run("adam-s0"))
    drawn = rows(draw("adapted-gradients", study).spec())
    for label, values in (
        ("gradient", seen["grad"]),
        ("its corrected EWMA", seen["exp_avg_hat"]),
        ("scaling", 1 / (np.sqrt(seen["exp_avg_sq_hat"]) + 1e-8)),
        ("adapted gradient", seen["adapted"]),
        ("measured update / −lr", -seen["update"] / seen.lr),
    ):
        np.testing.assert_allclose([float(r["y"]) for r in drawn if r["label"] == label], values, rtol=1e-4, atol=1e-9)


def test_paths_start_and_end_where_the_descents_do(study: StoredStudy) -> None:
    drawn = rows(draw("sgd-paths", study).spec())
    for name in ("sgd", "momentum", "nesterov"):
        path = descent(study, f"line-{name}").points
        mine = [(float(r["x"]), float(r["y"])) for r in drawn if r.get("label") == name]
        np.testing.assert_allclose(mine, path, rtol=1e-4)


def test_sentences_hold_the_computed_numbers(study: StoredStudy) -> None:
    best = compare(study).outcomes[0]
    assert (
        f"{best.name} has the highest mean test accuracy, {100 * best.mean:.1f} %"
        in draw("final-accuracy", study).sentence
    )
    summary = lr_ranges(study, "range-adam")
    assert significant(summary.suggestion) in draw("lr-range", study).sentence
    seen = predictions(study.run("adam-final-s0"), study.facts["data"]["classes"])
    assert significant(seen.total) in draw("cross-entropy", study).sentence
    loss = study.run("sgd-s0").metric("train/loss").values
    assert significant(float(np.diff(loss).std())) in draw("ewma-series", study).sentence
    assert "13.5 % of the EWMA's weight" in draw("ewma-weights", study).sentence


def test_a_study_of_one_seed_draws_too_and_says_that_there_is_no_interval(tmp_path: Path) -> None:
    from synthetic_study import write

    one = write(tmp_path / "one", seeds=(0,), libraries=True)
    for name in NAMES:
        figure = draw(name, one)
        vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")
        assert "nan" not in figure.sentence.lower(), figure.sentence
    assert "one seed" in draw("final-accuracy", one).sentence


def test_the_step_after_a_drop_of_the_rate_is_measured_by_those_before_it(study: StoredStudy) -> None:
    found = coasting(study)
    before = found.sizes["PyTorch"][found.drops[0] - 11 : found.drops[0] - 1]
    assert found.drops == (31,) and found.factor == pytest.approx(0.1)
    assert found.kept("PyTorch") == pytest.approx(found.sizes["PyTorch"][30] / before.mean())
    assert "At step 31 the learning rate falls to 0.1 of what it was" in draw("coasting", study).sentence


def test_the_rate_and_the_name_are_told_apart_by_configurations_that_differ_in_nothing_else(study: StoredStudy) -> None:
    found = rates(study)
    assert found.tuned == ("adam", "sgd")  # not Adam's variants, not those under a schedule
    means = {one.lr: one.outcome.mean for one in found.of("sgd")}
    assert sorted(means) == [0.001, 0.01, 0.05]
    assert found.spread("sgd") == pytest.approx(max(means.values()) - min(means.values()))
    best = [found.best(name).outcome.mean for name in found.tuned]
    assert found.between == pytest.approx(max(best) - min(best))


def test_a_study_that_tried_each_optimizer_at_one_rate_cannot_say_what_a_rate_does(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="one", config={}) as store:
        run = store.add_run("sgd", config={"optimizer": {"name": "sgd"}}, seed=0)
        run.scalars(1, 1, {"lr": 0.1, "test/accuracy": 0.5})
        run.finish()
    with pytest.raises(StoreError, match="tried no optimiser at two learning rates"):
        rates(open_study(tmp_path / "s"))


# ── Charts on their own ──


def test_any_study_has_curves(study: StoredStudy) -> None:
    names = study.names()[:16]  # of more, only the best have a colour
    spec = curves_chart(study, "epoch/train_loss", names).to_dict()
    assert {row["label"] for row in rows(spec)} == set(names)
    assert spec["title"]["subtitle"] == "tiny on invented, batches of 8"


def test_a_stage_a_schedule_and_a_range_test_have_charts_of_their_own(study: StoredStudy) -> None:
    from passo.analysis import plans

    steps = np.arange(1, 2001)
    stage = stage_chart(steps, {"rms": np.sin(steps / 50), "[0]": np.cos(steps / 50)}, "adapted", "conv1.weight")
    run = study.run("range-adam-s0")
    test = range_chart(run.array("lr"), run.array("loss"), run.array("smoothed"), 0.01)
    for chart in (stage, test, schedule_chart(plans(study)[0])):
        vl_convert.vegalite_to_vega(chart.to_dict(), vl_version="6.4")
    assert len(rows(stage.to_dict())) == 2 * 600
