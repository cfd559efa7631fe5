"""A race drawn as SVG at any of its steps, fast enough for every frame of an animation.

Vega's charts take a second before the first is drawn; a page that plays, and the frames of a GIF, come from here. What
is drawn (contours, colours, limits, words) is decided in `passo.figures.races.Scene`, for the chart as for this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from passo.analysis.races import Racer, named, plan, plans
from passo.analysis.words import significant
from passo.figures.races import Scene, power, powers
from passo.figures.style import FONT, INK
from passo.language import numeral, t, tn

WIDTH = 1000
MAP = (56.0, 62.0, 548.0, 411.0)  # left, top, width, height
LOSS = (676.0, 62.0, 310.0, 190.0)
ROW, TABLE = 21.0, 324.0  # height of a line of the standings, and where they begin
AXIS, FAINT = "#B7BCC2", "#5B6168"


@dataclass(frozen=True)
class Frame:
    """Where data are on the page: `x` and `y` turn values, or arrays of them, into pixels."""

    x: Callable[[Any], Any]
    y: Callable[[Any], Any]

    def at(self, x: float, y: float) -> str:
        return f"{float(self.x(x)):.1f} {float(self.y(y)):.1f}"


def height(scene: Scene) -> float:
    """How high the picture is: the map, or the standings where there are many racers."""
    return max(MAP[1] + MAP[3] + 42, TABLE + ROW * len(scene.race.racers) + 16)


def map_frame(scene: Scene) -> Frame:
    left, top, width, tall = MAP
    (x0, x1), (y0, y1) = scene.x, scene.y
    return Frame(lambda x: left + (x - x0) / (x1 - x0) * width, lambda y: top + tall - (y - y0) / (y1 - y0) * tall)


def loss_frame(scene: Scene) -> Frame:
    left, top, width, tall = LOSS
    low, high = map(math.log10, scene.loss_limits)
    return Frame(
        lambda step: left + step / scene.race.steps * width,
        lambda loss: top + tall - (np.log10(loss) - low) / (high - low) * tall,
    )


def picture(scene: Scene, step: int) -> str:
    """The whole picture as it stands after a step, as one SVG element."""
    return still(scene).replace(MOVING, moving(scene, step))


MOVING = "<!--moving-->"


def still(scene: Scene) -> str:
    """All that does not move; the place of the rest is marked by `MOVING`."""
    told = [scene.race.told_formula, *([plans(scene.race)] if plans(scene.race) else [])]
    subtitle = _text(MAP[0], 45, shortened("; ".join(told)), fill=FAINT)
    heading = _text(MAP[0], 24, scene.title, size=19, weight=600) + subtitle
    paper = f'<rect width="{WIDTH}" height="{height(scene):g}" fill="#fff"/>'
    behind = f'<g id="behind-losses" fill="none">{_rect(*LOSS)}</g>'
    return _sheet(scene, f"{paper}{behind}{heading}{_ground(scene)}{_axes(scene)}{_head(scene)}{MOVING}")


def glass(scene: Scene, step: int) -> str:
    """All that moves, as it is after a step, with nothing behind it."""
    return _sheet(scene, moving(scene, step))


def _sheet(scene: Scene, inside: str) -> str:
    tall = height(scene)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall:g}" width="{WIDTH}" height="{tall:g}" '
        f'font-family="{escape(FONT)}" font-size="12" fill="{INK}">'
        f'<clipPath id="in-map">{_rect(*MAP)}</clipPath><clipPath id="in-loss">{_rect(*LOSS)}</clipPath>{inside}</svg>'
    )


def moving(scene: Scene, step: int) -> str:
    """Paths, marks, losses and standings as they are after a step."""
    ground, loss = map_frame(scene), loss_frame(scene)
    lines, marks, table = [], [], []
    for row, racer in enumerate(scene.race.racers):
        shade = scene.colours[racer.label]
        last = min(step, len(racer.points) - 1)
        seen = racer.points[: last + 1]
        here = _path(ground.x(seen[:, 0]), ground.y(seen[:, 1]))
        fall = _path(loss.x(np.arange(last + 1)), loss.y(scene.excess(racer)[: last + 1]))
        stroke = f'fill="none" stroke="{shade}" stroke-linejoin="round"'
        lines.append(f'<path class="way r{row}" clip-path="url(#in-map)" d="{here}" {stroke} stroke-width="1.8"/>')
        lines.append(f'<path class="fall r{row}" clip-path="url(#in-loss)" d="{fall}" {stroke} stroke-width="1.6"/>')
        gone = racer.diverged is not None and step >= racer.diverged
        x, y = float(ground.x(seen[-1, 0])), float(ground.y(seen[-1, 1]))
        marks.append(_marker(scene, racer, row, x, y, shade, gone))
        table.append(_standing(scene, racer, row, last, step, shade))
    now = float(loss.x(step))
    cursor = (
        f'<line id="cursor" x1="{now:.1f}" x2="{now:.1f}" y1="{LOSS[1]}" y2="{LOSS[1] + LOSS[3]}" stroke="{FAINT}"/>'
    )
    count = _text(LOSS[0] + LOSS[2], 45, t("step {n}", n=step), anchor="end", weight=600, extra=' id="step"')
    return "".join([*lines, cursor, *_starts(scene), *marks, _minima(scene), *table, count])


# ── What stays ────────────────────────────────────────────────────────────────────────────────────────────


def _ground(scene: Scene) -> str:
    frame = map_frame(scene)
    outline = [(shade, _path(frame.x(shape[:, 0]), frame.y(shape[:, 1]))) for shade, shape in scene.bands]
    shapes = [f'<path d="{d}" fill="{shade}"/>' for shade, d in outline]
    rims = " ".join(_path(frame.x(line[:, 0]), frame.y(line[:, 1])) for _, line in scene.contours)
    return (
        f'<g clip-path="url(#in-map)">{"".join(shapes)}'
        f'<path d="{rims}" fill="none" stroke="#fff" stroke-width=".8" stroke-opacity=".9"/></g>'
    )


def _axes(scene: Scene) -> str:
    ground, loss = map_frame(scene), loss_frame(scene)
    parts = []
    for frame, box, names in ((ground, MAP, scene.race.told_axes), (loss, LOSS, (t("step"), scene.loss_title))):
        left, top, width, tall = box
        across, up = (scene.x, scene.y) if box is MAP else ((0.0, float(scene.race.steps)), scene.loss_limits)
        for tick in ticks(*across, 7 if box is MAP else 5):
            at = float(frame.x(tick))
            parts.append(
                _rule(at, top + tall, at, top + tall + 4, AXIS) + _text(at, top + tall + 17, _number(tick), "middle")
            )
        for tick in ticks(*up, 6) if box is MAP else powers(*up):
            at = float(frame.y(tick))
            parts.append(_rule(left - 4, at, left, at, AXIS))
            parts.append("" if box is MAP else _rule(left, at, left + width, at, "#ECEEF0"))
            parts.append(_text(left - 7, at + 4, _number(tick) if box is MAP else power(tick), "end"))
        for step in () if box is MAP else scene.turns:
            at = float(frame.x(step))
            parts.append(_rule(at, top, at, top + tall, FAINT, ' stroke-dasharray="4 3" class="turn"'))
        parts.append(_rule(left, top + tall, left + width, top + tall, AXIS) + _rule(left, top, left, top + tall, AXIS))
        parts.append(_text(left + width / 2, top + tall + 34, names[0], "middle"))
        turned = f"translate({left - (42 if box is MAP else 46):g} {top + tall / 2:g}) rotate(-90)"
        parts.append(f'<text transform="{turned}" text-anchor="middle">{escape(names[1])}</text>')
    return "".join(parts)


def _head(scene: Scene) -> str:
    """The heads of the standings."""
    within = t("within {tolerance}", tolerance=significant(scene.race.tolerance))
    columns = ((LOSS[0] + 180, t("loss")), (LOSS[0] + LOSS[2], within))
    return "".join(_text(x, TABLE - 4, word, "end", fill=FAINT, size=11) for x, word in columns)


def _minima(scene: Scene) -> str:
    frame = map_frame(scene)
    parts = []
    for x, y, deepest in scene.shown_minima:
        at = frame.at(x, y)
        arm, fill = (5, "#fff") if deepest else (3.4, "#C9D3DE")
        third = arm / 3
        cross = f"M{-third:g} {-arm:g}h{2 * third:g}v{arm - third:g}h{arm - third:g}v{2 * third:g}h{third - arm:g}"
        cross += f"v{arm - third:g}h{-2 * third:g}v{third - arm:g}h{third - arm:g}v{-2 * third:g}h{arm - third:g}z"
        parts.append(f'<path d="{cross}" transform="translate({at})" fill="{fill}" stroke="{INK}"/>')
    return "".join(parts)


# ── What moves ────────────────────────────────────────────────────────────────────────────────────────────


def _starts(scene: Scene) -> list[str]:
    frame = map_frame(scene)
    at = [(float(frame.x(x)), float(frame.y(y))) for x, y in scene.race.starts]
    return [f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{INK}"/>' for x, y in at]


def _marker(scene: Scene, racer: Racer, row: int, x: float, y: float, shade: str, gone: bool) -> str:
    """A disc where the racer is; a cross where it left, once it has diverged."""
    hidden = ' display="none"'
    dot = (
        f'<circle class="dot r{row}" clip-path="url(#in-map)" cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{shade}" '
        f'stroke="#fff" stroke-width="1.6"{hidden if gone else ""}/>'
    )
    if racer.diverged is None:
        return dot
    frame = map_frame(scene)
    ex, ey = next((ex, ey) for other, ex, ey in scene.exits if other is racer)
    at = frame.at(ex, ey)
    return dot + (
        f'<path class="exit r{row}" d="M-5-5 5 5M-5 5 5-5" transform="translate({at})" fill="none" stroke="{shade}" '
        f'stroke-width="2.6"{"" if gone else hidden}/>'
    )


def _standing(scene: Scene, racer: Racer, row: int, last: int, step: int, shade: str) -> str:
    """A line of the standings: disc, name, loss now, and when it arrived or diverged, once it has."""
    y = TABLE + 15 + ROW * row
    left, _, width, _ = LOSS
    label = named(scene.race, racer)
    known = f"lr {significant(float(racer.optimizer['lr']))}" + (f", {plan(racer)}" if racer.schedule else "")
    now = _text(left + 180, y, live(float(racer.losses[last])), "end", extra=' class="now"')
    fate = _text(left + width, y, verdict(racer, step), "end", fill=FAINT, extra=' class="verdict"')
    return (
        f'<g class="name r{row}" tabindex="0" role="button" aria-label="{escape(label)}">'
        f'<rect x="{left - 6}" y="{y - 15}" width="{width + 12}" height="{ROW}" fill="#fff" fill-opacity="0"/>'
        f'<circle cx="{left + 5}" cy="{y - 4}" r="5" fill="{shade}"/>{_text(left + 16, y, label, weight=600)}'
        f"<title>{escape(known)}</title>"
        f"{now}{fate}</g>"
    )


def live(loss: float) -> str:
    """A loss as it runs: three digits, as a power of ten where it is small or large.

    >>> live(12.3456), live(0.00012), live(0.0)
    ('12.3', '1.20e-4', '0')
    """
    if loss == 0 or not math.isfinite(loss):
        return f"{loss:g}".replace("-", "−")
    if 1e-3 <= abs(loss) < 1e5:
        return numeral(f"{loss:.{max(0, 2 - math.floor(math.log10(abs(loss))))}f}".replace("-", "−"))
    mantissa, _, exponent = numeral(f"{loss:.2e}").partition("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−", 1) if loss < 0 else f"{mantissa}e{int(exponent)}"


def shortened(words: str, most: int = 140) -> str:
    """Words that fit into the line under the heading; a long list of schedules ends with an ellipsis.

    >>> shortened("x² + y²; learning rate: StepLR step_size=100", 30)
    'x² + y²; learning rate: …'
    """
    return words if len(words) <= most else words[: most - 1].rsplit(" ", 1)[0] + " …"


def verdict(racer: Racer, step: int) -> str:
    """What is known of a racer's fate after a step."""
    if racer.diverged is not None and step >= racer.diverged:
        return t("diverged, {step}", step=racer.diverged)
    if racer.arrived is not None and step >= racer.arrived:
        return tn("{n} step", "{n} steps", racer.arrived)
    return ""


