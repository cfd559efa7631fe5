"""`passo study show FOLDER` and `passo runs show STUDY`, where there are very many runs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from passo.cli import main
from passo.cli.show import out
from passo.store import Store

Passo = Callable[..., str]
CONFIG = {
    "name": "many",
    "metric": "validation/loss",
    "base": {"model": "mlp", "dataset": {"name": "fashion-mnist-sample"}},
    "grid": {"optimizer.lr": [0.1 / place for place in range(1, 101)]},
}


def written(folder: Path, runs: int, **facts: int) -> Path:
    """A study of 100 configurations of which so many are done, one failed, and which was then interrupted."""
    with suppress(KeyboardInterrupt), Store.create(folder, name="many", config=CONFIG) as study:
        study.facts(**facts)
        for place in range(runs):
            run = study.add_run(f"lr-{place}", config={}, seed=0)
            run.scalars(1, 1.0, {"validation/loss": 1 + place / 100, "test/accuracy": 0.5})
            run.finish()
        study.add_run("lost", config={}, seed=0).finish("failed", "out of memory [twice]")
        raise KeyboardInterrupt
    return folder


@pytest.fixture
def passo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Passo:
    """A command, in this process: what it says, held to its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(out, "_width", 160)

    def call(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["passo", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
        with pytest.raises(SystemExit) as ended:
            main()
        caught = capsys.readouterr()
        assert ended.value.code == code, caught.out + caught.err
        return caught.out + caught.err

    return call


@pytest.mark.parametrize("facts", [{}, {"planned": 100}])
def test_a_folder_is_shown_as_how_far_it_is(passo: Passo, tmp_path: Path, facts: dict[str, int]) -> None:
    """Whether its writer said how many there will be, or not: then the study's own file, which is kept, does."""
    said = passo("study", "show", str(written(tmp_path / "s", 60, **facts)))
    assert "many (interrupted) in" in said
    assert "60 of 100 runs are done (60 %), 1 failed; 39 were not begun." in said
    assert "The best validation loss so far is 1, by lr-0." in said
    assert "lr-9 " in said and "lr-10 " not in said and "… 47 more" in said and "lr-59 " in said
    assert "lost-s0" in said and "out of memory [twice]" in said
    assert f"passo runs show {tmp_path / 's'} --all" in said


def test_a_study_under_the_root_is_shown_by_its_name_and_a_shipped_one_as_what_it_would_run(
    passo: Passo, tmp_path: Path
) -> None:
    written(tmp_path / "passo-runs" / "mine", 3)
    assert "3 of 100 runs are done (3 %)" in passo("study", "show", "mine")
    written(tmp_path / "passo-runs" / "learning-rate", 3)
    said = passo("study", "show", "learning-rate", "--no-estimate")
    assert "81 runs" in said and "are done" not in said
    assert "begun already: passo study show passo-runs/learning-rate" in said


def test_settings_do_not_lie_over_a_folder(passo: Passo, tmp_path: Path) -> None:
    refused = passo("study", "show", str(written(tmp_path / "s", 1)), "--set", "seeds=3", code=2)
    assert "--set lies over a study's file" in refused and "give the file" in refused


def test_runs_of_a_small_study_are_listed_and_of_a_large_one_only_when_all_are_wanted(
    passo: Passo, tmp_path: Path
) -> None:
    small = passo("runs", "show", str(written(tmp_path / "small", 5)))
    assert small.count("50.00 %") == 5 and "lr-4-s0" in small
    large = str(written(tmp_path / "large", 60))
    assert passo("runs", "show", large) == passo("study", "show", large)
    said = passo("runs", "show", large, "--all")
    assert said.count("50.00 %") == 60 and "lr-59-s0" in said and "out of memory [twice]" in said


def test_the_standing_of_a_damaged_study_is_told_in_one_sentence(passo: Passo, tmp_path: Path) -> None:
    folder = written(tmp_path / "s", 1)
    (folder / "study.sqlite").write_bytes(b"no database" * 100)
    said = passo("study", "show", str(folder), code=1)
    assert said.startswith("error: ") and said.count("\n") == 1


def test_runs_that_were_begun_and_whose_state_is_kept_are_told() -> None:
    from passo.analysis.standing import Standing

    told = Standing("a", {}, 6, None, (), (), kept=2).progress()
    assert told == "0 of 6 runs are done (0 %); 2 were begun, and their states are kept; 4 were not begun."
