"""Instruments that watch a training without disturbing it."""

from passo.recording.activations import Activations
from passo.recording.held import HeldRun
from passo.recording.lens import Lens, Residual
from passo.recording.microscope import watch
from passo.recording.path import PathRecorder, WeightPath, record_path
from passo.recording.probing import Probes, probe
from passo.recording.records import Event
from passo.recording.remeasured import LastBatch

__all__ = [
    "Activations",
    "Event",
    "HeldRun",
    "LastBatch",
    "Lens",
    "PathRecorder",
    "Probes",
    "Residual",
    "WeightPath",
    "probe",
    "record_path",
    "watch",
]
