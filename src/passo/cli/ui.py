"""`passo ui`: the laboratory in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.show import out
from passo.errors import UsageError, require
from passo.language import t


def ui(
    root: Annotated[
        Path | None, typer.Argument(help="Where the studies lie (default: ./passo-runs, or PASSO_ROOT).")
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="The first port to try; the next free one is taken.")
    ] = 8765,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    host: Annotated[str, typer.Option(help="Another address to listen on than this machine's own; see --i-know.")] = (
        "127.0.0.1"
    ),
    i_know: Annotated[
        bool,
        typer.Option("--i-know", help="Listen where other machines can ask: what they send and see goes unencrypted."),
    ] = False,
) -> None:
    """The laboratory as pages in the browser: watch runs while they train, begin new ones, stop, compare, publish."""
    for package in ("starlette", "uvicorn", "jinja2", "altair"):
        require(package, "web")
    from passo.store import root as usual
    from passo.web.server import LOCAL, serve

    place = root if root is not None else usual()
    if root is not None and not place.is_dir():
        raise UsageError(f"{place} is no folder: give the one under which studies lie")
    if host not in LOCAL and not i_know:
        raise UsageError(
            f"with --host {host} other machines can ask: whoever hears the network reads the token and all that is "
            "shown. Give --i-know as well, or reach 127.0.0.1 through ssh -L"
        )

    def told(address: str, found: int) -> None:
        if found != port:
            out.print(t("port {port} is in use: {found} is taken", port=str(port), found=str(found)))
        out.print(t("The laboratory of {place} is open, for one browser:", place=place), soft_wrap=True)
        out.print(f"  {address}", soft_wrap=True, highlight=False, markup=False)
        out.print(t("Ctrl-C ends it, and stops what its queue runs, with its state kept; other trainings go on."))

    def stopping(command: str) -> None:
        out.print(t("stopping, with its state kept: {command}", command=command), markup=False, soft_wrap=True)

    serve(place, host=host, port=port, browser=not no_browser, told=told, stopping=stopping)
