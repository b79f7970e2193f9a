"""What must hold of code, and of what is taken from elsewhere, before a study costs anything."""

from chain import all_values, jobs, lender
from recipe import refuse_other_settings
from study import COMMITTED, Study

from helpers import kept, records, repository, sources
from helpers.files import StudyError, adapter_folder, arm_folder, read_json


def check(study: Study, planned_only: bool) -> None:
    """Raise StudyError where the results of a study are not going to be published, before they
    cost anything; print it as a warning where the study is only planned."""
    try:
        repository.refuse_uncommitted(f"study '{study.name}'")
        if study.kept_seeds:
            refuse_wrong_kept(study)
    except StudyError as error:
        if not planned_only:
            raise
        print(f"warning: {error}")


def refuse_wrong_kept(study: Study) -> None:
    """Raise StudyError where a kept seed is missing in the committed results, or was made from
    other data, with other parameters or, if the study file does not say so, by other code than that
    which runs the other seeds here."""
    names = [f"{arm}/seed{seed}" for arm, seed in study.pairs if seed in study.kept_seeds]
    old = kept.kept_records(study.results, names, study.has_persllm)
    kept.refuse_stale(old, study.persona, all_values(study)["control"], study.results)
    made = records.by_chapter(old["training"], old["arms"], old["asked"])
    try:
        for chapter, own in made.items():
            for name, record in own.items():
                refuse_other_settings(study, chapter, name, record["settings"])
    except StudyError as error:
        raise kept.with_remedy(error) from None
    for chapter, own in made.items():
        if own and study.run_pairs:
            own["what runs here"] = running(chapter)
    records.refuse_other_code(made, study.different_code, publish=True)


def refuse_other_lent(study: Study) -> None:
    """Raise StudyError where the study takes some adapters and trains others by other code, and its
    file does not say so: else its end would be refused when all has run."""
    step, taken, trains = "formats/02_train", {}, False
    for _, arm, seed in (job for job in jobs(study) if job[0] == step):
        other = lender(study, arm, seed)
        folder = adapter_folder(arm) if other == COMMITTED else arm_folder(other, arm, seed)
        taken |= {f"{arm}/seed{seed}": read_json(folder / "record.json")} if other else {}
        trains |= not other
    if taken and trains:
        taken["what runs here"] = running(step)
    records.refuse_other_code({step: taken}, study.different_code, publish=False)


def running(chapter: str) -> dict:
    """The code that would run a chapter now."""
    return {"code": sources.code_hash(chapter), "commit": repository.commit()}
