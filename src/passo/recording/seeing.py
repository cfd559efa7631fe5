"""What is seen of one optimiser: its banks of memory, the coordinates that are followed, one look at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from passo.errors import UsageError
from passo.optim.stages import Explanation, explanation
from passo.recording.bank import Bank, discovered
from passo.recording.blocks import Layout, Look
from passo.recording.choosing import MOVED_AFTER, Chosen, Coordinates, choose
from passo.recording.layout import Slot, indexed
from passo.recording.tracing import Ingredients, Tracer


class Eye:
    """All watched parameters of one optimiser, whatever memory they lie in."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        found: Sequence[tuple[Slot, ...]],
        explanation: Explanation | None,
        coordinates: Coordinates,
        seed: int,
        statistics: bool,
    ) -> None:
        self.optimizer, self.explanation = optimizer, explanation
        self.slots = tuple(slot for slots in found for slot in slots)
        self._chosen, self._open = choose(self.slots, coordinates, seed)
        if not statistics:
            _check_alone(explanation, self._chosen, type(optimizer).__name__)
            if len(found) > 1:
                raise UsageError("the parameters have several dtypes or devices: leave statistics=True, or name some")
        self.tracer = None if statistics else Tracer(found[0], explanation)
        self.banks = [] if self.tracer else [Bank(slots, explanation) for slots in found]
        self._since: list[Tensor] = []  # θ at the first look, until it is known which weights moved most
        self._looks = 0
        self._groups = len(optimizer.param_groups)
        self._inside: tuple[str, ...] = ()
        self._follow()

    @property
    def explained(self) -> bool:
        return self.explanation is not None and self.explanation.equations is not None

    @property
    def plain(self) -> bool:
        """Whether the bound is promised: not in half precision, and not where a learning rate is a tensor."""
        wide = all(slot.parameter.dtype in (torch.float32, torch.float64) for slot in self.slots)
        return wide and not any(isinstance(group.get("lr"), Tensor) for group in self.optimizer.param_groups)

    @property
    def converted(self) -> bool:
        """Whether a parameter has another dtype or device than when it was watched."""
        return any(part.converted for part in self._parts)

    @property
    def stages(self) -> tuple[str, ...]:
        return self._parts[0].stages

    @property
    def coordinates(self) -> list[tuple[str, list[int]]]:
        return [(slot.name, list(index)) for slot, index in self._chosen]

    @property
    def undecided(self) -> bool:
        """Whether the coordinates are still to be chosen."""
        return self._open > 0

    def layout(self) -> Layout:
        return Layout(
            self.stages,
            tuple(slot.name for slot in self.slots),
            tuple(slot.size for slot in self.slots),
            tuple(slot.group for slot in self.slots),
            self._inside,
        )

    def keep_raw(self, number: int, grad: Tensor) -> None:
        """The gradient of the `number`-th parameter as backward has just left it."""
        part, own = self._at(number)
        part.keep_raw(own, grad)

    def looks_at(self, number: int) -> bool:
        """Whether anything of the `number`-th parameter is recorded."""
        part, own = self._at(number)
        return part.looks_at(own)

    def before(self, raw_scale: float, grad_scale: float) -> None:
        """Copy what the step starts from; gradients are told divided by their scales."""
        for part in self._parts:
            part.before(self.optimizer.state, self.optimizer.param_groups, raw_scale, grad_scale)

    def after(self) -> None:
        """Measure and explain what the step did."""
        if not self._looks:
            self._widen()
        for part in self._parts:
            part.after(self.optimizer.state)
        if self._open and not self._since:
            self._since = [bank.rows["theta"].clone() for bank in self.banks]

    def look(self, step: int, loss: tuple[float, float] | None) -> Look:
        """What is recorded of the step."""
        self._looks += 1
        groups = self.optimizer.param_groups[: self._groups]
        lrs = tuple([number(group.get("lr", float("nan"))) for group in groups])
        if self.tracer is not None:
            gone = tuple(self.tracer.missing)
            return Look(step, lrs, None, None, loss, self._facts(), gone, self.tracer.ingredients())
        trace = self._together([bank.trace() for bank in self.banks], 1)
        if self._open:
            trace = trace.new_full((len(self.stages), self._open), torch.nan)
            if self._looks >= MOVED_AFTER:
                self.decide()
        sums = [bank.sums() for bank in self.banks]
        for bank, found in zip(self.banks, sums, strict=True):
            bank.weigh(found)
        missing: list[int] = []
        begun = 0
        for bank in self.banks:
            missing += [begun + number for number in bank.missing]
            begun += len(bank.slots)
        return Look(step, lrs, self._together(sums, 0), trace, loss, self._facts(), tuple(missing))

    def decide(self) -> None:
        """Choose the coordinates that moved most so far."""
        if not self._since or not self._open:
            return
        ranked: list[tuple[float, Slot, list[int]]] = []
        for bank, since in zip(self.banks, self._since, strict=True):
            moved = (bank.rows["theta"] + bank.rows["update"].nan_to_num(0.0) - since).abs().float()
            for place in torch.topk(moved, min(self._open, len(moved))).indices.tolist():
                slot = next(slot for slot in bank.slots if place < slot.stop)
                ranked.append((-float(moved[place]), slot, indexed(slot, place)))
        order = {id(slot): number for number, slot in enumerate(self.slots)}
        best = sorted(ranked, key=lambda entry: entry[0])[: self._open]
        self._chosen = sorted(((s, i) for _, s, i in best), key=lambda entry: (order[id(entry[0])], entry[1]))
        self._since, self._open = [], 0
        self._follow()

    def whole(self, stage: str, number: int) -> Tensor:
        """A stage of the last look, in the shape of the `number`-th parameter."""
        part, own = self._at(number)
        if isinstance(part, Tracer):
            raise UsageError("only coordinates are followed here: watch(..., statistics=True) sees whole tensors")
        return part.whole(stage, own)

    def roundings(self) -> list[float]:
        """The largest residual that each parameter has shown, in roundings."""
        return [found for part in self._parts for found in part.roundings()]

    def develop(self, ingredients: Ingredients) -> Tensor:
        """The stages of the followed coordinates (S, K)."""
        assert self.tracer is not None
        return self.tracer.develop(ingredients)

    def untold(self) -> list[str]:
        """Stages that the optimiser's options ask for now and that no row was made for when it was watched."""
        now = explanation(self.optimizer)
        return [] if now is None else [stage for stage in now.stages if stage not in self.stages]

    @property
    def device(self) -> torch.device:
        """Where the numbers of a look lie."""
        return self.banks[0].device if len(self.banks) == 1 else torch.device("cpu")

    def state_dict(self) -> dict[str, Any]:
        """The coordinates, the largest residuals and, until it is known which weights moved most, where they were."""
        undecided = self.banks if self._since else []
        return {
            "parameters": [slot.name for slot in self.slots],
            "stages": list(self.stages),
            "parts": [part.state_dict() for part in self._parts],
            "coordinates": self.coordinates,
            "open": self._open,
            "since": [since.clone() for since in self._since],
            "last": [[bank.rows[name].clone() for name in ("theta", "update")] for bank in undecided],
            "looks": self._looks,
            "groups": self._groups,
            "inside": list(self._inside),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; raises `ValueError` where other parameters or stages are watched."""
        measured = [part.get("measured") for part in state["parts"]]
        if any(measured):
            self.banks = [bank.widened(names) for bank, names in zip(self.banks, measured, strict=True)]
        for what, now in (("parameters", [slot.name for slot in self.slots]), ("stages", list(self.stages))):
            if now != state[what]:
                raise ValueError(f"other {what} are watched: {', '.join(now)}, and not {', '.join(state[what])}")
        for part, kept in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(kept)
        named = {slot.name: slot for slot in self.slots}
        self._chosen = [(named[name], list(index)) for name, index in state["coordinates"]]
        self._open, self._looks, self._groups = state["open"], state["looks"], state["groups"]
        self._inside = tuple(state["inside"])
        self._since = [since.to(bank.device) for since, bank in zip(state["since"], self.banks, strict=False)]
        for bank, rows in zip(self.banks, state["last"], strict=False):
            for name, row in zip(("theta", "update"), rows, strict=True):
                bank.rows[name].copy_(row)
        self._follow()

    def _follow(self) -> None:
        for part in self._parts:
            part.follow([(slot, index) for slot, index in self._chosen if any(slot is own for own in part.slots)])

    def _widen(self) -> None:
        """At the first look: an unexplained optimiser's state is told too, as far as it is shaped like θ."""
        if not self.explained and self.banks and (names := discovered(self.optimizer, self.slots)):
            self.banks = [bank.widened(names) for bank in self.banks]
            self._follow()
        facts = self.explanation.inside if self.explanation is not None else None
        self._inside = tuple(facts(self.optimizer)) if facts is not None else ()

    def _facts(self) -> tuple[float, ...]:
        if not self._inside or self.explanation is None or self.explanation.inside is None:
            return ()
        facts = self.explanation.inside(self.optimizer)
        return tuple(float(facts.get(name, float("nan"))) for name in self._inside)

    @property
    def _parts(self) -> Sequence[Bank | Tracer]:
        return self.banks if self.tracer is None else (self.tracer,)

    def _at(self, number: int) -> tuple[Bank | Tracer, int]:
        for part in self._parts:
            if number < len(part.slots):
                return part, number
            number -= len(part.slots)
        raise IndexError(number)

    @staticmethod
    def _together(parts: list[Tensor], dim: int) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        wide = max((part.dtype for part in parts), key=lambda dtype: torch.finfo(dtype).bits)
        return torch.cat([part.to("cpu", wide) for part in parts], dim)


def _check_alone(explanation: Explanation | None, chosen: Chosen, name: str) -> None:
    """Raise where coordinates cannot be followed without the tensors that they are in."""
    if not chosen:
        raise UsageError(
            "statistics=False follows coordinates alone: name them, such as coordinates='random:64' (those that moved "
            "most are found among whole tensors)"
        )
    if explanation is not None and explanation.shaped:
        raise UsageError(f"{name}'s equations need whole tensors: leave statistics=True")


def number(value: Any) -> float:
    """A hyperparameter; `float` would warn of a tensor that needs a gradient."""
    return value.item() if isinstance(value, Tensor) else float(value)


def hyperparameters(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each group's hyperparameters, as JSON can keep them."""
    kept = []
    for group in groups:
        plain = {key: number(v) if isinstance(v, Tensor) and v.numel() == 1 else v for key, v in group.items()}
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in plain.items() if key != "params"}
        kept.append({key: v for key, v in plain.items() if isinstance(v, bool | int | float | str | list | None)})
    return kept
