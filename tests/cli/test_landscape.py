"""`passo landscape`, as a person types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = {**os.environ, "GOMP_SPINCOUNT": "1000", "PASSO_OFFLINE": "1", "COLUMNS": "120"}


def passo(*words: str, cwd: Path, code: int = 0, before: str = "") -> str:
    """What the command prints; `before` runs first in the same process."""
    script = f"{before}\nimport sys\nfrom passo.cli import main\nsys.argv[0] = 'passo'\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has a path, and one that has none."""
    folder = tmp_path_factory.mktemp("commands")
    small = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "model=tiny-cnn", "epochs=1")
    passo("train", *small, "record.path=5", "--out", "with", cwd=folder)
    passo("train", *small, "--out", "without", cwd=folder)
    return folder


def test_a_run_gets_its_landscape_in_words_a_folder_and_a_picture(place: Path) -> None:
    said = passo("landscape", "with", "--points", "5", "--images", "50", "--out", "surface.svg", cwd=place)
    assert "The plane shows" in said and "of a random walk" in said and "instead of" in said
    assert (place / "surface.svg").read_text().startswith("<svg")
    kept = next((place / "passo-runs").iterdir())
    assert f"kept in {kept.relative_to(place)}" in said
    no_torch = "import sys\nsys.modules['torch'] = None"  # a kept landscape is drawn again where torch is not
    again = passo("landscape", str(kept), "--out", "again.svg", cwd=place, before=no_torch)
    assert again.splitlines()[0] in said
    assert (place / "again.svg").read_text() == (place / "surface.svg").read_text()


def test_without_a_file_the_picture_goes_into_the_folder(place: Path) -> None:
    said = passo(
        "landscape", "with/tiny-cnn-adam-s0", "--points", "3", "--images", "20", "--directions", "random", cwd=place
    )
    path = place / said.rsplit("saved as ", 1)[1].splitlines()[0].strip()
    assert path.name == "landscape.png" and path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("without",), 1, "has no recorded path of its weights: train it with record.path=40"),
        (("without",), 1, "in a loop of your own, passo.record_path records one for passo.landscape"),
        (("nowhere",), 1, "no study 'nowhere'"),
        (("with/nobody",), 1, "has no run 'nobody'; it has: tiny-cnn-adam-s0"),
        (("with", "--out", "a.pdf"), 2, "--out must end in .html, .png, .svg"),
        (("with", "--directions", "pcb"), 2, "directions must be 'pca' or 'random', got 'pcb'"),
        (("with", "--points", "1"), 2, "points must be ≥ 3"),
    ],
)
def test_a_mistake_gets_one_sentence_and_an_exit_code(
    place: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    before = sorted(path.name for path in place.rglob("study.sqlite"))
    assert said in passo("landscape", *words, cwd=place, code=code)
    assert sorted(path.name for path in place.rglob("study.sqlite")) == before


def test_a_missing_library_is_said_before_anything_is_computed(place: Path) -> None:
    said = passo(
        "landscape", "with", "--out", "b.svg", cwd=place, code=1, before="import sys\nsys.modules['contourpy'] = None"
    )
    assert "needs contourpy, which is not installed: pip install 'passo[figures]'" in said


def test_a_path_of_fewer_points_than_asked_is_told_in_one_sentence_without_a_line_of_source(tmp_path: Path) -> None:
    small = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "model=tiny-cnn", "epochs=1")
    said = passo("train", *small, "record.path=1000000", "--out", "a", cwd=tmp_path)
    assert "warning: 1000000 points of these weights would take more than 512 MB" in " ".join(said.split())
    assert "UserWarning" not in said and "record_path(" not in said
