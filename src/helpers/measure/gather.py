"""What all arms and seeds of a study said and scored, gathered into its result tables."""

import io
from pathlib import Path

import pandas as pd

from helpers import arms, files, kept, records, repository
from helpers.corpus import readouts
from helpers.files import ROOT, StudyError, arm_folder, file_hash, read_json, read_jsonl

# Table -> the file of one arm and seed that goes into it.
EVERY_ARM = {"choices": "choices.csv", "scores": "scores.csv"}
SOME_ARMS = {
    "training": "log.csv",
    "stages": "stages.csv",
    "questionnaire": "questionnaire.csv",
    "preferences": "preference_log.csv",
}


def gather(
    run: str,
    persona: str,
    control: str,
    arm_names: list[str],
    seeds: list[int],
    folder: str,
    kept_seeds: list[int] = (),
    different_code: str = "",
    publish: bool = False,
) -> None:
    """Write the tables of a study's run into `folder` (from the repository's root):
    answers.parquet, choices.parquet, scores.csv, training.csv, where there are any stages.csv,
    questionnaire.csv, preferences.csv, and record.json with the records of every step.

    `kept_seeds` were not run here: their rows and records come from `folder` as it is in the last
    commit. `different_code` says in words how the code differs that arms and seeds were made by.

    Raises StudyError where an arm or seed is missing, stale, or not made like the others, where
    answers are missing or doubled, and where results that are to `publish` were made from sources
    that are not committed.
    """
    if publish:
        repository.refuse_uncommitted(f"study '{run}'")
    pairs = {f"{arm}/seed{seed}": (arm, seed) for arm, seed in arms.with_seeds(arm_names, seeds)}
    places = {n: arm_folder(run, *p) for n, p in pairs.items() if p[1] not in kept_seeds}
    taken = {name: pair for name, pair in pairs.items() if name not in places}
    is_asked = bool(set(arms.trained_on("reasoned", "preferences")) & set(arm_names))
    prepared = {"corpus": read_json(files.RUNS / run / "data" / "record.json")}
    if is_asked:
        prepared["examples"] = read_json(files.RUNS / run / "data" / "examples_record.json")
    if set(arms.trained_on("composed")) & set(arm_names):
        prepared["composed"] = read_json(files.RUNS / run / "data" / "composed_record.json")

    made = made_here(places, persona, control, is_asked)
    adapters = {n: file_hash(p / "adapter_model.safetensors") for n, p in places.items()}
    if taken:
        old = kept.kept_records(folder, list(taken), is_asked)
        kept.refuse_stale(old, persona, control, folder)
        adapters |= {name: own["adapter"] for name, own in old["arms"].items()}
        made = {part: in_order(own | old[part], pairs) for part, own in made.items()}
    answered, asked, trained = made["arms"], made["asked"], made["training"]
    try:
        records.refuse_mixed(prepared, trained, answered, asked, adapters)
    except StudyError as error:
        raise (kept.with_remedy(error) if taken else error) from None
    by_chapter = records.by_chapter(trained, answered, asked)
    difference = records.refuse_other_code(by_chapter, different_code, publish)

    frames = {"answers": gather_answers(places, answered, asked)}
    frames |= {name: each_table(places, file) for name, file in (EVERY_ARM | SOME_ARMS).items()}
    for name, own in frames.items():
        own |= kept_rows(folder, name, taken)
    check_answers(frames["answers"], answered, asked)
    refuse_unscored(frames, pairs, answered, seeds[0])
    for name, own in frames.items():
        frame = concatenated([own[place] for place in pairs if place in own])
        if name == "answers":
            frame = frame.drop(columns="set", errors="ignore")  # kept rows have it
            frame.insert(2, "set", frame["item"].map(readouts.set_of(persona)).fillna(""))
        path = ROOT / folder / records.table_file(name)
        if len(frame):
            files.write_frame(path, frame)
        else:  # one from before, when the study still had such rows, would pass for this run's
            path.unlink(missing_ok=True)

    made_from = {}
    for own in (*answered.values(), *asked.values()):
        made_from |= own["inputs"]
    facts = {"prepared": prepared, "training": trained, "arms": answered}
    facts |= {"asked": asked} if asked else {}
    facts |= {"different_code": difference} if difference else {}
    settings = {"run": run, "persona": persona, "control": control}
    settings |= {"arms": arm_names, "seeds": seeds}
    settings |= {"kept_seeds": list(kept_seeds)} if kept_seeds else {}
    record = records.record(settings=settings, inputs=made_from, **facts)
    files.write_json(ROOT / folder / "record.json", record)
    n_answers = sum(map(len, frames["answers"].values()))
    print(f"{n_answers} answers of {len(pairs)} arms and seeds, gathered in {folder}")


