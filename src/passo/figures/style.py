"""How passo's figures look: one theme, one colour for each optimiser in every figure, and what a figure is.

The palette has the hues of Okabe & Ito's (2008), which people with any common colour blindness can tell apart, and some
of Tol's (2021) for variants. Each is dark enough to stand out on white (3:1): some are so near in lightness that dashes
and shapes tell them apart as well. Data travel as CSV text inside the specification, rounded to what an eye can see.
"""

from __future__ import annotations

import base64
import csv
import functools
import io
import itertools
import json
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from passo.analysis.words import shortened
from passo.errors import StoreError, require
from passo.figures import raster
from passo.language import number_marks, t

WIDTH = 560  # of the plot itself; about 640 with the axis
POINTS = 600
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"

BLUE, ORANGE, GREEN, RED = "#0064A8", "#CB8400", "#008C66", "#BC4300"
PINK, SKY, GREY, INK = "#D06CA8", "#2E96DC", "#878D96", "#2B2F36"
WINE, INDIGO, OLIVE, STONE = "#882255", "#332288", "#74802A", "#5F6670"
OTHERS = (BLUE, RED, GREEN, PINK, ORANGE, INDIGO, OLIVE, SKY, WINE, STONE)
OTHERS += ("#2F9C8A", "#AA4499", "#661100", "#9B8A20", "#117733", "#4A90C0")  # after Tol 2021, for many names at once
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
"""What tells lines and points apart where colours do not; together they do so for thirty names."""

COLOURS = {
    "sgd": STONE,
    "momentum": RED,
    "momentum-dampened": PINK,
    "nesterov": GREEN,
    "adam": BLUE,
    "adam-beta1-0": ORANGE,
    "adam-beta2-0.9": WINE,
    "adam-eps-0.1": OLIVE,
    "adamw": SKY,
    "rmsprop": INDIGO,
    "nesterov-step": ORANGE,
    "nesterov-plateau": SKY,
    "nesterov-cyclic": WINE,
    "nesterov-onecycle": INDIGO,
    "adam-final": BLUE,
    "nesterov-cyclic-final": WINE,
    "line-sgd": STONE,
    "line-momentum": RED,
    "line-nesterov": GREEN,
    "range-adam": BLUE,
    "range-nesterov": GREEN,
}

_SCHEMA = "https://vega.github.io/schema/vega-lite/"
_SMALL = {"labelFontSize": 11, "titleFontSize": 11.5, "labelColor": INK, "titleColor": INK}
THEME: dict[str, Any] = {
    "font": FONT,
    "background": "#FFFFFF",
    "padding": 8,
    "title": {
        "anchor": "start",
        "frame": "group",
        "fontSize": 15,
        "fontWeight": 600,
        "color": INK,
        "subtitleFontSize": 11.5,
        "subtitleColor": "#5B6168",
        "subtitlePadding": 4,
        "offset": 10,
    },
    "axis": {
        **_SMALL,
        "titleFontWeight": "normal",
        "gridColor": "#ECEEF0",
        "domainColor": "#B7BCC2",
        "tickColor": "#B7BCC2",
        "tickSize": 4,
        "titlePadding": 6,
    },
    "legend": {
        **_SMALL,
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelLimit": 240,
        "symbolStrokeWidth": 3,
        "symbolOpacity": 1,
        "symbolSize": 140,
        "columnPadding": 14,
    },
    "header": {**_SMALL, "labelFontWeight": 600, "title": None},
    "view": {"stroke": None},
    "line": {"strokeWidth": 2, "strokeJoin": "round"},  # no round caps: they would close the gaps of dashes
    "concat": {"spacing": 14},
    "facet": {"spacing": 16},
}


def altair() -> Any:
    """The charting library, or the one line that installs it."""
    return require("altair", "figures")


