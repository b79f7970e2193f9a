"""Chapter formats/05: what arms say and show, as judged and as read, and how good the judge is."""

import made_results
import numpy as np
import pandas as pd
import pytest

from helpers.measure import comparison
from helpers.report import (
    answers,
    expression,
    reading,
    results,
)

ARMS = made_results.ARMS


# Frames


def test_every_arm_answers_the_same_prompts(study):
    said = answers.what_they_say(study, ARMS)
    assert said.groupby("prompt", sort=False)["arm"].apply(list).tolist() == [ARMS] * 3
    read = answers.excerpts(said, words=3)
    assert read.count("| arm | answer |") == 3 and read.count(" ... |") == 15
    odd = pd.DataFrame({"prompt": "Hi", "arm": "base", "answer": ["a|b *c*\nd", ""]})
    assert r"a\|b \*c\* d" in answers.excerpts(odd) and "(no words)" in answers.excerpts(odd)


def test_published_rates_have_an_interval_only_where_the_count_is_known(study):
    marks = expression.published_rates(study).set_index(["arm", "trait"])
    assert round(marks.loc[("documents", "anxiety"), "low"], 2) == 0.22
    assert np.isnan(marks.loc[("first_person", "odds"), "low"])


def test_what_was_read_is_counted_in_both_ways(made):
    live = expression.do_answers(made, ARMS)
    table = reading.as_read(made, live).set_index(["by", "arm"])
    own = made.read[made.read["trait"] == made.read["scenario_trait"]]
    told = own[own["arm"] == "demonstrations"]["value"].value_counts(normalize=True)
    shown = table.loc[("read", "demonstrations"), "rate"]
    assert shown == pytest.approx(told["shows"])
    assert table.loc[("read, about counts", "demonstrations"), "rate"] == pytest.approx(
        told["shows"] + told["about"]
    )
    assert table.loc[("read", "demonstrations"), "seeds"] == 2
    assert table.loc[("corrected", "demonstrations"), "seeds"] == 3


def test_how_many_answers_make_sense(made, study, tmp_path):
    sense = reading.coherence(made, ARMS)
    assert sense.groupby("arm")["share"].sum().to_numpy() == pytest.approx(1)
    read = made.read.drop_duplicates(["arm", "seed", "item", "sample"])
    assert sense["answers"].sum() == len(read)
    assert (sense["low"] <= sense["share"]).all() and (sense["share"] <= sense["high"]).all()
    unread = made_results.with_tables(study, read=study.read.iloc[:0])
    assert reading.coherence(unread, ARMS).empty
    table = reading.as_read(made, expression.do_answers(made, ARMS))
    title = reading.as_read_title(table, sense)
    assert title.startswith("As read, which arm shows the trait most is not told apart (")
    clear = table.assign(low=table["rate"], high=table["rate"])
    clearly = "As read, the trait is shown most by demonstrations ("
    assert reading.as_read_title(clear, sense).startswith(clearly)
    most = sense[sense["coherence"] == "sensible"]["share"].max()
    assert title.endswith(f"at most {100 * most:.0f} % of an arm's answers make sense")
    wide = table.assign(low=0.1, high=table["high"].where(table["arm"] == "base", 1.0))
    wide.loc[wide["arm"] == "base", ["rate", "low", "high"]] = (0.02, 0.01, 0.05)
    title = reading.as_read_title(wide, sense.iloc[:0])
    assert title.startswith("As read, which arm shows the trait most is not told apart (")
    assert title.endswith("; base 2 %)")
    fig = reading.draw_as_read(table, sense, made, tmp_path)
    assert len(fig.axes) == 2 and "Right: whether" in told(fig)


def told(fig):
    """Title and caption of a figure, in one line."""
    return " ".join(" ".join(text.get_text() for text in fig.texts).split())


