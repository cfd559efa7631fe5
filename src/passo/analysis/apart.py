"""One step of one weight, taken apart: from the gradient to the update, each part with its equation and its number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.layers import layers, told_steps
from passo.analysis.memory import moved_at
from passo.analysis.moment import Moment, exact
from passo.analysis.parts import OWN_STEP, Part, clipped, divides, penalty, scale, way
from passo.analysis.recorded import Recorded, hyper, penalties, recorded, told_run, watch_facts
from passo.analysis.tables import Table
from passo.analysis.updates import Traces, group_of, named, own_stages, traces, typical
from passo.analysis.whole import not_finite
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import later, t

WAY = later("From the gradient to the update")
DIVIDED, HELD = later("What it is divided by"), later("What the optimiser holds beside it")


@dataclass(frozen=True)
class Apart:
    """A weight's step: `way` from gradient to update; `scale` is what divides it, or what else an optimiser holds.

    `priced` is the penalty's part of the gradient, where the training had one on this weight.

    roundings: how far measured and explained update are apart, in eps · max(|θ|, |θ′|, |Δθ|); None where the step is
    not explained, or θ was not recorded.
    """

    run: str
    optimizer: str
    parameter: str
    index: tuple[int, ...]
    step: int
    now: Moment
    way: tuple[Part, ...]
    scale: tuple[Part, ...]
    roundings: float | None
    priced: Part | None = None

    @property
    def coordinate(self) -> str:
        return named(self.parameter, self.index)

    @property
    def divided(self) -> bool:
        """Whether `scale` is what the direction is divided by, as in Adam."""
        return divides(self.now)

    def sentence(self) -> str:
        """The step in words."""
        return " ".join(part for part in (_move(self, _direction(self, _gradient(self))), _proof(self)) if part)

    @property
    def headings(self) -> tuple[str, str]:
        """What the two lists of parts are: the way, and the scale."""
        return t(WAY), t(DIVIDED) if self.divided else t(HELD)

    def tables(self) -> tuple[Table, ...]:
        """The way, and the scale where there is one: a row for each part, with its equation, value and factor."""
        heads = (t("part"), t("equation"), t("value"), t("factor"))
        return tuple(
            Table(heads, tuple(map(_row, parts)), heading)
            for heading, parts in zip(self.headings, self.lists, strict=False)
        )

    @property
    def lists(self) -> tuple[tuple[Part, ...], ...]:
        """The rows of the two tables and panels: the way with the penalty above it, and the scale; empty ones not."""
        first = () if self.priced is None else (self.priced,)
        return tuple(parts for parts in ((*first, *self.way), self.scale) if parts)


def _row(part: Part) -> tuple[str, str, str, str]:
    factor = "" if math.isnan(part.factor) else f"× {significant(part.factor)}"
    return part.words, part.equation, significant(part.value, 4), factor


def apart(
    run: Recorded, parameter: str | None = None, index: Sequence[int] | None = None, step: int | None = None
) -> Apart:
    """One recorded step of one weight, taken apart; without a step the last one, without a weight a typical one.

    That is, of the traced weights of the parameter, the one with the middle size of gradient at the step (those of 0
    left out). The weight must have been traced, or the step kept whole (`snapshots=`). Raises `StoreError` for a step
    that was not recorded or had no gradient, `UsageError` for a weight that was not traced.
    """
    seen = _snapshot(run, parameter, index, step) or traces(run, typical(run, parameter, index, step))
    row = _row_of(seen, step)
    values = {name: float(column[row]) for name, column in seen.stages.items()}
    if np.isnan(list(values.values())).all():
        raise StoreError(_nothing(run, seen, int(seen.steps[row])))
    before = {name: float(column[row - 1]) for name, column in seen.stages.items()} if _follows(seen, row) else None
    now = _moment(run, seen, row, values, before)
    off = float(seen.roundings[row]) if {"theta", "residual"} <= values.keys() else None
    optimizer = str(watch_facts(run).get("optimizer") or t("the optimiser"))
    strengths = penalties(run)
    priced = penalty(now, *strengths) if any(strengths) and len(seen.index) > 1 and "theta" in now else None
    return Apart(run.id, optimizer, seen.parameter, seen.index, now.step, now, way(now), scale(now), off, priced)


def _nothing(run: Recorded, seen: Traces, step: int) -> str:
    """Why nothing is known of a weight at a step: an earlier step had lost its numbers, or it had no gradient."""
    said = f"at step {step:,} of {told_run(run.id)}"
    lost = [at for at in not_finite(layers(run)) if at.step < step] if "statistics" in run.arrays() else []
    if not lost:
        return f"{seen.coordinate} had no gradient {said}"
    return (
        f"{seen.coordinate} was no finite number any more {said}: the gradient of {lost[0].layers[0]} had not been "
        f"since step {lost[0].step:,}, so look at that step or the one before it"
    )


def _moment(
    run: Recorded, seen: Traces, row: int, values: Mapping[str, float], before: Mapping[str, float] | None
) -> Moment:
    """The weight at a step, with β₁, β₂ and μ as they were then."""
    step, group = int(seen.steps[row]), group_of(run, seen.parameter)
    options, moved = dict(_options(run, group)), moved_at(run, step, group)
    if moved.keys() & {"β₁", "β₂"}:
        options["betas"] = [moved.get(f"β{'₁₂'[i]}", beta) for i, beta in enumerate(options["betas"])]
    if "μ" in moved:
        options["momentum"] = moved["μ"]
    return Moment(step, values, before, float(seen.lr[row]), options, moved)


def _row_of(seen: Traces, step: int | None) -> int:
    if step is None:
        told = np.flatnonzero(np.isfinite(seen["grad"]))
        if not len(told):
            raise StoreError(f"{seen.coordinate} had no gradient at any recorded step of {seen.run}")
        return int(told[-1])
    found = np.flatnonzero(seen.steps == step)
    if not len(found):
        raise StoreError(f"run {seen.run} did not record step {step}; {told_steps(seen.steps)}")
    return int(found[0])


def _follows(seen: Traces, row: int) -> bool:
    return row > 0 and seen.steps[row - 1] == seen.steps[row] - 1


def _options(run: Recorded, group: int) -> Mapping[str, Any]:
    """The options of a parameter group; in recordings without them, those of the run's configuration."""
    found = hyper(run, group)
    return found or getattr(run, "config", {}).get("optimizer", {})


