"""Every optimizer by name, torch's and passo's own, with its arguments checked against its own signature.

Torch's classes are found by looking into torch.optim, so a torch that has more of them offers more of them here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from passo.errors import ConfigError, TrainingError
from passo.optim import keras
from passo.optim.arguments import (
    arguments_of,
    check_names,
    check_value,
    number,
    plain,
    positive,
    resolve,
    retold,
)
from passo.optim.ranges import check_ranges, of_optimizer
from passo.optim.split import MuonAdamW

OF_TORCH: dict[str, type[Optimizer]] = {
    name.lower(): member
    for name, member in vars(torch.optim).items()
    if inspect.isclass(member) and issubclass(member, Optimizer) and member is not Optimizer
}
OF_PASSO: dict[str, type[Optimizer]] = {
    "ftrl": keras.Ftrl,
    "keras-adadelta": keras.Adadelta,
    "keras-adagrad": keras.Adagrad,
    "keras-adam": keras.Adam,
    "keras-adamax": keras.Adamax,
    "keras-nadam": keras.Nadam,
    "keras-rmsprop": keras.RMSprop,
    "keras-sgd": keras.SGD,
}
if "muon" in OF_TORCH:  # torch 2.9 and newer
    OF_PASSO["muon-adamw"] = MuonAdamW
CLASSES = {**OF_TORCH, **OF_PASSO}
NAMES = {plain(name): name for name in CLASSES} | {"kerasftrl": "ftrl"}

ABOUT = {
    "adadelta": "steps scaled by two running averages: of squared updates over squared gradients",
    "adafactor": "Adam's second moment kept as one row and one column per matrix, for little memory",
    "adagrad": "each gradient divided by the root of the sum of all its squares so far",
    "adam": "a running average of gradients divided by the root of a running average of their squares",
    "adamax": "Adam with the largest recent gradient in place of the root of the second moment",
    "adamw": "Adam with weight decay applied to the weights themselves, not through the gradient",
    "asgd": "plain steps, with an average of the weights kept beside them",
    "ftrl": "follow the regularised leader, as in Keras: weights anew from sums of all gradients; for linear models",
    "keras-adadelta": "Adadelta with Keras' defaults: a learning rate of 0.001, not 1",
    "keras-adagrad": "Adagrad as Keras defines it: the sum of squares starts at 0.1",
    "keras-adam": "Adam as Keras defines it: epsilon is added before the bias correction",
    "keras-adamax": "Adamax as Keras defines it: epsilon is added to the maximum, not inside it",
    "keras-nadam": "Nadam as Keras defines it: the momentum warms up 250 times faster",
    "keras-rmsprop": "RMSprop as Keras defines it: epsilon inside the root, the learning rate inside the momentum",
    "keras-sgd": "SGD as Keras defines it: the learning rate inside the momentum",
    "lbfgs": "a quasi-Newton method over the full batch; each step calls a closure several times",
    "muon": "momentum made orthogonal by Newton-Schulz iterations; for matrices only",
    "muon-adamw": "Muon for the matrices, AdamW for biases, norms and convolutions",
    "nadam": "Adam with Nesterov's look-ahead",
    "radam": "Adam that trusts its second moment only once enough gradients have been seen",
    "rmsprop": "each gradient divided by the root of a running average of its square",
    "rprop": "steps that grow while a gradient keeps its sign and shrink when it turns; for full batches",
    "sgd": "a step against the gradient, with momentum, Nesterov's look-ahead or neither",
    "sparseadam": "Adam that touches only the rows with a gradient; for sparse gradients only",
}
# Checked here because LBFGS itself complains only in the middle of a training, and Muon without naming them.
CHOICES = {
    ("lbfgs", "line_search_fn"): (None, "strong_wolfe"),
    ("muon", "adjust_lr_fn"): (None, "original", "match_rms_adamw"),
}


@dataclass(frozen=True)
class Argument:
    """An argument and its default; `required` where the class gives none."""

    name: str
    default: Any
    required: bool = False


@dataclass(frozen=True)
class Description:
    """What is known about an optimizer before it is built: `path` is where its class lives."""

    name: str
    path: str
    about: str
    arguments: tuple[Argument, ...]


def optimizers() -> list[str]:
    """The names of all optimizers, sorted."""
    return sorted(CLASSES)


def describe(name: str) -> Description:
    """The class, the arguments with their defaults, and one line about an optimizer.

    >>> describe("Adam").arguments[0]
    Argument(name='lr', default=0.001, required=False)
    """
    name = resolve("optimizer", name, NAMES)
    cls = CLASSES[name]
    words = (inspect.getdoc(cls) or name).strip().splitlines()[0]
    arguments = tuple(
        Argument(parameter.name, None, True)
        if parameter.default is parameter.empty
        else Argument(parameter.name, parameter.default)
        for parameter in arguments_of(cls, hidden=["params"]).values()
    )
    place = "torch.optim" if name in OF_TORCH else cls.__module__
    return Description(name, f"{place}.{cls.__name__}", ABOUT.get(name, words), arguments)


def check_optimizer(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the class wants them, checked without the parameters of a model.

    >>> check_optimizer("adam", {"betas": [0.8, 0.99]})
    {'betas': (0.8, 0.99)}

    Raises UnknownName for the name and ConfigError, in one sentence, for an option.
    """
    name = resolve("optimizer", name, NAMES)
    checked = _checked(name, options)
    _build(name, [nn.Parameter(torch.zeros(1, 1))], checked)  # one 1 × 1 matrix, which every class accepts
    return checked


