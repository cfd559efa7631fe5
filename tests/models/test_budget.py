"""Costs against formulas by hand; matched widths against every width there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from passo.errors import ConfigError, UnknownName
from passo.models import build, count_parameters, own_file
from passo.models.budget import Cost, cost, matched
from passo.models.widths import fitted

GREY, COLOUR = (1, 28, 28), (3, 32, 32)

OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_shape, classes, *, width=20):
        super().__init__()
        channels, height, side = in_shape
        self.scale = nn.Parameter(torch.ones(3))
        self.frozen = nn.Linear(4, 5).requires_grad_(False)
        self.first, self.out = nn.Linear(channels * height * side, width), nn.Linear(width, classes)
        self.again = self.first
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.out(self.act(self.again(x.flatten(1)))) * self.scale.sum()

def attention(in_shape, classes, *, width=16, heads=4):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.read = nn.Linear(in_shape[2], width)
            self.block = nn.TransformerEncoderLayer(width, heads, 2 * width, batch_first=True)
            self.out = nn.Linear(width, classes)

        def forward(self, x):
            return self.out(self.block(self.read(x[:, 0])).mean(1))
    return Reader()

def looks(in_shape, classes, *, width=16):
    net = Net(in_shape, classes, width=width)
    assert net.first.weight.std().item() > 0  # there is nothing to look at without memory
    return net

def anything(in_shape, classes, **options):
    return Net(in_shape, classes, **options)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PASSO_OWN_MODELS", "")
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(OWN, encoding="utf-8")

    def named(function: str) -> str:
        own_file.allow(f"net.py:{function}")
        return f"net.py:{function}"

    return named


def rows(found: Cost) -> dict[str, tuple[int, int]]:
    return {one.layer: (one.parameters, one.macs) for one in found.layers if one.parameters or one.macs}


# ── What a model costs ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("in_shape", [GREY, COLOUR])
def test_a_convolution_and_a_linear_layer_cost_what_their_formulas_say(in_shape: tuple[int, int, int]) -> None:
    channels, side, _ = in_shape
    found = cost("cnn", in_shape, 10, filters=[6, 9], kernel=5, units=[20])
    half, flat = side // 2, 9 * (side // 4) ** 2
    assert rows(found) == {
        "conv1": ((25 * channels + 1) * 6, side * side * 6 * 25 * channels),
        "conv2": ((25 * 6 + 1) * 9, half * half * 9 * 25 * 6),
        "fc1": ((flat + 1) * 20, flat * 20),
        "out": (21 * 10, 20 * 10),
    }
    assert found.layers[1].output == (6, side, side) and found.layers[-1].output == (10,)
    assert found.parameters == count_parameters(build("cnn", in_shape, filters=[6, 9], kernel=5, units=[20])).trainable


def test_layers_come_in_the_order_of_their_calls_with_their_classes() -> None:
    told = [(one.layer, one.kind) for one in cost("tiny-cnn", GREY, 10).layers]
    assert told == [("conv1", "Conv2d"), ("relu1", "ReLU"), ("maxp1", "MaxPool2d"), ("flatten", "Flatten"),
                    ("fc1", "Linear"), ("relu2", "ReLU"), ("fc2", "Linear")]  # fmt: skip


def test_memory_is_that_of_weights_and_of_outputs_that_are_not_views() -> None:
    found = cost("tiny-cnn", GREY, 10)
    by_layer = [26 + 24 * 24, 24 * 24, 12 * 12, 0, 1450 + 10, 10, 110 + 10]  # flattened pixels are the same pixels
    assert [one.memory for one in found.layers] == [4 * values for values in by_layer]
    assert found.memory == 4 * sum(by_layer)


def test_running_statistics_take_memory_and_are_no_trainable_parameters() -> None:
    norm = next(one for one in cost("mlp", GREY, 10, hidden=7, norm="batch").layers if one.kind == "BatchNorm1d")
    assert (norm.parameters, norm.memory) == (14, 4 * (14 + 14 + 1 + 7))  # γ, β; mean, variance, a counter; the output


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_a_recurrent_layer_multiplies_at_every_step(name: str, gates: int) -> None:
    found = cost(name, (9, 5), 3, hidden=11, layers=2)
    assert rows(found)["rnn1"][1] == 9 * gates * (5 * 11 + 11 * 11)
    assert rows(found)["rnn2"][1] == 9 * gates * (11 * 11 + 11 * 11)


def test_attention_counts_its_projections_its_scores_and_its_means(own) -> None:
    name = own("attention")
    found = rows(cost(name, (1, 10, 6), 2))
    tokens, width = 10, 16
    projections = tokens * width * 4 * width
    assert found["block.self_attn"][1] == projections + 2 * tokens * tokens * width
    assert found["block.linear1"][1] == tokens * width * 2 * width


def test_a_users_own_model_counts_each_parameter_once_and_leaves_out_the_frozen_ones(own) -> None:
    name = own("Net")
    found = cost(name, (1, 4, 5), 3, width=6)
    assert found.parameters == count_parameters(build(name, (1, 4, 5), 3, width=6)).trainable == 21 * 6 + 7 * 3 + 3
    assert found.macs == 20 * 6 + 6 * 3
    by_layer = {one.layer: one for one in found.layers}
    assert by_layer["(model)"].parameters == 3  # its own, beside those of its layers
    assert by_layer["act"].memory == 0  # done in place
    assert (by_layer["frozen"].parameters, by_layer["frozen"].memory) == (0, 4 * 25)
    assert found.memory == 4 * (3 + 25 + 21 * 6 + 7 * 3 + 6 + 3 + 3)


def test_neither_a_cost_nor_a_search_draws_anything_global() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    cost("cnn", GREY, 10)
    matched([("mlp", {}), ("cnn", {"init": "orthogonal"})], GREY, 10, parameters=50_000)
    assert torch.equal(before, torch.get_rng_state()) and torch.backends.mkldnn.enabled


def test_a_cost_is_told_as_json() -> None:
    facts = cost("cnn", GREY, 10, filters=(4, 8)).facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["options"] == {"filters": [4, 8]}
    assert facts["layers"][1]["layer"] == "conv1" and facts["layers"][1]["output"] == [4, 28, 28]
    assert sum(one["macs"] for one in facts["layers"]) == facts["macs"]


def test_a_model_that_takes_no_such_input_is_told_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"model gan cannot be run on one input of shape \(1, 28, 28\)"):
        cost("gan", GREY, 10)


# ── Models of one size ─────────────────────────────────────────────────────────────────────────────────────


def mlp_count(hidden: int, in_shape: tuple[int, int, int]) -> int:
    pixels = in_shape[0] * in_shape[1] * in_shape[2]
    return (pixels + 1) * hidden + (hidden + 1) * 10


@settings(max_examples=10, deadline=None)
@given(budget=st.integers(2_000, 500_000), in_shape=st.sampled_from([GREY, COLOUR]))
def test_two_models_are_within_two_per_cent_or_the_error_tells_the_neighbours(budget, in_shape) -> None:
    try:
        found = matched([("mlp", {}), ("cnn", {})], in_shape, 10, parameters=budget)
    except ConfigError as error:
        told = [int(count.replace(",", "")) for count in re.findall(r"([\d,]+) \(hidden=", str(error))]
        every = [mlp_count(hidden, in_shape) for hidden in range(1, 500)]
        around = [max((n for n in every if n <= budget), default=None), min(n for n in every if n >= budget)]
        assert told == [count for count in around if count is not None]
        assert min(abs(count - budget) for count in told) > 0.02 * budget
    else:
        counts = [build("mlp", in_shape, **found[0].options), build("cnn", in_shape, **found[1].options)]
        sizes = [count_parameters(model).trainable for model in counts]
        assert sizes == [one.parameters for one in found]
        assert max(*sizes, budget) - min(*sizes, budget) <= 0.02 * budget


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("budget", [500, 30_011, 250_000])
def test_with_one_width_both_neighbours_are_the_true_ones(name: str, budget: int) -> None:
    def size(hidden: int) -> int:
        gates = {"rnn": 1, "lstm": 4, "gru": 3}[name]
        return gates * (28 * hidden + hidden * hidden + 2 * hidden) + (hidden + 1) * 10

    found = fitted(name, GREY, 10, {}, budget)
    every = {size(hidden): hidden for hidden in range(1, 600)}
    low, high = max(n for n in every if n <= budget), min(n for n in every if n >= budget)
    assert found.below == (low, {"hidden": every[low]}) and found.above == (high, {"hidden": every[high]})
    assert found.parameters == min((low, high), key=lambda n: abs(n - budget))


def test_without_a_number_the_last_model_stays_as_it_is() -> None:
    first, last = matched([("mlp", {"activation": "tanh"}), ("cnn", {"units": [48], "norm": "batch"})], GREY, 10)
    assert last.options == {"units": [48], "norm": "batch"}
    assert first.options.keys() == {"activation", "hidden"}
    assert abs(first.parameters - last.parameters) <= 0.02 * last.parameters


def test_the_widths_given_are_the_proportions_that_are_kept() -> None:
    (found,) = matched([("cnn", {"filters": [8, 16, 32], "units": [100]})], COLOUR, 10, parameters=400_000)
    first, second, third = found.options["filters"]
    assert second / first == pytest.approx(2, rel=0.1) and third / second == pytest.approx(2, rel=0.1)
    assert found.options["units"][0] / third == pytest.approx(100 / 32, rel=0.1)
    assert abs(found.parameters - 400_000) < 400  # a tenth of a per cent, where there are four widths


def test_a_model_without_widths_is_what_the_others_are_fitted_to() -> None:
    lenet, mlp = matched([("lenet", {}), ("mlp", {"hidden": 300})], GREY, 10)
    assert lenet.parameters == 61_706 and abs(mlp.parameters - 61_706) <= 0.02 * 61_706


def test_two_models_without_widths_are_refused_with_both_counts() -> None:
    with pytest.raises(ConfigError) as told:
        matched([("lenet", {}), ("tiny-cnn", {})], GREY, 10)
    assert "lenet has 61,706 and no width to choose; tiny-cnn has 1,586 and no width to choose" in str(told.value)


def test_the_same_model_twice_needs_no_width() -> None:
    first, second = matched([("lenet", {}), ("lenet", {"activation": "tanh"})], GREY, 10)
    assert first.parameters == second.parameters


def test_a_budget_below_the_least_is_refused_with_the_least() -> None:
    with pytest.raises(ConfigError, match=r"the least that mlp can have is 805 \(hidden=\[1\]\)"):
        matched([("mlp", {})], GREY, 10, parameters=100)


def test_a_count_that_the_error_offers_is_one_at_which_they_match() -> None:
    models = [("mlp", {}), ("cnn", {})]
    with pytest.raises(ConfigError) as told:
        matched(models, GREY, 10, parameters=2000)
    offered = int(re.search(r"with parameters=(\d+) they can be matched", str(told.value))[1])  # type: ignore[index]
    assert offered == mlp_count(3, GREY)
    matched(models, GREY, 10, parameters=offered)


def test_groups_still_divide_every_layer() -> None:
    (found,) = matched([("cnn", {"norm": "group", "groups": 4, "filters": [8, 12]})], GREY, 10, parameters=60_000)
    assert all(width % 4 == 0 for width in (*found.options["filters"], *found.options["units"]))
    assert abs(found.parameters - 60_000) <= 0.02 * 60_000


def test_a_users_own_width_is_found_by_its_name_also_where_the_model_looks_at_its_numbers(own) -> None:
    for function in ("Net", "looks"):
        mine, _ = matched([(own(function), {}), ("mlp", {"hidden": 50})], GREY, 10)
        assert mine.options == {"width": 50} and mine.parameters == mlp_count(50, GREY) + 3
    mine, _ = matched([(own("anything"), {"width": 9}), ("mlp", {"hidden": 50})], GREY, 10)
    assert mine.options == {"width": 50}  # any options are taken: the one that was given is the width


def test_a_users_own_model_that_does_not_take_every_width_can_be_what_others_are_fitted_to(own) -> None:
    name = own("attention")
    with pytest.raises(ConfigError, match=r"divisible by num_heads .*: name net.py:attention last, so that the others"):
        matched([(name, {}), ("mlp", {})], GREY, 10)
    mlp, mine = matched([("mlp", {"hidden": [8, 8]}), (name, {})], (1, 10, 6), 10)
    assert mine.options == {} and abs(mlp.parameters - mine.parameters) <= 0.02 * mine.parameters


def test_what_cannot_be_built_as_it_is_is_said_without_more_words() -> None:
    with pytest.raises(ConfigError, match="nothing is left of the image after convolution 3 and its pooling$"):
        matched([("cnn", {"filters": [4, 4, 4]}), ("mlp", {})], (1, 4, 4), 10)


def test_many_widths_are_matched_too() -> None:
    deep, _ = matched([("mlp", {"hidden": [40] * 16}), ("cnn", {})], GREY, 10)
    assert len(deep.options["hidden"]) == 16 and max(deep.options["hidden"]) - min(deep.options["hidden"]) <= 8


def test_the_search_is_the_same_every_time() -> None:
    models = [("mlp", {"hidden": [90, 30]}), ("cnn", {"filters": [5, 7]})]
    first, second = (matched(models, COLOUR, 7, parameters=33_333) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("models", "how", "words"),
    [
        ([], {}, "name the models"),
        ([("mlp", {})], {"parameters": 0}, "parameters must be a whole number ≥ 1, got 0"),
        ([("mlp", {})], {"parameters": 1e4}, "parameters must be a whole number ≥ 1, got 10000.0"),
        ([("mlp", {})], {"within": 2}, "within must be between 0 and 1"),
        ([("mlp", {"hidden": [0]})], {}, "hidden must be whole numbers ≥ 1"),
    ],
)
def test_a_wrong_request_is_told_in_a_sentence(models, how, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        matched(models, GREY, 10, **how)


def test_an_unknown_model_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'mlp'"):
        matched([("mpl", {})], GREY, 10)
