"""What the tables of the PersLLM chapters say: a figure's title, and a chapter's summary.

Every function takes the tables of `helpers.report.persllm_tables` and returns a sentence (a title)
or a list of sentences (a summary); all numbers in them are computed.
"""

import numpy as np
import pandas as pd

from helpers import arms
from helpers.measure.triplets import is_judged
from helpers.report.persllm_tables import WHOLE
from helpers.report.words import (
    above_base,
    apart,
    between,
    capital,
    counted,
    hundred,
    leaders,
    listed,
    percent,
    points,
)

MEASURES = {"know": "knows", "do": "does", "resist": "puts premises right"}
OFTEN = {"know": "knows the reaction", "do": "shows the trait"}  # before "more often than"
LAST = 5  # steps of DPO that count as its end


def called(names) -> str:
    """Labels of arms in a sentence, those of ablations in quotes: `persllm and "no mixing"`."""
    label = {name: arms.label(name) for name in arms.in_order(names)}
    return listed(f'"{text}"' if arms.is_ablation(name) else text for name, text in label.items())


def within(row) -> str:
    """A share with its interval: `10 % (4 % to 20 %)`."""
    return f"{percent(row.value)} ({percent(row.low)} to {percent(row.high)})"


def said(*sentences: str) -> list[str]:
    """The sentences that say something."""
    return [sentence for sentence in sentences if sentence]


def shift(value: float, low: float, high: float) -> str:
    """A difference in points with its interval; `unknown` where it could not be had."""
    return "unknown" if pd.isna(value) else points(value, low, high)


def one_seed(table: pd.DataFrame) -> str:
    """The sentence that names the arms of a table with a single seed; empty where there are
    none."""
    single = table.groupby("arm")["seeds"].max()
    single = single.index[single == 1]
    if not len(single):
        return ""
    return f"Of one seed, so that intervals are about this seed and no other: {called(single)}."


# Stages of life

ASKED = {"question": "its own stage", "outside": "another stage"}


def own_stage(table: pd.DataFrame) -> str:
    above = table[table["low"] > table["chance"]]
    if above.empty:
        return "A reply's own stage of life is not seen to be likeliest more often than by chance"
    return (
        f"A reply's own stage of life is likeliest more often than by chance in {len(above)} of "
        f"{len(table)} cases"
    )


def leaks(table: pd.DataFrame) -> str:
    found = table.dropna(subset=["value"])
    if found.empty:
        return "No answer could be checked for what its stage of life cannot know"
    most = found.loc[found["value"].idxmax()]
    return (
        "The highest share of answers that mention what their stage of life cannot know is "
        f"{percent(most['value'])} ({arms.label(most['arm'])}, asked about {ASKED[most['kind']]})"
    )


def distinctness(told: pd.DataFrame) -> str:
    """`told` is `told_apart`, of the arms that are drawn."""
    names = {"between stages": "stages of life", "between personas": "the two personas"}
    found = []
    for comparison, what in names.items():
        own = told[told["comparison"] == comparison].dropna(subset=["high"])
        by = own.loc[own["high"] < 0, "arm"]
        if len(own):
            found.append(
                f"{what} are {f'told apart by {called(by)}' if len(by) else 'not told apart'}"
            )
    return capital("; ".join(found)) or "No two answers to one prompt could be compared"


def stages(stage: pd.DataFrame, leaked: pd.DataFrame, told: pd.DataFrame) -> list[str]:
    """The summary of the chapter on stages of life, all arms."""
    sums = stage.groupby("arm")[["successes", "n"]].sum()
    shares = sums["successes"] / sums["n"]
    each = [f"{called([name])} {percent(shares[name])}" for name in arms.in_order(shares.index)]
    seeds = told.groupby("comparison")["seeds"].max()
    seeds = listed(f"{counted(n, 'seed')} {comparison}" for comparison, n in seeds.items())
    outside = leaked[leaked["kind"] == "outside"].set_index("arm")
    outside = outside.loc[arms.in_order(set(outside.index) & {"base", WHOLE, "persllm_dpo"})]
    asked = [f"{arms.label(row.Index)} {within(row)}" for row in outside.itertuples()]
    return said(
        f"{own_stage(stage)} (chance {percent(stage['chance'].iloc[0])}): {listed(each)}.",
        f"Asked about another stage, answers leak in this share: {listed(asked)}." if asked else "",
        f"{distinctness(told)} (BLEU on the same prompts; {seeds}).",
        one_seed(stage),
    )


# False premises


def premises(table: pd.DataFrame) -> str:
    found = table.dropna(subset=["value"])
    if found.empty:
        return "No answer to a false premise could be scored"
    first, shares = called([found.loc[found["value"].idxmax(), "arm"]]), between(found["value"])
    apart = len(leaders(found, "value")) == 1
    most = f"most by {first}" if apart else f"the highest share is that of {first}"
    return f"{shares} of false premises are put right, {found['by'].iloc[0]}; {most}"


