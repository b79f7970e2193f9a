"""Whether published results were made by the recipe that their study has now."""

from chain import arm_parameters, changes_weights, composes, jobs
from chapters import JUDGING, defaults
from study import COMMITTED, Study

from helpers import arms, records
from helpers.files import ROOT, StudyError, file_hash, read_json


def training_records(study: Study, record: dict) -> dict:
    """The training records of published results. A committed adapter's record has the settings of
    its corpus too, which `chain.is_committed` compared when it was taken."""
    if study.adapters_from != COMMITTED:
        return record["training"]
    known = defaults("formats/02_train")
    return {
        name: own | {"settings": {k: v for k, v in own["settings"].items() if k in known}}
        for name, own in record["training"].items()
    }


def judgements(study: Study) -> dict[str, dict]:
    """The records of the published judgements, by the chapter that writes them."""
    folder = ROOT / study.results
    chapters = [chapter for chapter, _, _ in jobs(study) if chapter in JUDGING]
    return {chapter: read_json(folder / records.RECORDS[chapter]) for chapter in chapters}


def refuse_stale_recipe(study: Study, record: dict, judgements: dict[str, dict]) -> None:
    """Raise StudyError when published results were made with other parameters than the study has
    now, naming the arm and the parameter. `record` is the record.json of the results; `judgements`
    maps a chapter that judges to its record, as far as those count."""
    stale = f"the results of study '{study.name}' are stale:"
    wanted = {f"{arm}/seed{seed}" for arm, seed in study.pairs}
    if odd := wanted ^ set(record["arms"]):
        raise StudyError(f"{stale} {sorted(odd)[0]} is in only one of study and results.")
    training = training_records(study, record)
    untrained = {name for name in wanted if name.split("/")[0] not in arms.untrained()}
    if untrained := untrained - set(training):
        raise StudyError(f"{stale} {sorted(untrained)[0]} has no training record.")
    parts = {
        "formats/01_corpus": {"the corpus": record["prepared"]["corpus"]},
        "formats/02_train": training,
        "formats/03_answer": record["arms"],
    }
    if study.has_persllm:
        parts["persllm/01_examples"] = {"the examples": record["prepared"]["examples"]}
        parts["persllm/03_ask"] = record["asked"]
    if composes(study):
        parts["why/00_texts"] = {"the composed rows": record["prepared"]["composed"]}
    if changes_weights(study):
        changed = read_json(ROOT / study.results / "weights.json")
        refuse_other_adapters(changed["adapters"], stale)
        parts["why/00_weights"] = {"the changed weights": changed}
    parts |= {chapter: {f"what {chapter} writes": own} for chapter, own in judgements.items()}
    for chapter, made in parts.items():
        for name, own in made.items():
            arm = name.partition("/")[0]
            if chapter == "formats/02_train" and arm in arms.trained_on("preferences"):
                refuse_other_settings(study, "persllm/02_prefer", name, own["settings"])
            else:
                refuse_other_settings(study, chapter, name, own["settings"])


def refuse_other_adapters(made_from: dict[str, str], stale: str) -> None:
    """Raise StudyError where a committed adapter is no longer the one whose weights were
    changed; `made_from` maps an adapter's folder to the hash of its weights."""
    for place, had in made_from.items():
        weights = ROOT / place / "adapter_model.safetensors"
        if place.startswith("data/") and file_hash(weights) != had:
            raise StudyError(
                f"{stale} the weights in {place} are others than those that were changed. Run the "
                "study again."
            )


def refuse_other_settings(study: Study, chapter: str, name: str, settings: dict) -> None:
    """Raise StudyError for the first parameter in which the settings that something was made with
    differ from the study's. `name` is `<arm>/seed<seed>`, or what runs once."""
    arm, _, seed = name.rpartition("/seed")
    wanted = defaults(chapter) | arm_parameters(study, chapter, arm, int(seed) if arm else -1)
    for field_name in sorted(wanted.keys() | settings.keys()):
        # A parameter that came later was at its default then.
        had = settings.get(field_name, defaults(chapter).get(field_name))
        # The run's name may differ, as an adapter can come from another study's run; and the
        # options of an untrained arm may have been scored again with every seed.
        if field_name not in ("run", "score_options") and wanted.get(field_name) != had:
            raise StudyError(
                f"the results of study '{study.name}' are stale: {name} was made with "
                f"{field_name} = {had!r}, the study has {wanted.get(field_name)!r}. "
                "Run the study again."
            )
