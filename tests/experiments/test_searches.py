"""Searches: what they propose follows from what they were told, and a study that is repeated walks the same way."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from passo import store
from passo.errors import ConfigError, MissingExtra
from passo.experiments import study
from passo.experiments.coarse_to_fine import CoarseToFine
from passo.experiments.searching import Proposal, Search, Verdict
from passo.experiments.stages import score
from passo.experiments.studyfile import parse_study
from passo.experiments.trials import SuccessiveHalving, Tpe

Judge = Callable[[Proposal], Sequence[float]]

TEXT = """
name = "search"
seeds = [0, 1]

[base]
dataset = { name = "fashion-mnist-sample", per_class = 10 }
model = "tiny-cnn"
epochs = 1
"""
ROUNDS = (
    TEXT
    + """
[coarse_to_fine]
rounds = 2
"optimizer.lr" = { first = [0.0001, 0.003, 0.1], scale = "log" }
"""
)


def walked(search: Search, judge: Judge, stream: str = "") -> tuple[list[list[Proposal]], Verdict]:
    """Every round of a search whose proposals are judged by a function."""
    walk, rounds = search.walk(stream), []
    proposals = next(walk)
    while True:
        rounds.append(proposals)
        try:
            proposals = walk.send([judge(one) for one in proposals])
        except StopIteration as end:
            return rounds, end.value


def bowl(one: Proposal) -> list[float]:
    """Least at lr = 0.02, in decades; three seeds, noise of 1e-6."""
    away = math.log10(one.changes["optimizer.lr"] / 0.02)
    return [away**2 + noise for noise in (0, 1e-6, -1e-6)]


def fine(**options: Any) -> CoarseToFine:
    wanted = {"rounds": 4, "optimizer.lr": {"range": [1e-5, 1.0], "points": 6, "scale": "log"}, **options}
    return CoarseToFine.model_validate(wanted)


# ── coarse to fine ──


def test_every_round_lies_between_the_neighbours_of_the_best_so_far() -> None:
    rounds, verdict = walked(fine(), bowl)
    seen: list[float] = []
    for proposals in rounds:
        rates = [one.changes["optimizer.lr"] for one in proposals]
        if seen:
            best = min(seen, key=lambda lr: abs(math.log10(lr / 0.02)))
            below, above = max(lr for lr in seen if lr < best), min(lr for lr in seen if lr > best)
            assert all(below < lr < above for lr in rates)
        assert not set(rates) & set(seen)
        seen += rates
    assert len(rounds) == 4
    assert verdict.why == "all 4 rounds are used up"
    assert verdict.best is not None
    assert verdict.best.changes["optimizer.lr"] == pytest.approx(0.02, rel=0.02)
    assert [one.label for one in rounds[2]] == ["round-3"] * len(rounds[2])


def test_a_first_grid_need_not_be_even_and_two_keys_make_all_combinations() -> None:
    search = CoarseToFine.model_validate(
        {"rounds": 2, "l2": {"first": [0.0, 0.1, 1.0]}, "batch_size": {"range": [16, 256], "points": 3, "scale": "log"}}
    )
    goal = {"l2": 0.1, "batch_size": 64}
    rounds, _ = walked(search, lambda one: [sum((one.changes[k] / goal[k] - 1) ** 2 for k in goal)])
    assert {tuple(one.changes.values()) for one in rounds[0]} == {
        (l2, size) for l2 in (0.0, 0.1, 1.0) for size in (16, 64, 256)
    }
    around = {(l2, size) for l2 in (0.05, 0.1, 0.55) for size in (32, 64, 128)} - {(0.1, 64)}
    assert {tuple(one.changes.values()) for one in rounds[1]} == around


def test_it_ends_where_the_gain_is_inside_the_noise_over_seeds_and_says_so() -> None:
    noise = [0.3, -0.3, 0.1]

    def noisy(one: Proposal) -> list[float]:
        """Each seed's noise changes with the configuration, far more than the bowl does."""
        lr = one.changes["optimizer.lr"]
        turn = round(1e6 * lr) % 3
        return [bowl(one)[0] + noise[(seed + turn) % 3] for seed in range(3)]

    rounds, verdict = walked(fine(rounds=9), noisy)
    assert len(rounds) < 9
    last = verdict.rounds[-1]
    assert last["gain"] <= last["noise"]
    assert "is inside the noise over seeds" in verdict.why
    assert f"round {len(rounds)}" in verdict.why


