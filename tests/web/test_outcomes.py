"""How a training ended, and what it can be asked to do: a divergence is an outcome, and Resume does something."""

from pathlib import Path
from typing import Any

import pytest
from asking import Asking

from passo.errors import TrainingError
from passo.store import Store, open_study, outline

NAMED = {"optimizer": {"name": "sgd"}, "dataset": {"name": "fashion-mnist"}, "model": {"name": "mlp"}, "epochs": 2}


def ended(folder: Path, how: str, config: dict[str, Any] = NAMED, *, kept: bool = False, **facts: Any) -> Path:
    """A study of one training that ended by an error, with its run marked so."""
    with pytest.raises(TrainingError), Store.create(folder, name="one", config=config) as study:
        study.facts(**facts)
        run = study.add_run("sgd", config=config, seed=0)
        run.scalars(1, 1.0, {"train/loss": 1.0})
        if kept:
            run.checkpoint(1, lambda path: path.touch())
        run.finish(how, f"it {how}")
        raise TrainingError(how)
    return folder


def test_a_training_that_diverged_says_so_wherever_its_study_is_told(page: Asking, root: Path):
    folder = ended(root / "lost", "diverged")
    assert open_study(folder).status == outline(folder).status == "diverged"
    for path in ("/", "/study/lost", "/?status=diverged"):
        text = page.get(path).text
        assert '<span class="status diverged">diverged</span>' in text and "status failed" not in text
    assert "/study/lost" not in page.get("/?status=failed").text


def test_a_training_that_failed_and_a_study_that_ended_by_an_error_have_failed(root: Path):
    assert outline(ended(root / "failed", "failed")).status == "failed"
    assert outline(ended(root / "many", "diverged", planned=3)).status == "failed"  # it did not come to its end


@pytest.mark.parametrize(
    ("how", "config", "kept", "told"),
    [
        ("diverged", NAMED, True, "it would diverge again"),
        ("interrupted", {**NAMED, "dataset": {"name": "(loaders)"}}, True, "a program&#39;s own"),
        ("interrupted", {**NAMED, "model": {"name": "nets/mine.py:build"}}, True, "a program&#39;s own"),
    ],
)
def test_what_cannot_go_on_has_no_button_and_says_why(
    page: Asking, root: Path, how: str, config: dict[str, Any], kept: bool, told: str
):
    ended(root / "one", how, config, kept=kept)
    for path in ("/study/one", "/study/one/run/sgd-s0"):
        text = page.get(path).text
        assert told in text and "/one/resume" not in text
    assert page.post("/study/one/resume", {"key": page.key}).status == 400
    assert page.lab.jobs.all() == []


@pytest.mark.parametrize(("kept", "told"), [(True, "it goes on where it stopped"), (False, "it begins anew")])
def test_what_stopped_goes_on_and_the_button_says_from_where(page: Asking, root: Path, kept: bool, told: str):
    ended(root / "one", "failed", kept=kept)
    for path in ("/study/one", "/study/one/run/sgd-s0"):
        text = page.get(path).text
        assert told in text and "/one/resume" in text


def test_a_run_that_diverged_in_a_study_that_goes_on_has_no_button_of_its_own(page: Asking, root: Path):
    ended(root / "many", "diverged", {"epochs": 2}, planned=3)
    assert "/many/resume" in page.get("/study/many").text
    assert "/many/resume" not in page.get("/study/many/run/sgd-s0").text


def test_a_loop_of_somebody_s_own_is_not_offered_to_go_on(page: Asking, root: Path):
    with pytest.raises(TrainingError), Store.create(root / "loop", name="adam", config={"optimizer": "adam"}) as study:
        study.add_run("watched", config={"optimizer": {"name": "adam"}}, kind="watch")
        raise TrainingError("it ended")
    for path in ("/study/loop", "/study/loop/run/watched"):
        assert "/loop/resume" not in page.get(path).text
