"""The page as a reader meets it: in Chromium, with the network off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

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


def opened(chromium, written, **options):
    """The page when its charts are drawn, what it logged, and what it asked for."""
    context = chromium.new_context(offline=True, **options)
    page = context.new_page()
    logged: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: logged.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.html.as_uri())
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    return page, logged, asked


SIZES = """() => [...document.querySelectorAll('.chart')].map((chart) => {
  const box = chart.querySelector('svg.marks')?.getBoundingClientRect();
  return [chart.dataset.chart, box ? Math.min(box.width, box.height) : 0];
})"""


@pytest.mark.parametrize("width", [1400, 390], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_draws_with_the_network_off_and_nothing_is_logged(chromium, written, note, width, scheme):
    page, logged, asked = opened(chromium, written, viewport={"width": width, "height": 900}, color_scheme=scheme)
    sizes = dict(page.evaluate(SIZES))
    assert list(sizes) == [block.figure.name for block in note.figures()]
    assert all(size > 60 for size in sizes.values()), sizes
    assert logged == []
    assert asked == [written.html.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"


def test_equations_have_a_size(chromium, written):
    page, *_ = opened(chromium, written)
    sizes = page.evaluate("() => [...document.querySelectorAll('math')].map((m) => m.getBoundingClientRect().width)")
    assert len(sizes) > 50 and min(sizes) > 2


def test_the_policy_forbids_requests_even_where_there_is_a_network(chromium, written):
    page = chromium.new_context().new_page()
    page.goto(written.html.as_uri())
    page.evaluate(
        """() => {
          const seen = (ok) => document.addEventListener('securitypolicyviolation', (e) => ok(e.blockedURI));
          window.seen = new Promise(seen);
        }"""
    )
    asking = "() => fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.message)"
    assert page.evaluate(asking) == "Failed to fetch"
    assert page.evaluate("() => window.seen") == "http://127.0.0.1:9/"
