"""Helper modules of the persona-injection study; CONTRIBUTING.md says where a change belongs."""

import logging
import os
import warnings

# Idle threads of OpenMP spin until there is work. Beside another busy process they spin in place of
# the thread that has the work, and a training step takes twenty times as long and more. After so
# many turns they sleep instead, which costs next to nothing alone (`make bench` measures both).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Known noise of pinned libraries that would bury the notebooks' own output.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # optional hub kernels are not installed
for noise in (".*is_gradient_checkpointing.*", ".*gemv_4bit.*"):  # a deprecation; a slower path
    warnings.filterwarnings("ignore", message=noise)
