"""Figures of a watched run hold its numbers and say them; the sliders work in a browser without a network."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from watched_run import Held, train

from passo.analysis.apart import apart
from passo.analysis.layers import QUANTITIES, layers
from passo.errors import StoreError, UnknownName, UsageError
from passo.figures.betas import _STOPS
from passo.figures.page import page, save_figure
from passo.figures.panels import log_ticks, tick_words
from passo.figures.watched import RUN_FIGURES, draw_run

NAMES = ["activations", "apart", "betas", "clipping", "cosine", "distributions", "effective-lr", "layers",
         "loss-change", "ratios", "residual", "signal", "stages", "weights"]  # fmt: skip
EVALUATED = ["calibration", "classes", "confusion", "cross-entropy", "hardest", "overfitting"]  # test_evaluated.py
PROBED = ["curvature", "drift", "noise-scale", "rank"]  # test_probed.py
OF_TASKS = ["discriminator", "errors", "reconstructions", "residuals", "samples"]  # test_tasks_drawn.py
ADAM = train("Adam", clip=1.0, weight_decay=0.01)
SGD = train("SGD", nesterov=True)
CHROMIUM = Path("/usr/bin/chromium")


def rows(spec: dict[str, Any]) -> list[dict[str, str]]:
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def series(spec: dict[str, Any], label: str) -> list[float]:
    return [float(row["y"]) if row["y"] else np.nan for row in rows(spec) if row.get("label") == label]


def test_the_registry_holds_the_figures_of_a_run() -> None:
    assert list(RUN_FIGURES) == sorted([*NAMES, *EVALUATED, *PROBED, *OF_TASKS])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD", "Unheard"])
def test_a_figure_is_valid_and_says_what_it_shows_or_the_run_lacks_it(name: str, optimizer: str) -> None:
    run = train(optimizer, steps=12).run()
    lacks = {"signal": ("SGD", "Unheard"), "residual": ("Unheard",)}
    lacks["weights"] = ("Adam", "AdamW", "SGD", "Unheard")  # kept at a training's end: tests/figures/test_weights.py
    if optimizer in lacks.get(name, ()):
        with pytest.raises((StoreError, UnknownName), match="exp_avg_sq_hat|residual|kept no weights"):
            draw_run(name, run)
        return
    figure = draw_run(name, run)
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    assert spec["description"] == figure.sentence and figure.sentence.endswith(".")
    assert "nan" not in (figure.sentence + figure.caption).lower() and spec["title"]["text"]
    assert json.dumps(spec) == json.dumps(draw_run(name, run).spec())


def test_the_waterfall_carries_every_part_from_the_size_before_to_the_size_after() -> None:
    run = ADAM.run()
    found = apart(run, "fc1.weight", (1, 2), 37)
    drawn = rows(draw_run("apart", run, parameter="fc1.weight", index=(1, 2), step=37).spec())
    parts = {row["words"]: row for row in drawn}
    for before, part in zip(found.way, found.way[1:], strict=False):
        row = next(r for r in drawn if r["equation"] == part.equation)
        assert float(row["size"]) == pytest.approx(abs(part.value), rel=1e-4)
        assert float(row["from"]) == pytest.approx(abs(before.value), rel=1e-4)
        assert row["sign"] == ("positive" if part.value > 0 else "negative")
    assert parts["its root, and ε"]["from"] == ""  # a root is no factor
    assert len(drawn) == len(found.way) + len(found.scale)


def test_a_part_that_is_zero_has_no_place_on_a_logarithm_and_is_told() -> None:
    run = ADAM.run()
    step = next(s for s in ADAM.whole if ADAM.whole[s]["fc1.weight"]["grad_raw"][1, 2] == 0)
    drawn = rows(draw_run("apart", run, parameter="fc1.weight", index=(1, 2), step=step).spec())
    assert (drawn[0]["size"], drawn[0]["told"]) == ("", "0")


def test_stages_are_drawn_from_their_own_traces() -> None:
    spec = draw_run("stages", ADAM.run(), parameter="fc1.weight", index=(1, 2)).spec()
    for label, stage in (
        ("gradient before clipping", "grad_raw"),
        ("gradient", "grad"),
        ("its corrected average", "exp_avg_hat"),
        ("adapted gradient", "adapted"),
    ):
        expected = [ADAM.whole[step]["fc1.weight"][stage][1, 2] for step in ADAM.whole]
        np.testing.assert_allclose(series(spec, label), expected, rtol=1e-4)
    measured = [-ADAM.whole[step]["fc1.weight"]["update"][1, 2] / 0.01 for step in ADAM.whole]
    np.testing.assert_allclose(series(spec, "measured update / −lr"), measured, rtol=1e-4)
    scaling = [1 / (ADAM.whole[s]["fc1.weight"]["exp_avg_sq_hat"][1, 2] ** 0.5 + 1e-8) for s in ADAM.whole]
    np.testing.assert_allclose(series(spec, "1 / (√v̂ + ε)"), scaling, rtol=1e-4)


def test_an_optimiser_without_squares_shows_its_learning_rate_and_its_buffer() -> None:
    spec = draw_run("stages", SGD.run(), parameter="fc1.weight").spec()
    assert set(series(spec, "learning rate")) == {0.02}
    assert len(series(spec, "momentum buffer")) == 40


@pytest.mark.parametrize("quantity", [*QUANTITIES, "exp_avg"])
def test_a_few_layers_are_lines_with_the_values_of_the_analysis(quantity: str) -> None:
    run = ADAM.run()
    spec = draw_run("layers", run, quantity=quantity).spec()
    found = layers(run)
    values = QUANTITIES[quantity].of(found) if quantity in QUANTITIES else found.rms[quantity]
    for column, name in enumerate(found.names):
        shown = series(spec, name)
        there = [k for k, value in enumerate(shown) if not np.isnan(value)]
        np.testing.assert_allclose(np.array(shown)[there], values[there, column], rtol=1e-4)
        assert len(there) >= np.isfinite(values[:, column]).sum() - (values[:, column] == 0).sum()


def test_the_rule_of_thumb_lies_within_the_frame_of_the_ratios() -> None:
    spec = draw_run("ratios", ADAM.run()).spec()
    assert any(row.get("y") == "0.001" and "CS231n" in row["label"] for row in rows(spec))
    (low, high) = next(d for d in _domains(spec) if isinstance(d[0], float) and d[1] > 0.01)
    assert low <= 1e-3 <= high


def _domains(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("scale"), dict) and "domain" in value["scale"]:
            yield value["scale"]["domain"]
        for inner in value.values():
            yield from _domains(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _domains(inner)


def test_many_layers_become_a_map_with_a_cell_for_each_layer_and_step() -> None:
    drawn = rows(draw_run("layers", _many(ADAM.run())).spec())
    assert len(drawn) == 12 * 40 and {row["layer"] for row in drawn} == {f"layer{i}" for i in range(12)}
    expected = layers(ADAM.run()).rms["grad"]
    for row in drawn[::7]:
        step = int(row["step"])
        assert float(row["x"]) == step - 0.5 and float(row["x2"]) == pytest.approx(step + 0.56)
        value = expected[step - 1, int(row["layer"][5:]) % 4]
        assert float(row["value"]) == pytest.approx(value, rel=0.01)


def _many(run: Held) -> Held:
    """Twelve layers: the first four parameters, three times."""
    values, meta = run.held["statistics"]
    twelve = {**meta, "parameters": [f"layer{i}" for i in range(12)], "sizes": [2] * 12, "groups": [0] * 12}
    run.held = {**run.held, "statistics": (np.tile(values[:, :, :4], (1, 1, 3, 1)), twelve)}
    return run


def test_of_dead_units_only_the_layers_that_have_a_share_have_a_row() -> None:
    run = ADAM.run()
    values, meta = run.held["activations"]  # (40, 1, 4)
    many = np.tile(values, (1, 12, 1))
    many[:, ::2, meta["quantities"].index("dead")] = np.nan
    names = [f"layer{i}" for i in range(12)]
    run.held = {**run.held, "activations": (many, {**meta, "layers": names, "kinds": ["ReLU"] * 12})}
    spec = draw_run("activations", run).spec()
    assert vl_convert.vegalite_to_svg(spec, vl_version="6.4").startswith("<svg")
    rows_ = [panel for pair in spec["vconcat"] for panel in pair["hconcat"]]
    shown = {panel["title"]["text"]: panel["encoding"]["y"]["sort"] for panel in rows_}
    assert shown["share of dead units"] == names[1::2] and shown["mean"] == names


@pytest.mark.parametrize("spread", [1.0, 1e3, 1e9, 1e15])
def test_ticks_of_a_logarithm_are_few_and_all_written_in_one_way(spread: float) -> None:
    ticks = log_ticks(3e-7, 3e-7 * spread * 1.1, most=6)
    assert len(ticks) <= 6 and all(3e-7 <= tick <= 3.3e-7 * spread for tick in ticks)
    words = tick_words(ticks)
    assert not any("e-" in word or "0.0" in word for word in words) and len(set(words)) == len(words)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "weights"])
def test_before_the_first_step_there_is_nothing_to_draw_and_one_sentence(name: str) -> None:
    import torch

    from passo.recording import watch

    model = torch.nn.Linear(3, 2)
    with (
        watch(torch.optim.Adam(model.parameters()), model, activations=True) as lens,
        pytest.raises(UsageError, match=r"^no step has been recorded yet: call optimizer.step\(\) first, then draw"),
    ):
        lens.figure(name)


def test_predicted_and_measured_losses_are_drawn_beside_each_other() -> None:
    spec = draw_run("loss-change", SGD.run()).spec()
    came = [after - before for before, after in SGD.losses.values()]
    np.testing.assert_allclose(series(spec, "came"), came, rtol=1e-4)
    assert len(series(spec, "predicted by the gradient")) == 40
    alone = draw_run("loss-change", SGD.run(without=("loss",)))
    assert "came" not in {row.get("label") for row in rows(alone.spec())} and "not known" in alone.sentence


def test_an_option_that_a_figure_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match="figure 'ratios' takes no 'step': it takes no options"):
        draw_run("ratios", ADAM.run(), step=3)
    with pytest.raises(UnknownName, match="unknown figure of a run 'layer'. Did you mean 'layers'"):
        draw_run("layer", ADAM.run())


# ── Files ──


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_figure_is_saved_by_its_ending(ending: str, tmp_path: Path) -> None:
    figure = draw_run("apart", ADAM.run())
    saved = save_figure(figure, tmp_path / "deep" / f"step.{ending}").read_bytes()
    assert saved.startswith({"png": b"\x89PNG", "svg": b"<svg", "html": b"<!DOCTYPE html>"}[ending])
    if ending == "html":
        assert b"taken apart" in saved and b"<script src" not in saved and b"<link" not in saved


def test_another_ending_and_a_place_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    figure = draw_run("ratios", ADAM.run())
    with pytest.raises(UsageError, match="saved as .html, .png, .svg, got 'x.pdf'"):
        save_figure(figure, tmp_path / "x.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="^cannot write .*file/x.html"):
        save_figure(figure, tmp_path / "file" / "x.html")


def test_the_page_carries_its_sentence_as_text_and_not_as_markup() -> None:
    figure = draw_run("ratios", ADAM.run())
    bad = type(figure)(figure.name, figure.chart, "a <b> & c", 'so "it" is <script>')
    text = page(bad)
    assert "a &lt;b&gt; &amp; c" in text and "<script>" not in text.split("<script>")[0]
    assert "so &quot;it&quot; is &lt;script&gt;" in text


# ── β and ε under sliders ──


def test_the_sliders_start_at_the_runs_own_values() -> None:
    spec = draw_run("betas", train("Adam", betas=[0.95, 0.98], eps=1e-6).run()).spec()
    params = {param["name"]: param for param in spec["params"] if isinstance(param.get("bind"), dict)}
    assert {name: param["value"] for name, param in params.items()} == {"b1": 13, "b2": 17, "e": 12}
    assert all(param["bind"]["input"] == "range" for param in params.values())
    assert set(params) == set(_STOPS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


ADAPTED = """() => {
  const found = {};
  for (const name of Object.keys(window.view.getState({data: () => true, signals: () => false}).data)) {
    const values = window.view.data(name);
    for (const row of values) if (row.label && row.y !== undefined) (found[row.label] ??= {})[row.x] = row.y;
  }
  return found;
}"""


@pytest.mark.browser
@pytest.mark.slow
def test_moving_a_slider_recomputes_the_averages_in_the_page_and_asks_for_nothing(
    chromium: Any, tmp_path: Path
) -> None:
    run = ADAM.run()
    path = save_figure(draw_run("betas", run, parameter="fc1.weight", index=(1, 2)), tmp_path / "betas.html")
    opened = chromium.new_context(offline=True).new_page()
    asked: list[str] = []
    logged: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: logged.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: logged.append(str(error)))
    opened.goto(path.as_uri())
    opened.wait_for_function("document.documentElement.dataset.chart === 'drawn'")

    def drawn() -> dict[str, list[float]]:
        return {label: list(points.values()) for label, points in opened.evaluate(ADAPTED).items()}

    own = [ADAM.whole[step]["fc1.weight"]["adapted"][1, 2] for step in ADAM.whole]
    before = drawn()
    np.testing.assert_allclose(before["adapted gradient"], own, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(before["measured in the run"][-40:], own, rtol=1e-3, atol=1e-4)

    for number, value in enumerate(("0", "20", "20")):  # β₁ = 0, β₂ = 0.99, ε = 0.01
        opened.locator("input[type=range]").nth(number).evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
        )
    opened.wait_for_timeout(300)
    told = opened.locator("svg.marks").text_content()
    assert "β₁ = 0, remembers nothing" in told and "β₂ = 0.99, forgets half" in told and "ε = 1e-2" in told
    grad = np.array([ADAM.whole[step]["fc1.weight"]["decayed"][1, 2] for step in ADAM.whole])
    v, expected = 0.0, []
    for t, g in enumerate(grad, start=1):
        v = 0.99 * v + 0.01 * g * g
        expected.append(g / ((v / (1 - 0.99**t)) ** 0.5 + 0.01))
    np.testing.assert_allclose(drawn()["adapted gradient"], expected, rtol=2e-3, atol=1e-4)
    assert logged == [] and asked == [path.as_uri()]
