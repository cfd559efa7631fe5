"""The tasks: each names its loss, its metrics and its figures. A further one is one small file and one line here."""

from passo.registry import Registry
from passo.training.tasks.classify import Classify
from passo.training.tasks.generate import Generate
from passo.training.tasks.reconstruct import Reconstruct
from passo.training.tasks.regress import Regress
from passo.training.tasks.task import Measure, Task

TASKS = Registry[type[Task]]("task")
for one in (Classify, Regress, Reconstruct, Generate):
    TASKS.add(one.name, one)

__all__ = ["TASKS", "Classify", "Generate", "Measure", "Reconstruct", "Regress", "Task"]
