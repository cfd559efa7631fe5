"""The microscope in your own training loop: two lines, and the run stays bit for bit what it was."""

import torch

import passo

torch.manual_seed(0)
x, y = torch.randn(256, 20), torch.randint(0, 3, (256,))
model = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

lens = passo.watch(optimizer, model)  # the first line

for step in range(100):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()

print(lens.residual())  # the second: how far the equations are from what happened
print("stages:", ", ".join(lens.stages))
print("adapted gradient of 0.weight, last step:", lens.statistics("adapted", "0.weight")[-1])
