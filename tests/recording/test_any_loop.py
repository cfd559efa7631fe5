"""Whatever the loop does, a watched run ends like an unwatched one, its steps are explained, what is special shows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import passo
from passo.analysis.whole import clipping
from passo.models import build
from passo.recording import Lens, watch

STEPS = 8
cross_entropy = nn.functional.cross_entropy


@dataclass
class Ended:
    """What a loop leaves behind. Its lenses are empty where nothing watched."""

    models: list[nn.Module]
    optimizers: list[torch.optim.Optimizer]
    lenses: list[Lens] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def bits(self) -> dict[str, Tensor]:
        """Weights, buffers, the optimisers' states and the random state."""
        found = {"random": torch.get_rng_state()}
        for number, model in enumerate(self.models):
            found |= {f"{number}.{name}": value for name, value in model.state_dict().items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                found |= {f"{number}.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
        return found


class Watcher:
    """`watch`, or nothing in its place."""

    def __init__(self, looks: bool) -> None:
        self.looks = looks
        self.lenses: list[Lens] = []

    def __call__(self, *arguments: Any, **options: Any) -> None:
        if self.looks:
            self.lenses.append(watch(*arguments, activations=True, **options))


Loop = Callable[[Watcher], Ended]
LOOPS: dict[str, Loop] = {}


def loop(name: str) -> Callable[[Loop], Loop]:
    def keep(function: Loop) -> Loop:
        LOOPS[name] = function
        return function

    return keep


def run(name: str, looks: bool = True) -> Ended:
    torch.compiler.reset()
    torch.manual_seed(11)
    watcher = Watcher(looks)
    ended = LOOPS[name](watcher)
    ended.lenses = watcher.lenses
    return ended


def batches(count: int = STEPS, size: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        yield (
            torch.randn(size, 1, 28, 28, generator=generator),
            torch.randint(0, 10, (size,), generator=generator),
        )


# ── the loops ──


@loop("accumulation")
def _accumulation(watch: Watcher) -> Ended:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    watch(optimizer, model)
    for number, (x, y) in enumerate(batches(4 * STEPS), start=1):
        (cross_entropy(model(x), y) / 4).backward()
        if number % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
    return Ended([model], [optimizer])


@loop("clipping")
def _clipping(watch: Watcher) -> Ended:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    watch(optimizer, model)
    norms = []
    for x, y in batches():
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 1.4)))
        optimizer.step()
    return Ended([model], [optimizer], told={"norms": norms})


class Mixed(nn.Module):
    """BatchNorm, dropout of torch and of passo, an in-place activation, a layer that is not always used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.3)
        self.extra, self.out = nn.Linear(256, 256), nn.Linear(256, 10)
        self.seldom = False

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, 28, 28) → (B, 10)
        x = self.drop(self.relu(self.norm(self.conv(x)))).flatten(1)
        return self.out(self.extra(x) if self.seldom else x)


@loop("batchnorm and dropout")
def _mixed(watch: Watcher) -> Ended:
    model = Mixed()
    optimizer = torch.optim.Adam(model.parameters())
    watch(optimizer, model)
    for number, (x, y) in enumerate(batches()):
        model.seldom = number % 2 == 1
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            model(x)
        model.train()
    return Ended([model], [optimizer])


@loop("frozen, in groups")
def _frozen(watch: Watcher) -> Ended:
    model = build("lenet", seed=0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("conv1"))
    groups = [
        {"params": list(model.get_submodule("conv2").parameters()), "lr": 1e-3},
        {"params": [*model.get_submodule("fc1").parameters()], "weight_decay": 0.1},
        {"params": [*model.get_submodule("fc2").parameters(), *model.get_submodule("out").parameters()], "lr": 0.02},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    watch(optimizer, model)
    for x, y in batches():
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()
    return Ended([model], [optimizer])


@loop("a frozen parameter in the optimizer")
def _held(watch: Watcher) -> Ended:
    model = build("tiny-cnn", seed=0)
    model.get_parameter("conv1.weight").requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters())
    watch(optimizer, model)
    for x, y in batches():
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return Ended([model], [optimizer])


class Speller(nn.Module):
    """A recurrent language model whose decoder shares its weights with the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 6)
        self.lstm = nn.LSTM(6, 6, num_layers=2, dropout=0.2, batch_first=True)
        self.decoder = nn.Linear(6, 12)
        self.decoder.weight = self.embedding.weight

    def forward(self, letters: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(letters), lengths, batch_first=True)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.decoder(out)