def premises_by_stage(table: pd.DataFrame) -> str:
    alike = table[table["questions"] == "default stage"].dropna(subset=["value"])
    if alike.empty:
        return "No question of the default stage, where all arms are asked alike, was answered"
    first = leaders(alike, "value")
    by = alike["by"].iloc[0]
    if len(first) == len(alike):
        return (
            f"Where all arms are asked alike (default stage), {between(alike['value'])} of false "
            f"premises are put right ({by}), and the arms' intervals overlap"
        )
    highest = "share is that" if len(first) == 1 else "shares are those"
    shares = between(alike.set_index("arm")["value"][first])
    return (
        "Where all arms are asked alike (default stage), the highest "
        f"{highest} of {called(first)}: {shares} of false premises put right ({by})"
    )


def premises_summary(table: pd.DataFrame, compared: pd.DataFrame) -> list[str]:
    """The summary of the chapter on false premises; `compared` is `contrasts`."""
    found = table.dropna(subset=["value"])
    best = [within(found.loc[found["value"].idxmax()])] if len(found) else []
    return said(
        f"{': '.join([premises(table), *best])}.",
        *[resistance(row) for row in compared.itertuples()],
        one_seed(table),
    )


def resistance(row) -> str:
    """A contrast of resistance in words, over the answers and with the seeds as units; empty for
    other contrasts, and where not all was read."""
    if not row.a.endswith("resist") or pd.isna(row.corrected):
        return ""
    a, b = (arms.label(side.partition(",")[0]) for side in (row.a, row.b))
    read = shift(row.corrected, row.corrected_low, row.corrected_high)
    seeds = shift(row.seeds_mean, row.seeds_low, row.seeds_high)
    return (
        f"Premises put right, {a} minus {b}: {read} as read blind. With "
        f"{counted(row.seeds, 'seed')} as units: {seeds}."
    )


# Likeness and questionnaire


def likeness(table: pd.DataFrame) -> str:
    scores = table[table["measure"] == "score"]
    each = [above_base(own) for _, own in scores.groupby("aim")]
    nearer = [arm for arm in each[0] if all(arm in names for names in each)]
    means = scores.groupby("arm")["value"].mean()
    if not nearer:
        return "No arm is seen to come nearer to the persona's own answers than base does"
    return (
        f"Nearer to the persona's own answers than base: {called(nearer)} "
        f"({between(means[nearer], of_five)} of 5, base {of_five(means['base'])})"
    )


def of_five(score: float) -> str:
    return f"{score:.1f}"


def questionnaire(table: pd.DataFrame) -> str:
    others = table[table["arm"] != "base"]
    off = others[(others["minus_base_low"] > 0) | (others["minus_base_high"] < 0)]
    if off.empty:
        return f"No arm is seen to describe itself otherwise than base ({len(others)} comparisons)"
    widest = off["minus_base"].abs().max()
    return (
        f"In {len(others) - len(off)} of {len(others)} cases no difference from base is seen; in "
        f"{len(off)} an arm describes itself otherwise, by {widest:.1f} points at most"
    )


def likeness_summary(table: pd.DataFrame, replies: pd.DataFrame) -> list[str]:
    scores = table[table["measure"] == "score"]
    spans = [f"{aim} {between(own['value'], of_five)}" for aim, own in scores.groupby("aim")]
    return said(
        f"{likeness(table)}. Over all arms, by aim of the question: {listed(spans)}.",
        f"{questionnaire(replies)}. Nothing is corrected for their number, so that one in twenty "
        "differs by chance.",
        one_seed(table[table["measure"] == "score"]),
    )


# Long conversations


def wearing_off(table: pd.DataFrame) -> str:
    """`table` is `wearing_off`, of the arms that are drawn."""
    less, more = table[table["high"] < 0], table[table["low"] > 0]
    half = "the second half of a conversation"
    text = f"No clear fall of the persona in {half}"
    if len(less):
        text = f"In {half} {changed(less, 'less')} of the persona"
    return f"{text}; {changed(more, 'more')}" if len(more) else text


def changed(table: pd.DataFrame, how: str) -> str:
    return f"{called(table['arm'])} {'shows' if len(table) == 1 else 'show'} {how}"


def repetitive(table: pd.DataFrame) -> str:
    talk = table[(table["where"] == "conversations") & (table["repetitive"] > 0)]
    if talk.empty:
        return "In long conversations no reply repeats itself"
    talk = talk.nlargest(3, "repetitive")
    shares = [f"{percent(row.repetitive)} of {arms.label(row.arm)}'s" for row in talk.itertuples()]
    return f"In long conversations {listed(shares)} replies repeat themselves"


def wearing_summary(halves: pd.DataFrame, replies: pd.DataFrame) -> list[str]:
    talk = replies[replies["where"] == "conversations"]
    none = talk[talk["repetitive"] == 0]
    still = f" None of the replies of {called(none['arm'])} does." if len(none) else ""
    silent = talk[talk["wordless"] > 0]
    words = f"some of {called(silent['arm'])}" if len(silent) else "none"
    return said(
        f"{wearing_off(halves)}.",
        f"{repetitive(replies)}.{still} Replies without words: {words}.",
        f"{counted(int(halves['items'].max()), 'script')}, "
        f"{counted(int(halves['seeds'].max()), 'seed')}: the intervals are over scripts, and say "
        "nothing about other seeds.",
    )


