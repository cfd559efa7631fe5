"""The page of an explanation as a reader meets it: in Chromium, with the network off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import passo
from passo.looking.page import page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
POINT = "[data-chart=embedding] g.mark-symbol.role-mark path"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    data = passo.load("fashion-mnist-sample", per_class=20)
    passo.train(data, "cnn", epochs=1, out=folder / "cnn")
    file = folder / "explain.html"
    file.write_text(page(passo.explain(folder / "cnn", images=60)), encoding="utf-8")
    return file


def opened(chromium, file: Path, width: int):
    """The page when its charts are drawn, what it logged, and what it asked for."""
    shown = chromium.new_context(offline=True, viewport={"width": width, "height": 900}).new_page()
    logged: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: logged.append(message.text) if message.type in ("error", "warning") else None)
    shown.on("pageerror", lambda error: logged.append(str(error)))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(file.as_uri())
    shown.wait_for_selector("html[data-charts=drawn]", state="attached")
    return shown, logged, asked


@pytest.mark.parametrize("width", [1440, 390], ids=["desktop", "phone"])
def test_every_figure_is_drawn_and_nothing_is_asked_for_or_logged(chromium, page_file: Path, width: int) -> None:
    shown, logged, asked = opened(chromium, page_file, width)
    assert logged == [] and asked == [page_file.as_uri()]
    drawn = shown.locator(".chart svg.marks").count()
    assert drawn == shown.locator(".chart").count() == 9
    assert shown.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"


def test_a_pointer_on_a_point_shows_its_image(chromium, page_file: Path) -> None:
    shown, *_ = opened(chromium, page_file, 1440)
    point = shown.locator(POINT).first
    point.scroll_into_view_if_needed()
    shown.wait_for_timeout(500)  # the page scrolls smoothly
    point.hover(force=True)
    image = shown.locator("#vg-tooltip-element.visible img")
    image.wait_for(timeout=5000)
    assert image.evaluate("(it) => [it.complete, it.naturalWidth, it.naturalHeight]") == [True, 112, 112]
    # the SVG is drawn with the picture inside it, not empty: it has many shades
    shades = image.evaluate(
        """async (it) => {
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = 112;
          const context = canvas.getContext('2d');
          context.drawImage(it, 0, 0);
          return new Set(context.getImageData(0, 0, 112, 112).data).size;
        }"""
    )
    assert shades > 10


def test_a_click_in_the_legend_leaves_one_class(chromium, page_file: Path) -> None:
    shown, *_ = opened(chromium, page_file, 1440)
    before = shown.locator(POINT).count()
    shown.locator("[data-chart=embedding] g.role-legend-entry").get_by_text("Trouser").first.click(force=True)
    shown.wait_for_timeout(300)
    after = shown.locator(POINT).count()
    assert before == 2 * 60 and after == 2 * 6, "of 60 images 6 are trousers, on both maps"
