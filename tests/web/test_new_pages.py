"""New, queue and notes in Chromium: a training is begun from the form, watched, and written about."""

from pathlib import Path

import pytest

from passo.store import open_study


@pytest.mark.parametrize(
    ("locale", "start", "queue", "done"),
    [("en-US", "Start", "Queue", "done"), ("pt-BR", "Iniciar", "Fila", "concluído")],
)
def test_a_training_is_begun_from_the_form_and_ends_in_the_queue(
    opened, root: Path, locale: str, start: str, queue: str, done: str
) -> None:
    page = opened("/new", locale)
    page.select_option("#of-dataset", "fashion-mnist-sample")
    page.wait_for_selector("#command:text-matches('fashion-mnist-sample')")
    page.select_option("#of-model", "mlp")
    page.wait_for_selector("[name='model.hidden']")
    page.fill("[name='dataset.per_class']", "20")
    page.fill("[name=epochs]", "many")
    page.press("[name=epochs]", "Tab")
    page.wait_for_selector("#wrong:not([hidden])")
    assert "epochs" in page.inner_text("#wrong")
    page.fill("[name=epochs]", "1")
    page.press("[name=epochs]", "Tab")
    page.wait_for_selector("#wrong", state="hidden")
    assert page.inner_text("#command").startswith(
        "passo train dataset=fashion-mnist-sample model=mlp optimizer=adam dataset.per_class=20 epochs=1 --out"
    )
    page.click(f"button:text-is('{start}')")
    page.wait_for_selector(f"h1:text-is('{queue}')")
    page.wait_for_selector(f"#queue .status.done:text-is('{done}')", timeout=60_000)
    assert open_study(root / "mlp-adam").status == "done"
    page.click("#queue a:text-is('mlp-adam')")
    page.wait_for_selector("h1:has-text('mlp-adam')")


def test_a_study_s_form_estimates_its_time(opened, root: Path) -> None:
    (root / "small.toml").write_text(
        'name = "small"\nseeds = 2\n[base]\nmodel = "mlp"\n'
        'dataset = { name = "fashion-mnist-sample", per_class = 20 }\n[[runs]]\nname = "a"\noptimizer = "sgd"\n'
    )
    page = opened("/new/study")
    page.select_option("#study", "small.toml")
    page.wait_for_selector("#command")
    assert "passo study run" in page.inner_text("#command")
    page.click("button[name=estimate]")
    page.wait_for_selector("[role=status]:text-matches('2 trainings: about')")


@pytest.mark.parametrize("locale", ["en-US", "pt-BR"])
def test_a_note_opens_in_a_sandbox_where_its_scripts_run_without_an_origin(opened, root: Path, locale: str) -> None:
    (root / "first" / "note").mkdir()
    tried = "let kept; try { kept = document.cookie } catch { kept = 'none' } "
    tried += "document.querySelector('p').textContent = `${self.origin} ${kept}`"
    page_of_note = f"<title>found</title><h1>A note</h1><p>nothing ran</p><script>{tried}</script>"
    (root / "first" / "note" / "note.html").write_text(page_of_note)
    page = opened("/notes", locale)
    assert page.locator("h2:has-text('first')").count() == 1
    page.goto(page.url.replace("/notes", "/study/first/note/note.html"))
    page.wait_for_selector("p:text-is('null none')")
