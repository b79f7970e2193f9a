"""What all arms and seeds of a study said and scored, gathered into its result tables."""

from pathlib import Path

import pandas as pd

from helpers import arms, files, records
from helpers.files import ROOT, StudyError, arm_folder, file_hash, read_json, read_jsonl, shown

# Table -> the file of one arm and seed that goes into it.
EVERY_ARM = {"choices": "choices.csv", "scores": "scores.csv"}
SOME_ARMS = {
    "training": "log.csv",
    "stages": "stages.csv",
    "questionnaire": "questionnaire.csv",
    "preferences": "preference_log.csv",
}


def gather(
    run: str, persona: str, control: str, arm_names: list[str], seeds: list[int], folder: str
) -> None:
    """Write the tables of a study's run into `folder` (from the repository's root):
    answers.parquet, choices.csv, scores.csv, training.csv, where there are any stages.csv,
    questionnaire.csv, preferences.csv, and record.json with the records of every step.

    Raises StudyError where an arm or seed is missing, stale, or not made like the others, and where
    answers are missing or doubled.
    """
    target = ROOT / folder
    places = {
        f"{arm}/seed{seed}": arm_folder(run, arm, seed)
        for arm, seed in arms.with_seeds(arm_names, seeds)
    }
    taught = arms.trained_on("reasoned", "preferences")
    answered = read_records(places, "answers_record.json")
    asked = read_records(places, "asked_record.json") if set(taught) & set(arm_names) else {}
    adapted = {n: p for n, p in places.items() if n.split("/")[0] not in arms.untrained()}
    trained = read_records(adapted, "record.json")
    prepared = {"corpus": read_json(files.RUNS / run / "data" / "record.json")}
    if asked:
        prepared["examples"] = read_json(files.RUNS / run / "data" / "examples_record.json")

    for part in (answered, asked):
        for name, own in part.items():
            records.refuse_stale(own, persona, control, places[name])
    adapters = {n: file_hash(p / "adapter_model.safetensors") for n, p in places.items()}
    records.refuse_mixed(prepared, trained, answered, asked, adapters)

    answers = pd.DataFrame(gather_answers(places, answered, asked))
    tables = {name: concatenated(places, file) for name, file in EVERY_ARM.items()}
    for name, file in SOME_ARMS.items():
        with_file = {n: path for n, path in places.items() if (path / file).exists()}
        if with_file and len(frame := concatenated(with_file, file)):
            tables[name] = frame
    for name, frame in tables.items():
        files.write_frame(target / f"{name}.csv", frame)
    files.write_frame(target / "answers.parquet", answers.drop(columns=["id", "settings"]))
    made_from = {}
    for own in (*answered.values(), *asked.values()):
        made_from |= own["inputs"]
    facts = {"prepared": prepared, "training": trained, "arms": answered}
    facts |= {"asked": asked} if asked else {}
    settings = {"run": run, "persona": persona, "control": control}
    settings |= {"arms": arm_names, "seeds": seeds}
    files.write_json(
        target / "record.json", records.record(settings=settings, inputs=made_from, **facts)
    )
    print(f"{len(answers)} answers of {len(places)} arms and seeds, gathered in {shown(target)}")


def read_records(places: dict[str, Path], file: str) -> dict[str, dict]:
    return {name: read_json(path / file) for name, path in places.items()}


def gather_answers(
    places: dict[str, Path], answered: dict[str, dict], asked: dict[str, dict]
) -> list[dict]:
    """The rows of all free answers, by arm and seed, each kind in the order it was asked.

    Raises StudyError where a file has fewer or more rows than its record says, or a row twice.
    """
    rows = []
    for name, path in places.items():
        for record in (part[name] for part in (answered, asked) if part):
            own = [
                row
                for kind in record["kinds"]
                for row in read_jsonl(path / f"answers_{kind}.jsonl")
            ]
            found = {(row["kind"], row["item"], row["sample"]) for row in own}
            if not len(found) == len(own) == record["answers"]:
                raise StudyError(
                    f"{shown(path)}: {len(found)} different answers in {len(own)} rows, but "
                    f"{record['answers']} were given. Delete the answers of the kinds "
                    f"{', '.join(record['kinds'])} there and run the study again."
                )
            rows += own
    return rows


def concatenated(places: dict[str, Path], file: str) -> pd.DataFrame:
    """One table of those of all arms and seeds; an empty one, which says nothing of the types of
    its columns, adds nothing."""
    frames = [pd.read_csv(path / file) for path in places.values()]
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
