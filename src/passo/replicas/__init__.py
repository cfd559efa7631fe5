"""Many small models trained as one network, each with its own hyperparameters."""

from passo.replicas.layers import NotFused
from passo.replicas.loop import Replica, Replicas, ReplicaStep
from passo.replicas.updates import NotStepped

__all__ = ["NotFused", "NotStepped", "Replica", "ReplicaStep", "Replicas"]
