"""The microscope of a run's page: which figures it has, its tree of layers, its steps, and a step taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any
from urllib.parse import urlencode

import numpy as np
from starlette.responses import Response

from passo.analysis.answers import answers
from passo.analysis.apart import apart
from passo.analysis.halves import half_of, halves
from passo.analysis.hardest import hardest
from passo.analysis.recorded import Recorded, watch_facts
from passo.analysis.tables import Table
from passo.errors import PassoError, StoreError, UsageError
from passo.figures.apart import draw_apart
from passo.figures.style import Figure
from passo.figures.watched import RUN_FIGURES, draw_run
from passo.language import language, later, t
from passo.telling import told
from passo.web.answering import Asked
from passo.web.kept import KeptRun
from passo.web.numbers import whole
from passo.web.pictures import PICTURE, answer, lacking, words_of

APART, HARDEST = "apart", "hardest"
GROUPS: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
    (
        later("Inside the optimiser"),
        frozenset({"trace/steps"}),
        (
            *(APART, "stages", "distributions", "effective-lr", "ratios", "layers", "signal", "cosine", "betas"),
            *("loss-change", "clipping", "residual", "weights"),
        ),
    ),
    (later("Activations"), frozenset({"activations/steps"}), ("activations",)),
    (later("Curvature, noise, ranks"), frozenset({"probes/steps"}), ("curvature", "noise-scale", "rank", "drift")),
    (
        later("What it answers"),
        frozenset({"test/probabilities"}),
        ("confusion", "classes", "calibration", HARDEST, "cross-entropy"),
    ),
)
"""Figures of a run by what they show, and the arrays that a run must have for them."""

LABELS = {
    APART: later("One step, taken apart"),
    "stages": later("Stages"),
    "distributions": later("Distributions"),
    "effective-lr": later("Effective learning rates"),
    "ratios": later("Updates per weight"),
    "layers": later("Gradients"),
    "signal": later("Signal and noise"),
    "cosine": later("Angle to the gradient"),
    "betas": later("With other β"),
    "loss-change": later("Loss before and after"),
    "clipping": later("Clipping"),
    "residual": later("Explained and measured"),
    "weights": later("Weights at the end"),
    "activations": later("Activations"),
    "curvature": later("Curvature"),
    "noise-scale": later("Gradient noise"),
    "rank": later("Effective rank"),
    "drift": later("Drift"),
    "confusion": later("Confusion"),
    "classes": later("Classes"),
    "calibration": later("Calibration"),
    HARDEST: later("Hardest images"),
    "cross-entropy": later("Cross-entropy"),
}
"""What a tab is called."""

STEPS = 2000  # that a slider offers
FOLDED = 24  # parameters from which on the tree opens only where one is chosen


@dataclass
class Branch:
    """A module of the tree, or one of its parameters: `name` is the whole dotted name, `size` its weights."""

    label: str
    name: str
    size: int | None = None
    parts: list[Branch] = field(default_factory=list)

    def holds(self, name: str) -> bool:
        return self.name == name or any(part.holds(name) for part in self.parts)


@dataclass(frozen=True)
class Microscope:
    """What its controls offer, and what is chosen: by the address, else the last step of the usual weight."""

    tree: list[Branch]
    parameter: str
    traced: dict[str, list[str]]
    index: str
    steps: list[int]
    step: int
    folded: bool


def microscope(run: Recorded, asked: Asked) -> Microscope | None:
    """None where nothing was watched."""
    names, steps = parameters(run), watched_steps(run)
    if not names or not steps:
        return None
    meta, traced = run.meta("statistics"), traced_by(run)
    sizes = dict(zip(meta.get("parameters", ()), meta.get("sizes", ()), strict=False))
    asked_for = asked.query("parameter")
    chosen = asked_for if asked_for in names else _usual([name for name in names if name in traced] or names)
    wanted = asked.query("step")
    step = int(wanted) if wanted.isdecimal() and int(wanted) in steps else steps[-1]
    index = asked.query("index") if asked.query("index") in traced.get(chosen, ()) else ""
    return Microscope(tree(names, sizes), chosen, traced, index, steps, step, len(names) >= FOLDED)


def tree(names: Iterable[str], sizes: dict[str, int]) -> list[Branch]:
    """Dotted names as modules within modules, in the model's order.

    >>> [(one.label, [leaf.label for leaf in one.parts]) for one in tree(["a.w", "a.b", "c"], {})]
    [('a', ['w', 'b']), ('c', [])]
    """
    top = Branch("", "")
    for name in names:
        here, parts = top, name.split(".")
        for depth, part in enumerate(parts, start=1):
            whole = ".".join(parts[:depth])
            known = next((one for one in here.parts if one.name == whole), None)
            if known is None:
                known = Branch(part, whole)
                here.parts.append(known)
            here = known
        here.size = sizes.get(name)
    return top.parts


def watched_steps(run: Recorded) -> list[int]:
    """The steps that the microscope looked at, evenly thinned to what a slider can offer."""
    if "trace/steps" not in run.arrays():
        return []
    steps = run.array("trace/steps")
    at = np.unique(np.linspace(0, len(steps) - 1, min(STEPS, len(steps))).astype(int)) if len(steps) else []
    return [int(steps[i]) for i in at]


def parameters(run: Recorded) -> list[str]:
    """The parameters that were watched, in the model's order; none where nothing was."""
    found = [name for one in halves(run) for name in watch_facts(one).get("roundings", {})]
    return list(dict.fromkeys(map(str, found or run.meta("statistics").get("parameters", ()) or traced_by(run))))


