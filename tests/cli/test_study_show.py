"""`passo study show` and `run`, as a person types them, where something varies."""

from __future__ import annotations

import re
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from passo.cli import main
from passo.cli.planned import typed
from passo.cli.show import out
from passo.experiments import read_study, shipped
from passo.training.config import parse_settings, train_config

Passo = Callable[..., str]
TEXT = """
name = "mine"
description = "rates [and] widths"
seeds = 2

[base]
dataset = { name = "fashion-mnist-sample", per_class = 10 }
model = "mlp"
epochs = 1

[grid]
"optimizer.lr" = [0.001, 0.01, 0.1]
"model.hidden" = [[8], [16]]
"model.dropout" = [0.0, 0.5]
"""
SEARCH = TEXT.partition("[grid]")[0] + '[coarse_to_fine]\nrounds = 2\nlr = { first = [0.001, 0.1], scale = "log" }\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands are typed: a folder with two study files, without a network."""
    (tmp_path / "mine.toml").write_text(TEXT)
    (tmp_path / "search.toml").write_text(SEARCH)
    monkeypatch.setenv("PASSO_OFFLINE", "1")
    monkeypatch.setattr(out, "_width", 160)  # COLUMNS was read when the console was made, by whichever test came first
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def passo(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Passo:
    """A command, in this process: what it says, held to its exit code."""

    def call(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["passo", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
        with pytest.raises(SystemExit) as ended:
            main()
        caught = capsys.readouterr()
        assert ended.value.code == code, caught.out + caught.err
        return caught.out + caught.err

    return call


def test_show_tells_the_runs_their_groups_their_time_and_their_memory(passo: Passo, here: Path) -> None:
    said = passo("study", "show", "mine.toml")
    assert "mine: rates [and] widths" in said
    assert "24 runs; seeds 0, 1" in said
    assert "lr=0.001,hidden=8,dropout=0" in said
    rows = re.findall(r"^ +\d+ +(\d+)  mlp 'hidden=\[(\d+)\]'.*?([\d.e-]+) s +([\d.]+) kB$", said, re.MULTILINE)
    assert [(runs, width) for runs, width, *_ in rows] == [("12", "8"), ("12", "16")]
    assert all(float(seconds) > 0 and float(memory) > 0 for *_, seconds, memory in rows)
    assert re.search(r"24 trainings: about .* as measured now", said)
    assert not (here / "passo-runs").exists()


def test_the_base_and_the_changes_are_told_as_they_are_typed(passo: Passo, here: Path) -> None:
    run = '[[runs]]\nname = "a"\noptimizer = { name = "sgd", nesterov = true, momentum = 0.9 }\n'
    run += 'schedule = { name = "StepLR", step_size = "2 epochs" }\n'
    drawn = '[random]\nsamples = 2\n"optimizer.lr" = { loguniform = [1e-3, 0.1] }\n'
    (here / "odd.toml").write_text(TEXT.partition("[grid]")[0].replace('"rates [and] widths"', '""') + run + drawn)
    said = passo("study", "show", "odd.toml", "--no-estimate")
    assert said.startswith("mine\n4 runs; seeds 0, 1\n")
    assert "base: dataset=fashion-mnist-sample dataset.per_class=10 model=mlp epochs=1\n" in said
    assert "random: samples 2, seed 0; optimizer.lr: loguniform [0.001,0.1]\n" in said
    sgd = "optimizer=sgd optimizer.nesterov=true optimizer.momentum=0.9"
    assert f"{sgd} schedule=StepLR 'schedule.step_size=2 epochs'" in " ".join(said.split())
    assert "passo study run odd.toml --executor auto" in " ".join(said.split())
    assert "{" not in said


@pytest.mark.parametrize("name", list(shipped()))
def test_what_is_told_of_a_run_is_what_it_is_when_typed(name: str) -> None:
    file = read_study(name)
    suggestions = {entry.name: 0.25 for entry in file.ranges}
    for run in file.configurations:
        settings = file.settings(run, 0, suggestions)
        assert train_config(parse_settings(shlex.split(typed(settings)))) == train_config(settings)


def test_without_an_estimate_nothing_is_measured_and_no_data_are_needed(passo: Passo) -> None:
    said = passo("study", "show", "mine.toml", "--no-estimate", "--set", "dataset=mnist")
    assert "24 runs" in said
    assert "as measured now" not in said
    told = passo("study", "show", "mine.toml", "--set", "dataset=mnist")
    assert "no estimate: " in told


def test_settings_change_the_grid_and_the_seeds(passo: Passo) -> None:
    words = ("--set", "seeds=10", "--set", "grid.optimizer.lr=[0.1,0.2]", "--no-estimate")
    said = passo("study", "show", "mine.toml", *words)
    assert "80 runs; seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in said
    refused = passo("study", "show", "mine.toml", "--set", "lr=0.5", code=2)
    assert "optimizer.lr is varied by [grid], so that this changes nothing" in refused


def test_too_many_runs_want_a_yes_and_a_long_table_ends(passo: Passo) -> None:
    refused = passo("study", "run", "mine.toml", "--set", "seeds=20000", code=2)
    assert "unless you add --yes, and this one would make 240,000" in refused
    said = passo("study", "show", "mine.toml", "--set", "seeds=20000", "--yes", "--no-estimate")
    assert "240,000 runs; seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (20,000 in all)" in said
    many = passo("study", "show", "mine.toml", "--set", f"grid.l2={[n / 10 for n in range(9)]}", "--no-estimate")
    assert "… and 88 more" in many


def test_a_search_is_shown_as_its_first_round_and_tells_what_it_came_to(passo: Passo) -> None:
    shown = passo("study", "show", "search.toml", "--no-estimate")
    assert "at most 8 runs" in shown
    assert "These are the first round's" in shown
    said = passo("study", "run", "search.toml", "--jobs", "1")
    assert re.search(r"search: best validation/loss [\d.]+ by round-\d,lr=[\d.]+; it ended, since ", said)


def test_what_a_name_says_is_not_said_again_beside_it(passo: Passo, here: Path) -> None:
    grid = passo("study", "show", "mine.toml", "--no-estimate")
    assert "lr=0.001,hidden=8,dropout=0" in grid and "what it changes" not in grid
    runs = '[[runs]]\nname = "plain"\nl2 = 0.5\n[[runs]]\nname = "usual"\n'
    (here / "both.toml").write_text(TEXT.replace("[grid]", f"{runs}[grid]"))
    both = passo("study", "show", "both.toml", "--no-estimate")
    assert re.search(r"plain,lr=0.001,hidden=8,dropout=0 +l2=0.5 *$", both, re.MULTILINE)
    assert re.search(r"usual,lr=0.001,hidden=8,dropout=0 *$", both, re.MULTILINE)


def test_run_again_tells_the_table_and_takes_more_seeds(passo: Passo, here: Path) -> None:
    (here / "few.toml").write_text(TEXT.partition("[grid]")[0] + '[grid]\n"optimizer.lr" = [0.01, 0.1]\n')
    first = passo("study", "run", "few.toml", "--jobs", "1")
    table = first[first.index("configuration") : first.index("kept in")]
    again = passo("study", "run", "few.toml", "--jobs", "1")
    assert "every run of mine is there already: nothing was run" in again and table in again
    more = passo("study", "run", "few.toml", "--jobs", "1", "--set", "seeds=3", "--set", "grid.lr=[0.1]")
    assert "nothing was run" not in more and table not in more
    assert "no longer part of the study, but still in its folder: lr=0.01-s0 and lr=0.01-s1" in more
    refused = passo("study", "run", "few.toml", "--set", "epochs=2", code=1)
    assert (
        "holds the study mine on another base: epochs was 1 and is 2: give another folder (--out), or --force"
        in refused
    )
