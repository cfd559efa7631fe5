"""Writing: the one writer of a study folder, and the writer of each of its runs."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from passo.errors import FolderInUse, StoreError
from passo.store.folder import check_name, connected, inside, locked, moved_aside, refusals_told, unmake, write_chunk
from passo.store.forged import json_object, typed_rows
from passo.store.reading import StoredStudy, open_study
from passo.store.scalars import LASTS_OF_ONE, SERIES_OF_ONE, Series, not_nan
from passo.store.schema import CHECKPOINTS, DATABASE, EVENTS_OF_RUN, KEPT, LOCK, SCHEMA, TABLES

Contradiction = Callable[[StoredStudy], str | None]  # what a folder holds that cannot be gone on from, in words


class RunWriter:
    """Writes one run. Scalars are buffered and committed together; arrays and ends commit at once."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.id = run_id
        self._store = store
        self._rows: list[tuple[str, str, int, float, float]] = []
        self._chunks: dict[str, int] = {}

    def scalars(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Record scalars at an optimiser step (counted from 1) and an epoch (fractions allowed)."""
        self._rows += [(self.id, name, step, epoch, float(value)) for name, value in values.items()]
        if len(self._rows) >= 4096:
            self.flush()

    def flush(self) -> None:
        """Commit the buffered scalars."""
        if self._rows:
            self._store.write("INSERT OR REPLACE INTO metrics VALUES (?,?,?,?,?)", self._rows)
            self._rows = []

    def curve(self, name: str) -> Series | None:
        """A scalar as it was recorded so far; None where there is none."""
        self.flush()
        rows = self._store.read(SERIES_OF_ONE, (self.id, name))
        if not rows:
            return None
        _, steps, epochs, values = zip(*rows, strict=True)
        return Series(name, np.array(steps), np.array(epochs), np.array([not_nan(value) for value in values]))

    def array(self, name: str, values: np.ndarray, *, first_step: int = 0, **meta: Any) -> None:
        """Append a chunk along the first axis. `meta` (axes, labels, units) is kept as JSON."""
        self.chunk({name: (values, meta)}, first_step=first_step)

    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None:
        """Append a chunk to each of several arrays at once: all of them count, or none."""
        rows = []
        for name, (values, meta) in arrays.items():
            number = self._chunks.get(name, 0)
            relative = Path("runs") / self.id / f"{name.replace('/', '.')}.{number:04d}.npy"
            digest = write_chunk(self._store.folder / relative, values)
            rows.append((self.id, name, number, first_step, relative.as_posix(), digest, len(values), json.dumps(meta)))
        self._store.write("INSERT INTO arrays VALUES (?,?,?,?,?,?,?,?)", rows)
        for name in arrays:
            self._chunks[name] = self._chunks.get(name, 0) + 1

    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None:
        """Record something that happened, in one sentence."""
        row = (self.id, time.time(), step, kind, message, json.dumps(data))
        self._store.write("INSERT INTO events(run,time,step,kind,message,data) VALUES (?,?,?,?,?,?)", [row])

    def info(self, **facts: Any) -> None:
        """Merge facts about the run (environment, parameter counts, digests) into its `info`."""
        (old,) = self._store.read("SELECT info FROM runs WHERE id=?", (self.id,))[0]
        self._store.write("UPDATE runs SET info=? WHERE id=?", [(json.dumps({**json.loads(old), **facts}), self.id)])

    def checkpoint(self, step: int, write: Callable[[Path], None]) -> None:
        """Keep what `write(path)` writes as the state after `step`; it counts with all that is written so far.

        The last two of a run are kept.
        """
        self.flush()
        relative = Path("runs") / self.id / f"checkpoint.{step:08d}.safetensors"
        path = self._store.folder / relative
        with refusals_told(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        (event,) = self._store.read("SELECT MAX(id) FROM events WHERE run=?", (self.id,))[0]
        marks = json.dumps({"chunks": self._chunks, "event": event or 0})
        old = [(past, file) for past, file in self.checkpoints() if past != step][KEPT - 1 :]
        self._store.transact(
            ("INSERT OR REPLACE INTO checkpoints VALUES (?,?,?,?)", (self.id, step, relative.as_posix(), marks)),
            *(("DELETE FROM checkpoints WHERE run=? AND step=?", (self.id, past)) for past, _ in old),
        )
        for _, file in old:
            file.unlink(missing_ok=True)

    def checkpoints(self) -> list[tuple[int, Path]]:
        """(step, file) of those that are kept, the newest first."""
        rows = self._store.read("SELECT step, path FROM checkpoints WHERE run=? ORDER BY step DESC", (self.id,))
        folder = self._store.folder
        return [(step, inside(folder, path)) for step, path in typed_rows(folder, rows, int, str)]

    def rewind(self, step: int) -> None:
        """Go back to the checkpoint of `step`: what was written after it is deleted, in one transaction, then files."""
        ((text,),) = self._store.read("SELECT marks FROM checkpoints WHERE run=? AND step=?", (self.id, step))
        marks = json_object(self._store.folder, text, {"chunks": dict, "event": int})
        folder = inside(self._store.folder, f"runs/{self.id}")
        rows = self._store.read("SELECT name, chunk FROM arrays WHERE run=?", (self.id,))
        written = typed_rows(self._store.folder, rows, str, int)
        typed_rows(self._store.folder, list(marks["chunks"].items()), str, int)
        late = [(name, chunk) for name, chunk in written if chunk >= marks["chunks"].get(name, 0)]
        self._store.transact(
            ("DELETE FROM metrics WHERE run=? AND step>?", (self.id, step)),
            ("DELETE FROM events WHERE run=? AND id>?", (self.id, marks["event"])),
            ("DELETE FROM checkpoints WHERE run=? AND step>?", (self.id, step)),
            *(("DELETE FROM arrays WHERE run=? AND name=? AND chunk=?", (self.id, *one)) for one in late),
            ("UPDATE runs SET status='running', finished=NULL, error=NULL WHERE id=?", (self.id,)),
        )
        self._store._unfinished.discard(self.id)
        self._chunks, self._rows = dict(marks["chunks"]), []
        known = {path for (path,) in self._store.read("SELECT path FROM arrays WHERE run=?", (self.id,))}
        known |= {path.relative_to(self._store.folder).as_posix() for _, path in self.checkpoints()}
        for path in folder.iterdir():
            if path.relative_to(self._store.folder).as_posix() not in known:
                path.unlink(missing_ok=True)

    def finish(self, status: str = "done", error: str | None = None) -> None:
        """Close the run: done, interrupted or failed. A run that is done needs no checkpoints."""
        self.flush()
        if status == "done":
            files = self.checkpoints()
            self._store.transact(("DELETE FROM checkpoints WHERE run=?", (self.id,)))
            for _, path in files:
                path.unlink(missing_ok=True)
        self._store.write(
            "UPDATE runs SET status=?, finished=?, error=? WHERE id=?", [(status, time.time(), error, self.id)]
        )


def _other(config: Mapping[str, Any]) -> Contradiction:
    """The judge of a study that does not grow: it goes on where it is not finished, and its configuration the same."""

    def judge(there: StoredStudy) -> str | None:
        if there.status == "done":
            return f"holds a finished study ({there.name})"
        if json.loads(json.dumps(config)) != there.config:
            return "holds an unfinished study with another configuration"
        return None

    return judge


class Store:
    """The one writer of a study folder.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "study"
    >>> with Store.create(folder, name="demo", config={}) as store:
    ...     run = store.add_run("adam", config={"lr": 0.1}, seed=0)
    ...     run.scalars(1, 1.0, {"train/loss": 0.5})
    ...     run.finish()
    >>> open_study(folder).runs[0].metric("train/loss").values
    array([0.5])
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        self.folder = folder
        self._database = folder / DATABASE  # a path is not put together for every statement
        self._connection = connection
        self._lock = lock
        self._unfinished: set[str] = set()  # runs of an earlier process

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        name: str,
        config: Mapping[str, Any],
        force: bool = False,
        contradiction: Contradiction | None = None,
    ) -> Store:
        """Open a folder for writing: a new one, or the same study where it was interrupted.

        A folder that holds anything else is refused (`FolderInUse`); with `force`, it is moved aside. A study may grow
        where `contradiction` is given, which judges what is there, finished or not: its words follow the folder's name
        in a refusal; where it has none, the new configuration takes the place of the old one.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not force:
                return cls._continue(folder, config, contradiction)
            with refusals_told(folder, "move aside"):
                if (folder / LOCK).exists():
                    locked(folder).close()  # refuses while another process writes
                folder.rename(moved_aside(folder))
        facts = {"name": name, "config": config, "status": "running", "schema": SCHEMA, "created": time.time()}
        with refusals_told(folder, "create"):
            folder.mkdir(parents=True, exist_ok=True)
            lock = locked(folder)  # from here on, what is made in the folder is ours
        try:
            with refusals_told(folder, "create"):
                connection = connected(folder / DATABASE)
                connection.executescript(
                    f"PRAGMA journal_mode=WAL;{TABLES}{CHECKPOINTS}{EVENTS_OF_RUN}"
                )  # leaves its transaction open, so that
                store = cls(folder, connection, lock)
                store.facts(**facts)  # the tables and the facts are committed together
        except StoreError:
            unmake(folder, lock)
            raise
        return store

    @classmethod
    def _continue(cls, folder: Path, config: Mapping[str, Any], contradiction: Contradiction | None) -> Store:
        hint = "give another folder (--out), or --force to start anew (the old one is moved aside)"
        if folder.is_file():
            raise FolderInUse(f"{folder} is a file: give a folder, which need not be there yet")
        if not (folder / DATABASE).is_file():
            raise FolderInUse(f"{folder} is not empty and holds no study: {hint}")
        try:
            there = open_study(folder)
        except StoreError as error:
            raise FolderInUse(f"{folder} holds a study that cannot be read ({error}): {hint}") from error
        if wrong := (contradiction or _other(config))(there):
            raise FolderInUse(f"{folder} {wrong}: {hint}")
        with refusals_told(folder, "open"):
            lock = locked(folder)
            connection = connected(folder / DATABASE)
        store = cls(folder, connection, lock)
        try:
            with refusals_told(folder, "open"):
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(CHECKPOINTS + EVENTS_OF_RUN)
            left = [run.id for run in there.runs if run.status != "done"]
            ended = {run.id for run in there.runs if run.status == "diverged"}
            kept = {run: RunWriter(store, run).checkpoints() for run in left}  # refuses before anything is deleted
            for run, files in kept.items():
                # One that diverged is at its end; it goes only where it is begun anew.
                store._unfinished.add(run) if files or run in ended else store.drop(run)
            store.facts(status="running", schema=SCHEMA, config=config)
        except StoreError:
            connection.close()
            lock.close()
            raise
        return store

    def drop(self, run_id: str) -> None:
        """Delete a run: its rows in one transaction, then its files."""
        folder = inside(self.folder, f"runs/{run_id}")
        tables = ("metrics", "events", "arrays", "checkpoints")
        rows = [(f"DELETE FROM {table} WHERE run=?", (run_id,)) for table in tables]
        self.transact(*rows, ("DELETE FROM runs WHERE id=?", (run_id,)))
        shutil.rmtree(folder, ignore_errors=True)

    def add_run(
        self, name: str, *, config: Mapping[str, Any], seed: int | None = None, kind: str = "train"
    ) -> RunWriter:
        """Start a run; its id is its name, with the seed where there is one. One that is not done begins anew."""
        run_id = name if seed is None else f"{name}-s{seed}"
        check_name(run_id)
        if run_id in self._unfinished:
            self._unfinished.remove(run_id)
            self.drop(run_id)
        if self.read("SELECT 1 FROM runs WHERE id=?", (run_id,)):
            raise StoreError(f"{self.folder} already holds a run {run_id!r}")
        row = (run_id, kind, name, json.dumps(config), seed, "running", time.time(), None, None, "{}")
        self.write("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?)", [row])
        return RunWriter(self, run_id)

    def unfinished(self, name: str, seed: int | None = None) -> RunWriter | None:
        """The writer of a run that an earlier process began and that has a checkpoint to `rewind` to; or None."""
        run_id = name if seed is None else f"{name}-s{seed}"
        return RunWriter(self, run_id) if run_id in self._unfinished else None

    def has(self, name: str, seed: int | None = None) -> bool:
        """Whether a run of this name and seed is there and at its end: repeated, it would come to the same."""
        run_id = name if seed is None else f"{name}-s{seed}"
        return bool(self.read("SELECT 1 FROM runs WHERE id=? AND status IN ('done', 'diverged')", (run_id,)))

    def lasts(self, run_id: str) -> dict[str, float]:
        """The last value of each scalar of a run."""
        return {name: not_nan(value) for name, value in self.read(LASTS_OF_ONE, (run_id,))}

    def facts(self, **facts: Any) -> None:
        """Set facts about the whole study."""
        self.write("INSERT OR REPLACE INTO study VALUES (?,?)", [(k, json.dumps(v)) for k, v in facts.items()])

    def write(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        with refusals_told(self._database, "write"), self._connection:
            self._connection.executemany(sql, rows)

    def transact(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        """Several statements: all of them, or none."""
        with refusals_told(self._database, "write"), self._connection:
            for sql, arguments in statements:
                self._connection.execute(sql, arguments)

    def read(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with refusals_told(self._database, "read"):
            return self._connection.execute(sql, arguments).fetchall()

    def close(self, status: str = "done") -> None:
        """Close the study and leave WAL mode, so that one file is the whole database."""
        try:
            self.facts(status=status, finished=time.time())
            with refusals_told(self.folder, "close"), suppress(sqlite3.OperationalError):
                # Refused while somebody reads: the study then stays in WAL mode, as whole as before.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            self._connection.close()
            self._lock.close()
            with suppress(OSError):
                (self.folder / LOCK).unlink()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        ends = {status for (status,) in self.read("SELECT DISTINCT status FROM runs")}
        if kind is None:  # a study is no better than its runs: what is not done is run again by the same command
            status = next((s for s in ("failed", "interrupted") if s in ends), "done")
        else:
            status = "interrupted" if issubclass(kind, KeyboardInterrupt | GeneratorExit) else "failed"
        self.close(status)
