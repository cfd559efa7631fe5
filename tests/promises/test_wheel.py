"""The wheel, built and installed into an environment of its own, is whole."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str | Path, cwd: Path) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=cwd, env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with passo from the wheel; what passo needs is lent to it by a .pth file."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / ("python.exe" if os.name == "nt" else "python")
    site = Path(run(inside, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    words = ["--no-deps", "--no-index", "--disable-pip-version-check", "-q"]
    run(sys.executable, "-m", "pip", "--python", inside, "install", *words, wheel, cwd=folder)
    return inside


def test_the_wheel_holds_everything_in_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in (source / "passo").rglob("*") if path.is_file()}
    assert inside == {name for name in files if "__pycache__" not in name}


@pytest.mark.parametrize(
    "part",
    ["passo/samples/fashion-mnist-sample/LICENSE", "passo/studies/optimizers.toml", "passo/notes/page/page.html.j2"],
)
def test_the_wheel_holds_the_sample_the_studies_and_the_page(wheel: Path, part: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert part in archive.namelist()


def test_the_wheel_carries_both_licences_and_asks_for_no_exact_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    assert sum(name.endswith("LICENSE") and ".dist-info/licenses/" in name for name in names) == 2
    assert "Requires-Dist: torch>=" in metadata
    assert "torch==" not in metadata


def test_the_installed_wheel_is_the_one_that_answers(python: Path, tmp_path: Path) -> None:
    where = run(python, "-c", "import passo; print(passo.__file__)", cwd=tmp_path)
    assert python.parents[1] in Path(where.strip()).parents


def test_the_installed_wheel_has_its_command_its_data_and_its_studies(python: Path, tmp_path: Path) -> None:
    command = python.with_name("passo.exe" if os.name == "nt" else "passo")
    assert "train" in run(command, "--help", cwd=tmp_path)
    assert "fashion-mnist-sample" in run(command, "data", "list", cwd=tmp_path)
    assert "optimizers" in run(command, "study", "list", cwd=tmp_path)


def test_the_installed_wheel_trains_on_its_own_sample(python: Path, tmp_path: Path) -> None:
    words = ["dataset=fashion-mnist-sample", "dataset.per_class=20", "model=tiny-cnn", "epochs=1", "--out", "first"]
    command = python.with_name("passo.exe" if os.name == "nt" else "passo")
    assert "weights SHA-256" in run(command, "train", *words, cwd=tmp_path)
    assert (tmp_path / "first" / "study.sqlite").is_file()
