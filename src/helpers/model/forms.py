"""The forms in which a trained arm can be used, from the adapter on its base to a GGUF file, each
scored alike."""

from pathlib import Path

from transformers import AutoModelForCausalLM

from helpers.files import read_json
from helpers.model import by_llama_cpp, chat, gguf_file, score
from helpers.model.base import added_tokens, load_base, load_for_inference
from helpers.model.export import export
from helpers.pretrained import compute_dtype, load_tokenizer

BASE = "base"
# The first is what the others are compared with.
FORMS = ("adapter", "merged", "merged_4bit", *gguf_file.KINDS)
# The GGUF files that llama.cpp reads too, which also rounds what passes through the layers.
BY_LLAMA_CPP = {f"{kind}_llama_cpp": kind for kind in ("q8_0", "q4_1")}


def every() -> tuple[str, ...]:
    """The base and all forms that can be scored here."""
    return (BASE, *FORMS, *(BY_LLAMA_CPP if by_llama_cpp.installed() else ()))


def score_choices(
    form: str, arm: str, adapter: Path, folder: Path, tokenizer, choices: list[dict]
) -> list[dict]:
    """`score.score_choices` of a published arm in a form of `every`."""
    if form in BY_LLAMA_CPP:
        path = write_gguf(BY_LLAMA_CPP[form], arm, folder)
        return by_llama_cpp.score_choices(path, tokenizer, choices)
    model = load(form, arm, adapter, folder)
    return score.score_choices(model, tokenizer, choices, None)


def load(form: str, arm: str, adapter: Path, folder: Path):
    """The model of a published arm in a form, or its base alone; `folder` is where the arm is
    exported to, once for all forms that need it."""
    name = read_json(adapter / "record.json")["settings"]["model"]
    if form == BASE:
        return load_for_inference(name, None)
    if form == "adapter":
        tokens = added_tokens(adapter)
        one = {"place": arm, "adapter": adapter, "token": "".join(tokens[:1])}
        return chat.load_together(name, [one | {"tokenizer": load_tokenizer(name, tokens)}])
    whole = {"dtype": compute_dtype()}
    if form in gguf_file.KINDS:
        path = write_gguf(form, arm, folder)
        folder, whole = path.parent, whole | {"gguf_file": path.name}
    elif not folder.exists():
        export(arm, folder)
    if form == "merged_4bit":
        return load_base(str(folder)).dequantize().to(compute_dtype()).eval()
    return AutoModelForCausalLM.from_pretrained(folder, **whole).eval()


def write_gguf(kind: str, arm: str, folder: Path) -> Path:
    """A published arm as a GGUF file, made from the arm exported to `folder`, once each."""
    if not folder.exists():
        export(arm, folder)
    path = folder / "gguf" / f"{kind}.gguf"
    if not path.exists():
        gguf_file.write(folder, path, kind, arm)
    return path
