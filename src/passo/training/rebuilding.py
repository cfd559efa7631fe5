"""A trained network from what was kept of it: a description and its numbers, nothing that can run.

A model that passo knows is rebuilt by its name, and held to the shapes of its numbers before anything is allocated. A
model of somebody's own is code, which no file brings along: who rebuilds it hands it over again.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import Tensor, nn

from passo.data import Scaling
from passo.errors import CheckpointError, ConfigError, StoreError
from passo.models import MADE_FOR, MODELS, build, model_options, own_file
from passo.training.machine import weights_sha256

if TYPE_CHECKING:
    from passo.store import StoredRun

KEPT = "weights/"
LARGEST = 2**31  # numbers in one input


class Description(BaseModel):
    """What rebuilds a trained model and feeds it.

    `name` is one of passo's, or FILE.py:FUNCTION, or (Class) for a module that the caller built; `options` are all of
    them, the usual ones too, so that another usual value later changes nothing. `in_shape` is (C, H, W) or (F,),
    `outputs` how many numbers come out. `classes`, `scaling` and, of tables, `columns` and `target` are the training
    data's; where passo was not told, they are empty. `file_sha256` is that of the user's own FILE.py, `weights_sha256`
    the run's own. `trained` says where it is from.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    name: str
    options: dict[str, Any] = {}
    in_shape: tuple[PositiveInt, ...] | None = None
    outputs: PositiveInt | None = None
    task: str = "classify"
    classes: tuple[str, ...] = ()
    scaling: Scaling | None = None
    columns: tuple[str, ...] = ()
    target: str | None = None
    file_sha256: str | None = None
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    trained: dict[str, Any] = {}

    @model_validator(mode="after")
    def _fits(self) -> Description:
        """One number, or one for each channel or column; one class for each output."""
        if self.in_shape is not None and math.prod(self.in_shape) > LARGEST:
            raise ValueError(f"in_shape must have at most {LARGEST:,} numbers, got {list(self.in_shape)}")
        if self.task == "classify" and self.classes and len(self.classes) != self.outputs:
            raise ValueError(f"outputs must be {len(self.classes)}, one for each class, got {self.outputs}")
        if self.columns and self.in_shape != (len(self.columns),):
            raise ValueError(f"columns must be as many as in_shape says, got {len(self.columns)}")
        if (way := self.scaling) is not None:
            for name, values in (("divisor", way.divisor), ("mean", way.mean), ("sd", way.sd)):
                each = values if isinstance(values, tuple) else (values,)
                if len(each) not in (1, (self.in_shape or (1,))[0]) or not all(map(math.isfinite, each)):
                    raise ValueError(f"scaling.{name} must be finite, one number or one for each channel or column")
                if name != "mean" and 0 in each:
                    raise ValueError(f"scaling.{name} must not be 0")
        return self


def describe(run: StoredRun) -> Description:
    """What a run says of the model that it trained; raises `StoreError` where it trained none to its end."""
    if "model" not in run.config or "weights_sha256" not in run.info:
        raise StoreError(f"run {run.id} kept no trained model: it is of kind {run.kind}, and {run.status}")
    name, data = run.config["model"]["name"], run.info.get("data", {})
    options = {key: value for key, value in run.config["model"].items() if key != "name"}
    if name in MODELS:
        options = {**model_options(name), **options}
    shape, classes = data.get("in_shape"), data.get("classes", [])
    outputs = None if shape is None else len(classes) or 1
    if shape is None and not name.startswith("("):
        shape, outputs = (1, 28, 28), 10  # what passo builds for batches of the caller's own
    asked = (run.config.get("task") or {}).get("name")
    usual = MADE_FOR.get(name) or data.get("task") or ("regress" if data.get("classes") == [] else "classify")
    values = {
        "name": name,
        "options": options,
        "in_shape": shape,
        "outputs": outputs,
        "task": asked or usual,
        "classes": classes,
        "scaling": data.get("scaling"),
        "columns": data.get("columns", []),
        "target": data.get("target"),
        "file_sha256": run.info.get("model_sha256"),
        "weights_sha256": run.info["weights_sha256"],
        "trained": _trained(run, data),
    }
    return Description.model_validate_json(json.dumps(values))


