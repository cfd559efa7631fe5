"""A lecture's claims as figures, one for each: batches, Adam, L2."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from passo.analysis.adam_claim import BAND, DEFAULT, TEST, Studies, in_doubt, usable
from passo.analysis.batch_claim import COMMON, after, at_rate, of_size, own_rate, seconds
from passo.analysis.batches import gradient_noise
from passo.analysis.intervals import Interval, interval
from passo.analysis.penalty_claim import TRAINING, VALIDATION, rms, strengths
from passo.analysis.profiles import Profiles
from passo.analysis.sensitivity import Sensitivities
from passo.analysis.words import joined, ranged, significant, spoken
from passo.figures.curves import about
from passo.figures.panels import HALO, heading, stacked
from passo.figures.points import points
from passo.figures.profiled import profile_steps
from passo.figures.style import BLUE, COLOURS, GREY, INK, RED, Figure, altair, data, finished, interactive
from passo.figures.tuned import bands_drawn
from passo.language import later, t
from passo.registry import Registry
from passo.store import StoredRun, StoredStudy

LECTURED: Registry[Callable[[Studies], Figure]] = Registry("figure of a claim")
HIGH = 120
OWN = later("a rate of its own")
Line = Sequence[tuple[float, Interval]]
Runs = Mapping[int, Sequence[StoredRun]]


def draw_lectured(name: str, studies: Studies) -> Figure:
    """The figure of a claim, from its trials by name; raises `UnknownName` for a claim that there is not."""
    return LECTURED[name](studies)


def over_seeds(runs: Sequence[StoredRun], read: Callable[[StoredRun], float]) -> Interval:
    """Mean and 95 % interval of what is read of each run."""
    return interval([read(run) for run in runs])


def _alone(
    series: Line, y: str, *, metric: str = "", x: str | None = None, log: bool = False, over: Sequence = ()
) -> Any:
    """A panel with one line, which needs no legend."""
    panel = points({"": series}, {"": INK}, x=x, metric=metric, y=y, log_y=log, height=HIGH, over=over)
    for layer in panel.layer[:3]:
        layer.encoding.color, layer.encoding.opacity = (altair().value(value) for value in (INK, 1.0))
    return panel


def _law(series: Line) -> Any:
    """∝ 1/B through the first point."""
    begin, first = series[0]
    columns = {"x": [size for size, _ in series], "y": [first.mean * begin / size for size, _ in series]}
    line = altair().Chart(data(columns)).mark_line(strokeDash=[4, 4], color=GREY, strokeWidth=1.5)
    return line.encode(x="x:Q", y="y:Q")


def batches(studies: Studies) -> Figure:
    """Noise, progress and time over the batch size."""
    variance, study = _variances(studies["gradient-noise"]), studies["batch-size"]
    common = at_rate(study)
    own = {epoch: {size: [*own_rate(study, size, epoch).values()] for size in common} for epoch in (1.0, math.inf)}
    early, late = (_losses(common, own[epoch], epoch) for epoch in own)
    took = [(size, over_seeds(runs, seconds)) for size, runs in common.items()]
    rates = dict(zip(early, (GREY, BLUE), strict=True))
    chart = stacked(
        _alone(variance, t("variance of the gradient"), log=True, over=[_law(variance)]),
        points(early, rates, x=None, metric="", y=t("loss, epoch 1"), height=HIGH),
        points(late, rates, x=None, metric="", y=t("loss, last epoch"), height=HIGH),
        _alone(took, t("seconds per epoch"), log=True, x=t("batch size")),
    )
    caption = t(
        "Over the batch size, logarithmic. Top: variance of a weight's gradient from batch to batch, at weights that "
        "do not move (dashed: ∝ 1/B through the first point). Middle: validation loss after one epoch and after the "
        "last, at a learning rate of {rate:g} and at the rate that the other seeds choose for each size. Bottom: "
        "seconds of a run's fastest epoch, with its validation, whatever else the machine did. Means and 95 % "
        "intervals over seeds, each by itself.",
        rate=COMMON,
    )
    title = finished(interactive(chart), t("Small batches: noise, progress, time"), about(study))
    return Figure("claims-batches", title, caption, _batches_told(variance, early[t(OWN)], took))


def _variances(study: StoredStudy) -> Line:
    """The variance of the gradient by batch size."""
    runs = {size: [run for name in names for run in study.select(name)] for size, names in of_size(study).items()}
    return [(size, over_seeds(each, lambda run: gradient_noise(run) ** 2)) for size, each in runs.items()]


def _losses(common: Runs, own: Runs, epoch: float) -> dict[str, Line]:
    """The validation loss after an epoch by batch size, at one rate and at rates of their own."""

    def line(runs: Runs) -> Line:
        return [(size, over_seeds(each, lambda run: after(run, epoch))) for size, each in runs.items()]

    return {t("learning rate {rate:g}", rate=COMMON): line(common), t(OWN): line(own)}


def _batches_told(variance: Line, first: Line, took: Line) -> str:
    (low, most), (high, least) = variance[0], variance[-1]
    best, *_, worst = sorted(first, key=lambda point: point[1].mean)
    ratio = took[0][1].mean / took[-1][1].mean
    return t(
        "From batches of {low} to {high} the gradient's variance falls {fall} times (the number of images in a batch "
        "grows {growth} times); with a learning rate of its own for each size, one epoch comes furthest with batches "
        "of {best} (validation loss {best_loss}) and least far with {worst} ({worst_loss}); with batches of {small} an "
        "epoch takes {ratio} times as long as with {large}.",
        low=low,
        high=high,
        fall=significant(most.mean / least.mean),
        growth=significant(high / low),
        best=best[0],
        best_loss=ranged(best[1]),
        worst=worst[0],
        worst_loss=ranged(worst[1]),
        small=took[0][0],
        ratio=significant(ratio, 2),
        large=took[-1][0],
    )


def adam(studies: Studies) -> Figure:
    """Validation accuracy over the learning rate for each model, and over all of them how often a target is reached."""
    found = {name.removeprefix("learning-rate-"): usable(study) for name, study in studies.items()}
    profile = in_doubt(studies)
    shades = {group: COLOURS["momentum" if "momentum" in group else group] for group in profile.solvers}
    panels = [_rates(each, shades, model, i, len(found)) for i, (model, each) in enumerate(found.items())]
    lower = profile_steps(profile, height=150, shades=shades)
    lower = lower.properties(title=heading(t("each model with each rate: how often a target is reached, and how soon")))
    chart = altair().vconcat(stacked(*panels, spacing=10), lower, spacing=22)
    caption = t(
        "Top: validation accuracy after the last epoch over the learning rate, means and 95 % intervals over seeds, "
        "for each model; the thick bar is the band within {points:g} points of an optimizer's own best, the dotted "
        "line Adam's default. Bottom: performance profiles over {problems} problems, each a model with one of the "
        "rates: the share on which an optimizer needs at most τ times the fewest epochs until half of its seeds are "
        "within {points:g} points of the model's best mean. At the right: on how many of the rates it gets there at "
        "all.",
        points=100 * BAND,
        problems=len(profile.problems),
    )
    title = finished(interactive(chart), t("Adam, SGD and momentum, over the learning rate"), _adam_about(studies))
    return Figure("claims-adam", title, caption, _adam_told(found, profile))


def _adam_about(studies: Studies) -> str:
    return about(next(iter(studies.values()))).partition(" ")[2]


def _rates(found: Sensitivities, shades: Mapping[str, str], model: str, place: int, count: int) -> Any:
    """The panel of one model; the first says what the dotted line is, the last has the axis."""
    series = {g.name: list(zip(g.at, g.found, strict=True)) for g in found.groups}
    over = [*bands_drawn(found, dict(shades)), *_default(place == 0)]
    x = t("learning rate") if place == count - 1 else None
    panel = points(series, shades, x=x, metric=found.metric, height=HIGH, over=over)
    return panel.properties(title=heading(model))


def _default(told: bool) -> list[Any]:
    """A dotted line at Adam's default rate; `told`: with its name."""
    alt = altair()
    place = alt.Chart(data({"x": [DEFAULT], "text": [t("Adam's default")]}))
    rule = place.mark_rule(strokeDash=[1, 3], color=INK, strokeWidth=1.2).encode(x="x:Q")
    words = [
        place.mark_text(align="left", baseline="bottom", dx=5, fontSize=10.5, color=INK, **look).encode(
            x="x:Q", y=alt.value(HIGH - 4), text="text:N"
        )
        for look in (HALO, {})
    ]
    return [rule, *words] if told else [rule]


