"""The picture of a loss surface: valid, true to its numbers, and with the shares printed on it."""

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import vl_convert

from passo.analysis import loss_surface
from passo.analysis.landscapes import missed, shown
from passo.figures import Figure, landscape_chart


@dataclass
class Held:
    """A landscape as it is read: arrays and info."""

    arrays: dict[str, np.ndarray]
    info: dict[str, Any]

    def array(self, name: str) -> np.ndarray:
        return self.arrays[name]


def landscape(stretch: float = 1.0, **info: Any) -> Held:
    """The loss a² + b² + 0.1 around a path that comes in along a curve."""
    x, y = np.linspace(-1, 4, 21), np.linspace(-1.5, 1.5, 21) * stretch
    t = np.linspace(1, 0, 12)
    path = np.stack([3 * t, stretch * np.sin(3 * t) * t], 1)
    loss = x[None] ** 2 + (y[:, None] / stretch) ** 2 + 0.1
    whole = np.linalg.norm(path, axis=1) * 1.1
    moves = np.linalg.norm(np.diff(path, axis=0), axis=1)
    arrays = {
        "x": x,
        "y": y,
        "loss": loss,
        "steps": np.arange(12) * 7,
        "path": path,
        "path_loss": (path**2).sum(1) + 0.3,
        "plane_loss": (path**2).sum(1) + 0.1,
        "distances": np.stack([whole, whole / 1.1], 1),
        "moves": np.stack([2 * moves, moves], 1),
        "shares": np.array([0.8, 0.026, 0.1]),
    }
    facts = {
        "directions": "pca",
        "loss": "CrossEntropyLoss",
        "data": "fashion-mnist-sample",
        "part": "training",
        "images": 1000,
        "of": 2700,
        "weights": 61706,
        "buffers": 0,
        "batch_norm": "running",
        "seed": 4,
        "second_is_random": False,
        "source": {"model": "lenet", "optimizer": "adam"},
    }
    return Held(arrays, {**facts, **info})


def datasets(figure: Figure) -> list[list[dict[str, str]]]:
    return [list(csv.DictReader(io.StringIO(text))) for text in figure.spec()["datasets"].values()]


def with_columns(figure: Figure, *names: str) -> list[dict[str, str]]:
    return next(rows for rows in datasets(figure) if rows and set(rows[0]) == set(names))


@pytest.mark.parametrize("directions", ["pca", "random"])
def test_the_figure_is_valid_vega_lite_with_its_sentence_as_description(directions: str) -> None:
    figure = landscape_chart(landscape(directions=directions))
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    assert spec["description"] == figure.sentence
    assert "nan" not in (figure.sentence + figure.caption).lower()


def test_the_shares_and_the_error_are_printed_on_the_figure() -> None:
    found = loss_surface(landscape())
    spec = landscape_chart(landscape()).spec()
    assert spec["title"]["text"] == "The loss of lenet along its training with adam"
    assert " ".join(spec["title"]["subtitle"]) == f"{shown(found)} {missed(found)}"
    assert "50 % of its length" in " ".join(spec["title"]["subtitle"])


def test_the_path_is_drawn_with_its_steps_and_both_losses() -> None:
    held = landscape()
    rows = with_columns(landscape_chart(held), "x", "y", "step", "real", "plane")
    for name, known in (
        ("x", held.arrays["path"][:, 0]),
        ("y", held.arrays["path"][:, 1]),
        ("step", held.arrays["steps"]),
        ("real", held.arrays["path_loss"]),
        ("plane", held.arrays["plane_loss"]),
    ):
        assert [float(row[name]) for row in rows] == pytest.approx(known.tolist(), rel=1e-4, abs=1e-12)


def test_the_lower_panel_has_the_real_loss_and_that_on_the_plane() -> None:
    held = landscape()
    drawn = [row for rows in datasets(landscape_chart(held)) for row in rows if set(row) == {"x", "y", "label"}]
    for label, name in (("real loss", "path_loss"), ("loss on the plane", "plane_loss")):
        values = [float(row["y"]) for row in drawn if row["label"] == label]
        assert values == pytest.approx(held.arrays[name].tolist(), rel=1e-4)


def test_outlines_lie_where_the_loss_has_the_level_that_is_written_on_them() -> None:
    rows = [row for rows in datasets(landscape_chart(landscape())) for row in rows if set(row) == {"x", "y", "label"}]
    labels = [row for row in rows if row["label"][0].isdigit()]
    assert len(labels) >= 4
    for row in labels:
        assert float(row["x"]) ** 2 + float(row["y"]) ** 2 + 0.1 == pytest.approx(float(row["label"]), rel=0.06)


def test_random_directions_show_the_end_and_no_path() -> None:
    figure = landscape_chart(landscape(directions="random"))
    assert not any("step" in row for rows in datasets(figure) for row in rows)
    assert "around the end of its training with adam" in figure.spec()["title"]["text"]
    assert "vconcat" not in figure.spec()


def test_the_caption_says_which_images_directions_and_weights() -> None:
    caption = landscape_chart(landscape()).caption
    assert "1,000 of 2,700 training images of fashion-mnist-sample" in caption
    assert "of 61,706 weights; seed 4" in caption
    assert "12 recorded points" in caption
    assert "BatchNorm" not in caption and "finite" not in caption and "upwards" not in caption
    own = landscape(data="(tensors)", source=None, of=1000)
    del own.info["part"]
    assert "over all samples of (tensors)" in landscape_chart(own).caption


def test_the_caption_says_what_is_unusual() -> None:
    held = landscape(buffers=16, second_is_random=True)
    held.arrays["loss"][0, :3] = np.nan
    caption = landscape_chart(held).caption
    assert "BatchNorm normalises by the statistics that were running at the end." in caption
    assert "The path is a straight line" in caption
    assert "At 3 points the loss is not finite" in caption
    assert "of all these images at once" in landscape_chart(landscape(buffers=16, batch_norm="batch")).caption


def test_a_unit_is_as_long_upwards_as_to_the_right_or_the_caption_says_so() -> None:
    spec = landscape_chart(landscape()).spec()["vconcat"][0]
    assert spec["height"] / spec["width"] == pytest.approx(3 / 5)
    flat = landscape_chart(landscape(stretch=0.2))
    height = flat.spec()["vconcat"][0]["height"]
    assert height == 280
    assert f"A unit is {height / (560 * 0.6 / 5):.1f} times as long upwards as to the right." in flat.caption


def test_a_surface_that_is_negative_or_flat_is_drawn_too() -> None:
    held = landscape()
    held.arrays["loss"] = held.arrays["loss"] - 8
    assert vl_convert.vegalite_to_svg(landscape_chart(held).spec(), vl_version="6.4")
    held.arrays["loss"] = np.full_like(held.arrays["loss"], 0.5)
    assert vl_convert.vegalite_to_svg(landscape_chart(held).spec(), vl_version="6.4")
