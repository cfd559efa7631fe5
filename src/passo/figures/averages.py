"""EWMA meets gradients: weights by lag, a real series, bias and its correction, real gradients."""

from __future__ import annotations

import numpy as np

from passo.analysis import (
    Smoothing,
    correction,
    ewma,
    moving_average,
    moving_average_weights,
    runs_of,
    traces,
    weights_by_lag,
)
from passo.analysis.words import joined, significant
from passo.figures.panels import STEP, lines, stacked, x_axis, y_axis
from passo.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    WIDTH,
    Figure,
    altair,
    colour,
    data,
    drawn,
    finished,
    interactive,
    picking,
)
from passo.store import StoredStudy

PERIODS = 19
_OLDEST = 60
NONZERO = {"zero": False}


def ewma_weights(study: StoredStudy) -> Figure:
    """How much weight each age gets, in a moving average and in an EWMA of the same average age."""
    alt = altair()
    smoothing, ages = Smoothing(periods=PERIODS), np.arange(1, _OLDEST + 1)
    names = {f"moving average of {PERIODS} periods": ORANGE, f"EWMA, β = {smoothing.beta:.2g}": BLUE}
    both = [moving_average_weights(PERIODS, _OLDEST), weights_by_lag(smoothing, _OLDEST)]
    source = {"x": np.tile(ages, 2), "y": np.concatenate(both), "label": np.repeat(list(names), _OLDEST)}
    tips = [alt.Tooltip("x:Q", title="age in steps"), alt.Tooltip("y:Q", title="weight", format=".3~f")]
    weights = (
        alt.Chart(data(source))
        .mark_point(filled=True, size=34, opacity=1)
        .encode(
            x=x_axis("age of the value, in steps (today's has age 1)", domain=[0, _OLDEST + 1]),
            y=y_axis("weight"),
            color=colour("label", list(names), list(names.values())),
            opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
            tooltip=tips,
        )
    )
    stems = weights.mark_rule(strokeWidth=1.5).encode(y2=alt.datum(0), opacity=alt.value(0.3))
    age = data({"x": [smoothing.average_age], "label": [f"average age of both: {smoothing.average_age:g} steps"]})
    mark = alt.Chart(age).mark_rule(strokeDash=[4, 3], color=INK).encode(x="x:Q")
    word = (
        alt.Chart(age)
        .mark_text(align="left", dx=6, fontSize=11, color=INK)
        .encode(x="x:Q", y=alt.value(8), text="label:N")
    )
    chart = interactive(alt.layer(stems, weights, mark, word).properties(width=WIDTH, height=240))
    lost = 100 * smoothing.beta**PERIODS
    sentence = (
        f"A moving average over {PERIODS} periods and an EWMA with β = {smoothing.beta:.2g} hold values that are "
        f"{smoothing.average_age:g} steps old on average; the EWMA gives today's value {significant(smoothing.alpha)} "
        f"of the weight, the moving average {significant(1 / PERIODS)}, and {lost:.1f} % of the EWMA's weight lies on "
        f"values that the moving average has dropped."
    )
    caption = "Weight by age: a moving average forgets all at once, an EWMA little by little."
    return Figure("ewma-weights", finished(chart, "Two averages of the same age"), caption, sentence)


def ewma_series(study: StoredStudy) -> Figure:
    """Both averages over the mini-batch losses of one run."""
    run = runs_of(study, "sgd")[0]
    loss, smoothing = run.metric("train/loss"), Smoothing(periods=PERIODS)
    moving = moving_average(loss.values, PERIODS)
    average = ewma(loss.values, smoothing, bias_correction=True)
    shades = {"mini-batch loss": GREY, f"moving average of {PERIODS}": ORANGE, "EWMA, β = 0.9, corrected": BLUE}
    series = dict(zip(shades, (loss.values, moving, average), strict=True))
    chart = lines(loss.steps, series, shades, y="mini-batch loss", height=260, thin=["mini-batch loss"], scale=NONZERO)
    jitter = [significant(float(np.nanstd(np.diff(values)))) for values in (loss.values, moving, average)]
    gap = significant(float(np.nanmean(np.abs(moving - average))))
    sentence = (
        f"From one mini-batch to the next the loss of {run.id} changes by {jitter[0]} (standard deviation), its moving "
        f"average by {jitter[1]} and its EWMA by {jitter[2]}; the two averages are {gap} apart on average, and the "
        f"moving average says nothing in its first {PERIODS - 1} steps."
    )
    caption = f"The mini-batch loss of {run.id} and two averages of {PERIODS} periods.{drawn(len(loss.steps))}"
    chart = interactive(chart, zoom=True)
    return Figure("ewma-series", finished(chart, "Two averages of one noisy series"), caption, sentence)