def _snapshot(run: Recorded, parameter: str | None, index: Sequence[int] | None, step: int | None) -> Traces | None:
    """The weight from a step that was kept whole, where there is one and the weight itself was not traced."""
    name = f"snapshot/{step}/{parameter}"
    if parameter is None or index is None or step is None or name not in run.arrays():
        return None
    values, meta = recorded(run, name)  # (S, shape…)
    at = tuple(index)
    if len(at) != values.ndim - 1 or not all(0 <= i < n for i, n in zip(at, values.shape[1:], strict=True)):
        raise StoreError(f"{parameter} has no coordinate {list(at)}: its shape is {values.shape[1:]}")
    stages = own_stages({stage: values[(s, *at)].astype(np.float64)[None] for s, stage in enumerate(meta["stages"])})
    steps = recorded(run, "trace/steps")[0]
    lr = recorded(run, "trace/lr")[0][steps == step].astype(np.float64)
    return Traces(run.id, parameter, at, np.array([step]), lr, stages, float(np.finfo(values.dtype).eps))


# ── The sentence ──────────────────────────────────────────────────────────────────────────────────────────


def _gradient(found: Apart) -> str:
    now, first = found.now, found.way[0]
    said = t(
        "Step {step:,} of {weight} in {run}: a gradient of {value}",
        step=found.step,
        weight=found.coordinate,
        run=told_run(found.run),
        value=significant(first.value),
    )
    if found.priced is not None:
        said = t("{said} (of which the penalty: {value})", said=said, value=significant(found.priced.value))
    if not math.isfinite(now["grad"]):
        return t("{said}, which is not a finite number", said=said)
    parts = {part.stage: part for part in found.way}
    if "grad" in parts and parts["grad"] is not first:
        how = later("{said}, read as {value}") if math.isnan(clipped(now)) else later("{said}, clipped to {value}")
        said = t(how, said=said, value=significant(now["grad"])) + ("," if "adapted" in now else "")
    if "decayed" in parts:
        said = f"{said.removesuffix(',')}, {parts['decayed'].words} {significant(now['decayed'])},"
    return said


