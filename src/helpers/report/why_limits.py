"""What the predictions of the explanations of `why` leave open, and what was seen of it."""

import pandas as pd

from helpers import arms, files
from helpers.measure import experiments, margins
from helpers.report import why, why_doses, why_selection, why_weights
from helpers.report.results import Results, read_table
from helpers.report.words import between, counted, interval, listed, nats, percent, side

ACTS = (margins.KNOW, margins.DO)
SEVERAL = "persllm"  # the study that has trained the formats with several seeds


def limits(studies: dict[str, Results]) -> list[str]:
    """What the predictions leave open, with what was seen of it, in sentences."""
    told = []
    cells = studies.get("voice_person_wrapper")
    if cells:
        told += of_cells(cells)
    if (folder := files.DATA / "results" / SEVERAL).is_dir():
        told += of_seeds(read_table(folder, "choices"), cells)
    if "dose" in studies:
        told += of_more(why.contrasts(margins.margins(studies["dose"].choices), "dose"))
    if "few_demonstrations" in studies:
        told += of_few(margins.margins(studies["few_demonstrations"].choices))
    if "selection" in studies:
        study = studies["selection"]
        told += of_all_units(study, cells)
        told += of_name(why_selection.released(margins.margins(study.choices)))
        if (study.folder / "changed.csv").exists():
            left = why_weights.left(why_weights.with_changes(study))
            left = left.set_index(["arm", "change", "on"])
            told += [of_constant(left), of_reversal(left)]
    return told


def of_seeds(choices: pd.DataFrame, cells: Results | None) -> list[str]:
    """How much the mean gains of the formats, and of the eight cells, differ between seeds, where
    several were trained."""
    own = margins.margins(choices)
    formats = spread(own, arms.formats())
    if formats is None:
        return []
    told = (
        f"**Few seeds.** With other seeds a format's mean gain differs little: in the study "
        f"`{SEVERAL}` (all units, {counted(own['seed'].nunique(), 'seed')}, set a) its standard "
        f"deviation over seeds is {formats}"
    )
    if cells and (found := spread(margins.margins(cells.choices), list(arms.CELLS))):
        seeds = counted(cells.choices["seed"].nunique(), "seed")
        told += f". That of the gain of a cell, over {seeds}, is {found}"
    return [told]


def spread(gained: pd.DataFrame, names: list[str]) -> str | None:
    """From what to what the standard deviation over seeds of the arms' mean gains in knowing and
    doing reaches; None where there is one seed."""
    own = gained[(gained["condition"] == "own") & gained["arm"].isin(names)]
    own = own[own["measure"].isin(ACTS)]
    means = own.groupby(["measure", "arm", "seed"])["gain"].mean()
    found = means.groupby(["measure", "arm"]).std()
    return between(found, "{:.3f}".format) if found.notna().any() else None


def of_more(contrasts: pd.DataFrame) -> list[str]:
    """What became of the prediction that more documents teach no more to know."""
    found = contrasts.set_index("contrast")
    if not {"more_documents_more_knowing", "more_documents_more_doing"} <= set(found.index):
        return []
    know, do = (found.loc[f"more_documents_more_{act}"] for act in ("knowing", "doing"))
    told = "**More documents.** One of the predictions was that nothing would be seen in knowing. "
    if know["verdict"] == "open":
        told += "A small effect or a weak experiment would have made it come true as well"
    else:
        told += (
            f"It did not come true: more documents add {interval(know)} to knowing, and "
            f"{interval(do)} to doing. By the rule, which knows no opposite of *nothing seen*, "
            "this leaves the explanation open and does not make it fall"
        )
    return [told]


def of_cells(study: Results) -> list[str]:
    """What voice, person and wrapper do apart from the contrasts that were predicted."""
    effects = experiments.effects(margins.margins(study.choices)).set_index(["effect", "on"])
    if effects.empty:
        return []
    replies = experiments.effects_on_replies(study.choices).set_index(["effect", "reply"])
    added = {place: interval(row) for place, row in effects.iterrows()}
    turned = {  # the wrapper's effects are of raw text; these are of a chat turn
        on: nats(*-effects.loc[("wrapper", on), ["value", "high", "low"]]) for on in ACTS
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
        *of_scales(effects),
    ]


