"""What `test_distributed` starts in processes of its own: one rank of a training in float64, told by words.

python ranks.py RANK OF FOLDER CASE    → FOLDER/RANK.pt: weights after every step, losses, or the error's words
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from passo.data import Batches
from passo.errors import Diverged
from passo.models.dropout import Dropout
from passo.training import Penalty, fit
from passo.training.distributed import Ranks

CASES: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "Adam", "lr": 1e-2},
    "sgd": {"optimizer": "SGD", "lr": 0.1, "momentum": 0.9},
    "accumulated": {"optimizer": "Adam", "lr": 1e-2, "accumulate": 3},
    "clipped": {"optimizer": "SGD", "lr": 0.1, "clip_norm": 0.05, "clip_value": 0.02, "penalty": True},
    "weighted": {"optimizer": "SGD", "lr": 0.1, "accumulate": 2, "weights": True},
    "planned": {"optimizer": "SGD", "lr": 0.1, "plateau": True},
    "bad": {"optimizer": "SGD", "lr": 0.1, "bad": 37},
    "skipping": {"optimizer": "SGD", "lr": 0.1, "bad": 37, "nonfinite": "skip"},
    "float32-adam": {"optimizer": "Adam", "lr": 1e-2, "dtype": torch.float32},
}
IMAGES, BATCH, STEPS = 85, 16, 100  # five batches of 16 and one of 5 in an epoch


def model_of(dtype: torch.dtype) -> nn.Module:
    """A convolution in channels-last memory, and two layers."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 9), nn.Tanh(), nn.Linear(9, 3))
    return nn.Sequential(*layers).to(dtype).to(memory_format=torch.channels_last)


def data_of(dtype: torch.dtype, bad: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(1)
    x = torch.randn(IMAGES, 1, 8, 8, generator=drawn, dtype=torch.float64).to(dtype)
    y = (x.flatten(1)[:, :3].cumsum(1)).argmax(1)
    if bad is not None:
        x[bad, 0, 0, 0] = float("nan")
    return x, y


def train(case: str, ranks: bool, images: int = IMAGES, batch: int = BATCH, steps: int = STEPS) -> dict[str, Any]:
    """The records of one training: the same on one device (`ranks=False`) and as one of several."""
    wanted = dict(CASES[case])
    dtype = wanted.pop("dtype", torch.float64)
    model = model_of(dtype)
    x, y = data_of(dtype, wanted.pop("bad", None))
    x, y = x[:images], y[:images]
    batches = Batches(x, y, batch, generator=torch.Generator().manual_seed(2))
    loss_fn = nn.CrossEntropyLoss(
        weight=torch.tensor([1.0, 5.0, 0.2], dtype=dtype) if wanted.pop("weights", 0) else None
    )
    penalty = Penalty(model, l1=1e-3, l2=1e-2) if wanted.pop("penalty", False) else None
    manner = {
        name: wanted.pop(name) for name in ("accumulate", "clip_norm", "clip_value", "nonfinite") if name in wanted
    }
    plateau = wanted.pop("plateau", False)
    optimizer = getattr(torch.optim, wanted.pop("optimizer"))(model.parameters(), **wanted)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.2) if plateau else None
    told: dict[str, Any] = {"losses": [], "lrs": [], "sizes": [], "skipped": [], "error": None}
    validation = Batches(x, y, 85, shuffle=False) if plateau else None
    together = Ranks(model, threads=1) if ranks else None
    if together is not None and together.rank:
        validation = None
    options: dict[str, Any] = {"schedule": schedule, "penalty": penalty, "nonfinite": "stop", **manner}
    records = fit(model, loss_fn, optimizer, batches, epochs=1000, validation=validation, ranks=together, **options)
    try:
        for record in records:
            told["losses"].append(float(record.loss))
            told["lrs"].append(record.lr)
            told["sizes"].append(record.size)
            told["skipped"].append(record.skipped)
            if record.step == steps:
                break
    except Diverged as error:
        told["error"] = (error.step, error.part, error.batch[0].shape[0])
    told["weights"] = {name: value.clone() for name, value in model.state_dict().items()}
    return told


def microscope() -> dict[str, Any]:
    """What a lens in this process sees of a clipped training, on several devices or on one."""
    import passo

    model = model_of(torch.float64)
    x, y = data_of(torch.float64)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    lens = passo.watch(optimizer, model)
    batches = Batches(x, y, BATCH, generator=torch.Generator().manual_seed(2))
    ranks = Ranks(model, threads=1) if dist.is_initialized() else None
    for _ in fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=2, clip_norm=0.05, ranks=ranks, accumulate=2):
        pass
    stages = ("grad_raw", "grad", "adapted", "update")
    return {stage: lens.statistics(stage, "0.weight") for stage in stages}


def masks(rank: int) -> torch.Tensor:
    """Which of 1000 ones passo's dropout lets through in the first step of this rank: its fit has a seed of its own."""
    seen: list[torch.Tensor] = []
    model = nn.Sequential(Dropout(0.5), nn.Linear(1000, 1))
    model[1].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [(torch.ones(2, 1000), torch.zeros(2, 1))]
    for _ in fit(model, nn.MSELoss(), optimizer, batches, ranks=Ranks(model), seed=rank):
        pass
    return seen[0]


def main() -> None:
    rank, of, folder, case = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "meeting"), of)  # pyright: ignore[reportPrivateImportUsage]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=of, timeout=timedelta(seconds=120))
    found: Any = {}
    for one in case.split(","):
        if (
            one == "small"
        ):  # 5 images in a batch of which three ranks get 2, 2, 1; and batches of 2, of which one gets 0
            found[one] = train("accumulated", True, images=20, batch=6, steps=20)
        elif one == "microscope":
            found[one] = microscope()
        elif one == "masks":
            found[one] = masks(rank)
        else:
            found[one] = train(one, True)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
