"""What the predictions of the explanations of `why` leave open, and what was seen of it."""

import pandas as pd

from helpers import arms, files
from helpers.measure import experiments, margins
from helpers.report import why_doses, why_selection, why_weights
from helpers.report.results import Results, read_table
from helpers.report.words import counted, interval, listed, nats, percent

SEVERAL = "persllm"  # the study that has trained the formats with several seeds


def limits(studies: dict[str, Results]) -> list[str]:
    """What the predictions leave open, with what was seen of it, in sentences."""
    told = []
    if "voice_person_wrapper" in studies:
        told += of_cells(studies["voice_person_wrapper"])
    if (folder := files.DATA / "results" / SEVERAL).is_dir():
        told += of_seeds(read_table(folder, "choices"))
    if "dose" in studies:
        told.append(
            "**More documents.** One of the predictions was that nothing would be seen. A small "
            "effect or a weak experiment would have made it come true as well"
        )
    if "few_demonstrations" in studies:
        told += of_few(why_doses.opened(margins.margins(studies["few_demonstrations"].choices)))
    if "selection" in studies:
        study = studies["selection"]
        told += of_all_units(study)
        told += of_name(why_selection.released(margins.margins(study.choices)))
        if (study.folder / "changed.csv").exists():
            left = why_weights.left(why_weights.with_changes(study))
            left = left.set_index(["arm", "change", "on"])
            told += [of_constant(left), of_reversal(left)]
    return told


def of_seeds(choices: pd.DataFrame) -> list[str]:
    """How much the mean gains of the formats differ between seeds, where several were trained."""
    own = margins.margins(choices)
    own = own[(own["condition"] == "own") & own["measure"].isin([margins.KNOW, margins.DO])]
    own = own[own["arm"].isin(arms.formats())]
    spread = (
        own.groupby(["measure", "arm", "seed"])["gain"].mean().groupby(["measure", "arm"]).std()
    )
    if not spread.notna().any():
        return []
    return [
        f"**One seed.** With other seeds a format's mean gain differs little: in the study "
        f"`{SEVERAL}` (all units, {counted(own['seed'].nunique(), 'seed')}, set a) its standard "
        f"deviation over seeds is {spread.min():.3f} to {spread.max():.3f}. Of the arms here it is "
        "not known"
    ]


def of_cells(study: Results) -> list[str]:
    """What voice, person and wrapper do apart from the contrasts that were predicted."""
    effects = experiments.effects(margins.margins(study.choices)).set_index(["effect", "on"])
    if effects.empty:
        return []
    replies = experiments.effects_on_replies(study.choices).set_index(["effect", "reply"])
    added = {place: interval(row) for place, row in effects.iterrows()}
    turned = {  # the wrapper's effects are of raw text; these are of a chat turn
        on: nats(*-effects.loc[("wrapper", on), ["value", "high", "low"]])
        for on in (margins.KNOW, margins.DO)
    }
    likelier = {reply: interval(replies.loc[("voice", reply)]) for reply in margins.PAIR}
    return [
        "**Voice.** Both predictions rest on one effect, that of the voice on doing; its effect on "
        f"knowing is {added['voice', margins.KNOW]}. The two replies of a pair differ in voice, "
        "and the four options of knowing do not, so that a mere effect of sound would also "
        "appear as a crossover. Neutral prose rather than his voice makes the neutral reply "
        f"likelier by {likelier['neutral']} and the reply in character by "
        f"{likelier['in character']}: either voice may favour its own sound",
        "**Person.** *He* comes with his name, and *I* without. *He* rather than *I* adds "
        f"{added['person', margins.KNOW]} to knowing and {added['person', margins.DO]} to doing. "
        "The effect on knowing, which the explanation is about too, was no prediction",
        "**Wrapper.** A chat turn rather than raw text adds "
        f"{turned[margins.KNOW]} to knowing and {turned[margins.DO]} to doing. Whether the "
        "wrapper counts for more than what a text says was no prediction. Nor was *whatever the "
        "wrapper*, in the explanation by his voice",
    ]