def ewma_bias(study: StoredStudy) -> Figure:
    """The first steps of an EWMA that starts at zero, raw and corrected, over a real gradient."""
    seen = traces(runs_of(study, "adam")[0])
    n = min(100, len(seen.steps))
    grad, steps = seen["grad"][:n], seen.steps[:n]
    shades = {"gradient": GREY, "EWMA from zero": RED, "EWMA, bias-corrected": BLUE}
    panels, told = [], []
    for beta in (0.9, 0.999):
        smoothing = Smoothing(beta=beta)
        raw, corrected = ewma(grad, smoothing), ewma(grad, smoothing, bias_correction=True)
        series = dict(zip(shades, (grad, raw, corrected), strict=True))
        title = f"β = {beta:g}, as a moving average of {smoothing.periods:,.0f} periods"
        panels.append(
            lines(
                steps,
                series,
                shades,
                y="gradient",
                height=150,
                title=title,
                thin=["gradient"],
                x_title=STEP if beta > 0.9 else None,
                scale={"domain": _window(raw, corrected), "nice": False},
            )
        )
        told.append(f"{significant(correction(smoothing, 10)[-1])} for β = {beta:g}")
    ends = [significant(ewma(grad, beta=0.999, bias_correction=corrected)[-1]) for corrected in (False, True)]
    sentence = (
        f"An EWMA that starts at zero is too small at first: the weights that it has given by step 10 add up to "
        f"{joined(told)}; after {n} steps the EWMA of {seen.coordinate}'s gradient with β = 0.999 stands at {ends[0]}, "
        f"corrected at {ends[1]}."
    )
    caption = f"The first {n} gradients of {seen.coordinate} in {seen.run}; gradients beyond the frame are cut."
    chart = interactive(stacked(*panels), zoom=True)
    return Figure("ewma-bias", finished(chart, "Bias, and its correction"), caption, sentence)


def _window(*averages: np.ndarray) -> list[float]:
    """A range that shows the averages whole, zero too, with some air for the gradients."""
    values = np.concatenate([*averages, np.zeros(1)])
    low, high = float(values.min()), float(values.max())
    air = 0.25 * (high - low) or 1.0
    return [low - air, high + air]


def ewma_gradients(study: StoredStudy) -> Figure:
    """Adam's two averages over the gradient of one weight: of the gradient, and of its square."""
    run = runs_of(study, "adam")[0]
    seen = traces(run)
    betas = run.config["optimizer"].get("betas", [0.9, 0.999])
    mean, size, square = seen["exp_avg_hat"], seen["exp_avg_sq_hat"], seen["grad"] ** 2
    names = ("gradient", f"EWMA of the gradient, β = {betas[0]:g}", f"EWMA of its square, β = {betas[1]:g}")
    shades = dict(zip(names, (GREY, BLUE, RED), strict=True))
    first = lines(
        seen.steps,
        {names[0]: seen["grad"], names[1]: mean},
        shades,
        y="gradient",
        height=150,
        thin=names[:1],
        x_title=None,
    )
    second = lines(
        seen.steps,
        {names[0]: square, names[2]: size},
        shades,
        y="squared gradient (root scale)",
        height=150,
        thin=names[:1],
        scale={"type": "sqrt"},
    )
    chart = interactive(stacked(first, second), zoom=True)
    sentence = (
        f"The gradient of {seen.coordinate} has a standard deviation of {significant(seen['grad'].std())} over "
        f"{len(seen.steps)} steps, its bias-corrected EWMA {significant(mean.std())}; its square reaches "
        f"{significant(square.max())}, the EWMA of the square {significant(size.max())}, and that ends at "
        f"{significant(size[-1])}."
    )
    caption = f"Gradient and squared gradient of {seen.coordinate} in {run.id}, with Adam's bias-corrected averages."
    caption += drawn(len(seen.steps))
    return Figure("ewma-gradients", finished(chart, "Adam's two averages"), caption, sentence)
