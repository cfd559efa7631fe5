"""A watched run in words and tables: what `passo inspect` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from passo import telling
from passo.analysis.layers import QUANTITIES, Layers, Quantity, layers, told_steps
from passo.analysis.memory import memories
from passo.analysis.recorded import Recorded, penalties, told_run, watch_facts
from passo.analysis.stages import stage
from passo.analysis.tables import Table
from passo.analysis.updates import coordinates, named, residual
from passo.analysis.whole import clipping, last_finite, loss_change, not_finite, tell_not_finite
from passo.analysis.words import joined, significant
from passo.errors import PassoError
from passo.language import later, numeral, t, tn

_HEADS = {
    "gradient": later("gradient"),
    "effective-lr": later("eff. lr"),
    "update-ratio": later("update/θ"),
    "signal-to-noise": "m̂/√v̂",
    "cosine": later("cosine"),
    "uphill": later("uphill"),
}
_LEGEND = {
    "gradient": "rms(g)",
    "effective-lr": "‖Δθ‖ / ‖g‖",
    "update-ratio": "rms(Δθ) / rms(θ)",
    "signal-to-noise": later("√(Σm̂² / Σv̂), 1 where gradients agree and near 0 where they are noise"),
    "cosine": later("of g and Δθ, −1 straight down the gradient"),
    "uphill": later("the share of weights that moved along their gradient"),
}
_BARS = "▁▂▃▄▅▆▇█"


def summary(run: Recorded) -> list[str]:
    """What there is to say of the whole run, a sentence each: what was watched, the proof, memory, clipping, loss."""
    found, facts = layers(run), watch_facts(run)
    said = [_watched(run, found), _proof(run)]
    if remembered := memories(run):
        said.append(f"{joined([str(memory) for memory in remembered])}.")
    if any(penalties(run)):
        said.append(_penalty(run))
    said += [sentence for tell in (_clipping, _loss) if (sentence := tell(run))]
    if facts and not facts.get("explained"):
        name = facts["optimizer"]
        said.append(t("No equations are written for {name}: gradient, update and state are measured.", name=name))
    return said


def _watched(run: Recorded, found: Layers) -> str:
    who = told_run(run.id)
    traced = t("{n} of them traced", n=len(coordinates(run)) if "trace" in run.arrays() else 0)
    weights = [] if found.sizes is None else [t("{n:,} weights", n=int(found.sizes.sum()))]
    return t(
        "{run} was trained with {optimizer} under the microscope: {steps}, in {tensors} ({weights}).",
        run=who if who == run.id else who.capitalize(),
        optimizer=watch_facts(run).get("optimizer") or t("an optimiser"),
        steps=told_steps(found.steps),
        tensors=tn("{n} parameter tensor", "{n} parameter tensors", len(found.names)),
        weights=", ".join([*weights, traced]),
    )


def _proof(run: Recorded) -> str:
    try:
        return residual(run).sentence(watch_facts(run).get("bound"))
    except PassoError:
        return t("It has no residual: its updates are measured, not explained.")


def _penalty(run: Recorded) -> str:
    terms = zip(penalties(run), ("Σ|θ|", "Σθ²"), strict=True)
    price = " + ".join(f"{numeral(f'{strength:g}')} {total}" for strength, total in terms if strength)
    return t(
        "The loss had a penalty of {price} on matrices and convolutions, so the gradient of these holds the penalty's "
        "beside that of the data, grad_raw too.",
        price=price,
    )


def _clipping(run: Recorded) -> str:
    return _or_nothing(lambda: clipping(run).sentence())


def _loss(run: Recorded) -> str:
    return _or_nothing(lambda: loss_change(run).sentence())


def _or_nothing(tell: Callable[[], str]) -> str:
    """A sentence, or nothing where the run did not record what it needs."""
    try:
        return tell()
    except PassoError:
        return ""


def noticed(run: Recorded) -> list[str]:
    """What the microscope and the training noticed, in the order in which it happened, with what to do about a NaN."""
    said = [_event(step, message, data.get("what")) for _, step, message, data in run.events()]
    told = {data.get("what") for _, _, _, data in run.events()}
    if "not-finite" not in told and (bad := not_finite(layers(run))):
        said.append(tell_not_finite(bad) + _advice(bad[0].step))
    return said


def _event(step: int | None, message: str, what: str | None) -> str:
    """A stored message with its step, and what to do about it."""
    said = telling.told(message)
    if step is not None and f"step {step}" not in message:
        said = t("{said} (step {step:,})", said=said, step=step)
    return said + (_advice(step) if what == "not-finite" else "")


def _advice(step: int | None) -> str:
    told = t("try a smaller learning rate, check that the inputs are finite")
    if step is not None and step > 1:
        told = t(
            "try a smaller learning rate, check that the inputs are finite, and look at the step before "
            "(--step {step})",
            step=step - 1,
        )
    return f"; {told}"


def shown_step(run: Recorded) -> tuple[int, str]:
    """The step whose layers are worth showing, and why it is not the last one: after it nothing was finite."""
    found = layers(run)
    row = last_finite(found)
    if row == len(found.steps) - 1:
        return int(found.steps[row]), ""
    why = t("the last with finite gradients (of {last:,})", last=int(found.steps[-1]))
    return int(found.steps[row]), f", {why}"


def layer_table(run: Recorded, step: int | None = None) -> Table:
    """Every layer at one step; without one, at the last whose gradients are finite.

    What the run cannot tell has no column, and the note says why.
    """
    found = layers(run)
    row = last_finite(found) if step is None else found.row(step)
    columns, missing = {}, []
    for name, head in _HEADS.items():
        try:
            columns[name] = QUANTITIES[name].of(found)[row]
        except PassoError as why:
            if name != "signal-to-noise":  # which is Adam's: nothing is missing
                missing.append(t("no {head}: {why}", head=t(head), why=why))
    sizes = ["–"] * len(found.names) if found.sizes is None else [numeral(f"{int(size):,}") for size in found.sizes]
    rows = [
        (layer, size, *(_cell(name, values[p]) for name, values in columns.items()))
        for p, (layer, size) in enumerate(zip(found.names, sizes, strict=True))
    ]
    heads = (t("layer"), t("weights"), *(t(_HEADS[name]) for name in columns))
    return Table(heads, tuple(rows), "\n".join([_legend(columns), *missing]))


def _legend(names: Iterable[str]) -> str:
    """What the columns are."""
    return "; ".join(f"{t(_HEADS[name])}: {t(_LEGEND[name])}" for name in names) + "."


def _cell(name: str, value: float) -> str:
    if not np.isfinite(value):
        return "–" if np.isnan(value) else f"{value:g}"
    return f"{100 * value:.0f} %" if name == "uphill" else significant(float(value), 2)


def parameter_table(run: Recorded, parameter: str, bars: int = 20) -> Table:
    """One layer over the run: the rms of each stage, and each quantity, at the first, median and last step.

    Stages that the layer has not, or that changed nothing, have no row. `bars` is the width of the last column.
    """
    found = layers(run)
    column = found.column(parameter)
    rows = [
        _over_run(f"{stage(name).symbol}  {stage(name).words}", found.rms[name][:, column], bars)
        for name in _stages(found, column)
    ]
    shown = {name: _values(found, QUANTITIES[name], column) for name in _HEADS if name != "gradient"}
    told = {name: values for name, values in shown.items() if values is not None and np.isfinite(values).any()}
    rows += [_over_run(t(_HEADS[name]), values, bars) for name, values in told.items()]
    there = [named(p, index) for p, index in (coordinates(run) if "trace" in run.arrays() else ()) if p == parameter]
    note = t(
        "Stages are root mean squares over {parameter}; traced: {weights}.",
        parameter=parameter,
        weights=", ".join(there) or t("none of its weights"),
    )
    note += f"\n{_legend(told)}" if told else ""
    return Table((t("stage"), t("first"), t("median"), t("last"), t("over the run")), tuple(rows), note)


def _stages(found: Layers, column: int) -> list[str]:
    """The stages of a layer: not those of an optimiser's other half, nor a gradient with decay where there is none."""
    learnt = np.isfinite(found.rms["grad"][:, column]).any()
    own = [name for name in found.stages if not learnt or np.isfinite(found.rms[name][:, column]).any()]
    both = [np.stack([of[name][:, column] for of in (found.mean, found.rms)]) for name in ("grad", "decayed")
            if name in own]  # fmt: skip
    same = len(both) == 2 and np.array_equal(*both, equal_nan=True)
    return [name for name in own if not (same and name == "decayed")]


