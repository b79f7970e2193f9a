"""The result tables of a study: refused when stale, each read when it is first asked for."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers import arms, files, records
from helpers.corpus import personas
from helpers.files import StudyError, shown
from helpers.records import WRITERS

# Columns of words, in which an empty cell is the empty word.
WORDS = ("incoherent", "scenario_trait", "setting")


@dataclass(frozen=True, eq=False)
class Results:
    """One study's results. Its tables are attributes: `study.judged`, `study.choices`, ... (the
    names in `records.WRITERS`)."""

    folder: Path
    persona: str  # the card's file name
    control: str  # the control character's, "" for none
    record: dict  # record.json: what the results were made from
    judge: dict  # judge.json: `judge`, the primary one, and `judges`, all of them
    card: dict
    checked: bool = False  # whether tables of stale judgements are refused

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

    def among(self, wanted: list[str]) -> list[str]:
        """The arms among `wanted` that the study has, in the order of `helpers.arms`.

        Raises StudyError for a name that is no arm, and where none is left.
        """
        unknown = [name for name in wanted if name not in arms.ARMS]
        found = arms.in_order(set(wanted) & set(self.arms))
        if unknown:
            raise self.wrong_arms(wanted, f"there is no arm {unknown[0]!r}")
        if not found:
            raise self.wrong_arms(wanted, "the study has none of them")
        return found

    def present(self, wanted: list[str]) -> list[str]:
        """The arms `among` those wanted; raises StudyError without `base`, which the others are
        compared with."""
        found = self.among(wanted)
        if "base" not in found:
            raise self.wrong_arms(wanted, "'base' is needed, to compare the others with it")
        return found

    def wrong_arms(self, wanted: list[str], why: str) -> StudyError:
        there = f"{shown(self.folder)} has: {', '.join(self.arms)}"
        return StudyError(f"parameter 'arms' = {wanted!r}: {why}. {there}.")

    def has(self, name: str) -> bool:
        """Whether the study has a table: not every step was run for every study."""
        known = name in WRITERS and (self.folder / records.table_file(name)).exists()
        return known or name in self.__dict__

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name not in WRITERS:
            raise AttributeError(f"a study has no table '{name}'. Tables: {', '.join(WRITERS)}")
        if self.checked and WRITERS[name] != records.GATHERED:
            self.refuse_stale_judgements(self.folder / records.RECORDS[WRITERS[name]])
        self.__dict__[name] = read_table(self.folder, name)
        return self.__dict__[name]

    def refuse_stale_judgements(self, path: Path) -> None:
        """Raise StudyError when the record in `path` is about other answers or labels than are
        there now."""
        record = files.read_json(path)
        records.refuse_stale(record, self.persona, self.control, path)
        records.refuse_other_answers(record, self.folder, path)


def of_arms(frame: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """The rows of some arms."""
    return frame[frame["arm"].isin(arms)]


def widest(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows over both sets of triplets (column `set`) where there are two, else all."""
    return frame[frame["set"] == "both"] if "both" in set(frame["set"]) else frame


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table `name` of a results folder; StudyError names the step that writes a missing one."""
    path = folder / records.table_file(name)
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing; run {WRITERS[name]}, which writes it.")
    if name == "answers":
        return pd.read_parquet(path)
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    else:
        frame = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str))
    return frame.fillna({word: "" for word in WORDS if word in frame})


def load(results: str | Path, persona: str, control: str = "") -> Results:
    """The results in the folder `results` (from the repository's root).

    Raises StudyError where they are missing, or were made from other data than are there now; those
    of the steps that judge answers are checked when one of their tables is read.
    """
    folder = files.ROOT / results
    record, judge = (files.read_json(folder / f"{name}.json") for name in ("record", "judge"))
    records.refuse_stale(record, persona, control, folder / "record.json")
    card = personas.load_persona(persona)
    print(records.provenance(record))
    return Results(folder, persona, control, record, judge, card, checked=True)
