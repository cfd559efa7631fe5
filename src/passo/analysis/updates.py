"""What the microscope wrote down, read back: one coordinate's way through the stages of every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.layers import rates
from passo.analysis.recorded import Recorded, needed_stage, recorded, roundings, told_run
from passo.errors import UsageError
from passo.language import numeral, t, tn
from passo.registry import unknown


@dataclass(frozen=True)
class Traces:
    """One coordinate of one parameter: each stage (T,), float64, at `steps` (T,) (from 1) under `lr` (T,).

    eps is the spacing of the recorded numbers near 1: float32's, or float64's.
    """

    run: str
    parameter: str
    index: tuple[int, ...]
    steps: np.ndarray
    lr: np.ndarray
    stages: Mapping[str, np.ndarray]
    eps: float = float(np.finfo(np.float32).eps)

    def __getitem__(self, stage: str) -> np.ndarray:
        try:
            return self.stages[stage]
        except KeyError:
            raise unknown(f"stage of {self.run}", stage, self.stages) from None

    def __contains__(self, stage: str) -> bool:
        return stage in self.stages

    @property
    def coordinate(self) -> str:
        """The coordinate as in code: `conv1.weight[0, 0, 2, 2]`."""
        return named(self.parameter, self.index)

    @property
    def measured(self) -> np.ndarray:
        """−update / lr: the direction that the parameter really took, comparable with `adapted`. (T,)

        NaN where the learning rate is 0. A decoupled weight decay is part of it.
        """
        return np.divide(-self["update"], self.lr, out=np.full(len(self.lr), np.nan), where=self.lr != 0)

    @property
    def roundings(self) -> np.ndarray:
        """|residual| / (eps · max(|θ|, |θ′|, |Δθ|)) at each step: (T,); NaN where nothing was and nothing moved."""
        return in_roundings(self["residual"], self["theta"], self["update"], self.eps)


def in_roundings(residual: np.ndarray, theta: np.ndarray, update: np.ndarray, eps: float) -> np.ndarray:
    """|residual| / (eps · max(|θ|, |θ′|, |Δθ|)), in the arrays' common shape; NaN where that is 0/0."""
    size = eps * np.maximum.reduce([np.abs(theta), np.abs(theta + update), np.abs(update)])
    return np.divide(np.abs(residual), size, out=np.full(size.shape, np.nan), where=size > 0)


def named(parameter: str, index: Sequence[int]) -> str:
    """`conv1.weight[0, 0, 2, 2]`; a parameter of one number has no index."""
    return f"{parameter}[{', '.join(map(str, index))}]" if len(index) else parameter


def traces(run: Recorded, coordinate: int | None = None) -> Traces:
    """The traces of one coordinate of a watched run.

    Args:
        coordinate: its place in the list of traced coordinates; without it, the middle one of the first
            convolution's weight (or of all, where there is no convolution).

    Raises `StoreError` where the run was not watched, `UsageError` where it has fewer coordinates.
    """
    values, meta = recorded(run, "trace")
    known = coordinates(run)
    if coordinate is None:
        coordinate = _usual([name for name, _ in known])
    if not -len(known) <= coordinate < len(known):
        raise UsageError(f"run {run.id} traced {len(known)} coordinates; there is no number {coordinate}")
    parameter, index = known[coordinate]
    stages = own_stages({name: values[:, s, coordinate].astype(np.float64) for s, name in enumerate(meta["stages"])})
    steps, lr = recorded(run, "trace/steps")[0], rates(run, [group_of(run, parameter)])[:, 0]
    return Traces(run.id, parameter, index, steps, lr, stages, float(np.finfo(values.dtype).eps))


