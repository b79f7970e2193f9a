"""Reading YAML files: a key that stands twice is refused, and a value's line can be named."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import ClassVar

import yaml

from helpers.files import StudyError, shown


class UniqueKeys(yaml.SafeLoader):
    """The safe loader of YAML, which refuses a key that stands twice: the first would vanish. Plain
    words are taken as YAML 1.2 has them: `2e-4` is a number, `no`, `12:30` and a date are texts."""

    yaml_implicit_resolvers: ClassVar = {}

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                message = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)"
for kind, pattern, first in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][\d_]*)", list("-+0123456789")),
    ("float", rf"{NUMBER}[eE][-+]?\d+|[-+]?(?:\d[\d_]*\.\d*|\.\d+)", list("-+.0123456789")),
    ("merge", "<<", ["<"]),
):
    UniqueKeys.add_implicit_resolver(
        f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{pattern})$"), first
    )


def read_yaml(path: Path) -> object:
    """What a YAML file holds; raises StudyError where it is missing, no YAML or has a key twice."""
    try:
        return deepcopy(parsed(Path(path).read_text(encoding="utf-8-sig")))
    except FileNotFoundError as error:
        raise StudyError(f"{shown(path)} is missing.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise StudyError(
            f"{shown(path)}, line {line}: not valid YAML (it is no UTF-8 text). Save the file as "
            "UTF-8, then run again."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        reason = " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")
        raise StudyError(
            f"{shown(path)}: not valid YAML ({reason}). Repair the file, then run again."
        ) from error


@cache
def parsed(text: str) -> object:
    """What a YAML text holds. Parsed once in a process: a plan reads one card many times."""
    return UniqueKeys(text).get_single_data()


def yaml_line(path: Path, place: list[str | int]) -> int:
    """The line of a valid YAML file on which a value stands, given by the keys and places (from 0)
    that lead to it; that of what surrounds it where it is missing."""
    node = UniqueKeys(Path(path).read_text(encoding="utf-8-sig")).get_single_node()
    line = 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == str(step)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = [(entry, entry) for entry in node.value[step : step + 1]]
        else:
            break
        if not found:
            break
        (key, node), *_ = found
        line = key.start_mark.line + 1
    return line