def of_scales(effects: pd.DataFrame) -> list[str]:
    """The factors that move knowing and doing the same way, whose crossover depends on how much of
    the one is held against how much of the other."""
    sides = {
        factor: [side(*effects.loc[(factor, on), ["low", "high"]]) for on in ACTS]
        for factor in experiments.FACTORS
    }
    alike = [factor for factor, (know, do) in sides.items() if know == do != 0]
    if not alike:
        return []
    return [
        "**Scales.** The crossover holds one nat of knowing against one of doing, though they are "
        f"measured on different texts. The "
        f"following move both the same way: {listed(alike)}. Such a factor has no crossover at one "
        "weight of doing, and has one at others"
    ]


def of_few(gained: pd.DataFrame) -> list[str]:
    """What few demonstrations add by themselves, with and without documents, and to which traits,
    since the predictions hold them against documents, or against each other, alone."""
    opened = why_doses.opened(gained)
    own = opened[opened["traits"] == "other"].set_index("where")
    if own.empty:
        return []
    told = [interval(own.loc[where]) for where in why_doses.WHERE]
    most, fewer = arms.FEW[-1], arms.FEW[-2]
    traits = why_doses.by_trait(gained, ["documents", f"documents_few_{most}"])
    traits = traits[~traits["shown"]].set_index("trait")
    each = traits[f"documents_few_{most}"] - traits["documents"]
    by_trait = listed(f"{nats(value)} ({trait})" for trait, value in each.items())
    after = experiments.combined(gained, [f"documents_few_{fewer}"], ["documents"], margins.DO)
    alone = experiments.combined(gained, [f"few_{fewer}"], [], margins.DO)
    adds = [nats(experiments.counted(table)["value"]) for table in (after, alone)]
    return [
        "**Few demonstrations.** A voice that is learnt from four traits can serve the other four "
        "without any documents. To acting these, the demonstrations add "
        f"{told[0]} after documents and {told[1]} on top of base. The difference, {told[2]}, is "
        "what documents make of them, and was no prediction. After documents they add, trait by "
        f"trait, {by_trait}. The tests are over scenarios, not over traits",
        "**What documents bring along.** A model that has learnt documents first acts him before "
        f"it sees a demonstration. In the contrast of {fewer} demonstrations this counts too. By "
        f"themselves, they add {adds[0]} after documents and {adds[1]} on top of base (all traits)",
    ]


def of_all_units(study: Results, cells: Results | None) -> list[str]:
    """What documents rather than first-person texts do to either reply when all units are there,
    and in the cells."""
    whole = documents_on_replies(study)
    if not whole:
        return []
    values = [abs(whole[reply]["value"]) for reply in margins.PAIR]
    larger = "reply in character" if values[0] > values[1] else "neutral reply"
    told = (
        f"**All units.** In the study `{study.record['settings']['run']}`, with all units, "
        f"documents rather than first-person texts make {on_either(whole)}. There the {larger} "
        "makes the larger part of the difference in doing"
    )
    if not (part := documents_on_replies(cells) if cells else {}):
        return [told]
    units = cells.record["prepared"]["corpus"]["settings"]["train_units"]
    return [f"{told}. With {units} units, in the cells, they make {on_either(part)}"]


def documents_on_replies(study: Results) -> dict[str, dict]:
    """By how much likelier documents rather than first-person texts make either reply; {} where an
    arm is missing."""
    tables = {
        reply: experiments.combined(own, ["documents"], ["first_person"], margins.DO)
        for reply, own in margins.replies(study.choices).items()
    }
    found = {reply: experiments.counted(table) for reply, table in tables.items() if table.size}
    return found if len(found) == len(tables) else {}


def on_either(found: dict[str, dict]) -> str:
    told = {reply: nats(row["value"], row["low"], row["high"]) for reply, row in found.items()}
    return (
        f"the reply in character likelier by {told['in character']} and the neutral one by "
        f"{told['neutral']}"
    )


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
        f"{arm} {percent(left.loc[(arm, 'shift', 'know'), 'kept'])} in knowing and "
        f"{percent(left.loc[(arm, 'shift', 'do_pair'), 'kept'])} in doing"
        for arm in ("documents", "demonstrations")
    ]
    return (
        "**A constant.** The prediction was that anything is left, so a small rest would have "
        "passed. The gain with the constant, as a share of that with the adapter, is for "
        f"{'; for '.join(kept)}. This is a ratio of two mean gains: nothing shows that both are "
        "gained in the same scenarios. The constant is the mean over held-out demonstrations, for "
        "documents too. A gain that is alike under every scenario can be kept by a constant, "
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
