"""A study folder: SQLite for facts and scalars, `.npy` chunks for arrays. No torch; every room may use it.

    FOLDER/
      study.sqlite            the one truth (tables below; WAL while it is written, one file when finished)
      runs/<run id>/<name>.<chunk>.npy     arrays, appended in chunks along their first axis
      runs/<run id>/checkpoint.<step>.safetensors
  writer.lock             there while a process writes: a study has one writer
  stop.asked              a request to that process, which takes it away and stops

A chunk counts once its row, with its SHA-256, is committed; its file was fsynced before. The schema:

    study(key, value)                                     name, status, config (JSON), schema, versions, times
    runs(id, kind, name, config, seed, status, started, finished, error, info)
    metrics(run, name, step, epoch, value)                one row per scalar
    events(id, run, time, step, kind, message, data)      what happened, in words and JSON
    arrays(run, name, chunk, first_step, path, sha256, rows, meta)
    checkpoints(run, step, path, marks)                   the last two of a run that is not done; `marks` says what was
                                                          written when it was made: what came later goes on a resume

`status` is one of running, done, interrupted, diverged, failed. `kind` says what a run is: train, lr_range, descent, …
"""

from passo.store.adopting import adopt
from passo.store.finding import find, interrupted, named, place, studies, understood
from passo.store.folder import ABANDONED, abandoned, ask_to_stop, asked_to_stop, check_name, fresh, patient, root
from passo.store.outline import Outline, RunLine, outline
from passo.store.reading import StoredRun, StoredStudy, open_run, open_study
from passo.store.scalars import Series, grown
from passo.store.schema import DATABASE, KEPT, LOCK, READ, SCHEMA
from passo.store.writing import RunWriter, Store

__all__ = [
    "ABANDONED",
    "DATABASE",
    "KEPT",
    "LOCK",
    "READ",
    "SCHEMA",
    "Outline",
    "RunLine",
    "RunWriter",
    "Series",
    "Store",
    "StoredRun",
    "StoredStudy",
    "abandoned",
    "adopt",
    "ask_to_stop",
    "asked_to_stop",
    "check_name",
    "find",
    "fresh",
    "grown",
    "interrupted",
    "named",
    "open_run",
    "open_study",
    "outline",
    "patient",
    "place",
    "root",
    "studies",
    "understood",
]
