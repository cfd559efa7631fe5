"""One weight of a real network on its way through every step: adapted gradients, momentum, Nesterov."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from passo.analysis import Traces, runs_of, traces
from passo.analysis.words import joined, significant
from passo.figures.panels import STEP, level, lines, stacked
from passo.figures.style import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    INDIGO,
    INK,
    ORANGE,
    RED,
    Figure,
    altair,
    colours,
    drawn,
    finished,
    interactive,
)
from passo.language import later, t
from passo.store import StoredRun, StoredStudy

GRADIENT, AVERAGE, SCALING = later("gradient"), later("its corrected EWMA"), later("scaling")
ADAPTED, MEASURED = later("adapted gradient"), later("measured update / −lr")
BUFFER, AHEAD = later("momentum buffer"), later("direction with look-ahead")
FACTOR, EXPLAINED, UPDATE = later("what multiplies"), later("explained update"), later("measured update")
_Value = TypeVar("_Value")
SHADES = {GRADIENT: GREY, AVERAGE: BLUE, SCALING: RED, ADAPTED: GREEN, MEASURED: INK}


def stage_chart(steps: np.ndarray, values: Mapping[str, np.ndarray], stage: str, parameter: str) -> Any:
    """A stage of one parameter over the recorded steps (T,); `values` maps each label to its (T,)."""
    names = list(values)
    shades = dict(zip(names, colours(names), strict=True))
    series = {name: np.asarray(column, np.float64) for name, column in values.items()}
    chart = interactive(lines(np.asarray(steps), series, shades, y=stage, height=260), zoom=True)
    return finished(chart, t("{stage} of {parameter}", stage=stage, parameter=parameter))


def adapted_gradients(study: StoredStudy) -> Figure:
    """Adam in three panels: what is averaged, what scales it, and the direction that comes out."""
    run = runs_of(study, "adam")[0]
    seen, eps = traces(run), _eps(run)
    shades = _told(SHADES)
    measured = [t(GRADIENT), t(MEASURED)]
    panels = (
        _averaged(seen, shades, height=130, measured=measured),
        _scaling(seen, eps, shades, height=110, measured=measured),
        _adapted(seen, shades, height=130, measured=measured),
    )
    caption = t(
        "{weight} in {run}, step by step: the gradient and its corrected EWMA m̂; the factor 1/(√v̂ + ε) that scales it "
        "(log scale); the adapted gradient, their product, and θ after minus θ before, measured, over −lr.",
        weight=seen.coordinate,
        run=run.id,
    )
    title = finished(interactive(stacked(*panels), zoom=True), t("How Adam adapts a gradient"))
    return Figure("adapted-gradients", title, caption + drawn(len(seen.steps)), _sizes(seen, eps))


def _sizes(seen: Traces, eps: float) -> str:
    """How large the gradients, what scales them and the directions are."""
    factor, sizes = _factor(seen, eps), np.abs(seen["adapted"])
    return t(
        "Gradients of {weight} have a standard deviation of {spread}; scaled by factors from {least} to {greatest}, "
        "their averages become directions with a mean size of {size} and at most {most}; the measured updates agree "
        "with them within {apart}.",
        weight=seen.coordinate,
        spread=significant(seen["grad"].std()),
        least=significant(factor.min()),
        greatest=significant(factor.max()),
        size=significant(sizes.mean()),
        most=significant(sizes.max()),
        apart=significant(float(np.nanmax(np.abs(seen.measured - seen["adapted"]))), 1),
    )


def _told(series: Mapping[str, _Value]) -> dict[str, _Value]:
    """The same under names in the language that is spoken."""
    return {t(name): value for name, value in series.items()}


def _eps(run: StoredRun) -> float:
    return float(run.config["optimizer"].get("eps", 1e-8))


def _averaged(seen: Traces, shades: Mapping[str, str], **look: Any) -> Any:
    series = _told({GRADIENT: seen["grad"], AVERAGE: seen["exp_avg_hat"]})
    return lines(seen.steps, series, shades, y=t(GRADIENT), thin=[t(GRADIENT)], x_title=None, **look)


def _factor(seen: Traces, eps: float) -> np.ndarray:
    """1/(√v̂ + ε): (T,)."""
    return 1 / (np.sqrt(seen["exp_avg_sq_hat"]) + eps)


def _scaling(seen: Traces, eps: float, shades: Mapping[str, str], **look: Any) -> Any:
    series = _told({SCALING: _factor(seen, eps)})
    return lines(seen.steps, series, shades, y=t(SCALING), x_title=None, scale={"type": "log"}, **look)


def _adapted(seen: Traces, shades: Mapping[str, str], **look: Any) -> Any:
    series = _told({ADAPTED: seen["adapted"], MEASURED: seen.measured})
    return lines(seen.steps, series, shades, y=t("direction"), **look)


def sgd_traces(study: StoredStudy) -> Figure:
    """SGD, momentum and Nesterov: the gradient, what is remembered of it, and the direction taken."""
    seen = {name: traces(runs_of(study, name)[0]) for name in ("sgd", "momentum", "nesterov")}
    panels = [_directions(name, trace) for name, trace in seen.items()]
    gains = [float(np.abs(trace["adapted"]).mean() / np.abs(trace["grad"]).mean()) for trace in seen.values()]
    nesterov = seen["nesterov"]
    ahead = float(np.abs(nesterov["adapted"] - nesterov["momentum_buffer"]).mean())
    told = [
        t("{value} for {name}", value=significant(gain, 2), name=name) for name, gain in zip(seen, gains, strict=True)
    ]
    sentence = t(
        "Per unit of mean absolute gradient of {weight} the mean absolute directions are {directions}; Nesterov's "
        "differs from its own buffer by {ahead} on average, which is its look-ahead.",
        weight=nesterov.coordinate,
        directions=joined(told),
        ahead=significant(ahead, 2),
    )
    caption = t(
        "{weight} in three runs of seed 0, each with its own gradients and its own scale.", weight=nesterov.coordinate
    )
    title = finished(interactive(stacked(*panels, spacing=8), zoom=True), t("Gradient, momentum, look-ahead"))
    return Figure("sgd-traces", title, caption + drawn(len(nesterov.steps)), sentence)


def _directions(name: str, seen: Traces) -> Any:
    """One run's panel: its gradient, its buffer where it has one, its look-ahead where it looks ahead."""
    series, title = {GRADIENT: seen["grad"]}, t("sgd: the direction is the gradient")
    if name != "sgd":
        series[BUFFER], title = seen["momentum_buffer"], t("momentum: the direction is the buffer")
    if name == "nesterov":
        series[AHEAD], title = seen["adapted"], t("nesterov: the direction is the gradient plus β times the buffer")
    return lines(
        seen.steps,
        _told(series),
        _told({GRADIENT: GREY, BUFFER: RED, AHEAD: GREEN}),
        y=t("direction"),
        height=125,
        title=title,
        thin=[] if name == "sgd" else [t(GRADIENT)],
        x_title=STEP if name == "nesterov" else None,
    )