# ── Strokes ───────────────────────────────────────────────────────────────────────────────────────────────


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from `low` to `high`, about so many, 1, 2 or 5 times a power of ten apart.

    >>> ticks(-5, 2, 6)
    [-5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0]
    """
    raw = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(raw))
    step = min((scale * factor for factor in (1, 2, 5, 10)), key=lambda width: abs(math.log(width / raw)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{step * k:.6g}") for k in range(first, last + 1)]


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """A polyline in tenths of a pixel; what is far out of the picture is held near it."""
    x, y = np.clip(x, -1e4, 1e4), np.clip(y, -1e4, 1e4)
    return "M" + " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _text(
    x: float, y: float, words: str, anchor: str = "start", *, size: float = 12, weight: int = 400, fill: str = INK,
    extra: str = "",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size:g}" font-weight="{weight}" '
        f'fill="{fill}"{extra}>{escape(words)}</text>'
    )


def _rule(x1: float, y1: float, x2: float, y2: float, stroke: str, extra: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{extra}/>'


def _rect(left: float, top: float, width: float, tall: float) -> str:
    return f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{tall:g}"/>'


def _number(value: float) -> str:
    return numeral(f"{value:g}".replace("-", "−"))


__all__: Sequence[str] = ("MOVING", "WIDTH", "glass", "height", "live", "moving", "picture", "still", "verdict")
