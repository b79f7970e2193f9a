"""Tables as spreadsheets save them: rows of cells under a header, whatever separates them."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

from helpers.files import StudyError

DELIMITERS = ",;\t|"


def read_csv(name: str, text: str, kind: str) -> Iterator[tuple[int, dict | str]]:
    """The rows of a table whose first line names its fields, with the lines on which they begin.
    Cells may hold line breaks and be of any length; empty lines pass.

    Raises StudyError for a field that is named twice and a quotation that never ends.
    """
    csv.field_size_limit(2**31 - 1)
    said = re.match(r"sep=(.)\n", text)  # Excel's own first line
    body = text[said.end() :] if said else text
    between = said[1] if said else delimiter(body, kind)
    others = body.lstrip("\n").partition("\n")[0].split(between)[1:]
    blanks = bool(others) and all(cell.startswith(" ") for cell in others)  # as people type it
    reader = csv.reader(
        io.StringIO(body, newline=""), delimiter=between, strict=True, skipinitialspace=blanks
    )
    before, offset, header = 0, bool(said), None
    while True:
        line = before + offset + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or header is None:
                raise StudyError(
                    f"{name}, line {line}: a quotation that begins here does not end well "
                    f'({error}). Close it with ", and write a quotation mark within a cell as "", '
                    "then run again."
                ) from error
            cells = (
                f"its quotation marks are wrong, up to line {reader.line_num + offset} ({error})"
            )
        before = reader.line_num
        if isinstance(cells, str):
            yield line, cells
        elif not any(cell.strip() for cell in cells):
            continue
        elif header is None:
            header = [cell.strip() for cell in cells]
            if twice := [h for i, h in enumerate(header) if h and h in header[:i]]:
                raise StudyError(
                    f"{name}, line {line}, field {twice[0]!r}: two columns have this name. Rename "
                    "or remove one, then run again."
                )
        else:
            yield line, table_row(header, cells)


def table_row(header: list[str], cells: list[str]) -> dict | str:
    if len(cells) != len(header):
        return f"it has {len(cells)} cells, and the header names {len(header)} fields"
    return {name: cell for name, cell in zip(header, cells, strict=True) if name}


def delimiter(text: str, kind: str) -> str:
    """What separates the cells: a tab in .tsv, else what splits the header into most fields and,
    among those, most of the next lines into as many. A comma where nothing splits it."""

    def splits(one: str) -> tuple[int, int]:
        lines = csv.reader(io.StringIO(text.lstrip("\n"), newline=""), delimiter=one)
        header, *others = [len(cells) for cells in islice(lines, 20)] or [0]
        return (header, others.count(header)) if header > 1 else (1, 0)

    return "\t" if kind == ".tsv" else max(DELIMITERS, key=splits)