def traced_by(run: Recorded) -> dict[str, list[str]]:
    """Of each parameter the weights that were followed, as an address names them: "0,2,1"."""
    found: dict[str, list[str]] = {}
    for one in halves(run):
        for name, index in one.meta("trace").get("coordinates", ()) if "trace" in one.arrays() else ():
            found.setdefault(str(name), []).append(",".join(map(str, index)))
    return found


def _usual(names: Sequence[str]) -> str:
    """The weight of the first convolution, else the first."""
    return next((name for name in names if "conv" in name and name.endswith("weight")), names[0])


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────────────


def figures_of(run: Recorded) -> list[tuple[str, list[str]]]:
    """The figures for which this run has recorded something, in groups; a figure says itself what it lacks."""
    there = {*run.arrays()}
    return [(group, list(names)) for group, needs, names in GROUPS if needs <= there]


def figure(asked: Asked) -> Response:
    """A figure of the run as JSON, or as a picture: its specification, its sentence, its caption, and tables."""
    name = asked.place("figure")
    run = asked.lab.kept.run(asked.place("study"), asked.place("run"))
    name, picture = name.removesuffix(PICTURE), name.endswith(PICTURE)
    try:
        if name == HARDEST:
            return asked.json({"spec": None, "sentence": hardest_told(run), "caption": "", "tables": []})
        drawn, tables = drawn_of(run, name, chosen(asked, name))
    except StoreError as why:
        return lacking(asked, why, picture=picture)
    if picture:
        return answer(asked, drawn, picture=True)
    return asked.json({**words_of(drawn), "tables": [_told(one) for one in tables]})


def drawn_of(run: KeptRun, name: str, options: dict[str, Any]) -> tuple[Figure, tuple[Table, ...]]:
    """A figure with its tables, where it has some; the same one is not drawn twice."""
    key = (name, language(), *sorted(options.items()))
    return run.made(key, lambda: _apart(run, options) if name == APART else (draw_run(name, run, **options), ()))


def hardest_told(run: Recorded) -> str:
    """Which images were hardest, in words: the pictures lie with the data, which this process cannot open."""
    try:
        found = hardest(answers(run)).sentence()
    except PassoError as why:
        return told(str(why))
    return f"{found} {t('Its images stand on the page “Look inside”.')}"


def _apart(run: Recorded, options: dict[str, Any]) -> tuple[Figure, tuple[Table, ...]]:
    found = apart(half_of(run, options.get("parameter")), **options)
    return draw_apart(found), found.tables()


def _told(table: Table) -> dict[str, Any]:
    return {"columns": table.columns, "rows": table.rows, "note": table.note}


def chosen(asked: Asked, name: str) -> dict[str, Any]:
    """What the address asks of a figure, as far as the figure takes it."""
    takes = signature(RUN_FIGURES[name]).parameters
    found: dict[str, Any] = {key: asked.query(key) for key in ("parameter", "layer", "quantity") if asked.query(key)}
    if asked.query("step"):
        found["step"] = whole(asked, "step", 1, 10**12)
    if "index" in asked.request.query_params and (index := asked.query("index")):
        if not all(part.isdecimal() for part in index.split(",")):
            raise UsageError(f"index must be whole numbers with commas between, got {index!r}")
        found["index"] = tuple(map(int, index.split(",")))
    return {key: value for key, value in found.items() if key in takes}


@dataclass(frozen=True)
class Picture:
    """A figure that stands in the page: its name, its words, its tables, its address's query; or why there is none."""

    name: str
    sentence: str
    caption: str = ""
    tables: tuple[Table, ...] = ()
    query: str = ""
    there: bool = True


def pictures(run: KeptRun, asked: Asked, look: Microscope | None) -> dict[str, list[Picture]]:
    """All figures of the run for a browser without scripts, by group."""
    return {group: [_picture(run, name, asked, look) for name in names] for group, names in figures_of(run)}


def _picture(run: KeptRun, name: str, asked: Asked, look: Microscope | None) -> Picture:
    if name == HARDEST:
        return Picture(name, hardest_told(run), there=False)
    usual = {} if look is None else {"parameter": look.parameter, "step": look.step}
    takes = signature(RUN_FIGURES[name]).parameters
    options = {**{key: value for key, value in usual.items() if key in takes}, **chosen(asked, name)}
    words = {key: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for key, v in options.items()}
    try:
        drawn, tables = drawn_of(run, name, options)
        return Picture(name, drawn.sentence, drawn.caption, tables, urlencode(words))
    except PassoError as why:
        return Picture(name, told(str(why)), there=False)
