"""A training of a study while it is not done: a small study of its own, `pending/<run id>` in the study's folder.

A study has one writer, the parent of all workers. A worker therefore trains as `passo.train` does, into a study of its
own, with its states and with what it records streamed to the disk; killed at any moment, it goes on from there. When it
has ended, the parent takes its files and its rows over. A run that did not reach its end keeps its folder, and the same
command goes on with it.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from passo import store
from passo.data import Data
from passo.errors import Diverged, PassoError, StoreError
from passo.experiments.single import training
from passo.training import TrainConfig

PENDING = "pending"


@dataclass(frozen=True)
class Ended:
    """How a training of a study ended: done, diverged or failed, and why."""

    status: str
    error: str | None = None


def place(study: Path, run_id: str) -> Path:
    """Where a training is kept until it is done."""
    return study / PENDING / run_id


def trained(config: TrainConfig, name: str, data: Data, folder: Path) -> Ended:
    """Train in `folder`, or go on there; a failure is told and not raised, an interruption is raised.

    What is there and done is not done again; what is there of another configuration, or cannot be read, is dropped.
    """
    there = _status(folder, config)
    if there == "done":
        return Ended("done")
    if there is None:
        shutil.rmtree(folder, ignore_errors=True)
    threads = torch.get_num_threads()
    try:
        with training(config, folder, data=data, name=name) as opened:
            for _ in opened.records:
                pass
    except PassoError as error:
        return Ended("diverged" if isinstance(error.__cause__, Diverged) else "failed", str(error))
    except Exception as error:  # whatever it is, the other runs go on
        return Ended("failed", f"{type(error).__name__}: {error}")
    finally:
        torch.set_num_threads(threads)  # a run that goes on does so under the number that it began with
    return Ended("done")


def _status(folder: Path, config: TrainConfig) -> str | None:
    """How the training of this configuration in a folder stands; None where there is none that can be read."""
    try:
        there = store.open_study(folder)
    except StoreError:
        return None
    return there.status if there.config == json.loads(config.model_dump_json()) else None


def adopt(study: store.Store, run_id: str, ended: Ended) -> bool:
    """Take a training into its study; what is done leaves its folder. Whether there was a run at all."""
    taken = store.adopt(study, place(study.folder, run_id), ended.status, ended.error)
    if taken and ended.status == "done":
        discard(study.folder, run_id)
    return taken


def discard(study: Path, run_id: str) -> None:
    """Remove what a training left, and the folder of all such where it is empty."""
    shutil.rmtree(place(study, run_id), ignore_errors=True)
    with suppress(OSError):
        (study / PENDING).rmdir()