@loop("recurrent, tied")
def _recurrent(watch: Watcher) -> Ended:
    model = Speller()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    watch(optimizer, model)
    letters = torch.randint(0, 12, (STEPS, 4, 7))
    for x in letters:
        optimizer.zero_grad()
        out = model(x[:, :-1], torch.tensor([6, 5, 3, 2]))
        cross_entropy(out.flatten(0, 1), x[:, 1:].flatten()).backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.01)
        optimizer.step()
    return Ended([model], [optimizer])


@loop("two optimizers, adversarial")
def _adversarial(watch: Watcher) -> Ended:
    generator = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    makes = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    judges = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
    watch(makes, generator)
    watch(judges, critic)
    told = nn.BCEWithLogitsLoss()
    for _ in range(STEPS):
        true, noise = torch.randn(8, 2) + 2, torch.randn(8, 2)
        judges.zero_grad()
        false = generator(noise)
        loss = told(critic(true), torch.ones(8, 1)) + told(critic(false.detach()), torch.zeros(8, 1))
        loss.backward()
        judges.step()
        makes.zero_grad()
        told(critic(false), torch.ones(8, 1)).backward()
        makes.step()
    return Ended([generator, critic], [makes, judges])


@loop("compiled")
def _compiled(watch: Watcher) -> Ended:
    model = build("mlp", seed=0)
    fast = torch.compile(model, backend="aot_eager")
    optimizer = torch.optim.Adam(model.parameters())
    watch(optimizer, fast)
    for x, y in batches():
        optimizer.zero_grad()
        cross_entropy(fast(x), y).backward()
        optimizer.step()
    return Ended([model], [optimizer])


@loop("a closure")
def _closure(watch: Watcher) -> Ended:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.Adam(model.parameters())
    watch(optimizer, model)
    for x, y in batches():

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)
    return Ended([model], [optimizer])


OVERFLOWS = (1, 4)  # the steps of the loops below whose gradients are not finite


def _half(
    watch: Watcher, make: Callable[[Any], torch.optim.Optimizer], clip: bool, overflows: tuple[int, ...] = OVERFLOWS
) -> Ended:
    """Mixed precision with a GradScaler, whose scale doubles after three good steps."""
    model = build("mlp", seed=0)
    optimizer = make(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
    watch(optimizer, model, scaler=scaler)
    true: list[dict[str, Tensor]] = []
    for number, (x, y) in enumerate(batches(), start=1):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = cross_entropy(model(x), y)
        scaler.scale(loss * torch.inf if number in overflows else loss).backward()
        scale = scaler.get_scale()
        true.append({n: p.grad / scale for n, p in model.named_parameters() if p.grad is not None})
        if clip:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
    return Ended([model], [optimizer], told={"true": true})


@loop("mixed precision")
def _unfused(watch: Watcher) -> Ended:
    return _half(watch, lambda p: torch.optim.Adam(p, lr=1e-3), clip=False)


@loop("mixed precision, clipped")
def _unfused_clipped(watch: Watcher) -> Ended:
    return _half(watch, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), clip=True)


@loop("mixed precision, fused")
def _fused(watch: Watcher) -> Ended:
    return _half(watch, lambda p: torch.optim.Adam(p, lr=1e-3, fused=True), clip=False)


@loop("mixed precision, fused, clipped")
def _fused_clipped(watch: Watcher) -> Ended:
    return _half(watch, lambda p: torch.optim.AdamW(p, lr=1e-3, fused=True), clip=True)


MIXED = [name for name in LOOPS if name.startswith("mixed")]

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:torch._dynamo", "ignore:.*grad attribute of a Tensor"
)


# ── what holds for every one of them ──


@pytest.mark.parametrize("name", LOOPS)
def test_a_watched_run_ends_bit_for_bit_like_an_unwatched_one(name: str) -> None:
    watched, alone = run(name).bits(), run(name, looks=False).bits()
    assert watched.keys() == alone.keys()
    assert [key for key in alone if not torch.equal(watched[key], alone[key])] == []


