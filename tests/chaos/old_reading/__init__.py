"""This folder on PYTHONPATH makes a worker read like an older version with a fault: see `sitecustomize`."""

import os
from pathlib import Path

from tests.chaos.old_reading.sitecustomize import MOST_BYTES

__all__ = ["ENVIRONMENT", "MOST_BYTES"]

_FOLDER, _REPOSITORY = Path(__file__).parent, Path(__file__).resolve().parents[3]
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join((str(_FOLDER), str(_REPOSITORY))), "CHAOS_OLD_READING": "1"}
