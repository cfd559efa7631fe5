"""How a study was asked to be run, which its folder remembers: whoever goes on with it need not say so again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, get_args

from passo import store
from passo.errors import StoreError
from passo.experiments.studyform import Executor, StudyFile


class Engine(NamedTuple):
    """What was said of the executor, of how many at a time, and of the cluster's address; None for nothing."""

    executor: Executor | None = None
    jobs: int | None = None
    address: str | None = None


def recalled(folder: Path, file: StudyFile, said: Engine) -> Engine:
    """What is said now, and what was said when the study in `folder` was run last, as far as nothing else is said.

    Another executor, here or in the study's file, begins anew: jobs and an address belong to the one before.
    """
    try:
        there = store.outline(folder)
    except StoreError:  # none yet, or one that whoever opens it for writing speaks of
        return said
    before = _known(there.facts.get("engine"))
    other = said.executor not in (None, before.executor or file.executor)
    if other or there.config.get("executor", _USUAL) != file.executor:
        return said
    return Engine(said.executor or before.executor, said.jobs or before.jobs, said.address or before.address)


_USUAL = StudyFile.model_fields["executor"].default


def _known(fact: Any) -> Engine:
    """The fact, as far as it says what can be said."""
    fact = fact if isinstance(fact, dict) else {}
    executor, jobs, address = (fact.get(name) for name in Engine._fields)
    return Engine(
        executor if executor in get_args(Executor) else None,
        jobs if type(jobs) is int and jobs > 0 else None,
        address if isinstance(address, str) else None,
    )
