"""The form of what is recorded: looks, stacked into blocks of arrays whose columns have a meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

QUANTITIES = ("mean", "rms")
RELATIONS = ("predicted", "uphill")

Arrays = dict[str, tuple[np.ndarray, dict[str, Any]]]
Block = dict[str, np.ndarray]


class Look(NamedTuple):
    """One recorded step: sums (see `Bank.sums`), trace (S, K), learning rates (G,), the loss before and after it.

    `missing` are the parameters (by number) that had no gradient. In place of a trace there may be `ingredients`, which
    it is still to be worked out from (see `tracing`).
    """

    step: int
    lrs: tuple[float, ...]
    sums: Tensor | None
    trace: Tensor | None
    loss: tuple[float, float] | None = None
    inside: tuple[float, ...] = ()
    missing: tuple[int, ...] = ()
    ingredients: Any = None


def packed(looks: Sequence[Look]) -> dict[str, Any]:
    """Looks, of which none is to be developed any more, as a checkpoint keeps them; `unpacked` is the inverse."""
    if not looks:
        return {}
    first = looks[0]
    return {
        "steps": [look.step for look in looks],
        "lrs": np.array([look.lrs for look in looks], np.float64),
        "sums": None if first.sums is None else torch.stack([look.sums for look in looks if look.sums is not None]),
        "trace": torch.stack([look.trace for look in looks if look.trace is not None]),
        "loss": None if first.loss is None else np.array([look.loss for look in looks], np.float64),
        "inside": np.array([look.inside for look in looks], np.float64),
        "missing": [look.missing for look in looks],
    }


def unpacked(kept: Mapping[str, Any], device: torch.device) -> list[Look]:
    """Looks whose tensors lie on `device`, where those to come will."""
    if not kept:
        return []
    many = len(kept["steps"])
    sums = [None] * many if kept["sums"] is None else kept["sums"].to(device).unbind()
    loss = [None] * many if kept["loss"] is None else [(before, after) for before, after in kept["loss"].tolist()]
    lrs, inside = (map(tuple, kept[name].tolist()) for name in ("lrs", "inside"))
    missing = map(tuple, kept["missing"])
    rows = zip(kept["steps"], lrs, sums, kept["trace"].to(device).unbind(), loss, inside, missing, strict=True)
    return [Look(*row) for row in rows]


@dataclass(frozen=True)
class Layout:
    """What the columns of the records mean."""

    stages: tuple[str, ...]
    parameters: tuple[str, ...]
    sizes: tuple[int, ...]
    groups: tuple[int, ...]
    inside: tuple[str, ...] = ()

    def meaning(self, name: str, coordinates: Sequence[tuple[str, list[int]]]) -> dict[str, Any]:
        """What is said beside an array: see docs/store.md."""
        names = {"stages": list(self.stages), "parameters": list(self.parameters)}
        if name == "statistics":
            sizes = {"sizes": list(self.sizes), "groups": list(self.groups)}
            return {**names, "quantities": list(QUANTITIES), **sizes}
        if name == "relations":
            return {"parameters": names["parameters"], "quantities": list(RELATIONS)}
        if name == "trace":
            return {"stages": names["stages"], "coordinates": [list(c) for c in coordinates]}
        return {"names": list(self.inside)} if name == "inside" else {}

    def stacked(self, looks: Sequence[Look]) -> Block:
        """Looks, of which none is to be developed any more, as arrays."""
        lrs = np.array([look.lrs for look in looks], np.float64)
        traces = torch.stack([look.trace for look in looks if look.trace is not None]).cpu().numpy()
        steps = np.array([look.step for look in looks], np.int64)
        block = {"trace/steps": steps, "trace/lr": lrs[:, 0].copy(), "trace/lrs": lrs, "trace": traces}
        if looks[0].sums is not None:
            sums = torch.stack([look.sums for look in looks if look.sums is not None]).cpu().numpy()
            block["statistics"], block["relations"] = self._statistics(sums)
        if looks[0].loss is not None:
            block["loss"] = np.array([look.loss for look in looks], np.float64)
        if self.inside:
            block["inside"] = np.array([look.inside for look in looks], np.float64)
        return block

    def nothing(self) -> Block:
        """The arrays before the first look."""
        many, parameters = len(self.stages), len(self.parameters)
        return {
            "trace/steps": np.zeros(0, np.int64),
            "trace/lr": np.zeros(0),
            "trace/lrs": np.zeros((0, 1)),
            "trace": np.zeros((0, many, 0), np.float32),
            "statistics": np.zeros((0, many, parameters, len(QUANTITIES)), np.float32),
            "relations": np.zeros((0, parameters, len(RELATIONS)), np.float32),
        }

    def not_finite(self, block: Block, looks: Sequence[Look]) -> tuple[int, list[str]] | None:
        """The first step at which a gradient is not finite, and the parameters that it is of.

        Its sum tells: of large finite values the sum of squares may overflow.
        """
        if "statistics" not in block:
            return None
        wrong = np.zeros(block["relations"].shape[:2], bool)  # (T, P)
        for gradient in ("grad_raw", "grad"):
            wrong |= ~np.isfinite(block["statistics"][:, self.stages.index(gradient), :, 0])
        for row, look in enumerate(looks):
            wrong[row, list(look.missing)] = False
        if not wrong.any():
            return None
        row = int(wrong.any(1).argmax())
        return looks[row].step, [self.parameters[p] for p in np.flatnonzero(wrong[row])]

    def _statistics(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and rms (T, S, P, 2), and the relations (T, P, 2), from sums and norms (T, P · (S + 2 + S))."""
        many, sizes = len(self.stages), np.array(self.sizes, np.float64)
        rows = sums.reshape(len(sums), len(sizes), 2 * many + 2)
        mean = rows[:, :, :many] / sizes[:, None]
        rms = rows[:, :, many + 2 :] / np.sqrt(sizes)[:, None]
        uphill = rows[:, :, many + 1] / sizes
        statistics = np.stack([mean, rms], -1).transpose(0, 2, 1, 3).astype(sums.dtype)
        return statistics, np.stack([rows[:, :, many], uphill], -1).astype(sums.dtype)


def size(blocks: Sequence[Mapping[str, np.ndarray]]) -> int:
    """Bytes."""
    return sum(values.nbytes for block in blocks for values in block.values())


def thinned(blocks: Sequence[Block], length: int) -> list[Block]:
    """Every other row of all blocks, counted through; neighbours are joined into blocks of about `length` rows."""
    kept: list[Block] = []
    seen = 0
    for block in blocks:
        rows = len(next(iter(block.values())))
        half = {name: values[(1 - seen) % 2 :: 2].copy() for name, values in block.items()}
        seen += rows
        if kept and len(next(iter(kept[-1].values()))) + (rows + 1) // 2 <= length:
            kept[-1] = joined([kept[-1], half])
        else:
            kept.append(half)
    return kept


def joined(blocks: Sequence[Block]) -> Block:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
