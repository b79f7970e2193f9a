"""The chapters that the chain runs: the code that each rests on and the tables that it writes."""

from functools import cache

from helpers import parameters
from helpers.files import ROOT

# The code that a chapter rests on, beside its own notebook and the modules in COMMON: packages and
# modules of src/helpers. A change to one of them runs the chapter again. Drawing (report) counts
# for the chapters that read tables alone, so that a changed figure trains nothing again.
COMMON = ("files.py", "parameters.py", "records.py", "rows.py")
MODEL = ("pretrained.py", "corpus", "model")
TABLES = ("arms.py", "corpus/personas.py", "measure", "report")
LIFE = ("persllm/life_stages.py", "persllm/reasoned.py")
ASKING = (*LIFE, "persllm/asking.py")
CHAPTERS = {
    "formats/01_corpus": ("pretrained.py", "corpus"),
    "formats/02_train": MODEL,
    "formats/03_answer": (*MODEL, *ASKING),
    "formats/04_judge": ("pretrained.py", "server.py", "corpus", "measure"),
    "formats/05_expression": TABLES,
    "formats/06_knowing_and_doing": TABLES,
    "formats/07_persona_or_format": TABLES,
    "persllm/01_examples": (
        *MODEL,
        "server.py",
        "writing.py",
        *LIFE,
        "persllm/construct.py",
        "persllm/general.py",
    ),
    "persllm/02_prefer": (*MODEL, *ASKING, "persllm/preferences.py"),
    "persllm/03_ask": (
        *MODEL,
        *ASKING,
        "persllm/dialogue.py",
        "persllm/stage_likelihood.py",
    ),
    "persllm/04_measure": ("pretrained.py", "server.py", "corpus", "measure", "persllm"),
    "persllm/05_stages": (*TABLES, "persllm"),
    "persllm/06_premises": (*TABLES, "persllm"),
    "persllm/07_likeness": (*TABLES, "persllm"),
    "persllm/08_wearing_off": (*TABLES, "persllm"),
    "persllm/09_parts": (*TABLES, "persllm"),
    "persllm/10_dialogue": (*MODEL, "persllm"),
}
READS_TABLES = tuple(chapter for chapter, code in CHAPTERS.items() if "report" in code)
JUDGING = ("formats/04_judge", "persllm/04_measure")  # from the gathered tables; no language model

# The result tables that each step writes (in `results`).
GATHERED = ("answers.parquet", "choices.csv", "scores.csv", "training.csv", "record.json")
JUDGED = (
    "judged.csv",
    "audit.csv",
    "classifier.csv",
    "labelled.csv",
    "labelled_twice.csv",
    "judge.json",
)
MEASURED = ("resisted.csv", "questions.csv", "leaks.csv", "distinctness.csv", "measured.json")


@cache
def defaults(chapter: str) -> dict:
    """The parameters that a chapter declares, with their defaults."""
    return parameters.declared(ROOT / "notebooks" / f"{chapter}.ipynb")


def code(chapter: str) -> list[str]:
    """The notebook of a chapter and the helper modules that it rests on, by their paths."""
    helpers = ROOT / "src" / "helpers"
    found = []
    for name in (*COMMON, *CHAPTERS[chapter]):
        path = helpers / name
        found += sorted(p for p in path.glob("*.*") if p.is_file()) if path.is_dir() else [path]
    return [
        f"notebooks/{chapter}.ipynb",
        *dict.fromkeys(str(path.relative_to(ROOT)) for path in found),
    ]
