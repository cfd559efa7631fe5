"""A watched run in words and tables: what `passo inspect` prints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from passo.analysis.layers import QUANTITIES, Layers, Quantity, layers, told_steps
from passo.analysis.memory import memories
from passo.analysis.recorded import Recorded, watch_facts
from passo.analysis.stages import stage
from passo.analysis.tables import Table
from passo.analysis.updates import coordinates, named, residual
from passo.analysis.whole import clipping, loss_change, not_finite, tell_not_finite
from passo.analysis.words import joined, significant
from passo.errors import PassoError

_HEADS = {
    "gradient": "gradient",
    "effective-lr": "eff. lr",
    "update-ratio": "update/θ",
    "signal-to-noise": "m̂/√v̂",
    "cosine": "cosine",
    "uphill": "uphill",
}
_BARS = "▁▂▃▄▅▆▇█"


def summary(run: Recorded) -> list[str]:
    """What there is to say of the whole run, a sentence each: what was watched, the proof, memory, clipping, loss."""
    found, facts = layers(run), watch_facts(run)
    said = [_watched(run, found), _proof(run)]
    if remembered := memories(run):
        said.append(f"{joined([str(memory) for memory in remembered])}.")
    told = {data.get("what") for _, _, _, data in run.events()}
    if "not-finite" not in told and (bad := not_finite(found)):
        said.append(tell_not_finite(bad))
    said += [sentence for tell in (_clipping, _loss) if (sentence := tell(run))]
    if facts and not facts.get("explained"):
        said.append(f"No equations are written for {facts['optimizer']}: gradient, update and state are measured.")
    return said


def _watched(run: Recorded, found: Layers) -> str:
    name = watch_facts(run).get("optimizer") or "an optimiser"
    weights = f"{int(found.sizes.sum()):,} weights, " if found.sizes is not None else ""
    traced = len(coordinates(run)) if "trace" in run.arrays() else 0
    tensors = f"{len(found.names)} parameter tensor{'' if len(found.names) == 1 else 's'}"
    return (
        f"{run.id} was trained with {name} under the microscope: {told_steps(found.steps)}, in {tensors} "
        f"({weights}{traced} of them traced)."
    )


def _proof(run: Recorded) -> str:
    try:
        said = residual(run).sentence()
    except PassoError:
        return "It has no residual: its updates are measured, not explained."
    bound = watch_facts(run).get("bound")
    return said[:-1] + (f" (promised: at most {bound:g})." if bound else ".")


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
    """What the microscope and the training noticed, in the order in which it happened."""
    return [
        message if step is None or f"step {step}" in message else f"{message} (step {step:,})"
        for _, step, message, _ in run.events()
    ]


def layer_table(run: Recorded, step: int | None = None) -> Table:
    """Every layer at one step, the last without one; what the run cannot tell has no column, and the note says why."""
    found = layers(run)
    row = found.row(step)
    columns, missing = {}, []
    for name, head in _HEADS.items():
        try:
            columns[head] = QUANTITIES[name].of(found)[row]
        except PassoError as why:
            if name != "signal-to-noise":  # which is Adam's: nothing is missing
                missing.append(f"no {head}: {why}")
    sizes = ["–"] * len(found.names) if found.sizes is None else [f"{int(size):,}" for size in found.sizes]
    rows = [
        (name, size, *(_cell(head, values[p]) for head, values in columns.items()))
        for p, (name, size) in enumerate(zip(found.names, sizes, strict=True))
    ]
    return Table(("layer", "weights", *columns), tuple(rows), "\n".join(missing))


def _cell(head: str, value: float) -> str:
    if not np.isfinite(value):
        return "–" if np.isnan(value) else f"{value:g}"
    return f"{100 * value:.0f} %" if head == "uphill" else significant(float(value), 2)


def parameter_table(run: Recorded, parameter: str) -> Table:
    """One layer over the run: the rms of each stage, and each quantity, at the first, median and last step."""
    found = layers(run)
    column = found.column(parameter)
    rows = [
        _over_run(f"{stage(name).symbol}  {stage(name).words}", found.rms[name][:, column]) for name in found.stages
    ]
    for name in [name for name in _HEADS if name != "gradient"]:
        values = _values(found, QUANTITIES[name], column)
        if values is not None:
            rows.append(_over_run(_HEADS[name], values))
    there = [named(p, index) for p, index in (coordinates(run) if "trace" in run.arrays() else ()) if p == parameter]
    note = f"Stages are root mean squares over {parameter}; traced: {', '.join(there) or 'none of its weights'}."
    return Table(("stage", "first", "median", "last", "over the run"), tuple(rows), note)


def _values(found: Layers, shown: Quantity, column: int) -> np.ndarray | None:
    try:
        return shown.of(found)[:, column]
    except PassoError:
        return None


def _over_run(words: str, values: np.ndarray) -> tuple[str, ...]:
    there = values[np.isfinite(values)]
    if not len(there):
        return words, "–", "–", "–", ""
    ends = (there[0], np.median(there), there[-1])
    return words, *(significant(float(value), 2) for value in ends), sparkline(values)


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
