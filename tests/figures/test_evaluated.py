"""Pictures of how good a run is: what is drawn is what was counted, for few classes and for many."""

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
from answered import many, stored, sure_of
from PIL import Image

from passo.errors import StoreError, UsageError
from passo.figures import Figure, draw_run
from passo.store import StoredRun

LOSSES = {
    "epoch/train_loss": [2 - 0.05 * e for e in range(1, 31)],
    "validation/loss": [2.5 - 0.05 * e if e <= 10 else 2 + 0.04 * (e - 10) for e in range(1, 31)],
    "validation/accuracy": [0.5 + 0.01 * e for e in range(1, 31)],
}


def drawn(figure: Figure) -> list[dict[str, str]]:
    """All rows that the picture holds; and Vega itself takes it."""
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    assert spec["description"] == figure.sentence
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def with_(rows: list[dict[str, str]], *columns: str) -> list[dict[str, str]]:
    return [row for row in rows if set(columns) <= set(row)]


def run_with(folder: Path, n: int, images: int = 300, **more: Any) -> tuple[StoredRun, np.ndarray, np.ndarray]:
    q, labels = many(n, images)
    return stored(folder, q, labels, classes=[f"kind-{c}" for c in range(n)], **more), q, labels


@pytest.mark.parametrize("n", [2, 10, 20, 100])
def test_every_answer_is_in_one_cell_of_the_confusion_matrix(n: int, tmp_path: Path) -> None:
    run, q, labels = run_with(tmp_path / "run", n, 20 * n)
    figure = draw_run("confusion", run)
    cells = with_(drawn(figure), "true", "predicted", "count")
    told = {(row["true"], row["predicted"]): int(row["count"]) for row in cells}
    counted: dict[tuple[str, str], int] = {}
    for row, label in zip(q.tolist(), labels, strict=True):
        place = (f"kind-{label}", f"kind-{row.index(max(row))}")
        counted[place] = counted.get(place, 0) + 1
    assert told == counted
    for row in cells:
        images = sum(count for (true, _), count in counted.items() if true == row["true"])
        assert float(row["share"]) == pytest.approx(int(row["count"]) / images, rel=1e-4)
        assert (row["right"] == "1") == (row["true"] == row["predicted"])
    svg = vl_convert.vegalite_to_svg(figure.spec(), vl_version="6.4")
    assert all(f">kind-{c}<" in svg for c in range(n)), "every class has its name at the axis"


