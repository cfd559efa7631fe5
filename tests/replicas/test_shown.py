"""What a microscope on a replica's own optimizer sees, and networks that go on with fewer replicas."""

from __future__ import annotations

import numpy as np
import pytest
from test_parity import OPTIMIZERS
from torch import nn
from twins import CLASSES, EPOCHS, SHAPE, STEPS, alone, apart, batches, replica, together

import passo
from passo.optim import make_schedule
from passo.recording import Lens
from passo.replicas import Replica, Replicas
from passo.training import Penalty, Progress


def made(seeds: tuple[int, ...]) -> list[Replica]:
    """One replica for each optimizer and seed, every other one with a penalty, clipping and a schedule."""
    found = []
    for seed in seeds:
        for place, (name, options) in enumerate(OPTIMIZERS):
            model = passo.build("tiny-cnn", SHAPE, CLASSES, seed=100 * seed + place)
            others = {"penalty": Penalty(model, l2=0.01), "clip_norm": 0.3} if place % 2 else {}
            one = replica(model, name, options, seed, **others)
            if place % 2 and name in ("sgd", "adam"):
                lr = one.optimizer.param_groups[0]["lr"]
                plan = make_schedule("OneCycleLR", one.optimizer, epochs=EPOCHS, steps_per_epoch=STEPS, max_lr=10 * lr)
                one = one._replace(schedule=plan)
            found.append(one)
    return found


def watched(one: Replica) -> Lens:
    lens = passo.watch(one.optimizer, one.model, every=3, witness=False)  # which looks for schedules in all memory
    lens.rest()
    return lens


def test_a_microscope_on_a_replica_sees_what_it_sees_in_the_plain_loop() -> None:
    fused, plain, unseen = made((3, 8)), made((3, 8)), made((3, 8))
    engine = Replicas(fused, nn.CrossEntropyLoss())
    lenses = [watched(one) for one in fused]
    for row, lens in enumerate(lenses):
        engine.show(row, lambda lens=lens: lens.due)
    for _ in engine.fit(together(3, 8), EPOCHS):
        pass
    engine.put()
    other = Replicas(unseen, nn.CrossEntropyLoss())
    for _ in other.fit(together(3, 8), EPOCHS):
        pass
    other.put()
    for row, (one, lens, twin) in enumerate(zip(fused, lenses, plain, strict=True)):
        told = OPTIMIZERS[row % len(OPTIMIZERS)]
        assert apart(one.model, unseen[row].model) == 0, told  # looking changes no bit
        own = watched(twin)
        alone(twin, nn.CrossEntropyLoss(), batches(twin.seed))
        assert lens.steps.tolist() == own.steps.tolist() == list(range(3, STEPS * EPOCHS + 1, 3))
        assert (lens.stages, lens.parameters, lens.coordinates) == (own.stages, own.parameters, own.coordinates)
        exact = lens.residual()
        assert exact.bound is not None and exact.within(exact.bound), (told, exact.worst)
        for stage in lens.stages:
            if stage == "residual":
                continue
            for name in lens.parameters:
                a, b = (each.statistics(stage, name) for each in (lens, own))
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12, err_msg=f"{told} {stage} {name}")
        assert lens.facts()["hyper"] == own.facts()["hyper"]
        assert not lens.events


@pytest.mark.parametrize("model", ["tiny-cnn", "lenet", "cnn"])
def test_replicas_that_stay_go_on_as_if_all_had(model: str) -> None:
    def three(seed: int) -> list[Replica]:
        found = []
        for place, (name, options) in enumerate([("nadam", {}), ("sgd", {"momentum": 0.9}), ("adagrad", {})]):
            more = {"norm": "batch", "dropout": 0.1 * (place + 1)} if model == "cnn" else {}
            one = passo.build(model, SHAPE, CLASSES, seed=10 * seed + place, **more)
            found.append(replica(one, name, options, seed, clip_value=0.05 * (place + 1)))
        return found

    def ended(replicas: list[Replica], rows: list[int], keep: bool) -> Replicas:
        """Those rows end with the second epoch."""
        engine, at, pairs = Replicas(replicas, nn.CrossEntropyLoss()), Progress(), together(3, 8)
        for record in engine.fit(pairs, 2, progress=at):
            last = record.step
        for row in rows:
            engine.end(row, last)
        if keep:
            left = engine.going
            engine.keep(left)
            if len(engine.network.seeds) == 1:
                pairs = together(engine.network.seeds[0])
        for _ in engine.fit(pairs, EPOCHS, progress=at):
            pass
        engine.put()
        return engine

    for rows, size in (([1, 4], 4), ([0, 1, 2], 3), ([0, 1, 2, 5], 2), ([0, 4], 6)):
        fewer, all_there = three(3) + three(8), three(3) + three(8)
        assert len(ended(fewer, rows, keep=True).replicas) == size
        ended(all_there, rows, keep=False)
        for row, (one, other) in enumerate(zip(fewer, all_there, strict=True)):
            assert apart(one.model, other.model) < 1e-9, (rows, row)