def _trained(run: StoredRun, data: Mapping[str, Any]) -> dict[str, Any]:
    """Run, data and seed, a digest of the whole configuration, and how the test went."""
    text = json.dumps(run.config, sort_keys=True)
    facts = {
        "run": run.id,
        "dataset": data.get("name"),
        "seed": run.seed,
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "torch": run.info.get("environment", {}).get("torch"),
    }
    tests = {name: run.metric(name).last for name in run.metrics() if name.startswith("test/")}
    return {**facts, **{name: value for name, value in tests.items() if math.isfinite(value)}}


def run_weights(run: StoredRun) -> dict[str, Tensor]:
    """The weights and buffers at a run's end, by name; raises `StoreError` where it kept none."""
    names = [name for name in run.arrays() if name.startswith(KEPT)]
    if not names:
        raise StoreError(f"run {run.id} kept no weights, it is {run.status}: a training writes them at its end")
    return {name.removeprefix(KEPT): _whole(run, name) for name in names}


def _whole(run: StoredRun, name: str) -> Tensor:
    """One array as a tensor; a single number was kept with an axis, because chunks have one."""
    return torch.from_numpy(run.array(name)).reshape(run.meta(name)["shape"])


def rebuilt(description: Description, weights: Mapping[str, Tensor], model: nn.Module | str | None = None) -> nn.Module:
    """The network with these weights, in evaluation mode.

    `model` is needed for one of somebody's own: the module, or FILE.py:FUNCTION, *as the caller says it* (a file named
    there is run). A module is not changed: its copy is filled.

    Raises `ConfigError` where it cannot be built, `CheckpointError` where the weights are not the model's or not those
    of the recorded hash.
    """
    made = copy.deepcopy(model) if isinstance(model, nn.Module) else _built(description, weights, model)
    _held_to(made.state_dict(), weights, description.name)
    made.load_state_dict(dict(weights))
    if weights_sha256(made) != description.weights_sha256:
        raise CheckpointError(
            f"the weights of {description.name} are damaged or others: their SHA-256 is not the recorded one, "
            f"{description.weights_sha256[:12]}…"
        )
    return made.eval()


def _built(description: Description, weights: Mapping[str, Tensor], own: str | None) -> nn.Module:
    name, shape, outputs = description.name, description.in_shape, description.outputs
    if own is not None:
        name = _own(description, own)
    elif name not in MODELS:
        kind = "a file" if own_file.is_own(name) else "a module"
        raise ConfigError(
            f"model {name} is {kind} of somebody's own, and passo runs no code because a file names it: hand it over "
            "again if you trust it, --own FILE.py:FUNCTION (in Python model=…, a module too)"
        )
    if shape is None or outputs is None:
        raise ConfigError(f"model {name} was trained on the caller's own batches: hand the module over, model=…")
    if own is None:
        if any(isinstance(n, int) and n > len(weights) for n in [description.options.get("layers", 0)]):
            raise CheckpointError(f"model {name} is said to have more layers than there are weights")
        with torch.device("meta"):  # shapes alone: a file may say any size
            _held_to(build(name, shape, outputs, **description.options).state_dict(), weights, name)
    return build(name, shape, outputs, seed=0, **description.options)


def _own(description: Description, name: str) -> str:
    """Allow a model's file, which the caller named; say so where it is not the one that was trained."""
    if own_file.is_own(name):
        own_file.allow(name)
        if description.file_sha256 not in (None, own_file.sha256(name)):
            warnings.warn(
                f"{own_file.split(name)[0]} is not as it was when this model was trained: its answers may differ",
                stacklevel=4,
            )
    return name


def _held_to(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], name: str) -> None:
    """Raise `CheckpointError` unless both have the same names and shapes."""
    if other := sorted(set(own) ^ set(weights)):
        raise CheckpointError(
            f"these are not the weights of model {name}: {', '.join(other[:4])} is only in one of them"
        )
    for key, tensor in own.items():
        if tensor.shape != weights[key].shape:
            raise CheckpointError(
                f"these are not the weights of model {name}: {key} has shape {tuple(weights[key].shape)}, and the "
                f"model's is {tuple(tensor.shape)}"
            )