@pytest.mark.parametrize("name", LOOPS)
def test_every_step_is_explained_within_eight_roundings(name: str) -> None:
    ended = run(name)
    assert len(ended.lenses) == len(ended.optimizers)
    for lens in ended.lenses:
        skipped = OVERFLOWS if name in MIXED else ()
        assert lens.steps.tolist() == [step for step in range(1, STEPS + 1) if step not in skipped]
        residual = lens.residual()
        assert residual.steps == len(lens.steps)
        assert 0 < residual.worst <= 8, str(residual)


@pytest.mark.parametrize("name", LOOPS)
def test_nothing_is_noticed_where_nothing_is_wrong(name: str) -> None:
    for lens in run(name).lenses:
        wrong = [event.message for event in lens.events if not (name in MIXED and event.what == "skipped")]
        assert wrong == []


@pytest.mark.parametrize("name", [name for name in LOOPS if name not in MIXED and name != "compiled"])
def test_activations_are_told_of_the_steps_that_are_told(name: str) -> None:
    for lens in run(name).lenses:
        arrays = lens.arrays()
        assert arrays["activations/steps"][0].tolist() == lens.steps.tolist()
        values, meta = arrays["activations"]
        used = [n for n, layer in enumerate(meta["layers"]) if layer != "extra"]  # which some steps do without
        assert np.isfinite(values[:, used, :2]).all()


def test_activations_of_a_compiled_model_are_named_as_unseen() -> None:
    (lens,) = run("compiled").lenses
    values, meta = lens.arrays()["activations"]
    assert meta["compiled"] == meta["layers"]
    assert len(values) == 0


@pytest.mark.parametrize("name", MIXED)
def test_activations_of_a_skipped_step_stand_under_its_own_number(name: str) -> None:
    (lens,) = run(name).lenses
    arrays = lens.arrays()
    assert arrays["activations/steps"][0].tolist() == list(range(1, STEPS + 1))
    values, meta = arrays["activations"]
    grad_rms = values[:, -1, meta["quantities"].index("grad_rms")]
    assert np.flatnonzero(~np.isfinite(grad_rms)).tolist() == [step - 1 for step in OVERFLOWS]
    assert (grad_rms[np.isfinite(grad_rms)] < 1).all()  # unscaled: the scale is 2¹⁰


# ── what is special shows ──


def test_the_gradient_of_an_accumulated_step_is_the_sum_over_its_batches() -> None:
    ended = run("accumulation")
    (lens,) = ended.lenses
    model = build("tiny-cnn", seed=0)
    x, y = (torch.cat(part) for part in zip(*list(batches(4)), strict=True))
    cross_entropy(model(x), y).backward()  # the four batches at once: the mean of their means
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        rms = parameter.grad.square().mean().sqrt().item()
        assert lens.statistics("grad_raw", name)[0] == pytest.approx(rms, rel=1e-4)
        assert (lens.statistics("grad_raw", name) == lens.statistics("grad", name)).all()


def test_an_accumulated_steps_activations_are_those_of_its_whole_batch() -> None:
    (lens,) = run("accumulation").lenses
    values, meta = lens.arrays()["activations"]
    model = build("tiny-cnn", seed=0)
    x = torch.cat([x for x, _ in batches(4)])
    out = model.get_submodule("conv1")(x)
    told = values[0, meta["layers"].index("conv1")]
    assert told[0] == pytest.approx(out.mean().item(), abs=1e-6)
    assert told[1] == pytest.approx(out.std(correction=0).item(), rel=1e-4)


def test_clipping_tells_the_gradient_before_and_after_and_how_often_it_bit() -> None:
    ended = run("clipping")
    (lens,) = ended.lenses
    seen = clipping(lens.run)
    norms = np.array(ended.told["norms"])
    assert 0 < (norms > 1.4).sum() < STEPS  # it bit sometimes
    assert seen.raw == pytest.approx(norms, rel=1e-5)
    assert seen.read == pytest.approx(np.minimum(norms, 1.4), rel=1e-4)
    assert seen.alike


