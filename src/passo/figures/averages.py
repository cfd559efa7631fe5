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
    shape,
)
from passo.language import t
from passo.store import StoredStudy

PERIODS = 19
_OLDEST = 60
NONZERO = {"zero": False}


def ewma_weights(study: StoredStudy) -> Figure:
    """How much weight each age gets, in a moving average and in an EWMA of the same average age."""
    alt = altair()
    smoothing, ages = Smoothing(periods=PERIODS), np.arange(1, _OLDEST + 1)
    names = {
        t("moving average of {n} periods", n=PERIODS): ORANGE,
        t("EWMA, β = {beta:.2g}", beta=smoothing.beta): BLUE,
    }
    both = [moving_average_weights(PERIODS, _OLDEST), weights_by_lag(smoothing, _OLDEST)]
    source = {"x": np.tile(ages, 2), "y": np.concatenate(both), "label": np.repeat(list(names), _OLDEST)}
    tips = [alt.Tooltip("x:Q", title=t("age in steps")), alt.Tooltip("y:Q", title=t("weight"), format=".3~f")]
    weights = (
        alt.Chart(data(source))
        .mark_point(filled=True, size=34, opacity=1)
        .encode(
            x=x_axis(t("age of the value, in steps (today's has age 1)"), domain=[0, _OLDEST + 1]),
            y=y_axis(t("weight")),
            color=colour("label", list(names), list(names.values())),
            shape=shape("label", list(names)),
            opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
            tooltip=tips,
        )
    )
    stems = weights.mark_rule(strokeWidth=1.5).encode(y2=alt.datum(0), opacity=alt.value(0.3))
    told = t("average age of both: {age:g} steps", age=smoothing.average_age)
    age = data({"x": [smoothing.average_age], "label": [told]})
    mark = alt.Chart(age).mark_rule(strokeDash=[4, 3], color=INK).encode(x="x:Q")
    word = (
        alt.Chart(age)
        .mark_text(align="left", dx=6, fontSize=11, color=INK)
        .encode(x="x:Q", y=alt.value(8), text="label:N")
    )
    chart = interactive(alt.layer(stems, weights, mark, word).properties(width=WIDTH, height=240))
    sentence = t(
        "A moving average over {n} periods and an EWMA with β = {beta:.2g} hold values that are {age:g} steps old on "
        "average; the EWMA gives today's value {today} of the weight, the moving average {share}, and {lost:.1f} % of "
        "the EWMA's weight lies on values that the moving average has dropped.",
        n=PERIODS,
        beta=smoothing.beta,
        age=smoothing.average_age,
        today=significant(smoothing.alpha),
        share=significant(1 / PERIODS),
        lost=100 * smoothing.beta**PERIODS,
    )
    caption = t("Weight by age: a moving average forgets all at once, an EWMA little by little.")
    return Figure("ewma-weights", finished(chart, t("Two averages of the same age")), caption, sentence)


def ewma_series(study: StoredStudy) -> Figure:
    """Both averages over the mini-batch losses of one run."""
    run = runs_of(study, "sgd")[0]
    loss, smoothing = run.metric("train/loss"), Smoothing(periods=PERIODS)
    moving = moving_average(loss.values, PERIODS)
    average = ewma(loss.values, smoothing, bias_correction=True)
    name = t("mini-batch loss")
    shades = {
        name: GREY,
        t("moving average of {n}", n=PERIODS): ORANGE,
        t("EWMA, β = {beta:.2g}, corrected", beta=smoothing.beta): BLUE,
    }
    series = dict(zip(shades, (loss.values, moving, average), strict=True))
    chart = lines(loss.steps, series, shades, y=name, height=260, thin=[name], scale=NONZERO)
    jitter = [significant(float(np.nanstd(np.diff(values)))) for values in (loss.values, moving, average)]
    sentence = t(
        "From one mini-batch to the next the loss of {run} changes by {loss} (standard deviation), its moving average "
        "by {moving} and its EWMA by {ewma}; the two averages are {gap} apart on average, and the moving average says "
        "nothing in its first {n} steps.",
        run=run.id,
        loss=jitter[0],
        moving=jitter[1],
        ewma=jitter[2],
        gap=significant(float(np.nanmean(np.abs(moving - average)))),
        n=PERIODS - 1,
    )
    caption = t("The mini-batch loss of {run} and two averages of {n} periods.", run=run.id, n=PERIODS)
    chart = interactive(chart, zoom=True)
    title = finished(chart, t("Two averages of one noisy series"))
    return Figure("ewma-series", title, caption + drawn(len(loss.steps)), sentence)


