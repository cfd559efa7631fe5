"""The configuration of one training: frozen, checked at birth, readable from TOML and `key=value`."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from passo.data.perturbations import check_perturbations
from passo.errors import ConfigError
from passo.models.catalogue import check_model
from passo.optim import check_optimizer, check_schedule, describe
from passo.training.complaints import brief, sentence
from passo.training.recordings import RecordConfig


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Strict):
    """Which data, how much of them, and how they are scaled and changed: see `passo.load`.

    `seed` decides what is drawn. With `in_memory` off, a folder of images stays on the disk. `augment` changes every
    training batch anew, by up to these strengths; `perturb` changes the test part once.
    """

    name: str = "fashion-mnist"
    folder: str | None = None
    classes: Annotated[int, Field(ge=2)] | list[str | int] | None = None
    per_class: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    imbalance: float | list[float] | None = None
    rare: list[str | int] | None = None
    perturb: dict[str, float] | None = None
    perturbed: Literal["test", "all"] = "test"
    augment: dict[str, float] | None = None
    size: int | list[int] | None = None
    colour: bool | None = None
    in_memory: bool = True
    target: str | None = None
    task: Literal["classify", "regress"] | None = None
    validation: float | int | None = 0.1
    scale: Literal["standardize", "normalize", "symmetric", "none"] = "standardize"
    seed: int = 0
    allow_sample: bool = False

    @model_validator(mode="after")
    def _known_changes(self) -> DataConfig:
        check_perturbations(self.perturb)
        check_perturbations(self.augment)
        return self


class _Named(BaseModel):
    """A name and the options of what it names."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class ModelConfig(_Named):
    """A model's name and options; a name in parentheses stands for a model that the caller built."""

    @model_validator(mode="after")
    def _known(self) -> ModelConfig:
        if not self.name.startswith("("):
            check_model(self.name, self.options)
        return self


class OptimizerConfig(_Named):
    """An optimizer's name and options, checked against the class's own signature."""

    @model_validator(mode="before")
    @classmethod
    def _resolve_lr(cls, values: Any) -> Any:
        """Write down the learning rate that the class would take by itself."""
        if not isinstance(values, Mapping) or "name" not in values:
            return values
        described = describe(values["name"])
        values = {**values, "name": described.name}  # one spelling, so that equal configurations have equal names
        if "lr" not in values:
            lr = {argument.name: argument.default for argument in described.arguments}.get("lr")
            return {"lr": float(lr), **values} if lr is not None else values
        return values

    @model_validator(mode="after")
    def _known(self) -> OptimizerConfig:
        check_optimizer(self.name, self.options)
        return self


class ScheduleConfig(_Named):
    """A schedule's name and options."""


