"""The schema of `study.sqlite`, and the names of a study folder's files."""

SCHEMA = 2
READ = (1, 2)  # 1 had no checkpoints
KEPT = 2  # checkpoints of a run
DATABASE = "study.sqlite"
LOCK = "writer.lock"
STOP = "stop.asked"
TABLES = """
BEGIN;
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL, seed INTEGER,
    status TEXT NOT NULL, started REAL NOT NULL, finished REAL, error TEXT, info TEXT NOT NULL
);
CREATE TABLE metrics (
    run TEXT NOT NULL REFERENCES runs(id), name TEXT NOT NULL, step INTEGER NOT NULL, epoch REAL NOT NULL,
    value REAL, PRIMARY KEY (run, name, step)
) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, run TEXT REFERENCES runs(id), time REAL NOT NULL, step INTEGER,
    kind TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE arrays (
    run TEXT NOT NULL REFERENCES runs(id), name TEXT NOT NULL, chunk INTEGER NOT NULL, first_step INTEGER NOT NULL,
    path TEXT NOT NULL, sha256 TEXT NOT NULL, rows INTEGER NOT NULL, meta TEXT NOT NULL,
    PRIMARY KEY (run, name, chunk)
) WITHOUT ROWID;
"""
CHECKPOINTS = """
CREATE TABLE IF NOT EXISTS checkpoints (
    run TEXT NOT NULL REFERENCES runs(id), step INTEGER NOT NULL, path TEXT NOT NULL, marks TEXT NOT NULL,
    PRIMARY KEY (run, step)
) WITHOUT ROWID;
"""
EVENTS_OF_RUN = "CREATE INDEX IF NOT EXISTS events_of_run ON events(run);"  # no reader needs to know of it
