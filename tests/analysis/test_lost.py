"""What a run kept of its divergence is told whole: where, which layer, and what came before."""

from pathlib import Path

import numpy as np
import pytest

from passo.analysis.lost import lost, steps_before
from passo.language import speaking
from passo.store import Store, StoredRun, open_study

FOUND = {"kind": "output", "name": "fc1 (Linear)", "elements": 238, "size": 640}
REPORT = {
    "step": 11, "epoch": 2, "lr": 0.5, "seen_at": 12, "what": "the loss", "found": FOUND, "images": list(range(64)),
    "culprits": [7, 9], "kept": 10, "searched": "", "sentence": "the loss is not finite at step 12",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> StoredRun:
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        writer = study.add_run("sgd", config={}, seed=0)
        for step in range(1, 12):
            writer.scalars(step, step / 6, {"train/loss": 2.0**step})
        rms = np.ones((11, 2, 2, 2), np.float32)  # steps, stages, parameters, (mean, rms)
        rms[:, 0, 1, 1] = np.arange(1, 12)  # the gradient of the second
        rms[-1, 0, 0, 1] = np.inf
        names = {"stages": ["grad", "theta"], "parameters": ["a", "b"], "quantities": ["mean", "rms"]}
        steps, lr = np.arange(1, 12), np.full(11, 0.5)
        writer.array("statistics", rms, **names)
        writer.array("trace/steps", steps)
        writer.array("trace/lr", lr)
        writer.info(diverged=REPORT)
        writer.finish("diverged", REPORT["sentence"])
    return open_study(tmp_path / "s").runs[0]


def test_every_fact_of_the_report_has_its_row(run: StoredRun) -> None:
    found = lost(run)
    assert found is not None
    rows = dict(found.table().rows)
    assert rows["at step"] == "12" and rows["because of step"] == "11" and rows["learning rate"] == "0.5"
    assert rows["first not finite"] == "the output of fc1 (Linear): 238 of 640 elements"
    assert rows["of which give it"] == "2: 7, 9" and rows["state that was kept"] == "after step 10"
    with speaking("pt-BR"):
        assert dict(found.table().rows)["primeiro não finito"] == "a saída de fc1 (Linear): 238 de 640 elementos"


def test_the_last_steps_name_the_layer_with_the_largest_gradient(run: StoredRun) -> None:
    table = steps_before(run, 12)
    assert [row[0] for row in table.rows] == [str(step) for step in range(4, 12)]
    assert table.rows[0][1:4] == ("16", "4", "b")
    assert table.rows[-1][2:4] == ("inf", "a")  # what is not finite is the largest


def test_a_run_that_ended_well_has_no_report(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        study.add_run("sgd", config={}).finish()
    assert lost(open_study(tmp_path / "s").runs[0]) is None


@pytest.mark.parametrize("forged", [{}, [], "x", {**REPORT, "step": "five"}, {**REPORT, "found": 3}])
def test_a_report_that_cannot_be_read_is_none(tmp_path: Path, forged: object) -> None:
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        writer = study.add_run("sgd", config={})
        writer.info(diverged=forged)
        writer.finish()
    assert lost(open_study(tmp_path / "s").runs[0]) is None
