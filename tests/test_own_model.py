"""The page "Your own base model", followed to the letter up to a model that can be asked."""

import re
import subprocess

import copies
import pytest
import yaml
from transformers import AutoTokenizer

from helpers import embedded, parameters, pretrained
from helpers.files import ROOT, StudyError
from helpers.model import answer

PAGE = (ROOT / "docs" / "own_model.md").read_text()
STUDY, *_ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


def plan_with(copy, model):
    """The plan of the page's study with another model: (exit status, output)."""
    asked = yaml.safe_load(STUDY)
    asked["parameters"]["model"] = model
    (copy / "workflow" / "studies" / "other.yaml").write_text(yaml.safe_dump(asked))
    return copies.run(copy, "other", "--", "-n")


def test_the_study_of_the_page_is_planned(copy):
    assert "`workflow/studies/other.yaml`" in PAGE
    assert ".env/bin/python workflow/run.py other -- -n" in COMMANDS
    (copy / "workflow" / "studies" / "other.yaml").write_text(STUDY)
    code, output = copies.run(copy, "other", "--", "-n")
    named = yaml.safe_load(STUDY)["parameters"]["model"]
    assert code == 0 and re.search(rf"^  model +{re.escape(named)}$", output, re.MULTILINE), output


def test_the_models_of_the_table_are_those_that_there_are():
    table = re.findall(r"^\| `(embedded[\w.-]+)` \|", PAGE, re.MULTILINE)
    assert table == list(embedded.models())
    for name in table:
        parameters.check(["model"], {"model": name}, "the page")
    assert f".env/bin/python -m helpers.embedded {table[0]}" in COMMANDS


def test_the_targets_of_make_that_the_page_names_are_there():
    wanted = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    out = subprocess.run(["make", "-C", ROOT, "-qp"], capture_output=True, text=True).stdout
    assert wanted and all(re.search(rf"^{name}:", out, re.MULTILINE) for name in wanted)


def test_a_model_without_a_template_is_given_one_as_the_page_says(
    copy, tiny, tokenizer, tmp_path, monkeypatch
):
    bare, own = tmp_path / "bare", tmp_path / "home" / "own"
    for folder in (bare, own):
        tiny.save_pretrained(folder)
        other = AutoTokenizer.from_pretrained(pretrained.resolve("embedded"))
        other.chat_template = None
        if folder == own:
            template = (
                "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|im_end|>\n{% endfor %}"
            )
            template += "{% if add_generation_prompt %}[assistant] {% endif %}"
            other.chat_template = template
        other.save_pretrained(folder)
    with pytest.raises(StudyError, match="has no chat template.*docs/own_model.md"):
        pretrained.load_tokenizer(str(bare))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    loaded = pretrained.load_tokenizer("~/own")
    ids = answer.prompt_ids("Why?", None, loaded)
    assert loaded.decode(ids).replace(" ", "") == "[user]Why?<|im_end|>\n[assistant]"
    code, output = plan_with(copy, "~/own")
    assert code == 0, output
    code, output = plan_with(copy, "~/gone")
    assert code != 0 and output.count("\n") == 1
    assert "field 'model': there is no folder '~/gone'" in output


def test_a_folder_that_was_saved_again_is_another_model(tmp_path):
    for name in ("model.safetensors", "config.json", "chat_template.jinja", "notes.md"):
        (tmp_path / name).write_text(name)
    found, hashes = [path.name for path in pretrained.model_files(str(tmp_path))], set()
    assert found == ["chat_template.jinja", "config.json", "model.safetensors"]
    for name in ("notes.md", *found):  # notes are no part of the model
        (tmp_path / name).write_text("changed")
        pretrained.model_hash.cache_clear()
        hashes.add(pretrained.model_hash(str(tmp_path)))
    assert len(hashes) == 4 and all(one.startswith("sha256:") for one in hashes)
    assert pretrained.model_hash("someone/some-model") == "someone/some-model"
    assert pretrained.model_files("embedded") == pretrained.model_files("someone/some-model") == []
