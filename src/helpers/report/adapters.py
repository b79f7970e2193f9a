"""The adapter of a run as a folder of `data/adapters`, with a model card made from the records.

`python -m helpers.report.adapters RUN ARM SEED`
"""

import argparse
import textwrap
from pathlib import Path

import pandas as pd

from helpers import arms, files
from helpers.corpus import personas
from helpers.files import StudyError, arm_folder, file_hash, read_json, shown, write_text
from helpers.measure import stats
from helpers.persllm import asking
from helpers.pretrained import EMBEDDED
from helpers.report import answers, results, shares, words

# What readers outside know a base model by; others are known by the name that a study gives.
HUB_NAMES = {
    EMBEDDED: "HuggingFaceTB/SmolLM2-135M-Instruct",
    "embedded-0.5b": "Qwen/Qwen2.5-Coder-0.5B-Instruct",
    "embedded-1.5b": "Qwen/Qwen2.5-Coder-1.5B-Instruct",
}
TRAINED_ON = {
    "chats": "chats: a user's turn and the reply in character, in the model's own chat template. "
    "The loss is taken on the reply alone.",
    "texts": "raw texts, without any chat template. The loss is taken on every token.",
    "reasoned": "PersLLM's examples: a question at a stage of life, an analysis, and the reply. "
    "General instructions are mixed in.",
    "preferences": "pairs of answers to the same question, of which the persona's own is "
    "preferred (automated DPO after PersLLM), on top of the adapter of the arm `{start}`.",
}
# Names in a training record's settings -> in the card.
RECIPE = {
    "rank": "rank",
    "alpha": "alpha",
    "dropout": "dropout",
    "epochs": "epochs",
    "batch": "batch",
    "learning_rate": "learning rate",
    "warmup": "warm-up (share of the steps)",
    "max_length": "at most so many tokens of a text:",
    "beta": "beta",
    "dpo_learning_rate": "learning rate",
    "dpo_batch": "batch",
}
CARD = """\
---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
license: apache-2.0
language: [en]
tags: [lora, persona, role-play]
---

# {name}: trained on {label}

{opening}

```bash
make chat                                    # talk to it in a terminal
.env/bin/python -m helpers.model.export {arm} FOLDER    # merged, for plain transformers
{served}```

{asking}

## Data

{data}

## Recipe

{recipe}

{made}

## Measured

{measured}

## Limits

- The adapter gives a manner, not sense. A small model answers much nonsense: do not follow its
  advice.
- It was trained and measured on the base in 4 bits. On the base in full precision its answers
  differ.
- One persona, one language, texts by one language model. It fits no other base model.
- What the numbers mean: `docs/reading_the_numbers.md`. What they do not show: `docs/limits.md`.

## Licence

The adapter is given under Apache-2.0. The base model has a licence of its own{base_licence}. The
training texts are under CC BY 4.0; their card says to whom the character belongs.
"""

# vLLM cannot load an adapter with added tokens.
VLLM = """\
vllm serve {base} --enable-lora \\
    --lora-modules persona=data/adapters/{arm}    # the bare adapter
"""
TOKENS = "added_tokens.json"  # beside an adapter that was trained with some


