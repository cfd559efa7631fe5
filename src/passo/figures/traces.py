"""One weight of a real network on its way through every step: adapted gradients, momentum, Nesterov."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
from passo.store import StoredRun, StoredStudy

GRADIENT, AVERAGE, SCALING = "gradient", "its corrected EWMA", "scaling"
ADAPTED, MEASURED = "adapted gradient", "measured update / −lr"
BUFFER = "momentum buffer"
FACTOR, EXPLAINED, UPDATE = "what multiplies", "explained update", "measured update"
SHADES = {GRADIENT: GREY, AVERAGE: BLUE, SCALING: RED, ADAPTED: GREEN, MEASURED: INK}


def stage_chart(steps: np.ndarray, values: Mapping[str, np.ndarray], stage: str, parameter: str) -> Any:
    """A stage of one parameter over the recorded steps (T,); `values` maps each label to its (T,)."""
    names = list(values)
    shades = dict(zip(names, colours(names), strict=True))
    series = {name: np.asarray(column, np.float64) for name, column in values.items()}
    chart = interactive(lines(np.asarray(steps), series, shades, y=stage, height=260), zoom=True)
    return finished(chart, f"{stage} of {parameter}")


def adapted_gradients(study: StoredStudy) -> Figure:
    """Adam in three panels: what is averaged, what scales it, and the direction that comes out."""
    run = runs_of(study, "adam")[0]
    seen, eps = traces(run), _eps(run)
    panels = (
        _averaged(seen, SHADES, height=130),
        _scaling(seen, eps, SHADES, height=110),
        _adapted(seen, SHADES, height=130),
    )
    factor, sizes = _factor(seen, eps), np.abs(seen["adapted"])
    apart = float(np.nanmax(np.abs(seen.measured - seen["adapted"])))
    sentence = (
        f"Gradients of {seen.coordinate} have a standard deviation of {significant(seen['grad'].std())}; scaled by "
        f"factors from {significant(factor.min())} to {significant(factor.max())}, their averages become directions "
        f"with a mean size of {significant(sizes.mean())} and at most {significant(sizes.max())}; the measured updates "
        f"agree with them within {significant(apart, 1)}."
    )
    caption = (
        f"{seen.coordinate} in {run.id}, step by step: the gradient and its corrected EWMA m̂; the factor 1/(√v̂ + ε) "
        f"that scales it (log scale); the adapted gradient, their product, and θ after minus θ before, measured, over "
        f"−lr.{drawn(len(seen.steps))}"
    )
    chart = interactive(stacked(*panels), zoom=True)
    return Figure("adapted-gradients", finished(chart, "How Adam adapts a gradient"), caption, sentence)


def _eps(run: StoredRun) -> float:
    return float(run.config["optimizer"].get("eps", 1e-8))


def _averaged(seen: Traces, shades: Mapping[str, str], **look: Any) -> Any:
    series = {GRADIENT: seen["grad"], AVERAGE: seen["exp_avg_hat"]}
    return lines(seen.steps, series, shades, y="gradient", thin=[GRADIENT], x_title=None, **look)


def _factor(seen: Traces, eps: float) -> np.ndarray:
    """1/(√v̂ + ε): (T,)."""
    return 1 / (np.sqrt(seen["exp_avg_sq_hat"]) + eps)


def _scaling(seen: Traces, eps: float, shades: Mapping[str, str], **look: Any) -> Any:
    scale = {"type": "log"}
    return lines(seen.steps, {SCALING: _factor(seen, eps)}, shades, y="scaling", x_title=None, scale=scale, **look)


def _adapted(seen: Traces, shades: Mapping[str, str], **look: Any) -> Any:
    series = {ADAPTED: seen["adapted"], MEASURED: seen.measured}
    return lines(seen.steps, series, shades, y="direction", dashed=[MEASURED], **look)


def sgd_traces(study: StoredStudy) -> Figure:
    """SGD, momentum and Nesterov: the gradient, what is remembered of it, and the direction taken."""
    seen = {name: traces(runs_of(study, name)[0]) for name in ("sgd", "momentum", "nesterov")}
    panels = [_directions(name, trace) for name, trace in seen.items()]
    gains = [float(np.abs(trace["adapted"]).mean() / np.abs(trace["grad"]).mean()) for trace in seen.values()]
    nesterov = seen["nesterov"]
    ahead = float(np.abs(nesterov["adapted"] - nesterov["momentum_buffer"]).mean())
    told = [f"{significant(gain, 2)} for {name}" for name, gain in zip(seen, gains, strict=True)]
    sentence = (
        f"Per unit of mean absolute gradient of {nesterov.coordinate} the mean absolute directions are {joined(told)}; "
        f"Nesterov's differs from its own buffer by {significant(ahead, 2)} on average, which is its look-ahead."
    )
    caption = (
        f"{nesterov.coordinate} in three runs of seed 0, each with its own gradients and its own scale."
        f"{drawn(len(nesterov.steps))}"
    )
    chart = interactive(stacked(*panels, spacing=8), zoom=True)
    return Figure("sgd-traces", finished(chart, "Gradient, momentum, look-ahead"), caption, sentence)


def _directions(name: str, seen: Traces) -> Any:
    """One run's panel: its gradient, its buffer where it has one, its look-ahead where it looks ahead."""
    ahead = "direction with look-ahead"
    series, title = {GRADIENT: seen["grad"]}, "sgd: the direction is the gradient"
    if name != "sgd":
        series[BUFFER], title = seen["momentum_buffer"], "momentum: the direction is the buffer"
    if name == "nesterov":
        series[ahead], title = seen["adapted"], "nesterov: the direction is the gradient plus β times the buffer"
    return lines(
        seen.steps,
        series,
        {GRADIENT: GREY, BUFFER: RED, ahead: GREEN},
        y="direction",
        height=125,
        title=title,
        thin=[] if name == "sgd" else [GRADIENT],
        x_title=STEP if name == "nesterov" else None,
    )


