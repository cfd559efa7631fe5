"""The tables of the note `optimizers`, each computed from the study."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from passo import analysis
from passo.language import later, t
from passo.notes import libraries, replicated
from passo.notes.content import Table
from passo.notes.formats import count, fixed, number, percent, rate, times
from passo.notes.values import METRICS, Values
from passo.notes.watched import Watched

VARIANTS = ("adam-beta1-0", "adam-beta2-0.9", "adam-eps-0.1", "adamw", "rmsprop")
SCHEDULED = ("nesterov-step", "nesterov-plateau", "nesterov-cyclic", "nesterov-onecycle")
MEMORIES = ("sgd", "momentum-dampened", "momentum", "nesterov")
PATHS = ("line-sgd", "line-momentum", "line-nesterov")
GRID = tuple(f"line-{kind}-{plan}" for kind in ("momentum", "nesterov") for plan in ("none", "step", "cyclic"))
WATCHED = ("sgd", "momentum", "momentum-dampened", "nesterov", "adam", "adam-eps-0.1", "adamw", "nesterov-cyclic")

_OPTIONS = {"lr": "η", "momentum": "μ", "dampening": "τ", "eps": "ε", "weight_decay": "λ"}
_MOMENTS = {
    "epoch": later("after each epoch"),
    "step": later("after each mini-batch"),
    "plateau": later("after each validation"),
}
_VERDICTS = {"higher": later("higher"), "lower": later("lower"), "not distinguishable": later("not distinguishable")}


def tables(values: Values) -> Mapping[str, Callable[[], Table]]:
    """Every table by its name, computed when it is placed."""
    makers = (smoothings, first_steps, variants, residuals, memories, paths, plans, scheduled, suggestions, results)
    made = (*makers, libraries.defaults, replicated.claims_tried, replicated.claims_judged)
    return {make.__name__.replace("_", "-"): functools.partial(make, values) for make in made}


def smoothings(values: Values) -> Table:
    """The averages that the configurations use, by each of their names."""
    betas = {b for name in ("adam", "adam-beta1-0", "adam-beta2-0.9") for b in values.setting(name, "optimizer.betas")}
    rows = []
    for beta in sorted(betas - {0.0}):  # β = 0 is no memory at all
        s = analysis.Smoothing(beta=beta)
        row = (s.beta, s.alpha, s.periods, s.average_age, s.alpha)
        late = math.ceil(math.log(0.01) / math.log(beta))
        rows.append((*(number(x, 4) for x in row[:4]), times(1 / s.alpha), count(late)))
    told = t("periods N"), t("average age"), t("first correction"), t("steps until it is under 1 %")
    caption = t("The same smoothing under its four names, and how long its bias lasts.")
    return Table(("β", "α = 1 − β", *told), tuple(rows), caption)


def first_steps(values: Values) -> Table:
    """What Adam computed for one weight: every stage at a few steps."""
    watched = Watched(values.run("adam"))
    stages = {
        "grad": "$g_t$",
        "exp_avg": "$m_t$",
        "exp_avg_sq": "$v_t$",
        "exp_avg_hat": r"$\hat m_t$",
        "exp_avg_sq_hat": r"$\hat v_t$",
        "adapted": r"$\hat m_t / (\sqrt{\hat v_t} + \varepsilon)$",
        "update": r"$\Delta\theta_t$",
    }
    steps = [1, 2, 3, 10, watched.steps]
    rows = tuple((count(t), *(number(watched.at(stage, t)) for stage in stages)) for t in steps)
    caption = t(
        "Adam's bookkeeping for `{weight}`, as recorded; the learning rate is {rate}.",
        weight=watched.weight,
        rate=_lr(values, "adam"),
    )
    return Table((t("step"), *stages.values()), rows, caption)


def variants(values: Values) -> Table:
    """Adam with one part changed, against Adam."""
    return _against(values, "adam", VARIANTS, t("Test accuracy, and the paired difference to Adam."))


def memories(values: Values) -> Table:
    """SGD with and without memory, against plain SGD."""
    return _against(values, "sgd", MEMORIES[1:], t("Test accuracy, and the paired difference to plain SGD."))


def scheduled(values: Values) -> Table:
    """Schedules on Nesterov, against a constant rate."""
    caption = t("Test accuracy under each schedule, and the paired difference to the constant learning rate.")
    return _against(values, "nesterov", SCHEDULED, caption)


def _against(values: Values, reference: str, names: tuple[str, ...], caption: str) -> Table:
    def words(name: str) -> tuple[str, str]:
        if name == reference:
            return "", ""
        return values.gap(name, reference), t(_VERDICTS[values.difference(name, reference).verdict])

    rows = tuple(
        (_first_capital(values.label(n)), _options(values, n), values.result(n), *words(n)) for n in (reference, *names)
    )
    metric = t(METRICS["test/accuracy"].name)
    return Table((t("configuration"), t("settings"), metric, t("difference"), t("verdict")), rows, caption)


def residuals(values: Values) -> Table:
    """The largest residual of each kind of optimiser, in roundings."""
    rows = []
    for name in WATCHED:
        watched = Watched(values.run(name))
        row = (number(watched.median_size("update"), 2), number(watched.largest("residual"), 2))
        rows.append((_first_capital(values.label(name)), count(watched.steps), *row, fixed(watched.roundings, 1)))
    weight = Watched(values.run("adam")).weight
    told = t("median update"), t("largest residual"), t("worst of all weights, in roundings")
    caption = t("Updates and residuals of `{weight}`, and the worst residual of all weights.", weight=weight)
    return Table((t("run"), t("steps"), *told), tuple(rows), caption)


def paths(values: Values) -> Table:
    """Where the paths over the surface end."""
    rows = []
    found = [analysis.descent(values.study, name) for name in (*PATHS, *GRID)]
    for d in found:
        way = d.length / d.distances[0]
        rows.append(
            (f"`{d.name}`", number(d.distance, 2), percent(d.overshoot, 0), number(way, 2), number(d.excess, 2))
        )
    far, past, walked = t("distance left"), t("swings past by"), t("way walked ÷ straight line")
    caption = t("Every path after {n} mini-batches.", n=count(found[0].steps))
    return Table((t("path"), far, past, walked, t("loss above the minimum")), tuple(rows), caption)


def plans(values: Values) -> Table:
    """The previewed schedules: when they step, and where their rates go."""
    rows = tuple(
        (f"`{plan.name}`", t(_MOMENTS[plan.when]), rate(plan.lr[0]), rate(plan.lr.max()), rate(plan.lr[-1]))
        for plan in analysis.plans(values.study)
    )
    columns = (t("schedule"), t("steps"), t("first rate"), t("highest"), t("last"))
    return Table(columns, rows, t("When each schedule steps."))


def suggestions(values: Values) -> Table:
    """What each seed's range test suggests, and where it blew up."""
    rows = []
    caption = t("One range test for each seed; a test stops once its smoothed loss is four times its best.")
    for name in ("range-adam", "range-nesterov"):
        for curve in analysis.lr_ranges(values.study, name).curves:
            end = rate(curve.diverged_at) if curve.diverged_at is not None else t("went to the end")
            rows.append((f"`{name}`", str(curve.seed), rate(curve.suggestion), end))
    return Table((t("range test"), t("seed"), t("suggested rate"), t("stopped at")), tuple(rows), caption)


