"""Pictures of a race: what they show is the race; the page plays offline; the film has its frames."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from passo.analysis.races import Race, race
from passo.errors import StoreError, UsageError
from passo.experiments.race import descend
from passo.figures import racing
from passo.figures.animation import race_gif
from passo.figures.player import race_page
from passo.figures.races import Scene, power, powers, race_chart

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SPECS = ["sgd lr=0.03", "momentum lr=0.003", "adam lr=0.3", "nesterov lr=0.2"]  # the last one diverges


@pytest.fixture(scope="module")
def found() -> Race:
    return race(descend("ravine", SPECS, steps=120))


@pytest.fixture(scope="module")
def scene(found: Race) -> Scene:
    return Scene(found)


def shade_at(scene: Scene, x: float, y: float) -> str:
    """The shade of the band that lies on top at a point, by counting how often each polygon winds around it."""
    top = ""
    for shade, shape in scene.bands:
        angles = np.unwrap(np.arctan2(shape[:, 1] - y, shape[:, 0] - x))
        if round(float(angles[-1] - angles[0]) / (2 * np.pi)) != 0:
            top = shade
    return top


def test_the_shade_of_a_point_is_that_of_its_loss(scene: Scene) -> None:
    ground = scene.race
    order = list(dict.fromkeys(shade for shade, _ in scene.bands))
    assert len(order) == len(scene.levels) + 1
    random = np.random.default_rng(0)
    checked = 0
    for x, y in random.uniform((-4.9, -1.1), (1.9, 1.1), (150, 2)).tolist():
        loss = 0.5 * (x * x + 50 * y * y)
        if min(abs(loss / level - 1) for level in scene.levels) < 0.05:
            continue  # on a border
        assert shade_at(scene, x, y) == order[sum(loss >= level for level in scene.levels)]
        checked += 1
    assert checked > 80
    assert ground.loss.shape == (len(ground.y), len(ground.x))


def test_contours_are_lines_of_one_loss_evenly_spaced_on_a_log_scale(scene: Scene) -> None:
    for level, line in scene.contours:
        loss = 0.5 * (line[:, 0] ** 2 + 50 * line[:, 1] ** 2)
        assert loss == pytest.approx(np.full(len(line), level), rel=0.03)
    ratios = np.diff(np.log(scene.levels))
    assert ratios == pytest.approx(np.full(len(ratios), ratios[0]))


def test_who_diverges_is_marked_where_it_left_the_picture(scene: Scene) -> None:
    (racer, x, y), = scene.exits  # fmt: skip
    assert racer.label == "nesterov"
    assert x in scene.x or y == pytest.approx(scene.y[0]) or y == pytest.approx(scene.y[1])
    inside = (np.abs(racer.points[:, 1]) <= 1.2) & (racer.points[:, 0] >= -5) & (racer.points[:, 0] <= 2)
    last = int(np.flatnonzero(inside)[-1])
    before, after = racer.points[last], racer.points[last + 1]
    share = (np.array([x, y]) - before) / (after - before)
    assert share[0] == pytest.approx(share[1]) and 0 <= share[0] <= 1


def test_the_chart_carries_every_step_and_its_own_sentence(found: Race) -> None:
    figure = race_chart(found)
    spec = figure.spec()
    assert spec["description"] == figure.sentence
    assert "Diverged: nesterov at step" in figure.sentence
    text = json.dumps(spec)
    assert "NaN" not in text and "Infinity" not in text
    for racer in found.racers:
        x, y = racer.points[min(17, len(racer.points) - 1)]
        assert f"{x:.5g},{y:.5g},{min(17, len(racer.points) - 1)}," in text
    assert "½ (x² + 50 y²)" in figure.caption


def test_a_schedule_is_told_in_every_picture_and_drawn_where_the_rate_jumps() -> None:
    plans = ["StepLR step_size=40", "none", "CosineAnnealingLR T_max=100"]
    found = race(descend("ravine", ["ftrl lr=0.5", "adam lr=0.3", "sgd lr=0.01"], schedules=plans, steps=100))
    scene = Scene(found)
    assert scene.turns == [40, 80]  # the cosine moves at every step
    told = "StepLR step_size=40 for ftrl; constant for adam; CosineAnnealingLR T_max=100 for sgd"
    figure = race_chart(found)
    assert told in figure.caption and "dashed: a learning rate changes there" in figure.caption
    spec = figure.spec()
    assert told in " ".join(spec["title"]["subtitle"]) and max(map(len, spec["title"]["subtitle"])) <= 95
    assert '"strokeDash": [4, 3]' in json.dumps(spec)
    svg = racing.picture(scene, 0)
    assert told in svg and svg.count('class="turn"') == 2
    left, _, width, _ = racing.LOSS
    assert [float(x) for x in re.findall(r'<line x1="([\d.]+)"[^>]*class="turn"', svg)] == pytest.approx(
        [left + 0.4 * width, left + 0.8 * width], abs=0.06
    )
    assert "StepLR step_size=40</td>" in race_page(found).html
    still = race_chart(race(descend("ravine", "adam lr=0.3", steps=20)))
    assert "learning rate" not in still.caption and "strokeDash" not in json.dumps(still.spec())


def test_the_page_says_everything_once_and_the_end_last(found: Race) -> None:
    body = race_page(found).html.partition("<main>")[2].partition('<script id="race"')[0]
    seen = re.sub(r"<[^>]*>", " ", body)
    for words in ("½ (x² + 50 y²)", "120 steps from (−4.4, 0.9)", "contours evenly spaced", "Diverged: nesterov"):
        assert seen.count(words) == 1, words
    assert seen.index("Diverged: nesterov") > seen.index("within 0.01 after")
    assert 'class="later"' not in body  # without a script all is there


def test_ticks_of_a_log_axis_are_powers_of_ten_and_not_too_many() -> None:
    assert powers(1e-3, 14) == [1e-3, 1e-2, 0.1, 1, 10]
    assert powers(1e-8, 30) == [1e-7, 1e-5, 1e-3, 0.1, 10]
    assert [power(tick) for tick in (1e-5, 0.001, 1, 1e4, 1e6)] == ["10⁻⁵", "0.001", "1", "10000", "10⁶"]


def test_a_picture_at_a_step_ends_every_path_there(scene: Scene) -> None:
    svg = racing.picture(scene, 40)
    frame = racing.map_frame(scene)
    ways = re.findall(r'<path class="way r(\d)"[^>]* d="M([^"]*)"', svg)
    assert [row for row, _ in ways] == ["0", "1", "2", "3"]
    for row, d in ways:
        racer = scene.race.racers[int(row)]
        points = np.array(d.split(), float).reshape(-1, 2)
        last = min(40, len(racer.points) - 1)
        assert len(points) == last + 1
        if racer.diverged is None:
            expected = [frame.x(racer.points[last, 0]), frame.y(racer.points[last, 1])]
            assert points[-1] == pytest.approx(expected, abs=0.06)
    assert ">step 40<" in svg


def test_the_verdict_comes_with_the_step_and_not_before(scene: Scene) -> None:
    sgd, *_, lost = scene.race.racers
    assert sgd.arrived is None or racing.verdict(sgd, sgd.arrived - 1) == ""
    assert lost.diverged is not None
    assert racing.verdict(lost, lost.diverged - 1) == ""
    assert racing.verdict(lost, lost.diverged) == f"diverged, {lost.diverged}"
    momentum = scene.race.racers[1]
    assert momentum.arrived is not None
    assert racing.verdict(momentum, momentum.arrived) == f"{momentum.arrived} steps"


def test_the_film_has_its_frames_and_its_last_one_is_the_end(found: Race) -> None:
    image = pytest.importorskip("PIL.Image")
    film = race_gif(found, frames=12, scale=0.6)
    opened = image.open(io.BytesIO(film))
    assert (opened.n_frames, opened.info["loop"]) == (12, 0)
    assert opened.size == (600, round(0.6 * racing.height(Scene(found))))
    frames = []
    for index in range(12):
        opened.seek(index)
        frames.append(np.asarray(opened.convert("RGB"), np.int16))
    assert opened.info["duration"] > 2000
    changed = [int((np.abs(b - a).max(-1) > 60).sum()) for a, b in itertools.pairwise(frames)]
    assert min(changed) > 10, "a frame shows nothing new"
    adam = tuple(int(Scene(found).colours["adam"][i : i + 2], 16) for i in (1, 3, 5))
    blue = [int((np.abs(frame - adam).max(-1) < 40).sum()) for frame in frames]
    assert blue[-1] > 2 * blue[0], "adam's path does not grow"
    assert len(film) < 600_000


def test_a_page_shows_itself_in_a_notebook_and_says_where_it_cannot_be_written(found: Race, tmp_path: Path) -> None:
    page = race_page(found)
    assert page._repr_html_().startswith("<iframe srcdoc=")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        page.save(tmp_path / "file" / "race.html")
    with pytest.raises(UsageError, match=r"saved as .html, got 'race.png'"):
        page.save(tmp_path / "race.png")
    assert "$" not in re.sub(r"<script.*?</script>", "", page.html, flags=re.DOTALL)


# ── In a browser ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def written(found: Race, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return race_page(found).save(tmp_path_factory.mktemp("race") / "race.html")


@pytest.fixture
def page(chromium, written) -> Iterator:
    """The page at rest at its end; afterwards, nothing was logged and nothing was asked for."""
    context = chromium.new_context(offline=True, viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    logged: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri())
    page.locator("html[data-race=ready]").wait_for(state="attached")
    yield page
    assert logged == []
    assert asked == [written.as_uri()]
    context.close()


def until(page, reached) -> None:
    """Wait for a step; the page's own policy forbids what playwright would wait with."""
    for _ in range(600):
        if reached(int(page.locator("#slider").input_value())):
            return
        page.wait_for_timeout(50)
    pytest.fail("the race does not go on")


