"""A published adapter merged into its base: a model that plain transformers loads, and on request
a GGUF file for llama.cpp and Ollama.

`python -m helpers.model.export ARM FOLDER [--strength S] [--gguf [KIND]]`
"""

import argparse
from pathlib import Path

import torch

from helpers.files import StudyError, atomic_folder, read_json, shown, write_text
from helpers.model import gguf_file, published
from helpers.model.answer import end_tokens
from helpers.model.base import STRONGEST, added_tokens, load_for_inference
from helpers.model.modelfile import modelfile
from helpers.pretrained import load_tokenizer


def export(arm: str, folder: Path, strength: float = 1.0, gguf: str = "") -> None:
    """Write the model of an arm into `folder`: bfloat16 safetensors, tokenizer with the added
    tokens, chat template, and the adapter's card; where `gguf` is a kind of `gguf_file.KINDS`, also
    a GGUF file and an Ollama `Modelfile`, in a folder of their own inside it, `gguf`.

    The base is the one that the adapter was trained on and measured with: the 4-bit weights,
    unpacked. Raises StudyError where the adapter is missing, the strength is out of range (see
    `base.set_strength`), the folder is already there or cannot be written, or such a model cannot
    be a GGUF file.
    """
    if gguf:
        gguf_file.check_kind(gguf)
    adapter = published.find(arm)
    if folder.exists():
        raise StudyError(f"{shown(folder)} is there already: give another folder, or delete it.")
    try:  # before the minutes that it takes to load a model
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{shown(folder)}: {error}. Give another folder.") from error
    model_name = read_json(adapter / "record.json")["settings"]["model"]
    model = load_for_inference(model_name, adapter, strength).to(torch.bfloat16)
    forget_quantisation(model)
    tokenizer = load_tokenizer(model_name, added_tokens(adapter))
    # So that plain transformers stops where a reply ends, which some models' settings do not name.
    ends = model.generation_config.eos_token_id = sorted(end_tokens(model, tokenizer))
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        name = ""
        if gguf:
            name, stops = f"{arm}-{gguf}.gguf", tokenizer.convert_ids_to_tokens(ends)
            gguf_file.write(temporary, temporary / "gguf" / name, gguf, f"{arm} on {model_name}")
            write_text(temporary / "gguf" / "Modelfile", modelfile(name, tokenizer, stops))
        card = (adapter / "README.md").read_text(encoding="utf-8")
        write_text(temporary / "README.md", merged_card(card, strength, name))
        for path in temporary.glob("*.safetensors"):
            path.chmod(0o644)  # safetensors lets only the owner read what it writes


def forget_quantisation(model) -> None:
    """Take away what marks a model as quantised: its weights are unpacked, and transformers would
    refuse to save it, or pack them again on loading."""
    model.hf_quantizer, model.is_loaded_in_4bit, model.is_quantized = None, False, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def merged_card(card: str, strength: float, gguf: str = "") -> str:
    """An adapter's card for the merged model; `gguf` names the GGUF file, "" for none."""
    note = (
        "\n## This copy\n\n"
        f"The adapter is merged into its base at strength {strength:g}, in bfloat16. Plain\n"
        "transformers loads this folder. What is said above about loading the adapter does not\n"
        "apply to it.\n"
    )
    if gguf:
        note += (
            f"\n`gguf/{gguf}` is the same model for llama.cpp, with tokenizer and chat\n"
            "template inside. For Ollama, run `ollama create persona -f Modelfile` in the folder\n"
            "`gguf`, then `ollama run persona`.\n"
        )
    return card.replace("library_name: peft", "library_name: transformers") + note


def strength_of(text: str) -> float:
    """The type of the option: a number from 0 to the strongest."""
    try:
        strength = float(text)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= STRONGEST:
        wanted = f"a number from 0 to {STRONGEST} is needed, found {text!r}"
        raise argparse.ArgumentTypeError(wanted)
    return strength


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arm", help="a folder of data/adapters")
    parser.add_argument("folder", type=Path, help="where the model goes; must not be there yet")
    told = f"0 to {STRONGEST}; 1 as trained"
    parser.add_argument("--strength", type=strength_of, default=1.0, help=told)
    kinds = ", ".join(gguf_file.KINDS)
    parser.add_argument(
        "--gguf", nargs="?", const="q8_0", default="", help=f"also a GGUF file: {kinds}"
    )
    given = parser.parse_args()
    try:
        export(given.arm, given.folder, given.strength, given.gguf)
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None
    size = sum(path.stat().st_size for path in given.folder.rglob("*")) / 1e6
    print(f"written: {shown(given.folder)} ({size:.0f} MB)")


if __name__ == "__main__":
    main()
