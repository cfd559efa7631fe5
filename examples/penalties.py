"""L1 and L2 regularisation, seen in the weights: most of them nearly 0, or all of them small. And nearly 0 can be 0."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import passo
from passo.analysis.weights import NEAR, layer_table, weights

folder = Path(tempfile.mkdtemp())
data = passo.load("fashion-mnist-sample", per_class=100)

# 1. From a configuration: `passo train model=mlp l1=1e-3` does the same.
for name, strength in {"none": {}, "L1": {"l1": 1e-3}, "L2": {"l2": 1e-2}}.items():
    done = passo.train(data, "mlp", epochs=10, seed=0, out=folder / name, **strength)
    print(f"\n{name}: test accuracy {done.test.accuracy:.1%}")
    print(layer_table(weights(done.run)))

# 2. In a loop of one's own: the record keeps the data's loss and the penalty apart.
model = passo.build("mlp", seed=0)
batches = passo.Batches(data.train.images, data.train.labels, 64, generator=torch.Generator().manual_seed(0))
optimizer = passo.make_optimizer("adam", model.parameters(), lr=1e-3)
loss_fn, penalty = nn.CrossEntropyLoss(), passo.Penalty(model, l1=1e-3)
for record in passo.fit(model, loss_fn, optimizer, batches, epochs=10, penalty=penalty):
    if record.end is not None and record.epoch in (1, 10):
        print(f"\nepoch {record.epoch}: data loss {record.end.train_loss:.3f}, penalty {record.penalty:.3f}", end="")

# 3. What is nearly 0 can be 0: the network hardly notices.
test = passo.Batches(data.test.images, data.test.labels, 1000, shuffle=False)
before = passo.evaluate(model, loss_fn, test).accuracy
with torch.no_grad():
    for weight in penalty.weights:
        weight[weight.abs() <= NEAR * weight.abs().max()] = 0.0
share = sum((w == 0).sum().item() for w in penalty.weights) / sum(w.numel() for w in penalty.weights)
after = passo.evaluate(model, loss_fn, test).accuracy
print(f"\n{share:.0%} of the weights set to 0: test accuracy {before:.1%} before, {after:.1%} after")
