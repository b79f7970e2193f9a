"""The generated blocks about PersLLM, made from the committed tables alone (see `readme`)."""

import textwrap

import pandas as pd

from helpers import arms
from helpers.report import contrasts
from helpers.report.page_words import (
    CORRECTED,
    WIDTH,
    bullets,
    markdown_table,
    need,
    points,
    read,
    share,
)
from helpers.report.words import apart, counted, listed, p_value

SEEDS = ("seeds_mean", "seeds_low", "seeds_high")


def contrast(name: str) -> pd.Series:
    return read("persllm", "persllm_contrasts").set_index("contrast").loc[name]


def seeds(row: pd.Series) -> str:
    """How many seeds a contrast rests on."""
    return counted(int(row["seeds"]), "seed")


def resistance() -> str:
    """PersLLM's data against false premises: the readings, with the seeds as units."""
    row = contrast("reasoning_for_resistance")
    return need(
        row["seeds_mean"] > 0 > row["seeds_low"] and row["p_holm"] < contrasts.LEVEL,
        "Trained on reasoned data, the model may put more false premises right than one trained "
        f"on demonstrations: {points(row, *SEEDS)} points as read blind. With the questions as "
        f"units it holds ({points(row, 'difference')}, {p_value(row['p_holm'])}, corrected); "
        f"{seeds(row)} do not settle what other seeds would give.",
    )


def less_acting() -> str:
    row = contrast("reasoning_for_doing")
    return need(
        row["high"] < 0 and row["corrected_high"] < 0,
        "The same model acts the persona less often: "
        f"{points(row, 'difference')} points as judged, "
        f"{points(row, *CORRECTED)} corrected.",
    )


def paragraph() -> str:
    """README's paragraph about PersLLM: its data beside demonstrations, in numbers alone."""
    right, acts = contrast("reasoning_for_resistance"), contrast("reasoning_for_doing")
    text = (
        "The method of [PersLLM](https://arxiv.org/abs/2407.12393) (reasoned answers, false "
        "premises, stages of life, automated DPO) runs through the same chain: `make persllm`. "
        f"Against demonstrations: {points(right, *SEEDS)} points in false premises "
        f"put right (as read, over {seeds(right)}) and {points(acts, *CORRECTED)} in answers that "
        "act the persona (corrected). "
        "[More](docs/persllm.md)."
    )
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def scenarios(study: str = "persllm") -> str:
    """Knowing and doing of every arm of a study of PersLLM's."""
    rates = read(study, "every_arm_rates").set_index(["arm", "measure"])
    rows = [
        [
            arms.label(arm),
            share(rates.loc[(arm, "know")], "rate"),
            share(rates.loc[(arm, "do")], "rate"),
            share(rates.loc[(arm, "do")], *CORRECTED),
        ]
        for arm in arms.in_order(rates.index.get_level_values("arm"))
    ]
    return markdown_table(["arm", "knows (chance 25%)", "does", "does, corrected"], rows)


def questions() -> str:
    """Premises as read blind, likeness by aim, and own stage (the mean over stages) per arm."""
    right = read("persllm", "induction_resistance").query("by == 'as read blind'").set_index("arm")
    scores = read("persllm", "likeness").query("measure == 'score'")
    scores = scores.pivot(index="arm", columns="aim", values="value")
    stages = read("persllm", "own_stage").groupby("arm")["value"].mean()
    rows = [
        [
            arms.label(arm),
            share(right.loc[arm]) if arm in right.index else "–",
            f"{scores.loc[arm, 'knowledge']:.1f}, {scores.loc[arm, 'attitude']:.1f}",
            f"{stages[arm]:.0%}" if arm in stages.index else "–",
        ]
        for arm in arms.in_order(scores.index)
    ]
    return markdown_table(["arm", "premises", "likeness: facts, attitudes", "own stage"], rows)


def second() -> str:
    """Knowing and doing of every arm of the second persona's study."""
    return scenarios("persllm-nell")


def stages() -> str:
    """Whether held-out replies are likeliest at their own stage of life."""
    own = read("persllm", "own_stage")
    own = own[own["arm"].isin(["persllm", "persllm_dpo"])]
    chance = own["chance"].iloc[0]
    means = [f"{value:.0%}" for value in own.groupby("arm", sort=False)["value"].mean()]
    return need(
        ((own["low"] < chance) & (chance < own["high"])).all(),
        f"The stages of life are not seen to be learnt: with persllm and persllm DPO, {means[0]} "
        f"and {means[1]} of held-out replies are likeliest at their own stage, beside "
        f"{chance:.0%} by chance, and no stage is told apart from chance.",
    )


def parts_alone(ablations: pd.DataFrame) -> str:
    """What the ablations show, which have one seed each."""
    off = ablations[[apart(row.low, row.high) for row in ablations.itertuples()]]
    if off.empty:
        return (
            "No part of the method can be seen to matter alone: with one seed each, every interval "
            "of an ablation includes zero."
        )
    which = listed(f"{row.part} ({row.measure})" for row in off.itertuples())
    return (
        f"Of {len(ablations)} differences that leaving out a part makes, with one seed each, "
        f"{len(off)} can be told from zero: {which}. Nothing is corrected for their number."
    )


def findings() -> str:
    parts = read("persllm", "persllm_ablation")
    know = contrast("reasoning_for_knowing")
    doing = contrast("preference_for_doing")
    premises = contrast("preference_for_resistance")
    ablations = parts[parts["arm"].map(arms.is_ablation)]
    return bullets(
        [
            resistance(),
            less_acting(),
            need(
                know["high"] > 0 > know["difference"],
                "It is not ahead of the model trained on documents in knowing: "
                f"{points(know, 'difference')} points.",
            ),
            need(
                doing["low"] < 0 < doing["high"]
                and premises["seeds_low"] < 0 < premises["seeds_high"],
                "DPO changes nothing that these seeds can show. Doing: "
                f"{points(doing, 'difference')} points as judged. Premises put right: "
                f"{points(premises, *SEEDS)} points as read blind.",
            ),
            stages(),
            parts_alone(ablations),
        ]
    )
