"""What is wrong with a run: detectors over what was recorded, each with its evidence."""

from passo.diagnosis.diagnosing import DETECTORS, Diagnosed, Diagnosis, diagnose
from passo.diagnosis.evidence import Evidence, NotSeen
from passo.diagnosis.findings import Detector, Finding
from passo.diagnosis.living import live

__all__ = ["DETECTORS", "Detector", "Diagnosed", "Diagnosis", "Evidence", "Finding", "NotSeen", "diagnose", "live"]
