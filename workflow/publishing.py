"""What must hold before the results of a study go into the repository."""

from chain import all_values
from recipe import refuse_other_settings
from study import Study

from helpers import kept, records, repository, sources
from helpers.files import StudyError


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
            running = {"code": sources.code_hash(chapter), "commit": repository.commit()}
            own["what runs here"] = running
    records.refuse_other_code(made, study.different_code, publish=True)
