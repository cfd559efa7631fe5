"""One training on several devices: this process trains, tells and keeps; others are started beside it and train too.

This process is rank 0 of `training.distributed`. Each other rank is `python -m passo.experiments.rank`, which gets the
configuration as JSON, builds the same parts from the same data, and makes the same steps. (Not a fork, and not
multiprocessing's spawn, which would run the caller's script again.) It lives as long as a pipe from here stays open:
however this process ends, on its own or by force, the system closes the pipe, and the rank is gone at once. Nothing is
lost with it: all that is kept is kept here.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn

from passo.data import Data
from passo.errors import ConfigError, TrainingError
from passo.training.checkpoint import save
from passo.training.distributed import Ranks
from passo.training.machine import divided, threads
from passo.training.tasks import Task

if TYPE_CHECKING:
    from passo.experiments.assembling import Parts
    from passo.experiments.sink import Sink
    from passo.training import StepRecord, TrainConfig

FOREVER = timedelta(days=365)  # a rank that waits is not one that is lost: the pipe tells, not a clock
JOINING = timedelta(minutes=2)
LEAVING = 5.0  # seconds


def check_devices(
    config: TrainConfig, data: Any, named: bool, device: torch.device, task: Task, model: nn.Module
) -> None:
    """Refuse, before a folder is made, what several devices cannot share. `named`: the model is one, not an object.

    Raises `ConfigError`.
    """
    if config.devices == 1:
        return
    asked = f"devices={config.devices}"
    if not isinstance(data, Data) or not named:
        what = "batches" if not isinstance(data, Data) else "model"
        raise ConfigError(
            f"{asked}: your own {what} cannot be sent to other processes: give data by name, and the model by name "
            "or as FILE.py:FUNCTION"
        )
    if config.optimizer.name == "lbfgs":
        raise ConfigError(
            f"{asked}: LBFGS evaluates the loss several times a step, which is not shared: leave devices out"
        )
    if type(task).step is not Task.step:
        raise ConfigError(f"{asked}: the task {task.name} makes its steps in a way of its own, which is not shared")
    for key in ("loss", "probes"):
        if getattr(config.record, key):
            raise ConfigError(f"{asked}: record.{key} would see one device's share of a batch alone: leave it out")
    size = len(data.train) if config.batch_size == "all" else min(config.batch_size, len(data.train))
    if size < config.devices:
        raise ConfigError(
            f"{asked}: a batch of {size} has not one image for each: batch_size={config.devices} at least"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"{asked}: the model has nothing to train")
    if dist.is_available() and dist.is_initialized():
        raise ConfigError(f"{asked}: this process is in a process group already (torchrun?): passo starts its own")
    _check_machine(config, device)


def _check_machine(config: TrainConfig, device: torch.device) -> None:
    asked = f"devices={config.devices}"
    if not dist.is_available() or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"{asked} wants CPUs or CUDA devices, and this is {device}: device=cpu")
    if device.type == "cuda":
        if device.index is not None:
            raise ConfigError(f"{asked} takes the first {config.devices} CUDA devices: leave out device={device}")
        if (there := torch.cuda.device_count()) < config.devices:
            raise ConfigError(
                f"{asked}: this machine has {there} CUDA device{'s' * (there > 1)}; device=cpu uses its cores"
            )


def shared(
    config: TrainConfig,
    data: Any,
    parts: Parts,
    state: Mapping[str, Any] | None,
    sink: Sink,
    train: Callable[[Ranks | None], Iterator[StepRecord]],
) -> Generator[StepRecord, None, None]:
    """The records of `train(None)` on one device; else of `train(ranks)`, with the other ranks beside.

    These are gone when the records end, however they do. Raises `TrainingError` where one of them failed, or was ended.
    """
    if config.devices == 1:
        yield from train(None)
        return
    with divided(config.devices), beside(config, data, state, parts.device, sink):
        yield from train(Ranks(parts.model, seed=config.seed, threads=threads()))


@dataclass(frozen=True)
class Child:
    """One rank in a process of its own; `words` is where it reports, `said` the file of what it prints."""

    rank: int
    process: subprocess.Popen[bytes]
    said: Path

    def hear(self) -> dict[str, Any]:
        """Its next report; of a process that ended without one, how it ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code = self.process.wait()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        more = " (out of memory?)" if code == -9 else ""
        return {"error": f"{how}{more}", "traceback": self.said.read_text(encoding="utf-8", errors="replace")[-4000:]}


