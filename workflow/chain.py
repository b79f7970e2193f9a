"""What runs in a study: its chapters, the parameters they get, and whose adapters they take."""

from chapters import CHAPTERS, EXPERIMENTS, ON_ADAPTERS, READS_TABLES, defaults
from study import COMMITTED, Study, load_study

from helpers import arms, files
from helpers.files import ROOT, StudyError, adapter_folder, arm_folder, file_hash, read_json
from helpers.persllm.life_stages import persllm_folder

# The chapters on the formats that read tables alone; every study has them, but for one that
# compares base models and one on an arm of its own.
SIZE = "formats/08_size"
SHOW_FORMATS = [
    name
    for name in READS_TABLES
    if name.startswith("formats/") and name not in (SIZE, *EXPERIMENTS)
]


def jobs(study: Study) -> list[tuple[str, str, int]]:
    """The chapters that a study runs, in their order: (chapter, arm, seed), the last two "" and -1
    for a chapter that runs once."""
    values = all_values(study)
    taught = [pair for pair in study.run_pairs if pair[0] not in arms.untrained()]
    preferring = arms.trained_on("preferences")
    found = [("formats/01_corpus", "", -1)]
    found += [("persllm/01_examples", "", -1)] * study.has_persllm
    found += [("why/00_texts", "", -1)] * composes(study)
    found += [("formats/02_train", *pair) for pair in taught if pair[0] not in preferring]
    found += [("persllm/02_prefer", *pair) for pair in taught if pair[0] in preferring]
    found += [("formats/03_answer", *pair) for pair in study.run_pairs]
    found += [("persllm/03_ask", *pair) for pair in study.run_pairs if study.has_persllm]
    if composes(study):  # an experiment, which reads likelihoods alone
        once = [name for name, needed in EXPERIMENTS.items() if set(needed) <= set(study.arms)]
        return found + [(chapter, "", -1) for chapter in once]
    found += [("formats/04_judge", "", -1)]
    found += [("persllm/04_measure", "", -1)] * study.has_persllm
    once = [*SHOW_FORMATS, *[SIZE] * bool(study.parameters.get("smaller_results"))]
    if study.has_persllm:
        others = set(study.arms) & set(arms.trained_on("reasoned", "preferences")) - {"persllm"}
        left_out = {
            "persllm/05_stages": not any(map(arms.knows_stages, study.shown)),
            # Readers answer its question: the offline judge is worth nothing.
            "persllm/06_premises": not (persllm_folder(study.persona) / "corrected.jsonl").exists(),
            "persllm/08_wearing_off": not values["turns"],
            "persllm/09_parts": not ("persllm" in study.arms and others),
        }
        own = [chapter for chapter in READS_TABLES if chapter.startswith("persllm/")]
        once += [chapter for chapter in own if not left_out.get(chapter)]
        talks = study.parameters.get("other_run") and study.seeds[0] not in study.kept_seeds
        once += ["persllm/10_dialogue"] if talks else []
    once += ["why/00_weights", *ON_ADAPTERS] * changes_weights(study)
    return found + [(chapter, "", -1) for chapter in once]


def composes(study: Study) -> bool:
    """Whether a study has arms whose rows are composed of texts of several kinds."""
    return bool(set(study.arms) & set(arms.trained_on("composed")))


def changes_weights(study: Study) -> bool:
    """Whether a study scores its adapters once more after their weights were changed."""
    return bool(study.parameters.get("strengths"))


def executed(study: Study, chapter: str, arm: str = "", seed: int | str = -1) -> str:
    """The executed copy of a chapter in the study's run."""
    return f"{study.run}/notebooks/{chapter}{f'-{arm}-{seed}' if arm else ''}.ipynb"


def all_values(study: Study) -> dict:
    """Every parameter of every chapter as it is in this study: its own value, else a default."""
    return {k: v for chapter in CHAPTERS for k, v in defaults(chapter).items()} | study.parameters


def arm_parameters(study: Study, chapter: str, arm: str = "", seed: int = -1) -> dict:
    """The parameters that one chapter of a study gets: those of the study that its notebook
    declares, and the chain's."""
    # The chapter's own default is that of the published study, which it opens by itself.
    values = {"other_results": ""} | study.parameters
    values |= {
        "run": study.name,
        "persona": study.persona,
        "arms": study.shown if chapter in READS_TABLES else study.arms,
        "results": study.results,
        "figures": study.figures,
    }
    if arm:
        values |= {"arm": arm, "seed": seed}
    elif chapter in ("persllm/10_dialogue", "why/00_weights"):
        values["seed"] = study.seeds[0]
    if arm and seed != study.seeds[0]:
        # Long conversations cost as much as all other answers: they are held with the first seed,
        # like ablations.
        values["turns"] = 0
        # Where nothing is trained, the likelihoods of every seed are those of the first.
        values["score_options"] = arm not in arms.untrained()
    return {name: values[name] for name in defaults(chapter) if name in values}


