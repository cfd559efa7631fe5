"""Layer by layer: what eight layers send forward and what comes back to them, with sigmoids and with ReLUs."""

import torch
from torch import nn

import passo

data = passo.load("fashion-mnist-sample", per_class=64, validation=None).train

for activation in ("sigmoid", "relu"):
    model = passo.build("mlp", seed=0, hidden=[64] * 8, activation=activation)
    optimizer = torch.optim.Adam(model.parameters())
    lens = passo.watch(optimizer, model, activations=True)

    for x, y in zip(data.images.split(64), data.labels.split(64), strict=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    values, meta = lens.arrays()["activations"]  # (steps, layers, quantities)
    print(f"\n{activation}: medians over {len(values)} steps")
    print(f"{'layer':>6}  " + "  ".join(f"{quantity:>9}" for quantity in meta["quantities"]))
    for layer, row in zip(meta["layers"], torch.from_numpy(values).median(0).values, strict=True):
        if layer.startswith(("act", "out")):
            print(f"{layer:>6}  " + "  ".join(f"{value:9.2e}" for value in row.tolist()))