def make_optimizer(name: str, params: Iterable[Any], **options: Any) -> Optimizer:
    """An optimizer by name, over parameters or over groups of them.

    Args:
        name: as in `optimizers()`; case, hyphens and underscores do not matter.
        params: tensors, pairs of name and tensor, or dicts with "params" and options of their own.
        options: the arguments of the class; lists become tuples where the class wants tuples.

    Raises UnknownName and ConfigError, in one sentence. SparseAdam can judge gradients only once they exist:
    it gets a hook that raises TrainingError at the first step that meets a dense one.
    """
    name = resolve("optimizer", name, NAMES)
    checked = _checked(name, options)
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        told = type(params).__name__
        raise ConfigError(f"{name}: params must be parameters, such as model.parameters(), got one {told}")
    groups = [_checked_group(name, entry) if isinstance(entry, dict) else entry for entry in params]
    if name == "muon":
        _only_matrices(groups)
    optimizer = _build(name, groups, checked)
    if name == "sparseadam":
        optimizer.register_step_pre_hook(_only_sparse_gradients)
    return optimizer


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether `step` must be given a function that computes the loss and its gradients (LBFGS)."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters in two groups: decay on matrices and convolutions, none on biases and norms.

    A parameter without decay has one axis (or none), or belongs to a normalising layer. An empty group is
    left out.

    >>> [len(group["params"]) for group in parameter_groups(nn.Linear(3, 2), 0.01)]
    [1, 1]
    """
    if number("weight_decay", weight_decay) < 0:
        raise ConfigError(f"weight_decay must be >= 0, got {weight_decay}")
    norms = {
        id(parameter)
        for module in model.modules()
        if "Norm" in type(module).__name__
        for parameter in module.parameters(recurse=False)
    }
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [p for p in trained if p.ndim > 1 and id(p) not in norms]
    bare = [p for p in trained if p.ndim <= 1 or id(p) in norms]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": bare, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ConfigError("the model has no trainable parameter: set requires_grad on those to be trained")
    return groups


def _checked(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    allowed = arguments_of(CLASSES[name], hidden=["params"])
    check_names(name, options, allowed)
    checked = {option: check_value(name, allowed[option], value) for option, value in options.items()}
    if "lr" in checked:
        positive("lr", checked["lr"])
    for option, value in checked.items():
        choices = CHOICES.get((name, option))
        if choices is not None and value not in choices:
            known = ", ".join(repr(choice) for choice in choices if choice is not None)
            raise ConfigError(f"{name}: {option} must be {known} or left out, got {value!r}")
    check_ranges(name, checked, of_optimizer(name))
    if name == "sgd" and checked.get("nesterov"):
        momentum, dampening = checked.get("momentum", 0), checked.get("dampening", 0)
        if momentum <= 0 or dampening != 0:
            raise ConfigError(
                "sgd: nesterov looks ahead along the momentum: it needs momentum > 0 and dampening 0, "
                f"got momentum {momentum} and dampening {dampening}"
            )
    return checked


def _checked_group(name: str, group: Mapping[str, Any]) -> dict[str, Any]:
    """One group; torch itself would carry a misspelt option along in silence."""
    own = {"params", "param_names"}
    kept = {key: value for key, value in group.items() if key in own}
    if "params" not in kept:
        raise ConfigError(f"{name}: a parameter group needs 'params', got {', '.join(map(str, group))}")
    tensors = kept["params"]
    kept["params"] = [tensors] if isinstance(tensors, Tensor) else list(tensors)  # generators run only once
    return kept | _checked(name, {key: value for key, value in group.items() if key not in own})


def _build(name: str, params: list[Any], options: Mapping[str, Any]) -> Optimizer:
    try:
        return CLASSES[name](params, **options)  # pyright: ignore[reportCallIssue]
    except (ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise retold(name, error) from error


def _only_matrices(groups: list[Any]) -> None:
    """Torch refuses too, but says neither which parameter it was nor where it should go instead."""
    flat = [item for entry in groups for item in (entry["params"] if isinstance(entry, dict) else [entry])]
    for index, item in enumerate(flat):
        label, tensor = item if isinstance(item, tuple) else (f"number {index}", item)
        if isinstance(tensor, Tensor) and tensor.ndim != 2:
            raise ConfigError(
                f"muon takes matrices only (2 axes), and parameter {label} has shape {tuple(tensor.shape)}: "
                "use muon-adamw, which gives the matrices to Muon and the other parameters to AdamW"
            )


def _only_sparse_gradients(optimizer: Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and not parameter.grad.is_sparse:
                raise TrainingError(
                    "sparseadam takes sparse gradients only, and a parameter of shape "
                    f"{tuple(parameter.shape)} has a dense one: use nn.Embedding(..., sparse=True) for it, "
                    "or adam for the whole model"
                )
