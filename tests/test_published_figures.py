"""The numbers behind published figures, of which the pages are made, are those that the committed
results give, in every study that has the figure."""

import re
from functools import cached_property, lru_cache

import chain
import pandas as pd
import pytest
import redraw
import study as studies

from helpers import arms, files
from helpers.corpus import kinds
from helpers.measure import experiments, margins
from helpers.report import (
    answers,
    contrasts,
    drawing,
    expression,
    knowing_and_doing,
    persllm_tables,
    positive_control,
    reading,
    readouts,
    results,
    shares,
    size,
    why,
    why_cells,
    why_doses,
    why_selection,
    why_weights,
)

STUDIES = [study.name for study in redraw.published_studies()]


class Published:
    """A published study, with what several of its figures are made from."""

    def __init__(self, name):
        self.own = studies.load_study(name)
        self.values = chain.all_values(self.own)

    @cached_property
    def results(self):
        return results.load(self.own.results, self.own.persona, self.values["control"])

    @cached_property
    def of_set_b(self):
        """As the experiments are loaded, which judge nothing."""
        return why.load(self.own.results, self.own.persona)

    @cached_property
    def shown(self):
        return self.results.present(self.own.shown)

    @cached_property
    def scored(self):
        return knowing_and_doing.scored(self.results, self.shown)

    @cached_property
    def live(self):
        return expression.do_answers(self.results, self.shown)

    @cached_property
    def shares(self):
        """What was measured, as judged and as read, of the arms that are shown."""
        labelled = answers.labelled_triplets(self.results, self.shown)
        return shares.measured(self.results, self.shown), labelled, self.shown

    @cached_property
    def gained(self):
        return margins.margins(self.of_set_b.choices)

    @cached_property
    def changed(self):
        return why_weights.with_changes(self.of_set_b)

    @cached_property
    def left(self):
        return why_weights.left(self.changed)

    @cached_property
    def sizes(self):
        every = size.load_all(self.values["smaller_results"], self.results)
        return every, size.arms_of(every)


opened = lru_cache(maxsize=1)(Published)  # the figures come study by study


def know_and_do(one):
    gains = knowing_and_doing.know_and_do(one.scored)
    crossings = knowing_and_doing.crossovers(one.scored, one.results.traits)
    both = pd.concat([gains, crossings.assign(measure="crossover")])
    return both[both["set"] == knowing_and_doing.confirming(gains)]


def as_read(one):
    shown = reading.as_read(one.results, one.live)
    return pd.concat([shown, reading.coherence(one.results, one.shown)])


def fixed(one):
    tables = contrasts.tables_of(one.results, one.shown)
    return contrasts.contrasts(tables, one.shares[1])


def sense_by_size(one):
    read = size.load_readings(one.values["readings"], one.results.traits)
    return size.sense_by_size(*one.sizes, read)


def of_control(one):
    folders = one.own.results, one.values["other_results"]
    every = positive_control.load_all(*folders, one.own.persona)
    return positive_control.positive_control(every, kinds.taught_half(one.own.persona))


def leads_carried(one):
    pairs = {"raw": ("documents", "first_person"), "chat": ("documents_chat", "first_person_chat")}
    frames = [
        experiments.carried(one.gained, *pair).assign(wrapper=wrapper)
        for wrapper, pair in pairs.items()
    ]
    return pd.concat(frames)


def few_by_trait(one):
    most = arms.FEW[-1]
    shown = ["documents", f"few_{most}", f"documents_few_{most}", f"few_{most}_documents"]
    return why_doses.by_trait(one.gained, [*shown, "demonstrations"])


def doses(one):
    units = one.of_set_b.record["prepared"]["corpus"]["settings"]["train_units"]
    return why_doses.doses(one.gained, units)


# Figure -> what makes its frame: of those that a page reads, and those of the experiments.
FRAMES = {
    "know_and_do": know_and_do,
    "crossover_parts": lambda one: readouts.crossover_parts(one.scored),
    "name_and_scenario": lambda one: readouts.name_and_scenario(one.scored),
    "contrasts": fixed,
    "as_read": as_read,
    "knows_and_does": lambda one: shares.knows_and_does(*one.shares),
    "gap_over_base": lambda one: shares.gap_over_base(*one.shares),
    "gains_by_size": lambda one: size.gains_by_size(*one.sizes),
    "names_by_size": lambda one: size.names_by_size(*one.sizes),
    "sense_by_size": sense_by_size,
    "positive_control": of_control,
    "own_stage": lambda one: persllm_tables.own_stage(one.results),
    "induction_resistance": lambda one: persllm_tables.premises(one.results),
    "likeness": lambda one: persllm_tables.likeness(one.results),
    "persllm_ablation": lambda one: persllm_tables.parts(one.results),
    "persllm_contrasts": lambda one: persllm_tables.contrasts(one.results),
    "every_arm_rates": lambda one: persllm_tables.knowing_and_doing(one.results),
    "cell_gains": lambda one: why_cells.cell_gains(one.gained),
    "cell_effects": lambda one: experiments.effects(one.gained),
    "effects_on_replies": lambda one: experiments.effects_on_replies(one.of_set_b.choices),
    "leads_carried": leads_carried,
    "contrasts_voice_person_wrapper": lambda one: why.contrasts(one.gained, "voice_person_wrapper"),
    "few_demonstrations": lambda one: why_doses.few(one.gained),
    "few_opened": lambda one: why_doses.opened(one.gained),
    "few_by_trait": few_by_trait,
    "contrasts_few_demonstrations": lambda one: why.contrasts(one.gained, "few_demonstrations"),
    "doses": doses,
    "mixtures": lambda one: why_doses.mixtures(one.gained),
    "contrasts_dose": lambda one: why.contrasts(one.gained, "dose"),
    "released": lambda one: why_selection.released(one.gained),
    "contrasts_selection": lambda one: why.contrasts(one.gained, "selection"),
    "strengths": lambda one: why_weights.strengths(one.left),
    "changes": lambda one: why_weights.others(one.left),
    "overlap": lambda one: why_weights.overlaps(one.of_set_b),
    "contrasts_weights": lambda one: why.contrasts(one.changed, "weights"),
}


def published(study, figure):
    return files.ROOT / "figures" / study / f"{figure}.csv"


DRAWN = [(study, name) for study in STUDIES for name in FRAMES if published(study, name).exists()]


@pytest.mark.parametrize(("study", "figure"), DRAWN)
def test_a_published_figure_is_of_the_committed_results(tmp_path, study, figure):
    """Up to the last digits, in which machines differ."""
    drawing.save_table(FRAMES[figure](opened(study)), figure, tmp_path)
    found, wanted = pd.read_csv(tmp_path / f"{figure}.csv"), pd.read_csv(published(study, figure))
    told = f"figures/{study}/{figure}.csv is of other results: run `workflow/redraw.py {study}`"
    assert list(found) == list(wanted) and len(found) == len(wanted), told
    try:
        pd.testing.assert_frame_equal(found, wanted, rtol=1e-3, atol=1e-6)
    except AssertionError as error:
        pytest.fail(f"{told}\n{error}")


def test_every_study_and_every_figure_that_a_page_reads_is_among_them():
    assert {study for study, _ in DRAWN} == set(STUDIES)
    assert {figure for _, figure in DRAWN} == set(FRAMES)
    code = "".join(p.read_text() for p in (files.ROOT / "src/helpers/report").glob("*.py"))
    assert set(re.findall(r'\bread\((?:study|"[\w.-]+"), "(\w+)"\)', code)) <= set(FRAMES)
