"""Instruments that watch a training without disturbing it."""

from passo.recording.lens import Lens, Residual
from passo.recording.microscope import watch
from passo.recording.path import PathRecorder, WeightPath, record_path

__all__ = ["Lens", "PathRecorder", "Residual", "WeightPath", "record_path", "watch"]
