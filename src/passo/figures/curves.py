"""Curves over epochs with bands over seeds, and where they end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from passo.analysis import Band, Comparison, bands, compare, tell_bands
from passo.analysis.compare import in_points
from passo.analysis.words import amount, higher_is_better, is_share, joined, ranged, seeds, spoken, within
from passo.errors import StoreError
from passo.figures.panels import EPOCH, band_panel, epoch_range, learning_rates, stacked, x_axis
from passo.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    OTHERS,
    RED,
    STONE,
    Figure,
    altair,
    colour,
    data,
    finished,
    interactive,
    shape,
    thinned,
)
from passo.language import later, t
from passo.store import StoredStudy

MANY, SHOWN = len(OTHERS), 8  # configurations that all have a colour; those of more that have one
FEW = 4  # configurations whose ends a sentence tells all of
BANDS = later("Lines are means over seeds, bands their 95 % intervals; bands wider than the frame are cut.")
WHISKERS = later(
    "Lines are means over seeds, whiskers their 95 % intervals, set apart sideways so that all can be seen."
)
FIRST_SEED = later("Learning rates: seed 0.")
KIN, NESTEROV, MOMENTUM = later("adaptive steps"), later("SGD with Nesterov"), later("SGD with momentum")
FAMILIES = {KIN: BLUE, NESTEROV: GREEN, MOMENTUM: RED, "SGD": STONE}


def curves_chart(study: StoredStudy, metric: str = "validation/loss", names: Sequence[str] | None = None) -> Any:
    """Any metric of any study: a line and band per configuration; of more than there are colours, the best in front."""
    return _chart(study, metric, bands(study, metric, names))


def curves_figure(study: StoredStudy, metric: str = "validation/loss", names: Sequence[str] | None = None) -> Figure:
    """The same with its words: who ends best, and by how much."""
    found = bands(study, metric, names)
    if not found:
        raise StoreError(f"no finished training of {study.folder} has {metric!r}")
    return Figure("curves", _chart(study, metric, found), t(BANDS if len(found) <= FEW else WHISKERS), tell_best(found))


def _chart(study: StoredStudy, metric: str, found: Sequence[Band]) -> Any:
    title = t("{metric} per epoch", metric=spoken(metric).capitalize())
    if len(found) <= MANY:
        return finished(interactive(band_panel(found)), title, about(study))
    ordered = _ordered(found)
    kept, rest = ordered[:SHOWN], ordered[SHOWN:]
    span = epoch_range(found)
    panel = band_panel(kept, x_domain=span)
    panel.layer = [_behind(rest, span), *panel.layer]
    told = t(
        "In colour the {n} that end best, the best first; in grey {others} others, cut at the frame.",
        n=SHOWN,
        others=len(rest),
    )
    return finished(interactive(panel), title, [line for line in (about(study), told) if line])


def _ordered(found: Sequence[Band]) -> list[Band]:
    """The best end first; those that ended in no number last."""
    sign = -1 if higher_is_better(found[0].metric) else 1
    return sorted(found, key=lambda band: (math.isnan(band.last.mean), sign * band.last.mean))


def tell_best(found: Sequence[Band]) -> str:
    """Who ends best, who is next and how far apart they are; of a few, where each ends."""
    if len(found) <= FEW:
        return tell_bands(found)
    (best, second, *_, last), metric = _ordered(found), found[0].metric
    return t(
        "Of {n} configurations {best} ends with the best {metric}, {end}; next is {second} with {near}, {apart} apart; "
        "last is {last} with {far} ({seeds}).",
        n=len(found),
        best=best.name,
        metric=spoken(metric),
        end=ranged(best.last, metric),
        second=second.name,
        near=ranged(second.last, metric),
        apart=in_points(amount(abs(second.last.mean - best.last.mean), metric)),
        last=last.name,
        far=ranged(last.last, metric),
        seeds=seeds(min(band.seeds for band in found)),
    )


def _behind(rest: Sequence[Band], span: tuple[float, float]) -> Any:
    """Thin grey lines on the axes of another panel; a pointer names them."""
    alt = altair()
    metric = rest[0].metric
    kept = [thinned(len(band.mean)) for band in rest]
    columns = {
        "x": np.concatenate([band.epochs[k] for band, k in zip(rest, kept, strict=True)]),
        "y": np.concatenate([band.mean[k] for band, k in zip(rest, kept, strict=True)]),
        "label": np.concatenate([np.repeat(band.name, len(k)) for band, k in zip(rest, kept, strict=True)]),
    }
    y = alt.Y("y:Q", axis=alt.Axis(title=spoken(metric), tickCount=5, **({"format": "~%"} if is_share(metric) else {})))
    lines = alt.Chart(data(columns)).mark_line(clip=True, strokeWidth=1, color=GREY, opacity=0.55)
    return lines.encode(
        x=x_axis(EPOCH, whole=True, domain=list(span)),
        y=y,
        detail="label:N",
        tooltip=[alt.Tooltip("label:N", title=t("configuration"))],
    )


def about(study: StoredStudy) -> str:
    """What was trained on what, for a figure's subtitle; what differs between the runs is left out."""
    configs = [run.config for run in study.select()]
    model, dataset = (_all_of(config.get(key, {}).get("name") for config in configs) for key in ("model", "dataset"))
    size = _all_of(config.get("batch_size") for config in configs)
    told = str(model) if model else ""
    if dataset:
        on = t("{model} on {dataset}", model=model, dataset=dataset)
        told = on if model else t("on {dataset}", dataset=dataset)
    batches = t("batches of {size}", size=size) if size else ""
    return ", ".join(word for word in (told, batches) if word)


