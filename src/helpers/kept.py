"""Seeds of a study that are kept: their answers come from the results of the last commit, and they
are not run again. So a study can grow on another machine, which has the repository alone."""

import json

from helpers import arms, records, repository
from helpers.files import ROOT, StudyError

# Part of record.json -> what an arm's entry in it is the record of.
PARTS = {"arms": "answering", "asked": "asking", "training": "training"}


def kept_records(folder: str, names: list[str], asked: bool) -> dict[str, dict[str, dict]]:
    """The records of the arms and seeds `names` in the committed results in `folder`, by `PARTS`;
    of `asked` only where the study asks PersLLM's questions.

    Raises StudyError where the committed results lack one.
    """
    record = json.loads(repository.committed(f"{folder}/record.json"))
    found = {}
    for part, what in PARTS.items():
        wanted = [n for n in names if part != "training" or n.split("/")[0] not in arms.untrained()]
        if part == "asked" and not asked:
            wanted = []
        for name in wanted:
            if name not in record.get(part, {}):
                raise StudyError(
                    f"{folder}/record.json of the last commit has no record of {what} {name}. "
                    "Take its seed out of `kept_seeds`, so that it is run here."
                )
        found[part] = {name: record[part][name] for name in wanted}
    return found


def refuse_stale(kept: dict[str, dict[str, dict]], persona: str, control: str, folder: str) -> None:
    """Raise StudyError where a kept seed was answered from other data than are there now."""
    for part in ("arms", "asked"):
        for name, own in kept[part].items():
            try:
                records.refuse_stale(own, persona, control, ROOT / folder / name)
            except StudyError as error:
                raise with_remedy(error) from None


def with_remedy(error: StudyError) -> StudyError:
    """The error, and what to do about it where it is about a seed that is not run here."""
    return StudyError(f"{error} A kept seed is run here once it is taken out of `kept_seeds`.")
