"""What varies: every combination is a run, under a short name of its own; a mistake in one is told before any runs."""

from __future__ import annotations

import itertools
import math
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from passo.errors import ConfigError, PassoError, UsageError
from passo.experiments import configuring, read_study, shipped, study
from passo.experiments.configuring import Builder
from passo.experiments.distributions import Distribution
from passo.experiments.naming import named, shortened
from passo.experiments.studyfile import parse_study
from passo.experiments.studyform import StudyFile
from passo.store import check_name
from passo.training import train_config

BASE = """
name = "grid"

[base]
dataset = { name = "fashion-mnist-sample", per_class = 10 }
model = "tiny-cnn"
epochs = 1
"""
GRID = (
    BASE
    + """
[grid]
"optimizer.lr" = [0.001, 0.02, 0.3]
"model" = ["tiny-cnn", "lenet"]
"""
)


def parsed(tables: str, *settings: str, many: bool = False) -> StudyFile:
    return parse_study(BASE + tables, "grid.toml", settings, many=many)


def configs(file: StudyFile) -> dict[str, dict[str, Any]]:
    return {run.name: file.training(run, 0, {}).model_dump() for run in file.configurations}


def test_a_grid_is_every_combination_of_its_values() -> None:
    file = parse_study(GRID, "grid.toml", ["seeds=2"])
    wanted = [(f"lr={lr},model={model}", lr, model)
              for lr in (0.001, 0.02, 0.3) for model in ("tiny-cnn", "lenet")]  # fmt: skip
    made = [(run.name, file.training(run, 0, {})) for run in file.configurations]
    assert [(name, config.optimizer.options["lr"], config.model.name) for name, config in made] == wanted
    assert file.count == len(wanted) * 2


def test_a_grid_makes_the_configurations_that_runs_written_one_by_one_make() -> None:
    tables = '[grid]\n"optimizer.name" = ["sgd", "nadam"]\n"optimizer.lr" = [0.1, 0.2]\ndataset.per_class = [3, 4]\n'
    written = ""
    for name, lr, few in itertools.product(("sgd", "nadam"), (0.1, 0.2), (3, 4)):
        written += f'[[runs]]\nname = "optimizer={name},lr={lr},per_class={few}"\n'
        written += f'optimizer = {{ name = "{name}", lr = {lr} }}\ndataset = {{ per_class = {few} }}\n'
    assert configs(parsed(tables)) == configs(parsed(written))


def test_what_varies_meets_every_run_of_the_file() -> None:
    tables = '[[runs]]\nname = "sgd"\noptimizer = "sgd"\n[[runs]]\nname = "adam"\noptimizer = "adam"\n'
    file = parsed(tables + "[grid]\nlr = [0.1, 0.2]\n[zip]\nepochs = [1, 2]\nbatch_size = [8, 16]\n")
    names = [run.name for run in file.configurations]
    assert names == [
        f"{one},lr={lr},{both}"
        for one in ("sgd", "adam")
        for lr in (0.1, 0.2)
        for both in ("epochs=1,batch_size=8", "epochs=2,batch_size=16")
    ]
    last = file.training(file.configurations[-1], 0, {})
    assert (last.optimizer.name, last.optimizer.options["lr"], last.epochs, last.batch_size) == ("adam", 0.2, 2, 16)


def test_a_place_in_a_list_varies_and_the_list_of_the_base_stays_what_it_is() -> None:
    file = parsed('[base.optimizer]\nname = "adam"\nbetas = [0.9, 0.999]\n[grid]\n"optimizer.betas.0" = [0.0, 0.5]\n')
    betas = [file.training(run, 0, {}).optimizer.options["betas"] for run in file.configurations]
    assert betas == [[0.0, 0.999], [0.5, 0.999]]
    assert file.base["optimizer"]["betas"] == [0.9, 0.999]
    assert [run.name for run in file.configurations] == ["betas.0=0", "betas.0=0.5"]


def test_names_are_short_where_they_can_be_and_whole_where_they_would_be_the_same() -> None:
    keys = ["model.dropout", "optimizer.lr", "task.loss", "record.loss", "model.name"]
    assert shortened(keys) == {
        "model.dropout": "dropout", "optimizer.lr": "lr", "task.loss": "task.loss", "record.loss": "record.loss",
        "model.name": "model",
    }  # fmt: skip


