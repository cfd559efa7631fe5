"""Where nothing was ticked, and where a run did not record what a figure shows, a page says so, and is no error."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from asking import Asking, a_study

import passo
from passo.store import Store
from passo.web.pages_several import STUDIES

NOT_WATCHED = "run adam-s0 was not watched: train it again with record.every=1"
FIGURES = [
    ("apart", NOT_WATCHED),
    ("loss-change", NOT_WATCHED),
    ("distributions", NOT_WATCHED),
    ("confusion", "run adam-s0 kept no predictions: train it again with record.predictions=true"),
    ("activations", "train it again with record.every=1 record.activations=true"),
]


@pytest.mark.parametrize(("figure", "told"), FIGURES)
def test_a_figure_that_a_run_lacks_is_a_sentence_that_says_how_to_record_it(page: Asking, figure: str, told: str):
    address = f"/study/first/run/adam-s0/figure/{figure}"
    answer = page.get(address, accept="application/json")
    found = json.loads(answer.text)
    assert answer.status == 200 and told in found["sentence"] and found["spec"] is None and found["tables"] == []
    picture = page.get(f"{address}.svg")
    assert picture.status == 200 and picture.headers["content-type"] == "image/svg+xml"
    assert told in " ".join(ET.fromstring(picture.text).itertext())


@pytest.mark.parametrize(
    "address",
    [
        "/study/first/run/adam-s0/figure/nothing",
        "/study/first/run/adam-s0/figure/nothing.svg",
        "/study/first/run/adam-s0/curve.svg?metric=nothing",
        "/study/first/compare/figure/nothing",
        "/compare/figure/nothing?study=first",
    ],
)
def test_a_figure_that_there_is_not_is_not_found(page: Asking, address: str):
    assert page.get(address, accept="application/json").status == 404


def test_the_page_of_a_run_says_in_the_figure_s_place_what_it_lacks(opened, root: Path):
    sample = {"name": "fashion-mnist-sample", "per_class": 20}
    given = {"dataset": sample, "epochs": 1, "record": {"every": 1}, "optimizer": {"name": "sgd", "lr": 0.01}}
    passo.train(sample["name"], "tiny-cnn", out=root / "plain", **given)
    page = opened("/study/plain/run/tiny-cnn-sgd-s0")
    page.click("[data-figure=signal]")  # of squares, which SGD does not average
    page.wait_for_selector("figure[data-drawn^='signal']")
    shown = page.locator("figure.panel[data-shown=signal]")
    assert "needs the stage 'exp_avg_sq_hat'" in shown.locator(".sentence").inner_text()
    assert shown.locator("svg").count() == 0
    page.click("[data-figure=layers]")
    page.wait_for_selector("figure[data-drawn^='layers'] svg.marks")


def test_compare_with_nothing_ticked_says_what_to_tick_and_has_the_form(page: Asking, root: Path):
    a_study(root, "second")
    answer = page.get("/compare")
    assert answer.status == 200 and f"Tick from one to {STUDIES} studies" in answer.text
    assert answer.text.count('name="study"') == 2 and "<button>Compare</button>" in answer.text
    many = "&".join(f"study=s{number}" for number in range(STUDIES))
    answer = page.get(f"/compare?study=second&{many}")
    assert answer.status == 400 and "9 were ticked." in answer.text and 'value="second" checked' in answer.text
    assert "Marque de um a" in page.get("/compare", accept_language="pt-BR").text


def test_what_cannot_be_compared_yet_and_no_runs_ticked_are_pages_with_a_sentence(page: Asking, root: Path):
    with Store.create(root / "empty", name="empty", config={}):
        pass
    answer = page.get("/study/empty/compare")
    assert answer.status == 200 and "has no finished training yet" in answer.text
    answer = page.get("/overlay")
    assert answer.status == 200 and "runs in the list of runs" in answer.text and 'href="/runs"' in answer.text


def test_studies_are_ticked_on_the_page_and_compared(opened, root: Path):
    a_study(root, "second")
    page = opened("/compare")
    for name in ("first", "second"):
        page.check(f"[name=study][value={name}]")
    page.click("main form button")
    page.wait_for_selector("#comparison")
    assert page.locator("section h2").all_inner_texts()[1:] == ["second", "first"]
