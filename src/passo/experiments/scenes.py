"""What a landscape is made of: a path, the model, its loss and fixed images; and the loss at any weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from passo.data import Data
from passo.errors import StoreError, UsageError
from passo.experiments.assembling import check_predicts, load_data, task_of
from passo.experiments.single import Trained
from passo.models import build
from passo.recording.path import Layout, WeightPath
from passo.seeding import generator
from passo.store import StoredRun
from passo.training import choose_device, train_config
from passo.training.evaluate import evaluating

CHUNK = 250  # images at a time: as fast as all at once, and the activations of a CNN stay small

BatchNorm = Literal["running", "batch"]
Place = tuple[Tensor, Tensor]
"""Weights (D,) and buffers (B,), laid out as in the path."""


class Scene(NamedTuple):
    """A path, and all that a loss takes: the model, the loss function, the chosen images x and labels y."""

    path: WeightPath
    model: nn.Module
    loss_fn: Any
    x: Tensor
    y: Tensor
    info: dict[str, Any]


def set_scene(
    source: StoredRun | Trained | WeightPath, model: nn.Module | None, loss_fn: Any, data: Any, images: int, seed: int
) -> Scene:
    """Put together what `source` needs; what is given goes before what the run's configuration names."""
    run = source.run if isinstance(source, Trained) else source
    if isinstance(run, StoredRun):
        path, info = WeightPath.of(run), {"source": _source(run)}
        model, loss_fn, data = _rebuilt(run, model, loss_fn, data)
    elif isinstance(run, WeightPath):
        path, info = run, {}
    else:
        raise UsageError(f"landscape(run): expected a run of passo or a recorded path, got {type(source).__name__}")
    missing = [n for n, v in (("model", model), ("loss_fn", loss_fn), ("data", data)) if v is None]
    if missing or model is None:
        raise UsageError(
            f"a path alone has no loss: landscape(path, …) needs {', '.join(f'{n}=…' for n in missing)} too"
        )
    _check_fit(model, path)
    x, y, told = _chosen(data, images, seed)
    device = next(model.parameters()).device
    return Scene(path, model, loss_fn, x.to(device), y.to(device), {**info, **told, "loss": _named(loss_fn)})


def _named(loss_fn: Any) -> str:
    """A loss by the name that PyTorch has for it; passo's own are kinds of those."""
    kinds = type(loss_fn).__mro__
    return next(
        (kind.__name__ for kind in kinds if kind.__module__.startswith("torch.nn.modules.loss")), kinds[0].__name__
    )


def losses(scene: Scene, places: Iterable[Place], batch_norm: BatchNorm = "running") -> Iterator[float]:
    """The mean loss over the chosen images at each place, in evaluation mode; the model itself stays as it is.

    With `batch_norm="batch"`, BatchNorm normalises by the statistics of all the images at once. One place after the
    other: `vmap` over the weights takes as long for `mlp` and 1.7 times as long for `lenet` (torch 2.13, one core).
    """
    weights = {name: torch.empty_like(_parameter(scene.model, name)) for name, _ in scene.path.parameters}
    buffers = {name: buffer.clone() for name, buffer in scene.model.named_buffers()}
    chunk = len(scene.y) if batch_norm == "batch" else CHUNK
    batches = list(zip(scene.x.split(chunk), scene.y.split(chunk), strict=True))
    with evaluating(scene.model):
        for module in scene.model.modules() if batch_norm == "batch" else ():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.train()
        for place in places:
            _fill(weights, scene.path.parameters, place[0])
            _fill(buffers, scene.path.buffer_layout, place[1])
            total = 0.0
            for x, y in batches:
                output = functional_call(scene.model, {**weights, **buffers}, (x,))
                total += float(scene.loss_fn(output, y)) * len(y)
            yield total / len(scene.y)


def _fill(tensors: dict[str, Tensor], layout: Layout, row: Tensor) -> None:
    """Copy a row's pieces into tensors that keep their own memory format."""
    pieces = row.split([tensors[name].numel() for name, _ in layout]) if layout else ()
    for (name, shape), piece in zip(layout, pieces, strict=True):
        tensors[name].copy_(piece.view(shape))