def _values(found: Layers, shown: Quantity, column: int) -> np.ndarray | None:
    try:
        return shown.of(found)[:, column]
    except PassoError:
        return None


def _over_run(words: str, values: np.ndarray, bars: int) -> tuple[str, ...]:
    there = values[np.isfinite(values)]
    if not len(there):
        return words, "–", "–", "–", ""
    ends = (there[0], np.median(there), there[-1])
    return words, *(significant(float(value), 2) for value in ends), sparkline(values, bars)


def sparkline(values: np.ndarray, width: int = 20) -> str:
    """A series as small bars, from its least to its largest value; logarithmic where these differ by 10 times or more.

    >>> sparkline(np.array([0.0, 1.0, 2.0, 3.0]))
    '▁▃▆█'
    """
    shown = np.array([_middle(part) for part in np.array_split(values, min(width, len(values)))])
    there = shown[np.isfinite(shown)]
    if len(there) and there.min() > 0 and there.max() >= 10 * there.min():
        shown, there = np.log(np.where(shown > 0, shown, np.nan)), np.log(there)
    if not len(there):
        return ""
    low, span = there.min(), np.ptp(there) or 1.0
    return "".join(_BARS[round(7 * float((v - low) / span))] if np.isfinite(v) else " " for v in shown)


def _middle(part: np.ndarray) -> float:
    there = part[np.isfinite(part)]
    return float(np.median(there)) if len(there) else float("nan")
