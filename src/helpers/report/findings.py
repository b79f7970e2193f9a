"""What the numbers of the formats chapters say: the titles of figures, and the chapters' summaries.

Every function takes frames of `report.tables` and returns a sentence, or a list of sentences (a
summary). A sentence calls two numbers different only where intervals say so.
"""

import pandas as pd

from helpers import arms
from helpers.report.words import apart, listed, percent, points


def named(names) -> str:
    """Labels of arms, in the order of the table of arms: `base, prompted and documents`."""
    return listed(arms.label(name) for name in arms.in_order(names))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def bullets(sentences: list[str]) -> str:
    """Sentences as a Markdown list."""
    return "\n".join(f"- {capital(text)}{'' if text.endswith('.') else '.'}" for text in sentences)


def leaders(table: pd.DataFrame, value: str = "rate") -> list[str]:
    """The arms that are not told apart from the one with the highest `value`: their intervals
    (low, high) reach its own."""
    top = table.loc[table[value].idxmax()]
    return arms.in_order(
        table.loc[(table["high"] >= top["low"]) | (table.index == top.name), "arm"]
    )


def above_base(table: pd.DataFrame) -> list[str]:
    """The arms whose interval (low, high) is above the one of `base`; [] without `base`."""
    floor = table.loc[table["arm"] == "base", "high"]
    return arms.in_order(table.loc[table["low"] > floor.max(), "arm"]) if len(floor) else []


def between(values, form=percent) -> str:
    """`35 % to 41 %`, or one number where both ends read alike."""
    ends = [form(min(values)), form(max(values))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


# 05: expression


def expression_rate(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["rate"])
    first = leaders(own)
    shares = own.set_index("arm")["rate"]
    if len(first) == len(own):
        return f"{capital(trait)}: no arm is told apart ({between(shares)} of answers)"
    tied = ", not told apart" if len(first) > 1 else ""
    base = f"; base {percent(shares['base'])}" if "base" in shares.index.difference(first) else ""
    return (
        f"{capital(trait)} is shown most by {named(first)} "
        f"({between(shares[first])} of answers{tied}{base})"
    )


def expression_corrected(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["corrected"])
    if own.empty:
        return f"The labels do not allow to correct the rates of {trait} for the judge's errors"
    parts = [
        f"{arms.label(row.arm)} {percent(row.corrected)} "
        f"({percent(row.corrected_low)} to {percent(row.corrected_high)})"
        for row in own.itertuples()
    ]
    return f"Corrected for the judge's errors, {trait} stands at: {listed(parts)}"


def expression_differences(table: pd.DataFrame) -> str:
    traits = table["trait"].nunique()
    over = table[table["contrast"].str.endswith(" - base")]
    counts = over.assign(more=over["low"] > 0).groupby("contrast", sort=False)["more"].sum()
    if not counts.any():
        return "No arm shows any trait more often than base"
    parts = [
        f"{arms.label(contrast.removesuffix(' - base'))} in {n}" for contrast, n in counts.items()
    ]
    return f"More often than base, of {traits} traits: {listed(parts)}"


def generalisation(table: pd.DataFrame) -> str:
    where = {"neutral": "on neutral prompts", "should_not_show": "where it should not show"}
    groups: dict[str, list[str]] = {}
    for place, words in where.items():
        own = table[table["place"] == place]
        if len(own):
            groups.setdefault(named(above_base(own)), []).append(words)
    parts = [
        f"{who} {'show' if ' and ' in who else 'shows'} the persona more than base "
        f"{' and '.join(places)}"
        if who
        else f"{' and '.join(places)} no arm shows the persona more than base"
        for who, places in groups.items()
    ]
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
    ]


# 06: knowing and doing


def against(arm: str, gains: pd.DataFrame) -> str:
    """`+22 against +4 points over base`: an arm's gain in knowing against that in doing."""
    own = gains[gains["arm"] == arm].set_index("readout")["value"]
    return f"{100 * own['knows']:+.0f} against {100 * own['does']:+.0f} points over base"


