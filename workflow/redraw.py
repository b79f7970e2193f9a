"""Redraw the committed figures from the committed results, without a model, and bring README's tables up to date."""

import os
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
from step import run_notebook
from study import arm_parameters, load_study, places, refuse_stale_recipe

from helpers.store import DATA, ROOT, StudyError, read_json, write_text

PUBLISHED = ("reference", "persllm-nell")
SHOWN = ["anxiety", "honorifics", "formality", "expertise"]


def findings_table() -> str:
    """Expression rates of some traits by arm with intervals, each with its corrected rate, share of coherent answers, gain on
    held-out text."""
    rates = pd.read_csv(ROOT / "figures" / "expression_rate.csv").set_index(["arm", "trait"])
    judged = pd.read_csv(DATA / "results" / "reference" / "judged.csv").query("kind == 'everyday'")
    specific = pd.read_csv(ROOT / "figures" / "persona_specific_gain.csv").set_index(["arm", "text"])
    lines = [f"| arm | {' | '.join(SHOWN)} | coherent answers | nats gained on own format | of which persona-specific |",
             "|---" * (len(SHOWN) + 4) + "|"]  # fmt: skip
    for arm in dict.fromkeys(rates.index.get_level_values("arm")):
        cells = [
            f"{r.rate:.0%} ({r.low:.0%} to {r.high:.0%}) → {'–' if pd.isna(r.corrected) else f'{r.corrected:.0%}'}"
            for r in (rates.loc[(arm, trait)] for trait in SHOWN)
        ]
        coherent = judged[judged["arm"] == arm]["incoherent"].isna().mean()
        trained = (arm, arm) in specific.index
        gain = f"{specific.loc[(arm, arm), 'persona']:.2f}" if trained else "–"
        own = f"{specific.loc[(arm, arm), 'value']:.2f}" if trained else "–"
        lines.append(f"| {arm.replace('_', ' ')} | {' | '.join(cells)} | {coherent:.0%} | {gain} | {own} |")
    return "\n".join(lines)


def knowing_table() -> str:
    """Knowing, saying and doing over all traits by arm with intervals, the corrected rate of doing, and the gap."""
    rates = pd.read_csv(ROOT / "figures" / "know_say_do.csv").set_index(["arm", "measure"])
    summary = pd.read_csv(ROOT / "figures" / "summary.csv").set_index("arm")
    known = pd.read_csv(ROOT / "figures" / "knowing_and_expressing.csv").groupby("arm")["unexpressed"].mean()
    shown = {"know": "knows (chance 25%)", "say": "says", "do": "does"}
    lines = [f"| arm | {' | '.join(shown.values())} | does, corrected | knows minus does | known, not shown |",
             "|---" * (len(shown) + 4) + "|"]  # fmt: skip
    for arm, own in summary.iterrows():
        cells = [
            f"{r.rate:.0%} ({r.low:.0%} to {r.high:.0%})" for r in (rates.loc[(arm, measure)] for measure in shown)
        ]
        r = rates.loc[(arm, "do")]
        unknown = pd.isna(r["corrected"])
        corrected = "–" if unknown else f"{r['corrected']:.0%} ({r['corrected_low']:.0%} to {r['corrected_high']:.0%})"
        gap = f"{own['gap']:+.0%} ({own['gap_low']:.0%} to {own['gap_high']:.0%})"
        lines.append(f"| {arm.replace('_', ' ')} | {' | '.join(cells)} | {corrected} | {gap} | {known[arm]:.0%} |")
    return "\n".join(lines)


def bench_table() -> str:
    bench = pd.read_csv(DATA / "results" / "bench.csv", keep_default_na=False)
    lines = [
        f"Measured on: {bench['machine'].iloc[0]}.",
        "",
        "| measure | ours | against | ratio |",
        "|---|---|---|---|",
    ]
    lines += [f"| {r.measure} | {r.ours} | {r.against}: {r.other} | {r.ratio} |" for r in bench.itertuples()]
    return "\n".join(lines)


def with_tables(readme: str) -> str:
    """README with the blocks between `<!-- name -->` and `<!-- end -->` made anew."""
    for name, table in (("findings", findings_table()), ("knowing", knowing_table()), ("bench", bench_table())):
        readme = re.sub(
            rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", lambda m, t=table: m[1] + t + m[2], readme, flags=re.DOTALL
        )
    return readme


def main() -> None:
    os.chdir(ROOT)
    log = Path("data/runs/redraw/06_findings.ipynb")
    try:
        for study in map(load_study, PUBLISHED):
            refuse_stale_recipe(study, read_json(ROOT / places(study)[0] / "record.json"))
            run_notebook("06_findings", arm_parameters(study, "06_findings"), log)
            shutil.copyfile(log, f"{study['publish']}/06_findings.ipynb")
    except StudyError as error:
        sys.exit(f"error: {error}")
    write_text(ROOT / "README.md", with_tables((ROOT / "README.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
