"""`passo.explain`: parts of an explanation by name, each with its data and its figures, as a page and as files."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.analysis.tables import Table
from passo.errors import FolderInUse, MissingExtra, PassoError, StoreError, UsageError
from passo.figures import Figure
from passo.language import t
from passo.looking.parts import PARTS
from passo.looking.subject import Subject, found_run
from passo.registry import unknown
from passo.store import StoredRun
from passo.telling import told as in_words

if TYPE_CHECKING:
    from torch import nn

PAGE, FIGURES = "explain.html", "figures"


@dataclass(frozen=True)
class Part:
    """One part: `data`, a small frozen result with named fields, and its figures, of which `figure` is the first."""

    name: str
    title: str
    data: Any
    figures: tuple[Figure, ...]

    @property
    def figure(self) -> Figure:
        return self.figures[0]

    @property
    def sentence(self) -> str:
        """What it shows, in words computed from the same numbers."""
        own = getattr(self.data, "sentence", None)
        return own() if own is not None else " ".join(figure.sentence for figure in self.figures)

    @property
    def table(self) -> Table | None:
        own = getattr(self.data, "table", None)
        return None if own is None else own()

    def _repr_mimebundle_(self, *arguments: Any, **options: Any) -> Any:
        return self.figure._repr_mimebundle_(*arguments, **options)


@dataclass(frozen=True)
class Saved:
    """What `Explanation.save` left: the page, and the figures' PNG and SVG files."""

    html: Path
    figures: tuple[Path, ...]


@dataclass(frozen=True)
class Explanation:
    """A trained run, explained: a mapping from the names of parts to what was found; it shows itself in a notebook.

    `missing` says, of each part that the run cannot give, why.
    """

    run: StoredRun
    parts: tuple[Part, ...]
    missing: dict[str, str]

    def __getitem__(self, name: str) -> Part:
        """A part by its name; raises `UsageError` with the reason where the run cannot give it, `UnknownName` else."""
        for part in self.parts:
            if part.name == name:
                return part
        if name in self.missing:
            raise UsageError(f"{self.run.id} gives no {name}: {self.missing[name]}")
        raise unknown("part of this explanation", name, list(self))

    def __contains__(self, name: object) -> bool:
        return any(part.name == name for part in self.parts)

    def __iter__(self) -> Iterator[str]:
        return iter([part.name for part in self.parts])

    def __len__(self) -> int:
        return len(self.parts)

    def __repr__(self) -> str:
        lost = f"; not given: {', '.join(self.missing)}" if self.missing else ""
        return f"<Explanation of {self.run.id}: {', '.join(self)}{lost}>"

    def save(self, folder: str | Path) -> Saved:
        """Write `explain.html`, which works offline, and `figures/`; an older page, and pictures of the same names, go.

        Raises `FolderInUse` where the folder holds other things, `StoreError` where it cannot be written.
        """
        from passo.looking.page import page

        folder = Path(folder)
        _check(folder)
        text = page(self)  # whole, before the first file is touched
        try:
            (folder / FIGURES).mkdir(parents=True, exist_ok=True)
            drawn = [figure.save(folder / FIGURES) for part in self.parts for figure in part.figures]
            beside = folder / f".{PAGE}.part"
            beside.write_text(text, encoding="utf-8")
            beside.replace(folder / PAGE)
        except OSError as error:
            raise StoreError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
        return Saved(folder / PAGE, tuple(path for pair in drawn for path in pair))

    def _repr_html_(self) -> str:
        """Titles, sentences and pictures, one part below the other."""
        shown = [f"<h2>{html.escape(self.run.id)}</h2>"]
        for part in self.parts:
            shown.append(f"<h3>{html.escape(part.title)}</h3>")
            shown += [_picture(figure) for figure in part.figures]
            shown.append(f"<p>{html.escape(part.sentence)}</p>")
        shown += [
            f"<p>{t('No {part}: {why}', part=name, why=html.escape(why))}</p>" for name, why in self.missing.items()
        ]
        return "\n".join(shown)


def explain(
    run: Any,
    only: str | Iterable[str] | None = None,
    *,
    images: int = 2000,
    layer: str | None = None,
    seed: int = 0,
    model: nn.Module | str | None = None,
    told: Callable[[str], object] | None = None,
) -> Explanation:
    """Explain a trained run: confusion, calibration, hardest images, t-SNE, filters, feature maps, Grad-CAM and trust.

    What the run cannot give is said in `missing` and does not end the rest; predictions that were not kept are
    computed again from its model and its data.

    Args:
        run: STUDY/RUN, a study with one trained run or its folder, or what `passo.train` returned.
        only: names of parts (`passo.looking.PARTS`); all of them by default.
        images: so many test images are mapped, at most.
        layer: of filters, feature maps and trust; by default the first convolution, all of them, and the last.
        seed: of what is drawn by chance: which images are mapped, how t-SNE begins, random maps and random weights.
        model: the run's own again where it is no model of passo's: the module, or FILE.py:FUNCTION, which is run.
        told: is called with a few words before each part.

    Raises `UnknownName` for a part that does not exist, `UsageError` for a run that does not classify, `StoreError`
    for one that is not there or kept no weights, and the first reason where no part can be given.
    """
    wanted = _wanted(only)
    subject = Subject(found_run(run), images, layer, seed, model)
    parts: list[Part] = []
    missing: dict[str, str] = {}
    reasons: list[PassoError] = []
    for name in wanted:
        kind = PARTS[name]
        if told is not None:
            told(t(kind.doing))
        try:
            data, figures = kind.made(subject)
        except MissingExtra:
            raise
        except PassoError as why:
            missing[name] = in_words(str(why))
            reasons.append(why)
        else:
            parts.append(Part(name, t(kind.title), data, tuple(figures)))
    if not parts:
        raise reasons[0]
    return Explanation(subject.run, tuple(parts), missing)


def _wanted(only: str | Iterable[str] | None) -> list[str]:
    """The names that were asked for, in the order of the page."""
    if only is None:
        return list(PARTS)
    asked = [name.strip() for name in (only.split(",") if isinstance(only, str) else only)]
    for name in asked:
        if name not in PARTS:
            raise unknown("part of an explanation", name, PARTS)
    return [name for name in PARTS if name in asked]


def _check(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FolderInUse(f"{folder} is a file: give a folder for the explanation")
    others = sorted(path.name for path in folder.iterdir() if path.name not in (PAGE, FIGURES, f".{PAGE}.part"))
    if others:
        raise FolderInUse(f"{folder} holds other things ({', '.join(others[:3])}): give a folder of its own")


def _picture(figure: Figure) -> str:
    """A figure as a picture inside the text."""
    buffer = io.BytesIO()
    figure.chart.save(buffer, format="png", scale_factor=1.5)
    source = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" alt="{html.escape(figure.sentence, quote=True)}">'