@pytest.mark.parametrize("value", ["nets/mine.py:build", "a\\b", "x" * 400, "é" * 200, "a\nb", "..", "/", [1] * 300])
def test_every_name_is_one_folder_and_names_of_other_values_are_others(value: Any) -> None:
    name = named({"model": value}, {"model": "model"}, "run")
    check_name(name + "-s99999")
    assert name == named({"model": value}, {"model": "model"}, "run")
    other = [*value[:-1], "q"] if isinstance(value, list) else value + "q"
    assert name != named({"model": other}, {"model": "model"}, "run")


def test_the_same_study_draws_the_same_in_another_process() -> None:
    tables = '[random]\nsamples = 5\n"optimizer.lr" = { loguniform = [1e-4, 0.1] }\nbatch_size = { choice = [8, 16] }\n'
    here = [run.name for run in parsed(tables).configurations]
    code = f"from passo.experiments.studyfile import parse_study\nfile = parse_study({BASE + tables!r}, 'x')\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print('|'.join(run.name for run in file.configurations))"],
        capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.strip().split("|") == here
    assert [run.name for run in parsed(tables, "random.seed=1").configurations] != here


def test_another_key_leaves_the_draws_of_the_others_as_they_are() -> None:
    one = parsed('[random]\nsamples = 8\n"optimizer.lr" = { uniform = [0.1, 0.2] }\n')
    two = parsed('[random]\nsamples = 8\nl2 = { uniform = [0.0, 1.0] }\n"optimizer.lr" = { uniform = [0.1, 0.2] }\n')
    rates = [[run.changes["optimizer.lr"] for run in file.configurations] for file in (one, two)]
    assert rates[0] == rates[1]


def test_draws_are_distributed_as_they_say() -> None:
    """Over an even grid of u, the quantiles of each distribution, from its definition."""
    us = [(i + 0.5) / 2000 for i in range(2000)]
    logs = [math.log10(Distribution("loguniform", (1e-4, 1.0)).draw(u)) for u in us]
    assert statistics.fmean(logs) == pytest.approx(-2, abs=1e-3)
    assert statistics.pstdev(logs) == pytest.approx(4 / math.sqrt(12), rel=1e-3)
    uniform = [Distribution("uniform", (2.0, 6.0)).draw(u) for u in us]
    assert (statistics.fmean(uniform), min(uniform) >= 2, max(uniform) <= 6) == (pytest.approx(4, abs=1e-3), True, True)
    whole = [Distribution("int", (3, 7)).draw(u) for u in us]
    assert {value: whole.count(value) for value in set(whole)} == dict.fromkeys((3, 4, 5, 6, 7), 400)
    assert {Distribution("choice", ("a", [1])).draw(u).__str__() for u in us} == {"a", "[1]"}


def test_more_samples_than_there_are_is_told_with_how_many_there_are() -> None:
    with pytest.raises(ConfigError, match="random: only 2 different samples were found"):
        parsed("[random]\nsamples = 3\nbatch_size = { choice = [8, 16] }\n")


SETTINGS = [
    {"model": "lenet", "lr": 0.1}, {"optimizer": {"lr": 0.1}}, {"optimizer": "sgd", "model": {"name": "mlp"}},
    {"optimizer": {"name": "Adam", "betas": [0.5, 0.9]}, "schedule": {"name": "StepLR", "step_size": 2}},
    {"optimizer": {"name": "adam", "betas": [0.5, 0.99]}, "schedule": None}, {"l2": 0}, {"l2": 0.0}, {"l2": False},
    {"dataset": {"name": "mnist", "per_class": 3}, "task": "classify"}, {"model": {"hidden": [3], "name": "mlp"}},
    {"batch_size": "all", "precision": "bf16"}, {"optimizer": "lbfgs"}, {"epochs": 3, "seed": 5}, {"seed": True}, {},
]  # fmt: skip


