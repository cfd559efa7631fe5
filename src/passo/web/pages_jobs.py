"""The queue: what runs, how far it is, what waits; stopping, going on; a study's notes, built and opened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import RedirectResponse, Response

from passo.errors import PassoError, UnknownName, UsageError
from passo.language import LANGUAGES, t
from passo.store import DATABASE, ask_to_stop
from passo.web.answering import Asked
from passo.web.going_on import going_on
from passo.web.groups import groups
from passo.web.jobs import ENDED, Job
from passo.web.pages_studies import duration

FORMATS = ("html", "pdf", "medium", "notebook")
SANDBOX = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'none'"
)
"""A note is a page with scripts of its own. In a sandbox it has no origin: it can ask this server for nothing."""
KINDS = {
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".md": "text/plain; charset=utf-8",
    ".ipynb": "application/x-ipynb+json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Standing:
    """A job as the page shows it: how far its study is, from 0 to 1 or None, and that in words."""

    job: Job
    share: float | None
    told: str


def jobs(asked: Asked) -> Response:
    """The queue as a page."""
    found = [_standing(asked, job) for job in asked.lab.jobs.all()]
    newest = {one.job.study: one.job for one in sorted(found, key=lambda one: one.job.number)}
    return asked.page(
        "jobs.html.j2",
        open=[one for one in found if one.job.status not in ENDED],
        over=[one for one in found if one.job.status in ENDED],
        held=any(one.job.status == "paused" for one in found),
        duration=duration,
        resumable={
            job.number for job in newest.values() if job.status in ("failed", "stopped") and _resumable(asked, job)
        },
        printed=asked.lab.jobs.printed,
        there=partial(_there, asked),
    )


def state(asked: Asked) -> Response:
    """How each open job stands, as JSON; `mark` changes where the page is to be asked for anew."""
    found = [_standing(asked, job) for job in asked.lab.jobs.all()]
    rows = [
        {
            "number": one.job.number,
            "share": one.share,
            "told": one.told,
            "seconds": duration(one.job.seconds),
            "printed": asked.lab.jobs.printed(one.job.number),
        }
        for one in found
        if one.job.status not in ENDED
    ]
    return asked.json(
        {"jobs": rows, "mark": [[one.job.number, one.job.status, _there(asked, one.job)] for one in found]}
    )


def change(asked: Asked) -> Response:
    """Stop or remove a job, forget one that is over, or let those go on that were paused."""
    do = asked.place("do")
    if do == "release":
        asked.lab.jobs.release()
        return RedirectResponse("/jobs", 303)
    number = asked.form.get("number", "")
    if not number.isdecimal() or len(number) > 9:
        raise UnknownName("there is no such job")
    if do == "stop":
        asked.lab.jobs.stop(int(number))
    elif do == "forget":
        asked.lab.jobs.forget(int(number))
    else:
        raise UnknownName("there is no such job")
    return RedirectResponse("/jobs", 303)


def stop(asked: Asked) -> Response:
    """Ask whoever trains a study to stop with its state kept, on this machine or another."""
    name = asked.place("study")
    if asked.lab.shelf.outline(name).status == "running":  # it may have ended since the page was made
        ask_to_stop(asked.lab.shelf.folder(name))
    return _back(asked)


def resume(asked: Asked) -> Response:
    """Put what goes on with a study into the queue."""
    name = asked.place("study")
    found = asked.lab.shelf.outline(name)
    if found.status == "running":
        raise UsageError(f"{name} is training: there is nothing to resume")
    can = going_on(found)
    if can.told and not can.do:
        raise UsageError(f"{name} cannot be resumed: its page says why")
    if not can.do:
        raise UsageError(f"{name} is finished: there is nothing to resume")
    folder = str(asked.lab.shelf.folder(name))
    single = "optimizer" in found.config
    words = ["train", "--resume", folder] if single else ["study", "run", folder]
    asked.lab.jobs.add(words, study=name)
    return RedirectResponse("/jobs", 303)


# ── Notes ──


def notes(asked: Asked) -> Response:
    """Every study with the notes that were built of it, and a form that builds one."""
    rows, newest = [], {job.study: job for job in sorted(asked.lab.jobs.all(), key=lambda job: job.number)}
    for entry in asked.lab.shelf.entries():
        if entry.outline is not None:
            rows.append((entry, written(asked, entry.name), newest.get(f"{entry.name}/note")))
    return asked.page("notes.html.j2", rows=rows, formats=FORMATS, ended=ENDED)


def build(asked: Asked) -> Response:
    """Put the writing of a note into the queue."""
    name = asked.form.get("study", "")
    folder = asked.lab.shelf.folder(name)
    if not (folder / "note").resolve().is_relative_to(asked.lab.root):
        raise UsageError(f"the note of {name} is a link that leads out of the folder that is shown here")
    formats = [one for one in FORMATS if asked.form.get(one)]
    spoken = [one for one in LANGUAGES if asked.form.get(one)]
    if not formats or not spoken:
        raise UsageError("choose a format and a language of the note")
    words = ["note", str(folder), "--format", ",".join(formats), "--lang", ",".join(spoken)]
    asked.lab.jobs.add(words, study=f"{name}/note")
    return RedirectResponse("/notes", 303)


def opened(asked: Asked) -> Response:
    """A file of a note, in a sandbox where it is a page."""
    folder = asked.lab.shelf.folder(asked.place("study")) / "note"
    path = folder / asked.place("file")
    inside = path.resolve().is_relative_to(folder.resolve()) and folder.resolve().is_relative_to(asked.lab.root)
    if path.suffix not in KINDS or not inside or not path.is_file():
        raise UnknownName("there is no such file of a note")
    headers = {"content-security-policy": SANDBOX, "cross-origin-opener-policy": "unsafe-none"}
    return Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=headers)


def written(asked: Asked, study: str) -> list[str]:
    """The files of a study's notes that a browser can open, as paths in their folder."""
    folder = asked.lab.root / study / "note"
    if not folder.resolve().is_relative_to(asked.lab.root):
        return []
    found = [path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.suffix in (".html", ".pdf")]
    return sorted(path.relative_to(folder).as_posix() for path in found)[:20]