@dataclass(frozen=True)
class Figure:
    """A picture with its words: `caption` says what is drawn, `sentence` what it shows on these data (alt text)."""

    name: str
    chart: Any
    caption: str
    sentence: str

    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification, with the sentence as its description. It is made once: do not change it."""
        return self._spec

    @functools.cached_property
    def _spec(self) -> dict[str, Any]:
        # Validating takes longer than all else here; the tests of figures do it for each.
        return {**self.chart.to_dict(validate=False), "description": self.sentence}

    def svg(self) -> str:
        """The figure, drawn."""
        drawn: str = require("vl_convert", "figures").vegalite_to_svg(self.spec(), vl_version=_version())
        return drawn

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write NAME.png (two pixels per point) and NAME.svg; raises `StoreError` where that is not possible."""
        png, svg = (Path(folder) / f"{self.name}.{ending}" for ending in ("png", "svg"))
        try:
            png.parent.mkdir(parents=True, exist_ok=True)
            drawn = self.svg()
            svg.write_text(drawn, encoding="utf-8")
            png.write_bytes(raster.png(drawn))
        except OSError as error:
            raise StoreError(f"cannot write {png.parent}: {(error.strerror or str(error)).lower()}") from error
        return png, svg

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        """In a notebook: a picture and its sentence, which need no script and no network; `chart` is interactive."""
        pictures, small = require("PIL.Image", "figures"), io.BytesIO()
        drawn = io.BytesIO(raster.png(self.svg(), scale=1.25))
        pictures.open(drawn).convert("RGB").quantize(128).save(small, "PNG", optimize=True)  # a quarter of the bytes
        return {"image/png": base64.b64encode(small.getvalue()).decode(), "text/plain": self.sentence}


class Written(Figure):
    """A figure whose specification was written as it is; `chart` is made of it where somebody asks for it."""

    def __init__(self, name: str, spec: Mapping[str, Any], caption: str, sentence: str) -> None:
        vars(self).update(name=name, caption=caption, sentence=sentence)
        vars(self)["_spec"] = {**spec, "description": sentence}

    @property
    def chart(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        alt, spec = altair(), self.spec()
        kind = alt.VConcatChart if "vconcat" in spec else alt.LayerChart if "layer" in spec else alt.Chart
        return kind.from_dict(spec, validate=False)


def _version() -> str:
    """The Vega-Lite version that altair writes, as vl-convert names it: "6.4"."""
    return ".".join(altair().SCHEMA_VERSION.lstrip("v").split(".")[:2])


def finished(chart: Any, title: str, subtitle: str | Sequence[str] = "") -> Any:
    """A chart with its title and passo's theme; it can no longer be put into another chart."""
    alt = altair()
    heading = (
        alt.TitleParams(text=title, subtitle=subtitle if isinstance(subtitle, str) else list(subtitle))
        if subtitle
        else alt.TitleParams(text=title)
    )
    marks = number_marks()
    return chart.properties(title=heading).configure(**THEME, **({"locale": marks} if marks else {}))


def themed(spec: Mapping[str, Any], title: str, subtitle: str = "") -> dict[str, Any]:
    """As `finished`, of a specification that was written by hand."""
    marks = number_marks()
    config = {**THEME, **({"locale": marks} if marks else {})}
    heading = {"text": title, **({"subtitle": subtitle} if subtitle else {})}
    tables: dict[str, str] = {}
    body = _named(spec, tables)
    whole = {"$schema": f"{_SCHEMA}v6.json", "config": config, **({"title": heading} if title else {}), **body}
    return {**whole, **({"datasets": tables} if tables else {})}


def _named(part: Any, tables: dict[str, str]) -> Any:
    """A part of a specification whose data are put among the `tables`, as altair does, each once."""
    if isinstance(part, list):
        return [_named(one, tables) for one in part]
    if not isinstance(part, dict):
        return part
    if set(part) == {"values", "format"}:
        name = next((known for known, text in tables.items() if text == part["values"]), f"data-{len(tables) + 1}")
        tables[name] = part["values"]
        return {"name": name, "format": part["format"]}
    return {key: _named(value, tables) for key, value in part.items()}


# ── Data ──────────────────────────────────────────────────────────────────────────────────────────────────


def data(columns: Mapping[str, Sequence[Any] | np.ndarray], digits: int = 5) -> Any:
    """Columns of one length as CSV text: numbers to so many digits, what is not finite left empty."""
    alt, written = altair(), columns_of(columns, digits)
    return alt.InlineData(values=written["values"], format=alt.CsvDataFormat(**written["format"]))


def columns_of(columns: Mapping[str, Sequence[Any] | np.ndarray], digits: int = 5) -> dict[str, Any]:
    """The same as a part of a specification."""
    numeric = [name for name, column in columns.items() if np.asarray(column).dtype.kind in "fiub"]
    texts = [_texts(column, digits) for column in columns.values()]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*texts, strict=True))
    parse = {name: "number" if name in numeric else "string" for name in columns}
    return {"values": buffer.getvalue(), "format": {"type": "csv", "parse": parse}}


def _texts(column: Sequence[Any] | np.ndarray, digits: int) -> list[str]:
    values = np.asarray(column)
    if values.dtype.kind != "f":
        return [str(value) for value in values]
    return [f"{value:.{digits}g}" if np.isfinite(value) else "" for value in values]


