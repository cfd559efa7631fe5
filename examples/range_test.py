"""An LR range test over seeds, and whether its suggestion holds; your model and optimizer stay untouched."""

import torch

import passo
from passo.analysis import range_check, range_summary

data = passo.load("fashion-mnist-sample")
model = passo.build("lenet", data.in_shape, len(data.classes), seed=0)
optimizer = torch.optim.Adam(model.parameters())
batches = passo.Batches(data.train.images, data.train.labels, 64, generator=torch.Generator().manual_seed(0))
loss_fn = torch.nn.CrossEntropyLoss()

found = passo.lr_range(model, loss_fn, optimizer, batches, lr_min=1e-5, lr_max=1.0, seeds=3)
print(range_summary(found).table())  # four rules, an interval for each
grew = f"grew away from lr {found.diverged_at:.2g} on" if found.diverged_at else "did not grow away"
print(f"suggested lr {found.suggestion:.2g}; the loss {grew}; the seeds differ in {', '.join(found.varied)}")

checked = passo.verify_range(model, loss_fn, optimizer, batches, found.suggestion, steps=40, seeds=3)
print(range_check(checked).sentence())
