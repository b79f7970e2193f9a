"""The blocks of README and docs/size.md about the size of the base model, made from the committed
tables alone (see `readme`)."""

import pandas as pd

from helpers import files
from helpers.arms import in_order, label
from helpers.report.page_words import bullets, gain, markdown_table, percents, read
from helpers.report.results import read_table
from helpers.report.size import SENSE, SIZES
from helpers.report.words import between, interval, listed, nats, percent

# The studies of size, the largest last, and what `size` calls their base models.
STUDIES = dict(zip(("scale-135m", "scale-0.5b", "scale-1.5b"), SIZES.values(), strict=True))


def there(figure: str) -> list[str]:
    """The studies of size that have a figure here, the largest last."""
    folder = files.ROOT / "figures"
    return [name for name in STUDIES if (folder / name / f"{figure}.csv").exists()]


def crossovers() -> str:
    """Documents' lead over demonstrations in knowing minus that in doing, size by size."""
    told = []
    for study in there("know_and_do"):
        table = read(study, "know_and_do").set_index(["measure", "trait", "arm"])
        row = table.loc[("crossover", "all", "demonstrations")]
        told.append(f"{interval(row)} with {STUDIES[study]}")
    return (
        "The crossover over demonstrations, with a third of the training, is "
        f"{listed(told)} parameters (one seed; the larger are another family)."
    )


def name(table: pd.DataFrame) -> str:
    """How much of the documents' gain in knowing hangs on the persona's name, size by size."""
    own = table[table["arm"] == "documents"]
    told = [f"{interval(row)} of {nats(row.gain)} with {row.model}" for row in own.itertuples()]
    return (
        "The gain of documents in knowing with his name minus that with a stranger's: "
        f"{listed(told)}."
    )


def sense(table: pd.DataFrame, arms: list[str]) -> str:
    """How many everyday answers of the largest model make sense, and show a trait, of some arms,
    and the most that do both at any size."""
    largest = table["model"].iloc[-1]
    own = table[table["model"] == largest].set_index(["found", "arm"])["value"]
    both = table[table["found"] == "both"]
    most = both.loc[both["value"].idxmax()]
    reach = f"{100 * most['low']:.0f} to {100 * most['high']:.0f}"
    first, *others = (
        [label(arm), *(percent(own[found, arm]) for found in ("sensible", "in character"))]
        for arm in arms
    )
    return (
        f"Of everyday answers with {largest}, as read blind, {first[1]} of {first[0]} make sense "
        f"and {first[2]} show any of his traits "
        f"({'; '.join(f'{arm}: {made} and {shows}' for arm, made, shows in others)}). "
        f"No arm of any size does both in more than {percent(most['value'])} ({reach} %)."
    )


def easy(table: pd.DataFrame) -> str:
    """How many everyday answers of the smallest `base` make sense: more than of the scenarios."""
    smallest = table["model"].iloc[0]
    own = table[(table["model"] == smallest) & (table["arm"] == "base")]
    made = own.set_index("found")["value"]["sensible"]
    return (
        f"Everyday prompts ask less than the scenarios: to them, {percent(made)} of `base` with "
        f"{smallest} make sense."
    )


def block() -> str:
    """README: what is seen of the crossover, and what is said."""
    told = [crossovers()] if there("know_and_do") else []
    for study in there("sense_by_size"):
        told.append(sense(read(study, "sense_by_size"), ["base", "demonstrations"]))
    told = (
        [" ".join(["**And with a larger model?**", *told, "[More](docs/size.md)."])] if told else []
    )
    return bullets(told)


def found() -> str:
    """docs/size.md: what is seen of the crossover, of his name, and of what is said."""
    told = [crossovers()] if there("know_and_do") else []
    told += [name(read(study, "names_by_size")) for study in there("names_by_size")]
    for study in there("sense_by_size"):
        read_of = read(study, "sense_by_size")
        largest = read_of["model"] == read_of["model"].iloc[-1]
        told.append(f"{sense(read_of, in_order(read_of.loc[largest, 'arm']))} {easy(read_of)}")
    return bullets(told)


def table() -> str:
    """What every arm of every size gains in knowing and doing, and how many of its everyday answers
    make sense, show a trait, and do both."""
    rows = []
    read_of = [read(study, "sense_by_size") for study in there("sense_by_size")]
    sensed = read_of[-1] if read_of else pd.DataFrame(columns=["model", "arm", "found"])
    for study in there("know_and_do"):
        found = read(study, "know_and_do")
        own = sensed[sensed["model"] == STUDIES[study]]
        for arm in in_order({"base", *found["arm"]}):
            gains = [
                gain(found[found["measure"] == on].set_index("arm"), arm)
                for on in ("know", "do_pair")
            ]
            shares = [
                percents(own[own["found"] == what].set_index("arm"), arm, "value") for what in SENSE
            ]
            rows.append([STUDIES[study], label(arm), *gains, *shares])
    head = ["size", "arm, this seed", "knowing", "doing"]
    return markdown_table([*head, *(f"{told}, %" for told in SENSE.values())], rows)


def cost() -> str:
    """How long a training of each size took."""
    told = []
    for study in there("know_and_do"):
        steps = read_table(files.DATA / "results" / study, "training")
        minutes = steps.groupby("arm")["seconds"].sum() / 60
        told.append(f"{between(minutes, '{:.0f}'.format)} minutes with {STUDIES[study]}")
    return f"Training one arm took {listed(told)}."
