"""The arithmetic of a race's steps: the real optimiser's numbers, chosen by racer and step, kept in the link."""

import html
import json
import re

import pytest
from asking import Asking

RACE = "o=adam+lr%3D0.1&o=lbfgs&o=momentum&steps=40&x=-3&y=1"


@pytest.mark.slow
@pytest.mark.parametrize(("locale", "loss"), [("en-US", "the loss goes from"), ("pt-BR", "a perda vai de")])
def test_a_step_of_a_race_is_taken_apart_and_followed(opened, locale: str, loss: str):
    page = opened(f"/descents?{RACE}", locale)
    page.wait_for_selector("[data-race=ready]")
    page.click("#stepping summary")
    page.wait_for_selector("#stepped[data-step='1']")
    page.locator("#steps [name=step]").fill("7")
    page.wait_for_selector("#stepped[data-step='7']")
    assert loss in page.locator("#stepped .sentence").inner_text()
    assert "β₁·m₋₁ + (1 − β₁)·g" in page.locator("#stepped table.apart").first.inner_text()
    assert "step=7" in page.url and "racer=0" in page.url
    assert page.locator("#at").inner_text().startswith("7 ")  # the picture stands on the same step
    page.click("[data-by='1']")
    page.wait_for_selector("#stepped[data-step='8']")
    page.locator("#steps [name=racer]").select_option("1")
    page.wait_for_selector("#stepped[data-racer='1']")
    page.goto(page.url)
    page.wait_for_selector("#stepped[data-racer='1'][data-step='8']")
    assert page.locator("#stepping").get_attribute("open") is not None


def test_a_change_of_the_race_keeps_the_step_that_is_looked_at(opened):
    page = opened(f"/descents?{RACE}&racer=2&step=5")
    page.wait_for_selector("[data-race=ready]")
    assert page.locator("#at").inner_text() == "5 / 40"  # the picture stands where the link says
    before = page.locator("#stepped .moved").first.inner_text()
    page.fill("[name=x]", "-2")
    page.press("[name=x]", "Tab")
    page.wait_for_function("before => document.querySelector('#stepped .moved').textContent !== before", arg=before)
    assert "racer=2" in page.url and "step=5" in page.url and "x=-2" in page.url


def test_keys_belong_to_what_is_typed_into_and_a_slider_stands_at_its_rate(opened):
    page = opened("/descents?o=sgd&o=adam+lr%3D0.01&steps=50")
    page.wait_for_selector(".handle")
    box, rate = page.locator("[name=o]").first, page.locator(".rate").nth(1)
    assert abs(float(rate.input_value()) - -2) < 0.03
    box.focus()
    page.keyboard.press("End")
    page.keyboard.type("XY")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("-")
    page.keyboard.press("Home")
    page.keyboard.type("Z")
    assert box.input_value() == "ZsgdX-Y"
    box.fill("sgd")
    rate.focus()
    before = float(rate.input_value())
    page.keyboard.press("ArrowRight")
    assert float(rate.input_value()) > before


def test_without_equations_only_what_was_seen_is_told(page: Asking):
    text = page.get(f"/descents/step?{RACE}&racer=1&step=1").text
    assert "The equations of LBFGS are not written in passo" in text and "m̂" not in text
    assert "Every number is what Adam itself held" in page.get(f"/descents/step?{RACE}&racer=0&step=1").text


def test_old_position_and_update_give_the_new_one_where_the_race_has_it(page: Asking):
    asked = f"/descents/race?{RACE}"
    racers = json.loads(page.get(asked, accept="application/json").text)["data"]["racers"]
    for racer in (0, 1, 2):
        text = html.unescape(page.get(f"/descents/step?{RACE}&racer={racer}&step=3").text)
        ends = re.findall(r"class=\"moved\">[xy]: .* = ([^<]+)<", text)
        for told, axis in zip(ends, "xy", strict=True):
            there = racers[racer][axis][3]
            assert float(told.replace("−", "-").replace(" × 10⁻", "e-").translate(RAISED)) == pytest.approx(
                there, abs=2e-3
            )


RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


@pytest.mark.parametrize("bad", ["racer=3&step=1", "racer=-1&step=1", "racer=0&step=0", "racer=x&step=1"])
def test_a_racer_or_a_step_that_is_not_there_is_refused(page: Asking, bad: str):
    assert page.get(f"/descents/step?{RACE}&{bad}").status == 400


def test_a_step_after_the_last_is_the_last(page: Asking):
    text = page.get("/descents/step?o=sgd+lr%3D100&steps=40&racer=0&step=40").text  # it diverges
    assert 0 < int(re.findall(r'data-step="(\d+)"', text)[0]) < 40
