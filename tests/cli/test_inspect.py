"""`passo inspect`, as a person types it: words, tables, figures, and mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from watched_run import train

from passo.store import Store


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study `little`, of one watched run."""
    folder = tmp_path_factory.mktemp("inspect")
    events = [("watch", 3, "zero_grad may have been forgotten", {"what": "zero-grad"})]
    train("Adam", clip=1.0).stored(folder / "little", events=events)
    return folder


def inspect(*words: str, cwd: Path, code: int = 0, columns: int = 100) -> str:
    environment = {**os.environ, "PASSO_OFFLINE": "1", "COLUMNS": str(columns)}
    done = subprocess.run(
        [sys.executable, "-m", "passo", "inspect", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_run_is_told_with_its_proof_its_events_and_its_layers(here: Path) -> None:
    said = " ".join(inspect("little", cwd=here).split())
    assert "trained with Adam under the microscope: 40 steps were recorded, from 1 to 40" in said
    assert "promised: at most 8" in said and "Clipping bit at" in said
    assert said.startswith("noticed zero_grad may have been forgotten (step 3) little was trained")
    assert "At step 40 layer weights gradient eff. lr update/θ m̂/√v̂ cosine uphill fc1.weight 15" in said
    assert "At step 7" in inspect("little/little", "--step", "7", cwd=here)


def test_the_table_of_layers_fits_a_narrow_terminal(here: Path) -> None:
    said = inspect("little", cwd=here, columns=80)
    assert all(name in said for name in ("fc1.weight  ", "spare.weight  ", "update/θ"))


def test_a_parameter_is_told_over_the_run_and_taken_apart_at_a_step(here: Path) -> None:
    over = inspect("little", "--parameter", "fc1.weight", cwd=here)
    assert "m  averaged" in over and "over the run" in over and "▁" in over
    apart = inspect("little", "--parameter", "fc1.weight", "--index", "1,2", "--step", "37", cwd=here, columns=140)
    assert "Step 37 of fc1.weight[1, 2] in little: a gradient of" in apart
    assert "From the gradient to the update" in apart and "What it is divided by" in apart
    assert "m̂ / (√v̂ + ε) = " in apart


@pytest.mark.parametrize("columns", [80, 72])
def test_the_bars_fit_the_terminal(columns: int, here: Path) -> None:
    said = inspect("little", "--parameter", "fc1.weight", cwd=here, columns=columns).splitlines()
    bars = [line for line in said if "▁" in line or "█" in line]
    assert len(bars) >= 12 and all(line.lstrip()[0] not in "▁▂▃▄▅▆▇█" for line in bars)


def test_a_figure_is_saved_and_told(here: Path) -> None:
    said = inspect("little", "--figure", "ratios", "--out", "mine.svg", cwd=here)
    assert "saved as mine.svg" in said and "update-to-weight ratio" in said
    assert (here / "mine.svg").read_text(encoding="utf-8").startswith("<svg")
    inspect("little", "--figure", "layers", "--quantity", "cosine", cwd=here)
    assert (here / "little" / "little-layers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing",), 1, "no study 'nothing'"),
        (("little/other",), 1, "has no run 'other'"),
        (("little", "--parameter", "fc1.weigth"), 2, "Did you mean 'fc1.weight'"),
        (("little", "--step", "77"), 1, "did not record step 77; 40 steps were recorded, from 1 to 40"),
        (("little", "--index", "1,2"), 2, "an index needs the parameter"),
        (("little", "--parameter", "fc1.weight", "--index", "a,b"), 2, "--index must be whole numbers"),
        (("little", "--parameter", "spare.weight", "--step", "3"), 1, "had no gradient at step 3"),
        (("little", "--figure", "ratio"), 2, "Did you mean 'ratios'"),
        (("little", "--figure", "ratios", "--step", "3"), 2, "takes no 'step'"),
        (("little", "--quantity", "cosine"), 2, "--quantity is what --figure layers draws"),
        (("little", "--figure", "ratios", "--quantity", "cosine"), 2, "takes no 'quantity'"),
        (("little", "--out", "x.png"), 2, "--out needs --figure"),
        (("little", "--figure", "ratios", "--out", "x.pdf"), 2, "saved as .html, .png, .svg"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words: tuple[str, ...], code: int, said: str, here: Path) -> None:
    told = " ".join(inspect(*words, cwd=here, code=code, columns=400).split())
    assert said in told and "Traceback" not in told


def test_a_study_without_a_watched_run_or_with_several_says_so(tmp_path: Path) -> None:
    with Store.create(tmp_path / "plain", name="plain", config={}) as store:
        store.add_run("alone", config={}).finish()
    assert "no run of plain was watched: train one with record.every=1" in inspect("plain", cwd=tmp_path, code=1)
    run = train("SGD", steps=3).run()
    with Store.create(tmp_path / "two", name="two", config={}) as store:
        for name in ("one", "other"):
            writer = store.add_run(name, config={})
            for array, (values, meta) in run.held.items():
                writer.array(array, values, **meta)
            writer.finish()
    said = inspect("two", cwd=tmp_path, code=1, columns=200)
    assert "two holds 2 watched runs, say which: one, other" in said
    assert "3 steps were recorded" in inspect("two/other", cwd=tmp_path)


def test_looking_needs_no_torch(here: Path) -> None:
    program = (
        "import sys; from passo.cli.app import app\n"
        "for words in (['inspect', 'little'], ['inspect', 'little', '--parameter', 'fc1.weight', '--step', '3'],\n"
        "              ['inspect', 'little', '--figure', 'cosine', '--out', 'c.svg']):\n"
        "    app(words, standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
