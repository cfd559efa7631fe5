"""The score: what was told of runs whose defect is known, and of healthy ones."""

from __future__ import annotations

import pytest

from passo import gallery
from passo.diagnosis.diagnosing import DETECTORS
from passo.diagnosis.findings import share
from passo.diagnosis.scoring import Case, Judged, judged, score_lines
from passo.store import StoredRun

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRun]:
    study = gallery.make_all(tmp_path_factory.mktemp("score") / "gallery", ["frozen"], ["mlp"], [0], jobs=1)
    return {run.config["gallery"]: run for run in study.runs}


def test_a_broken_run_is_right_where_its_defect_is_told_and_a_healthy_one_where_nothing_is(
    runs: dict[str, StoredRun],
) -> None:
    broken = judged(Case(runs["frozen"], "frozen", "frozen", held_out=False))
    healthy = judged(Case(runs["healthy"], "healthy", None, held_out=False))
    assert (broken.right, broken.others) == (True, [])
    assert (healthy.right, healthy.told) == (True, {})
    assert not judged(Case(runs["frozen"], "frozen", "dead", held_out=False)).right
    assert not judged(Case(runs["frozen"], "frozen", None, held_out=False)).right


def test_the_table_counts_what_was_held_out_apart(runs: dict[str, StoredRun]) -> None:
    run = runs["frozen"]
    all_ = [
        Judged(Case(run, "frozen", "frozen", False), {"frozen": "suspected"}),
        Judged(Case(run, "frozen", "frozen", True), {"dead": "found", "frozen": "found"}),
        Judged(Case(run, "frozen", "frozen", True), {}),
        Judged(Case(run, "adam", None, False), {"leak": "found"}),
        Judged(Case(run, "adam", None, False), {}),
    ]
    lines = list(score_lines(all_))
    assert "| defects recognised | 1 of 1 (100 %) | 1 of 2 (50 %) |" in lines
    assert "| … as the surest finding | 1 of 1 (100 %) | 0 of 2 (0 %) |" in lines
    assert "| … as found, not suspected alone | 0 of 1 (0 %) | 1 of 2 (50 %) |" in lines
    assert "| false alarms on healthy runs | 1 of 2 (50 %) | – |" in lines
    assert f"| `frozen` | `frozen` | 1/1 | 1/2 | {run.id} (–) |" in lines
    accuracy = share(run.metric("test/accuracy").values[-1])
    assert f"| `adam` | 1/2 | – | {run.id} (leak) | {accuracy} |" in lines
    assert "| `frozen` | `dead` | 1 |" in lines


def test_every_defect_of_the_gallery_is_one_detector_s_and_every_detector_has_a_defect() -> None:
    assert {one.detector for one in gallery.DEFECTS.values()} == set(DETECTORS)