def _all_of(values: Iterable[Any]) -> Any:
    """The one value that all share, or None."""
    there = set(values)
    return there.pop() if len(there) == 1 else None


def adam_apart(study: StoredStudy) -> Figure:
    """Adam, and Adam with one part taken out at a time."""
    names = ["adam", "adam-beta1-0", "adam-beta2-0.9", "adam-eps-0.1"]
    found = bands(study, "validation/loss", names)
    chart = interactive(band_panel(found, height=280))
    caption = t(
        "Validation loss of Adam, and of Adam with β₁ = {first:g}, β₂ = {second:g} or ε = {eps:g}.",
        first=0,
        second=0.9,
        eps=0.1,
    )
    title = finished(chart, t("Adam, one part changed at a time"), about(study))
    return Figure("adam-apart", title, f"{caption} {t(BANDS)}", tell_bands(found))


def sgd_curves(study: StoredStudy) -> Figure:
    """Loss and accuracy of plain SGD and its relatives, side by side."""
    names = ["sgd", "momentum", "momentum-dampened", "nesterov"]
    loss, accuracy = (bands(study, f"validation/{what}", names) for what in ("loss", "accuracy"))
    train = bands(study, "epoch/train_loss", names)
    panels = [band_panel(found, width=235, height=220) for found in (loss, accuracy)]
    chart = interactive(altair().hconcat(*panels, spacing=24))
    losses = t("The training losses: {ends}.", ends=_ends(train))
    sentence = f"{tell_bands(loss)} {_accuracies(accuracy)} {losses}"
    title = finished(chart, t("SGD, momentum, dampening, Nesterov"), about(study))
    return Figure("sgd-curves", title, f"{t('Validation loss and accuracy per epoch.')} {t(BANDS)}", sentence)


def _accuracies(found: Sequence[Band]) -> str:
    return t("The accuracies: {ends}.", ends=_ends(found))


def _ends(found: Sequence[Band]) -> str:
    return joined([f"{band.name} {ranged(band.last, band.metric)}" for band in found])


def final_curves(study: StoredStudy) -> Figure:
    """The two final runs: loss, accuracy and learning rate over the epochs."""
    names = ["adam-final", "nesterov-cyclic-final"]
    loss, accuracy = (bands(study, f"validation/{what}", names) for what in ("loss", "accuracy"))
    span = epoch_range(loss, start=0)
    chart = interactive(
        stacked(
            band_panel(loss, x_title=None, height=170, x_domain=span),
            band_panel(accuracy, x_title=None, height=150, x_domain=span),
            learning_rates(study, names, span),
        )
    )
    own = t("Each with the learning rate that its own range test suggests.")
    title = finished(chart, t("From range test to result"), about(study))
    sentence = f"{tell_bands(loss)} {_accuracies(accuracy)}"
    return Figure("final-curves", title, f"{own} {t(BANDS)} {t(FIRST_SEED)}", sentence)


