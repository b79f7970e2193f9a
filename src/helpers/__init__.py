"""Helper modules of the persona-injection study; CONTRIBUTING.md says where a change belongs."""

import logging
import os
import warnings

# torch and bitsandbytes bring an OpenMP runtime each, whose idle threads spin until there is work.
# Beside another busy process they spin in its place and a training step takes twenty times as long.
# `make bench` measures what waiting passively costs alone (nothing that can be told) and saves then.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Known noise of pinned libraries that would bury the notebooks' own output.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # optional hub kernels are not installed
for noise in (".*is_gradient_checkpointing.*", ".*gemv_4bit.*"):  # a deprecation; a slower path
    warnings.filterwarnings("ignore", message=noise)