def own_stages(stages: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The stages (T,) that a weight has: where an optimiser has two halves, those of the other half are NaN.

    What every weight has (θ, gradient, update, residual) stays, and all does where no gradient was finite.
    """
    there = np.isfinite(stages["grad"])
    if not there.any():
        return dict(stages)
    common = ("theta", "grad_raw", "grad", "update", "residual")
    return {n: column for n, column in stages.items() if n in common or not np.isnan(column[there]).all()}


def coordinates(run: Recorded) -> list[tuple[str, tuple[int, ...]]]:
    """The traced coordinates: (parameter, index)."""
    if "trace" not in run.arrays():
        recorded(run, "trace")  # tells why not
    return [(name, tuple(index)) for name, index in run.meta("trace")["coordinates"]]


def find_coordinate(run: Recorded, parameter: str | None = None, index: Sequence[int] | None = None) -> int | None:
    """Where a coordinate stands among the traced ones: the middle one of the parameter where no index is given.

    None where neither is given. Raises `UnknownName` for a parameter that was not traced, `UsageError` for an index.
    """
    known = coordinates(run)
    if parameter is None:
        if index is not None:
            raise UsageError("an index needs the parameter that it belongs to")
        return None
    places = [k for k, (name, _) in enumerate(known) if name == parameter]
    if not places:
        raise unknown(f"traced parameter of {run.id}", parameter, {name for name, _ in known})
    if index is None:
        return places[len(places) // 2]
    for k in places:
        if known[k][1] == tuple(index):
            return k
    there = ", ".join(str(list(known[k][1])) for k in places)
    raise UsageError(f"{named(parameter, index)} was not traced; of this parameter there are: {there}")


def typical(run: Recorded, parameter: str | None, index: Sequence[int] | None, step: int | None) -> int | None:
    """As `find_coordinate`; without an index the traced weight with the middle size of gradient at a step.

    Gradients of 0 are left out: they are those of a dead unit, or of a pixel that is always black. Without a step, at
    the last with a finite gradient.
    """
    usual = find_coordinate(run, parameter, index)
    if index is not None or not len(steps := recorded(run, "trace/steps")[0]):
        return usual
    known, (values, meta) = coordinates(run), recorded(run, "trace")  # (T, S, K)
    mine = parameter or known[_usual([name for name, _ in known])][0]
    places = [k for k, (name, _) in enumerate(known) if name == mine]
    sizes = np.abs(values[:, meta["stages"].index("grad")][:, places])  # (T, k)
    rows = np.flatnonzero(np.isfinite(sizes).any(1) if step is None else steps == step)
    if not len(rows):
        return usual
    there = [(size, k) for size, k in zip(sizes[rows[-1]].tolist(), places, strict=True) if 0 < size < np.inf]
    return sorted(there)[len(there) // 2][1] if there else usual


def group_of(run: Recorded, parameter: str) -> int:
    """The parameter group that a parameter stands in."""
    meta = run.meta("statistics")
    groups = dict(zip(meta.get("parameters", ()), meta.get("groups", ()), strict=False))
    return int(groups.get(parameter, 0))


def _usual(names: list[str]) -> int:
    convolutions = [k for k, name in enumerate(names) if "conv" in name and name.endswith("weight")]
    first = [k for k in convolutions if names[k] == names[convolutions[0]]] or list(range(len(names)))
    return first[len(first) // 2]


@dataclass(frozen=True)
class Residual:
    """How far the measured updates lie from the explained ones.

    `steps` were recorded, of which `finite` had numbers to compare. `largest` is the largest |residual| of any traced
    coordinate; `roundings`, where the run recorded it, the largest of any watched weight in units of
    eps · max(|θ|, |θ′|, |update|).
    """

    run: str
    steps: int
    largest: float
    roundings: float | None
    finite: int

    def sentence(self, bound: float | None = None) -> str:
        """How far apart they are at most; beside it, where there is one, the bound that was promised."""
        told = {"run": told_run(self.run), "differs": self._differs(bound)}
        lost = self.steps - self.finite
        if not self.finite:
            run = told["run"]
            return t("None of the {n:,} watched steps of {run} has a finite update to explain.", n=self.steps, run=run)
        if not lost:
            return tn(
                "In {n:,} watched step of {run} {differs}.",
                "In {n:,} watched steps of {run} {differs}.",
                self.finite,
                **told,
            )
        return tn(
            "In {finite:,} of {steps:,} watched steps of {run} {differs}; the other {n:,} is not finite.",
            "In {finite:,} of {steps:,} watched steps of {run} {differs}; the other {n:,} are not finite.",
            lost,
            finite=self.finite,
            steps=self.steps,
            **told,
        )

    def _differs(self, bound: float | None) -> str:
        if self.roundings is None:
            most = numeral(f"{self.largest:.1e}")
            return t("no traced update differs from what the equations explain by more than {most}", most=most)
        most = t("{n:.1f} roundings of the weight", n=self.roundings)
        if bound:
            most = t("{n:.1f} roundings of the weight (promised: at most {bound:g})", n=self.roundings, bound=bound)
        return t("no update differs from what the equations explain by more than {most}", most=most)


def residual(run: Recorded) -> Residual:
    """The residual of a watched run; raises `UnknownName` where its optimiser has no written equations."""
    values, meta = recorded(run, "trace")
    stages = meta["stages"]
    if "residual" not in stages:
        raise unknown(f"stage of {run.id}", "residual", stages)
    found = roundings(run)
    left = np.abs(values[:, stages.index("residual")])  # (T, K)
    finite = np.isfinite(left)
    largest = left.max(where=finite, initial=0.0)
    worst = max(found.values()) if found else None
    return Residual(run.id, len(values), float(largest), worst, int(finite.any(1).sum()))


def residual_by_step(run: Recorded) -> tuple[np.ndarray, np.ndarray]:
    """The recorded steps, and the largest residual of the traced weights at each, in roundings: (T,), (T,).

    Raises `StoreError` where the run recorded no θ or its step is not explained.
    """
    values, meta = recorded(run, "trace")  # (T, S, K)
    stages = tuple(meta["stages"])
    names = ("residual", "theta", "update")
    left, theta, update = (
        values[:, stages.index(needed_stage(run.id, n, stages, "the residual in roundings"))].astype(np.float64)
        for n in names
    )
    each = in_roundings(left, theta, update, float(np.finfo(values.dtype).eps))  # (T, K)
    worst = np.where(np.isfinite(each).any(1), np.nanmax(np.where(np.isfinite(each), each, 0.0), axis=1), np.nan)
    return recorded(run, "trace/steps")[0], worst
