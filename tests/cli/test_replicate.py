"""`passo replicate`, as a person types it: on the true data, where they are on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from passo.cli import kernels
from passo.data import where
from passo.store import Store, open_study
from passo.studies.published import METRICS, published_note

ENVIRONMENT = {**os.environ, "GOMP_SPINCOUNT": "1000", "PASSO_OFFLINE": "1", "COLUMNS": "120"}


def passo(*words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def whole(folder: Path) -> None:
    """A replication that is done: every published number, as if it were ours."""
    with Store.create(folder, name="published-note-exact", config={"threads": 1, "kernels": {}}) as store:
        for run in published_note().runs:
            writer = store.add_run(run.name, config={})
            for epoch in range(1, run.epochs + 1):
                writer.scalars(epoch, epoch, {METRICS[c]: values[epoch - 1] for c, values in run.printed.items()})
                writer.event("epoch", "", epoch, seconds=0.0, shared=None)
            writer.finish()


@pytest.mark.slow
@pytest.mark.full_data
def test_the_first_epochs_are_the_published_ones_in_every_printed_digit(tmp_path: Path) -> None:
    if not any(place.found for place in where("fashion-mnist")):
        pytest.skip("the full Fashion-MNIST is not on this machine")
    runs = [word for name in ("optimisers-momentum", "20-epochs-adam-lambda") for word in ("--runs", name)]
    done = passo("replicate", *runs, "--epochs-only", "2", "--out", "r", "--write", "page.md", cwd=tmp_path)
    if "may differ" in done.stderr:
        pytest.skip(done.stderr)
    assert "Of the 4 epochs that are there, all 18 printed numbers are ours, to the last digit." in done.stdout
    assert "Empty: no printed number differs." in (tmp_path / "page.md").read_text(encoding="utf-8")
    again = passo("replicate", *runs, "--epochs-only", "2", "--out", "r", cwd=tmp_path)
    assert "4 of 4 epochs were trained" in again.stdout
    assert open_study(tmp_path / "r").status == "interrupted"


def test_what_is_whole_is_shown_and_not_trained_again(tmp_path: Path) -> None:
    whole(tmp_path / "r")
    done = passo("replicate", "--out", "r", "--write", "page.md", cwd=tmp_path)
    assert "Of all 14 runs, all 890 printed numbers are ours, to the last digit." in done.stdout
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.startswith("# The published note, digit for digit")
    assert "JuliaAlanne/MLOps" in page


def test_a_study_over_seeds_is_judged_beside_the_exact_one(tmp_path: Path) -> None:
    whole(tmp_path / "r")
    with Store.create(tmp_path / "seeds", name="published-note", config={}) as store:
        for seed in range(3):
            for name, loss in (("optimisers-momentum", 0.48), ("optimisers-sgd", 0.58)):
                run = store.add_run(name, config={}, seed=seed)
                values = {"validation/loss": loss, "test/loss": loss, "test/accuracy": 1 - loss}
                run.scalars(1, 1, {metric: value + 0.001 * seed * loss for metric, value in values.items()})
                run.finish()
    done = passo("replicate", "--out", "r", "--seeds", "seeds", "--write", "page.md", cwd=tmp_path)
    assert "Of 1 claims, 1 hold over 3 seeds." in done.stdout
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| momentum beats plain SGD | −0.1" in page
    assert "| optimisers-sgd | 0.5840 |" in page


def test_an_unknown_run_is_one_sentence_with_the_nearest_name(tmp_path: Path) -> None:
    done = passo("replicate", "--runs", "optimisers-adm", cwd=tmp_path, code=2)
    assert "unknown run of the published note 'optimisers-adm'. Did you mean 'optimisers-adam'?" in " ".join(
        done.stderr.split()
    )
    assert not (tmp_path / "passo-runs").exists()


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    whole(tmp_path / "r")
    done = passo("replicate", "--out", "r", "--write", "nowhere/page.md", cwd=tmp_path, code=1)
    assert "cannot write nowhere/page.md: no such file or directory" in " ".join(done.stderr.split())


@pytest.fixture
def before_torch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if torch had not been imported, on an x86 processor; the environment is put back afterwards."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(kernels.platform, "machine", lambda: "x86_64")
    for name in (*kernels.AVX2, kernels.VENDOR):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_the_kernels_are_avx2s_and_what_was_chosen_before_stays(before_torch: pytest.MonkeyPatch) -> None:
    before_torch.setattr(kernels, "_maker", lambda: "GenuineIntel")
    before_torch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert kernels.as_published() is None
    chosen = [os.environ[name] for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")]
    assert chosen == ["avx2", "SSE41", "AVX2"]
    assert kernels.VENDOR not in os.environ


def test_where_the_kernels_cannot_be_had_one_sentence_says_why(before_torch: pytest.MonkeyPatch) -> None:
    before_torch.setattr(kernels, "_maker", lambda: "AuthenticAMD")
    before_torch.setattr(kernels.shutil, "which", lambda _: None)
    told = kernels.as_published()
    assert told is not None
    assert "(AuthenticAMD), and there is no C compiler to tell it otherwise: the last digits may differ" in told
    before_torch.setattr(kernels.platform, "machine", lambda: "arm64")
    assert "this is no x86 processor (arm64)" in str(kernels.as_published())


def test_kernels_are_not_chosen_once_torch_is_there() -> None:
    import torch

    assert torch.__version__
    assert "torch is loaded already" in str(kernels.as_published())