def disc(page, row: int) -> tuple[float, float]:
    dot = page.locator(f"circle.dot.r{row}")
    return float(dot.get_attribute("cx")), float(dot.get_attribute("cy"))


@pytest.mark.browser
def test_the_slider_and_the_keys_put_every_disc_where_its_optimizer_was(page, scene: Scene) -> None:
    frame = racing.map_frame(scene)

    def at(step: int) -> None:
        for row in range(3):
            x, y = scene.race.racers[row].points[step]
            assert disc(page, row) == pytest.approx((frame.x(x), frame.y(y)), abs=0.06)
        assert page.locator("#at").inner_text() == f"{step} / 120"
        assert page.locator("#slider").input_value() == str(step)

    at(120)
    page.keyboard.press("Home")
    at(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    at(11)
    page.keyboard.press("ArrowLeft")
    at(10)
    page.locator("#slider").fill("57")
    at(57)
    page.keyboard.press("End")
    at(120)


@pytest.mark.browser
@pytest.mark.slow
def test_it_plays_pauses_and_ends_at_the_end(page) -> None:
    page.select_option("#speed", "1")
    page.click("#play")  # from the end it begins anew
    until(page, lambda step: step > 5)
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.click("#play")
    stopped = page.evaluate("at")
    page.wait_for_timeout(120)
    assert page.evaluate("at") == stopped
    page.click("#play")
    until(page, lambda step: step == 120)
    assert page.locator("#play").get_attribute("aria-label") == "Play"


@pytest.mark.browser
def test_the_script_draws_at_the_end_what_was_drawn_without_it(page, scene: Scene) -> None:
    """Else a printed page, or one without scripts, would show another race."""
    still = racing.picture(scene, 120)
    page.keyboard.press("Home")
    page.keyboard.press("End")
    for kind in ("way", "fall"):
        for row in range(4):
            drawn = page.locator(f"path.{kind}.r{row}").get_attribute("d")
            wanted = re.search(rf'<path class="{kind} r{row}"[^>]* d="([^"]*)"', still)
            assert wanted
            numbers = [np.array(re.findall(r"-?[\d.]+", d), float) for d in (drawn, wanted[1])]
            assert numbers[0] == pytest.approx(numbers[1], abs=0.11)
    texts = page.locator("svg .now").all_text_contents()
    assert texts == [racing.live(float(racer.losses[-1])) for racer in scene.race.racers]
    assert page.locator("path.exit.r3").is_visible()
    page.keyboard.press("Home")
    assert not page.locator("path.exit.r3").is_visible()


@pytest.mark.browser
def test_pointing_at_a_path_tells_its_numbers_and_a_name_picks(page, scene: Scene) -> None:
    box = page.locator("#picture svg").bounding_box()
    scale = box["width"] / racing.WIDTH
    adam = scene.race.racers[2]
    frame = racing.map_frame(scene)
    page.locator(".name.r2").click()
    assert page.locator("path.way.r0").get_attribute("class") == "way r0 behind"
    assert page.locator("path.way.r2").get_attribute("class") == "way r2"
    x, y = float(frame.x(adam.points[9, 0])), float(frame.y(adam.points[9, 1]))
    page.mouse.move(box["x"] + scale * x, box["y"] + scale * y)
    told = page.locator("#tip").inner_text()
    assert told.startswith("adam") and "step 9" in told and racing.live(float(adam.losses[9])) in told
    page.locator(".name.r2").click()
    assert page.locator(".behind").count() == 0
    left, top, width, height = racing.LOSS
    page.mouse.click(box["x"] + scale * (left + width / 4), box["y"] + scale * (top + height / 2))
    assert page.locator("#slider").input_value() == "30"


@pytest.mark.browser
def test_a_phone_shows_it_without_scrolling_sideways(chromium, written) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto(written.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


@pytest.mark.browser
def test_the_end_is_not_given_away_before_the_film_has_played_or_is_stopped(chromium, written) -> None:
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    page = context.new_page()
    page.goto(written.as_uri())
    assert not page.locator("#result").is_visible()
    until(page, lambda step: step > 5)
    assert not page.locator("#result").is_visible()
    page.select_option("#speed", "4")
    until(page, lambda step: step == 120)
    assert page.locator("#result").is_visible()
    page.reload()
    assert not page.locator("#result").is_visible()
    page.click("#play")
    assert page.locator("#result").is_visible()
    page.click("#play")
    assert page.locator("#result").is_visible()
    context.close()
    plain = chromium.new_context(java_script_enabled=False).new_page()
    plain.goto(written.as_uri())
    assert plain.locator("#result").is_visible()
    plain.context.close()