def test_gain_and_noise_are_the_mean_and_two_standard_errors_of_the_paired_differences() -> None:
    told = {"one": [0.5, 0.6, 0.9], "two": [0.3, 0.55, 0.6]}
    first = [0.01, 0.1]

    def judge(one: Proposal) -> list[float]:
        lr = one.changes["optimizer.lr"]
        return told["one"] if lr == 0.01 else [9.0, 9.0, 9.0] if lr == 0.1 else told["two"]

    search = fine(rounds=2, **{"optimizer.lr": {"first": first, "scale": "log"}})
    _, verdict = walked(search, judge)
    gains = [a - b for a, b in zip(told["one"], told["two"], strict=True)]
    mean = sum(gains) / 3
    deviation = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / 2)
    assert verdict.rounds[1]["gain"] == pytest.approx(mean)
    assert verdict.rounds[1]["noise"] == pytest.approx(2 * deviation / math.sqrt(3))


def test_with_one_seed_the_noise_is_not_known_and_the_rounds_end_it() -> None:
    rounds, verdict = walked(fine(rounds=5), lambda one: bowl(one)[:1])
    assert len(rounds) == 5
    assert all("noise" not in one for one in verdict.rounds)


def test_the_best_at_an_end_of_its_range_is_named_and_the_range_is_not_left() -> None:
    rounds, verdict = walked(fine(), lambda one: [one.changes["optimizer.lr"]])
    assert verdict.edges == ("optimizer.lr",)
    assert all(1e-5 <= one.changes["optimizer.lr"] <= 1.0 for proposals in rounds for one in proposals)


@pytest.mark.parametrize("first", [[0.123456, 0.123457], [1, 2], [1.5, 1.50001, 9.0], [7, 8, 100_003]])
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_rounding_never_leads_beyond_the_first_grid(first: list[float], scale: str) -> None:
    for sign in (1, -1):
        search = fine(rounds=6, **{"optimizer.lr": {"first": first, "scale": scale}})
        rounds, _ = walked(search, lambda one, sign=sign: [sign * one.changes["optimizer.lr"]])
        rates = [one.changes["optimizer.lr"] for proposals in rounds for one in proposals]
        assert all(first[0] <= rate <= first[-1] for rate in rates)
        assert len(rates) == len(set(rates))


def test_a_configuration_that_diverges_for_one_seed_is_never_the_best() -> None:
    def judge(one: Proposal) -> list[float]:
        return [bowl(one)[0], math.nan] if 0.01 < one.changes["optimizer.lr"] < 0.1 else bowl(one)[:2]

    for search in (fine(), tpe(), halving()):
        _, verdict = walked(search, judge)
        assert verdict.best is not None
        assert not 0.01 < verdict.best.changes["optimizer.lr"] < 0.1
        _, lost = walked(search, lambda one: [math.nan])
        assert lost.best is None
        assert "finite validation/loss" in lost.why


def test_a_metric_that_should_rise_is_made_to_rise() -> None:
    for made in (fine, tpe, halving):
        _, up = walked(made(metric="validation/accuracy"), lambda one: [-value for value in bowl(one)])
        _, down = walked(made(), bowl)
        assert up.best == down.best


# ── trials ──


def tpe(**options: Any) -> Tpe:
    return Tpe.model_validate({"trials": 32, "optimizer.lr": {"loguniform": [1e-5, 1.0]}, **options})


def halving(**options: Any) -> SuccessiveHalving:
    return SuccessiveHalving.model_validate({"trials": 9, "optimizer.lr": {"loguniform": [1e-5, 1.0]}, **options})


def test_tpe_comes_nearer_and_the_same_results_lead_to_the_same_trials() -> None:
    rounds, verdict = walked(tpe(), bowl)
    rates = [one.changes["optimizer.lr"] for proposals in rounds for one in proposals]
    assert len(rates) == 32
    assert [len(proposals) for proposals in rounds] == [4] * 8
    away = [abs(math.log10(lr / 0.02)) for lr in rates]
    assert sum(away[-10:]) < 0.5 * sum(away[:10])
    assert verdict.best is not None
    assert bowl(verdict.best)[0] == min(map(lambda one: bowl(one)[0], sum(rounds, [])))  # noqa: C417, RUF017
    assert walked(tpe(), bowl)[0] == rounds
    assert walked(tpe(), bowl, "another configuration")[0] != rounds
    assert walked(tpe(seed=1), bowl)[0] != rounds
    assert [one.label for one in sum(rounds, [])][:2] == ["trial-01", "trial-02"]  # noqa: RUF017


def test_tpe_chooses_among_lists_and_whole_numbers() -> None:
    choices = {"model.hidden": {"choice": [[8], [8, 8]]}, "batch_size": {"int": [4, 6]}}
    search = Tpe.model_validate({"trials": 12, "parallel": 5, **choices})
    rounds, _ = walked(search, lambda one: [len(one.changes["model.hidden"]) + one.changes["batch_size"]])
    assert [len(proposals) for proposals in rounds] == [5, 5, 2]
    assert {str(one.changes["model.hidden"]) for proposals in rounds for one in proposals} == {"[8]", "[8, 8]"}
    assert {one.changes["batch_size"] for proposals in rounds for one in proposals} <= {4, 5, 6}


