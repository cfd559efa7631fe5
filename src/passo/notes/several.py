"""A note in several languages, side by side: each is written by a process of its own.

What draws charts keeps one core busy and Python waiting, so that threads would not help; and words of one language
cannot get into another's note.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from passo import notes
from passo.errors import StoreError
from passo.language import language, resolved, speaking
from passo.notes import Written
from passo.store import StoredStudy, open_study


def write_each(
    study: StoredStudy,
    places: Mapping[str, str | Path],
    *,
    told: Callable[[str, Written], None] = lambda lang, written: None,
    processes: int | None = None,
    **options: Any,
) -> dict[str, Written]:
    """Write the study's note into a folder for each language, {"en": …, "pt-BR": …}; what was written, by language.

    told: is called with each language and what was written, as soon as it is there.
    processes: at most so many at a time, as many as there are cores where nothing is said; with one, or one language,
    all is done in this process.
    options: those of `notes.write`, the same for all.

    Raises the error of the first language that fails, after the others are done. A script that calls this guards its
    own lines with `if __name__ == "__main__":`, as with all processes that Python starts.
    """
    wanted = {resolved(lang): Path(place) for lang, place in places.items()}
    workers = min(len(wanted), processes or _cores())
    made: dict[str, Written] = {}
    if workers < 2:
        for lang, place in wanted.items():
            made[lang] = notes.write(study, place, lang=lang, **options)
            told(lang, made[lang])
        return made
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        with _deaf():
            given = ((lang, (study.folder, place, lang, options, language())) for lang, place in wanted.items())
            begun = {pool.submit(_write, *words): lang for lang, words in given}
        for done in as_completed(begun):
            if done.exception() is None:
                made[begun[done]] = done.result()
                told(begun[done], done.result())
    return {lang: _result(future, lang) for future, lang in begun.items()}


def _write(folder: Path, place: Path, lang: str, options: Mapping[str, Any], spoken: str) -> Written:
    """In a process of its own: the note in one language; what is wrong is said in the one spoken there.

    Ctrl-C, which reaches all processes of a terminal, is heard while the note is written: `notes.write` clears up.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with speaking(spoken):
            return notes.write(open_study(folder), place, lang=lang, **options)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C, as do the processes that are started meanwhile: what they would print hides what is said here."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _result(future: Future[Written], lang: str) -> Written:
    try:
        return future.result()
    except BrokenProcessPool as error:
        told = f"the process that wrote the note in {lang} was ended from outside (is there memory enough?)"
        raise StoreError(f"{told}: write one language after the other") from error


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
