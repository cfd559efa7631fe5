"""Pictures of values, reconstructions and a generator: what is drawn and said is what was kept."""

from __future__ import annotations

import base64
import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert
from PIL import Image

from passo.analysis.regressed import rank_correlation, regressed
from passo.errors import StoreError
from passo.figures import Figure, draw_run
from passo.store import Store, StoredRun, open_study


def stored(folder: Path, arrays: dict[str, np.ndarray] | None = None, metrics: dict[str, list[float]] | None = None,
           noisy: bool = False, **config: Any) -> StoredRun:  # fmt: skip
    with Store.create(folder, name="made-up", config={}) as store:
        run = store.add_run("it", config=config)
        run.info(data={"target": "price"})
        for name, values in (arrays or {}).items():
            run.array(name, values, noisy=noisy)
        for name, series in (metrics or {}).items():
            for step, value in enumerate(series, start=1):
                run.scalars(step, step / 100, {name: value})
        run.finish()
    return open_study(folder).runs[0]


def drawn(figure: Figure) -> list[dict[str, str]]:
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def picture(address: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_every_value_is_a_point_and_is_counted_once_in_the_histogram(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(70, 1))
    given = true + 0.5 * rng.normal(size=(70, 1)) + 0.3
    run = stored(tmp_path / "run", {"test/outputs": given, "test/targets": true})
    figure = draw_run("residuals", run)
    rows = drawn(figure)
    points = {(row["true"], row["predicted"]) for row in rows if {"true", "predicted", "residual"} <= row.keys()}
    assert points == {(f"{t:.5g}", f"{p:.5g}") for t, p in zip(true[:, 0], given[:, 0], strict=True)}
    assert sum(float(row["count"]) for row in rows if "count" in row) == 70
    r2 = 1 - ((true - given) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    assert (
        f"(R² {r2:.3f})" in figure.sentence
        and "too high by" in figure.sentence
        and "70 test values of price" in figure.sentence
    )


def test_a_prediction_that_is_worse_than_the_mean_and_targets_all_the_same_are_told_as_such(tmp_path: Path) -> None:
    true = np.array([[1.0], [2.0], [3.0]])
    worse = stored(tmp_path / "a", {"test/outputs": true[::-1], "test/targets": true})
    assert "predicts no better than the mean would (R² -3.000)" in regressed(worse).sentence()
    same = stored(tmp_path / "b", {"test/outputs": true, "test/targets": np.ones((3, 1))})
    assert "has no R², since all true values are the same" in regressed(same).sentence()
    assert drawn(draw_run("residuals", same))


@pytest.mark.parametrize("off", [-20.0, 0.0, 20.0])
def test_the_rule_at_no_error_lies_within_the_residuals_axis(off: float, tmp_path: Path) -> None:
    true = np.arange(6.0)[:, None]
    given = true + off + np.array([[0.5, -0.5, 1, -1, 0.2, 0]]).T
    spec = draw_run("residuals", stored(tmp_path / "run", {"test/outputs": given, "test/targets": true})).spec()

    def axes(part: Any) -> list[Any]:
        if isinstance(part, list):
            return [axis for each in part for axis in axes(each)]
        if not isinstance(part, dict):
            return []
        mine = [part] if str(part.get("field", "")) == "residual" and "scale" in part else []
        return mine + axes(list(part.values()))

    reaches = [axis["scale"]["domain"] for axis in axes(spec) if "domain" in axis["scale"]]
    assert reaches and all(low < 0 < high for low, high in reaches)


def test_rank_correlation_shares_ranks_where_values_tie() -> None:
    a, b = np.array([1.0, 1.0, 2.0, 5.0]), np.array([3.0, 1.0, 2.0, 4.0])
    ranks = np.array([1.5, 1.5, 3, 4]), np.array([3.0, 1.0, 2.0, 4.0])
    assert rank_correlation(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1])


@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 5, 7)])
@pytest.mark.parametrize("noisy", [False, True])
def test_reconstructions_are_drawn_as_they_are_with_their_errors(
    shape: tuple[int, ...], noisy: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    first, worst, over = (rng.random((n, 3, *shape)) for n in (4, 5, 3))
    errors = np.sort(rng.random(50))[::-1]
    arrays = {"test/errors": errors, "test/first": first, "test/worst": worst, "test/worst/places": np.arange(5)}
    run = stored(tmp_path / "run", {**arrays, "reconstructions": np.stack([over, over])}, {"test/psnr_noisy": [3.0]},
                 noisy, task={"noise": "masking", "strength": 0.5})  # fmt: skip
    figure = draw_run("reconstructions", run)
    rows = drawn(figure)
    pictures = [picture(row["picture"]) for row in rows if "picture" in row]
    parts = (0, 1, 2) if noisy else (1, 2)
    assert len(pictures) == 4 * len(parts) + 3 * 3
    for place, part in enumerate(parts):
        for column in range(4):
            plain = (first[column, part].transpose(1, 2, 0).squeeze() * 255).round()
            larger = pictures[4 * place + column].shape[0] // shape[1]
            assert np.array_equal(pictures[4 * place + column][::larger, ::larger], plain)
    gain = -10 * math.log10(errors.mean()) - 3
    told = f"against its masking 0.5 input (3.00 dB) it {'gains' if gain > 0 else 'loses'} {abs(gain):.2f} dB"
    assert (told in figure.sentence) == noisy
    counts = [row for row in drawn(draw_run("errors", run)) if "count" in row]
    assert sum(int(row["count"]) for row in counts) == 50


def test_a_generator_is_told_by_its_last_tenth_and_drawn_in_windows(tmp_path: Path) -> None:
    n = 1000
    series = {
        "d_real": [0.9] * 900 + [0.6] * 100,
        "d_fake": [0.1] * 900 + [0.4] * 100,
        "loss": [2.0] * n,
        "loss_discriminator": [1.0] * n,
    }
    quality = {"test/distance": [0.06], "test/distance_real": [0.02], "test/spread": [0.5]}
    samples = np.random.default_rng(0).random((12, 25, 1, 6, 6))
    metrics = {**{f"train/{name}": values for name, values in series.items()}, **quality}
    run = stored(tmp_path / "run", {"samples": samples}, metrics)
    figure = draw_run("discriminator", run)
    assert "0.60 on average and generated ones with 0.40" in figure.sentence
    assert "3 times as far" in figure.sentence and "vary 50 % as much" in figure.sentence
    points = [row for row in drawn(figure) if row.get("label", "").startswith("D(x)")]
    assert len(points) == 300 and float(points[0]["y"]) == 0.9 and float(points[-1]["y"]) == 0.6
    pictures = [row for row in drawn(draw_run("samples", run)) if "picture" in row]
    assert len(pictures) == 8 * 10
    assert np.array_equal(picture(pictures[-1]["picture"])[::16, ::16], (samples[-1, 9, 0] * 255).round())


@pytest.mark.parametrize("name", ["residuals", "reconstructions", "errors", "discriminator", "samples"])
def test_a_run_of_another_task_says_what_it_lacks(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="train"):
        draw_run(name, stored(tmp_path / "run"))
