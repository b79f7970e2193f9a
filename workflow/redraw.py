"""Redraw the committed figures from the committed results, without a model, and bring README's
tables up to date."""

import os
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
from step import run_notebook
from study import arm_parameters, load_study, places, refuse_stale_recipe

from helpers.plots import ARM_LABELS
from helpers.store import DATA, ROOT, StudyError, read_json, write_text

PUBLISHED = ("reference", "persllm-nell", "persllm")
SHOWN = ["anxiety", "honorifics", "formality", "expertise"]


def with_interval(row: pd.Series, value: str = "rate", low: str = "low", high: str = "high") -> str:
    return "–" if pd.isna(row[value]) else f"{row[value]:.0%} ({row[low]:.0%} to {row[high]:.0%})"


def findings_table() -> str:
    """Expression rates of some traits by arm with intervals, each with its corrected rate, share of
    coherent answers, gain on held-out text."""
    rates = pd.read_csv(ROOT / "figures" / "expression_rate.csv").set_index(["arm", "trait"])
    judged = pd.read_csv(DATA / "results" / "reference" / "judged.csv").query("kind == 'everyday'")
    specific = pd.read_csv(ROOT / "figures" / "persona_specific_gain.csv").set_index(
        ["arm", "text"]
    )
    lines = [
        f"| arm | {' | '.join(SHOWN)} | coherent answers | nats gained on own format | of which persona-specific |",
        "|---" * (len(SHOWN) + 4) + "|",
    ]
    for arm in dict.fromkeys(rates.index.get_level_values("arm")):
        cells = [
            f"{r.rate:.0%} ({r.low:.0%} to {r.high:.0%}) → {'–' if pd.isna(r.corrected) else f'{r.corrected:.0%}'}"
            for r in (rates.loc[(arm, trait)] for trait in SHOWN)
        ]
        coherent = judged[judged["arm"] == arm]["incoherent"].isna().mean()
        trained = (arm, arm) in specific.index
        gain = f"{specific.loc[(arm, arm), 'persona']:.2f}" if trained else "–"
        own = f"{specific.loc[(arm, arm), 'value']:.2f}" if trained else "–"
        lines.append(
            f"| {ARM_LABELS[arm]} | {' | '.join(cells)} | {coherent:.0%} | {gain} | {own} |"
        )
    return "\n".join(lines)


def knowing_table() -> str:
    """Knowing, saying and doing over all traits by arm with intervals, the corrected rate of doing,
    and the gap."""
    rates = pd.read_csv(ROOT / "figures" / "know_say_do.csv").set_index(["arm", "measure"])
    summary = pd.read_csv(ROOT / "figures" / "summary.csv").set_index("arm")
    known = (
        pd.read_csv(ROOT / "figures" / "knowing_and_expressing.csv")
        .groupby("arm")["unexpressed"]
        .mean()
    )
    shown = {"know": "knows (chance 25%)", "say": "says", "do": "does"}
    lines = [
        f"| arm | {' | '.join(shown.values())} | does, corrected | knows minus does | known, not shown |",
        "|---" * (len(shown) + 4) + "|",
    ]
    for arm, own in summary.iterrows():
        cells = [with_interval(rates.loc[(arm, measure)]) for measure in shown]
        corrected = with_interval(
            rates.loc[(arm, "do")], "corrected", "corrected_low", "corrected_high"
        )
        gap = f"{own['gap']:+.0%} ({own['gap_low']:.0%} to {own['gap_high']:.0%})"
        lines.append(
            f"| {ARM_LABELS[arm]} | {' | '.join(cells)} | {corrected} | {gap} | {known[arm]:.0%} |"
        )
    return "\n".join(lines)


def persllm_table() -> str:
    """PersLLM's arms beside the others: knowing, doing, false premises put right, likeness to the
    reference answer by topic, and the mean over the stages of the share of held-out replies that
    are likeliest under their own stage."""
    folder = ROOT / "figures" / "persllm"
    rates = pd.read_csv(folder / "know_say_do.csv").set_index(["arm", "measure"])
    right = (
        pd.read_csv(folder / "induction_resistance.csv")
        .query("by == 'as read blind'")
        .set_index("arm")
    )
    likeness = (
        pd.read_csv(folder / "reference_answers.csv")
        .query("measure == 'score'")
        .pivot(index="arm", columns="topic", values="value")
    )
    stages = (
        pd.read_csv(folder / "stage_fidelity.csv")
        .query("measure == 'recognised'")
        .groupby("arm")["value"]
        .mean()
    )
    lines = [
        "| arm | knows (chance 25%) | does | does, corrected | false premises put right (read blind) | likeness 0 to 5: facts, attitudes | own stage (chance 33%) |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm in dict.fromkeys(rates.index.get_level_values("arm")):
        cells = [
            with_interval(rates.loc[(arm, "know")]),
            with_interval(rates.loc[(arm, "do")]),
            with_interval(rates.loc[(arm, "do")], "corrected", "corrected_low", "corrected_high"),
            with_interval(right.loc[arm], "value") if arm in right.index else "–",
            f"{likeness.loc[arm, 'knowledge']:.1f}, {likeness.loc[arm, 'attitude']:.1f}",
            f"{stages[arm]:.0%}" if arm in stages else "–",
        ]
        lines.append(f"| {ARM_LABELS[arm]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def bench_table() -> str:
    bench = pd.read_csv(DATA / "results" / "bench.csv", keep_default_na=False)
    lines = [
        f"Measured on: {bench['machine'].iloc[0]}.",
        "",
        "| measure | ours | against | ratio |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {r.measure} | {r.ours} | {r.against}: {r.other} | {r.ratio} |"
        for r in bench.itertuples()
    ]
    return "\n".join(lines)


def with_tables(readme: str) -> str:
    """README with the blocks between `<!-- name -->` and `<!-- end -->` made anew."""
    tables = {
        "findings": findings_table(),
        "knowing": knowing_table(),
        "persllm": persllm_table(),
        "bench": bench_table(),
    }
    for name, table in tables.items():
        readme = re.sub(
            rf"(<!-- {name} -->\n).*?(\n<!-- end -->)",
            lambda m, t=table: m[1] + t + m[2],
            readme,
            flags=re.DOTALL,
        )
    return readme


def with_shared_training(record: dict, reference: dict) -> dict:
    """A record of results with the training records of those of its adapters that are the reference
    study's, to the byte: PersLLM's study did not train the three formats a second time on the same
    rows."""
    shared = {
        name: own
        for name, own in reference["training"].items()
        if record["arms"].get(name, {}).get("adapter") == reference["arms"][name]["adapter"]
    }
    return record | {"training": shared | record["training"]}


def main() -> None:
    os.chdir(ROOT)
    log = Path("data/runs/redraw/06_findings.ipynb")
    try:
        reference = read_json(ROOT / places(load_study("reference"))[0] / "record.json")
        for study in map(load_study, PUBLISHED):
            record = read_json(ROOT / places(study)[0] / "record.json")
            refuse_stale_recipe(study, with_shared_training(record, reference))
            run_notebook("06_findings", arm_parameters(study, "06_findings"), log)
            shutil.copyfile(log, f"{study['publish']}/06_findings.ipynb")
    except StudyError as error:
        sys.exit(f"error: {error}")
    write_text(ROOT / "README.md", with_tables((ROOT / "README.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