def of_few(opened: pd.DataFrame) -> list[str]:
    """What few demonstrations add to the traits that they do not show, with and without
    documents, since the predictions hold them against documents, or against each other, alone."""
    own = opened[opened["traits"] == "other"].set_index("where")
    if own.empty:
        return []
    told = [interval(own.loc[where]) for where in why_doses.WHERE]
    return [
        "**Few demonstrations.** A voice that is learnt from four traits can serve the other four "
        "without any documents. To acting these, the demonstrations add "
        f"{told[0]} after documents and {told[1]} on top of base. The difference, {told[2]}, is "
        "what documents make of them, and was no prediction"
    ]


def of_all_units(study: Results) -> list[str]:
    """What documents rather than first-person texts do to either reply when all units are there."""
    found = {}
    for reply, own in margins.replies(study.choices).items():
        table = experiments.combined(own, ["documents"], ["first_person"], margins.DO)
        if not table.size:
            return []
        found[reply] = experiments.counted(table)
    told = {reply: nats(own["value"], own["low"], own["high"]) for reply, own in found.items()}
    values = [abs(found[reply]["value"]) for reply in margins.PAIR]
    larger = "reply in character" if values[0] > values[1] else "neutral reply"
    return [
        f"**All units.** In the study `{study.record['settings']['run']}`, with all units, "
        "documents rather than first-person texts make the reply in character likelier by "
        f"{told['in character']} and the neutral one by {told['neutral']}. There the "
        f"{larger} makes the larger part of the difference in doing"
    ]


def of_name(released: pd.DataFrame) -> list[str]:
    """What the name does to acting in each of the two formats whose difference is a contrast."""
    if released.empty:
        return []
    own = released[released["on"] == "do_pair"].set_index("arm")
    each = [f"{interval(own.loc[arm])} in {arm}" for arm in ("documents", "demonstrations")]
    lowers = own.loc["demonstrations", "high"] < 0
    why = (
        "That it adds more to acting in documents than in demonstrations may hold only because it "
        "lowers acting after demonstrations. "
    )
    return [f"**The name.** {why * bool(lowers)}To acting, beyond base, it adds {listed(each)}"]


def of_constant(left: pd.DataFrame) -> str:
    """What a constant keeps, since the prediction was only that it keeps anything."""
    kept = [
        f"{percent(left.loc[(arm, 'shift', on), 'kept'])} of what {arm} gain in {act}"
        for arm, on, act in (
            ("documents", "know", "knowing"),
            ("demonstrations", "do_pair", "doing"),
        )
    ]
    return (
        "**A constant.** The prediction was that anything is left, so a small rest would have "
        f"passed. The constant keeps {listed(kept)}. It is the mean over held-out demonstrations, "
        "for documents too. A gain that is alike under every scenario can be kept by a constant, "
        "however it was learnt: this does not tell steering from another way to learn"
    )


def of_reversal(left: pd.DataFrame) -> str:
    """What the reversed adapters do against base, since the prediction held them against the
    adapters as they are."""
    turned = [
        f"{interval(left.loc[(arm, '-1', on)])} for {arm} in {act}"
        for arm, on, act in (
            ("documents", "know", "knowing"),
            ("demonstrations", "do_pair", "doing"),
        )
    ]
    back, there = (left.loc[("documents", change, "do_pair"), "value"] for change in ("-1", "1"))
    return (
        "**Reversal.** The prediction was that strength 1 is above strength -1. This comes true "
        "also where -1 changes nothing. Against base, -1 is "
        f"{listed(turned)}. Whether it turns the character round or damages the model is not told "
        f"apart: no other texts were scored. Documents add {nats(there)} to doing, and their "
        f"reverse makes it {nats(back)}"
    )
