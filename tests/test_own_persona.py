"""The page "Your own persona", followed to the letter in a copy of the checkout, against a server
that writes short texts."""

import json
import os
import re
import shlex
import subprocess
import sys

import chapters
import copies
import pytest
import yaml
from test_writer import CARD

from helpers import arms, parameters
from helpers.files import ROOT, read_jsonl, write_jsonl

PAGE = (ROOT / "docs" / "own_persona.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for kind, block in BLOCKS
    if kind == "bash"
    for line in block.splitlines()
]
CHECK_CARD, BASE_URL, API_KEY, WRITE, PLAN, RUN, CONSTRUCT = COMMANDS
(ITEM,) = (block for kind, block in BLOCKS if kind == "json")
STUDY, PERSLLM = (block for kind, block in BLOCKS if kind == "yaml")
NAMES = re.findall(r"`workflow/studies/(marlow[\w-]*).yaml`", PAGE)


def carry_out(command, copy, server=None, *more):
    """A command of the page in a copy, with further options; (exit status, output)."""
    words = shlex.split(command.replace("MODEL", "m").replace(".env/bin/python", sys.executable))
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "HF_HUB_OFFLINE": "1"}
    if server:  # the two lines that the page has exported before
        assert BASE_URL.startswith("export OPENAI_BASE_URL=http")
        assert API_KEY.startswith("export OPENAI_API_KEY=")
        url = f"http://127.0.0.1:{server.server_port}/v1"
        environment |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": server.key}
    done = subprocess.run(
        [*words, *more],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def write_card(copy, **changes):
    path = copy / "data" / "personas" / "marlow.yaml"
    path.write_text(yaml.safe_dump(CARD | {"focus": "slugs"} | changes))


def write_items(copy):
    """The page's item, and a triplet for each trait."""
    rows = [json.loads(ITEM)]
    for trait in CARD["traits"]:
        texts = {name: f"{name} of {trait['id']}?" for name in ("situation", "know", "say", "do")}
        texts["know"] = f"How would {CARD['name']} react?"
        rows.append(
            {"id": f"t-{trait['id']}", "kind": "triplet", "trait": trait["id"]}
            | {"setting": "everyday", "options": ["a", "b", "c", "d"], **texts}
            | {"say_pair": ["a", "b"], "do_pair": ["a", "b"]}
        )
    write_jsonl(copy / "data" / "items" / "marlow.jsonl", rows)


def write_persllm(copy):
    """Robin's three files in the form of Nell's."""
    own, nell = (copy / "data" / "persllm" / name for name in ("marlow", "nell"))
    own.mkdir()
    for name in ("stages.yaml", "knowledge.jsonl"):
        (own / name).write_text((nell / name).read_text())
    speech = read_jsonl(nell / "speech.jsonl")
    write_jsonl(own / "speech.jsonl", [row | {"traits": ["cheer"]} for row in speech])


def test_the_fields_of_the_card_are_those_of_the_page():
    table = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert set(table) == {*CARD, "focus"}


def test_a_card_is_checked_by_the_command_of_the_page(copy):
    write_card(copy)
    assert carry_out(CHECK_CARD, copy) == (0, "")
    write_card(copy, focus="vanity")
    code, output = carry_out(CHECK_CARD, copy)
    assert (
        code != 0 and "marlow.yaml, line" in output and "'vanity' is none of the traits" in output
    )


def test_what_the_page_sets_in_a_chapter_can_be_set():
    chapter, section = "formats/04_judge", PAGE.partition("## 5.")[2].partition("##")[0]
    assert f"`{chapter}`" in section
    given = dict(re.findall(r"`(\w+) = ([^`]+)`", section))
    given = {name: yaml.safe_load(value) for name, value in given.items()}
    assert {"run", "persona", "results", "draw_labels"} <= set(given)
    parameters.check(chapters.defaults(chapter), given, "the page")
    named = set(re.findall(r"`(\w+)`", section)) - {"draw_labels"}
    assert named <= set(chapters.defaults(chapter)), "a parameter that there is none of"


@pytest.mark.check
def test_the_page_leads_to_a_study_that_can_run(copy, server):
    assert NAMES == ["marlow", "marlow-persllm"]
    write_card(copy)
    units = re.sub(r"--units \d+", "--units 12", WRITE)
    code, output = carry_out(units, copy, server, "--words", "3", "60")
    assert code == 0 and "'failed': 0" in output, output
    for name in ("units", *arms.formats()):
        assert len(read_jsonl(copy / "data" / "corpora" / "marlow" / f"{name}.jsonl")) == 12
    write_items(copy)
    (copy / "workflow" / "studies" / "marlow.yaml").write_text(STUDY)
    code, output = carry_out(PLAN, copy)
    assert code == 0 and copies.jobs_of(output)["train"] == 3, output
    assert PLAN.removesuffix(" -- -n") == RUN
    code, output = carry_out(RUN, copy, None, "--", "--until", "corpus")
    assert code == 0, output
    prepared = copy / "data" / "runs" / "marlow" / "data"
    assert {p.stem for p in prepared.glob("*.jsonl")} >= set(arms.formats())


@pytest.mark.check
def test_the_page_leads_to_a_study_of_persllm_that_can_run(copy, server):
    write_card(copy)
    units = re.sub(r"--units \d+", "--units 12", WRITE)
    assert carry_out(units, copy, server, "--words", "3", "60")[0] == 0
    write_items(copy)
    write_persllm(copy)
    examples = re.sub(r"--examples \d+", "--examples 30", CONSTRUCT)
    code, output = carry_out(examples, copy, server, "--words", "3", "60")
    assert code == 0, output
    assert read_jsonl(copy / "data" / "persllm" / "marlow" / "examples.jsonl")
    (copy / "workflow" / "studies" / "marlow-persllm.yaml").write_text(PERSLLM)
    code, output = carry_out(PLAN.replace("marlow", "marlow-persllm"), copy)
    assert code == 0 and copies.jobs_of(output)["prefer"] == 1, output
