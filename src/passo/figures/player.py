"""A race as one HTML page that plays: no network, nothing to install, scrubbed with a slider, the mouse or the keys.

The picture is SVG, drawn at its end by `passo.figures.racing`; a script of some 190 lines moves it. The page's content
policy names that script by its SHA-256 and forbids every request.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from passo.analysis.races import Race, Racer, conditions, race, table, tell
from passo.errors import StoreError, UsageError
from passo.figures import racing
from passo.figures.races import Scene
from passo.figures.style import FONT
from passo.language import language, numeral, t, tn

_PAGE = Path(__file__).with_name("page")


@dataclass(frozen=True)
class RacePage:
    """The page as text; it shows itself in a notebook, in a frame of its own."""

    html: str
    height: int

    def save(self, path: str | Path) -> Path:
        """Write the page as an .html file; raises `StoreError` where that is not possible."""
        path = Path(path)
        if path.suffix.lower() != ".html":
            raise UsageError(f"a race's page is saved as .html, got {path.name!r}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.html, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
        return path

    def _repr_html_(self) -> str:
        inside = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{inside}" width="100%" height="{self.height}" style="border:0"></iframe>'


def race_page(source: Any) -> RacePage:
    """The race, animated: what `passo.descend` returned, a study that holds a race, or a record of one.

    What is said of all racers stands once: the formula in the heading, the conditions under the table. Table and
    sentence, which give the end away, stay hidden while the race plays for the first time.
    """
    scene = Scene(race(source))
    script = player() + 'playRace(JSON.parse(document.getElementById("race").textContent), false);\n'
    css = Template((_PAGE / "race.css").read_text(encoding="utf-8")).substitute(font=FONT)
    standings = replace(table(scene.race), note=conditions(scene.race))
    page = Template((_PAGE / "race.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(script),
        title=html.escape(scene.title),
        sentence=html.escape(tell(scene.race), quote=True),
        caption=html.escape(f"{t('The surface, {marks}', marks=scene.marks)} {t(scene.race.note)}".rstrip()),
        css=css,
        svg=racing.picture(scene, scene.race.steps),
        steps=scene.race.steps,
        table=f'<div class="table">{standings._repr_html_()}</div>',
        source=html.escape(t("The surface: {source}.", source=t(scene.race.source))),
        lang=language(),
        **{name: html.escape(words, quote=True) for name, words in race_words().items()},
        data=json.dumps(race_data(scene), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        script=script,
    )
    return RacePage(page, round(racing.height(scene)) + 260)


def player() -> str:
    """The script that plays a race which a page holds: it defines `playRace(data, still)`."""
    return (_PAGE / "race.js").read_text(encoding="utf-8")


def race_words() -> dict[str, str]:
    """What stands on the page beside the picture."""
    return {
        "play": t("Play"),
        "toggle": t("Play or pause (space)"),
        "step": t("Step"),
        "keys": t("← → one step, with Shift ten; Home, End"),
        "speed": t("speed"),
        "made": t("Made with passo; the real optimiser classes, every step."),
    }


def _spoken() -> dict[str, str]:
    """What the script says; it puts numbers in the place of #."""
    return {
        "play": t("Play"),
        "pause": t("Pause"),
        "step": t("step {n}", n="#"),
        "loss": t("loss {value}", value="#"),
        "diverged": t("diverged, {step}", step="#"),
        "arrived": tn("{n} step", "{n} steps", 1),
        "after": t("{n} steps", n="#"),
        "point": numeral("."),
    }


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def race_data(scene: Scene) -> dict[str, Any]:
    """What the script needs: where values are in the picture, and the paths."""
    return {
        "steps": scene.race.steps,
        "axes": scene.race.told_axes,
        "words": _spoken(),
        "x": scene.x,
        "y": scene.y,
        "map": racing.MAP,
        "fall": racing.LOSS,
        "losses": scene.loss_limits,
        "lowest": scene.race.lowest,
        "racers": [_racer(scene.race, racer) for racer in scene.race.racers],
    }


def _racer(ground: Race, racer: Racer) -> dict[str, Any]:
    apart = np.ptp([*ground.x[[0, -1]], *ground.y[[0, -1]]])
    places = max(0, 5 - int(np.floor(np.log10(apart))))  # a hundredth of a pixel
    lr = racer.lr if np.ptp(racer.lr) else racer.lr[:1]
    return {
        "label": racer.label,
        "x": [round(value, places) for value in racer.points[:, 0].tolist()],
        "y": [round(value, places) for value in racer.points[:, 1].tolist()],
        "loss": _rounded(racer.losses),
        "lr": _rounded(lr),
        "arrived": racer.arrived,
        "diverged": racer.diverged,
    }


def _rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
