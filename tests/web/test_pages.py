"""The pages in Chromium: each does its main task, logs nothing and asks for nothing from outside."""

import shutil
from pathlib import Path

import pytest
from asking import Asking


@pytest.mark.parametrize(("locale", "title"), [("en-US", "Studies"), ("pt-BR", "Estudos")])
def test_studies_lead_to_runs_and_their_curves_are_drawn(opened, locale: str, title: str):
    page = opened("/", locale)
    assert page.locator("h1").inner_text().startswith(title)
    page.click("text=first")
    page.click("text=adam-s0")
    page.wait_for_selector("[data-curves=drawn]")
    assert page.locator("#panels svg.marks").count() == 1
    assert "train/loss" in (page.locator("#panels svg.marks").get_attribute("aria-label") or "")


def test_a_language_and_a_theme_are_remembered_and_lead_back(opened):
    page = opened("/runs?q=adam")
    page.click("button:has-text('Português')")
    page.click("button:has-text('Escuro')")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.url.endswith("/runs?q=adam") and page.locator("h1").inner_text().startswith("Execuções")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"


def test_tags_are_kept_and_find_their_run(opened):
    page = opened("/study/first/run/adam-s0")
    page.click("summary")
    page.fill("[name=tags]", "good, <b>")
    page.fill("[name=note]", "It **works**.")
    page.click("button:has-text('Keep')")
    assert page.locator(".written strong").inner_text() == "works"
    page.goto(page.url.partition("/study")[0] + "/runs?q=good")
    assert page.locator("tbody tr").count() == 1


def test_averages_answer_to_their_slider(opened):
    page = opened("/averages")
    page.wait_for_selector("[data-drawn='1']")
    page.locator(".beta").first.fill("2")
    page.wait_for_selector("[data-drawn='2']")
    assert "β = 0.99" in page.locator("#told li").first.inner_text() and "beta=0.99" in page.url


@pytest.mark.slow
def test_a_race_is_run_anew_from_another_start(opened):
    page = opened("/descents?o=adam&o=sgd+lr%3D0.01&steps=50")
    page.wait_for_selector("[data-race=ready]")
    page.fill("[name=x]", "1")
    page.press("[name=x]", "Tab")
    page.wait_for_selector("[data-raced='1']")
    assert "x=1" in page.url and page.locator("#result tbody tr").count() == 2


def test_a_root_that_no_training_has_made_yet_offers_a_new_one(page: Asking, root: Path):
    shutil.rmtree(root)
    assert 'href="/new"' in page.get("/").text
    assert page.get("/new").status == 200 and page.get("/new/study").status == 200


def test_averages_of_a_run_that_was_not_watched_say_so_and_keep_their_form(page: Asking):
    run = page.lab.shelf.entries()[0].outline.runs[0].id
    found = page.get(f"/averages?run=first/{run}")
    assert found.status == 200 and "record.every=1" in found.text and 'name="run"' in found.text
