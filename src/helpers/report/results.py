"""The result tables of a study: refused when stale, each read when it is first asked for."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers import arms, files, records
from helpers.corpus import personas
from helpers.files import StudyError, shown

# Every table of a study and the step that writes it.
GATHERED, JUDGED, MEASURED = "the gather step", "formats/04_judge", "persllm/04_measure"
WRITERS = {
    "answers": GATHERED,
    "choices": GATHERED,
    "scores": GATHERED,
    "training": GATHERED,
    "stages": GATHERED,
    "questionnaire": GATHERED,
    "preferences": GATHERED,
    "judged": JUDGED,
    "labelled": JUDGED,
    "labelled_twice": JUDGED,
    "audit": JUDGED,
    "classifier": JUDGED,
    "resisted": MEASURED,
    "questions": MEASURED,
    "leaks": MEASURED,
    "distinctness": MEASURED,
}
# Columns of words, in which an empty cell is the empty word.
WORDS = ("incoherent", "scenario_trait", "setting")


@dataclass(frozen=True, eq=False)
class Results:
    """One study's results. Its tables are attributes: `study.judged`, `study.choices`, ... (the
    names in `WRITERS`)."""

    folder: Path
    persona: str  # the card's file name
    control: str  # the control character's, "" for none
    record: dict  # record.json: what the results were made from
    judge: dict  # judge.json: `judge`, the primary one, and `judges`, all of them
    card: dict

    @property
    def traits(self) -> list[str]:
        return personas.trait_ids(self.card)

    @property
    def focus(self) -> str:
        """The trait that chapters dwell on."""
        return self.card["focus"]

    @property
    def arms(self) -> list[str]:
        """The arms of the study, in the order of `helpers.arms`."""
        return arms.in_order(name.partition("/")[0] for name in self.record["arms"])

    def present(self, wanted: list[str]) -> list[str]:
        """The arms among `wanted` that the study has, in the order of `helpers.arms`.

        Raises StudyError for a name that is no arm, and where none is left.
        """
        unknown = [name for name in wanted if name not in arms.ARMS]
        found = arms.in_order(set(wanted) & set(self.arms))
        if unknown or not found:
            raise StudyError(
                f"parameter 'arms' = {wanted!r}: "
                + (
                    f"there is no arm {unknown[0]!r}. "
                    if unknown
                    else "the study has none of them. "
                )
                + f"{shown(self.folder)} has: {', '.join(self.arms)}."
            )
        return found

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name not in WRITERS:
            raise AttributeError(f"a study has no table '{name}'. Tables: {', '.join(WRITERS)}")
        self.__dict__[name] = read_table(self.folder, name)
        return self.__dict__[name]


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table `name` of a results folder; StudyError names the step that writes a missing one."""
    path = folder / f"{name}.{'parquet' if name == 'answers' else 'csv'}"
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing; run {WRITERS[name]}, which writes it.")
    if name == "answers":
        return pd.read_parquet(path)
    frame = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str))
    return frame.fillna({word: "" for word in WORDS if word in frame})


def load(results: str | Path, persona: str, control: str = "") -> Results:
    """The results in the folder `results` (from the repository's root).

    Raises StudyError where they are missing, or were made from other data than are there now.
    """
    folder = files.ROOT / results
    record, judge = (files.read_json(folder / f"{name}.json") for name in ("record", "judge"))
    for path in sorted(folder.glob("*.json")):
        records.refuse_stale(files.read_json(path), persona, control, path)
    return Results(folder, persona, control, record, judge, personas.load_persona(persona))
