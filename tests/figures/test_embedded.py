"""Maps of test images as charts: what they carry, what a pointer shows, and two models side by side."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo.analysis.embedded import Embedded, Mapped
from passo.errors import StoreError
from passo.figures import draw
from passo.figures.embedded import draw_embedding
from passo.notes import content
from passo.notes.html import page
from passo.store import Store, StoredStudy, open_study

Image = pytest.importorskip("PIL.Image")


def invented(count: int = 60, classes: int = 3, shape: tuple[int, ...] = (28, 28), seed: int = 0) -> Embedded:
    """Points on a circle for each class, one in ten an error, with pictures of stripes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = 50 * np.stack([np.cos(2 * np.pi * labels / classes), np.sin(2 * np.pi * labels / classes)], 1)
    maps = [
        Mapped((centres + 6 * rng.standard_normal((count, 2))).astype(np.float32), width, 20.0, 10, 0.5, 0.97, *shares)
        for width, shares in ((784, (0.5, 0.6, 0.58)), (64, (0.7, 0.9, 0.88)))
    ]
    predicted = np.where(rng.random(count) < 0.1, (labels + 1) % classes, labels)
    thumbnails = rng.integers(0, 256, (count, *shape), np.uint8)
    names = tuple(f"class {c}" for c in range(classes))
    return Embedded("net", names, *maps, labels, predicted, np.arange(count), thumbnails, "out", count, 0)


def rows(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    """The one table that a chart carries."""
    (text,) = spec["datasets"].values()
    return list(csv.DictReader(io.StringIO(text)))


def test_every_image_is_one_row_with_both_places_its_classes_and_its_picture() -> None:
    greys = 90 + np.arange(60, dtype=np.uint8)
    found = replace(invented(), thumbnails=np.broadcast_to(greys[:, None, None], (60, 28, 28)))
    table = rows(draw_embedding(found).spec())
    assert len(table) == 60
    for i, row in enumerate(table):
        assert row["label"] == f"class {i % 3}" and row["taken0"] == found.classes[found.predicted[i]]
        assert float(row["hidden0_x"]) == pytest.approx(found.hidden.xy[i, 0], rel=1e-3)
        assert float(row["inputs_y"]) == pytest.approx(found.inputs.xy[i, 1], rel=1e-3)
        picture = Image.open(io.BytesIO(base64.b64decode(row["picture"]))).convert("L")
        assert picture.size == (28, 28) and abs(np.asarray(picture).mean() - (90 + i)) < 3


def test_a_page_of_two_thousand_thumbnails_is_below_three_megabytes() -> None:
    import passo

    raw = passo.load("fashion-mnist-sample").test.raw
    figure = draw_embedding(replace(invented(2000, 10), thumbnails=np.concatenate([raw, raw])))
    made = page(content.Note("Maps", "", "en", (), (content.Section("it", "It", (content.FigureBlock(1, figure),)),)))
    assert len(made.encode()) < 3_000_000


def test_both_axes_of_a_map_have_one_scale() -> None:
    found = invented()
    spec = draw_embedding(found).spec()
    for panel in spec["hconcat"]:
        ends = [panel["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in "xy"]
        widths = [high - low for low, high in ends]
        assert widths[0] == pytest.approx(widths[1]) and panel["width"] == panel["height"]


def test_rows_of_a_table_have_no_pictures_and_many_classes_no_legend() -> None:
    spec = draw_embedding(replace(invented(), thumbnails=np.zeros((60, 0, 0), np.uint8))).spec()
    assert "picture" not in rows(spec)[0] and "image" not in json.dumps(spec["hconcat"])
    many = draw_embedding(invented(200, 40))
    colour = many.spec()["hconcat"][0]["layer"][0]["encoding"]["color"]
    assert colour["legend"] is None and len(colour["scale"]["range"]) == 40
    assert "16 colours are used in turn" in many.caption


def seen(folder: Path, *, second: Embedded | None = None, models: tuple[str, ...] = ("small", "large")) -> StoredStudy:
    """A study that looked into its two models, as its stage of seeing writes it."""
    first = replace(invented(), name="small")
    second = second or replace(invented(seed=0), name="large", hidden=replace(first.hidden, own=0.95))
    with Store.create(folder, name="two", config={}) as study:
        study.facts(pair={"labels": ["small", "large"], "matched": [{}, {}], "within": 0.02, "difference": 0.01})
        for label, found in zip(("small", "large"), (first, second), strict=True):
            if label not in models:
                continue
            run = study.add_run(f"seeing-base-{label}", kind="seeing", config={"of": f"base-{label}", "model": label})
            for key, values in arrays(found).items():
                run.array(f"embedding/{key}", values)
            run.info(embedding=facts(found))
            run.finish()
    return open_study(folder)


def arrays(found: Embedded) -> dict[str, np.ndarray]:
    others = {name: getattr(found, name) for name in ("labels", "predicted", "positions", "thumbnails")}
    return {"inputs": found.inputs.xy, "hidden": found.hidden.xy, **others}


def facts(found: Embedded) -> dict[str, Any]:
    maps = {
        name: {key: value for key, value in vars(getattr(found, name)).items() if key != "xy"}
        for name in ("inputs", "hidden")
    }
    return {"name": found.name, "layer": "out", "count": len(found), "seed": 0, "classes": list(found.classes), **maps}


def test_two_models_stand_side_by_side_on_the_same_images(tmp_path: Path) -> None:
    figure = draw("embedding-pair", seen(tmp_path / "two"))
    assert "by their pixels, 90.0 % by what small makes of them" in figure.sentence
    assert "95.0 % by what large makes of them" in figure.sentence
    assert len(figure.spec()["hconcat"]) == 3 and len(rows(figure.spec())) == 60
    figure.save(tmp_path)


def test_a_study_that_did_not_look_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"kept nothing of 'embedding' for large"):
        draw("embedding-pair", seen(tmp_path / "one", models=("small",)))
    other = replace(invented(), name="large", positions=np.arange(60)[::-1])
    with pytest.raises(StoreError, match="maps other images of small than of large"):
        draw("embedding-pair", seen(tmp_path / "other", second=other))