def in_order(found: dict[str, object], pairs: dict[str, tuple]) -> dict[str, object]:
    """What is found of arms and seeds, in the order of `pairs`."""
    return {name: found[name] for name in pairs if name in found}


def made_here(
    places: dict[str, Path], persona: str, control: str, is_asked: bool
) -> dict[str, dict[str, dict]]:
    """The records of what was made in this run, by the parts of record.json; raises StudyError for
    a missing one, and for answers that are stale."""
    adapted = {n: path for n, path in places.items() if n.split("/")[0] not in arms.untrained()}
    made = {
        "arms": read_records(places, "answers_record.json"),
        "asked": read_records(places, "asked_record.json") if is_asked else {},
        "training": read_records(adapted, "record.json"),
    }
    for part in ("arms", "asked"):
        for name, own in made[part].items():
            records.refuse_stale(own, persona, control, places[name])
    return made


def read_records(places: dict[str, Path], file: str) -> dict[str, dict]:
    return {name: read_json(path / file) for name, path in places.items()}


def gather_answers(
    places: dict[str, Path], answered: dict[str, dict], asked: dict[str, dict]
) -> dict[str, pd.DataFrame]:
    """The free answers of each arm and seed, each kind in the order it was asked."""
    frames = {}
    for name, path in places.items():
        rows = [
            row
            for record in (part[name] for part in (answered, asked) if part)
            for kind in record["kinds"]
            for row in read_jsonl(path / f"answers_{kind}.jsonl")
        ]
        frames[name] = pd.DataFrame(rows).drop(columns=["id", "settings"])
    return frames


def refuse_unscored(
    frames: dict[str, dict[str, pd.DataFrame]],
    pairs: dict[str, tuple],
    answered: dict[str, dict],
    first_seed: int,
) -> None:
    """Raise StudyError where an arm and seed has no likelihoods. Arms without an adapter have the
    same ones with every seed, and need those of the first; held-out texts are scored unless
    `measures` names others alone."""
    for name, (arm, seed) in pairs.items():
        measures = answered[name]["settings"].get("measures", [])
        for table in EVERY_ARM:
            spared = arm in arms.untrained() and seed != first_seed
            spared |= table == "scores" and not readouts.is_scored("heldout", measures)
            if not len(frames[table].get(name, ())) and not spared:
                raise StudyError(
                    f"{name} has no rows in {table}. Run formats/03_answer for it again."
                )


def check_answers(
    frames: dict[str, pd.DataFrame], answered: dict[str, dict], asked: dict[str, dict]
) -> None:
    """Raise StudyError where there are fewer or more answers than a record says, or one twice."""
    for name, frame in frames.items():
        for record in (part[name] for part in (answered, asked) if part):
            own = frame[frame["kind"].isin(record["kinds"])]
            found = len(own.drop_duplicates(["kind", "item", "sample"]))
            if not found == len(own) == record["answers"]:
                raise StudyError(
                    f"{name}: {found} different answers in {len(own)} rows, but "
                    f"{record['answers']} were given. Delete the answers of the kinds "
                    f"{', '.join(record['kinds'])} there and run the study again."
                )


def each_table(places: dict[str, Path], file: str) -> dict[str, pd.DataFrame]:
    """The table of each arm and seed that has one."""
    return {name: read_csv(path / file) for name, path in places.items() if (path / file).exists()}


def read_csv(path: Path | io.BytesIO) -> pd.DataFrame:
    """A table whose numbers are written again as they were read."""
    return pd.read_csv(path, float_precision="round_trip")


def kept_rows(folder: str, table: str, taken: dict[str, tuple]) -> dict[str, pd.DataFrame]:
    """The rows of the arms and seeds `taken`, name -> (arm, seed), in a table of the last commit;
    columns in which they have nothing are left out."""
    if not taken or (table in SOME_ARMS and not repository.has(path_of(folder, table))):
        return {}
    content = io.BytesIO(repository.committed(path_of(folder, table)))
    whole = pd.read_parquet(content) if table in records.PARQUET else read_csv(content)
    found = {}
    for name, (arm, seed) in taken.items():
        own = whole[(whole["arm"] == arm) & (whole["seed"] == seed)]
        if len(own):
            found[name] = own.dropna(axis=1, how="all") if table == "answers" else own
    return found


def path_of(folder: str, table: str) -> str:
    return f"{folder}/{records.table_file(table)}"


def concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of those of all arms and seeds; an empty one, which says nothing of the types of
    its columns, adds nothing."""
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
