"""What the numbers of the formats chapters say: the titles of figures, and the chapters' summaries.

Every function takes frames of `report.tables` and returns a sentence, or a list of sentences (a
summary). A sentence calls two numbers different only where intervals say so.
"""

import pandas as pd

from helpers import arms
from helpers.report.words import (
    apart,
    between,
    bound,
    capital,
    does,
    hundred,
    listed,
    named,
    percent,
    points,
    side,
    this_seed,
)


def leaders(table: pd.DataFrame, value: str = "rate") -> list[str]:
    """The arm with the highest `value`, and those whose intervals (low, high) reach its own."""
    top = table.loc[table[value].idxmax()]
    return arms.in_order(
        table.loc[(table["high"] >= top["low"]) | (table.index == top.name), "arm"]
    )


def above_base(table: pd.DataFrame) -> list[str]:
    """The arms whose interval (low, high) is above the one of `base`; [] without `base`."""
    floor = table.loc[table["arm"] == "base", "high"]
    return arms.in_order(table.loc[table["low"] > floor.max(), "arm"]) if len(floor) else []


# 05: expression


def expression_rate(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["rate"])
    first = leaders(own)
    shares = own.set_index("arm")["rate"]
    if len(first) == len(own):
        return f"{capital(trait)} in every arm: {between(shares)} as judged, intervals overlap"
    tied = ", intervals overlap" if len(first) > 1 else ""
    base = f"; base {percent(shares['base'])}" if "base" in shares.index.difference(first) else ""
    return (
        f"{capital(trait)} is shown most by {named(first)} "
        f"({between(shares[first])} of answers as judged{tied}{base})"
    )


def expression_corrected(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["corrected"])
    if own.empty:
        return f"The blind labels do not suffice to correct the rates of {trait}"
    parts = [
        f"{arms.label(row.arm)} {percent(row.corrected)} "
        f"({percent(row.corrected_low)} to {percent(row.corrected_high)})"
        for row in own.itertuples()
    ]
    return f"Corrected for the judge's errors, {trait} stands at: {listed(parts)}"


def expression_differences(table: pd.DataFrame) -> str:
    over = table[table["contrast"].str.endswith(" - base")]
    parts, none = [], []
    for contrast, own in over.groupby("contrast", sort=False):
        arm, more = contrast.removesuffix(" - base"), own[own["low"] > 0]
        if more.empty:
            none.append(arm)
            continue
        top = more.loc[more["difference"].idxmax()]
        parts.append(f"{arms.label(arm)} {hundred(top['difference']):+d} points ({top['trait']})")
    if not parts:
        return "No arm shows any trait more often than base"
    rest = f"; none is seen in {named(none)}" if none else ""
    return f"The largest rise of a trait over base: {listed(parts)}{rest}"


def generalisation(table: pd.DataFrame) -> str:
    where = {"neutral": "on neutral prompts", "should_not_show": "where it should not show"}
    groups: dict[tuple, list[str]] = {}
    for place, words in where.items():
        own = table[table["place"] == place]
        if len(own):
            groups.setdefault(tuple(above_base(own)), []).append(words)
    parts = []
    for higher, spots in groups.items():
        if not higher:
            parts.append(f"no arm shows the persona more than base {listed(spots)}")
            continue
        who = does(higher[0], "show") if len(higher) == 1 else f"{named(higher)} show"
        if len(higher) == table["arm"].nunique() - 1 > 1:
            who = "every other arm shows"
        parts.append(f"{who} the persona more than base {listed(spots)}")
    return capital("; ".join(parts)) if parts else "No prompt lies outside the persona's world"


def trait_heatmap(table: pd.DataFrame) -> str:
    square = table.pivot(index="arm", columns="trait", values="rate")
    if "base" not in square.index or len(square) == 1:
        return "Expression rate by trait and arm"
    rise = (square - square.loc["base"]).drop("base").stack()
    arm, trait = rise.idxmax()
    start, end = square.loc["base", trait], square.loc[arm, trait]
    return (
        f"The largest rise over base is {trait} in {arms.label(arm)}: "
        f"{percent(start)} to {percent(end)} of answers"
    )


def response_length(frame: pd.DataFrame) -> str:
    medians = frame.groupby("arm")["n_tokens"].median()
    parts = [
        f"{named(medians.index[medians == tokens])} {tokens:.0f}"
        for tokens in sorted(medians.unique())
    ]
    return f"Median length of an answer in tokens: {', '.join(parts)}"


def judge_agreement(table: pd.DataFrame, judge: str) -> str:
    own = table[table["judge"] == judge]
    found, right = (
        (own[name] * own[f"{name}_n"]).sum() / own[f"{name}_n"].sum()
        for name in ("sensitivity", "specificity")
    )
    return (
        f"The judge ({judge}) finds {percent(found)} of the traits that a blind reader found, "
        f"and wrongly sees them in {percent(1 - right)} of the other cases"
    )


