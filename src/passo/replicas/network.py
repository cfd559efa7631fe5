"""R models of one architecture as one network: their weights are the rows of a few tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from passo.errors import ConfigError
from passo.models.dropout import Dropout
from passo.models.networks import PooledReLU
from passo.replicas.layers import LAYERS, SHARED, NotFused, Op, Pass, as_rows, conv2d, pooled_late
from passo.training.penalty import kernels

LONG = 4096  # parameters of a model, from which on each has a sheet of its own


class _Node(NamedTuple):
    """One operation, and which node's value it takes; -1 is the input."""

    op: Op
    source: int


class Plan:
    """What a model computes, as operations for R replicas. Raises `NotFused`, naming the layer."""

    def __init__(self, model: nn.Module) -> None:
        self.nodes: list[_Node] = []
        where: dict[fx.Node, tuple[int, str]] = {}  # which node's value, and its form
        graph, found = _traced(model)
        layers = found | _pooled_before(found)
        late = _biased_after(layers)
        for node in graph.nodes:
            if node.op == "placeholder":
                if where:
                    raise NotFused(f"{type(model).__name__} takes more than one input")
                where[node] = (-1, SHARED)
            elif node.op == "output":
                self.last, self.form = where[_input(node)]
            elif node in layers:
                source, form = where[_input(node)]
                op, form = (
                    pooled_late(layers[node], _name(late[node], model))  # type: ignore[arg-type]
                    if node in late
                    else _made(layers[node], found[node], _name(node, model), form, late=node in late.values())
                )
                where[node] = (len(self.nodes), form)
                self.nodes.append(_Node(op, source))
            else:
                raise NotFused(_outside(node, model))

    def __call__(self, x: Tensor, weights: Mapping[str, Tensor], at: Pass) -> Tensor:
        values: list[Tensor] = []
        for op, source in self.nodes:
            values.append(op(x if source < 0 else values[source], weights, at))
        return as_rows(values[self.last] if self.last >= 0 else x, self.form, at)


def _outside(node: fx.Node, model: nn.Module) -> str:
    """Which layer computes something that is not one of `LAYERS`: the innermost one that has a name."""
    inside = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values() if path]
    if not inside:
        return f"{type(model).__name__} computes {node.target} outside of its layers"
    return f"layer {inside[-1]} is a {type(model.get_submodule(inside[-1])).__name__}, which is not fused"


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or super().is_leaf_module(m, module_qualified_name)


