"""The shipped study of two models, on somebody's own folder: sixty colour images of different sizes, two odd files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passo import store
from passo.analysis.pair import configured, pair
from passo.experiments import read_study
from passo.figures import PAIR_FIGURES, draw

QUICK = (
    "--quick",
    "--set",
    "leave=[]",
    "--set",
    "epochs=2",
    "--set",
    "dataset.size=16",
    "--set",
    "dataset.per_class=15",
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("own") / "pictures", np.random.default_rng(0)
    for number in range(60):
        kind = ("disc", "square", "lines")[number % 3]
        high, wide = rng.integers(20, 60, 2)
        y, x = np.mgrid[:high, :wide]
        down, across = (y - high / 2) / high, (x - wide / 2) / wide
        inside = {
            "disc": down**2 + across**2 < 0.09,
            "square": (abs(down) < 0.3) & (abs(across) < 0.3),
            "lines": y % 6 < 3,
        }
        pixels = rng.integers(0, 80, (high, wide, 3)) + 150 * inside[kind][..., None]
        path = folder / kind / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    (folder / "disc" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "lines" / "empty.jpg").write_bytes(b"")
    return folder


def passo(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "passo", *words], cwd=where, capture_output=True, text=True)


@pytest.fixture(scope="module")
def ran(pictures: Path) -> subprocess.CompletedProcess[str]:
    return passo(
        "study", "run", "nn-vs-cnn", *QUICK, "--set", "dataset=pictures", "--out", "two", where=pictures.parent
    )


@pytest.mark.slow
def test_sixty_images_of_different_sizes_go_through_the_whole_study(
    ran: subprocess.CompletedProcess[str], pictures: Path
) -> None:
    assert ran.returncode == 0, ran.stderr
    assert "2 images were skipped: disc/broken.png" in ran.stderr
    assert "left out: size,per_class=100" in ran.stderr.replace("\n", " ")
    study = store.open_study(pictures.parent / "two")
    assert study.status == "done" and not study.facts["failed"] and study.facts["quick"]
    assert study.facts["data"]["skipped_count"] == 2 and study.facts["data"]["in_shape"] == [3, 16, 16]
    assert pair(study).difference <= 0.02
    made = {one.entry for one in configured(study)}
    assert {"small", "validated", "base", "on-shift", "unbalanced", "resampled", "classes", "explored"} <= made
    assert {run.name for run in study.runs if run.kind == "seeing"} == {"seeing-base-mlp", "seeing-base-cnn"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["robustness", "flips", "imbalance", "confusion-pair", "embedding-pair", "gradcam"])
def test_its_figures_are_drawn(ran: subprocess.CompletedProcess[str], pictures: Path, name: str) -> None:
    assert name in PAIR_FIGURES
    assert draw(name, store.open_study(pictures.parent / "two")).sentence


@pytest.mark.slow
def test_its_report_has_two_pages(ran: subprocess.CompletedProcess[str], pictures: Path) -> None:
    report = passo("note", "two", "--format", "pdf", "--pages", "2", "--author", "A. Student", where=pictures.parent)
    assert report.returncode == 0, report.stderr
    assert "2 pages" in report.stdout or "1 page" in report.stdout
    (pdf,) = (pictures.parent / "two" / "note").glob("*.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_every_choice_of_the_assignment_is_explored() -> None:
    choices = {entry.choice for entry in read_study("nn-vs-cnn").runs}
    assert choices >= {
        "parameters", "layers", "units and filters", "kernel size", "activation", "normalisation", "regularisation",
        "initialisation", "batch size", "learning rate", "optimiser",
    }  # fmt: skip


def test_a_class_with_fewer_images_than_asked_for_is_told_before_anything_is_made(pictures: Path) -> None:
    asked = ("--set", "dataset=pictures", "--set", "dataset.size=16", "--out", "never")
    refused = passo("study", "run", "nn-vs-cnn", *asked, where=pictures.parent)
    assert refused.returncode == 2
    assert "per_class=300" in refused.stderr and "give at most 16" in refused.stderr.replace("\n", " ")
    assert not (pictures.parent / "never").exists()