def knows_and_does(gains: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """What the gains over base (`tables.knows_and_does`) say, with the intervals of their
    difference (`tables.gap_over_base`)."""
    known = gaps.loc[gaps["low"] > 0, "arm"]
    done = gaps.loc[gaps["high"] < 0, "arm"]
    parts = [
        f"{arms.label(a)} gain more in knowing than in doing ({against(a, gains)})" for a in known
    ]
    parts += [
        f"{arms.label(a)} gain more in doing than in knowing ({against(a, gains)})" for a in done
    ]
    others = gains["arm"].nunique() - len(parts)
    if not parts:
        return "In no arm are the gains in knowing and in doing told apart"
    rest = "; in the other arms the two are not told apart" if others > 1 else ""
    return capital("; ".join(parts)) + rest


def gap_over_base(gaps: pd.DataFrame) -> str:
    base = gaps.set_index("arm").loc["base"]
    trained = gaps[gaps["arm"] != "base"]
    parts = []
    for word, own in (
        ("wider", trained[trained["low"] > 0]),
        ("narrower", trained[trained["high"] < 0]),
    ):
        parts += [
            f"that of {arms.label(row.arm)} is {word} by "
            f"{100 * abs(row.beyond):.0f} points ({span(row, word)})"
            for row in own.itertuples()
        ]
    if apart(base["gap_low"], base["gap_high"]):
        more = "knows more than it does" if base["gap"] > 0 else "does more than it knows"
        start = f"Base itself {more} ({points(base['gap'], base['gap_low'], base['gap_high'])})"
    else:
        start = "Base itself knows about as much as it does"
    return f"{start}; {listed(parts) if parts else 'no arm is told apart from it'}"


def span(row, word: str) -> str:
    """The interval of `beyond` as a length: `7 to 30`."""
    ends = (row.low, row.high) if word == "wider" else (-row.high, -row.low)
    return " to ".join(f"{100 * end:.0f}" for end in ends)


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
    parts = [
        f"{arms.label(row.arm)} {points(row.corrected, row.corrected_low, row.corrected_high)}"
        for row in own.itertuples()
    ]
    return f"With doing corrected for the judge's errors, the gap beyond base's is: {listed(parts)}"


def contrast(row) -> str:
    """One contrast fixed in advance, as a question and its answer."""
    judged = points(row.difference, row.low, row.high)
    verdict = "" if apart(row.low, row.high) else ", not told apart"
    corrected = getattr(row, "corrected", float("nan"))
    if pd.notna(corrected):
        verdict += f"; corrected {points(corrected, row.corrected_low, row.corrected_high)}"
        if not apart(row.corrected_low, row.corrected_high):
            verdict += ", not told apart"
    return f"{row.question} {row.a} minus {row.b}: {judged} as judged{verdict}".replace("_", " ")


def knowing_and_doing(gains, gaps, contrasts, known, trait: str) -> list[str]:
    """The summary of formats/06_knowing_and_doing."""
    own = known[known["trait"] == trait]
    wider = own.loc[own["gap_low"] > 0, "arm"]
    focus = f"known more often than shown in {named(wider)}" if len(wider) else "not told apart"
    return [
        knows_and_does(gains, gaps),
        gap_over_base(gaps),
        corrected_gaps(gaps),
        f"{trait}, the trait in focus, is {focus}"
        + (" alone; few scenarios, wide intervals" if len(wider) == 1 else "; few scenarios"),
        *(contrast(row) for row in contrasts.itertuples()),
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
        else "no arm is told apart from base in general questions"
    )
    names = table.rename(columns={"names_itself_low": "l", "names_itself_high": "h"})
    names = names[["arm", "names_itself_value", "l", "h"]].rename(columns={"l": "low", "h": "high"})
    taken = above_base(names)
    identity = f"only {named(taken)} took the persona's name" if taken else "none took its name"
    return capital(f"{kept}; {identity}")


def training_curves(log: pd.DataFrame) -> str:
    held = log.dropna(subset=["heldout_loss"])
    means = held.groupby(["arm", "epoch"])["heldout_loss"].mean().unstack("epoch")
    last = means.ffill(axis=1).iloc[:, -1]
    up = last.index[last > means.min(axis=1) + 0.02]
    ends = f"from {between(means.iloc[:, 0], '{:.1f}'.format)} to {between(last, '{:.1f}'.format)}"
    turn = f"and turns up at the end in {named(up)}" if len(up) else "and does not turn up"
    return f"Held-out loss falls {ends} nats per token {turn}"


def persona_or_format(gain, specific, kept, log) -> list[str]:
    """The summary of formats/07_persona_or_format."""
    return [
        perplexity_gain(gain),
        *([persona_specific_gain(specific)] if len(specific) else []),
        *([capability_retained(kept)] if len(kept) else []),
        training_curves(log),
    ]
