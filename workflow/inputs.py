"""The files that a study is going to read, all checked before anything runs: what is wrong in a
file of labels would else show itself after hours."""

from pathlib import Path

from chain import all_values, changes_weights, composes
from counts import check_counts
from study import Study, refuse

from helpers.corpus import formats, items, readouts
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import ROOT
from helpers.measure import batches, contrasts, encoder_judge, labels, markers
from helpers.persllm import interlocutor, life_stages, premises, reasoned
from helpers.server import connect


def check_inputs(study: Study) -> None:
    """Raise StudyError for the first file that is wrong, with line, field and remedy, where there
    is a judge without the address of its server, for a number that asks for more than there is, and
    where a study's last chapters would have nothing to read."""
    persona, values = study.persona, all_values(study)
    check_drawn(study, values)
    check_arms_used(study, values)
    if values["judge_model"]:
        connect(60.0, 1)  # says whether address and key can be any, and asks nothing
    card = load_persona(persona)
    if not values["sources"]:
        formats.load_corpora(persona)
        formats.load_units(persona)
    check_control(study, values)
    check_readings(study, trait_ids(card))
    readouts.load_sets(persona, values["sets"])
    labels.load_labels(persona, card)
    encoder_judge.load_labelled_passages(persona, card)
    markers.load_neutral(persona)
    contrasts.load_contrasts()
    contrasts.load_reported(persona)
    if study.has_persllm:
        life_stages.load_stages(persona)
        reasoned.load_examples(persona)
        if not values["general_source"]:
            reasoned.load_general(values["general_prompts"])
        interlocutor.load_scripts(persona, values["turns"])
        items.load_questionnaire()
        premises.load_corrections(persona)
    check_counts(study)


def check_readings(study: Study, traits: list[str]) -> None:
    """Raise StudyError where what readers found in the everyday answers is not there, or wrong."""
    for name in ("readings", "readings_again"):
        for folder in map(Path, study.parameters.get(name, [])):
            if not any((ROOT / folder).glob("batch_*.jsonl")):
                wrong = f"{folder} has no batch_*.jsonl; give the by_<reader> folder of a draw"
                refuse(study, name, wrong)
            batches.collect(ROOT / folder.parent, folder.name.removeprefix("by_"), traits)


def check_control(study: Study, values: dict) -> None:
    """Raise StudyError unless the control character is another one, with texts on the units that
    are held out."""
    if not values["control"]:
        return
    if values["control"] == study.persona:
        wrong = "it is the persona itself; name another, or none (an empty text)"
        refuse(study, "control", wrong)
    others = formats.load_corpora(values["control"])
    if values["sources"] or not readouts.is_scored("heldout", values["measures"]):
        return
    for name, rows in formats.load_corpora(study.persona).items():
        first = formats.first_units(rows, 0, values["heldout_units"])
        formats.same_units(others.get(name, []), first)


def check_drawn(study: Study, values: dict) -> None:
    """Raise StudyError where a study leaves out what its chapters on the formats draw."""
    if composes(study):
        return
    for kind in ("everyday", "do"):
        if not values["samples"].get(kind):
            refuse(study, "samples", f"the chapters on the formats draw '{kind}'; ask it once")
    for measure in ("know", "heldout"):
        if not readouts.is_scored(measure, values["measures"]):
            refuse(study, "measures", f"the chapters on the formats draw '{measure}'; list it")


def check_arms_used(study: Study, values: dict) -> None:
    """Raise StudyError where arms or seeds whose weights are changed, or which talk in the last
    chapter, are not the study's, so that they would be trained beside it."""
    if changes_weights(study):
        check_among(study, "changed_arms", values["changed_arms"], study.arms)
        check_among(study, "other_seed", [values["other_seed"]], study.seeds)
    if study.has_persllm and values["other_run"]:
        for name in ("first_arm", "chat_arm"):
            check_among(study, name, [values[name]], study.arms)


def check_among(study: Study, name: str, wanted: list, own: list) -> None:
    if odd := [one for one in wanted if one not in own]:
        listed = ", ".join(map(str, own))
        refuse(study, name, f"{odd[0]!r} is none of the study's, which are {listed}")