def _traced(model: nn.Module) -> tuple[fx.Graph, dict[fx.Node, nn.Module]]:
    """The graph of a model, and the layer of each node that calls one."""
    whole = nn.Sequential(model) if type(model) in LAYERS else model  # a single layer has no graph of its own
    try:
        graph = _Tracer().trace(whole)
    except Exception as error:  # whatever a model does that no graph has
        raise NotFused(f"{type(model).__name__} cannot be traced: {str(error).splitlines()[0][:200]}") from error
    return graph, {node: whole.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"}


def _name(node: fx.Node, model: nn.Module) -> str:
    return "" if type(model) in LAYERS else f"{node.target}."


def _input(node: fx.Node) -> fx.Node:
    """A node's only input."""
    given = node.all_input_nodes
    if len(given) != 1:
        raise NotFused(f"{node.target} has {len(given)} inputs")
    return given[0]


def _made(layer: nn.Module, told: nn.Module, name: str, form: str, *, late: bool) -> tuple[Op, str]:
    if type(layer) not in LAYERS:
        raise NotFused(f"layer {name.rstrip('.')} is a {type(told).__name__}, which is not fused")
    try:
        return conv2d(layer, name, form, late=True) if late else LAYERS[type(layer)](layer, name, form)  # type: ignore[arg-type]
    except NotFused as error:
        raise NotFused(f"layer {name.rstrip('.')} ({type(told).__name__}) has {error}, which is not fused") from None


def _pooled_before(layers: Mapping[fx.Node, nn.Module]) -> dict[fx.Node, nn.Module]:
    """ReLU, then max-pooling, in the other order: the same values for a quarter of the work."""
    found: dict[fx.Node, nn.Module] = {}
    for node, layer in layers.items():
        after = next(iter(node.users))
        pool = layers.get(after)
        if type(layer) is nn.ReLU and len(node.users) == 1 and type(pool) is nn.MaxPool2d:
            found[node], found[after] = pool, layer
    return found


def _biased_after(layers: Mapping[fx.Node, nn.Module]) -> dict[fx.Node, fx.Node]:
    """The max-poolings that add the bias of the convolution before them: node → the convolution's."""
    found: dict[fx.Node, fx.Node] = {}
    for node, layer in layers.items():
        after = next(iter(node.users))
        if type(layer) is nn.Conv2d and len(node.users) == 1 and type(layers.get(after)) in (nn.MaxPool2d, PooledReLU):
            found[after] = node
    return found


class Sheet(NamedTuple):
    """Parameters of all replicas: `values` (R, n), cut along n into those named; `kernel` says of what sort they are.

    A model of few parameters has two sheets, one of matrices and convolutions and one of all else, so that few
    operations update it. One of many has a sheet for each parameter, so that a layer's weights need not be copied.
    """

    values: Tensor
    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    kernel: bool

    def views(self, values: Tensor | None = None) -> dict[str, Tensor]:
        """Each parameter by name, (R, *shape); of `values`, or of others of the same form, such as their gradient."""
        values = self.values if values is None else values
        cut = values.split_with_sizes([shape.numel() for shape in self.shapes], 1) if len(self.names) > 1 else [values]
        return {name: part.unflatten(1, shape) for name, part, shape in zip(self.names, cut, self.shapes, strict=True)}


class Fused:
    """R models of one architecture, trained as one.

    `seeds` are those whose batches are shared, in order: replica r belongs to `seeds[r // (R / S)]`.
    """

    def __init__(self, models: Sequence[nn.Module], seeds: Sequence[int]) -> None:
        first = models[0]
        if any(architecture(model) != architecture(first) for model in models):
            raise ConfigError("replicas have one architecture, and these models have several")
        self.plan = Plan(first)
        self.replicas, self.seeds = len(models), tuple(seeds)
        self.sheets = _sheets(models)
        self.size = sum(sheet.values.shape[1] for sheet in self.sheets)  # P
        named = [dict(model.named_buffers()) for model in models]
        self.buffers = {name: torch.stack([one[name] for one in named]) for name in named[0]}
        like = self.sheets[0].values
        self.rates = {
            name: like.new_tensor([model.get_submodule(name).p for model in models])  # type: ignore[misc]
            for name, layer in first.named_modules()
            if isinstance(layer, Dropout)
        }

    def views(self) -> dict[str, Tensor]:
        """Each parameter by name: (R, *shape)."""
        return {name: part for sheet in self.sheets for name, part in sheet.views().items()}

    def gradients(self) -> dict[str, Tensor]:
        """Their gradients, of those that have one: (R, *shape)."""
        there = [(sheet, sheet.values.grad) for sheet in self.sheets]
        return {name: part for sheet, grad in there if grad is not None for name, part in sheet.views(grad).items()}

    def __call__(self, x: Tensor, *, training: bool = True, step: int = 0, part: int = 0) -> Tensor:
        """x: (S, B, …), or (1, B, …) where all seeds see the same → (R, B, …)."""
        seeds = self.seeds if len(x) == len(self.seeds) else self.seeds[:1]
        at = Pass(self.replicas, seeds, training, step, part, self.rates, self.buffers)
        if training:
            for name, buffer in self.buffers.items():
                if name.endswith("num_batches_tracked"):
                    buffer += 1
        return self.plan(x, self.views(), at)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these replicas alone: all of some seeds, in order, and equally many of each."""
        each, at = self.replicas // len(self.seeds), list(rows)
        self.seeds = tuple(dict.fromkeys(self.seeds[row // each] for row in rows))
        self.replicas = len(at)
        self.sheets = [sheet._replace(values=sheet.values.detach()[at].requires_grad_()) for sheet in self.sheets]
        self.buffers = {name: values[at] for name, values in self.buffers.items()}
        self.rates = {name: values[at] for name, values in self.rates.items()}

    @torch.no_grad()
    def put_one(self, row: int, model: nn.Module) -> None:
        """Write a replica's weights and buffers into a model."""
        views = self.views()
        for name, parameter in model.named_parameters():
            parameter.copy_(views[name][row])
        for name, buffer in model.named_buffers():
            buffer.copy_(self.buffers[name][row])


def architecture(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    """What models must have in common to be fused: their layers, in order, but for how much dropout drops.

    >>> architecture(nn.Sequential(nn.Linear(2, 1)))[1]
    ('0', 'Linear', 'in_features=2, out_features=1, bias=True', '(1, 2) (1,)')
    """

    def told(layer: nn.Module) -> str:
        return f"layer={layer.layer}" if isinstance(layer, Dropout) else layer.extra_repr()

    def shapes(layer: nn.Module) -> str:
        return " ".join(str(tuple(parameter.shape)) for parameter in layer.parameters(recurse=False))

    return tuple((name, type(one).__name__, told(one), shapes(one)) for name, one in model.named_modules())


def _sheets(models: Sequence[nn.Module]) -> list[Sheet]:
    named = [dict(model.named_parameters()) for model in models]
    weighty = set(kernels(models[0]))
    names = sorted(named[0], key=lambda name: name not in weighty)  # a stable sort: matrices and convolutions first
    if sum(parameter.numel() for parameter in named[0].values()) < LONG:
        groups = [[name for name in names if (name in weighty) == kernel] for kernel in (True, False)]
    else:
        groups = [[name] for name in names]
    return [_sheet(named, group, group[0] in weighty) for group in groups if group]


def _sheet(named: Sequence[Mapping[str, nn.Parameter]], names: list[str], kernel: bool) -> Sheet:
    rows = [torch.cat([one[name].detach().flatten() for name in names]) for one in named]
    shapes = tuple(named[0][name].shape for name in names)
    return Sheet(torch.stack(rows).requires_grad_(), tuple(names), shapes, kernel)
