"""`python -m passo.experiments.rank`: one rank of a training that `experiments.devices` started; no door for people.

The first line of the standard input is the job, as JSON. The input stays open as long as the training lives: at its end
this process leaves at once. Reports go to the standard output, one JSON line each: ready, or what went wrong.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> int:
    """Hear the job, train; 0 where it went well."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever is in command decides, and closes the input
        signal.signal(number, signal.SIG_IGN)
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a model of the user's prints is no report
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_until_the_end, daemon=True).start()

    def report(**facts: Any) -> None:
        reports.write(json.dumps(facts) + "\n")
        reports.flush()

    try:
        train(job, lambda: report(ready=True))
    except BaseException as error:
        from passo.errors import PassoError

        told = str(error) if isinstance(error, PassoError) else f"{type(error).__name__}: {error}".splitlines()[0]
        report(error=told, traceback=traceback.format_exc())
        return 1
    return 0


def _until_the_end() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def train(job: dict[str, Any], ready: Callable[[], None]) -> None:
    """Build what rank 0 has built, meet it, and make its steps; nothing is evaluated or kept."""
    import torch
    import torch.distributed as dist

    from passo.errors import DataError
    from passo.experiments.assembling import assemble, load_data, records_of
    from passo.experiments.devices import fingerprint, join
    from passo.experiments.keeping import put_back
    from passo.seeding import derive
    from passo.training import Progress, keep_memory, train_config
    from passo.training.checkpoint import load
    from passo.training.distributed import Ranks

    torch.set_num_threads(job["threads"])
    keep_memory()
    rank, folder, device = job["rank"], Path(job["folder"]), torch.device(job["device"])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    config = train_config(job["config"]).model_copy(update={"device": str(device)})
    data = load_data(config)
    if fingerprint(data) != job["data"]:
        raise DataError("these data cannot be loaded again by their name: they are others in another process")
    parts = assemble(config.model_copy(update={"devices": 1}), data)
    progress = Progress()
    if job["resumes"]:
        state = load(folder / "state.safetensors")
        put_back(state, parts, None)
        progress = Progress.of(state["progress"], device)
    ready()
    join(folder, rank, config.devices, device)
    ranks = Ranks(parts.model, seed=config.seed)
    mine = config.model_copy(update={"seed": derive(config.seed, "rank", rank)})  # of dropout's masks
    for _ in records_of(mine, parts._replace(validation=None), None, progress, ranks):
        pass
    dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