def thinned(n: int, most: int = POINTS) -> np.ndarray:
    """Which of n records are drawn: all, or `most` evenly spaced ones with the first and the last."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(int))


def long(x: np.ndarray, series: Mapping[str, np.ndarray], most: int = POINTS) -> dict[str, np.ndarray]:
    """Several series over one x as columns x, y, label; thinned."""
    kept = thinned(len(x), most)
    return {
        "x": np.tile(np.asarray(x)[kept], len(series)),
        "y": np.concatenate([np.asarray(values, np.float64)[kept] for values in series.values()]),
        "label": np.repeat(list(series), len(kept)),
    }


def drawn(n: int, most: int = POINTS) -> str:
    """What a caption says where not every record is drawn."""
    return "" if n <= most else " " + t("Of {n:,} steps, {most} evenly spaced ones are drawn.", n=n, most=most)


# ── Colours and interaction ───────────────────────────────────────────────────────────────────────────────


def colours(names: Sequence[str]) -> list[str]:
    """A colour for each name: its own, or the palette's next where it has none or another name here has taken it."""
    given: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in COLOURS):  # those with a colour of their own choose first
        own = COLOURS.get(name)
        free = [shade for shade in OTHERS if shade not in given.values()] or list(OTHERS)
        given[name] = own if own and own not in given.values() else free[0]
    return [given[name] for name in names]


def colour(field: str, names: Sequence[str], shades: Sequence[str] | None = None) -> Any:
    """The colour encoding of a field, in the order of names, with the legend of `legend_look`."""
    alt = altair()
    scale = alt.Scale(domain=list(names), range=list(shades or colours(names)))
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(**legend_look(names)))


def dash(field: str, names: Sequence[str], *, told: bool = True, solid: Sequence[str] = ()) -> Any:
    """The dashes of lines, name by name; `told` in the legend of `colour`, where no shapes are.

    Of all names the first is solid, or those in `solid` are: what was measured.
    """
    alt = altair()
    dashes = [DASHES[i % len(DASHES)] for i in range(len(names))]
    if solid:
        turn = itertools.cycle(DASHES[1:])
        dashes = [DASHES[0] if name in solid else next(turn) for name in names]
    if told:
        scale = alt.Scale(domain=list(names), range=dashes)
        return alt.StrokeDash(f"{field}:N", scale=scale, legend=alt.Legend(**legend_look(names)))
    chosen = [
        {"test": f"datum[{json.dumps(field)}] === {json.dumps(name)}", "value": each}
        for name, each in zip(names, dashes, strict=True)
    ]
    return alt.StrokeDashValue(DASHES[0], condition=chosen)


def shape(field: str, names: Sequence[str]) -> Any:
    """The shapes of points, name by name; its legend is that of `colour`."""
    alt = altair()
    scale = alt.Scale(domain=list(names), range=[SHAPES[i % len(SHAPES)] for i in range(len(names))])
    return alt.Shape(f"{field}:N", scale=scale, legend=alt.Legend(**legend_look(names)))


def legend_look(names: Sequence[str]) -> dict[str, Any]:
    """A legend as wide as the plot: up to three columns, and long names without their middles."""
    short = shortened(names)
    widths = [30 + 6.2 * len(name) for name in short.values()]
    look: dict[str, Any] = {}
    if len(names) > 4 or sum(widths) > 1.15 * WIDTH:
        look["columns"] = max(1, min(3, int(1.15 * WIDTH / max(widths))))
    if any(name != told for name, told in short.items()):
        told = json.dumps(list(short.values()), ensure_ascii=False)
        look["labelExpr"] = f"{told}[indexof({json.dumps(list(short), ensure_ascii=False)}, datum.label)]"
        look["labelLimit"] = 0
    return look


def picking(field: str = "label") -> Any:
    """A click in the legend brings one name forward."""
    return altair().selection_point(name="picked", fields=[field], bind="legend")


def zooming() -> Any:
    """Drag to pan, Shift and wheel to zoom along x; the wheel alone keeps scrolling the page."""
    return altair().selection_interval(name="zoomed", bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]")


_silencing = threading.Lock()  # what is silenced is silenced for all threads: they would put back each other's state


def interactive(chart: Any, *, zoom: bool = False) -> Any:
    """The chart with picking, and zooming where the x axis is long. Panels of one chart share both."""
    with (
        _silencing,
        warnings.catch_warnings(),
    ):  # altair 6.3 tells that panels share the selection: as wanted
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        return chart.add_params(picking(), *([zooming()] if zoom else []))
