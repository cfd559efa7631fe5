"""A group of trainings tells how far it is while it trains, and leaves nothing of that behind."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from passo import store
from passo.experiments import fusing, study

TEXT = """
name = "small"
seeds = 2

[base]
dataset = { name = "fashion-mnist-sample", per_class = 8, validation = 0.25 }
model = { name = "mlp", hidden = [8] }
batch_size = 16
epochs = 3

[[runs]]
name = "sgd"
optimizer = { name = "sgd", lr = 0.05 }

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = 0.01 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.toml").write_text(TEXT)
    monkeypatch.setattr(fusing, "SAYS", -1.0)  # after every step
    return tmp_path / "there"


def test_a_group_tells_its_epoch_its_steps_and_what_is_known_of_it(folder: Path):
    told = []
    for step in study(folder.parent / "small.toml").running(folder, executor="replicas", jobs=1):
        if step.status == "running":
            (path,) = folder.glob("pending/group-*.json")
            told.append(json.loads(path.read_text()))
    assert [one["step"] for one in told] == list(range(1, 13))  # 60 images, 16 at a time, 3 epochs
    assert [one["epoch"] for one in told] == [1] * 4 + [2] * 4 + [3] * 4
    assert {one["trainings"] for one in told} == {4} and {one["epochs"] for one in told} == {3}
    assert told[0]["means"].keys() == {"train/loss"} and told[-1]["done"] == 4 and len({o["since"] for o in told}) == 1
    runs = store.open_study(folder).runs
    first = [run.metric("train/loss").values[0] for run in runs]
    assert told[0]["means"]["train/loss"] == pytest.approx(sum(first) / 4)
    validation = [run.metric("validation/loss").values[1] for run in runs]  # the last epoch's end that is told
    assert told[10]["means"]["validation/loss"] == pytest.approx(sum(validation) / 4)
    assert not list(folder.glob("pending/group-*"))


def test_what_an_earlier_command_told_is_not_told_again(folder: Path):
    text = study(folder.parent / "small.toml")
    going = text.running(folder, executor="replicas", jobs=1)
    for step in going:
        if step.status == "running":
            break
    assert isinstance(going, Generator)
    going.close()
    (path,) = folder.glob("pending/group-*.json")
    stale = path.with_name("group-0123.json")
    path.rename(stale)
    path.with_suffix(".part").touch()
    text.run(folder)
    assert not stale.exists() and not (folder / "pending").exists()
    assert store.open_study(folder).status == "done"
