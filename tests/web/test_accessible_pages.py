"""Every page with axe-core, in light and dark, and with the keyboard alone."""

import pytest
from asking import a_study

PAGES = {
    "studies": ("/", "h1"),
    "runs": ("/runs", "h1"),
    "study": ("/study/first", "h1"),
    "run": ("/study/first/run/adam-s0", "[data-curves=drawn]"),
    "compare": ("/study/first/compare", "figure[data-drawn='1'] svg.marks"),
    "several": ("/compare?study=first&study=second", "#comparison h2"),
    "overlay": ("/overlay?run=first/adam-s0&run=second/sgd-s0", "html[data-drawn]"),
    "averages": ("/averages", "html[data-drawn]"),
    "descents": ("/descents?o=adam&o=sgd+lr%3D0.01&steps=50", "[data-race=ready]"),
    "schedules": ("/schedules", "html[data-drawn]"),
    "unreadable": ("/?status=unreadable", "h1"),
    "new": ("/new?model=cnn&schedule=StepLR", "#command"),
    "new-study": ("/new/study?study=optimizers", "#command"),
    "jobs": ("/jobs", "#queue"),
    "notes": ("/notes", "h2"),
}
QUICK = {  # the others are tried in `make test-all`; descents and schedules import torch
    *(("studies", "light"), ("runs", "dark"), ("study", "light"), ("run", "dark"), ("compare", "light")),
    *(("several", "dark"), ("overlay", "light"), ("averages", "dark"), ("unreadable", "dark")),
    *(("new", "dark"), ("jobs", "light"), ("notes", "dark")),
}
SCREENS = [
    pytest.param(name, theme, marks=[] if (name, theme) in QUICK else pytest.mark.slow)
    for name in PAGES
    for theme in ("light", "dark")
]


def violations(page) -> list[str]:
    """What axe-core finds, with the first element of each; the policy lets no page add a script, so it is evaluated."""
    axe = pytest.importorskip("axe_playwright_python.base")
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}" for one in found]


@pytest.mark.parametrize(("name", "theme"), SCREENS)
def test_axe_finds_nothing_on_a_page(opened, root, name: str, theme: str):
    a_study(root, "second")
    broken = a_study(root, "broken")
    (broken / "study.sqlite").write_bytes(b"no database" * 100)
    path, ready = PAGES[name]
    page = opened(path)
    page.emulate_media(color_scheme=theme)
    page.wait_for_selector(ready)
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
    assert violations(page) == []


def test_the_lists_are_used_with_the_keyboard_alone(opened, root):
    a_study(root, "second")
    page = opened("/runs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("[document.activeElement.tagName, document.activeElement.name ?? '']"))
        if seen[-1] == ["INPUT", "run"]:
            break
    assert ["INPUT", "q"] in seen and ["SELECT", "status"] in seen and seen[-1] == ["INPUT", "run"]
    page.keyboard.press("Space")
    page.focus("#overlay button")
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-drawn='1']")
    assert page.locator("tbody tr").count() == 1
