"""How many units, items, pairs and instructions a study asks for, and how many there are. A number
that the study's own file sets too high is refused before anything runs; where it comes from the
study that it extends, or is a default, all that there are are used, and the plan says so."""

from collections import Counter
from collections.abc import Iterator
from functools import cache

from chain import all_values
from study import STUDIES, Study, refuse

from helpers import arms
from helpers.corpus import formats, ingest, readouts
from helpers.files import StudyError, located, shown
from helpers.persllm import asking, reasoned
from helpers.persllm.life_stages import persllm_folder
from helpers.yaml_files import read_yaml


def check_counts(study: Study) -> None:
    """Raise StudyError for the first number in a study's own file that is larger than what there
    is, and for any number where there is nothing at all."""
    own = read_yaml(STUDIES / f"{study.name}.yaml").get("parameters", {})
    for name, wanted, there, what in too_high(study):
        if name in own or not there:
            refuse(study, name, f"{wanted} are asked for, and there are {there} {what}; set less")


def used_instead(study: Study) -> list[str]:
    """What the plan says of numbers that are larger than what there is."""
    return [
        f"{name} = {wanted}: there are {there} {what}, which are all used"
        for name, wanted, there, what in too_high(study)
    ]


def too_high(study: Study) -> list[tuple[str, int, int, str]]:
    """The parameters that ask for more than there is: name, value, how many there are, of what."""
    values = all_values(study)
    counted = [(name, values[name], *found) for name, *found in available(study, values)]
    return [row for row in counted if row[1] > row[2]]


def available(study: Study, values: dict) -> Iterator[tuple[str, int, str]]:
    """Yield the parameters that count something, with how many there are and of what."""
    sizes = values["train_units"], values["heldout_units"]
    for name, source in ingest.check_sources(values["sources"]).items():
        if located(source["path"]).exists():  # a dataset of the hub is not read for a plan
            rows, heldout = usable(name, *source.values(), *sizes)
            of = f"in the {rows} usable rows of {source['path']} for '{name}'"
            yield "train_units", rows - heldout, f"{of}, of which {heldout} are held out"
            yield "heldout_units", heldout, f"that are held out {of}"
    teaches = set(study.arms) & set(arms.trained_on("chats", "texts", "composed"))
    if not values["sources"]:
        splits, where = units(study.persona), formats.corpus_folder(study.persona)
        if teaches:
            yield "train_units", splits["train"], f"training units in {shown(where)}"
        yield "heldout_units", splits["heldout"], f"held-out units in {shown(where)}"
    items = n_items(study.persona, tuple(values["sets"]))
    if study.has_persllm:
        items += len(asking.held_out_prompts(study.persona, [], 10**9))
    yield "n_items", items, "items of all kinds together"
    if study.has_persllm:
        file = persllm_folder(study.persona) / "examples.jsonl"
        found = Counter(e["split"] for e in reasoned.load_examples(study.persona))
        of = f"training examples in {shown(file)}"
        if not teaches:
            yield "train_units", found["train"], of
        if set(study.arms) & set(arms.trained_on("preferences")):
            yield "pairs", found["train"], of
        source = values["general_source"]
        if not source:
            there = len(reasoned.load_general(values["general_prompts"]))
            yield "general_prompts", there, "general instructions in data/persllm/general.jsonl"
        elif located(source).exists():
            there = chats(source, values["general_prompts"])
            yield "general_prompts", there, f"usable rows in {source}"


@cache
def units(persona: str) -> Counter:
    """The units of a persona's corpus in each split."""
    return Counter(row["split"] for row in next(iter(formats.load_corpora(persona).values())))


@cache
def n_items(persona: str, sets: tuple[str, ...]) -> int:
    """The items of a persona, with the triplets of these sets alone."""
    return len(readouts.load_sets(persona, sets))


@cache
def usable(
    name: str, path: str, config: str, taken: str, train: int, heldout: int
) -> tuple[int, int]:
    """The usable rows of a source for a format, counted up to as many as are wanted, and how many
    of them are held out. Raises StudyError where there are fewer than two."""
    bad, rows, held = [], 0, 0
    for _ in ingest.usable_rows(name, {"path": path, "config": config, "as": taken}, bad):
        rows += 1
        held = ingest.n_heldout(rows)
        if held >= heldout and rows - held >= train:
            break
    if rows < 2:
        raise StudyError(ingest.too_few(name, path, rows, bad))
    return rows, held


@cache
def chats(path: str, most: int) -> int:
    """The usable chats of a source of general instructions, counted up to `most`."""
    found = ingest.usable_rows("demonstrations", {"path": path, "config": "", "as": ""}, [])
    return sum(1 for _, _ in zip(range(most), found, strict=False))