def test_a_layer_that_a_step_did_not_use_is_missing_from_that_step() -> None:
    (lens,) = run("batchnorm and dropout").lenses
    told = np.isfinite(lens.statistics("update", "extra.weight"))
    assert told.tolist() == [False, True] * (STEPS // 2)
    assert np.isfinite(lens.statistics("update", "out.weight")).all()


def test_frozen_parameters_are_absent_and_groups_keep_their_own_learning_rates() -> None:
    (lens,) = run("frozen, in groups").lenses
    assert not any(name.startswith("conv1") for name in lens.parameters)
    assert len(lens.parameters) == 8
    lrs, _ = lens.arrays()["trace/lrs"]
    cosine = (1 + np.cos(np.pi * np.arange(STEPS) / STEPS)) / 2
    assert lrs == pytest.approx(np.outer(cosine, [1e-3, 1e-2, 0.02]), rel=1e-9)
    assert lens.arrays()["statistics"][1]["groups"] == [0, 0, 1, 1, 2, 2, 2, 2]


def test_a_frozen_parameter_that_the_optimizer_holds_has_no_gradient_and_no_update() -> None:
    (lens,) = run("a frozen parameter in the optimizer").lenses
    assert np.isnan(lens.statistics("update", "conv1.weight")).all()
    assert np.isnan(lens.statistics("grad", "conv1.weight")).all()


def test_tied_weights_are_one_parameter_under_their_first_name() -> None:
    (lens,) = run("recurrent, tied").lenses
    assert "embedding.weight" in lens.parameters and "decoder.weight" not in lens.parameters
    assert len(set(lens.parameters)) == len(lens.parameters) == 1 + 8 + 1


def test_the_gradient_of_tied_weights_is_the_sum_of_both_uses() -> None:
    (lens,) = run("recurrent, tied").lenses
    torch.manual_seed(11)
    model = Speller().train()
    letters = torch.randint(0, 12, (STEPS, 4, 7))
    x = letters[0]
    out = model(x[:, :-1], torch.tensor([6, 5, 3, 2]))
    (grad,) = torch.autograd.grad(cross_entropy(out.flatten(0, 1), x[:, 1:].flatten()), model.embedding.weight)
    assert lens.statistics("grad_raw", "embedding.weight")[0] == pytest.approx(grad.square().mean().sqrt().item())
    clipped = grad.clamp(-0.01, 0.01)
    assert lens.statistics("grad", "embedding.weight")[0] == pytest.approx(clipped.square().mean().sqrt().item())


def test_two_optimizers_are_watched_at_once_and_each_keeps_to_its_own() -> None:
    ended = run("two optimizers, adversarial")
    makes, judges = ended.lenses
    assert makes.statistics("update", "0.weight").tolist() != judges.statistics("update", "0.weight").tolist()
    for lens, optimizer in zip(ended.lenses, ended.optimizers, strict=True):
        weight = optimizer.param_groups[0]["params"][0]
        state = optimizer.state[weight]
        assert torch.equal(lens.now("exp_avg", "0.weight"), state["exp_avg"])


def test_a_compiled_model_keeps_the_names_of_its_parameters() -> None:
    ended = run("compiled")
    assert ended.lenses[0].parameters == tuple(name for name, _ in ended.models[0].named_parameters())


@pytest.mark.parametrize("name", MIXED)
def test_skipped_steps_are_marked_and_gradients_told_unscaled(name: str) -> None:
    ended = run(name)
    (lens,) = ended.lenses
    assert lens.skipped == list(OVERFLOWS)
    assert [event.step for event in lens.events if event.what == "skipped"] == list(OVERFLOWS)
    for row, step in enumerate(lens.steps):
        for parameter, grad in ended.told["true"][step - 1].items():
            expected = grad.double().square().mean().sqrt().item()
            assert lens.statistics("grad_raw", parameter)[row] == pytest.approx(expected, rel=1e-4)
    norms = [torch.stack([g.norm() for g in grads.values()]).norm().item() for grads in ended.told["true"]]
    read = [min(n, 0.5) if "clipped" in name else n for n in norms]
    assert clipping(lens.run).read == pytest.approx([read[step - 1] for step in lens.steps], rel=1e-4)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    "overflows", [(2, STEPS), (4,), (1, 5, 6)], ids=["the last", "after growth", "after growth, twice"]
)
def test_a_skipped_step_is_marked_also_as_the_last_and_right_after_the_scale_has_grown(
    fused: bool, overflows: tuple[int, ...]
) -> None:
    watcher = Watcher(True)
    torch.manual_seed(11)
    _half(watcher, lambda p: torch.optim.Adam(p, fused=fused), clip=False, overflows=overflows)
    (lens,) = watcher.lenses
    assert lens.skipped == list(overflows)
    assert lens.steps.tolist() == [step for step in range(1, STEPS + 1) if step not in overflows]