# ── How far ──


def _standing(asked: Asked, job: Job) -> Standing:
    if job.status not in ("running", "stopping"):
        return Standing(job, None, "")
    if not job.study or "/" in job.study:  # no study: what it said last
        return Standing(job, None, asked.lab.jobs.printed(job.number).rstrip().rpartition("\n")[2][:200])
    try:
        share, words = progress(asked, job.study)
    except PassoError:
        return Standing(job, None, t("begins"))
    return Standing(job, share, words)


def progress(asked: Asked, study: str) -> tuple[float | None, str]:
    """How far a study is: runs of all, or the steps of a single training."""
    found = asked.lab.shelf.outline(study)
    planned = found.facts.get("planned")
    if isinstance(planned, int) and planned > 0:
        done = sum(run.status not in ("running", "interrupted") for run in found.runs)
        parts = sum(group.done for group in groups(found))  # of groups, which write their runs at their end
        return min(1.0, (done + parts) / planned), t("{done:,} of {n:,} runs", done=done, n=planned)
    run = asked.lab.shelf.run(study, found.runs[0].id) if found.runs else None
    total = None if run is None else _steps(run.info, run.config)
    if run is None or not total or not run.has("train/loss"):
        return None, t("begins")
    step = int(run.metric("train/loss").steps[-1])
    return min(1.0, step / total), t("step {step:,} of {n:,}", step=step, n=total)


def _there(asked: Asked, job: Job) -> bool:
    """Whether the study that a job writes has a page already."""
    return bool(job.study) and (asked.lab.root / job.study / DATABASE).is_file()


def _resumable(asked: Asked, job: Job) -> bool:
    """Whether going on with what a job wrote does something."""
    try:
        return _there(asked, job) and going_on(asked.lab.shelf.outline(job.study)).do == "resume"
    except PassoError:
        return False


def _steps(info: dict[str, Any], config: dict[str, Any]) -> int | None:
    per_epoch = info.get("steps_per_epoch")
    return per_epoch * config["epochs"] if isinstance(per_epoch, int) else None


def _back(asked: Asked) -> Response:
    """To the page that asked."""
    back = asked.form.get("back", "")
    here = back.startswith("/study/") and "\\" not in back
    return RedirectResponse(back if here else "/", 303)
