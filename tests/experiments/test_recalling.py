"""A study that goes on is run as it was run before, unless something else is said."""

from pathlib import Path
from typing import Any

import pytest

from passo import store
from passo.experiments import study, sweep
from passo.experiments.recalling import Engine, recalled
from passo.store import Store

TEXT = """
name = "small"
seeds = 1

[base]
dataset = { name = "fashion-mnist-sample", per_class = 8 }
model = { name = "mlp", hidden = [8] }
batch_size = 16
epochs = 1

[[runs]]
name = "sgd"
optimizer = { name = "sgd", lr = 0.05 }

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = 0.01 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """With which executor, and how many at a time, each command performed what was left."""
    seen: list[tuple[str, int | None]] = []
    perform = sweep._perform_all

    def performed(tasks: Any, stage: Any, jobs: int | None, folder: Path, executor: str, *rest: Any) -> Any:
        seen.extend([(executor, jobs)] if tasks else [])
        return perform(tasks, stage, 1, folder, "here", *rest)

    monkeypatch.setattr(sweep, "_perform_all", performed)
    return seen


def test_a_study_goes_on_with_the_engine_that_it_was_begun_with(file: Path, tmp_path: Path, engines: list[Any]):
    folder = tmp_path / "there"
    study(file, {"seeds": 1}).run(folder, executor="replicas", jobs=3)
    study(file, {"seeds": 2}).run(folder)
    assert engines == [("replicas", 3)] * 2
    assert store.outline(folder).facts["engine"] == {"executor": "replicas", "jobs": 3, "address": None}
    study(folder, {"seeds": 3}).run(folder, jobs=2)  # by its folder, as the page's Resume does
    study(folder, {"seeds": 4}).run(folder, executor="auto")
    study(folder, {"seeds": 5}).run(folder)
    assert engines[2:] == [("replicas", 2), ("auto", None), ("auto", None)]
    study(file, {"seeds": 1}).run(folder, force=True)
    assert engines[5:] == [("processes", None)]


def test_what_the_file_says_anew_counts_more_than_what_was_said_before(file: Path, tmp_path: Path):
    with Store.create(tmp_path / "there", name="small", config={}) as there:
        there.facts(engine={"executor": "ray", "jobs": 4, "address": "auto"})
    other = study(file, {"executor": "here"}).file
    assert recalled(tmp_path / "there", study(file).file, Engine()) == Engine("ray", 4, "auto")
    assert recalled(tmp_path / "there", other, Engine()) == Engine()


@pytest.mark.parametrize("fact", [None, "ray", {"executor": "rm", "jobs": -1, "address": 5}, {"jobs": True}])
def test_what_cannot_have_been_said_is_not_recalled(file: Path, tmp_path: Path, fact: Any):
    with Store.create(tmp_path / "there", name="small", config={}) as there:
        there.facts(engine=fact)
    assert recalled(tmp_path / "there", study(file).file, Engine()) == Engine()