@pytest.mark.parametrize("fused", [False, True])
def test_two_optimizers_that_share_a_scaler_skip_each_for_itself(fused: bool) -> None:
    models = [nn.Linear(3, 1), nn.Linear(3, 1)]
    optimizers = [torch.optim.Adam(model.parameters(), fused=fused) for model in models]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    lenses = [watch(o, m, scaler=scaler) for o, m in zip(optimizers, models, strict=True)]
    for number in range(1, STEPS + 1):
        for which, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            optimizer.zero_grad()
            loss = model(torch.ones(2, 3)).sum()
            scaler.scale(loss * torch.inf if (which, number) == (1, 3) else loss).backward()
            scaler.step(optimizer)
        scaler.update()
    assert [lens.skipped for lens in lenses] == [[], [3]]
    assert [len(lens.steps) for lens in lenses] == [STEPS, STEPS - 1]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # torch's own doubt of the same
@pytest.mark.parametrize("fused", [False, True])
def test_a_schedule_that_goes_on_over_a_skipped_first_step_is_not_blamed(fused: bool) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), fused=fused)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    lens = watch(optimizer, model, scaler=scaler)
    for number in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = model(torch.ones(2, 3)).sum()
        scaler.scale(loss * torch.inf if number == 1 else loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    assert [event.what for event in lens.events] == ["skipped"]


# ── wrappers ──


class LightningOptimizer:
    """Hands itself out as its optimizer's own class, as Lightning 2.5's does (lightning/pytorch/core/optimizer.py)."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.__class__ = type("Lightning" + type(optimizer).__name__, (type(self), type(optimizer)), {})  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["optimizer"], name)


class AcceleratedOptimizer(torch.optim.Optimizer):
    """An optimizer around another, as accelerate 1.15's (accelerate/optimizer.py)."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> Any:  # type: ignore[override]
        return self.optimizer.param_groups


@pytest.mark.parametrize("wrapper", [LightningOptimizer, AcceleratedOptimizer])
def test_an_optimizer_is_watched_inside_its_wrapper(wrapper: Callable[..., Any]) -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    lens = watch(wrapper(optimizer), model)
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    assert lens.residual().within(8)


# ── the page of recipes ──

PAGE = (Path(__file__).parents[2] / "docs" / "any-loop.md").read_text(encoding="utf-8")
LISTINGS = [
    (section.partition("\n")[0], code)
    for section in PAGE.split("\n## ")
    for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL)
]
(_, BEGINNING), *RECIPES = LISTINGS


def _follow(code: str) -> dict[str, Tensor]:
    """Run a recipe after the page's beginning: the bits of every model and optimizer that it leaves."""
    torch.compiler.reset()
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(BEGINNING + code, "any-loop.md", "exec"), names)
    modules = [value for value in names.values() if isinstance(value, nn.Module)]
    return Ended(modules, [v for v in names.values() if isinstance(v, torch.optim.Optimizer)]).bits()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe[0])
def test_a_recipe_runs_and_ends_bit_for_bit_as_without_the_line_that_watches(
    recipe: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs = re.findall(r"^(?:import|from) (lightning|accelerate|transformers)\b", recipe[1], re.MULTILINE)
    for library in needs:
        pytest.importorskip(library, reason=f"{library} is not among passo's own dependencies")
    monkeypatch.chdir(tmp_path)
    lenses: list[Lens] = []

    def watched(*arguments: Any, **options: Any) -> Lens:
        lenses.append(watch(*arguments, **options))
        return lenses[-1]

    with warnings.catch_warnings():
        if needs:
            warnings.simplefilter("ignore")  # other libraries' own
        monkeypatch.setattr(passo, "watch", watched)
        with_it = _follow(recipe[1])
        seen = iter(lenses)  # what is read at the end is read of the run before
        monkeypatch.setattr(passo, "watch", lambda *_arguments, **_options: next(seen))
        without = _follow(recipe[1])
    assert [key for key in without if not torch.equal(with_it[key], without[key])] == []
    assert lenses and all(lens.residual().within(8) and len(lens.steps) >= 5 for lens in lenses)
    assert [event for lens in lenses for event in lens.events] == []
