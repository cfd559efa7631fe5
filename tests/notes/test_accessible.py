"""The page for everybody: told apart without colour, read on both grounds, and its pictures said in words."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))

from contrasts import contrast, linear

from passo.figures import style
from passo.notes.content import Note

PAGE = Path(style.__file__).parents[1] / "notes" / "page"
SERIES = {name: getattr(style, name) for name in ("BLUE", "ORANGE", "GREEN", "RED", "PINK", "SKY", "GREY")}
SERIES |= {name: getattr(style, name) for name in ("WINE", "INDIGO", "OLIVE", "STONE")}
DEFICIENCIES = {  # Machado, Oliveira and Fernandes (2009), severity 1, over linear RGB
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lightness(rgb: np.ndarray) -> np.ndarray:
    """Linear RGB as OKLab (Ottosson, 2020)."""
    to_cones = [
        [0.41222147, 0.53633254, 0.05144599],
        [0.2119035, 0.68069955, 0.10739696],
        [0.08830246, 0.28171884, 0.6299787],
    ]
    to_lab = [
        [0.21045426, 0.79361779, -0.00407205],
        [1.9779985, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_cones) @ np.clip(rgb, 0, 1))


def variables() -> dict[str, dict[str, str]]:
    """The page's colours by name, on light and on dark ground."""
    css = (PAGE / "page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]*--paper[^}]*)\}", css)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    return {"light": light, "dark": dark}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"), list(itertools.product(("ink", "soft", "accent"), ("paper", "tint", "notice")))
)
def test_text_has_a_contrast_of_4_5_on_its_grounds(scheme: str, ink: str, ground: str) -> None:
    colours = variables()[scheme]
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("name", SERIES)
def test_series_stand_out_on_white_and_on_the_page(name: str) -> None:
    assert min(contrast(SERIES[name], ground) for ground in ("#FFFFFF", variables()["light"]["paper"])) >= 3


def test_every_colour_for_many_names_stands_out() -> None:
    assert min(contrast(colour, "#FFFFFF") for colour in style.OTHERS) >= 3


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_first_five_colours_are_told_apart_with_a_colour_vision_deficiency(deficiency: str) -> None:
    seen = [lightness(np.array(DEFICIENCIES[deficiency]) @ linear(colour)) for colour in style.OTHERS[:5]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.03


def test_many_series_are_told_apart_by_dash_and_shape_without_colour() -> None:
    names = [f"run {i}" for i in range(30)]
    dashes = style.dash("label", names).to_dict()["scale"]["range"]
    shapes = style.shape("label", names).to_dict()["scale"]["range"]
    assert len({(tuple(dash), shape) for dash, shape in zip(dashes, shapes, strict=True)}) == len(names)


def test_curves_over_epochs_have_dashes_and_shapes(note: Note) -> None:
    figures = {block.figure.name: block.figure for block in note.figures()}
    drawn = str(figures["sgd-curves"].spec())
    assert "'strokeDash': {" in drawn and "'shape': {'field': 'label'" in drawn


def test_the_sentence_of_every_figure_carries_numbers(note: Note) -> None:
    assert [block.figure.name for block in note.figures() if not re.search(r"\d", block.figure.sentence)] == []