def gathering(study: Study) -> dict:
    """The arguments of `gather.gather` for a study."""
    return {
        "run": study.name,
        "persona": study.persona,
        "control": all_values(study)["control"],
        "arm_names": study.arms,
        "seeds": study.seeds,
        "folder": study.results,
        "kept_seeds": study.kept_seeds,
        "different_code": study.different_code,
        "publish": study.publish,
    }


def taught(arm: str) -> dict:
    """What makes a step run again when it changes in the table of arms; a label or a colour does
    not."""
    own = arms.ARMS[arm]
    return {
        "trained_on": own.trained_on,
        "starts_from": own.starts_from,
        "leaves_out": own.leaves_out,
        "prompted": own.prompted,
        "reasons": arms.reasons(arm),
        "knows_stages": arms.knows_stages(arm),
    } | ({"parts": repr(own.parts)} if own.parts else {})


def talkers(study: Study) -> list[tuple[str, str]]:
    """The run and arm of the two personas that talk in the last chapter, and of the arm to talk to,
    as far as they have adapters."""
    values = defaults("persllm/10_dialogue") | study.parameters
    own = {values["first_arm"], values["chat_arm"]} - set(arms.untrained())
    return [
        *((study.name, arm) for arm in sorted(own)),
        (values["other_run"], values["other_arm"]),
    ]


def refuse_missing_others(study: Study) -> None:
    """Raise StudyError where a study is compared with the results of another, or ends with a
    conversation with its persona, and that other study has not run."""
    other = study.parameters.get("other_results")
    if study.has_persllm and other and not (ROOT / other / "answers.parquet").exists():
        raise StudyError(
            f"study '{study.name}', parameter 'other_results': {other} has no answers.parquet. Run "
            "the study whose results these are first, or leave out the parameter."
        )
    for folder in study.parameters.get("smaller_results", []):
        if not (ROOT / folder / "record.json").exists():
            raise StudyError(
                f"study '{study.name}', parameter 'smaller_results': {folder} has no record.json. "
                "Run the study whose results these are first."
            )
    if ("persllm/10_dialogue", "", -1) not in jobs(study):
        return
    for run, arm in talkers(study):
        adapter = arm_folder(run, arm, study.seeds[0]) / "adapter_model.safetensors"
        if run != study.name and not adapter.exists():
            raise StudyError(
                f"study '{study.name}' ends with a conversation with {arm} of study '{run}', which "
                f"has not been trained. Run `workflow/run.py {run}` first, or leave out the "
                f"parameter `other_run`."
            )


# Adapters of another study


def same_recipe(study: Study, other: Study, arm: str, seed: int) -> bool:
    """Whether two studies train an arm alike: on the same rows, with the same settings."""
    if arm not in other.arms or (arm, seed) not in other.pairs or arm not in arms.formats():
        return False

    def settings(one: Study) -> dict:
        return {
            chapter: defaults(chapter) | arm_parameters(one, chapter, arm, seed) | {"run": ""}
            for chapter in ("formats/01_corpus", "formats/02_train")
        }

    return settings(study) == settings(other)


def is_committed(study: Study, arm: str, seed: int) -> bool:
    """Whether data/adapters has an arm's adapter, of this seed and trained with the settings that
    the study trains it with."""
    path = adapter_folder(arm) / "record.json"
    if arm not in arms.formats() or not path.exists():
        return False
    own, had = {}, {}
    for chapter in ("formats/01_corpus", "formats/02_train"):
        own |= defaults(chapter) | arm_parameters(study, chapter, arm, seed)
        had |= defaults(chapter)
    return own | {"run": ""} == had | read_json(path)["settings"] | {"run": ""}


def lender(study: Study, arm: str, seed: int) -> str:
    """The study whose adapter of this arm and seed is taken instead of training one, or COMMITTED,
    or "".

    It is that of `adapters_from` where its run has the adapter of the same recipe. Once there is an
    adapter here, taken or trained, it stays what it is.
    """
    other, own = study.adapters_from, arm_folder(study.name, arm, seed) / "record.json"
    if other == COMMITTED:
        folders = (own.parent, adapter_folder(arm))
        here, there = (folder / "adapter_model.safetensors" for folder in folders)
        trained = here.exists() and not (there.exists() and file_hash(here) == file_hash(there))
        return "" if trained or not is_committed(study, arm, seed) else other
    if not other or not same_recipe(study, load_study(other), arm, seed):
        return ""
    if own.exists():
        return other if read_json(own)["settings"]["run"] == other else ""
    record = arm_folder(other, arm, seed) / "record.json"
    # The executed chapter is copied last: a run killed before that trains the arm again.
    chapter = files.RUNS / other / "notebooks" / "formats" / f"02_train-{arm}-{seed}.ipynb"
    whole = record.exists() and chapter.exists()
    return other if whole and read_json(record)["settings"]["run"] == other else ""
