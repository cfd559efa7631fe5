"""The proof: it holds for every optimiser and every option, and where an equation is wrong it says so."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from passo.cli.app import app
from passo.errors import UnknownName
from passo.experiments import proof as proving
from passo.experiments.proof import Proof, chosen, prove, walked
from passo.experiments.proof_cases import cases
from passo.experiments.proof_problems import PROBLEMS
from passo.experiments.proof_report import markdown, number, summaries
from passo.optim.arguments import arguments_of
from passo.optim.catalogue import CLASSES
from passo.optim.stages import explanation

LABELS = list(dict.fromkeys(case.label for case in cases()))
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "proof.md"


@pytest.mark.parametrize("label", LABELS)
def test_the_first_steps_of_every_case_are_explained(label: str) -> None:
    proved = prove([label], steps=4, jobs=1)
    assert proved.held, [(row.options, row.problem, row.dtype, row.worst) for row in proved.broken]
    assert all(row.moved == 4 for row in proved.rows if row.label != "LBFGS")


@pytest.mark.slow
def test_every_case_is_explained_over_200_steps() -> None:
    proved = prove()
    assert proved.held, [(row.label, row.options, row.problem, row.dtype, row.worst) for row in proved.broken]
    assert proved.labels == tuple(LABELS)
    assert {row.bound for row in proved.rows} == {8.0, None}
    assert {row.label for row in proved.rows if row.bound is None} == {"LBFGS"}


def test_every_optimizer_of_the_catalogue_has_cases() -> None:
    assert {case.optimizer for case in cases()} >= set(CLASSES.values())


def test_every_option_of_every_optimiser_is_tried_but_capturable() -> None:
    for cls in {case.optimizer for case in cases()} - {torch.optim.LBFGS}:
        tried = {option for case in cases() if case.optimizer is cls for option in case.options}
        assert set(arguments_of(cls, ["params"])) - tried <= {"capturable"}, cls


@pytest.mark.parametrize(("stage", "what"), [("explained", "update"), ("square_avg", "state")])
def test_an_equation_that_is_off_by_a_ten_millionth_breaks_the_bound(stage: str, what: str, monkeypatch) -> None:
    def wrong(optimizer):
        right = explanation(optimizer)
        assert right is not None and right.equations is not None
        honest = right.equations

        def equations(theta, grad, state, step, group, out):
            honest(theta, grad, state, step, group, out)
            out[stage].mul_(1 + 1e-7)

        return replace(right, equations=equations)

    monkeypatch.setattr(proving, "explanation", wrong)
    case = next(case for case in cases() if case.label == "RMSprop" and case.options.get("momentum") is None)
    row = walked(case, "bowl", "float64", 20)
    assert not row.held
    assert ((row.roundings or 0) > 8) == (what == "update")
    assert (max(row.state.values()) > 8) == (what == "state")


def test_a_walk_on_which_nothing_moves_proves_nothing() -> None:
    case = next(case for case in cases() if case.label == "SGD")
    row = walked(replace(case, options={"lr": 0.0}), "bowl", "float32", 3)
    assert row.roundings == 0 and not row.held


def test_a_proof_leaves_the_random_numbers_as_they_were() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    walked(next(cases()), "CNN", "float32", 1)
    assert torch.equal(torch.rand(3), expected)


def test_names_are_forgiven_their_case_and_unknown_ones_get_the_nearest() -> None:
    assert {case.label for case in chosen(["Sparse-Adam", "keras-adam"])} == {"SparseAdam", "keras.Adam"}
    with pytest.raises(UnknownName, match="unknown optimizer 'adamm'. Did you mean 'Adam"):
        chosen(["adamm"])


@pytest.fixture(scope="module")
def small() -> Proof:
    return prove(["adam", "sparseadam", "lbfgs"], steps=3, jobs=1)


def test_the_page_has_every_case_its_bound_and_what_was_not_proven(small: Proof) -> None:
    page = markdown(small)
    for row in small.rows:
        assert f"`{row.options}`" in page
    assert "every bound holds" in page and "broken" not in page
    assert "| LBFGS | 2 | – | – | – | measured only |" in page
    assert "| SparseAdam | 3 |" in page
    assert "## What was not proven" in page and "capturable" in page


def test_the_summary_is_the_largest_of_an_optimisers_rows(small: Proof) -> None:
    adam = next(one for one in summaries(small) if one.label == "Adam")
    rows = [row for row in small.rows if row.label == "Adam"]
    assert adam.float32 == max(row.roundings for row in rows if row.dtype == "float32" and row.roundings is not None)
    assert adam.state == max(value for row in rows for value in row.state.values())
    assert adam.cases == len({row.options for row in rows})


def test_a_broken_row_is_marked_on_the_page_and_named_in_the_verdict(small: Proof) -> None:
    first, *others = small.rows
    broken = replace(small, rows=(replace(first, roundings=9.5), *others))
    page = markdown(broken)
    assert not broken.held and broken.broken[0].options == first.options
    assert f"**1 of {len(small.rows)} broke their bound**" in page
    assert page.count("8 **broken**") == 2  # in the overview, and in the row
    assert f"9.5 roundings (`{first.label}({first.options})`, {first.problem}, {first.dtype})" in page


def test_the_command_prints_a_line_for_each_optimiser_and_writes_the_page(tmp_path: Path) -> None:
    page = tmp_path / "proof.md"
    result = CliRunner().invoke(app, ["proof", "muon", "--steps", "2", "--jobs", "1", "--out", str(page)])
    assert result.exit_code == 0, result.output
    assert "Muon" in result.output and "held" in result.output
    assert page.read_text(encoding="utf-8").startswith("# Every optimiser, held to its equations")


def test_the_command_ends_with_1_where_a_bound_is_broken(monkeypatch) -> None:
    def strict(optimizer):
        found = explanation(optimizer)
        assert found is not None
        return replace(found, bound=1e-3)

    monkeypatch.setattr(proving, "explanation", strict)
    result = CliRunner().invoke(app, ["proof", "sparse-adam", "--steps", "2", "--jobs", "1"])
    assert result.exit_code == 1
    assert "broken: SparseAdam(lr=0.02) on embedding in float32" in result.output


def test_the_committed_page_is_of_these_cases_and_holds() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    assert "every bound holds" in page and "200 steps of each case" in page
    for case in cases():
        assert f"| `{case.title}` |" in page, f"{case.label}({case.title}): run passo proof --out docs/proof.md"


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_problems_have_losses_that_fall_along_the_gradient(name: str) -> None:
    problem = PROBLEMS[name](torch.float64)
    before = problem.loss(0)
    before.backward()
    with torch.no_grad():
        for parameter in problem.parameters:
            assert parameter.grad is not None
            grad = parameter.grad.to_dense()
            parameter.sub_(grad, alpha=1e-4)
    assert problem.loss(0).item() < before.item()


def test_numbers_have_two_digits() -> None:
    assert [number(value) for value in (0.0, 0.486, 2.0, 1234.5, None)] == ["0", "0.49", "2", "1200", "–"]
