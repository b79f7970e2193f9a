"""The files that a study is going to read, all checked before anything runs: what is wrong in a
file of labels would else show itself after hours."""

from chain import all_values
from counts import check_counts
from study import Study

from helpers.corpus import formats, items, readouts
from helpers.corpus.personas import load_persona
from helpers.measure import contrasts, encoder_judge, labels, markers
from helpers.persllm import interlocutor, life_stages, premises, reasoned
from helpers.server import connect


def check_inputs(study: Study) -> None:
    """Raise StudyError for the first file that is wrong, with line, field and remedy, where there
    is a judge without the address of its server, and for a number that asks for more than there
    is."""
    persona, values = study.persona, all_values(study)
    if values["judge_model"]:
        connect(60.0, 1)  # says whether address and key can be any, and asks nothing
    card = load_persona(persona)
    if not values["sources"]:
        formats.load_corpora(persona)
        formats.load_units(persona)
    if values["control"]:
        formats.load_corpora(values["control"])
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