def _adam_told(found: Mapping[str, Sensitivities], profile: Profiles) -> str:
    parts = []
    for model, each in found.items():
        groups = sorted(each.groups, key=lambda group: group.name)
        widths = joined([t("{width} with {name}", width=group.words(), name=group.name) for group in groups])
        parts.append(t("on {model} {widths}", model=model, widths=widths))
    reached = [t("{name} on {share:.0f} %", name=s, share=100 * profile.solved(s)) for s in profile.solvers]
    return t(
        "Within {points:g} points of its own best are {bands}. Within as much of the best of all gets {reached} of the "
        "{problems} models and rates.",
        points=100 * BAND,
        bands="; ".join(parts),
        reached=joined(reached),
        problems=len(profile.problems),
    )


def l2(studies: Studies) -> Figure:
    """Lengths, losses and the test over the strength of L2, beside none."""
    study = studies["penalties"]
    names = strengths(study)
    nothing = sorted(names)[1] / 10  # where "none" stands on a logarithmic axis

    def line(read: Callable[[StoredRun], float]) -> Line:
        return [(strength or nothing, over_seeds(study.select(name), read)) for strength, name in names.items()]

    training, validation, test = (line(last(metric)) for metric in (TRAINING, VALIDATION, TEST))
    losses = {t("training"): training, t("validation"): validation}
    shades = dict(zip(losses, (RED, BLUE), strict=True))
    dashed = [_level(series, shades[name]) for name, series in losses.items()]
    lengths = line(rms)
    panels = (
        _alone(lengths, t("rms of the weights"), over=[_level(lengths, INK)]),
        points(losses, shades, x=None, metric="", y=t("loss"), height=HIGH, over=dashed),
        _alone(test, spoken(TEST), metric=TEST, x=t("strength of L2"), over=[_level(test, INK)]),
    )
    caption = t(
        "Over the strength λ₂ of the penalty λ₂ Σ w², logarithmic but for none: rms of all weights, training loss "
        "(without the penalty) and validation loss after the last epoch, test accuracy; means and 95 % intervals over "
        "seeds, each by itself. Dashed: as without a penalty."
    )
    chart = interactive(stacked(*(_with_none(panel, nothing) for panel in panels)))
    title = finished(chart, t("What L2 does to the weights and to what is learned"), about(study))
    return Figure("claims-l2", title, caption, _l2_told(study, names))


