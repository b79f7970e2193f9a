"""The chapters that the chain runs: the code that each rests on and the tables that it writes."""

import sys
from functools import cache

from helpers import arms, parameters, records, sources
from helpers.files import ROOT

# Snakemake and papermill read notebooks with nbformat. Its jsonschema would spend over a second on
# grammars of international web addresses, which no notebook is checked for, and does without.
sys.modules.setdefault("rfc3987_syntax", None)

# The chapters that draw from tables alone.
READS_TABLES = (
    "formats/05_expression",
    "formats/06_knowing_and_doing",
    "formats/07_persona_or_format",
    "formats/08_size",
    "formats/09_positive_control",
    "persllm/05_stages",
    "persllm/06_premises",
    "persllm/07_likeness",
    "persllm/08_wearing_off",
    "persllm/09_parts",
    "why/01_voice_person_wrapper",
    "why/02_few_demonstrations",
    "why/03_dose",
    "why/04_selection",
    "why/05_weights",
)
# The chapters on composed arms, and the arms that a study needs to run one.
EXPERIMENTS = {
    "why/01_voice_person_wrapper": [*arms.CELLS],
    "why/02_few_demonstrations": [name for name in arms.ARMS if "few_" in name],
    "why/03_dose": [
        *(f"{name}_{n}" for name in arms.formats() for n in arms.DOSES),
        *(f"mixed_{n}" for n in arms.MIXTURES),
    ],
    "formats/09_positive_control": ["taught_replies"],
}
# Those on the formats' adapters as they are, for a study that changes their weights.
ON_ADAPTERS = ("why/04_selection", "why/05_weights")
JUDGING = (records.JUDGED, records.MEASURED)  # from the gathered tables; no language model
CHAPTERS = (
    "formats/01_corpus",
    "formats/02_train",
    "formats/03_answer",
    "persllm/01_examples",
    "persllm/02_prefer",
    "persllm/03_ask",
    "why/00_texts",
    "why/00_weights",
    *JUDGING,
    *READS_TABLES,
    "persllm/10_dialogue",
)


@cache
def defaults(chapter: str) -> dict:
    """The parameters that a chapter declares, with their defaults."""
    return parameters.declared(ROOT / "notebooks" / f"{chapter}.ipynb")


def tables(step: str) -> list[str]:
    """The files of results that a step (of `records.TABLES`) always writes."""
    return [*map(records.table_file, records.TABLES[step]), records.RECORDS[step]]


def code(chapter: str) -> list[str]:
    """The notebook of a chapter and the helper modules that it rests on, by their paths. A change
    to one of them runs the chapter again."""
    beside = sources.BESIDE + sources.BESIDE_TOO.get(chapter, ())
    found = sources.modules(chapter, () if chapter in READS_TABLES else beside)
    captions = ["report/captions.yaml"] * ("report/drawing.py" in found)
    return [
        f"notebooks/{chapter}.ipynb",
        *(f"src/helpers/{name}" for name in sorted([*found, *captions])),
    ]
