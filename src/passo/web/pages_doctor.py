"""What the doctor says of a run: a part of its page that is asked for by itself, since it reads what was recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from passo.diagnosis import DETECTORS, diagnose
from passo.diagnosis.diagnosing import MOST, RECORDING
from passo.errors import UsageError
from passo.store import StoredRun
from passo.web.answering import Asked
from passo.web.folders import out

PATIENTS = ("train", "watch")  # kinds of runs that are trainings


def doctor(asked: Asked) -> Response:
    """The findings of a training, as HTML to be put into its page; of one that goes on, those until now."""
    found = asked.lab.kept.run(asked.place("study"), asked.place("run"))
    if found.kind not in PATIENTS:
        raise UsageError(f"run {found.id} is no training")
    return asked.kept(found.mark, lambda: asked.page("doctor.html.j2", **consulted(asked, found)))


def consulted(asked: Asked, run: StoredRun) -> dict[str, Any]:
    """What the part of the page shows; commands name the run as one types it where the server was started."""
    place = out(asked, str(run.folder.relative_to(asked.lab.root)))
    found = replace(diagnose(run), place=f"{place}/{run.id}")
    told = {"found": found, "most": MOST, "trains": run.status == "running"}
    return {**told, "blind": sum(map(len, found.blind.values())), "recording": RECORDING, "detectors": DETECTORS}