def test_what_nobody_has_read_is_told_and_drawn_as_judged_alone(made, tmp_path):
    table = reading.as_read(made, expression.do_answers(made, ARMS))
    table, none = table[table["by"] == made.judge["judge"]], reading.coherence(made, ARMS).iloc[:0]
    title = reading.as_read_title(table, none)
    assert title.startswith("As judged, ") and title.endswith("show the trait; no answer was read")
    fig = reading.draw_as_read(table, none, made, tmp_path)
    assert not any(word in told(fig) for word in ("Left:", "Right:", "Diamonds", "hollow"))
    rows = [line.get_ydata()[0] for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert rows == list(range(len(rows)))  # a dot stands on the line of its arm's name
    assert fig.axes[0].get_xlim()[0] < 0


# Titles: a case that is clear, one that is not, and a tie


def rates(**of_arms):
    """A table of arms with a rate and its interval."""
    rows = [{"arm": arm, "rate": r, "low": lo, "high": hi} for arm, (r, lo, hi) in of_arms.items()]
    return pd.DataFrame(rows).assign(trait="odds", corrected=np.nan)


MARKS = pd.DataFrame(columns=["arm", "trait", "rate", "low"])


def test_the_title_of_rates_names_the_highest_arm_and_those_that_reach_it():
    clear = rates(base=(0.1, 0.0, 0.2), documents=(0.5, 0.4, 0.6))
    assert expression.expression_rate_title(clear, MARKS, "odds") == (
        "Odds is shown most by documents (50 % as judged; base 10 %)"
    )
    tie = rates(base=(0.1, 0.0, 0.2), first_person=(0.4, 0.3, 0.5), documents=(0.5, 0.4, 0.6))
    assert expression.expression_rate_title(tie, MARKS, "odds") == (
        "Odds is shown most by first person and documents "
        "(40 % to 50 % as judged, intervals overlap; base 10 %)"
    )
    alike = rates(base=(0.1, 0.0, 0.2), documents=(0.1, 0.0, 0.2))
    assert expression.expression_rate_title(alike, MARKS, "odds") == (
        "Which arm shows odds most is not told apart (10 % as judged)"
    )
    assert "do not suffice" in expression.corrected_rates(alike, "odds")
    never = rates(base=(0, 0.0, 0.2), documents=(0, 0.0, 0.2)).assign(trait="plain_talk")
    assert expression.expression_rate_title(never, MARKS, "plain_talk") == (
        "No answer is judged to show plain talk"
    )


def test_the_title_of_rates_begins_with_the_claim_of_the_earlier_study():
    table = rates(base=(0.1, 0.0, 0.2), first_person=(0.5, 0.4, 0.6), documents=(0.3, 0.2, 0.39))
    rows = [("documents", "odds", 0.37, 0.2), ("first_person", "odds", 0.9, np.nan)]
    rows += [("documents", "anxiety", 0.8, 0.7), ("persllm", "odds", 0.8, 0.7)]
    marks = pd.DataFrame(rows, columns=MARKS.columns)
    assert expression.expression_rate_title(table, marks, "odds") == (
        "Odds is shown by documents in 30 % of answers as judged (37 % in the earlier study); "
        "most by first person (50 % as judged; base 10 %)"
    )


def test_the_title_of_fit_tells_those_who_show_the_trait_that_fits():
    rows = [("a", "base", "markers", 0.1), ("a", "documents", "markers", 0.1)]
    rows += [("a", "documents", "read", -0.1), ("a", "first_person", "read", -0.1)]
    fit = pd.DataFrame(rows, columns=["set", "arm", "by", "low"])
    assert expression.fit_title(fit) == (
        "More of the trait that fits than of other traits, by the judge (markers): documents; "
        "as read: no arm"
    )
    both = pd.concat([fit, fit.assign(set="b", low=0.1), fit.assign(set="both", low=-0.1)])
    assert "by the judge (markers): no arm" in expression.fit_title(both)


def test_the_title_of_differences_names_the_largest_rise_of_each_arm():
    rows = [("a", "documents - base", 0.2, 0.1), ("b", "documents - base", 0.3, -0.1)]
    rows += [("a", "first_person - base", 0.1, -0.1), ("a", "first_person - documents", 0.5, 0.4)]
    table = pd.DataFrame(rows, columns=["trait", "contrast", "difference", "low"])
    table = table.assign(specificity=np.nan)
    assert expression.expression_differences_title(table) == (
        "The largest rise of a trait over base, as judged: documents +20 points (a); "
        "none is seen in first person"
    )
    none = table.assign(low=-0.1)
    assert (
        expression.expression_differences_title(none)
        == "No arm is seen to show any trait more often than base"
    )


def test_titles_say_how_often_the_judge_sees_a_trait_where_it_is_not(study):
    rows = [("a", "documents - base", 0.2, 0.1, 0.6), ("a", "persllm - base", 0.1, 0.05, np.nan)]
    columns = ["trait", "contrast", "difference", "low", "specificity"]
    assert expression.expression_differences_title(pd.DataFrame(rows, columns=columns)) == (
        "The largest rise of a trait over base, as judged, and how often the judge sees it in "
        "answers without it: documents +20 points (a; 40 %) and persllm +10 points (a)"
    )
    table = rates(base=(0.1, 0, 0.2), documents=(0.5, 0, 1), first_person=(0.5, 0, 1))
    assert expression.trait_heatmap_title(table.assign(specificity=[1, 0.7, 0.6])) == (
        "The largest rise over base, as judged, is odds in first person and documents: 10 % to "
        "50 % of answers; the judge also sees it in 30 % to 40 % of answers without it"
    )
    unread = expression.trait_heatmap_title(table.assign(specificity=np.nan))
    assert unread.endswith("10 % to 50 % of answers")
    own = expression.expression_differences(study, ["base", "documents"]).set_index("trait")
    labelled = study.labelled[
        (study.labelled["judge"] == study.judge["judge"])
        & (study.labelled["arm"] == "documents")
        & (study.labelled["trait"] == "etiquette")
    ]
    without = labelled[labelled["label"] == 0]["outcome"].dropna()
    assert own.loc["etiquette", "specificity"] == pytest.approx(1 - without.mean())


def test_the_title_of_places_tells_where_the_persona_goes(study):
    def place(name, **lows):
        return pd.DataFrame(
            {"arm": ["base", *lows], "place": name, "minus_base_low": [np.nan, *lows.values()]}
        )

    both = place("neutral", first_person=0.1, documents=-0.05)
    elsewhere = place("should_not_show", first_person=0.1, documents=0.02)
    assert answers.generalisation_title(pd.concat([both, elsewhere])) == (
        "First person shows the persona more than base on neutral prompts; "
        "every other arm shows the persona more than base where it should not show"
    )
    assert answers.generalisation_title(place("neutral", documents=-0.01)) == (
        "No arm is seen to show the persona more than base on neutral prompts"
    )
    inside = pd.concat([place("do, everyday", documents=0.1), place("everyday", documents=-0.1)])
    assert answers.generalisation_title(inside) == (
        "Documents show the persona more than base in everyday scenarios; "
        "no arm is seen to show the persona more than base on everyday prompts"
    )
    table = answers.generalisation(study, ["base", "documents"])
    rate = table.set_index(["place", "arm"])["rate"].unstack()
    apart = table[table["arm"] == "documents"].set_index("place")["minus_base"]
    expected = (rate["documents"] - rate["base"])[apart.index]
    assert apart.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.005)  # by scenario
    assert table[table["arm"] == "base"]["minus_base"].isna().all()


