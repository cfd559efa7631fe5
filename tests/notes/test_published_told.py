"""The published note is told by a finished study that lies beside, or by the command that runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo.notes import tables, text, vocabulary
from passo.notes.content import Code, Prose, Table
from passo.notes.references import REFERENCES
from passo.notes.replicated import HERE, Replication
from passo.notes.values import Values
from passo.store import Store, StoredStudy
from passo.studies.published import published_note


def over_seeds(folder: Path, *, finished: bool = True, sample: bool = False) -> None:
    """A made-up study of the published note's runs: each later run of it ends a little lower, for every seed."""
    with Store.create(folder, name="published-note", config={}) as store:
        store.facts(data={"name": "made-up", "sample": sample, "counts": {"train": 54_000}})
        for rank, name in enumerate(published_note().names):
            for seed in range(4):
                run = store.add_run(name, config={"optimizer": {"name": "sgd"}}, seed=seed)
                luck = 0.001 * np.random.default_rng([seed, rank]).random()
                run.scalars(1, 1, {"validation/loss": 1 - 0.05 * rank + luck})
                run.finish()
        if not finished:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def here(build: Callable[..., StoredStudy], tmp_path_factory: pytest.TempPathFactory) -> Values:
    return Values(build(tmp_path_factory.mktemp("root") / "optimizers"))


def section(values: Values) -> tuple[str, list[Table], str]:
    """The section alone: its prose, its tables, its commands."""
    path = next(path for path in text.files("optimizers") if path.name == "90-published.md")
    sources = [("00-title.md", "# T\n\nS.\n\nL."), (path.name, path.read_text(encoding="utf-8"))]

    def none(name: str) -> Any:
        raise AssertionError(name)

    words = vocabulary.vocabulary(values)
    note = text.compose(sources, words, draw=none, tables=tables.tables(values), cited=REFERENCES)
    blocks = note.sections[0].blocks
    prose = " ".join(block.markdown for block in blocks if isinstance(block, Prose))
    return (
        prose,
        [block for block in blocks if isinstance(block, Table)],
        "\n".join(block.text for block in blocks if isinstance(block, Code)),
    )


def test_what_was_not_run_is_said_with_the_command_that_runs_it(here: Values) -> None:
    prose, shown, commands = section(here)
    assert "It has not been run beside this note" in prose
    assert "passo study run published-note" in commands
    assert [len(table.rows) for table in shown] == [4]


def test_a_study_over_seeds_that_lies_beside_judges_every_claim(here: Values) -> None:
    folder = here.study.folder.parent / "published-note"
    over_seeds(folder, sample=True)
    try:
        found = Replication(here).judged
        assert found is not None and len(found.judged) == 11
        prose, shown, commands = section(here)
        assert found.sentence() in prose and "a rehearsal of the replication" in prose
        assert "over four seeds" in prose and "54,000 images" in prose
        assert [len(table.rows) for table in shown] == [4, 11]
        assert "published-note" not in commands
    finally:
        folder.rename(here.study.folder.parent.parent / f"moved-{folder.parent.name}")


def test_one_that_has_not_finished_does_not_judge(build: Callable[..., StoredStudy], tmp_path: Path) -> None:
    study = build(tmp_path / "optimizers", seeds=(0, 1))
    with pytest.raises(KeyboardInterrupt):
        over_seeds(tmp_path / "published-note", finished=False)
    assert Replication(Values(study)).judged is None


def test_its_claims_are_tried_on_this_study_beside_what_was_printed(here: Values) -> None:
    found = Replication(here)
    printed = {run.name: run.printed["val_loss"][-1] for run in published_note().runs}
    first = found.tried.judged[0]
    assert (first.claim.first, first.claim.second) == ("momentum", "sgd")
    assert first.published == pytest.approx(printed["optimisers-momentum"] - printed["optimisers-sgd"])
    assert found.winner() == "momentum" and found.printed.keys() == set(HERE.values())
    assert sum(found.winners.values()) == len(here.seeds)
