"""The adapter of a run as a folder of `data/adapters`, with a model card made from the records.

`python -m helpers.report.adapters RUN ARM SEED`. What a card says is measured is a block of
`helpers.report.readme`, made anew with those of README.
"""

import argparse
from pathlib import Path

import pandas as pd

from helpers import arms, files
from helpers.corpus import kinds, personas
from helpers.files import StudyError, arm_folder, file_hash, read_json, shown, write_text
from helpers.persllm import asking
from helpers.pretrained import EMBEDDED
from helpers.report.adapter_measured import filled, measured

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
    "composed": "these texts: {kinds}, taken as the entry `{arm}` of `src/helpers/arms.py` says. "
    "The loss is taken on the reply alone of a chat, and on every token of any other text.",
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
{terms}tags: [lora, persona, role-play]
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

<!-- measured {arm} -->
{measured}
<!-- end -->

## Limits

- The adapter gives a manner, not sense. A small model answers much nonsense: do not follow its
  advice.
- It was trained on the base in 4 bits. On the base in full precision its answers differ.
- One persona, one language. It fits no other base model.
- What the numbers mean: `docs/reading_the_numbers.md`. What they do not show: `docs/limits.md`.

## Licence

{licence}
"""
SHIPPED = ("c3po", "nell")  # whose texts this project has written

# vLLM cannot load an adapter with added tokens.
VLLM = """\
vllm serve {base} --enable-lora \\
    --lora-modules persona=data/adapters/{arm}    # the bare adapter
"""
TOKENS = "added_tokens.json"  # beside an adapter that was trained with some


def publish(run: str, arm: str, seed: int) -> Path:
    """Write the adapter of a run's arm and seed, with its card, into `data/adapters/<arm>`.

    Raises StudyError where the arm has no adapter, or the run is missing or was made from code that
    was not committed.
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
        "licence": licence(settings),
    }
    return CARD.format(
        base=base,
        name=card["name"],
        label=entry.label,
        arm=arm,
        measured=measured(arm, record),
        served="" if (trained / TOKENS).exists() else VLLM.format(base=base, arm=arm),
        terms="license: apache-2.0\nlanguage: [en]\n" if is_shipped(settings) else "",
        **{name: filled(text) for name, text in paragraphs.items()},
    )


def is_shipped(settings: dict) -> bool:
    """Whether an arm was trained on texts of this project alone."""
    return settings["persona"] in SHIPPED and not settings.get("sources")


def licence(settings: dict) -> str:
    """Under which terms the adapter, its base and its texts are."""
    base = " (Apache-2.0)" if settings["model"] == EMBEDDED else ""
    if not is_shipped(settings):
        return (
            f"The base model has a licence of its own{base}. State here under which terms the "
            "adapter and its training texts may be used before you share them, and to whom the "
            "character belongs."
        )
    return (
        f"The adapter is given under Apache-2.0. The base model has a licence of its own{base}. "
        "The training texts are under CC BY 4.0; their card says to whom the character belongs."
    )


def how_to_ask(arm: str, persona: str) -> str:
    """How an arm wants to be spoken to."""
    said = "Give it no system prompt: it was trained without one."
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
    parts = [part for part in entry.parts if part.most != 0]  # of others it saw no text
    named = ", ".join(f"`{p.kind}`{' as replies to questions' * p.asked}" for p in parts)
    text = TRAINED_ON[entry.trained_on]
    said = f"Trained on {text.format(start=entry.starts_from, arm=entry.name, kinds=named)}"
    if parts and entry.starts_from:
        said += f" It goes on from the adapter of the arm `{entry.starts_from}`."
    if "pairs" in record:
        said += f" Pairs: {record['pairs']}."
    if "tokens" in record:
        said += f" Tokens that it learnt from: {record['tokens']['train']:,} in one epoch."
    if record["settings"].get("sources"):
        return f"{said} The run read `sources` of its own: say here where its texts come from."
    persona, own = record["settings"]["persona"], entry.trained_on in ("chats", "texts")
    folders = {folder_of(part, persona) for part in parts}
    folders = folders or {f"data/corpora/{persona}" if own else "data/persllm"}
    where = " and ".join(f"`{folder}`" for folder in sorted(folders))
    return f"{said} The card in {where} says how the texts were written."


def folder_of(part: arms.Part, persona: str) -> str:
    """The folder whose card says how the texts of a part, and their questions, were written."""
    if part.kind == kinds.TAUGHT:
        return "data/items"
    further = part.asked or part.kind in kinds.BESIDE
    return f"data/corpora/{persona}{'/why' * further}"


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a folder of data/runs")
    parser.add_argument("arm")
    parser.add_argument("seed", type=int)
    given = parser.parse_args()
    try:
        folder = publish(given.run, given.arm, given.seed)
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"written: {shown(folder)} ({size:.1f} MB)")


if __name__ == "__main__":
    main()
