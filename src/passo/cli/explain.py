"""`passo explain`: what a trained model does with images, on one page that works offline, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.export import Own
from passo.cli.show import err, out
from passo.language import t, tn

PARTS = "confusion, calibration, hardest, embedding, filters, feature-maps, gradcam, trust"


def explain(
    run: Annotated[
        str, typer.Argument(metavar="STUDY[/RUN]", help="A run that was trained to classify; or its study's folder.")
    ],
    out_: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where to (default: STUDY/explained/RUN).")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="PART,…", help=f"These parts alone: {PARTS}.")] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=10, help="So many test images in the embedding, at most.")
    ] = 2000,
    layer: Annotated[str | None, typer.Option(metavar="L", help="Of filters, feature maps and trust: conv2, …")] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Of everything that is drawn by chance.")] = 0,
    own: Own = None,
) -> None:
    """Explain a trained run: what it confuses, where it looks, what it makes of images; and how far to trust that.

    Writes FOLDER/explain.html, which works offline, and every figure as PNG and SVG.
    """
    from passo.looking import explain as look

    with err.status(t("reading the run")) as status:
        found = look(run, only, images=images, layer=layer, seed=seed, model=own, told=status.update)
        status.update(t("writing the page"))
        saved = found.save(out_ if out_ is not None else found.run.folder / "explained" / found.run.id)
    for part in found.parts:
        out.print(f"[bold]{part.title}[/]")
        out.print(part.sentence, markup=False)
        out.print()
    for name, why in found.missing.items():
        out.print(t("no {part}: {why}", part=name, why=why), markup=False)
    out.print(t("page: {path}", path=saved.html), markup=False, soft_wrap=True)
    beside = tn("{n} picture beside it, in figures/", "{n} pictures beside it, in figures/", len(saved.figures))
    out.print(f"      {beside}")