def momentum_limit(study: StoredStudy) -> Figure:
    """Momentum as an undamped EWMA: its gain under a constant gradient, and the gain on real gradients."""
    run = runs_of(study, "momentum")[0]
    betas, beta = (0.5, 0.9, 0.99), float(run.config["optimizer"]["momentum"])
    parameter, ratio = _gain(run)
    panels = (_constant(betas), _real(run, parameter, ratio, beta))
    chart = (
        altair()
        .vconcat(*panels, spacing=18)
        .resolve_scale(color="independent", strokeDash="independent", x="independent")
    )
    low, middle, high = (significant(float(q)) for q in np.nanquantile(ratio, [0.05, 0.5, 0.95]))
    limits = [t("{limit:.0f} for β = {beta:g}", limit=1 / (1 - b), beta=b) for b in betas]
    sentence = t(
        "Under a constant gradient momentum grows to 1/(1 − β) times the gradient: {limits}; in {run} with β = "
        "{beta:g}, whose gradients turn, the buffer of {parameter} is {middle} times as large as the gradient at the "
        "median step, and {low} to {high} times at nine steps of ten.",
        limits=joined(limits),
        run=run.id,
        beta=beta,
        parameter=parameter,
        middle=middle,
        low=low,
        high=high,
    )
    caption = t(
        "Momentum is an EWMA without the factor 1 − β, so it adds up what an EWMA averages: above, computed for a "
        "constant gradient; below, on real gradients."
    )
    return Figure("momentum-limit", finished(interactive(chart), t("Momentum's limit")), caption, sentence)


def _constant(betas: Sequence[float]) -> Any:
    """(1 − βᵗ)/(1 − β), the buffer after t steps with a gradient of 1."""
    steps = np.unique(np.geomspace(1, 1000, 120).round()).astype(int)
    gains = {
        t("β = {beta:g}, limit {limit:.0f}", beta=beta, limit=1 / (1 - beta)): (1 - beta**steps) / (1 - beta)
        for beta in betas
    }
    return lines(
        steps,
        gains,
        dict(zip(gains, (ORANGE, BLUE, INDIGO), strict=True)),
        y=t("buffer / gradient"),
        x_title=t("steps under a constant gradient"),
        height=170,
        scale={"type": "log"},
        x_scale={"type": "log"},
        title=t("Computed: a gradient that stays the same (both axes logarithmic)"),
    )