def ewma_bias(study: StoredStudy) -> Figure:
    """The first steps of an EWMA that starts at zero, raw and corrected, over a real gradient."""
    seen = traces(runs_of(study, "adam")[0])
    n = min(100, len(seen.steps))
    grad, steps = seen["grad"][:n], seen.steps[:n]
    name = t("gradient")
    shades = {name: GREY, t("EWMA from zero"): RED, t("EWMA, bias-corrected"): BLUE}
    panels, told = [], []
    for beta in (0.9, 0.999):
        smoothing = Smoothing(beta=beta)
        raw, corrected = ewma(grad, smoothing), ewma(grad, smoothing, bias_correction=True)
        series = dict(zip(shades, (grad, raw, corrected), strict=True))
        title = t("β = {beta:g}, as a moving average of {n:,.0f} periods", beta=beta, n=smoothing.periods)
        panels.append(
            lines(
                steps,
                series,
                shades,
                y=name,
                height=150,
                title=title,
                thin=[name],
                x_title=STEP if beta > 0.9 else None,
                scale={"domain": _window(raw, corrected), "nice": False},
            )
        )
        told.append(t("{weight} for β = {beta:g}", weight=significant(correction(smoothing, 10)[-1]), beta=beta))
    ends = [significant(ewma(grad, beta=0.999, bias_correction=corrected)[-1]) for corrected in (False, True)]
    sentence = t(
        "An EWMA that starts at zero is too small at first: the weights that it has given by step 10 add up to "
        "{weights}; after {n} steps the EWMA of {weight}'s gradient with β = {beta:g} stands at {raw}, corrected at "
        "{corrected}.",
        weights=joined(told),
        n=n,
        weight=seen.coordinate,
        beta=0.999,
        raw=ends[0],
        corrected=ends[1],
    )
    caption = t(
        "The first {n} gradients of {weight} in {run}; gradients beyond the frame are cut.",
        n=n,
        weight=seen.coordinate,
        run=seen.run,
    )
    chart = interactive(stacked(*panels), zoom=True)
    return Figure("ewma-bias", finished(chart, t("Bias, and its correction")), caption, sentence)


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
    names = (
        t("gradient"),
        t("EWMA of the gradient, β = {beta:g}", beta=betas[0]),
        t("EWMA of its square, β = {beta:g}", beta=betas[1]),
    )
    shades = dict(zip(names, (GREY, BLUE, RED), strict=True))
    first = lines(
        seen.steps,
        {names[0]: seen["grad"], names[1]: mean},
        shades,
        y=names[0],
        height=150,
        thin=names[:1],
        x_title=None,
    )
    second = lines(
        seen.steps,
        {names[0]: square, names[2]: size},
        shades,
        y=t("squared gradient (root scale)"),
        height=150,
        thin=names[:1],
        scale={"type": "sqrt"},
    )
    chart = interactive(stacked(first, second), zoom=True)
    sentence = t(
        "The gradient of {weight} has a standard deviation of {spread} over {n} steps, its bias-corrected EWMA "
        "{averaged}; its square reaches {square}, the EWMA of the square {size}, and that ends at {end}.",
        weight=seen.coordinate,
        spread=significant(seen["grad"].std()),
        n=len(seen.steps),
        averaged=significant(mean.std()),
        square=significant(square.max()),
        size=significant(size.max()),
        end=significant(size[-1]),
    )
    caption = t(
        "Gradient and squared gradient of {weight} in {run}, with Adam's bias-corrected averages.",
        weight=seen.coordinate,
        run=run.id,
    )
    title = finished(chart, t("Adam's two averages"))
    return Figure("ewma-gradients", title, caption + drawn(len(seen.steps)), sentence)
