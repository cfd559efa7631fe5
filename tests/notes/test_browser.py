"""The page as a reader meets it: in Chromium, with the network off."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from contrasts import contrast

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
    page.wait_for_function("() => document.documentElement.dataset.charts === 'drawn'")
    return page, logged, asked


def serious(page) -> list[str]:
    """What axe-core finds serious or critical, with the first element of each."""
    axe = pytest.importorskip("axe_playwright_python.base")
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in grave]


SIZES = """() => [...document.querySelectorAll('.chart')].map((chart) => {
  const box = chart.querySelector('svg.marks')?.getBoundingClientRect();
  return [chart.dataset.chart, box ? Math.min(box.width, box.height) : 0];
})"""


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        pytest.param("light", 1400, id="light-desktop"),
        pytest.param("dark", 390, id="dark-phone"),
        pytest.param("dark", 1400, id="dark-desktop", marks=pytest.mark.slow),
        pytest.param("light", 390, id="light-phone", marks=pytest.mark.slow),
    ],
)
def test_every_chart_draws_with_the_network_off_and_nothing_is_logged(chromium, written, note, width, scheme):
    page, logged, asked = opened(chromium, written, viewport={"width": width, "height": 900}, color_scheme=scheme)
    sizes = dict(page.evaluate(SIZES))
    assert list(sizes) == [block.figure.name for block in note.figures()]
    assert all(size > 60 for size in sizes.values()), sizes
    assert logged == []
    assert asked == [written.html.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    assert page.evaluate("document.documentElement.dataset.drawn") == scheme
    assert serious(page) == []


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


def test_what_scrolls_sideways_on_a_phone_is_reached_with_the_keyboard(chromium, written):
    page, *_ = opened(chromium, written, viewport={"width": 390, "height": 900})
    missed = """() => [...document.querySelectorAll('main *')].filter((e) => e.scrollWidth > e.clientWidth + 1 &&
      ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex !== 0).map((e) => e.className)"""
    assert page.evaluate(missed) == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null"), "the skip link leads past the contents"


def test_lines_stand_out_in_the_dark_and_change_with_the_scheme(chromium, written):
    page, *_ = opened(chromium, written, color_scheme="dark")
    dark = page.evaluate(STROKES)
    assert len(dark) > 10
    assert [stroke for stroke in dark if contrast(stroke, "#16181b") < 3] == []
    page.emulate_media(color_scheme="light")
    page.wait_for_function("() => document.documentElement.dataset.drawn === 'light'")
    light = page.evaluate(STROKES)
    assert [stroke for stroke in light if contrast(stroke, "#fffefb") < 3] == [] and set(light) != set(dark)


STROKES = """() => [...new Set([...document.querySelectorAll('.mark-line path, .mark-symbol path')]
  .filter((e) => +(e.getAttribute('stroke-width') ?? 1) >= 1.5 && (e.getAttribute('opacity') ?? 1) > 0.5)
  .map((e) => e.getAttribute('stroke')).filter((stroke) => stroke?.startsWith('#')))]"""
