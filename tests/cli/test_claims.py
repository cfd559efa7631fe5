"""`passo claims`, as a person types it: trials that are there are judged, drawn and written, and not run again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from passo.experiments.studyfile import read_study
from passo.store import open_study
from passo.studies.lectured import CLAIMS, MODELS

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))
ENVIRONMENT = {**os.environ, "PASSO_OFFLINE": "1", "COLUMNS": "120", "OMP_NUM_THREADS": "1"}


def passo(*words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every trial is done, with the configuration that the command would run."""
    from lecture_trials import trials

    folder = tmp_path_factory.mktemp("claims")
    asked = {
        trial.name: read_study(trial.study, trial.settings).model_dump(mode="json", exclude_defaults=True)
        for claim in CLAIMS
        for trial in claim.trials
    }
    trials(folder / "c", asked)
    return folder


def test_every_trial_is_a_shipped_study_with_at_least_five_seeds() -> None:
    for claim in CLAIMS:
        for trial in claim.trials:
            assert len(read_study(trial.study, trial.settings).seeds) >= 5
    models = [read_study(trial.study, trial.settings).base["model"] for trial in CLAIMS[1].trials]
    assert models == list(MODELS)


def test_all_claims_are_told_drawn_and_written_from_what_is_there(there: Path, tmp_path: Path) -> None:
    done = passo("claims", "--out", str(there / "c"), "--write", "page.md", cwd=tmp_path)
    assert "“L2 shrinks the weights and helps generalisation”: of 5 sentences 5 hold over 3 seeds." in done.stdout
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.startswith("# A lecture's claims, tried")
    for claim in CLAIMS:
        assert f"## {claim.words}" in page
        assert (tmp_path / "images" / f"claims-{claim.name}.png").stat().st_size > 10_000
        assert (there / "c" / f"claims-{claim.name}.png").is_file()


def test_one_claim_alone_needs_its_own_trials_alone(there: Path, tmp_path: Path) -> None:
    done = passo("claims", "l2", "--out", str(there / "c"), cwd=tmp_path)
    assert "L2 shrinks" in done.stdout and "Adam" not in done.stdout


def test_a_trial_with_other_settings_is_refused_and_left_as_it_is(there: Path, tmp_path: Path) -> None:
    done = passo("claims", "l2", "--set", "seeds=7", "--out", str(there / "c"), cwd=tmp_path, code=1)
    told = " ".join(done.stderr.split())
    assert "holds a study with other settings: give --out another folder, or --force" in told
    assert len(open_study(there / "c" / "penalties").runs) == 12


def test_an_unknown_claim_is_one_sentence_and_nothing_is_made(tmp_path: Path) -> None:
    done = passo("claims", "adm", cwd=tmp_path, code=2)
    assert "unknown claim 'adm'. Did you mean 'adam'? Known: adam, batches, l2" in " ".join(done.stderr.split())
    assert not (tmp_path / "passo-runs").exists()


@pytest.mark.slow
def test_a_claim_is_tried_from_nothing_and_then_not_again(tmp_path: Path) -> None:
    words = ("claims", "l2", "--set", "seeds=2", "--set", "epochs=2", "--set", "dataset.per_class=20", "--out", "c")
    first = passo(*words, cwd=tmp_path)
    assert "penalties: 14 runs" in first.stderr and "over 2 seeds" in first.stdout
    again = passo(*words, cwd=tmp_path)
    assert "runs" not in again.stderr and again.stdout == first.stdout