# Parts of the method


def parts(table: pd.DataFrame) -> str:
    off = [row for row in table.itertuples() if apart(row.low, row.high)]
    if not off:
        ablated = any(map(arms.is_ablation, table["arm"]))
        what = "No part of the method can" if ablated else "DPO cannot"
        return f"{what} be seen to matter: none of {len(table)} differences leaves out zero"
    which = listed(
        f"{row.part} ({row.measure}, {'more' if row.value > 0 else 'less'} with it)" for row in off
    )
    verb = "leaves" if len(off) == 1 else "leave"
    return f"{len(off)} of {counted(len(table), 'difference')} {verb} out zero: {which}"


def contrast(row) -> str:
    """The two sides of a contrast, as a label of two lines: `persllm - demonstrations`, `does`."""
    (a, measure), (b, _) = (side.split(", ") for side in (row.a, row.b))
    return f"{arms.label(a)} - {arms.label(b)}:\n{MEASURES.get(measure, measure)}"


def judged(table: pd.DataFrame) -> pd.Series:
    """Which contrasts are of answers: what is scored by likelihood nobody judges or corrects."""
    return table["a"].str.split(", ").str[1].map(is_judged).astype(bool)


def all_read(table: pd.DataFrame) -> pd.Series:
    """Which contrasts are of answers that were all read, so that the reading is what was counted
    and no judgement stands beside it."""
    ends = table[["low", "high"]].to_numpy(float)
    read = table[["corrected_low", "corrected_high"]].to_numpy(float)
    return judged(table) & np.isclose(ends, read).all(axis=1)


def as_known(table: pd.DataFrame) -> pd.DataFrame:
    """The contrasts with difference, low and high as read or corrected, where answers were judged
    and some were read, else as judged or scored."""
    known = judged(table) & table["corrected"].notna()
    pairs = {"difference": "corrected", "low": "corrected_low", "high": "corrected_high"}
    return table.assign(**{own: table[own].mask(known, table[by]) for own, by in pairs.items()})


def contrasts(table: pd.DataFrame) -> str:
    """Which contrasts leave out zero (`as_known`), and how many of them with the seeds as units."""
    own = as_known(table)
    off = own[(own["low"] > 0) | (own["high"] < 0)]
    answered = table[judged(table)]
    none_read = len(answered) and answered["corrected"].isna().all()
    unread = "; no answer was read" if none_read else ""
    if off.empty:
        return f"No contrast is told apart from zero{unread}"
    told = listed(leading(row) for row in off.itertuples())
    seeds = sum(apart(row.seeds_low, row.seeds_high) for row in off.itertuples())
    also = f" ({seeds} with the seeds as units, too)" if off["seeds_low"].notna().any() else ""
    leave = "leaves" if len(off) == 1 else "leave"
    return f"{len(off)} of {counted(len(own), 'contrast')} {leave} out zero{also}: {told}{unread}"


def leading(row) -> str:
    """A contrast in a title: `persllm puts premises right more often than base (+10 points)`."""
    (a, measure), (b, _) = (side.split(", ") for side in (row.a, row.b))
    what = OFTEN.get(measure) or MEASURES.get(measure, measure)
    often = f"{'more' if row.difference > 0 else 'less'} often than {arms.label(b)}"
    return f"{arms.label(a)} {what} {often} ({hundred(row.difference):+d} points)"


def preferences(log: pd.DataFrame) -> str:
    """Empty without a log."""
    if log.empty:
        return ""
    ends = log.groupby(["arm", "seed"])["step"].transform("max")
    last = log[log["step"] > ends - LAST]
    share, margin = percent(last["accuracy"].mean()), last["margin"].mean()
    return (
        f"At the end of DPO the chosen answer is preferred in {share} of the pairs it trained on, "
        f"by {margin:.1f} nats of reward"
    )


def parts_summary(table: pd.DataFrame, compared: pd.DataFrame, log: pd.DataFrame) -> list[str]:
    return said(
        f"{parts(table)}.",
        *[resistance(row) or difference(row) for row in compared.itertuples()],
        preferences(log),
        one_seed(table),
    )


def difference(row) -> str:
    """A contrast in words: as judged, and as corrected by blind labels."""
    (a, measure), (b, _) = (side.split(", ") for side in (row.a, row.b))
    names = {"know": "knowing", "do": "doing", "resist": "premises put right"}
    what = f"{names.get(measure, measure)}, {arms.label(a)} minus {arms.label(b)}"
    found = shift(row.difference, row.low, row.high)
    if not is_judged(measure):
        return f"{what}: {found} as scored."
    corrected = shift(row.corrected, row.corrected_low, row.corrected_high)
    known = f"{corrected} corrected by blind labels" if pd.notna(row.corrected) else "none was read"
    return f"{what}: {found} as judged; {known}."
