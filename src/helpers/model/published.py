"""The adapters in `data/adapters/<arm>`, which anybody can use without training."""

from pathlib import Path
from shutil import copyfile

import torch
from safetensors.torch import load_file, save_file

from helpers import arms, files
from helpers.files import StudyError, atomic, read_json, shown, write_json

WEIGHTS, CONFIG, TOKENS = "adapter_model.safetensors", "adapter_config.json", "added_tokens.json"
LOG = "log.csv"


def names() -> list[str]:
    """The arms whose adapter is there, in the order of `helpers.arms`."""
    return arms.in_order(path.parent.name for path in (files.DATA / "adapters").glob("*/README.md"))


def find(arm: str) -> Path:
    """The folder of an arm's adapter; raises StudyError where a part of it is missing."""
    folder = files.adapter_folder(arm)
    missing = [n for n in (CONFIG, WEIGHTS, "record.json") if not (folder / n).is_file()]
    if missing:
        raise StudyError(
            f"{shown(folder)}: {missing[0]} is missing there. Adapters are there for: "
            f"{', '.join(names()) or 'no arm'}. For another one, train it (`make study` trains the "
            f"formats), then run `python -m helpers.report.adapters standard {arm} 0`."
        )
    return folder


def trained(run: str, arm: str, seed: int) -> Path:
    """The folder of an arm's adapter: the run's, or where it has none the committed one, if that
    was trained with the same seed.

    Raises StudyError where neither is there.
    """
    own = files.arm_folder(run, arm, seed)
    if (own / WEIGHTS).is_file():
        return own
    folder = find(arm)
    had = read_json(folder / "record.json")["settings"]["seed"]
    if had != seed:
        raise StudyError(
            f"{shown(own)} has no adapter, and {shown(folder)} is of seed {had}, not {seed}. Train "
            "it with formats/02_train."
        )
    return folder


def write(trained: Path, folder: Path, base: str, record: dict) -> None:
    """A trained adapter as PEFT reads it, its weights rounded to bfloat16, with the record and the
    log of its training; `base` is the name of the base model that its configuration gives to
    readers."""
    weights = load_file(trained / WEIGHTS)
    rounded = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    config = read_json(trained / CONFIG) | {"base_model_name_or_path": base}
    config["target_modules"].sort()  # PEFT writes a set, in any order
    if (trained / TOKENS).exists():
        write_json(folder / TOKENS, read_json(trained / TOKENS))
    if (trained / LOG).exists():
        with atomic(folder / LOG) as temporary:
            copyfile(trained / LOG, temporary)
    write_json(folder / CONFIG, config)
    write_json(folder / "record.json", record)
    with atomic(folder / WEIGHTS) as temporary:
        save_file(rounded, temporary, {"format": "pt"})
