"""`passo explain`, as a person types it, on a run that was really trained."""

from __future__ import annotations

import io
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from passo.cli import show
from passo.cli.app import main


def typed(*words: str, cwd: Path, code: int = 0) -> str:
    """What a person would read who types these words in a folder; in this process, for torch loads slowly."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.chdir(cwd)
        patch.setenv("PASSO_OFFLINE", "1")
        patch.setattr(sys, "argv", ["passo", *words])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # which the entry point replaces
        patch.setattr(show.out, "width", 400)
        with pytest.raises(SystemExit) as end:
            main()
    assert (end.value.code or 0) == code, said.getvalue()
    return " ".join(said.getvalue().split())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    sample = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "epochs=1")
    typed("train", *sample, "model=mlp", "model.hidden=6", "--out", "net", cwd=folder)
    return folder


def test_sentences_are_printed_and_a_page_is_written_beside_the_run(here: Path) -> None:
    said = typed("explain", "net", "--only", "calibration,confusion,feature-maps", cwd=here)
    assert said.index("Confusion mlp-adam-s0 names") < said.index("Calibration mlp-adam-s0 is")
    assert "no feature-maps: this model has no feature maps" in said
    assert "page: net/explained/mlp-adam-s0/explain.html" in said
    folder = here / "net" / "explained" / "mlp-adam-s0"
    names = ["calibration.png", "calibration.svg", "confusion.png", "confusion.svg"]
    assert sorted(path.name for path in (folder / "figures").iterdir()) == names
    assert "<h1>mlp-adam-s0, explained</h1>" in (folder / "explain.html").read_text(encoding="utf-8")


def test_the_page_is_written_where_it_is_asked_for(here: Path) -> None:
    said = typed("explain", "net/mlp-adam-s0", "--only", "embedding", "--images", "30", "--out", "mine", cwd=here)
    assert "Among 30 of 1,000 test images" in said and (here / "mine" / "explain.html").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("net", "--only", "gradcm"), 2, "Did you mean 'gradcam'"),
        (("net", "--images", "5"), 2, "--images"),
        (("nowhere",), 1, "no study 'nowhere'"),
        (("net/other",), 1, "no run 'other'"),
        (("net", "--only", "filters", "--layer", "cnv1"), 2, "unknown layer 'cnv1'"),
        (("net", "--only", "confusion", "--out", "net"), 1, "holds other things"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words: tuple[str, ...], code: int, said: str, here: Path) -> None:
    told = typed("explain", *words, cwd=here, code=code)
    assert said in told and "Traceback" not in told