def _direction(found: Apart, said: str) -> str:
    """What becomes of the gradient that was said, until the learning rate multiplies it."""
    now = found.now
    if not math.isfinite(now["grad"]) or not (found.divided or "adapted" in now):
        return said
    if found.divided:
        return _averaged(found, said)
    buffer, direction = now.values.get("momentum_buffer", now.read), significant(now["adapted"])
    if "orthogonal" in now:
        return t(
            "{said} averages with those before it to {buffer}; the matrix, made orthogonal by Newton–Schulz, holds "
            "{value} in its place, and the direction is {direction}",
            said=said,
            buffer=significant(buffer),
            value=significant(now["orthogonal"]),
            direction=direction,
        )
    becomes = t("{said} becomes a direction of {direction}", said=said, direction=direction)
    if "normalized" in now:  # not the gradients themselves add up
        return becomes
    if now["adapted"] == now.read == buffer:
        return t("{said} is the direction itself", said=said)
    adds = t(
        "{said} adds up with those before it{moved} to {buffer}",
        said=said,
        moved=_moved(now),
        buffer=significant(buffer),
    )
    if "momentum_buffer" in now and now.options.get("nesterov"):
        adds = adds if buffer != now.read else said  # the first step: there are none before it
        return t("{said} and, looking ahead, makes a direction of {direction}", said=adds, direction=direction)
    return t("{said}, which is the direction", said=adds) if now["adapted"] == buffer else becomes


def _averaged(found: Apart, said: str) -> str:
    """The same of Adam, whose averages make the direction."""
    now = found.now
    mean, size = now["exp_avg_hat"], math.sqrt(now["exp_avg_sq_hat"])
    told = {"said": said, "moved": _moved(now), "mean": significant(mean), "direction": significant(now["adapted"])}
    if not size:
        return t(
            "{said} averages with those before it{moved} to {mean} (bias-corrected); so the direction is {direction}",
            **told,
        )
    return t(
        "{said} averages with those before it{moved} to {mean} (bias-corrected), {share} times the gradients' usual "
        "size of {size}; so the direction is {direction}",
        share=significant(abs(mean) / size),
        size=significant(size),
        **told,
    )


def _moved(now: Moment) -> str:
    """What a schedule has made of β₁ or μ."""
    told = ", ".join(f"{symbol} = {significant(beta)}" for symbol, beta in now.moved.items())
    return " " + t("({options} at this step)", options=told) if told else ""


def _move(found: Apart, said: str) -> str:
    """What was said, and where the weight goes."""
    update = found.now["update"]
    if not math.isfinite(update):
        return t("{said}, and the weight is lost: so is the update.", said=said)
    rate = _rate(found, said)
    if update == 0:
        return f"{rate} {t('the weight stays where it is')}."
    return f"{rate} {_way(found.now)}, {_against(found.now)}."


def _way(now: Moment) -> str:
    """How far the weight goes up or down, and from where to where."""
    update, by = now["update"], significant(abs(now["update"]))
    if "theta" not in now:
        return t("the weight goes up by {by}", by=by) if update > 0 else t("the weight goes down by {by}", by=by)
    ends = {"start": exact(now["theta"], update), "end": exact(now["theta"] + update, update)}
    if update > 0:
        return t("the weight goes up by {by}, from {start} to {end}", by=by, **ends)
    return t("the weight goes down by {by}, from {start} to {end}", by=by, **ends)


def _against(now: Moment) -> str:
    """Whether it goes against its gradient or along it."""
    if now["grad"] == 0:
        return t("with no gradient of its own")
    if now["update"] * now["grad"] < 0:
        return t("against its gradient")
    climbs = now.options.get("maximize")
    return t("along its gradient, as it is to climb") if climbs else t("along its gradient, uphill")


def _rate(found: Apart, said: str) -> str:
    """What the direction is multiplied by, where there is such a number."""
    stages = {part.stage for part in found.way}
    if OWN_STEP in stages:
        return t(
            "{said}, and with a step size of its own of {rate}", said=said, rate=significant(found.now["step_size"])
        )
    if "step" in stages:
        return t("{said}, and at a learning rate of {rate}", said=said, rate=significant(found.now.lr))
    return f"{said};"


def _proof(found: Apart) -> str:
    if found.roundings is None or not math.isfinite(found.roundings):
        told = t("{optimizer} is measured here, not explained.", optimizer=found.optimizer)
        return "" if "residual" in found.now else told
    return t("Measured and explained update are {n} roundings of the weight apart.", n=significant(found.roundings, 2))