def test_scores_of_every_class_are_drawn_with_the_best_first_and_0_of_0_in_words(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", sure_of([0, 0, 0, 1], 3), [0, 0, 1, 1], classes=["cat", "dog", "owl"])
    figure = draw_run("classes", run)
    rows = drawn(figure)
    scores = {(row["class"], row["score"]): row["value"] for row in with_(rows, "class", "score", "value")}
    assert float(scores["cat", "precision"]) == pytest.approx(2 / 3, rel=1e-4)
    assert float(scores["dog", "recall"]) == 0.5 and scores["owl", "F1"] == ""
    assert {row["class"]: row["word"] for row in with_(rows, "class", "word")} == {
        "owl": "precision, recall and F1 0/0"
    }
    assert {row["class"]: row["images"] for row in with_(rows, "images")} == {"cat": "2", "dog": "2", "owl": "0"}
    assert {row["word"] for row in with_(rows, "value", "word")} == {"accuracy 75.0 %"}


def test_balanced_accuracy_is_drawn_where_it_is_another(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", sure_of([0] * 4, 2), [0, 0, 0, 1])
    words = {row["word"] for row in with_(drawn(draw_run("classes", run)), "value", "word")}
    assert words == {"accuracy 75.0 %", "balanced accuracy 50.0 %"}


def test_the_reliability_diagram_shows_every_bin_that_holds_images(tmp_path: Path) -> None:
    run, q, _ = run_with(tmp_path / "run", 4)
    q = q.astype(np.float32).astype(np.float64)
    figure = draw_run("calibration", run, bins=5)
    rows = drawn(figure)
    points = with_(rows, "x", "y", "low", "high", "images")
    inside = [[top for top in q.max(1) if b / 5 < top <= (b + 1) / 5] for b in range(5)]
    assert [int(row["images"]) for row in points] == [len(tops) for tops in inside if tops]
    assert [float(row["x"]) for row in points] == pytest.approx([np.mean(tops) for tops in inside if tops], rel=1e-4)
    bars = with_(rows, "which", "images")
    assert sum(int(row["images"]) for row in bars) == 300
    assert {row["which"] for row in bars} == {"right", "wrong"}
    assert "in 5 bins" in figure.caption and "expected calibration error" in figure.sentence


def picture(address: str) -> np.ndarray:
    head, _, body = address.partition(",")
    assert head == "data:image/png;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(body))))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (32, 32, 3), (3, 32, 32)])
def test_the_hardest_images_are_drawn_as_they_are(shape: tuple[int, ...], tmp_path: Path) -> None:
    run, q, labels = run_with(tmp_path / "run", 3, 40)
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    figure = draw_run("hardest", run, images=images, most=7)
    rows = with_(drawn(figure), "picture")
    order = np.argsort(q[np.arange(40), labels])[:7]
    assert [int(row["place"].split()[1]) for row in rows] == order.tolist()
    for row, index in zip(rows, order, strict=True):
        told = picture(row["picture"])
        larger = told.shape[0] // 28 if 28 in shape else told.shape[0] // 32
        plain = images[index]
        if shape[0] in (1, 3):
            plain = plain.transpose(1, 2, 0)
        assert np.array_equal(told[::larger, ::larger].squeeze(), plain.squeeze())
        assert row["true"].startswith(f"kind-{labels[index]} ")
        likeliest = int(q[index].argmax())
        assert row["taken"].startswith(f"kind-{likeliest} " if likeliest != labels[index] else "")


def test_hardest_images_without_images_or_with_others_are_refused(tmp_path: Path) -> None:
    run, _, _ = run_with(tmp_path / "run", 3, 40)
    with pytest.raises(UsageError, match="pass the test's"):
        draw_run("hardest", run)
    with pytest.raises(StoreError, match="tested on 40 images, but 39 were given"):
        draw_run("hardest", run, images=np.zeros((39, 28, 28), np.uint8))


def test_over_fitting_is_drawn_with_training_at_the_middle_of_its_epochs(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", metrics=LOSSES)
    figure = draw_run("overfitting", run)
    rows = drawn(figure)
    lines = with_(rows, "x", "y", "label")
    training = [(float(r["x"]), float(r["y"])) for r in lines if r["label"] == "training"]
    assert np.array(training) == pytest.approx(np.array([(e - 0.5, 2 - 0.05 * e) for e in range(1, 31)]))
    assert len([r for r in lines if r["label"] == "validation"]) == 60, "losses, and accuracies"
    (since,) = {row["word"] for row in with_(rows, "word") if row["word"].startswith("growing since")}
    assert since.removeprefix("growing since ") in figure.sentence
    assert "This run kept no accuracy in training." in figure.caption
    again = draw_run("overfitting", stored(tmp_path / "ema", metrics=LOSSES, config={"average": 0.99}))
    assert "averaged weights" in again.caption


@pytest.mark.parametrize("epochs", [1, 3, 6])
def test_a_short_run_is_drawn_too(epochs: int, tmp_path: Path) -> None:
    metrics = {name: values[:epochs] for name, values in LOSSES.items()}
    rows = drawn(draw_run("overfitting", stored(tmp_path / "run", metrics=metrics)))
    assert not any(row["word"].startswith("growing") for row in with_(rows, "word"))


def test_cross_entropy_is_drawn_as_entropy_and_divergence_end_to_end(tmp_path: Path) -> None:
    run, q, labels = run_with(tmp_path / "run", 4, metrics=LOSSES)
    figure = draw_run("cross-entropy", run, smoothing=0.2)
    rows = drawn(figure)
    bars = {(row["p"], row["which"].split(",")[0]): row for row in with_(rows, "p", "which")}
    assert float(bars["labels", "entropy"]["high"]) == 0
    loss = -np.log(q[np.arange(300), labels]).mean()
    assert float(bars["labels", "divergence"]["high"]) == pytest.approx(loss, rel=1e-4)
    smooth = -(0.85 * math.log(0.85) + 3 * 0.05 * math.log(0.05))
    for which, end in (("entropy", "high"), ("divergence", "low")):
        assert float(bars["labels smoothed by 0.2", which][end]) == pytest.approx(smooth, rel=1e-4)
    epochs = with_(rows, "x", "y", "bits")
    assert [float(row["y"]) for row in epochs] == pytest.approx(LOSSES["validation/loss"], rel=1e-4)
    assert all(float(r["bits"]) == pytest.approx(float(r["y"]) / math.log(2), rel=1e-4) for r in epochs)
    without, _, _ = run_with(tmp_path / "without", 4)
    alone = draw_run("cross-entropy", without)
    assert not with_(drawn(alone), "bits") and "Below" not in alone.caption


@pytest.mark.parametrize("name", ["calibration", "classes", "confusion", "cross-entropy", "overfitting", "hardest"])
def test_a_lens_on_somebody_s_own_loop_answers_in_a_sentence(name: str) -> None:
    from watched_run import train

    with pytest.raises((StoreError, UsageError), match="kept no predictions|no losses per epoch|draws images"):
        draw_run(name, train("SGD", steps=3).run())
