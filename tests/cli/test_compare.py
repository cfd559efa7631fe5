"""`passo compare`, as a person types it, on a study that was really trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import passo
from passo.store import Store

STUDY = """
name = "two"
title = "Two optimisers"
description = "Three rates each, one of them the default"
seeds = [0, 1, 2]
[base]
dataset = { name = "fashion-mnist-sample", per_class = 20 }
model = { name = "mlp", hidden = [8] }
epochs = 6
batch_size = 32
"""
RUNS = {
    "adam": '{ name = "adam" }',
    "adam-0.01": '{ name = "adam", lr = 0.01 }',
    "adam-0.1": '{ name = "adam", lr = 0.1 }',
    "sgd-0.01": '{ name = "sgd", lr = 0.01 }',
    "sgd-0.1": '{ name = "sgd", lr = 0.1 }',
    "sgd-1": '{ name = "sgd", lr = 1.0 }',
}


def said(*words: str, cwd: Path, code: int = 0) -> str:
    environment = {**os.environ, "PASSO_OFFLINE": "1", "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    environment.pop("PASSO_ROOT", None)
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    runs = [f'[[runs]]\nname = "{name}"\noptimizer = {optimizer}\n' for name, optimizer in RUNS.items()]
    (folder / "two.toml").write_text(STUDY + "\n".join(runs), encoding="utf-8")
    said("study", "run", "two.toml", "--jobs", "1", cwd=folder)
    return folder


def test_everything_is_told_in_its_order(here: Path) -> None:
    told = said("compare", "two", cwd=here)
    heads = ["Ranked", "Tuned by validation", "To a target", "Best, last, area", "Convergence", "Learning rates"]
    heads += ["By the tuning budget", "What mattered"]
    places = [told.index(f"{head}\n") for head in heads]
    assert places == sorted(places)
    assert "corrected by Holm for 15 comparisons of all pairs" in told
    assert "importance needs a full grid" in told  # adam's 0.001 is none of sgd's rates
    assert "choosing here would spend the test" in told


def test_the_numbers_of_json_are_those_of_the_runs(here: Path) -> None:
    told = json.loads(said("compare", "two", "--json", cwd=here))
    study = passo.open(here / "passo-runs/two")
    ranked = told["studies"][0]["ranked"]
    assert ranked["count"] == 15
    for outcome in ranked["comparison"]["outcomes"]:
        naive = np.mean([run.metric("test/accuracy").last for run in study.select(outcome["name"])])
        assert outcome["mean"] == pytest.approx(naive)
    assert told["studies"][0]["tuned"]["by"] == "validation/loss"
    assert ranked["sentence"].startswith(ranked["reference"])


def test_tuned_takes_what_validation_chooses_and_shows_the_defaults_beside_it(here: Path) -> None:
    told = json.loads(said("compare", "two", "--by", "tuned", "--json", cwd=here))
    part = told["studies"][0]
    study = passo.open(here / "passo-runs/two")
    for group in part["tuned"]["groups"]:
        members = [name for name in RUNS if name.startswith(group["group"])]
        losses = {n: np.mean([r.metric("validation/loss").last for r in study.select(n)]) for n in members}
        assert group["name"] == min(losses, key=lambda name: losses[name])
        assert group["tried"] == 3
    defaults = {group["group"]: group["defaults"] for group in part["tuned"]["groups"]}
    assert defaults["sgd"] is None and defaults["adam"]["name"] == "adam"
    assert len(part["ranked"]["comparison"]["outcomes"]) == 2
    alone = json.loads(said("compare", "two", "--by", "defaults", "--json", cwd=here))
    assert [o["name"] for o in alone["studies"][0]["ranked"]["comparison"]["outcomes"]] == ["adam"]


def test_names_a_target_and_a_reference_are_taken(here: Path) -> None:
    words = ("compare", "two", "--names", "adam-0.01,sgd-0.1", "--names", "sgd-1", "--against", "sgd-0.1")
    told = said(*words, "--target", "0.3", cwd=here)
    assert "corrected by Holm for 2 comparisons against it, named before" in told
    assert "To a validation accuracy of 30.0 %: until half" in told
    assert "adam-0.1 " not in told


def test_names_that_hold_commas_are_taken_whole(here: Path) -> None:
    grid = (
        STUDY.replace('name = "two"', 'name = "grid"') + '[grid]\n"optimizer.lr" = [0.01, 0.1]\nbatch_size = [16, 32]\n'
    )
    (here / "grid.toml").write_text(grid, encoding="utf-8")
    said("study", "run", "grid.toml", "--set", "epochs=1", "--jobs", "1", cwd=here)
    known = passo.open(here / "passo-runs/grid").names()
    assert any("," in name for name in known)
    told = json.loads(said("compare", "grid", "--names", f"{known[0]},{known[3]}", "--json", cwd=here))
    assert {o["name"] for o in told["studies"][0]["ranked"]["comparison"]["outcomes"]} == {known[0], known[3]}
    assert "optimizer.lr" in said("compare", "grid", "--figure", "importance", cwd=here)
    assert "learning rate" in said("compare", "grid", "--figure", "heatmap", cwd=here)


def test_a_figure_is_drawn_and_its_sentence_said(here: Path) -> None:
    told = said("compare", "two", "--figure", "sensitivity", "--out", "rates.svg", cwd=here)
    assert "By the learning rate: " in told
    assert (here / "rates.svg").read_text(encoding="utf-8").startswith("<svg")
    said("compare", "two", "--figure", "ranked", cwd=here)
    assert (here / "passo-runs/two/ranked.png").read_bytes().startswith(b"\x89PNG")


def test_several_studies_are_problems_and_profiled(here: Path) -> None:
    told = said("compare", "two", "two", "--names", "adam,sgd-0.1", cwd=here)
    assert told.count("═══ two ═══") == 2
    assert "Performance profiles" in told and "On 2 problems" in told


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("two", "--figure", "rankd"), 2, "Did you mean 'ranked'"),
        (("two", "--by", "tunde"), 2, "Did you mean 'tuned'"),
        (("two", "--names", "adm"), 2, "Did you mean 'adam'"),
        (("two", "--against", "adm"), 2, "Did you mean 'adam'"),
        (("two", "--choose", "test/loss", "--by", "tuned"), 2, "would use the test to tune"),
        (("two", "--metric", "test/f1"), 1, "has 'test/f1'; there are: "),
        (("two", "--json", "--figure", "ranked"), 2, "ask for one"),
        (("two", "--out", "x.png"), 2, "add --figure, one of: ranked"),
        (("two", "--figure", "heatmap"), 2, "a plane has two settings that are numbers"),
        (("two", "--figure", "heatmap", "--over", "lr"), 2, "a heatmap is over two settings (lr,batch_size), got 1"),
        (("two", "--curve", "validation/acuracy"), 2, "Did you mean 'validation/accuracy'"),
        (("tow",), 1, "no study 'tow'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words: tuple[str, ...], code: int, expected: str, here: Path) -> None:
    told = said("compare", *words, cwd=here, code=code)
    assert expected in told and told.count("\n") == 1


def test_a_study_of_one_seed_is_told_without_intervals(here: Path) -> None:
    said("study", "run", "two.toml", "--set", "seeds=[0]", "--out", "one", "--jobs", "1", cwd=here)
    told = said("compare", "one", cwd=here)
    assert "one seed tells nothing apart" in told


def test_an_interrupted_study_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Store.create(tmp_path / "half", name="half", config={}) as study:
        run = study.add_run("adam", config={}, seed=0)
        run.scalars(1, 1.0, {"test/accuracy": 0.5, "validation/accuracy": 0.5, "validation/loss": 1.0})
        run.finish("done")
        raise KeyboardInterrupt
    assert "was interrupted: what has not ended yet is not in what follows" in said("compare", "half", cwd=tmp_path)
    assert json.loads(said("compare", "half", "--json", cwd=tmp_path))["studies"][0]["status"] == "interrupted"


def test_the_metric_that_a_search_chose_by_is_the_one_that_is_drawn(tmp_path: Path) -> None:
    with Store.create(tmp_path / "search", name="search", config={}) as study:
        for seed in range(2):
            run = study.add_run("adam", config={"optimizer": {"name": "adam"}}, seed=seed)
            run.scalars(1, 1.0, {"test/accuracy": 0.5, "validation/accuracy": 0.5, "validation/loss": 1.0})
            run.finish("done")
        study.facts(search=[{"metric": "validation/loss", "best": "adam"}])
    assert json.loads(said("compare", "search", "--json", cwd=tmp_path))["studies"][0]["curve"] == "validation/loss"
