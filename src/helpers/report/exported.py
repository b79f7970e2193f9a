"""What each step of exporting costs a persona: knowing and doing of a published adapter in every
form in which it can be used.

`python -m helpers.report.exported ARM [--items N]`
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from helpers import arms, files, pretrained, repository, sources
from helpers.corpus import personas, readouts
from helpers.files import StudyError, file_hash, fingerprint, read_json, shown, write_frame
from helpers.measure import margins, stats, triplets
from helpers.parameters import at_least_one
from helpers.persllm import asking
from helpers.report.page_words import markdown_table
from helpers.report.words import nats

MEASURES = {margins.KNOW: "knowing", margins.DO: "doing"}
FIRST = "adapter"  # the form that the others are compared with
NAMES = {
    "adapter": "adapter on the 4-bit base",
    "merged": "merged, bfloat16",
    "merged_4bit": "merged, in 4 bits again (NF4)",
    "f16": "GGUF, 16 bits (`f16`)",
    "q8_0": "GGUF, 8 bits (`q8_0`)",
    "q4_1": "GGUF, 4 bits (`q4_1`)",
    "q8_0_llama_cpp": "GGUF, 8 bits, read by llama.cpp",
    "q4_1_llama_cpp": "GGUF, 4 bits, read by llama.cpp",
}
MAKE_FORMS = tuple(
    f"model/{name}.py" for name in ("forms", "export", "gguf_file", "packed", "by_llama_cpp")
)
HASHES = {"adapter": str, "commit": str}  # some of which look like numbers
COMMAND = ".env/bin/python -m helpers.report.exported"


def path() -> Path:
    return files.DATA / "results" / "export.csv"


# Measuring


def asked(arm: str, persona: str, at_most: int | None) -> list[dict]:
    """What is scored: know and do of both sets of triplets as written, or of the first `at_most` of
    each."""
    items = readouts.load_sets(persona, readouts.SETS, at_most)
    rows = readouts.choices(items, personas.load_persona(persona)["name"])
    kept = [r for r in rows if r["measure"] in MEASURES and r["condition"] == "own"]
    return asking.at_once(asking.at_stage(kept, arm, persona), arm)


def scored(arm: str, at_most: int | None = None) -> pd.DataFrame:
    """The options of `asked` in every form of a published arm, and by its base: `triplets.COLUMNS`,
    with the form in the column `arm`. A form that was scored before is not scored again."""
    from helpers.model import base, forms, published  # takes seconds

    adapter = published.find(arm)
    settings = read_json(adapter / "record.json")["settings"]
    choices = asked(arm, settings["persona"], at_most)
    tokenizer = pretrained.load_tokenizer(settings["model"], base.added_tokens(adapter))
    dtype = str(pretrained.compute_dtype())
    made_from = file_hash(adapter / published.WEIGHTS), pretrained.model_hash(settings["model"])
    key = fingerprint([*made_from, sources.modules_hash(*MAKE_FORMS), dtype, choices])
    kept, frames = files.RUNS / "export" / f"{arm}-{key}", []
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as temporary:
        for form in forms.every():
            found = kept / f"{form}.csv"
            if not found.exists():
                print(form, flush=True)
                folder = Path(temporary) / "model"
                rows = forms.score_choices(form, arm, adapter, folder, tokenizer, choices)
                own = [{"arm": form, "seed": 0} | row for row in rows]
                write_frame(found, pd.DataFrame(own, columns=triplets.COLUMNS))
            frames.append(pd.read_csv(found, keep_default_na=False))
    return pd.concat(frames, ignore_index=True)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Per form and measure: gain (of the margin over base, nats per token) and change (of the gain
    against that of the adapter), each with its interval over scenarios, and how many of these there
    are. The adapter has no change."""
    found, lines = margins.margins(rows), []
    for form in dict.fromkeys(rows["arm"][rows["arm"] != "base"]):
        for measure in MEASURES:
            gained = stats.compare(margins.gains(found, form, measure).to_numpy())
            change = stats.compare(margins.lead(found, form, FIRST, measure).to_numpy())
            line = {"form": form, "measure": measure, "scenarios": gained["items"]}
            for name, part in (("gain", gained), ("change", change)):
                ends = {f"{name}_low": part["low"], f"{name}_high": part["high"]}
                known = name == "gain" or form != FIRST
                line |= ({name: part["difference"]} | ends) if known else {}
            lines.append(line)
    return pd.DataFrame(lines).round(4)


def publish(arm: str) -> None:
    """Measure an arm whole and put its rows into data/results/export.csv, in place of older
    ones."""
    from helpers.model import published  # takes seconds

    found = table(scored(arm))
    adapter = file_hash(published.find(arm) / published.WEIGHTS)[:12]
    facts = {"adapter": adapter, "dtype": str(pretrained.compute_dtype())}
    facts["commit"] = repository.commit() or "unknown"
    old = pd.read_csv(path(), dtype=HASHES) if path().exists() else pd.DataFrame({"arm": []})
    rows = pd.concat([old[old["arm"] != arm], found.assign(arm=arm, **facts)], ignore_index=True)
    order = sorted(range(len(rows)), key=lambda n: list(arms.ARMS).index(rows["arm"][n]))
    write_frame(path(), rows.iloc[order])


# The page


def block() -> str:
    """The table of docs/export.md."""
    if not path().exists():
        return f"Not measured yet. `{COMMAND} ARM` fills this table."
    rows = pd.read_csv(path(), dtype=HASHES)
    return "\n\n".join(of_arm(arm, own) for arm, own in rows.groupby("arm", sort=False))


def of_arm(arm: str, rows: pd.DataFrame) -> str:
    """The table of one arm as Markdown."""
    lines = []
    for form, own in rows.groupby("form", sort=False):
        cells = own.set_index("measure").loc[list(MEASURES)]
        told = [cell(row, name) for _, row in cells.iterrows() for name in ("gain", "change")]
        lines.append([NAMES[form], *told])
    head = ["form", *(f"{said}{more}" for said in MEASURES.values() for more in ("", ", change"))]
    first = rows.iloc[0]
    what = (
        f"**{arms.label(arm)}** ({first['scenarios']:.0f} scenarios, computed in {first['dtype']})"
    )
    return f"{what}\n\n{markdown_table(head, lines)}"


def cell(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]):
        return "–"
    return nats(row[name], row[f"{name}_low"], row[f"{name}_high"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arm", help="a folder of data/adapters")
    parser.add_argument(
        "--items",
        type=at_least_one,
        help="so many scenarios of each set, to try it; nothing is published",
    )
    given = parser.parse_args()
    try:
        if given.items:
            print(table(scored(given.arm, given.items)).to_string(index=False))
        else:
            publish(given.arm)
            print(f"written: {shown(path())}; `make figures` puts it into docs/export.md")
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
