"""Makes the package importable from any working directory.

One thread, so that tests run beside other work.
"""
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
MODELS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(MODELS))

import torch  # noqa: E402

torch.set_num_threads(1)
