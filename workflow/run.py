"""Run a study: python workflow/run.py STUDY [--profile NAME] [-- more Snakemake options]

Prints the plan and what it will cost, holds the run's folder, and hands the chain to Snakemake. Run
it again after an interrupt: finished steps stay, training goes on from its checkpoint and answering
from its rows.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from study import load_study, places

from helpers.formats import FORMATS, PREFERRED, REASONED, arms_and_seeds
from helpers.items import load_items, prompts
from helpers.models import compute_dtype, device
from helpers.reasoned import questions
from helpers.store import ROOT, RUNS, StudyError, declared_parameters, lock, write_text

# Trained tokens a second of the default model on two cores (float32, bfloat16), for the estimate
# before the first step; each training measures its own time before it begins.
CPU_SPEED = {"torch.float32": 100, "torch.bfloat16": 200}
TOKENS_PER_TEXT = 103  # trained tokens of a text of the shipped corpus, on average
TOKENS_PER_EXAMPLE, N_EXAMPLES = (
    150,
    420,
)  # of a reasoned example, and how many the shipped personas have at most
SECONDS_PER_PAIR = 4  # of DPO


def plan(study: dict) -> None:
    values = declared_parameters(ROOT / "notebooks" / "01_data.ipynb")
    for step in ("02_train", "03_prefer", "04_answer"):
        values |= declared_parameters(ROOT / "notebooks" / f"{step}.ipynb")
    values |= study["parameters"]
    runs = [arm for arm, _ in arms_and_seeds(study["arms"], study["seeds"])]
    formats, reasoned = (sum(arm in known for arm in runs) for known in (FORMATS, REASONED))
    asked = prompts(load_items(study["persona"], values["n_items"]))
    if values["use_reasoned"]:
        asked += questions(study["persona"], [], values["n_items"])
    answers = sum(values["samples"].get(p["kind"], 0) for p in asked) * len(runs)
    rows = values["repeat"] * min(N_EXAMPLES, values["train_units"]) + values["general_prompts"]
    tokens = (
        formats * values["epochs"] * values["train_units"] * TOKENS_PER_TEXT
        + reasoned * rows * TOKENS_PER_EXAMPLE
    )
    preferring = runs.count(PREFERRED)
    print(f"Study '{study['name']}': {study['title']}")
    print(f"  arms      {', '.join(study['arms'])}; seeds {', '.join(map(str, study['seeds']))}")
    print(f"  model     {values['model']} on {device()}, computing in {compute_dtype()}")
    print(
        f"  training  {formats} adapters on {values['train_units']} texts each, {values['epochs']} epoch(s)"
    )
    if reasoned:
        print(
            f"            {reasoned} adapters on {rows} reasoned and general texts; {preferring} by DPO on {values['pairs']} pairs"
        )
    print(f"  answers   {answers}; held-out texts {values['heldout_units']} per format")
    for name, value in study["parameters"].items():
        print(f"            {name} = {value!r}")
    print(f"  results   {', '.join(places(study))}")
    if device() == "cpu" and values["model"] == "embedded":
        room = values["turn_tokens"] + values["analysis_tokens"]
        talked = 8 * values["turns"] * len(study["arms"]) * room / 300 / 60
        length = values["max_new_tokens"] + values["analysis_tokens"] * (
            reasoned + preferring
        ) // len(runs)
        minutes = tokens / CPU_SPEED[str(compute_dtype())] / 60 + answers * length / 300 / 60
        minutes += preferring * values["pairs"] * SECONDS_PER_PAIR / 60 + talked
        steps = 3 + 2 * len(runs)
        print(
            f"  expected  about {minutes + steps * 0.4:.0f} minutes on two cores, less what is done already"
        )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument(
        "--profile", default="local", help="a folder of workflow/profiles (local, slurm)"
    )
    own, _, more = " ".join(sys.argv[1:]).partition(" -- ")
    args, more = parser.parse_args(own.split()), more.split()
    began = time.time()
    try:
        study = load_study(args.study)
        plan(study)
        with lock(
            RUNS
        ) as held:  # one study at a time: Snakemake's own locks are the checkout's, not the study's
            code = snakemake(study["name"], args.profile, more, held)
    except StudyError as error:
        sys.exit(f"error: {error}")
    if code:
        sys.exit(
            f"The study stopped; see the message above. Executed notebooks: data/runs/{args.study}/logs/"
        )
    if more:
        return  # a dry run, a part of the chain: what is done is for Snakemake to say
    if study["publish"]:
        publish_notebooks(study)
    print(
        f"Done in {(time.time() - began) / 60:.1f} minutes. Notebooks: data/runs/{args.study}/notebooks/, "
        f"tables and figures: {', '.join(places(study))}"
    )


def snakemake(study: str, profile: str, more: list[str], held: int) -> int:
    """Run the chain; we hold the lock, so a lock that Snakemake finds is a dead run's and may be
    cleared."""
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        here / "Snakefile",
        "--config",
        f"study={study}",
    ]
    command += ["--profile", here / "profiles" / profile, "--directory", ROOT]
    subprocess.run([*command, "--unlock"], capture_output=True)
    return subprocess.run(
        [*command, *more], pass_fds=[held]
    ).returncode  # holds the lock as long as it lives


def publish_notebooks(study: dict) -> None:
    """Copy the executed notebooks of the first seed beside the figures, for readers."""
    first = study["seeds"][0]
    for path in sorted((RUNS / study["name"] / "notebooks").glob("*.ipynb")):
        if path.stem[-1].isdigit() and not path.stem.endswith(f"-{first}"):
            continue
        text = path.read_text(encoding="utf-8").replace(
            f"{ROOT}/", ""
        )  # warnings name the files that they come from
        write_text(ROOT / study["publish"] / path.name, text)


if __name__ == "__main__":
    main()
