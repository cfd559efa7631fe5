"""Across studies: runs laid over each other, studies compared; chosen in the lists, kept in the address."""

import json

import numpy as np
import pytest
from asking import Asking, a_study

from passo.store import Store


@pytest.fixture
def problems(root):
    """Two studies of the same two configurations, three seeds each, in which one is always quicker."""
    for place, name in enumerate(("digits", "letters")):
        with Store.create(root / name, name=name, config={"metric": "test/accuracy"}) as study:
            for run, pace in (("adam", 5.0), ("sgd", 9.0)):
                for seed in range(3):
                    writer = study.add_run(run, config={"optimizer": {"name": run}}, seed=seed)
                    for epoch in range(1, 21):
                        share = 0.9 - 0.8 * float(np.exp(-epoch / (pace + place + 0.1 * seed)))
                        values = {"validation/accuracy": share, "train/loss": 1 - share, "epoch/seconds": 1.0}
                        writer.scalars(epoch, float(epoch), values)
                    writer.scalars(20, 20.0, {"test/accuracy": 0.9 - pace / 100 - seed / 1000})
                    writer.finish()
    return root


def test_runs_of_several_studies_are_laid_over_each_other(opened, root):
    a_study(root, "second")
    page = opened("/runs")
    for name in ("first/adam-s0", "second/sgd-s0"):
        page.check(f"[name=run][value='{name}']")
    page.click("#overlay button")
    page.wait_for_selector("html[data-drawn='1']")
    assert "run=first%2Fadam-s0" in page.url and "run=second%2Fsgd-s0" in page.url
    label = page.locator("#chart svg.marks").get_attribute("aria-label")
    assert label == "train/loss. second/sgd-s0: 0.1353; first/adam-s0: 0.1353"
    assert page.locator("tbody tr").count() == 2
    page.select_option("[name=metric]", "test/accuracy")
    page.click("main button:has-text('Show')")
    page.wait_for_selector("[data-last='second/sgd-s0']:text-is('0.75')")
    page.wait_for_selector("html[data-drawn='1']")


def test_what_is_laid_over_each_other_and_cannot_be_read_is_said_and_the_others_are_drawn(page: Asking):
    answer = page.get("/overlay?run=first/adam-s0&run=first/none&run=nowhere/x&run=..%2F..%2Fetc/x")
    assert answer.status == 200 and answer.text.count("data-last=") == 1
    assert "has no run" in answer.text and answer.text.count("there is no study") == 2
    assert page.get("/overlay?" + "&".join(f"run=first/r{i}" for i in range(40))).status == 400
    assert page.get("/overlay?run=first/adam-s0&metric=none").status == 404


def test_studies_are_compared_as_the_command_compares_them(opened, problems):
    page = opened("/")
    for name in ("digits", "letters"):
        page.check(f"[name=study][value={name}]")
    page.click("#compare button")
    page.wait_for_selector("#comparison figure[data-drawn='1'] svg.marks")
    assert "study=digits" in page.url and "study=letters" in page.url
    assert page.locator("section h2").all_inner_texts() == ["Performance profiles", "letters", "digits"]
    assert "adam" in page.locator("section:has(#profiles) p").first.inner_text()


def test_one_study_leads_to_its_own_comparison_and_damaged_ones_are_said(page: Asking, problems):
    assert page.get("/compare?study=digits").headers["location"] == "/study/digits/compare"
    (problems / "letters" / "study.sqlite").write_bytes(b"no database" * 100)
    answer = page.get("/compare?study=digits&study=letters&study=nowhere")
    assert answer.status == 200 and "file is not a database" in answer.text and "there is no study" in answer.text
    assert "adam" in answer.text and str(problems) not in answer.text
    chosen = page.get("/compare?study=digits&study=first&name=adam").text
    assert chosen.count('<th scope="row">adam') == 2 and '<th scope="row">sgd' not in chosen
    figure = page.ask("GET", "/compare/figure/ranked?study=digits&study=first", accept="application/json")
    assert figure.status == 400 and "is of one study" in json.loads(figure.text)["error"]