def final_accuracy(study: StoredStudy) -> Figure:
    """Test accuracy of every configuration, sorted, with intervals."""
    found = compare(study, "test/accuracy")
    metric, names = found.metric, list(found.names)
    families = [_family(study, name) for name in names]
    chart = altair().layer(*_dots(found, families)).properties(width=430, height=21 * len(names))
    best, worst = found.outcomes[0], found.outcomes[-1]
    sentence = t(
        "Of {n} configurations {best} has the highest mean test accuracy, {high}, and {worst} the lowest, {low} "
        "({seeds}); {level}.",
        n=len(names),
        best=best.name,
        high=ranged(best, metric),
        worst=worst.name,
        low=ranged(worst, metric),
        seeds=seeds(best.n),
        level=_level(found),
    )
    caption = t(
        "Mean test accuracy and 95 % interval over seeds; small dots are the seeds. The test set was used once."
    )
    title = finished(chart, t("Test accuracy of every configuration"), about(study))
    return Figure("final-accuracy", title, caption, sentence)


def _level(found: Comparison) -> str:
    if not found.outcomes[0].known:
        return t("one seed cannot tell them apart")
    best, *others = found.names
    apart = sum(found.difference(name, best).verdict == "lower" for name in others)
    return t("{apart} of the other {n} can be told apart from the best", apart=apart, n=len(others))


def _family(study: StoredStudy, name: str) -> str:
    optimizer = study.select(name)[0].config["optimizer"]
    if optimizer["name"].removeprefix("keras-") != "sgd":
        return KIN
    if optimizer.get("nesterov"):
        return NESTEROV
    return MOMENTUM if optimizer.get("momentum") else "SGD"


def _dots(found: Comparison, families: Sequence[str]) -> list[Any]:
    alt = altair()
    outcomes = found.outcomes
    columns = {
        "name": [o.name for o in outcomes],
        "within": [within(o, found.metric) for o in outcomes],
        "mean": [o.mean for o in outcomes],
        "low": [max(o.low, 0.0) for o in outcomes],  # in this order: of NaN, which stays NaN
        "high": [min(o.high, 1.0) for o in outcomes],
        "family": [t(family) for family in families],
    }
    each = {
        "name": [o.name for o in outcomes for _ in o.values],
        "mean": [value for o in outcomes for value in o.values],
        "seed": [str(seed) for o in outcomes for seed in o.seeds],
    }
    y = alt.Y("name:N", sort=list(found.names), axis=alt.Axis(title=None, labelLimit=190, grid=True))
    form = "~%" if is_share(found.metric) else "~g"
    x = alt.X(
        "mean:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=spoken(found.metric), format=form, tickCount=6)
    )
    there = [name for name in FAMILIES if name in families]
    shade = colour("family", [t(name) for name in there], [FAMILIES[name] for name in there])
    base = alt.Chart(data(columns)).encode(y=y, color=shade)
    tips = [alt.Tooltip("name:N", title=t("configuration")), alt.Tooltip("mean:Q", title=t("mean"), format=".1%")]
    tips.append(alt.Tooltip("within:N", title=t("95 % interval")))
    seed = [alt.Tooltip("seed:N", title=t("seed")), alt.Tooltip("mean:Q", title=t("mean"), format=".1%")]
    single = alt.Chart(data(each)).mark_point(filled=True, size=13, color=INK, opacity=0.55)
    return [
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, opacity=0.55)
        .encode(x=alt.X("low:Q"), x2="high:Q"),
        single.encode(x=x, y=y, tooltip=seed),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            x=x, shape=shape("family", [t(name) for name in there]), tooltip=tips
        ),
    ]