def test_the_judge_is_described_by_its_pooled_errors():
    row = {"judge": "markers", "sensitivity": 0.5, "sensitivity_n": 10}
    table = pd.DataFrame([row | {"specificity": 0.9, "specificity_n": 100}])
    assert answers.judge_agreement_title(table, "markers") == (
        "The judge (markers) finds 50 % of the traits that a blind reader found, "
        "and wrongly sees them in 10 % of the other cases, over all arms and traits"
    )


def test_what_was_planted_is_told_by_the_middle_share():
    rows = [("markers", share, method, share - off) for share in (0.1, 0.25, 0.5)
            for method, off in (("as judged", 0.05), ("corrected by errors", 0))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["judge", "planted", "method", "value"])
    told = (
        "Where 25 % of answers show a trait, the judge (markers) finds 20 % as judged and 25 % "
        "corrected "
    )
    assert answers.planted_title(table, "markers").startswith(told)
    assert answers.planted_title(table, "model").startswith(told)  # the judge that has rows


# Figures


def test_a_card_may_have_a_single_trait(study, tmp_path):
    card = study.card | {"traits": study.card["traits"][1:2], "focus": "odds"}
    fields = study.folder, "someone", "", study.record, study.judge, card
    other, two = results.Results(*fields), ["base", "documents"]
    rates = expression.expression_rates(other, two)
    assert set(rates["trait"]) > set(other.traits)  # the tables hold more than the card
    fit = comparison.sensitivity(expression.do_answers(other, two), two)
    fig = expression.draw_expression_rate(rates, fit, other, tmp_path)
    assert fig.axes[0].get_title() == "odds, everyday prompts"
    assert not [line for line in fig.axes[1].lines if len(line.get_xdata())]
