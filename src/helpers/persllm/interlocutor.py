"""The scripted interlocutor of long conversations: what it says, turn by turn."""

from pydantic import model_validator

from helpers.files import StudyError, shown
from helpers.persllm.life_stages import persllm_folder
from helpers.rows import Row, Text, read_rows


class Turn(Row):
    """What the interlocutor of a script says in one turn; `move` is what it is meant to do."""

    id: Text
    script: Text
    turn: int
    move: Text
    text: Text

    @model_validator(mode="after")
    def is_named_by_script_and_turn(self) -> "Turn":
        """The tables tell script and turn by the id."""
        if "-" in self.script or self.id != f"{self.script}-{self.turn:02d}":
            wanted = f"'{self.script.replace('-', '_')}-{self.turn:02d}'"
            raise ValueError(f"the id must be script and turn, {wanted}; found {self.id!r}")
        return self


def load_scripts(persona: str, turns: int) -> list[list[dict]]:
    """The scripts of `data/persllm/<persona>/interlocutor.jsonl`, each the first `turns` rows {id,
    script, turn, move, text} in order.

    Raises StudyError with file, line and field of a wrong row, with the script where a turn is
    missing, and where `turns` are more than a script has. No turns: no scripts, and no file is
    needed.
    """
    if not turns:
        return []
    path, scripts = persllm_folder(persona) / "interlocutor.jsonl", {}
    for row in read_rows(path, Turn):
        scripts.setdefault(row["script"], []).append(row)
    for name, rows in scripts.items():
        rows.sort(key=lambda row: row["turn"])
        found = [row["turn"] for row in rows]
        if gap := next((n for n, turn in enumerate(found, 1) if turn != n), 0):
            raise StudyError(
                f"{shown(path)}, script '{name}', field 'turn': the turns must run from 1 on, and "
                f"turn {gap} is missing. Add it, then run again."
            )
    if scripts and turns > (most := min(map(len, scripts.values()))):
        raise StudyError(
            f"the parameter 'turns' = {turns}: {shown(path)} has scripts of {most} turns at most. "
            f"Set 'turns' to at most {most}, or add turns to its scripts, then run again."
        )
    return [rows[:turns] for rows in scripts.values()]