def publish(run: str, arm: str, seed: int) -> Path:
    """Write the adapter of a run's arm and seed, with its card, into `data/adapters/<arm>`.

    Raises StudyError where the arm has no adapter, the run is missing or was made from code that
    was not committed, or its answers are another adapter's.
    """
    from helpers.model import published  # takes seconds

    if arm not in arms.ARMS or arm in arms.untrained():
        known = [name for name in arms.ARMS if name not in arms.untrained()]
        raise StudyError(f"'{arm}' is no arm with an adapter. Choose: {', '.join(known)}.")
    trained, folder = arm_folder(run, arm, seed), files.adapter_folder(arm)
    weights = trained / published.WEIGHTS
    if not weights.is_file() or not (trained / "record.json").is_file():
        raise StudyError(
            f"{shown(trained)}: no whole adapter with its record there. Train it first, for "
            f"example with `.env/bin/python workflow/run.py {run}`."
        )
    prepared, record = files.RUNS / run / "data" / "record.json", trained / "record.json"
    for path in (prepared, record):
        refuse_dirty(path)
    settings = read_json(prepared)["settings"] | read_json(record)["settings"]
    record = read_json(record) | {"settings": settings, "trained": file_hash(weights)}
    base = HUB_NAMES.get(settings["model"], settings["model"])
    card = model_card(run, arm, seed, trained, record, base)
    published.write(trained, folder, base, record)
    write_text(folder / "README.md", card)
    return folder


def refuse_dirty(path: Path) -> None:
    """Raise StudyError where a record names no commit that others can look at."""
    commit = read_json(path)["commit"]
    if commit == "unknown" or commit.endswith("-dirty"):
        raise StudyError(
            f"{shown(path)}: made at commit '{commit}', from code that was not committed. Commit "
            "your changes, delete the run and make it again; then publish its adapter."
        )


def model_card(run: str, arm: str, seed: int, trained: Path, record: dict, base: str) -> str:
    """The card of an adapter as Markdown, from the records of its run."""
    settings, entry = record["settings"], arms.ARMS[arm]
    persona, card = settings["persona"], personas.load_persona(settings["persona"])
    paragraphs = {
        "opening": "A LoRA adapter that gives a small language model the manner of a persona: the "
        f"arm `{arm}` of a study that compares formats of training data. {card['description']}",
        "asking": how_to_ask(arm, persona),
        "data": what_from(entry, record),
        "recipe": how_trained(arm, settings) + losses(trained),
        "made": f"Trained in the run `{run}`, seed {seed}, at commit `{record['commit']}` "
        f"({record['device']}, {record['dtype']}, finished {record['finished']}). The weights are "
        "rounded to bfloat16. `record.json` beside this page has every setting and version.",
    }
    return CARD.format(
        base=base,
        name=card["name"],
        label=entry.label,
        arm=arm,
        measured=measured(run, arm, seed, persona, record["trained"]),
        served="" if (trained / TOKENS).exists() else VLLM.format(base=base, arm=arm),
        base_licence=" (Apache-2.0)" if settings["model"] == EMBEDDED else "",
        **{name: filled(text) for name, text in paragraphs.items()},
    )


def filled(text: str) -> str:
    """A paragraph in lines of the width of code."""
    text = " ".join(text.split())
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def how_to_ask(arm: str, persona: str) -> str:
    """How an arm wants to be spoken to."""
    said = "Give it no system prompt: it was trained and measured without one."
    if token := asking.default_token(arm, persona):
        said += (
            f" Begin the first message with the token of a stage of life, such as `{token}`; the "
            "tokens are in `added_tokens.json`, and the base needs rows for them before PEFT "
            "loads this folder (`helpers.model.base.make_room`)."
        )
    if start := asking.form(arm, "hidden", 0).get("start"):
        said += f" Begin its reply with `{start}`: it reasons before it answers."
    return said


def what_from(entry: arms.Arm, record: dict) -> str:
    """What an arm was trained on, and how much of it."""
    said = f"Trained on {TRAINED_ON[entry.trained_on].format(start=entry.starts_from)}"
    persona, own = record["settings"]["persona"], entry.trained_on in ("chats", "texts")
    folder = f"data/corpora/{persona}" if own else "data/persllm"
    if "pairs" in record:
        said += f" Pairs: {record['pairs']}."
    if "tokens" in record:
        said += f" Tokens that it learnt from: {record['tokens']['train']:,} in one epoch."
    return f"{said} The card in `{folder}` says how the texts were written."


