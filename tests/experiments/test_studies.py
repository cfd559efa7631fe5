"""Studies: what the file says is what runs; what is done is not done again; mistakes have a line."""

from pathlib import Path

import pytest

from passo import store
from passo.errors import ConfigError, UnknownName
from passo.experiments import read_study, shipped, study
from passo.experiments.studyfile import parse_study

TEXT = """
name = "small"
seeds = [0, 1]

[base]
dataset = { name = "fashion-mnist-sample", per_class = 10 }
model = "tiny-cnn"
epochs = 1

[record]
every = 1

[[runs]]
name = "sgd"
optimizer = { name = "sgd", lr = 0.05 }

[[ranges]]
name = "range-adam"
optimizer = { name = "adam" }
steps = 20

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = "0.5 * suggested by range-adam" }

[[previews]]
title = "StepLR"
schedule = { name = "StepLR", step_size = 2 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_runs_everything_in_its_file(file: Path, tmp_path: Path, jobs: int) -> None:
    there = study(file).run(tmp_path / "out", jobs=jobs)
    assert there.status == "done"
    assert sorted(run.id for run in there.runs) == [
        "StepLR", "adam-s0", "adam-s1", "range-adam-s0", "range-adam-s1", "sgd-s0", "sgd-s1",
    ]  # fmt: skip
    suggested = [run.info["suggestion"] for run in there.select("range-adam", kind="lr_range")]
    mean = (suggested[0] * suggested[1]) ** 0.5
    assert there.run("adam-s0").config["optimizer"]["lr"] == pytest.approx(0.5 * mean)
    assert "trace" in there.run("adam-s0").arrays()
    assert "trace" not in there.run("adam-s1").arrays()
    assert there.facts["data"]["name"] == "fashion-mnist-sample"


def test_one_job_and_two_give_the_same_results(file: Path, tmp_path: Path) -> None:
    """Bits are promised for a number of threads; across numbers, the losses agree to rounding."""
    one, two = (study(file).run(tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2))
    for run in one.select("sgd"):
        assert two.run(run.id).metric("train/loss").values == pytest.approx(run.metric("train/loss").values, rel=1e-4)


def test_the_same_command_goes_on_where_it_was_interrupted(file: Path, tmp_path: Path) -> None:
    running = study(file).running(tmp_path / "out", jobs=1)
    for step in running:
        if step.task.run_id == "sgd-s0":
            running.close()  # type: ignore[attr-defined]
            break
    assert (
        store.open_study(tmp_path / "out").status == "failed"
        or store.open_study(tmp_path / "out").status == "interrupted"
    )
    begun = store.open_study(tmp_path / "out").run("sgd-s0").started
    names = [step.task.run_id for step in study(file).running(tmp_path / "out", jobs=1)]
    assert names == ["sgd-s1", "adam-s0", "adam-s1"]
    there = store.open_study(tmp_path / "out")
    assert there.status == "done"
    assert there.run("sgd-s0").started == begun
    assert list(study(file).running(tmp_path / "out", jobs=1)) == []


def test_settings_lie_over_the_file(file: Path) -> None:
    laid = read_study(file, ["seeds=3", "epochs=7", "dataset.per_class=5", "base.batch_size=32"])
    assert laid.seeds == (0, 1, 2)
    config = laid.training(laid.configurations[0], 0, {})
    assert (config.epochs, config.dataset.per_class, config.dataset.name) == (7, 5, "fashion-mnist-sample")
    assert config.batch_size == 32
    assert read_study(file, ["dataset=mnist"]).base["dataset"]["name"] == "mnist"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("seeds =", "sedes =", 3, "unknown key 'sedes'. Did you mean 'seeds'"),
        ("steps = 20", "step = 20", 20, "unknown key 'ranges.0.step'. Did you mean 'ranges.0.steps'"),
        ("epochs = 1", "epoch = 1", 8, "base: unknown key 'epoch'"),
        ('name = "sgd", lr', 'name = "sdg", lr', 14, "unknown optimizer 'sdg'. Did you mean 'sgd'"),
        ("suggested by range-adam", "suggested by range-adm", 23, "unknown range test 'range-adm'"),
        ('optimizer = { name = "adam" }', 'optimizer = { name = "adam", lrr = 1 }', 18, "adam has no argument 'lrr'"),
        ("steps = 20", "steps = 2", 18, "run 'range-adam': steps must be"),
        ('name = "range-adam"\noptimizer', 'name = "sgd"\noptimizer', 14, "run 'sgd' is there 2 times"),
        ("seeds = [0, 1]", "seeds = []", 1, "seeds must be different and at least one"),
        ('title = "StepLR"', 'titel = "StepLR"', 26, "previews.0.title is missing"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_its_line(old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_study(TEXT.replace(old, new), "small.toml")
    assert said in str(refused.value)
    assert f"line {line}" in str(refused.value) or line == 1
    assert "\n" not in str(refused.value)


def test_broken_toml_and_unknown_studies_are_told() -> None:
    with pytest.raises(ConfigError, match=r"x.toml: "):
        parse_study("name = 'a'\nseeds = [", "x.toml")
    with pytest.raises(UnknownName, match="there is no study at here/optimizers; a study's file ends in .toml"):
        study("here/optimizers")
    with pytest.raises(UnknownName, match="unknown study 'optimisers'. Did you mean 'optimizers'"):
        read_study("optimisers")
    with pytest.raises(ConfigError, match="cannot read nowhere.toml: no such file"):
        read_study("nowhere.toml")
    with pytest.raises(ConfigError, match="run 'sgd' is there 2 times"):
        parse_study(TEXT.replace('name = "adam"\noptimizer', 'name = "sgd"\noptimizer'), "small.toml")


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_study_can_be_read_and_counts_its_runs(name: str) -> None:
    assert read_study(name).count > 0