def test_halving_keeps_the_best_of_each_rung_and_trains_them_for_longer() -> None:
    search = halving(epochs=[1, 4, 9])
    rounds, verdict = walked(search, bowl)
    assert [len(proposals) for proposals in rounds] == [9, 3, 1]
    assert [{one.changes["epochs"] for one in proposals} for proposals in rounds] == [{1}, {4}, {9}]
    order = sorted(rounds[0], key=lambda one: bowl(one)[0])
    assert [one.label.split(",")[0] for one in rounds[1]] == [one.label.split(",")[0] for one in order[:3]]
    assert verdict.best == rounds[2][0]
    assert rounds[2][0].label.endswith(",rung-3")
    assert search.count == 13


def test_the_last_word_of_a_search_is_at_most_its_count() -> None:
    for search in (fine(), tpe(), halving()):
        rounds, _ = walked(search, bowl)
        assert sum(map(len, rounds)) <= search.count
    assert sum(map(len, walked(tpe(), bowl)[0])) == tpe().count


# ── in a study ──


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[tpe]\ntrials = 3\nmetric = "test/accuracy"\nlr = { uniform = [0.1, 1] }\n',
         "would choose by the test data, which then prove nothing: take validation/accuracy"),
        ('[tpe]\ntrials = 3\nmetric = "validation/acuracy"\nlr = { uniform = [0.1, 1] }\n', "metric must be one of"),
        ("[tpe]\ntrials = 0\nlr = { uniform = [0.1, 1] }\n", "trials must be ≥ 1, got 0"),
        ("[tpe]\nlr = { uniform = [0.1, 1] }\n", "tpe.trials is missing"),
        ("[tpe]\ntrial = 3\nlr = { uniform = [0.1, 1] }\n", "unknown key 'trial'. Did you mean 'trials'"),
        ("[coarse_to_fine]\nround = 3\nlr = { range = [0.1, 1.0] }\n", "unknown key 'round'. Did you mean 'rounds'"),
        ("[tpe]\ntrials = 3\nepoch = { int = [1, 3] }\n", "unknown key 'epoch'. Did you mean 'epochs'"),
        ("[tpe]\ntrials = 3\nlr = { uniform = [-1, 1] }\n", "run 'trial-1,lr=-1': optimizer: "),
        ("[coarse_to_fine]\nlr = [0.1, 0.2]\n", "optimizer.lr needs { range = [low, high]"),
        ("[coarse_to_fine]\nlr = { range = [0.1, 0.2], scale = 'lin' }\n", "scale must be 'linear' or 'log'"),
        ("[coarse_to_fine]\nlr = { range = [0.1, 0.2], point = 3 }\n", "Did you mean 'points'"),
        ("[coarse_to_fine]\nlr = { range = [0.0, 0.2], scale = 'log' }\n", "scale log needs numbers > 0"),
        ("[coarse_to_fine]\nlr = { range = [0.1, 0.2, 0.3] }\n", "first = [0.1, 0.2, 0.3]"),
        ("[successive_halving]\ntrials = 3\nepochs = [3, 1]\nlr = { uniform = [0.1, 1] }\n", "numbers that rise"),
        ("[grid]\nlr = [0.1]\n[tpe]\ntrials = 3\nlr = { uniform = [0.1, 1] }\n", "varied by [grid] and by [tpe]"),
        ("[coarse_to_fine]\nlr = { range = [0.1, 0.2] }\n[tpe]\ntrials = 3\nl2 = { uniform = [0.1, 1] }\n",
         "a study has one search"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_is_refused_before_anything_runs(table: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_study(TEXT + table, "search.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("base", ["dataset.validation=0", "task=reconstruct"])
def test_a_metric_that_the_training_does_not_have_is_refused_before_a_folder_is_made(tmp_path: Path, base: str) -> None:
    path = tmp_path / "search.toml"
    path.write_text(ROUNDS)
    settings = [base] if "validation" in base else ["model=autoencoder", "dataset.scale=normalize"]
    chosen = study(path, [*settings, "coarse_to_fine.metric=validation/accuracy"])
    with pytest.raises(ConfigError, match="the search's metric must be one of train/loss, epoch/train_loss"):
        chosen.run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_told_before_a_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "search.toml"
    path.write_text(TEXT + "[tpe]\ntrials = 3\nlr = { uniform = [0.1, 1] }\n")
    chosen = study(path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"pip install 'passo\[search\]'"):
        chosen.run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> store.StoredStudy:
    """A study that searches once from SGD and once from Adam, without an interruption."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "search.toml").write_text(_two())
    return study(folder / "search.toml").run(folder / "out", jobs=1)


def _two() -> str:
    return ROUNDS + '\n[[runs]]\nname = "sgd"\noptimizer = "sgd"\n[[runs]]\nname = "adam"\n'


def test_a_search_begins_from_every_configuration_and_keeps_what_it_came_to(searched: store.StoredStudy) -> None:
    found = searched.facts["search"]
    assert [one["from"] for one in found] == ["sgd", "adam"]
    for one in found:
        runs = searched.select(one["best"])
        assert len(runs) == 2
        mean = sum(run.metric("validation/loss").last for run in runs) / 2
        assert one["value"] == pytest.approx(mean)
        mine = [name for name in searched.names() if name.startswith(one["from"] + ",")]
        means = {name: sum(r.metric("validation/loss").last for r in searched.select(name)) / 2 for name in mine}
        assert min(means, key=lambda name: means[name]) == one["best"]
    assert all(run.config["optimizer"]["lr"] == pytest.approx(float(run.name.rpartition("lr=")[2]))
               for run in searched.runs)  # fmt: skip


@pytest.mark.parametrize("after", [3, 12, 14])
def test_an_interrupted_search_comes_to_the_same_rounds_and_repeats_nothing(
    searched: store.StoredStudy, tmp_path: Path, after: int
) -> None:
    (tmp_path / "search.toml").write_text(_two())
    running = study(tmp_path / "search.toml").running(tmp_path / "out", jobs=1)
    for number, _ in enumerate(running, start=1):
        if number == after:
            running.close()  # type: ignore[attr-defined]
            break
    there = store.open_study(tmp_path / "out")
    begun = {run.id: run.started for run in there.runs if run.status == "done"}
    assert len(begun) == after
    again = [step.task.run_id for step in study(tmp_path / "search.toml").running(tmp_path / "out", jobs=1)]
    assert not set(again) & set(begun)
    there = store.open_study(tmp_path / "out")
    assert {run.id for run in there.runs} == {run.id for run in searched.runs}
    assert all(there.run(name).started == started for name, started in begun.items())
    assert there.facts["search"] == searched.facts["search"]


def test_tpe_and_halving_run_as_studies(tmp_path: Path) -> None:
    rates = "lr = { loguniform = [1e-3, 0.1] }\n"
    tables = {
        "tpe": "[tpe]\ntrials = 4\nparallel = 2\n" + rates,
        "halving": "[successive_halving]\ntrials = 4\nreduction = 2\nepochs = [1, 2]\n" + rates,
    }
    for name, table in tables.items():
        (tmp_path / f"{name}.toml").write_text(TEXT + table)
        file = study(tmp_path / f"{name}.toml", ["seeds=1"])
        there = file.run(tmp_path / name, jobs=1)
        assert len(there.runs) == file.file.count == {"tpe": 4, "halving": 6}[name]
        assert there.facts["search"][0]["best"] in there.names()
    epochs = {run.name.split(",")[1]: run.config["epochs"] for run in there.runs}
    assert epochs == {"rung-1": 1, "rung-2": 2}


def test_a_run_is_scored_by_its_last_value_and_only_where_it_reached_its_end(tmp_path: Path) -> None:
    with store.Store.create(tmp_path / "study", name="scores", config={}) as writing:
        for status in ("done", "diverged", "failed", "interrupted"):
            run = writing.add_run(status, config={}, seed=0)
            for step, loss in ((10, 0.9), (20, 0.4), (30, 0.7)):
                run.scalars(step, step / 10, {"validation/loss": loss, "train/loss": 5.0})
            run.finish(status)
        empty = writing.add_run("none", config={}, seed=0)
        empty.scalars(1, 1.0, {"validation/loss": math.nan})
        empty.finish("done")
        scores = {
            name: score(writing, f"{name}-s0", "validation/loss") for name in ("done", "diverged", "failed", "none")
        }
        assert scores.pop("done") == 0.7
        assert all(math.isnan(one) for one in scores.values())
        assert math.isnan(score(writing, "done-s0", "validation/accuracy"))


def test_trials_of_one_batch_are_apart_though_none_of_them_has_ended() -> None:
    rounds, _ = walked(tpe(trials=42, parallel=8), bowl)
    for proposals in rounds[2:]:
        rates = sorted(math.log10(one.changes["optimizer.lr"]) for one in proposals)
        assert min(b - a for a, b in itertools.pairwise(rates)) > 0
        assert rates[-1] - rates[0] > 0.1