def _real(run: StoredRun, parameter: str, ratio: np.ndarray, beta: float) -> Any:
    """The measured ratio (T,), and the limit that it would reach under a constant gradient."""
    label = t("buffer / gradient in {run}", run=run.id)
    return lines(
        run.array("trace/steps"),
        {label: ratio},
        {label: COLOURS["momentum"]},
        y=t("buffer / gradient"),
        height=150,
        title=t("Measured: root mean squares over {parameter}, β = {beta:g}", parameter=parameter, beta=beta),
        over=level(1 / (1 - beta), t("limit {limit:.3g}", limit=1 / (1 - beta))),
    )


def _gain(run: StoredRun) -> tuple[str, np.ndarray]:
    """The convolution's tensor, and the ratio of root mean squares of buffer and gradient: (T,)."""
    values, meta = run.array("statistics"), run.meta("statistics")  # (T, S, P, Q)
    parameter = traces(run).parameter
    column, rms = meta["parameters"].index(parameter), meta["quantities"].index("rms")
    buffer, grad = (values[:, meta["stages"].index(s), column, rms] for s in ("momentum_buffer", "grad"))
    return parameter, np.divide(buffer, grad, out=np.full(len(grad), np.nan), where=grad > 0).astype(np.float64)


def final_adapted(study: StoredStudy) -> Figure:
    """The two final runs side by side: gradient and memory, what multiplies it, and the update measured."""
    adam, cyclic = (runs_of(study, name)[0] for name in ("adam-final", "nesterov-cyclic-final"))
    one, two = traces(adam), traces(cyclic)
    factors = one.lr * _factor(one, _eps(adam)), two.lr
    left = _column(one, "exp_avg_hat", AVERAGE, factors[0], adam.name)
    right = _column(two, "momentum_buffer", BUFFER, factors[1], cyclic.name)
    cells = [cell for pair in zip(left, right, strict=True) for cell in pair]
    chart = interactive(altair().concat(*cells, columns=2, spacing=14).resolve_scale(x="shared"), zoom=True)
    moved = [significant(float(np.abs(seen["update"]).mean())) for seen in (one, two)]
    apart = max(float(np.abs(seen["update"] + seen.lr * seen["adapted"]).max()) for seen in (one, two))
    sentence = t(
        "A step moves {weight} by {moved} on average in {adam} and by {other} in {cyclic}; what multiplies runs from "
        "{span} in the first and from {other_span} in the second; updates are the explained ones within {apart}.",
        weight=one.coordinate,
        moved=moved[0],
        adam=adam.id,
        other=moved[1],
        cyclic=cyclic.id,
        span=_span(factors[0]),
        other_span=_span(factors[1]),
        apart=significant(apart, 1),
    )
    caption = t(
        "{weight} in {adam} (left) and {cyclic} (right): the gradient and its memory; what multiplies, lr/(√v̂ + ε) on "
        "the left and the learning rate on the right; the update, explained and measured.",
        weight=one.coordinate,
        adam=adam.id,
        cyclic=cyclic.id,
    )
    title = finished(chart, t("Two ways to adapt a gradient"))
    return Figure("final-adapted", title, caption + drawn(len(one.steps)), sentence)


def _column(seen: Traces, stage: str, memory: str, factor: np.ndarray, name: str) -> tuple[Any, Any, Any]:
    """Three panels of one run, from the top."""
    shades = _told({GRADIENT: GREY, AVERAGE: BLUE, BUFFER: ORANGE, FACTOR: RED, EXPLAINED: GREEN, UPDATE: INK})
    look: dict[str, Any] = {"width": 245, "height": 110, "measured": [t(GRADIENT), t(UPDATE)]}
    scale = {"type": "log"} if stage == "exp_avg_hat" else {"zero": False}
    explained = _told({EXPLAINED: -seen.lr * seen["adapted"], UPDATE: seen["update"]})
    return (
        lines(
            seen.steps,
            _told({GRADIENT: seen["grad"], memory: seen[stage]}),
            shades,
            y=t(GRADIENT),
            thin=[t(GRADIENT)],
            x_title=None,
            title=name,
            **look,
        ),
        lines(seen.steps, _told({FACTOR: factor}), shades, y=t(FACTOR), x_title=None, scale=scale, **look),
        lines(seen.steps, explained, shades, y=t("update"), **look),
    )


def _span(values: np.ndarray) -> str:
    return t("{low} to {high}", low=significant(float(values.min())), high=significant(float(values.max())))
