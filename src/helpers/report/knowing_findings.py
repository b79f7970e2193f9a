"""Chapter formats/06, its summary: does a model that knows a trait show it? The points stand in the
order of their weight, and each is computed from the frames that the chapter draws."""

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure.comparison import READ
from helpers.report import contrasts, knowing_and_doing, readouts, robustness, shares
from helpers.report.words import bullets, counted, listed, named, nats, points, this_seed


def summary(gains, crossings, parts, hung, fixed, claims, gaps) -> str:
    """The summary as Markdown: what is of one seed, once for all of it, then at most eight points.

    The frames are those of `know_and_do`, `crossovers`, `crossover_parts`, `name_and_scenario`,
    `contrasts`, `claims` and `gap_over_base`; all but the last may be empty.
    """
    which = knowing_and_doing.confirming(gains) if len(gains) else ""
    own, crossed = (frame[frame["set"] == which] for frame in (gains, crossings))
    told = gap_beyond_base(fixed)
    if len(own):
        title = knowing_and_doing.know_and_do_title(own)
        told.append(f"On {knowing_and_doing.SETS[which]}, {title[:1].lower()}{title[1:]}")
    told += crossover(crossed)
    told += [readouts.name_and_scenario_title(hung)] if len(hung) else []
    told += [readouts.crossover_parts_title(parts)] if len(parts) else []
    told += primary_contrasts(fixed)
    shared = (shares.gap_of_base(gaps), shares.gap_over_base_title(gaps))
    both = "; ".join(f"{text[:1].lower()}{text[1:]}" for text in shared)
    told.append(f"As shares of scenarios, {both}")
    told += [robustness.claims_title(claims)] if len(claims) else []
    return "\n\n".join([*(f"{once}." for once in this_seed(own)), bullets(told)])


def gap_beyond_base(fixed: pd.DataFrame) -> list[str]:
    """Whether the gap between knowing and showing is wider than that of base, by the primary
    contrasts."""
    own = fixed[(fixed["role"] == "primary") & (fixed["kind"] == "gap_beyond_base")]
    if own.empty:
        return []
    told = []
    for row, holds in zip(own.itertuples(), contrasts.holds(own), strict=True):
        seen = "is wider" if holds else "is not seen to be wider"
        how = "as read" if row.by == READ else "as judged"
        told.append(
            f"On set b, the gap between knowing and showing {seen} in "
            f"{table_of_arms.label(row.a)} than in base: "
            f"{points(row.difference, row.low, row.high)}, with knowing counted by gain over base "
            f"and showing {how}"
        )
    return told


def crossover(crossings: pd.DataFrame) -> list[str]:
    """The crossover over all traits; `crossings` of one set."""
    whole = crossings[crossings["trait"] == "all"]
    each = [
        f"{nats(row.value, row.low, row.high)} over {table_of_arms.label(row.arm)}"
        for row in whole.itertuples()
    ]
    crossed = "The crossover, documents' lead in knowing minus their lead in doing, is"
    return [f"{crossed} {listed(each)} (nats per token)"] if each else []


def primary_contrasts(fixed: pd.DataFrame) -> list[str]:
    """How many primary contrasts hold, and in which formats it is not seen that answers show the
    trait that fits."""
    own = fixed[fixed["role"] == "primary"]
    if own.empty:
        return []
    held = contrasts.holds(own)
    open_ones = own[~held & (own["kind"] == "sensitivity")]
    formats = [name.split(",")[0] for name in open_ones["a"]]
    rest = "; that answers show the trait that fits more than others is not seen in"
    count = f"{held.sum()} of {counted(len(own), 'primary contrast')} hold on set b"
    return [f"{count}{f'{rest} {named(formats)}' if formats else ''}"]
