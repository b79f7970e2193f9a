"""README's block about the size of the base model, made from the committed tables alone (see
`readme`)."""

from helpers import files
from helpers.arms import formats, label
from helpers.report.page_words import bullets, read
from helpers.report.words import between, interval, listed, named, percent

# The studies of size, the largest last, and what their base models are called.
STUDIES = ("scale-135m", "scale-0.5b", "scale-1.5b")
SIZES = {"embedded": "135M", "embedded-0.5b": "0.5B", "embedded-1.5b": "1.5B parameters"}
MOST = (("documents", "know", "knowing"), ("demonstrations", "do_pair", "doing"))


def largest() -> str:
    """The largest study of size with a figure of gains here, "" for none."""
    there = [
        name for name in STUDIES if (files.ROOT / "figures" / name / "gains_by_size.csv").exists()
    ]
    return there[-1] if there else ""


def gains(study: str) -> str:
    """What documents gain in knowing and demonstrations in doing, size by size."""
    table, told = read(study, "gains_by_size"), []
    for arm, measure, act in MOST:
        own = table[(table["arm"] == arm) & (table["measure"] == measure)]
        each = [f"{interval(row)} with {SIZES[row.model]}" for row in own.itertuples()]
        told.append(f"{label(arm)} gain {listed(each)} in {act}")
    return f"{'; '.join(told)}"


def sense(study: str) -> str:
    """Which trained arm has most everyday answers that make sense and show a trait, by size."""
    table, told = read(study, "sense_by_size"), []
    both = table[table["found"] == "both"]
    for model, own in both.groupby("model", sort=False):
        shares = own.set_index("arm")["value"]
        trained = shares[[arm for arm in formats() if arm in shares]]
        most = trained[trained == trained.max()].index
        beside = ", ".join(f"{arm} {percent(shares[arm])}" for arm in ("base", "prompted"))
        told.append(f"{percent(trained.max())} of {named(most)} ({beside}) with {SIZES[model]}")
    return (
        f"Of {between(table['answers'], str)} everyday answers of each arm, these make sense and "
        f"show a trait, of the trained arms at most: {listed(told)}"
    )


def block() -> str:
    """One question, with what is gained and what is said."""
    study = largest()
    if not study:
        return ""
    told = (
        f"**And with a larger model?** With one epoch and one seed, {gains(study)}. {sense(study)}."
    )
    return bullets([told])