def test_configurations_put_together_are_those_that_are_built_whole() -> None:
    builder = Builder()
    for _ in range(2):  # the second time, every section is known
        for values in SETTINGS:
            assert builder.settings(values) == train_config(values).model_dump(mode="json"), values


@pytest.mark.parametrize(
    "wrong",
    [{"l2": -1}, {"seed": -1}, {"optimizer": {"lr": -1}}, {"model": {"name": "mlp", "hiden": 3}},
     {"optimizer": "lbfgs", "precision": "fp16"}, {"schedule": {"name": "StepLR"}}, {"epoch": 3}, {"model": 3}],
)  # fmt: skip
def test_what_is_wrong_is_told_as_it_is_told_of_one_configuration(wrong: dict[str, Any]) -> None:
    builder = Builder()
    builder.settings({"optimizer": "lbfgs"})
    builder.settings({"precision": "fp16"})
    with pytest.raises(UsageError) as whole:
        train_config(wrong)
    with pytest.raises(UsageError) as told:
        builder.settings(wrong)
    assert str(told.value) == str(whole.value)


def test_ten_thousand_configurations_are_checked_by_their_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(configuring, "train_config", lambda values: calls.append(1) or train_config(values))
    rates = [round(0.001 * number, 3) for number in range(1, 101)]
    tenths = [number / 10 for number in range(10)]
    tables = f"[grid]\nlr = {rates}\nl2 = {tenths}\nl1 = {tenths}\n"
    file = parsed(tables)
    assert file.count == 10_000
    assert len(calls) <= 100 + 10 * 10 + 10


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ("[grid]\n", "grid: it is empty"),
        ("[grid]\nlr = []\n", "grid: optimizer.lr is an empty list"),
        ("[grid]\nlr = 0.1\n", "grid: optimizer.lr needs a list of values, got 0.1"),
        ("[grid]\nlr = [0.1, 0.1]\n", "grid: optimizer.lr lists 0.1 twice"),
        ("[grid]\nlr = [1, 1.0]\n", "grid: optimizer.lr lists 1 twice"),
        ("[grid]\nepoch = [1, 2]\n", "unknown key 'epoch'. Did you mean 'epochs'"),
        ("[grid]\nmomentum = [0.9]\n", "unknown key 'momentum'. Did you mean 'optimizer.momentum'"),
        ("[grid]\nseed = [0, 1]\n", "seeds = [0, 1, 2]"),
        ("[grid]\n'optimizer.lrr' = [1]\n", "run 'lrr=1': optimizer: adam has no argument 'lrr'"),
        ("[grid]\n'dataset.per_clas' = [1]\n", "Did you mean 'dataset.per_class'"),
        ("[grid]\nlr = [0.1]\n[zip]\nlr = [0.2]\n", "optimizer.lr is varied by [grid] and by [zip]"),
        ("[zip]\nlr = [0.1, 0.2]\nl2 = [0.1]\n", "optimizer.lr has 2, l2 has 1"),
        ("[random]\nlr = { uniform = [0, 1] }\n", "random.samples is missing"),
        ("[random]\nsamples = 2\nlr = { unifrom = [0, 1] }\n", "'unifrom'. Did you mean 'uniform'"),
        ("[random]\nsamples = 2\nlr = { loguniform = [0, 1] }\n", "loguniform needs numbers > 0"),
        ("[random]\nsamples = 2\nlr = { uniform = [1, 0] }\n", "needs low < high"),
        ("[random]\nsamples = 2\nepochs = { int = [1, 2.5] }\n", "int needs whole numbers"),
        ("[random]\nsamples = 2\n", "it varies nothing"),
        ("[grid]\n'optimizer.betas.0' = [0.1]\n", "run 'betas.0=0.1'"),
    ],
)  # fmt: skip
def test_a_mistake_in_what_varies_is_one_sentence(tables: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed(tables)
    assert said in str(refused.value)
    assert str(refused.value).startswith("grid.toml")
    assert "\n" not in str(refused.value)


def test_a_value_out_of_range_says_in_which_configuration_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(
        BASE + '[grid]\n"optimizer.lr" = [0.1, 0.2]\n"optimizer.momentum" = [0.5, -2]\noptimizer = ["sgd"]\n'
    )
    with pytest.raises(ConfigError, match=r"line 10: run 'lr=0\.1,momentum=-2,optimizer=sgd': .*momentum") as refused:
        study(path)
    assert isinstance(refused.value, PassoError)


def test_too_many_runs_are_counted_and_not_built() -> None:
    many = str(list(range(1, 1001)))
    tables = f"[grid]\nepochs = {many}\nbatch_size = {many}\n"
    with pytest.raises(ConfigError, match=r"unless you add --yes, and this one would make 2,000,000"):
        parsed(tables, "seeds=2")
    with pytest.raises(ConfigError, match=r"at most 10,000,000 runs, and this one would make 1,000,000,000"):
        parsed(f"{tables}accumulate = {many}\n", many=True)


def test_a_hundred_thousand_runs_and_one_are_refused_unless_they_are_meant() -> None:
    tables = f"[grid]\nepochs = {list(range(1, 102))}\n"
    assert parsed(tables, "seeds=990").count == 99_990
    with pytest.raises(ConfigError, match="would make 100,091"):
        parsed(tables, "seeds=991")
    assert parsed(tables, "seeds=991", many=True).count == 100_091


def test_settings_lie_over_what_varies() -> None:
    laid = parse_study(GRID, "grid.toml", ["seeds=10", "grid.optimizer.lr=[0.1,0.2]", "grid.l2=[0.5]"])
    assert laid.seeds == tuple(range(10))
    assert laid.grid == {"optimizer.lr": (0.1, 0.2), "model": ("tiny-cnn", "lenet"), "l2": (0.5,)}
    nested = parse_study(BASE + "[grid.optimizer]\nlr = [1.0]\nweight_decay = [0.0, 0.1]\n", "x", {"grid.lr": [0.5]})
    assert nested.grid == {"optimizer.lr": (0.5,), "optimizer.weight_decay": (0.0, 0.1)}
    assert parse_study(BASE, "x", ["grid.lr=[0.5, 0.6]"]).count == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("lr=0.5", r"optimizer.lr is varied by \[grid\], so that this changes nothing: grid.optimizer.lr="),
        ("optimizer.lr=0.5", r"optimizer.lr is varied by \[grid\]"),
        ("seed=3", "a study has seeds"),
        ("gird.lr=[1]", "unknown key 'gird'. Did you mean 'grid'"),
        ("grid.lr=5", "optimizer.lr needs a list of values"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused(setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_study(GRID, "grid.toml", [setting])


def test_a_range_test_suggests_within_a_grid(tmp_path: Path) -> None:
    text = BASE + '[grid]\nlr = ["suggested by range", "0.1 * suggested by range"]\n'
    text += '[[ranges]]\nname = "range"\noptimizer = { name = "adam" }\nsteps = 20\n'
    path = tmp_path / "grid.toml"
    path.write_text(text)
    there = study(path).run(tmp_path / "out", jobs=1)
    suggested = there.select("range", kind="lr_range")[0].info["suggestion"]
    rates = sorted(run.config["optimizer"]["lr"] for run in there.select(kind="train"))
    assert rates == pytest.approx([0.1 * suggested, suggested])


ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "studies.md").read_text(encoding="utf-8"), re.DOTALL)
HEAD = BLOCKS[0].partition("[record]")[0]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_every_study_in_the_documents_is_one(block: str) -> None:
    """What is no whole study stands below the base of the first one."""
    head = HEAD.replace('model = "tiny-cnn"\n', "") if "[base.model]" in block else HEAD
    assert parse_study(block if block == BLOCKS[0] else head + block, "docs/studies.md").count > 1


def test_the_documents_count_the_shipped_studies_as_they_are() -> None:
    table = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8").partition("## The studies in the package")[2]
    told: dict[str, int] = {}
    for names, counts in re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE):
        numbers = [int(count) for count in re.findall(r"\d+", counts)]
        told |= dict(zip(re.findall(r"`(.*?)`", names), numbers, strict=True))
    mine = {name: count for name, count in told.items() if name in shipped()}
    assert mine == told == {name: read_study(name).count for name in told}
