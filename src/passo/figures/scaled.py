"""Data before and after scaling: how their values are spread, and the very numbers of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.words import significant
from passo.figures.panels import heading
from passo.figures.pictures import Canvas, address, grey, numbers
from passo.figures.style import BLUE, GREEN, GREY, INK, RED, Figure, altair, data, finished
from passo.language import later, numeral, t

if TYPE_CHECKING:
    from passo.explaining.scaled import ScaledData, ScaledWay

WORDS = {
    "none": later("as they are"),
    "normalize": later("normalised"),
    "symmetric": later("symmetric"),
    "standardize": later("standardised"),
}
_PER_COLUMN = {
    "standardize": later("(x − mean) / sd, each by its own"),
    "normalize": later("(x − least) / range, each by its own"),
    "symmetric": later("2 (x − least) / range − 1, each by its own"),
}
WIDE, HIGH, SIDE = 300, 108, 27
CHANNELS = {
    1: {later("grey"): INK},
    3: {later("red"): RED, later("green"): GREEN, later("blue"): BLUE},
}


def draw_scaled(found: ScaledData) -> Figure:
    """A row for each way of scaling: the spread of all values with mean and standard deviation, and one crop's numbers.

    Of a table, the range, mean and standard deviation of each column.
    """
    alt = altair()
    rows = [_row(found, way) for way in found.ways]
    chart = alt.vconcat(*rows, spacing=10).resolve_scale(x="independent", y="independent", color="independent")
    if found.image is None:
        about = t("{data}, {count:,} training rows", data=found.data, count=found.count)
        body = t(
            "For each column, a thin line from its least to its greatest value, a thick one from a standard deviation "
            "below its mean to one above, and a point at the mean."
        )
    else:
        about = t("{data}, {count:,} training images", data=found.data, count=found.count)
        body = t(
            "Left: how often values occur, with the mean (line) and one standard deviation around it (band). Right: "
            "the same crop of one image, framed on top, as the numbers that the network reads."
        )
    own = t(
        "Scaling is measured on the training part alone; this run's own is {scaling}.", scaling=t(WORDS[found.used])
    )
    title = finished(chart, t("Data before and after scaling"), about)
    return Figure("scaling", title, f"{body} {own}", _told(found))


def _told(found: ScaledData) -> str:
    table, parts = found.image is None, []
    for way in found.ways:
        if table:
            low, high = significant(float(way.low.min())), significant(float(way.high.max()))
            parts.append(t("{scaling} from {low} to {high}", scaling=t(WORDS[way.scaling.name]), low=low, high=high))
        else:
            each = [_mean_and_sd(float(mean), float(sd)) for mean, sd in zip(way.mean, way.sd, strict=True)]
            parts.append(f"{t(WORDS[way.scaling.name])} {' / '.join(each)}")
    told = {"data": found.data, "values": "; ".join(parts)}
    if table:
        said = t("The values of all columns of {data}: {values}.", **told)
    else:
        said = t("Mean ± standard deviation of the values of {data}: {values}.", **told)
    return f"{said} {t('The shape of the spread is the same in all of them.')}"


def _mean_and_sd(mean: float, sd: float) -> str:
    """Both in words; a mean that is 0 but for rounding is 0."""
    return f"{significant(0.0 if abs(mean) < 1e-9 * sd else mean)} ± {significant(sd)}"


def _row(found: ScaledData, way: ScaledWay) -> Any:
    alt = altair()
    name = t(WORDS[way.scaling.name])
    if way.scaling.name == found.used:
        name = t("{scaling} (this run)", scaling=name)
    spread = _ranges(found, way) if found.image is None else _spread(found, way)
    left = spread.properties(
        width=WIDE if found.image is not None else 500,
        title=heading(f"{name}: {_equation(way)}"),
    )
    return left if way.crop is None else alt.hconcat(left, _numbers(found, way), spacing=18)


def _equation(way: ScaledWay) -> str:
    """What is done to a value, in words of arithmetic."""
    how = way.scaling
    if how.name == "none":
        return "x"
    if isinstance(how.mean, tuple):
        return t(_PER_COLUMN[how.name])
    inside = "x" if how.divisor == 1 else numeral(f"x / {how.divisor:g}")
    if how.mean == 0 and how.sd == 1:
        return inside
    return f"({inside} − {significant(float(how.mean))}) / {significant(float(np.asarray(how.sd)))}"


def _spread(found: ScaledData, way: ScaledWay) -> Any:
    """Histograms of each channel, and the mean with a standard deviation around it."""
    alt = altair()
    count = len(found.series)
    shades = CHANNELS.get(count, dict.fromkeys(found.series, GREY))
    names = [t(name) for name in shades]
    steps = {
        "x": way.edges[:, :-1].ravel(),
        "x2": way.edges[:, 1:].ravel(),
        "share": found.shares.ravel(),
        "label": np.repeat(names, found.shares.shape[1]),
    }
    means = {"mean": way.mean, "low": way.mean - way.sd, "high": way.mean + way.sd, "label": names}
    scale = alt.Scale(domain=names, range=list(shades.values()))
    colour = alt.Color("label:N", scale=scale, legend=None)
    low, high = float(way.edges.min()), float(way.edges.max())
    low, high = min(low, float(means["low"].min())), max(high, float(means["high"].max()))
    x = alt.X(
        "x:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(title=None, grid=False, tickCount=6)
    )
    y = alt.Y("share:Q", axis=alt.Axis(title=None, format="~%", tickCount=3))
    tips = [alt.Tooltip("label:N", title=t("label")), alt.Tooltip("share:Q", title=t("share"))]
    bars = alt.Chart(data(steps)).mark_rect(opacity=0.75 if count == 1 else 0.4)
    source = data(means)
    return alt.layer(
        alt.Chart(source).mark_rect(opacity=0.12).encode(x=alt.X("low:Q"), x2="high:Q", color=colour),
        bars.encode(x=x, x2="x2:Q", y=y, y2=alt.datum(0), color=colour, tooltip=tips),
        alt.Chart(source).mark_rule(strokeWidth=2, color=RED if count == 1 else INK).encode(x=alt.X("mean:Q")),
    ).properties(height=HIGH)


def _ranges(found: ScaledData, way: ScaledWay) -> Any:
    """For each column its range, its mean and a standard deviation around it."""
    alt = altair()
    columns = {"column": list(found.series), "low": way.low, "high": way.high, "mean": way.mean}
    columns |= {"below": way.mean - way.sd, "above": way.mean + way.sd}
    look = alt.Axis(title=None, grid=False, domain=False, ticks=False)
    base = alt.Chart(data(columns)).encode(y=alt.Y("column:N", sort=list(found.series), axis=look))
    axis = alt.Axis(title=None, tickCount=6)
    return alt.layer(
        base.mark_rule(color=GREY).encode(x=alt.X("low:Q", axis=axis), x2="high:Q"),
        base.mark_rule(color=BLUE, strokeWidth=5, opacity=0.6).encode(x="below:Q", x2="above:Q"),
        base.mark_circle(color=INK, size=36, opacity=1).encode(x="mean:Q"),
    ).properties(height=max(40, 18 * len(found.series)))


def _numbers(found: ScaledData, way: ScaledWay) -> Any:
    """The crop as numbers; beside those of the first row, the image that it is from."""
    assert way.crop is not None and found.image is not None and found.corner is not None
    high, wide = way.crop.shape
    large = HIGH + 24
    canvas = Canvas(wide * SIDE + 14 + large, high * SIDE)
    texts = [_short(value) for value in way.crop.ravel()]
    numbers(canvas, 0, 0, way.crop, texts, max(float(np.abs(way.high).max()), float(np.abs(way.low).max())), SIDE)
    if way is found.ways[0]:
        picture = found.image if found.image.shape[0] == 3 else found.image[0]
        x, scale = wide * SIDE + 14, large / max(picture.shape[-2:])
        canvas.picture(x, 0, picture.shape[-1] * scale, picture.shape[-2] * scale, address(grey(picture), large))
        top, left = found.corner
        canvas.frame(x + left * scale, top * scale, wide * scale, high * scale, RED)
    return canvas.chart()


def _short(value: float) -> str:
    text = f"{value:.0f}" if abs(value) >= 9.995 else f"{value:.2f}"
    return numeral((text if float(text) else "0").replace("-", "−"))
