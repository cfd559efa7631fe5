"""Trainings that are one network, on the page of their study, while they train and where they stopped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import Asking

from passo.store import Store

TOLD = {"trainings": 40, "going": 38, "epoch": 3, "epochs": 10, "step": 1250, "since": 1.7e9, "done": 9.5}
TOLD["means"] = {"train/loss": 0.51234, "validation/accuracy": 0.875}
SENTENCE = "40 trainings have run as one network since"


@pytest.fixture
def study(root: Path) -> Iterator[Path]:
    """A study that trains; it says that it has 40 runs."""
    there = Store.create(root / "many", name="many", config={})
    there.facts(planned=40)
    (there.folder / "pending").mkdir()
    yield there.folder
    there.close("interrupted")


def tell(study: Path, told: Any = TOLD, name: str = "group-01") -> Path:
    path = study / "pending" / f"{name}.json"
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    return path


def test_a_group_that_trains_is_told_on_its_study_s_page(page: Asking, study: Path):
    assert SENTENCE not in page.get("/study/many").text
    tell(study)
    text = page.get("/study/many").text
    assert SENTENCE in text and "epoch 3 of 10, step 1,250." in text
    assert "0 of 40 runs are done (0 %); 40 are not written yet, with a network of them training." in text
    assert "Means over the 38 that have not ended: train/loss 0.5123, validation/accuracy 0.875" in text
    assert "passo 1.250" in page.get("/study/many", accept_language="pt-BR").text


def test_a_page_that_watches_the_study_hears_when_a_group_is_further(opened, study: Path):
    tell(study)
    page = opened("/study/many")
    assert SENTENCE in page.locator("#groups li").inner_text()
    for epoch in range(4, 100):  # until one is told after the page has begun to listen
        tell(study, {**TOLD, "epoch": epoch, "epochs": 100})
        page.wait_for_timeout(200)
        if "of 100" in page.locator("#groups li").inner_text():
            break
    assert "of 100, step 1,250" in page.locator("#groups li").inner_text()


def test_a_group_that_stopped_is_told_where_its_state_is_kept(page: Asking, root: Path):
    with pytest.raises(KeyboardInterrupt), Store.create(root / "many", name="many", config={}) as there:
        there.facts(planned=40)
        (there.folder / "pending").mkdir()
        tell(there.folder)
        raise KeyboardInterrupt
    assert "as one network" not in page.get("/study/many").text
    (root / "many" / "pending" / "group-01.safetensors").touch()
    text = page.get("/study/many").text
    assert "40 trainings stopped as one network, in epoch 3 of 10, step 1,250." in text and SENTENCE not in text


@pytest.mark.parametrize(
    "told",
    ["", "[]", "no JSON", "{}", "9" * 5000, "[" * 4000, {**TOLD, "since": 1e300}, {**TOLD, "done": float("nan")},
     {**TOLD, "means": 3}, {**TOLD, "step": None}],
)  # fmt: skip
def test_what_passo_did_not_write_so_is_left_out(page: Asking, study: Path, told: Any):
    tell(study, told)
    tell(study, {**TOLD, "trainings": 7}, "group-02")
    text = page.get("/study/many").text
    assert "7 trainings have run as one network" in text and text.count("have run as one network") == 1


def test_a_link_is_not_followed(page: Asking, study: Path, tmp_path: Path):
    elsewhere = tell(study).rename(tmp_path / "elsewhere.json")
    (study / "pending" / "group-01.json").symlink_to(elsewhere)
    assert SENTENCE not in page.get("/study/many").text
    names = {"<script>alert(1)</script>": 1.0}
    tell(study, {**TOLD, "means": names}, "group-02")
    assert "<script>alert" not in page.get("/study/many").text