def momentum_limit(study: StoredStudy) -> Figure:
    """Momentum as an undamped EWMA: its gain under a constant gradient, and the gain on real gradients."""
    run = runs_of(study, "momentum")[0]
    betas, beta = (0.5, 0.9, 0.99), float(run.config["optimizer"]["momentum"])
    parameter, ratio = _gain(run)
    panels = (_constant(betas), _real(run, parameter, ratio, beta))
    chart = altair().vconcat(*panels, spacing=18).resolve_scale(color="independent", x="independent")
    low, middle, high = (significant(float(q)) for q in np.nanquantile(ratio, [0.05, 0.5, 0.95]))
    limits = joined([f"{1 / (1 - b):.0f} for β = {b:g}" for b in betas])
    sentence = (
        f"Under a constant gradient momentum grows to 1/(1 − β) times the gradient: {limits}; in {run.id} with β = "
        f"{beta:g}, whose gradients turn, the buffer of {parameter} is {middle} times as large as the gradient at the "
        f"median step, and {low} to {high} times at nine steps of ten."
    )
    caption = (
        "Momentum is an EWMA without the factor 1 − β, so it adds up what an EWMA averages: above, computed for a "
        "constant gradient; below, on real gradients."
    )
    chart = interactive(chart)
    return Figure("momentum-limit", finished(chart, "Momentum's limit"), caption, sentence)


def _constant(betas: Sequence[float]) -> Any:
    """(1 − βᵗ)/(1 − β), the buffer after t steps with a gradient of 1."""
    steps = np.unique(np.geomspace(1, 1000, 120).round()).astype(int)
    gains = {f"β = {beta:g}, limit {1 / (1 - beta):.0f}": (1 - beta**steps) / (1 - beta) for beta in betas}
    return lines(
        steps,
        gains,
        dict(zip(gains, (ORANGE, BLUE, INDIGO), strict=True)),
        y="buffer / gradient",
        x_title="steps under a constant gradient",
        height=170,
        scale={"type": "log"},
        x_scale={"type": "log"},
        title="Computed: a gradient that stays the same (both axes logarithmic)",
    )


def _real(run: StoredRun, parameter: str, ratio: np.ndarray, beta: float) -> Any:
    """The measured ratio (T,), and the limit that it would reach under a constant gradient."""
    label = f"buffer / gradient in {run.id}"
    return lines(
        run.array("trace/steps"),
        {label: ratio},
        {label: COLOURS["momentum"]},
        y="buffer / gradient",
        height=150,
        title=f"Measured: root mean squares over {parameter}, β = {beta:g}",
        over=level(1 / (1 - beta), f"limit {1 / (1 - beta):.3g}"),
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
    sentence = (
        f"A step moves {one.coordinate} by {moved[0]} on average in {adam.id} and by {moved[1]} in {cyclic.id}; what "
        f"multiplies runs from {_span(factors[0])} in the first and from {_span(factors[1])} in the second; updates "
        f"are the explained ones within {significant(apart, 1)}."
    )
    caption = (
        f"{one.coordinate} in {adam.id} (left) and {cyclic.id} (right): the gradient and its memory; what "
        f"multiplies, lr/(√v̂ + ε) on the left and the learning rate on the right; the update, explained and measured."
        f"{drawn(len(one.steps))}"
    )
    return Figure("final-adapted", finished(chart, "Two ways to adapt a gradient"), caption, sentence)


def _column(seen: Traces, stage: str, memory: str, factor: np.ndarray, name: str) -> tuple[Any, Any, Any]:
    """Three panels of one run, from the top."""
    shades = {GRADIENT: GREY, AVERAGE: BLUE, BUFFER: ORANGE, FACTOR: RED, EXPLAINED: GREEN, UPDATE: INK}
    look: dict[str, Any] = {"width": 245, "height": 110}
    scale = {"type": "log"} if stage == "exp_avg_hat" else {"zero": False}
    explained = {EXPLAINED: -seen.lr * seen["adapted"], UPDATE: seen["update"]}
    return (
        lines(
            seen.steps,
            {GRADIENT: seen["grad"], memory: seen[stage]},
            shades,
            y="gradient",
            thin=[GRADIENT],
            x_title=None,
            title=name,
            **look,
        ),
        lines(seen.steps, {FACTOR: factor}, shades, y=FACTOR, x_title=None, scale=scale, **look),
        lines(seen.steps, explained, shades, y="update", dashed=[UPDATE], **look),
    )


def _span(values: np.ndarray) -> str:
    return f"{significant(float(values.min()))} to {significant(float(values.max()))}"
