"""Small things that a walk through the Portuguese pages found."""

from asking import Asking


def test_no_page_of_python_s_own_words_stands_in_a_title(page: Asking) -> None:
    shown = page.get("/descents", accept_language="pt-BR").text
    assert 'title="← → um passo' in shown and "built-in" not in shown


def test_what_kind_a_run_is_of_is_said_in_the_page_s_language(page: Asking) -> None:
    assert "<td>treino</td>" in page.get("/runs", accept_language="pt-BR").text
    assert "<td>training</td>" in page.get("/runs").text


def test_an_empty_list_says_whether_nothing_is_there_or_nothing_is_so(page: Asking) -> None:
    assert "Não há estudo assim aqui." in page.get("/?q=nothing", accept_language="pt-BR").text


def test_what_a_chart_says_of_itself_is_portuguese(opened) -> None:
    page = opened("/overlay?run=first/adam-s0", "pt-BR")
    page.wait_for_selector("html[data-drawn]")
    page.wait_for_selector("#chart svg.marks")
    said = page.eval_on_selector_all("#chart [aria-label]", "all => all.map((one) => one.getAttribute('aria-label'))")
    assert any("0,1353" in one for one in said)
    assert not any(word in one for one in said for word in ("axis", "legend for", "Title text", "Vega", "0.1353"))
