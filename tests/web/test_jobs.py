"""The queue: one job at a time, stopped with its state kept, held over a server's end; forms that fill it."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from asking import Asking, a_study

from passo.errors import FolderInUse, StoreError, UsageError
from passo.store import open_study
from passo.web.beside import Beside
from passo.web.jobs import Jobs

LONG = ["train", "dataset=fashion-mnist-sample", "dataset.per_class=20", "model=mlp", "epochs=100000"]


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that a process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def trains(folder: Path) -> bool:
    """Whether a training has begun to write its curves."""
    with suppress(StoreError):
        return any(run.has("train/loss") for run in open_study(folder).runs)
    return False


@pytest.fixture
def jobs(root: Path):
    made = Jobs(root, Beside(root))
    yield made
    made.close()


def test_jobs_run_one_after_another_and_what_they_print_is_kept(jobs: Jobs, root: Path) -> None:
    first, second = jobs.add(["runs", "list"]), jobs.add(["runs", "show", "nothing"])
    assert jobs.add(["--version"]).status == "waiting"
    until(lambda: all(job.status in ("done", "failed") for job in jobs.all()))
    assert [job.status for job in jobs.all()] == ["done", "failed", "done"]
    assert "first" in jobs.printed(first.number) and "no study 'nothing'" in jobs.printed(second.number)
    assert jobs.get(first.number).ended <= jobs.get(second.number).begun  # type: ignore[operator]
    jobs.forget(first.number)
    assert len(jobs.all()) == 2 and jobs.printed(first.number) == ""


def test_a_training_is_stopped_with_its_state_and_the_queue_goes_on(jobs: Jobs, root: Path) -> None:
    job = jobs.add([*LONG, "--out", str(root / "long")], study="long")
    waiting = jobs.add(["--version"])
    with pytest.raises(UsageError, match="in the queue already"):
        jobs.add(LONG, study="long")
    until(lambda: trains(root / "long"))
    jobs.stop(job.number)
    until(lambda: jobs.get(waiting.number).status == "done")
    assert jobs.get(job.number).status == "stopped" and open_study(root / "long").checkpoints()


def test_what_waits_is_held_when_a_server_ends_and_two_servers_do_not_share_a_queue(root: Path) -> None:
    first = Jobs(root, Beside(root))
    running, waiting = first.add([*LONG, "--out", str(root / "long")], study="long"), first.add(["--version"])
    second = Jobs(root, Beside(root))
    with pytest.raises(FolderInUse, match="another passo ui"):
        second.add(["--version"])
    assert second.get(waiting.number).status == "waiting"
    first.close()
    third = Jobs(root, Beside(root))
    assert (third.get(running.number).status, third.get(waiting.number).status) == ("stopped", "paused")
    third.release()
    until(lambda: third.get(waiting.number).status == "done")
    third.close()


def test_what_a_killed_server_left_goes_on_and_can_be_stopped_and_the_queue_waits_for_it(root: Path) -> None:
    first = Jobs(root, Beside(root))
    job, waiting = first.add([*LONG, "--out", str(root / "long")], study="long"), first.add(["--version"])
    until(lambda: trains(root / "long"))
    first._over = True
    first._lock.close()  # type: ignore[union-attr]  as where its process is gone
    second = Jobs(root, Beside(root))
    assert (second.get(job.number).status, second.get(waiting.number).status) == ("running", "paused")
    second.release()
    assert second.get(waiting.number).status == "waiting"
    second.stop(job.number)
    until(lambda: second.get(waiting.number).status == "done")
    assert second.get(job.number).status == "stopped" and open_study(root / "long").status == "interrupted"
    second.close()


def test_a_form_shows_every_option_and_the_command_and_fills_the_queue(page: Asking, root: Path) -> None:
    page.lab.jobs.close()  # what is put in waits
    form = page.get("/new?model=cnn&optimizer=sgd&schedule=StepLR")
    for name in ("model.dropout2d", "optimizer.nesterov", "schedule.step_size", "label_smoothing", "record.budget"):
        assert f'name="{name}"' in form.text
    assert "whole number ≥ 1" in form.text and "number ≥ 0 and &lt; 1" in form.text
    told = page.get("/new/checked?epochs=2&optimizer.lr=0.01&batch_size=64&name=mine", accept="application/json").text
    assert "passo train dataset=fashion-mnist model=lenet optimizer=adam lr=0.01 epochs=2 --out" in told
    wrong = page.get("/new/checked?optimizer.lr=fast", accept="application/json").text
    assert "lr must be a number, got 'fast'" in wrong
    fields = {"key": page.key, "dataset": "fashion-mnist-sample", "model": "mlp", "epochs": "1", "name": "mine"}
    assert page.post("/new", fields).status == 303
    (job,) = page.lab.jobs.all()
    assert job.words[:5] == ("train", "dataset=fashion-mnist-sample", "model=mlp", "optimizer=adam", "epochs=1")
    assert job.study == "mine" and Path(job.words[-1]).resolve() == root / "mine"


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"dataset": "/etc/passwd"}, "the form knows the data sets"),
    ({"dataset": "../pictures"}, "the form knows the data sets"),
    ({"model": "evil.py:Net"}, "a model of your own|unknown model"),
    ({"name": "../outside"}, "a name has letters"),
    ({"name": "--force"}, "a name has letters"),
    ({"name": "first"}, "something called first already"),
    ({"epochs": "0"}, "epochs must be"),
]


def test_a_form_starts_nothing_that_is_not_offered(page: Asking) -> None:
    for fields, told in REFUSED:
        answer = page.post(
            "/new", {"key": page.key, "dataset": "fashion-mnist-sample", "optimizer.lr": "0.07", **fields}
        )
        assert answer.status in (400, 404) and re.search(told, answer.text), fields
        assert 'value="0.07"' in answer.text  # the form again, with what was given
    assert page.lab.jobs.all() == []


def test_a_study_is_shown_and_put_into_the_queue(page: Asking, root: Path) -> None:
    page.lab.jobs.close()
    (root / "own.toml").write_text('name = "own"\n[[runs]]\nname = "a"\noptimizer = "sgd"\n')
    shown = page.get("/new/study?study=optimizers&set=seeds%3D1")
    assert "passo study run optimizers --set=seeds=1 --out" in shown.text and "52 runs" in shown.text
    assert 'value="nn-vs-cnn"' in shown.text and "own.toml" in shown.text
    assert page.post("/new/study", {"key": page.key, "study": "own.toml", "executor": "here"}).status == 303
    (job,) = page.lab.jobs.all()
    assert job.study == "own" and job.words[3:5] == ("--executor", "here") and job.words[2].endswith("own.toml")
    for bad in ("../own.toml", "/etc/own.toml", "--yes"):
        assert page.post("/new/study", {"key": page.key, "study": bad}).status == 400


def test_a_training_elsewhere_is_asked_to_stop_and_one_that_stopped_is_resumed(page: Asking, root: Path) -> None:
    assert page.post("/study/first/stop", {"key": page.key}).status == 303  # nobody trains it
    assert "nothing to resume" in page.post("/study/first/resume", {"key": page.key}).text
    page.lab.jobs.add([*LONG, "--out", str(root / "long")], study="long")
    until(lambda: trains(root / "long"))
    asked = page.post("/study/long/stop", {"key": page.key, "back": "//elsewhere"})
    assert (asked.status, asked.headers["location"]) == (303, "/")
    until(lambda: open_study(root / "long").status == "interrupted")
    page.lab.jobs.close()
    page.lab.jobs = Jobs(root, page.lab.beside)
    assert 'action="/study/long/resume"' in page.get("/study/long").text
    assert page.post("/study/long/resume", {"key": page.key}).status == 303
    assert page.lab.jobs.of("long").words == ("train", "--resume", str(root / "long"))  # type: ignore[union-attr]
    page.lab.jobs.close()


def test_a_note_is_served_in_a_sandbox_and_only_from_its_folder(page: Asking, root: Path, tmp_path: Path) -> None:
    note = root / "first" / "note"
    note.mkdir()
    (note / "first.html").write_text("<p>found</p>")
    (tmp_path / "secret.html").write_text("secret")
    (note / "link.html").symlink_to(tmp_path / "secret.html")
    assert 'href="/study/first/note/first.html"' in page.get("/notes").text
    answer = page.get("/study/first/note/first.html")
    assert answer.text == "<p>found</p>" and answer.headers["content-security-policy"].startswith(
        "sandbox allow-scripts"
    )
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    for bad in (
        "link.html",
        "../study.sqlite",
        "..%2fstudy.sqlite",
        "%2e%2e/%2e%2e/%2e%2e/secret.html",
        "missing.html",
    ):
        answer = page.get(f"/study/first/note/{bad}")
        assert answer.status == 404 and answer.text != "secret"


def test_a_change_of_the_queue_needs_the_forms_key(page: Asking) -> None:
    a_study(page.lab.root, "second")
    for path in ("/new", "/new/study", "/jobs/stop", "/jobs/release", "/study/second/stop", "/notes"):
        assert page.post(path, {"study": "second", "number": "1"}).status == 403
    assert page.lab.jobs.all() == []