@contextmanager
def beside(
    config: TrainConfig,
    data: Data,
    state: Mapping[str, Any] | None,
    device: torch.device,
    sink: Sink,
) -> Iterator[None]:
    """Start the other ranks, meet them in a process group, and be rid of both afterwards."""
    children: list[Child] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="passo-ranks-")))  # the user's alone
        if state is not None:
            save(folder / "state.safetensors", state)
        for rank in range(1, config.devices):
            job = {
                "config": config.model_dump(mode="json"),
                "rank": rank,
                "threads": torch.get_num_threads(),
                "folder": str(folder),
                "device": f"cuda:{rank}" if device.type == "cuda" else "cpu",
                "resumes": state is not None,
                "data": fingerprint(data),
            }
            children.append(_start(rank, job, folder))
            stack.callback(_end, children[-1])
        try:
            for child in children:
                if "error" in (report := child.hear()):
                    raise _failed(child, report, config.devices, sink)
            if device.type == "cuda":
                torch.cuda.set_device(0)
            join(folder, 0, config.devices, device)
            stack.callback(dist.destroy_process_group)
            yield
        except RuntimeError as error:  # a collective that lost a partner; what else it may be, none is lost then
            for child in children:
                if (report := _lost(child)) is not None:
                    raise _failed(child, report, config.devices, sink) from error
            raise


def join(folder: Path, rank: int, of: int, device: torch.device) -> None:
    """Meet the other ranks: by a file in a folder that is the user's alone, over the loopback interface."""
    store = dist.FileStore(str(folder / "meeting"), of)  # pyright: ignore[reportPrivateImportUsage]
    store.set_timeout(JOINING)
    backend = "nccl" if device.type == "cuda" else "gloo"
    with _over_loopback():
        dist.init_process_group(backend, store=store, rank=rank, world_size=of, timeout=FOREVER)


@contextmanager
def _over_loopback() -> Iterator[None]:
    """Let gloo listen where this machine alone can be heard, unless the user has said where."""
    there = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if not there or "GLOO_SOCKET_IFNAME" in os.environ:
        yield
        return
    os.environ["GLOO_SOCKET_IFNAME"] = there[0]
    try:
        yield
    finally:
        del os.environ["GLOO_SOCKET_IFNAME"]


def fingerprint(data: Data) -> list[Any]:
    """What must be alike in every rank: sizes, and the sum of the training part's targets, and the first of them."""
    few = data.train.targets[:1000]
    return [len(data.train), float(data.train.targets.sum()), [float(value) for value in few]]


def _start(rank: int, job: Mapping[str, Any], folder: Path) -> Child:
    said = folder / f"rank-{rank}.txt"
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)  # what can be imported here can be there
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "passo.experiments.rank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C in a terminal is rank 0's to handle
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    return Child(rank, process, said)


def _lost(child: Child) -> dict[str, Any] | None:
    """What a child that failed has to report; None of one that is well, or was told by an error that all have seen."""
    try:
        child.process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        return None
    report = child.hear()
    return None if report.get("error") is None else report


def _failed(child: Child, report: Mapping[str, Any], of: int, sink: Sink) -> TrainingError:
    """The error of rank 0, in one sentence; the traceback is kept in an event."""
    told = f"device {child.rank + 1} of {of}: {report['error']}"
    sink.event("device failed", told, traceback=report.get("traceback", ""))
    return TrainingError(told)


def _end(child: Child) -> None:
    """Close the pipe that it lives by, and see it gone."""
    _close(child.process.stdin)
    try:
        child.process.wait(timeout=LEAVING)
    except subprocess.TimeoutExpired:
        child.process.kill()
        child.process.wait()
    _close(child.process.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:  # its other end is gone
        pass