class TaskConfig(BaseModel):
    """What is learned, and the task's own options; without a name, what model and data are made for."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class StoppingConfig(_Strict):
    """Early stopping: after `patience` epochs without a gain of more than `min_delta` in `monitor`.

    `monitor` is validation/loss, or another metric that the end of an epoch knows (validation/accuracy,
    epoch/train_loss, …); "auto" looks for its maximum where it is one that should rise. The best weights are put back
    at the end, and tested, unless `restore_best` is off. The first `start_from_epoch` epochs are not counted.
    """

    patience: int = Field(default=5, ge=1)
    min_delta: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    monitor: str = "validation/loss"
    mode: Literal["auto", "min", "max"] = "auto"
    restore_best: bool = True
    start_from_epoch: int = Field(default=0, ge=0)


class TrainConfig(_Strict):
    """One training, whole.

    `class_weights` lets each image count by 1 / (images of its class), as the loss sees it; `sampling="balanced"` draws
    them so. `label_smoothing` s trains on labels of 1 − s for the class and s / C for each; evaluations take the labels
    as they are. `l1` and `l2` add λ₁ Σ|w| + λ₂ Σ w² over matrices and convolutions to the trained loss
    (`training.penalty` says how that differs from `optimizer.weight_decay`, and from Ftrl's own `optimizer.l1`).
    `accumulate` mini-batches make one step. `precision` is that of the forward pass. `devices` share each mini-batch
    (`training.distributed`). A loss that is not finite stops
    the run, or (`nonfinite="skip"`) costs the step. `num_workers` processes read images that stay on the disk
    (`dataset.in_memory=false`); results do not depend on their number.
    """

    dataset: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig(name="lenet")
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-3)  # type: ignore[call-arg]
    schedule: ScheduleConfig | None = None
    task: TaskConfig = TaskConfig()
    early_stopping: StoppingConfig | None = None
    epochs: int = Field(default=5, ge=1)
    batch_size: int | Literal["all"] = 64
    sampling: Literal["shuffle", "balanced", "sequential"] = "shuffle"
    class_weights: bool = False
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    decay_biases: bool = True
    average: float | None = Field(default=None, gt=0, lt=1)
    clip_norm: float | None = Field(default=None, gt=0)
    clip_value: float | None = Field(default=None, gt=0)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    nonfinite: Literal["stop", "skip"] = "stop"
    l1: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    l2: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    devices: int = Field(default=1, ge=1)
    num_workers: int = Field(default=0, ge=0)
    device: str = "auto"
    record: RecordConfig = RecordConfig()

    @model_validator(mode="after")
    def _batch_size_counts(self) -> TrainConfig:
        if isinstance(self.batch_size, int) and self.batch_size < 1:
            raise ValueError(f"batch_size must be ≥ 1, got {self.batch_size}")
        if self.schedule is not None:
            check_schedule(self.schedule.name, self.schedule.options)
        return self

    @model_validator(mode="after")
    def _steps_can_be_skipped(self) -> TrainConfig:
        """A scaler cannot unscale, and nobody leave out, what LBFGS evaluates inside a step."""
        for name, value in (("precision", "fp16"), ("nonfinite", "skip")):
            if self.optimizer.name == "lbfgs" and getattr(self, name) == value:
                raise ValueError(
                    f"{name}={value} skips single steps, and lbfgs evaluates the loss several times in each"
                )
        return self


_SECTIONS = {"dataset", "model", "optimizer", "schedule", "task"}


def train_config(values: Mapping[str, Any]) -> TrainConfig:
    """A `TrainConfig` from a mapping; a section may be its name alone, and `lr` stands for `optimizer.lr`.

    Raises `ConfigError` (one sentence, with the key) for anything that is wrong.

    >>> train_config({"dataset": "mnist", "optimizer": "sgd", "lr": 0.1, "epochs": 1}).optimizer.options
    {'lr': 0.1}
    """
    given = {key: {"name": v} if key in _SECTIONS and isinstance(v, str) else v for key, v in values.items()}
    if "lr" in given and isinstance(given.get("optimizer"), Mapping | None):
        given["optimizer"] = {**(given.get("optimizer") or {}), "lr": given.pop("lr")}
    for section, usual in (("model", "lenet"), ("optimizer", "adam")):  # options alone are of the usual one
        if given.get(section) is not None and not isinstance(given[section], Mapping | BaseModel):
            raise ConfigError(brief(f"{section} must be a name or a table of options, got {given[section]!r}"))
        if isinstance(given.get(section), Mapping):
            given[section] = {"name": usual, **given[section]}
    try:
        return TrainConfig.model_validate(given)
    except ValidationError as error:
        raise ConfigError(sentence(error, TrainConfig)) from error


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as a nested mapping; keys nest with dots, values are read as Python or TOML literals.

    >>> parse_settings(["optimizer=adam", "optimizer.betas=[0.9, 0.99]", "epochs=3"])
    {'optimizer': {'name': 'adam', 'betas': [0.9, 0.99]}, 'epochs': 3}
    """
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            hint = " (a TOML file stands before the settings)" if word.endswith(".toml") else ""
            if word.endswith(".csv"):
                hint = f" (dataset={word})"
            elif word in TrainConfig.model_fields:
                hint = f" (as in {word}=…, without spaces)"
            raise ConfigError(brief(f"expected key=value, got {word!r}{hint}"))
        merge(settings, key.split("."), literal(text))
    return settings


def merge(settings: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a nested key; a section given as its name alone becomes a mapping with that name."""
    here = settings
    for part in path[:-1]:
        inside = here.get(part)
        if not isinstance(inside, dict):
            inside = {} if inside is None else {"name": inside}
        here[part] = inside = dict(inside)
        here = inside
    last = path[-1]
    if isinstance(here.get(last), dict) and isinstance(value, str):
        here[last] = {**here[last], "name": value}
    else:
        here[last] = value


def literal(text: str) -> Any:
    """A number, list, mapping, true/false/none or quoted text; anything else is text as it stands."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of "\\d" and the like, in words that are no Python
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
