"""The tables of results, what they were made from, and whether that is still what is there."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from helpers import arms, files, repository
from helpers.files import StudyError, fingerprint, sha256, shown

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "bitsandbytes",
    "datasets",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "statsmodels",
)

# The tables of results by the step that writes them, and the record that it writes beside them.
GATHERED, JUDGED, MEASURED = "gather", "formats/04_judge", "persllm/04_measure"
TABLES = {
    GATHERED: ("answers", "choices", "training"),
    JUDGED: ("judged", "audit", "unseen", "labelled", "read", "read_twice"),
    MEASURED: ("resisted", "questions", "leaks", "distinctness"),
}
# What is gathered only where some arm has it, or where it was asked.
OF_SOME_ARMS = ("scores", "stages", "questionnaire", "preferences")
# The largest ones, which as text would weigh megabytes.
PARQUET = ("answers", "choices")
RECORDS = {GATHERED: "record.json", JUDGED: "judge.json", MEASURED: "measured.json"}
WRITERS = {table: step for step, tables in TABLES.items() for table in tables}
WRITERS |= dict.fromkeys(OF_SOME_ARMS, GATHERED)


def table_file(table: str) -> str:
    """The file of a table in a folder of results."""
    return f"{table}.{'parquet' if table in PARQUET else 'csv'}"


def record(**facts: object) -> dict:
    """What a result must carry to be judged later: the given facts with commit, versions, machine
    and time. The versions are read from the installed packages, of which none is imported. A step
    that trains, answers, judges or measures gives `code`, its `sources.code_hash`."""
    return {
        "commit": repository.commit() or "unknown",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
    }


def inputs(persona: str, control: str = "") -> dict[str, str]:
    """A fingerprint of each thing that results can depend on; a record keeps those that it did.

    card, corpus, items: the persona's; readouts: those of its items, and further sets. control:
    the control character's corpus. stages: the persona's, which arms that know them are asked in.
    reasoned: what PersLLM's arms are taught and asked; others: the examples of all personas, in
    which rejected answers are looked for; interlocutor: the long conversations. why: the texts that
    rows of the experiments are composed of.
    labels, premises: what judges learn and are checked with, which comes after the answers.
    """
    data, own = files.DATA, files.DATA / "persllm" / persona
    sources = {
        "card": [data / "personas" / f"{persona}.yaml"],
        "corpus": sorted((data / "corpora" / persona).glob("*.jsonl")),
        "items": [data / "items" / f"{persona}.jsonl"],
        "readouts": sorted((data / "items" / persona).glob("*.jsonl")),
        "labels": sorted(
            path
            for path in (data / "labels" / persona).glob("*")
            if path.suffix in (".jsonl", ".csv")
        ),
        "control": sorted((data / "corpora" / control).glob("*.jsonl")) if control else [],
        "stages": [own / "stages.yaml"],
        "reasoned": [
            *(own / f"{name}.jsonl" for name in ("examples", "knowledge", "speech")),
            own / "stages.yaml",
            *(own.parent / f"{name}.jsonl" for name in ("general", "questionnaire")),
        ],
        "others": sorted(own.parent.glob("*/examples.jsonl")),
        "why": sorted((data / "corpora" / persona / "why").glob("*.jsonl")),
        "interlocutor": [own / "interlocutor.jsonl"],
        "premises": [own / "corrected.jsonl"],
    }
    return {
        name: fingerprint([(named(name, path), sha256(path)) for path in paths if path.is_file()])
        for name, paths in sources.items()
    }


def inputs_of(arm: str) -> list[str]:
    """The names of the inputs that the answers of an arm depend on."""
    formats, parts = arms.formats(), arms.ARMS[arm].parts
    further = {
        "stages": arms.knows_stages(arm),
        "why": any(part.asked or part.kind not in formats for part in parts),
        "others": arm in arms.trained_on("preferences"),
    }
    always = ["card", "corpus", "items", "readouts", "control"]
    return always + [name for name, needed in further.items() if needed]


def named(name: str, path: Path) -> str:
    """What a file of an input is called in its fingerprint: with its persona where files of several
    have one name."""
    return f"{path.parent.name}/{path.name}" if name == "others" else path.name


def refuse_stale(record: dict, persona: str, control: str, what: Path) -> None:
    """Raise StudyError when what a record was made from has changed since, naming what has."""
    present = inputs(persona, control)
    made_from = record.get("inputs", {})
    changed = [name for name, value in made_from.items() if present.get(name) != value]
    if changed or not made_from:
        raise StudyError(
            f"{shown(what)} is stale: the {', '.join(changed) or 'inputs'} of '{persona}' changed "
            "after it was made. Run the study again; what has not changed is kept."
        )


def refuse_other_answers(record: dict, folder: Path, what: Path) -> None:
    """Raise StudyError when a record of judgements is about other answers than those in the results
    folder."""
    if record.get("answers") != sha256(folder / "answers.parquet"):
        raise StudyError(
            f"{shown(what)} is about other answers than {shown(folder)}/answers.parquet holds. "
            "Run the study again; what has not changed is kept."
        )


def refuse_mixed(
    prepared: dict[str, dict],
    trained: dict[str, dict],
    answered: dict[str, dict],
    asked: dict[str, dict],
    adapters: dict[str, str | None],
) -> None:
    """Raise StudyError unless all arms and seeds were made alike.

    All must be answered with one model, the prepared corpus and the same settings, by the adapter
    that is there now; every adapter must be trained on the rows as they are prepared now, and one
    that goes on from another arm's must go on from the one that is there. The turns of the long
    conversations alone may differ between seeds, since a study holds them with its first seed.

    `prepared` holds the records of the `corpus` and, where there are any, of the reasoned
    `examples` and the `composed` rows, with a hash of the rows of each arm. The others map
    `<arm>/seed<seed>` to the records of training (only where there is an adapter), of answering and
    of asking (only with PersLLM's arms), and to the adapter file's hash.
    """
    for chapter, part in (("formats/03_answer", answered), ("persllm/03_ask", asked)):
        refuse_unlike(part, chapter)
        for name, own in part.items():
            if own["adapter"] != adapters[name]:
                raise StudyError(
                    f"{name} was trained again after it was answered. Run {chapter} for it again."
                )
    models = {name: own["model"] for name, own in answered.items()}
    for name, own in answered.items():
        if own["data"] != prepared["corpus"]["data"]:
            raise StudyError(
                f"{name} was answered with other texts than are prepared now. "
                "Run formats/03_answer for it again."
            )
    for name, own in asked.items():
        if own["model"] != models[name]:
            raise StudyError(
                f"{name} was asked with another model than it was answered with. "
                "Run persllm/03_ask for it again."
            )
    rows = {arm: value for record in prepared.values() for arm, value in record["rows"].items()}
    for name, own in trained.items():
        arm, _, seed = name.partition("/")
        start = arms.ARMS[arm].starts_from
        by_preference = arm in arms.trained_on("preferences")
        chapter = "persllm/02_prefer" if by_preference else "formats/02_train"
        again = f"Run {chapter} for it again."
        if own["model"] != models[name] or own.get("rows") != rows.get(arm):
            raise StudyError(
                f"{name} was trained on other data or another model than it was answered with. "
                f"{again}"
            )
        if start and own["start"] != adapters[f"{start}/{seed}"]:
            raise StudyError(f"{name} goes on from another adapter than {start}'s. {again}")


def refuse_unlike(answered: dict[str, dict], chapter: str) -> None:
    """Raise StudyError where an arm was answered with another model or other settings than the
    first one; the turns of a conversation must agree with the first arm of the same seed."""
    first_of_seed = {}
    for name, own in answered.items():
        first = next(iter(answered))
        same_seed = first_of_seed.setdefault(name.partition("/")[2], name)
        unlike = first if alike(own) != alike(answered[first]) else ""
        if own["settings"].get("turns") != answered[same_seed]["settings"].get("turns"):
            unlike = unlike or same_seed
        if unlike:
            raise StudyError(
                f"{name} was answered with another model, data or settings than {unlike}. "
                f"Run {chapter} for both alike."
            )


def alike(record: dict) -> list:
    """What must be the same in all arms and seeds of one study. A setting that is left empty counts
    as one that the code did not have yet; that the code was another is told by its hash."""
    own = ("run", "arm", "seed", "turns", "score_options")
    settings = {n: value for n, value in record["settings"].items() if n not in own and value != []}
    return [record["model"], record.get("data"), settings]


# The code that made them


def other_code(made: dict[str, dict[str, dict]]) -> str:
    """The first difference in the code that arms and seeds were made by, in words; "" where there
    is none. `made` maps a chapter to the records that it wrote, by arm and seed."""
    for chapter, own in made.items():
        first = next(iter(own), "")
        for name, record in own.items():
            if record.get("code") != own[first].get("code"):
                return f"{chapter}: {name} was made by {by_code(record)}, {first} by " + by_code(
                    own[first]
                )
    return ""


def not_committed(made: dict[str, dict[str, dict]]) -> str:
    """The first arm and seed that was made by code that is in no commit, in words; "" for none."""
    for chapter, own in made.items():
        for name, record in own.items():
            if record["commit"].endswith("-dirty"):
                return f"{chapter}: {name} was made by code that was not committed"
    return ""


def by_code(record: dict) -> str:
    """The code that made something, as its record names it."""
    return f"code {record.get('code', 'without a hash')} (commit {record['commit']})"


def provenance(record: dict) -> str:
    """By which code the answers in record.json were given, in words for a reader."""
    answered = list(record["arms"].values())
    codes = sorted({own.get("code", "") for own in answered})
    commits = sorted({own["commit"].removesuffix("-dirty") for own in answered})
    dirty = sum(own["commit"].endswith("-dirty") for own in answered)
    by = " and ".join(
        f"code {code}" if code else "code of which no hash was kept" for code in codes
    )
    text = f"Answered by {by} (commit {', '.join(commits)})"
    text += f"; {dirty} of {len(answered)} arms and seeds with changes not committed" * bool(dirty)
    named = record.get("different_code")
    return f"{text}. Different code: {named}" if named else f"{text}."


def by_chapter(trained: dict, answered: dict, asked: dict) -> dict[str, dict[str, dict]]:
    """The records of arms and seeds by the chapter that wrote them."""
    preferring = arms.trained_on("preferences")
    by_preference = {n: own for n, own in trained.items() if n.split("/")[0] in preferring}
    return {
        "formats/02_train": {n: own for n, own in trained.items() if n not in by_preference},
        "persllm/02_prefer": by_preference,
        "formats/03_answer": answered,
        "persllm/03_ask": asked,
    }


def refuse_other_code(made: dict[str, dict[str, dict]], named: str, publish: bool) -> str:
    """The difference in code that the study file names (`different_code`), "" where there is none.

    Raises StudyError where arms and seeds were made by different code, or published ones by code
    that is not committed, and the study file does not name it. `made` is that of `other_code`.
    """
    difference = other_code(made) or (publish and not_committed(made)) or ""
    if difference and not named:
        raise StudyError(
            f"{difference}. Run them again by the code of one commit, or say in the study file "
            'what differs (`different_code: "..."`): the record keeps it, and the results say so.'
        )
    return named if difference else ""
