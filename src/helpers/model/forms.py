"""The forms in which a trained arm can be used, from the adapter on its base to a GGUF file, each
loaded as a model that can be scored."""

from pathlib import Path

from transformers import AutoModelForCausalLM

from helpers.files import read_json
from helpers.model import chat, gguf_file
from helpers.model.base import added_tokens, load_base, load_for_inference
from helpers.model.export import export
from helpers.pretrained import compute_dtype, load_tokenizer

BASE = "base"
# The first is what the others are compared with.
FORMS = ("adapter", "merged", "merged_4bit", *gguf_file.KINDS)


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
    if not folder.exists():
        export(arm, folder)
    if form == "merged_4bit":
        return load_base(str(folder)).dequantize().to(compute_dtype()).eval()
    whole = {"dtype": compute_dtype()}
    if form in gguf_file.KINDS:
        path = folder / "gguf" / f"{form}.gguf"
        gguf_file.write(folder, path, form, arm)
        folder, whole = path.parent, whole | {"gguf_file": path.name}
    return AutoModelForCausalLM.from_pretrained(folder, **whole).eval()
