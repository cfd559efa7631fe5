"""The metrics of runs as TensorBoard's event files, one folder for each run: `tensorboard --logdir DIR` shows them.

    DIR/<run id>/events.out.tfevents.<when it began>.passo

Scalars are under their own names, at their optimiser steps. The settings are there too, beside the run's last values,
for TensorBoard's HPARAMS. A store keeps no time for each value: the times lie evenly, by step, between the run's start
and its end. The same run gives the same bytes. tensorboardX writes the records; it imports torch where torch is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from passo.analysis.metrics_table import Source, runs_in
from passo.analysis.placing import placed
from passo.errors import StoreError, require
from passo.store import StoredRun


def export_tensorboard(source: Source, folder: str | Path, *, force: bool = False) -> Path:
    """Write the metrics of a study, of a run, or of several runs for TensorBoard into a new folder.

    Raises `FolderInUse` where the folder holds something (with `force` it is moved aside), `StoreError` where nothing
    was recorded, and `MissingExtra` without tensorboardX.
    """
    require("tensorboardX.proto.event_pb2", "tensorboard")
    runs = [run for run in runs_in(source) if run.metrics()]
    if not runs:
        raise StoreError("no metric was recorded here: there is nothing to show in TensorBoard")
    with placed(folder, force=force) as beside:
        for run in runs:
            place = beside / run.id
            place.mkdir(parents=True)
            _write(place / f"events.out.tfevents.{int(run.started)}.passo", run)
    return Path(folder)


def settings(config: Mapping[str, Any], before: str = "") -> dict[str, bool | int | float | str]:
    """A configuration as one level of names and plain values, without what was left open.

    >>> settings({"epochs": 3, "optimizer": {"name": "adam", "betas": [0.9, 0.99]}, "l1": None})
    {'epochs': 3, 'optimizer.name': 'adam', 'optimizer.betas': '[0.9, 0.99]'}
    """
    flat: dict[str, bool | int | float | str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= settings(value, f"{before}{key}.")
        elif value is not None:
            flat[before + key] = value if isinstance(value, bool | int | float | str) else str(value)
    return flat


def _write(path: Path, run: StoredRun) -> None:
    from tensorboardX.record_writer import RecordWriter

    writer = RecordWriter(str(path))
    try:
        for event in _events(run):
            writer.write(event.SerializeToString())
        writer.flush()
    finally:
        writer.close()


def _events(run: StoredRun) -> Iterator[Any]:
    """The version of the format, the settings, then every scalar by step."""
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboardX.summary import hparams

    series = [run.metric(name) for name in run.metrics()]
    values = [
        (int(step), one.name, float(value)) for one in series for step, value in zip(one.steps, one.values, strict=True)
    ]
    last = max(step for step, *_ in values)
    end = run.started if run.finished is None else run.finished
    yield Event(wall_time=run.started, file_version="brain.Event:2")
    for summary in hparams(settings(run.config), {one.name: one.last for one in series}):
        yield Event(wall_time=run.started, summary=summary)
    for step, name, value in sorted(values, key=lambda one: one[:2]):
        when = run.started + (end - run.started) * step / max(last, 1)
        scalar = Summary.Value(tag=name, simple_value=value)  # float32 in this format
        yield Event(wall_time=when, step=step, summary=Summary(value=[scalar]))