def last(metric: str) -> Callable[[StoredRun], float]:
    """What reads a metric's last value."""
    return lambda run: run.metric(metric).last


def _level(series: Line, shade: str) -> Any:
    """A dashed line at the height of the first point."""
    rule = altair().Chart(data({"y": [series[0][1].mean]}))
    return rule.mark_rule(strokeDash=[4, 4], strokeWidth=1.5, color=shade).encode(y="y:Q")


def _with_none(panel: Any, nothing: float) -> Any:
    """A panel over strengths on whose axis one place is called none."""
    none = json.dumps(t("none"), ensure_ascii=False)
    for layer in panel.layer[:3]:
        layer.encoding.x["axis"]["labelExpr"] = f"datum.value < {2 * nothing} ? {none} : format(datum.value, '~g')"
    del panel.layer[2].encoding.tooltip[1]  # the place, which for "none" is none
    return panel


def _l2_told(study: StoredStudy, names: Mapping[float, str]) -> str:
    found = [over_seeds(study.select(name), rms).mean for name in names.values()]
    test = {strength: over_seeds(study.select(name), last(TEST)) for strength, name in names.items()}
    best = max(test, key=lambda strength: test[strength].mean)
    told = {
        "strongest": significant(max(names)),
        "first": significant(found[0]),
        "last": significant(found[-1]),
        "without": ranged(test[0.0], TEST),
        "best": significant(best),
        "highest": ranged(test[best], TEST),
    }
    if not best:
        return t(
            "From none to λ₂ = {strongest} the rms of the weights goes from {first} to {last}; the test accuracy is "
            "{without} without a penalty and highest at none ({highest}).",
            **told,
        )
    return t(
        "From none to λ₂ = {strongest} the rms of the weights goes from {first} to {last}; the test accuracy is "
        "{without} without a penalty and highest at λ₂ = {best} ({highest}).",
        **told,
    )


for _draw in (batches, adam, l2):
    LECTURED.add(_draw.__name__, _draw)