def _parameter(model: nn.Module, name: str) -> Tensor:
    return dict(model.named_parameters())[name].detach()


# ── From a run ────────────────────────────────────────────────────────────────────────────────────────────


def _source(run: StoredRun) -> dict[str, Any]:
    """Where the path comes from, and what was trained: figures say it years later."""
    names = {part: run.config[part]["name"] for part in ("model", "optimizer", "dataset")}
    own = {"study": run.folder.name, "run": run.id, "started": run.started}  # no other run began then
    return {**own, "seed": run.seed, "status": run.status, **names}


def _rebuilt(run: StoredRun, model: nn.Module | None, loss_fn: Any, data: Any) -> tuple[nn.Module, Any, Any]:
    """Model, loss and data by the names in a run's configuration, where they are not given."""
    parts = ("dataset", "model", "seed", "device", "class_weights", "label_smoothing", "task")
    config = train_config({part: run.config[part] for part in parts if part in run.config})
    for word, given, name in (("data", data, config.dataset.name), ("model", model, config.model.name)):
        if given is None and name.startswith("("):
            raise UsageError(f"run {run.id} was trained on {word} that it was given, {name}: give them again, {word}=…")
    if data is None:
        data = load_data(config)
        _check_same(run, data)
    if model is None:
        seen = run.info.get("data", {})
        shape, classes = seen.get("in_shape", (1, 28, 28)), len(seen.get("classes", range(10))) or 1
        model = build(config.model.name, tuple(shape), classes, seed=config.seed, **config.model.options)
        model = model.to(choose_device(config.device))
    if loss_fn is None:
        task = task_of(config, data)
        check_predicts(task, "a loss surface")
        loss_fn = task.loss_fn(data if isinstance(data, Data) else None)
    return model, loss_fn, data


def _check_same(run: StoredRun, data: Data) -> None:
    then, now = run.info.get("data", {}), data.facts()
    other = [key for key in ("name", "sha256", "counts") if key in then and then[key] != now[key]]
    if other:
        raise StoreError(
            f"run {run.id} was trained on {then['name']} with {then['counts']}, but here is {data!r} "
            f"(other {', '.join(other)}): give the data it had, data=…"
        )


def _check_fit(model: nn.Module, path: WeightPath) -> None:
    there = {name: tuple(tensor.shape) for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    for name, shape in (*path.parameters, *path.buffer_layout):
        if there.get(name) != shape:
            found = f"of shape {there[name]}" if name in there else "none"
            raise UsageError(f"the path has {name} of shape {shape}, the model has {found}: is it the one recorded?")


def _chosen(data: Any, images: int, seed: int) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """So many of the training images and labels, drawn by the seed; the first ones of an iterable of batches."""
    if isinstance(data, Data):
        x, y, told = data.train.images, data.train.labels, {"data": data.name, "part": "training"}
    elif isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor) for part in data):
        (x, y), told = data, {"data": "(tensors)"}
    else:
        return _first(data, images)
    if len(x) != len(y) or not len(x):
        raise UsageError(f"data=(x, y) need one label for each sample, got {len(x)} samples and {len(y)} labels")
    told |= {"images": min(images, len(x)), "of": len(x), "drawn": True}
    if images >= len(x):
        return x, y, told
    kept = torch.randperm(len(x), generator=generator(seed, "landscape", "images"))[:images].sort().values
    return x[kept.to(x.device)], y[kept.to(y.device)], told


def _first(batches: Iterable[tuple[Tensor, Tensor]], images: int) -> tuple[Tensor, Tensor, dict[str, Any]]:
    xs, ys, count = [], [], 0
    for x, y in batches:
        xs.append(x)
        ys.append(y)
        count += len(y)
        if count >= images:
            break
    if not count:
        raise UsageError("data=… has no batches: give (x, y) tensors, a DataLoader or data of passo")
    return torch.cat(xs)[:images], torch.cat(ys)[:images], {"data": "(batches)", "images": min(count, images)}
