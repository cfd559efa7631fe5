"""The application: which address is which page, and the guard before all of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from passo.web import live, pages_jobs, pages_new, pages_new_study, pages_studies, resources
from passo.web.answering import Handler, endpoint
from passo.web.guard import Guard
from passo.web.laboratory import Laboratory
from passo.web.lazy import Lazy

pages_compare, pages_descents = Lazy("pages_compare"), Lazy("pages_descents")
pages_play, pages_run = Lazy("pages_play"), Lazy("pages_run")
pages_several, pages_epochs, pages_doctor = Lazy("pages_several"), Lazy("pages_epochs"), Lazy("pages_doctor")
microscope, pages_inside, pages_surface = Lazy("microscope"), Lazy("pages_inside"), Lazy("pages_surface")

_ENTRANCE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>passo</title><link rel="icon" href="data:,"></head>
<body><main><h1>passo</h1>
<p>This page needs the address that <code>passo ui</code> printed, with its token. A token opens one session: start
<code>passo ui</code> again for another.</p>
<p lang="pt-BR">Esta página precisa do endereço que <code>passo ui</code> mostrou, com seu token. Um token abre uma só
sessão: para outra, inicie <code>passo ui</code> de novo.</p></main></body></html>
"""

_ENTERING = """<!DOCTYPE html>
<html lang="en"><head><meta http-equiv="refresh" content="0;url=/"><title>passo</title>
<link rel="icon" href="data:,"></head></html>
"""


def create_app(lab: Laboratory) -> ASGIApp:
    """The whole server as an ASGI application."""

    def get(path: str, handler: Handler) -> Route:
        return Route(path, endpoint(lab, handler), methods=["GET"])

    def post(path: str, handler: Handler) -> Route:
        return Route(path, endpoint(lab, handler), methods=["POST"])

    routes = [
        get("/", pages_studies.studies),
        get("/runs", pages_studies.runs),
        get("/overlay", pages_several.overlay),
        get("/compare", pages_several.compare),
        get("/compare/figure/{figure}", pages_several.figure),
        get("/study/{study}", pages_studies.study),
        post("/study/{study}/said", pages_studies.say),
        get("/study/{study}/run/{run}", pages_run.run),
        post("/study/{study}/run/{run}/said", pages_studies.say),
        get("/study/{study}/run/{run}/series", pages_run.series),
        get("/study/{study}/run/{run}/curve.svg", pages_run.pictured),
        get("/study/{study}/run/{run}/figure/{figure}", microscope.figure),
        get("/study/{study}/run/{run}/doctor", pages_doctor.doctor),
        get("/study/{study}/run/{run}/epochs", pages_epochs.epochs),
        get("/study/{study}/run/{run}/epochs/batch", pages_epochs.batch),
        get("/study/{study}/run/{run}/epochs/{which}.svg", pages_epochs.pictured_epochs),
        get("/study/{study}/run/{run}/inside", pages_inside.inside),
        get("/study/{study}/run/{run}/inside/confused", pages_inside.confused),
        get("/study/{study}/run/{run}/inside/seen", pages_inside.seen),
        post("/study/{study}/run/{run}/inside/seen", pages_inside.seen),
        get("/study/{study}/run/{run}/inside/mapped", pages_inside.mapped),
        get("/study/{study}/run/{run}/inside/trusted", pages_inside.trusted),
        get("/study/{study}/run/{run}/surface", pages_surface.surface),
        post("/study/{study}/run/{run}/surface", pages_surface.begin),
        get("/study/{study}/run/{run}/surface/figure/{landscape}", pages_surface.figure),
        get("/study/{study}/compare", pages_compare.compare),
        get("/study/{study}/compare/figure/{figure}", pages_compare.figure),
        Route("/study/{study}/live", live.stream(lab), methods=["GET"]),
        get("/descents", pages_descents.descents),
        get("/descents/race", pages_descents.raced),
        get("/descents/step", pages_descents.step),
        get("/schedules", pages_play.schedules),
        get("/schedules/curves", pages_play.planned),
        get("/schedules/curves.svg", pages_play.pictured_plans),
        get("/averages/{which}.svg", pages_play.pictured_averages),
        get("/averages", pages_play.averages),
        get("/averages/curves", pages_play.averaged),
        get("/new", pages_new.training),
        get("/new/checked", pages_new.checked),
        post("/new", pages_new.train),
        get("/new/study", pages_new_study.study),
        post("/new/study", pages_new_study.run),
        get("/jobs", pages_jobs.jobs),
        get("/jobs/state", pages_jobs.state),
        post("/jobs/{do}", pages_jobs.change),
        post("/study/{study}/stop", pages_jobs.stop),
        post("/study/{study}/resume", pages_jobs.resume),
        get("/notes", pages_jobs.notes),
        post("/notes", pages_jobs.build),
        get("/study/{study}/note/{file:path}", pages_jobs.opened),
        post("/choose", resources.choose),
        get("/static/{name}", resources.static),
    ]
    return Guard(Starlette(routes=routes), lab, lambda scope: _entrance(lab, scope))


def _entrance(lab: Laboratory, scope: Scope) -> Response:
    """Where nobody is let in without the cookie: the token is exchanged for it here, once."""
    query: dict[str, Any] = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    given = query.get("token", [""])[-1]
    session = lab.keys.exchanged(given) if scope["path"] == "/" and given else None
    if session is None:
        return HTMLResponse(_ENTRANCE, 401)
    answer = HTMLResponse(_ENTERING)  # not a redirect: a strict cookie does not follow one that began elsewhere
    answer.set_cookie(lab.keys.cookie, session, httponly=True, samesite="strict", path="/")
    return answer