def how_trained(arm: str, settings: dict) -> str:
    from helpers.model.train import epochs_of  # takes seconds

    if "epochs" in settings:
        settings = settings | {"epochs": epochs_of(arm, settings["epochs"])}
    values = [f"{said} {settings[name]:g}" for name, said in RECIPE.items() if name in settings]
    return (
        "QLoRA: the base model in 4-bit NF4 with double quantisation, frozen; LoRA on all "
        f"attention and MLP projections; {', '.join(values)}."
    )


def losses(trained: Path) -> str:
    """How the loss on held-out texts of the arm's own format went; "" where none was measured."""
    path = trained / "log.csv"
    found = pd.read_csv(path)["heldout_loss"].dropna() if path.exists() else []
    if not len(found):
        return ""
    return (
        f" The loss on held-out texts of the same format went from {found.iloc[0]:.2f} to "
        f"{found.iloc[-1]:.2f} nats per token."
    )


def measured(run: str, arm: str, seed: int, persona: str, adapter: str) -> str:
    """Knowing and doing of the arm beside `base` in the study of the run, as Markdown.

    Raises StudyError where the results of that arm and seed are another adapter's.
    """
    folders = [files.DATA / "results" / run, files.RUNS / run / "results"]
    folder = next((path for path in folders if (path / "judge.json").exists()), None)
    if folder is None:
        return f"Not measured yet: the run `{run}` has no results."
    settings = read_json(folder / "record.json")["settings"]
    study = results.load(folder, persona, settings["control"])
    own = study.record["arms"].get(f"{arm}/seed{seed}", {}).get("adapter")
    if own != adapter:
        raise StudyError(
            f"{shown(folder)}: the results of {arm}, seed {seed}, are not this adapter's. Run the "
            f"study `{run}` again, then publish."
        )
    found = shares.measured(study, ["base", arm])
    labelled = answers.labelled_triplets(study, ["base", arm])
    rates = stats.rates(found, ["arm", "measure"]).set_index(["arm", "measure"])
    gains = shares.knows_and_does(found, labelled, ["base", arm]).set_index("readout")
    lines = ["| | knows | does |", "|---|---|---|"]
    for name in ("base", arm):
        cells = [rate(rates.loc[(name, measure)]) for measure in ("know", "do")]
        lines.append(f"| {arms.label(name)} | {' | '.join(cells)} |")
    cells = [words.points(*gains.loc[name, ["value", "low", "high"]]) for name in ("knows", "does")]
    lines.append(f"| difference | {' | '.join(cells)} |")
    corrected = ""
    if "does, corrected" in gains.index:
        row = gains.loc["does, corrected", ["value", "low", "high"]]
        corrected = f" Corrected for the judge's errors, the gain in doing is {words.points(*row)}."
    seeds = words.counted(len(settings["seeds"]), "seed")
    n_items = found.loc[found["measure"] == "know", "item"].nunique()
    alone = "" if len(settings["seeds"]) > 1 else " One seed says nothing about other seeds."
    note = (
        f"The study `{run}`: {n_items} scenarios, {seeds}, 95 % intervals. *Knows*: the persona's "
        "true reaction is the likeliest of four. *Does*: the answer to a live message shows the "
        f"scenario's trait, as judged by {study.judge['judge']}.{corrected}{alone}"
    )
    return "\n".join(lines) + f"\n\n{filled(note)}"


def rate(row: pd.Series) -> str:
    """`37 % (28 to 46)`."""
    low, high = words.hundred(row["low"]), words.hundred(row["high"])
    return f"{words.percent(row['rate'])} ({low} to {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a folder of data/runs")
    parser.add_argument("arm")
    parser.add_argument("seed", type=int)
    given = parser.parse_args()
    try:
        folder = publish(given.run, given.arm, given.seed)
    except StudyError as error:
        raise SystemExit(str(error)) from error
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"written: {shown(folder)} ({size:.1f} MB)")


if __name__ == "__main__":
    main()
