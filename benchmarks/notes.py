"""How long does a note take from a finished study? Each format alone, and all of them in both languages.

    python benchmarks/notes.py [STUDY] [--rounds 3] [--formats html,pdf,medium,notebook] [--out FILE.json]

    <format>   passo note STUDY --format <format>, in English: a process of its own, start included
    all        all formats, English
    both       all formats, English and Brazilian Portuguese, side by side
    drawn      the peer: vl-convert alone, figures of that note as SVG, as PNG of double resolution, and Vega's script,
               from specifications that are ready. No note with those figures can be quicker than this.

Arms run in turn; a ratio is the median over rounds of an arm's time over the peer's in the same round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

BOTH = "en,pt-BR"


def written(study: str, formats: str, lang: str) -> float:
    """Seconds of one command, into a folder of its own."""
    with tempfile.TemporaryDirectory() as out:
        words = ["note", study, "--format", formats, "--lang", lang, "--out", out]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "passo", *words], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun


def drawn(specs: Path) -> float:
    """Seconds that drawing alone takes, in a process of its own, as a note's does."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--draw", str(specs)], check=True)
    return time.perf_counter() - begun


def draw(specs: Path) -> None:
    """Every specification of a file as SVG and PNG, and the script."""
    import vl_convert

    for spec in json.loads(specs.read_text(encoding="utf-8")):
        svg = vl_convert.vegalite_to_svg(spec)
        vl_convert.svg_to_png(svg, scale=2)
    vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def specifications(study: str) -> list[dict[str, object]]:
    """The figures of the study's note, as Vega-Lite."""
    from passo.notes import composer
    from passo.notes.content import FigureBlock
    from passo.store import open_study

    return [block.figure.spec() for block in composer(open_study(study))().blocks() if isinstance(block, FigureBlock)]


def measured(study: str, commands: dict[str, tuple[str, str]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every arm and of the peer, round by round."""
    seconds: dict[str, list[float]] = {arm: [] for arm in (*commands, "drawn")}
    with tempfile.TemporaryDirectory() as folder:
        specs = Path(folder) / "specs.json"
        specs.write_text(json.dumps(specifications(study)), encoding="utf-8")
        for n in range(rounds):
            for arm, (formats, lang) in commands.items():
                seconds[arm].append(written(study, formats, lang))
            seconds["drawn"].append(drawn(specs))
            print(f"round {n + 1} of {rounds}", file=sys.stderr)
    return seconds


def compare(study: str, formats: str, rounds: int, out: Path | None) -> None:
    commands = {one: (one, "en") for one in formats.split(",")}
    seconds = measured(study, commands | {"all": (formats, "en"), "both": (formats, BOTH)}, rounds)
    ratios = {arm: [own / peer for own, peer in zip(of, seconds["drawn"], strict=True)] for arm, of in seconds.items()}
    found = {arm: {"seconds": median(of), "ratio": median(ratios[arm])} for arm, of in seconds.items()}
    for arm, one in found.items():
        print(f"{arm:10} {one['seconds']:6.1f} s  {one['ratio']:5.2f} × drawn")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("study", nargs="?", default="passo-runs/optimizers-fashion-mnist-sample")
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--formats", default="html,pdf,medium,notebook")
    reader.add_argument("--out", type=Path)
    reader.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.draw:
        draw(asked.draw)
    else:
        compare(asked.study, asked.formats, asked.rounds, asked.out)