def results(values: Values) -> Table:
    """Every configuration, the best test accuracy first."""
    rows = tuple(
        (
            _first_capital(values.label(name)),
            _options(values, name),
            values.result(name),
            values.result(name, "test/loss"),
            values.result(name, "epoch/train_loss"),
        )
        for name in values.ranked()
    )
    metrics = t("test accuracy"), t("test loss"), t("last training loss")
    caption = t("Every configuration, by its mean test accuracy; ± is half of the interval.")
    return Table((t("configuration"), t("settings"), *metrics), rows, caption)


def _options(values: Values, name: str) -> str:
    """The settings of an optimiser that differ from torch's defaults, in signs: "η 0.03, μ 0.9"."""
    apart = t(", ")  # a language whose numbers hold commas separates them by another sign
    given: dict[str, Any] = {k: v for k, v in values.setting(name, "optimizer").items() if k != "name"}
    parts = [f"{_OPTIONS[key]} {rate(given[key])}" for key in _OPTIONS if key in given]
    if "betas" in given:
        parts.append("β₁ {}{apart}β₂ {}".format(*(number(beta) for beta in given["betas"]), apart=apart))
    schedule = values.run(name).config.get("schedule")
    if schedule:
        told = apart.join(f"{k} {_plain(v)}" for k, v in schedule.items() if k not in ("name", "cycle_momentum"))
        parts.append(f"`{schedule['name']}` ({told})" if told else f"`{schedule['name']}`")
    return apart.join(parts) or t("defaults")


def _plain(value: Any) -> str:
    return rate(value) if isinstance(value, float) else str(value)


def _lr(values: Values, name: str) -> str:
    return rate(values.setting(name, "optimizer.lr"))


def _first_capital(words: str) -> str:
    return words[0].upper() + words[1:]
