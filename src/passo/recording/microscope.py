"""The microscope: watch any optimiser in any training loop, in two lines, without disturbing it.

    lens = passo.watch(optimizer, model)

It uses the optimiser's own step hooks. Before a step it copies θ, the gradient and the state; after it, it
measures the update (θ after minus θ before), explains it with the equations of `passo.optim.stages` and keeps, for
each watched parameter tensor and stage, the mean and the root mean square, and full traces of chosen coordinates.
It only reads: a watched run ends bit for bit like an unwatched one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passo.errors import UsageError
from passo.optim.stages import explanation
from passo.recording.choosing import Coordinates, Every, Steps, When, steps_named
from passo.recording.layout import banks
from passo.recording.lens import Lens
from passo.recording.records import Records, Sink
from passo.recording.remeasured import Remeasured
from passo.recording.seeing import Eye
from passo.recording.watching import WATCHED, Probe, unwrapped
from passo.recording.writing import Writing

MEMORY = 48  # MB


def watch(
    optimizer: torch.optim.Optimizer,
    model: nn.Module | None = None,
    *,
    parameters: Sequence[str] | None = None,
    every: Every = 1,
    between: tuple[int, int] | None = None,
    when: When | None = None,
    budget: float = 0.05,
    coordinates: Coordinates = 3,
    seed: int = 0,
    statistics: bool = True,
    snapshots: Collection[int] = (),
    histograms: int = 0,
    witness: bool = True,
    activations: bool | Sequence[str] = False,
    loss: Callable[[], Any] | None = None,
    scaler: Any = None,
    memory: float = MEMORY,
    out: str | Path | None = None,
    sink: Sink | None = None,
    warn: bool = True,
) -> Lens:
    """Put a microscope on an optimiser; call it after building both (and the scheduler) and before training.

    Args:
        model: gives the parameters their names. An optimizer wrapped by another library is unwrapped.
        parameters: narrows to some of them.
        every, between, when: which steps, counted from 1: each n-th, from a first to a last, those for which a function
            says so (or that are in a collection). `every="auto"` looks as often as keeps the instruments' share of
            the time under `budget`.
        coordinates: the weights to follow in full: a number for each parameter, a mapping from parameter to a number or
            to index tuples, "random:64" over all weights by `seed`, or "moved:64", those that moved most in the first
            recorded steps.
        statistics: False follows the coordinates alone, which is much cheaper.
        snapshots: steps at which every stage of every weight is kept whole.
        histograms: at how many of the recorded steps at most, evenly apart, to keep histograms of all weights,
            gradients and updates of each parameter.
        witness: also look at what goes into the model and comes out of it, where there is one: what `passo.diagnose`
            reads. See `recording.witness`.
        activations: True, or names of layers: also record each layer's output and its gradient.
        loss: a function that computes the loss of the current batch; it is called before and after each recorded step,
            without gradients, and with every random state and buffer put back.
        scaler: the GradScaler of a mixed-precision training: gradients are told unscaled, skipped steps marked.
        memory: MB that records may take; beyond, every other step is dropped, and an event says so.
        warn: say at once, as a `TrainingWarning`, that gradients are never cleared, that the model trains in eval mode,
            that a schedule is stepped too early. The lens keeps it as an event in either case.
        out: a new study folder to stream to, which `passo.open` and `passo inspect` read; `sink` is a writer of one.

    Raises `UsageError` for an optimizer that is watched already or does not hold the model's parameters, and for
    coordinates that do not exist; `UnknownName` for a parameter that is not there.

    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    >>> lens = watch(optimizer, model)
    >>> model(torch.ones(4, 2)).sum().backward(); optimizer.step()
    >>> lens.steps, lens.residual().within(8)
    (array([1]), True)
    """
    optimizer = unwrapped(optimizer)
    if optimizer in WATCHED:
        raise UsageError("this optimizer is watched already: close() the lens that is on it, or use that one")
    if activations and model is None:
        raise UsageError("activations are recorded by the model's layers: watch(optimizer, model, activations=True)")
    if not 0 < memory < float("inf"):
        raise UsageError(f"memory must be a number of MB > 0, got {memory}")
    if not isinstance(histograms, int) or isinstance(histograms, bool) or histograms < 0 or histograms == 1:
        raise UsageError(f"histograms must be a whole number of steps ≥ 2, or 0 for none, got {histograms!r}")
    if snapshots and not statistics:
        raise UsageError("snapshots keep whole tensors, and statistics=False looks at coordinates alone")
    if histograms and not statistics:
        raise UsageError("histograms count whole tensors, and statistics=False looks at coordinates alone")
    steps = Steps(every, between, when, budget)
    whole = steps_named("snapshots", snapshots)
    found = banks(optimizer, model, parameters)
    eye = Eye(optimizer, found, explanation(optimizer), coordinates, seed, statistics)
    records = Records(int(memory * 1e6), sink, steps.thin)
    probe = Probe(optimizer, model, steps, eye, records, scaler, whole, histograms)
    probe.noticing.aloud = warn
    try:
        probe.activate(activations)
        probe.attend(witness)
        probe.loss = None if loss is None else Remeasured(loss, model)
        writing = Writing(out, type(optimizer).__name__) if out is not None else None
    except BaseException:
        probe.close()  # nothing of a call that failed stays on the optimizer
        raise
    if writing is not None:
        records.sink = writing.run
    WATCHED.add(optimizer)
    return Lens(probe, writing)