def expression(rates, differences, places, audited, lengths, trait: str, judge: str) -> list[str]:
    """The summary of formats/05_expression."""
    return [
        expression_rate(rates, trait),
        expression_corrected(rates, trait),
        expression_differences(differences),
        generalisation(places),
        *([judge_agreement(audited, judge)] if len(audited) else []),
        f"{response_length(lengths)}; longer answers have more room for a trait",
        *this_seed(rates),
    ]


# 06: knowing and doing


def knows_and_does(gains: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """What the gains over base (`tables.knows_and_does`) say, with the intervals of their
    difference (`tables.gap_over_base`). Where the intervals as judged and as corrected disagree,
    the sentence says by which of them the two gains differ."""
    gained = gains.set_index(["arm", "readout"])["value"]
    known, done = [], []
    for row in gaps[gaps["arm"] != "base"].itertuples():
        judged, corrected = side(row.low, row.high), side(row.corrected_low, row.corrected_high)
        if not (judged or corrected):
            continue
        note = "" if judged == corrected else ", as judged" if judged else ", once corrected"
        done_by = gained[row.arm, "does" if judged else "does, corrected"]
        knows = (judged or corrected) > 0
        both = [hundred(gained[row.arm, "knows"]), hundred(done_by)][:: 1 if knows else -1]
        numbers = "{:+d} against {:+d} points".format(*both)
        order = "knowing than in doing" if knows else "doing than in knowing"
        part = f"{does(row.arm, 'gain')} more in {order} ({numbers} over base{note})"
        (known if knows else done).append(part)
    parts = [*known, *done]
    if not parts:
        return "In no arm is a difference seen between the gains in knowing and in doing"
    rest = gains["arm"].nunique() > len(parts)
    return capital("; ".join(parts)) + ("; no difference is seen in the other arms" * rest)


def gap_over_base(gaps: pd.DataFrame) -> str:
    base = gaps.set_index("arm").loc["base"]
    trained = gaps[gaps["arm"] != "base"]
    parts = []
    for row in trained[(trained["low"] > 0) | (trained["high"] < 0)].itertuples():
        wider = row.low > 0
        ends = [bound(abs(end)) for end in sorted((row.low, row.high), key=abs)]
        parts.append(
            f"the gap of {arms.label(row.arm)} is {abs(hundred(row.beyond))} points "
            f"{'wider' if wider else 'narrower'} ({ends[0]} to {ends[1]})"
        )
    if apart(base["gap_low"], base["gap_high"]):
        more = "knows more than it does" if base["gap"] > 0 else "does more than it knows"
        start = f"Base already {more} (by {abs(hundred(base['gap']))} points)"
    else:
        start = "In base, knowing and doing are not told apart"
    return f"{start}; {listed(parts) if parts else 'no other gap is told apart from that of base'}"


def most(top: pd.DataFrame) -> str:
    """Whether the two arms that know most (`tables.most_knowing`) are told apart."""
    row = top.iloc[0]
    verdict = "" if apart(row["low"], row["high"]) else ", not told apart"
    return (
        f"The two arms that know most: {arms.label(row['a'])} minus {arms.label(row['b'])} "
        f"{points(row['difference'], row['low'], row['high'])}{verdict}"
    )


def each(table: pd.DataFrame, value: str, low: str = "low", high: str = "high") -> str:
    """A value in percentage points per arm: `base +7 (0 to 15) and documents +22 (11 to 32)`."""
    rows = table[["arm", value, low, high]].itertuples(index=False)
    parts = [f"{arms.label(arm)} {points(*numbers)}" for arm, *numbers in rows]
    return listed(part.replace(" points", "") for part in parts) + " points"


def knowing_and_expressing(table: pd.DataFrame) -> str:
    traits = table["trait"].nunique()
    counts = table.assign(more=table["gap_low"] > 0).groupby("arm")["more"].sum()
    if not counts.any():
        return "No trait is known more often than shown, in any arm"
    parts = [f"{arms.label(arm)} {counts[arm]}" for arm in arms.in_order(counts.index)]
    return f"Traits known more often than shown, of {traits}: {listed(parts)}"


def corrected_gaps(gaps: pd.DataFrame) -> str:
    own = gaps.dropna(subset=["corrected"])
    if own.empty:
        return "Without blind labels, doing is not corrected for the judge's errors"
    found = each(own, "corrected", "corrected_low", "corrected_high")
    return f"With doing corrected for the judge's errors, the gap beyond base's is: {found}"


def contrast(row) -> str:
    """One contrast fixed in advance, as a question and its answer."""
    pairs = [name.split(", ") for name in (row.a, row.b)]
    sides = [f"{arms.label(arm)} ({what.replace('_', ' ')})" for arm, what in pairs]
    parts = [f"{points(row.difference, row.low, row.high)} as judged"]
    told = [apart(row.low, row.high)]
    if pd.notna(row.corrected):
        parts.append(f"{points(row.corrected, row.corrected_low, row.corrected_high)} corrected")
        told.append(apart(row.corrected_low, row.corrected_high))
    verdict = (
        "" if all(told) else ", not told apart once corrected" if any(told) else ", not told apart"
    )
    return f"{row.question} {sides[0]} minus {sides[1]}: {', '.join(parts)}{verdict}"


def gap_in_focus(gaps: pd.DataFrame, trait: str) -> str:
    """The gaps beyond base's in the scenarios of one trait."""
    own = gaps[gaps["arm"] != "base"]
    told = own.loc[(own["low"] > 0) | (own["high"] < 0), "arm"]
    found = each(own, "beyond")
    verdict = f"only {named(told)} told apart" if len(told) else "none told apart"
    return f"In scenarios of {trait} alone, the gap beyond base's is: {found}; {verdict}"


def knowing_and_doing(gains, gaps, top, contrasts, in_focus, trait: str) -> list[str]:
    """The summary of formats/06_knowing_and_doing."""
    by = dict(list(gains.groupby("readout")))
    return [
        f"Knowing, gain over base: {each(by['knows'], 'value')}",
        f"Doing, gain over base: {each(by['does'], 'value')}, as judged",
        most(top),
        knows_and_does(gains, gaps),
        gap_over_base(gaps),
        corrected_gaps(gaps),
        gap_in_focus(in_focus, trait),
        *(contrast(row) for row in contrasts.itertuples()),
        *this_seed(gains),
    ]


# 07: persona or format


def by_kind(gain: pd.DataFrame) -> tuple[list[float], list[float]]:
    """The gains of this study on an arm's own kind of text, and on other kinds."""
    table = gain[gain["study"] == "this study"].drop(columns="study").set_index("arm")
    values = table.stack()
    own = [value for (arm, text), value in values.items() if arm == text]
    return own, [value for (arm, text), value in values.items() if arm != text]


def nats(value: float) -> str:
    return f"{value:+.2f}"


def perplexity_matrix(matrix: pd.DataFrame) -> str:
    best = matrix.loc[matrix.groupby("text")["nats"].idxmin()].set_index("text")["arm"]
    own = [text for text, arm in best.items() if text == arm]
    if len(own) == len(best):
        return "Every kind of text is predicted best by the arm that was trained on it"
    return (
        f"{len(own)} of {len(best)} kinds of text are predicted best by the arm that was trained "
        "on them"
    )


def perplexity_gain(gain: pd.DataFrame) -> str:
    own, others = by_kind(gain)
    if not own or not others:
        return "Gain over base in nats per token"
    return (
        f"An arm gains {between(own, nats)} nats per token on its own kind of text, "
        f"and {between(others, nats)} on other kinds"
    )


def persona_specific_gain(table: pd.DataFrame) -> str:
    more = int((table["low"] > 0).sum())
    return (
        f"In {more} of {len(table)} cases an arm gains more on the persona's texts than on the "
        f"control character's (by {between(table['value'], nats)} nats per token)"
    )


def capability_retained(table: pd.DataFrame) -> str:
    base = table[table["arm"] == "base"]
    lower = table[table["high"] < base["low"].max()] if len(base) else table[:0]
    kept = (
        f"{named(lower['arm'])} answer fewer general questions than base"
        if len(lower)
        else f"general questions: {between(table['value'])} right, all intervals overlap base's"
    )
    names = table.rename(columns={"names_itself_low": "l", "names_itself_high": "h"})
    names = names[["arm", "names_itself_value", "l", "h"]].rename(columns={"l": "low", "h": "high"})
    taken = above_base(names)
    identity = f"the persona's name is taken by {named(taken)}" if taken else "none takes its name"
    return capital(f"{kept}; {identity}")


def training_curves(log: pd.DataFrame) -> str:
    held = log.dropna(subset=["heldout_loss"])
    means = held.groupby(["arm", "epoch"])["heldout_loss"].mean().unstack("epoch")
    last = means.ffill(axis=1).iloc[:, -1]
    up = last.index[last > means.min(axis=1) + 0.02]
    parts = [
        f"{arms.label(arm)} {means.loc[arm].iloc[0]:.2f} to {last[arm]:.2f}"
        for arm in arms.in_order(last.index)
    ]
    turn = f"turns up at the end in {named(up)}" if len(up) else "does not turn up"
    return f"Held-out loss {turn}: {', '.join(parts)} nats per token"


def persona_or_format(gain, specific, kept, log) -> list[str]:
    """The summary of formats/07_persona_or_format."""
    return [
        perplexity_gain(gain),
        *([persona_specific_gain(specific)] if len(specific) else []),
        *([capability_retained(kept)] if len(kept) else []),
        training_curves(log),
        *this_seed(kept),
    ]
