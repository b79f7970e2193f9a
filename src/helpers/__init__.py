"""Helper modules of the persona-injection study; CONTRIBUTING.md says what each is responsible
for."""

import logging
import warnings

# Known noise of pinned libraries that would bury the notebooks' own output.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # optional hub kernels are not installed
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
warnings.filterwarnings(
    "ignore", message=".*gemv_4bit.*"
)  # the first layer's input needs no gradient
