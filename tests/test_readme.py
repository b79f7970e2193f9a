"""README, docs, CONTRIBUTING and the adapters' cards: generated blocks, links, widths."""

import re

import made_results
import pandas as pd
import pytest

from helpers import files
from helpers.files import StudyError
from helpers.report import drawing, headline, page_tables, page_words, readme, verdicts

PAGES = readme.pages()
NAMES = [page.relative_to(files.ROOT).as_posix() for page in PAGES]
FORMATS = ("demonstrations", "first_person", "documents")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_blocks_are_what_the_tables_give(page):
    text = page.read_text(encoding="utf-8")
    assert readme.with_blocks(text) == text, "run `make figures`"


def test_every_block_has_a_page():
    found = {name for page in PAGES for name, *_ in readme.BLOCK.findall(page.read_text())}
    assert found == set(readme.BLOCKS)


def test_an_unknown_block_is_refused():
    with pytest.raises(StudyError, match="the block 'weather' is unknown"):
        readme.with_blocks("<!-- weather -->\nrain\n<!-- end -->\n")


def test_a_sentence_that_the_tables_do_not_bear_is_refused():
    assert page_words.need(True, "It rains.") == "It rains."
    with pytest.raises(StudyError, match="no longer bear the sentence 'It rains"):
        page_words.need(False, "It rains.")


# Tables as the chapters write them


def around(value, half=0.02):
    return {"value": value, "low": value - half, "high": value + half}


def gained(know, do, seeds):
    """`know_and_do` on set b: what the formats gain in each act, in their order."""
    rows = []
    for measure, values in (("know", know), ("do_pair", do)):
        for arm, value in zip(FORMATS, values, strict=True):
            behind = max(values) - value
            told = {"behind": behind, "behind_low": behind - 0.02, "behind_high": behind + 0.02}
            told = told if arm != FORMATS[values.index(max(values))] else {}
            rows.append({"measure": measure, "arm": arm} | around(value) | told)
    return pd.DataFrame(rows).assign(set="b", items=96, seeds=seeds)


def hanging(name, scenario, gains, half):
    """`name_and_scenario`: what of the gain hangs on the name and on the scenario, per format."""
    rows = [
        {"arm": arm, "measure": measure, "condition": condition, "items": 192}
        | {"gain": gain, "gain_low": gain - 0.05, "gain_high": gain + 0.05}
        | around(value, half)
        for measure, condition, values in (
            ("know", "stranger", name),
            ("know", "mismatched", scenario),
            ("do_pair", "mismatched", scenario),
        )
        for arm, value, gain in zip(FORMATS, values, gains, strict=True)
    ]
    return pd.DataFrame(rows)


def fixed(crossed, gap, fits, seeds):
    """`contrasts`: (difference, p_holm) of each; first person in everyday life was +6, open."""
    rows = [
        {"kind": "crossover", "a": "documents", "b": arm, "difference": value, "p_holm": p}
        for arm, (value, p) in zip(FORMATS, crossed, strict=False)
    ]
    rows += [{"kind": "gap_beyond_base", "a": "documents", "difference": gap[0], "p_holm": gap[1]}]
    rows += [
        {"kind": "sensitivity", "a": f"{arm}, own trait", "difference": value, "p_holm": p}
        for arm, (value, p) in zip(FORMATS, fits, strict=True)
    ]
    table = pd.DataFrame(rows).assign(role="primary", set="b", detectable_scenarios=0.16)
    earlier = {"contrast": "generalisation", "role": "earlier", "kind": "difference"}
    earlier |= {"difference": 0.06, "corrected": 0.13}
    table = pd.concat([table, pd.DataFrame([earlier])], ignore_index=True)
    low, high = table["difference"] - 0.1, table["difference"] + 0.1
    ends = {"corrected_low": 0.03, "corrected_high": 0.22}
    return table.assign(low=low, high=high, seeds=seeds, **ends)


def answered(shown, sensible, read=100):
    """`as_read`: percent of answers that show their trait, and how many make sense, per arm."""
    rows = [
        {"by": "read", "arm": arm, "rate": n / 100, "low": n / 100 - 0.01, "high": n / 100 + 0.01}
        for arm, n in shown.items()
    ]
    rows += [
        {"arm": arm, "coherence": value, "answers": n, "share": n / read}
        | {"low": max(0, n / read - 0.01), "high": n / read + 0.01}
        for arm in shown
        for value, n in (("sensible", sensible), ("off", read - sensible))
    ]
    return pd.DataFrame(rows).assign(seeds=1)


SHOWN = {"base": 1, "prompted": 4, "demonstrations": 24, "first_person": 19, "documents": 6}
HELD, OPEN = 0.001, 0.6


def tables(
    know=(0.2, 0.33, 0.45),
    do=(0.29, 0.28, 0.15),
    name=(-0.07, -0.07, -0.04),
    scenario=(0.0, 0.0, 0.0),
    half=0.02,
    crossed=((0.38, HELD), (0.25, HELD)),
    gap=(0.27, HELD),
    fits=((0.03, OPEN), (0.08, OPEN), (-0.02, OPEN)),
    base_gap=0.23,
    narrower=-0.07,
    shown=None,
    sensible=1,
    seeds=1,
    likeliest=0.03,
):
    """The numbers behind the figures that README reads."""
    whole = {"arm": "base", "gap": base_gap, "gap_low": base_gap - 0.1, "gap_high": base_gap + 0.1}
    own = {"arm": "demonstrations", "beyond": narrower, "low": narrower - 0.1}
    own |= {"high": narrower + 0.1, "corrected": narrower, "corrected_low": narrower - 0.1}
    parts = {"describing": 0.23, "person": 0.11, "crossover": 0.34}
    rows = {"stranger": gap[0] - 0.01, "likeliest": likeliest}
    rows = {name: {"difference": v, "low": v - 0.1, "high": v + 0.1} for name, v in rows.items()}
    return {
        "gaps": pd.DataFrame(rows).T.rename_axis("knowing").reset_index(),
        "know_and_do": gained(know, do, seeds),
        "name_and_scenario": hanging(name, scenario, know, half),
        "contrasts": fixed(crossed, gap, fits, seeds),
        "gap_over_base": pd.DataFrame([whole, own | {"corrected_high": narrower + 0.1}]),
        "as_read": answered(shown or SHOWN, sensible),
        "crossover_parts": pd.DataFrame(
            {"set": "both", "arm": arm, "part": part, "value": value}
            | {"low": value - 0.02, "high": value + 0.02}
            for arm in FORMATS[:2]
            for part, value in parts.items()
        ),
    }


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Publish made tables, so that README's blocks read them."""

    def publish(made: dict[str, pd.DataFrame]) -> None:
        for name, table in made.items():
            drawing.save_table(table, name, tmp_path)
        if "gaps" in made:
            other = made["gaps"].set_index("knowing")
            right = {"documents": 0.29, "base": 0.22}
            counted = page_tables.Gaps(other.loc["stranger"], other.loc["likeliest"], right)
            monkeypatch.setattr(page_tables, "gaps", lambda _: counted)
        for module in (page_tables, headline, verdicts):
            monkeypatch.setattr(
                module, "read", lambda _, name: pd.read_csv(tmp_path / f"{name}.csv")
            )

    return publish


def answer() -> str:
    return " ".join(headline.answer().split())


def lead() -> str:
    return " ".join(headline.lead().split())


def listed_verdicts() -> list[str]:
    lists = (verdicts.claims(), verdicts.open_questions())
    return [" ".join(told.split()) for one in lists for told in one[2:].split("\n- ")]


# The answer


def test_the_answer_is_the_crossover_and_at_once_its_control(published):
    published(tables())
    text = answer()
    headings = ("Do knowing and doing come apart?", "Is it about C-3PO?", "What was fixed")
    assert text.startswith(f"- **{headings[0]}** The *crossover* is ")
    places = [text.index(f"- **{heading}") for heading in headings]
    assert places == sorted(places)
    assert lead() == (
        "**Documents add most to *knowing* how C-3PO would react; demonstrations and first person "
        "add most to *doing* as he would.** Yet documents add even more to the same reactions when "
        "the question names a stranger. So that gain is not shown to be knowledge of C-3PO. "
        "Answers, as read, show the scenario's trait in 6 % with documents and 24 % with "
        "demonstrations (`base`: 1 %), and few answers make sense (5 of 500, of these 1 of `base`)."
    )
    crossover, control, so = text[text.index("It holds") :].split(". ")[:3]
    assert crossover.endswith(
        "+0.38 over demonstrations (95 % interval 0.28 to 0.48, p = 0.001 over scenarios, "
        "corrected for 6 contrasts) and +0.25 over first person (0.15 to 0.35, p = 0.001)"
    )
    assert "the gain of documents is 0.04 larger (0.02 to 0.06) when a stranger is named" in control
    assert control.endswith(
        "and is not seen to change (+0.00, -0.02 to 0.02) under another scenario"
    )
    assert so == (
        "So the gain does not need his name, and is not seen to need the scenario: such "
        "reactions, or how they sound, became likelier of anybody"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"name": (0.0, 0.0, 0.2)},
            "the gain of documents is 0.20 smaller (0.18 to 0.22) when a stranger is named instead "
            "of C-3PO, and is not seen to change (+0.00, -0.02 to 0.02) under another scenario. So "
            "+0.20 of +0.45 hangs on his name",
        ),
        (
            {"scenario": (0.0, 0.0, 0.3)},
            "does not need his name, and in part it does need the scenario: it is not shown",
        ),
        (
            {"name": (0.0, 0.0, 0.0), "half": 0.3},
            "That is too uncertain to say whether the gain is about C-3PO.",
        ),
        ({"name": (0.1, -0.1, -0.1)}, "in other formats: +0.10 in demonstrations."),
    ],
)
def test_the_control_chooses_what_the_gain_is_said_to_be(published, given, told):
    published(tables(**given))
    assert told in answer()
    for_anybody = "half" not in given and "scenario" not in given
    for_anybody &= given.get("name", (0, 0, -1))[2] < 0
    assert ("became likelier of anybody" in answer()) == for_anybody


def test_a_control_that_bounds_the_name_alone_leaves_the_scenario_open(published):
    made = tables()
    own = made["name_and_scenario"]
    own.loc[(own["condition"] == "mismatched"), ["low", "high"]] = (-0.4, 0.4)
    published(made)
    assert (
        "not shown to be knowledge of C-3PO; whether the gain is about the scenario is" in answer()
    )


@pytest.mark.parametrize(
    ("crossed", "told"),
    [
        ([(0.38, HELD), (0.05, OPEN)], ["It holds: ", "It is not shown: "]),
        ([(0.03, OPEN), (0.05, OPEN)], ["It is not shown: "]),
        ([(-0.3, HELD), (-0.2, HELD)], ["It is reversed: "]),
    ],
)
def test_a_crossover_is_said_to_hold_only_where_its_test_does(published, crossed, told):
    published(tables(crossed=crossed))
    text = answer()
    for opening in ("It holds: ", "It is reversed: ", "It is not shown: "):
        assert (opening in text) == (opening in told)
    assert text.count("corrected for 6 contrasts") == 1


def test_formats_that_gain_nothing_are_not_said_to_add(published):
    published(tables(know=(0.0, 0.005, 0.01), do=(0.3, 0.3, 0.3)))
    assert lead() == (
        "**No format is seen to add to *knowing* how C-3PO would react; demonstrations, first "
        "person and documents add most to *doing* as he would.** Answers, as read, show the "
        "scenario's trait in 6 % with documents and 24 % with demonstrations (`base`: 1 %), and "
        "few answers make sense (5 of 500, of these 1 of `base`)."
    )


def test_a_control_of_no_gain_is_not_told(published):
    made = tables(know=(0.0, 0.005, 0.01))
    published(made)
    assert "stranger" not in answer()


@pytest.mark.parametrize("held", [0, 1, 3])
def test_formats_fit_only_where_the_contrast_holds(published, held):
    published(tables(fits=[(0.2, HELD)] * held + [(0.2, OPEN)] * (3 - held)))
    assert f"{held} of 3 on showing the trait that fits" in answer()
    told = [t for t in listed_verdicts() if "Whether formats show the trait that fits" in t]
    assert len(told) == (held < 3)
    assert all(("demonstrations" in t) == (held == 0) for t in told)


@pytest.mark.parametrize(("sensible", "word"), [(1, "few"), (30, "some"), (60, "most")])
def test_how_many_answers_make_sense(published, sensible, word):
    published(tables(sensible=sensible))
    assert f"{word} answers make sense ({5 * sensible} of 500," in lead()
    told = any("a model whose answers make sense" in told for told in listed_verdicts())
    assert told == (sensible < 50)


def test_one_seed_is_called_this_seed(published):
    published(tables(seeds=1))
    assert "| arm, this seed |" in readme.results_block() and "1 seed, 95 % intervals" in " ".join(
        readme.results_block().split()
    )
    published(tables(seeds=2))
    assert "| arm | knowing |" in readme.results_block()
    assert "answers of 1 seed that show" in " ".join(readme.results_block().split())
    assert any("p over seeds is at least 0.5" in told for told in listed_verdicts())
    published(tables(seeds=6))
    assert not any("trainings" in told for told in listed_verdicts())


# Table, list, picture


def test_the_table_has_a_row_per_arm(published):
    published(tables())
    table = readme.results_block()
    assert "| base | – | – | – | 1 (0 to 2) | 1 (0 to 2) |" in table
    row = "| documents | +0.45 (0.43 to 0.47) | +0.15 (0.13 to 0.17) | -0.04 (-0.06 to -0.02) "
    assert f"{row}| 6 (5 to 7) | 1 (0 to 2) |" in table
    told = " ".join(table.split())
    assert "Of 6 primary contrasts, 3 hold: 2 of 2 on the crossover" in told
    assert (
        "0 of 3 on showing the trait that fits." in told
        and "192 scenarios | arm, this seed |" in told
    )
    told = " ".join(headline.counted_otherwise().split())
    assert "holds for documents: on set b, their gap between knowing and showing exceeds" in told
    assert "by +27 (17 to 37) points, and under a stranger's name by +26 (16 to 36)." in told
    assert "in 29 % of scenarios (22 % in `base`), the excess is +3 (-7 to 13)." in told
    assert "Documents gain +0.45 in doing (both sets). Of this, none" in told


def test_the_gap_is_told_where_it_holds(published):
    published(tables(gap=(0.1, OPEN)))
    assert "gap of documents" not in headline.counted_otherwise()


def test_the_gap_counted_otherwise_is_that_of_the_tables():
    """Recomputed here from the options and the readings alone."""
    options = pd.read_parquet(readme.RESULTS / "choices.parquet")
    options = options[(options["measure"] == "know") & (options["set"] == "b")]
    each = options.assign(fit=-options["nll"] / options["n_tokens"])
    each = each.set_index(["condition", "arm", "seed", "item", "option"])["fit"].unstack()
    won = (each.idxmax(axis=1) == 0).groupby(["condition", "arm", "item"]).mean()
    of_base = each.loc["stranger", "base"].droplevel("seed")  # which is scored once
    gained = each.loc["stranger", "documents"].sub(of_base, level="item")
    read = pd.read_csv(readme.RESULTS / "read.csv")
    read = read[(read["set"] == "b") & (read["trait"] == read["scenario_trait"])]
    shows = (read["value"] == "shows").groupby([read["arm"], read["item"]]).mean()
    more_shown = shows["documents"] - shows["base"]
    found = page_tables.gaps("documents")
    assert found.right["documents"] == pytest.approx(won["own", "documents"].mean())
    for row, knows in (
        (found.likeliest, won["own", "documents"] - won["own", "base"]),
        (found.stranger, (gained.idxmax(axis=1) == 0).groupby("item").mean() - 0.25),
    ):
        assert row["difference"] == pytest.approx((knows - more_shown).mean(), abs=1e-6)


@pytest.mark.parametrize(("hangs", "told"), [(0.1, "+0.10 (0.08 to 0.12) hangs"), (0.0, "is seen")])
def test_what_of_doing_hangs_on_the_scenario(published, hangs, told):
    published(tables(scenario=(hangs,) * 3))
    assert told in " ".join(headline.counted_otherwise().split())


def test_claims_of_the_first_edition_fall_stand_or_stay_open(published):
    published(tables())
    fell, null, wider, narrower, far = listed_verdicts()[:5]
    assert fell.startswith('**Fell.** "Documents know what C-3PO would do": +22 (11 to 32)')
    assert fell.endswith("They gain more on a stranger (both sets).")
    assert null.startswith('**Fell.** "Documents know more than they do": +40 (29 to 51).')
    assert (
        wider.startswith("**Open.**") and "as read: +3 (-7 to 13) with knowing counted as" in wider
    )
    assert wider.endswith("+27 (17 to 37) by gain over `base`, as fixed in advance.")
    assert narrower.startswith("**Open.**") and far.startswith("**Open.**")


def test_claims_that_the_results_bear_do_not_fall(published):
    made = tables(name=(0.0, 0.0, 0.2), base_gap=0.02, gap=(0.1, OPEN), narrower=-0.3)
    published(made)
    words = {told.split('"')[1]: told.split()[0] for told in listed_verdicts() if '"' in told}
    assert words == {
        "Documents know what C-3PO would do": "**Stands.**",
        "Documents know more than they do": "**Stands.**",
        "The gap of demonstrations is narrower": "**Stands.**",
        "The gap of documents is wider than that of `base`": "**Open.**",
        "First person goes further into everyday life": "**Open.**",
    }
    assert "Each can come from how texts sound" not in verdicts.of_parts()
    told = " ".join(verdicts.of_parts().split())
    assert "Over demonstrations, describing rather than doing makes" in told
    assert "the third person rather than the first +0.11 (0.09 to 0.13)." in told
    published(tables(name=(0.0, 0.0, 0.0), half=0.3, narrower=0.3))
    told = {told.split('"')[1]: told.split()[0] for told in listed_verdicts() if '"' in told}
    assert told["Documents know what C-3PO would do"] == "**Open.**"
    assert told["The gap of demonstrations is narrower"] == "**Fell.**"


def test_a_gap_stands_where_it_holds_however_knowing_is_counted(published):
    published(tables(likeliest=0.2))
    (told,) = [told for told in listed_verdicts() if "gap of documents is wider" in told]
    assert told.startswith("**Stands.**") and "+20 (10 to 30) with knowing counted as then" in told


def test_results_of_set_a_alone_are_refused(published):
    made = tables()
    published(made | {"know_and_do": made["know_and_do"].assign(set="a")})
    with pytest.raises(StudyError, match="no gains on set b"):
        headline.answer()


def test_blocks_read_what_the_chapters_save(published, monkeypatch):
    monkeypatch.setattr(made_results, "PER_TRAIT", 2)
    monkeypatch.setattr(made_results, "SEEDS", (0, 1))
    published(made_results.numbers(made_results.study()))
    text = answer()
    assert "ocuments add most to *knowing*" in lead() and "It holds: " in text
    assert re.search(r"documents is 0.\d\d smaller", text)  # a fifth is made to hang on the name
    assert "intervals are about *this seed*" not in text
    rows = [line for line in readme.results_block().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| base", "| prompted", "| demonstrations", "| first person", "| documents"
    ]  # fmt: skip
    assert len(listed_verdicts()) >= 6


def test_the_example_says_whether_its_answers_make_sense(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    arms = readme.EXAMPLE_ARMS
    about = {"kind": "do", "item": "odds-01", "seed": 0, "sample": 0}
    for values, told in (
        (["off"] * 4, "; as read blind, none makes sense"),
        (["sensible", "off", "salad", "off"], "; as read blind, 1 of the four make sense"),
        (["off"] * 3, ""),
    ):
        rows = [{"arm": a, "coherence": v} | about for a, v in zip(arms, values, strict=False)]
        pd.DataFrame(rows).to_csv(tmp_path / "read.csv", index=False)
        assert readme.sense_of("odds-01") == told


def test_the_benchmark_explains_the_rows_that_it_has():
    rows = pd.read_csv(files.DATA / "results" / "bench.csv")["measure"].str[:3]
    told = [row for row in readme.BENCH if f"- Row {row}" in readme.bench()]
    assert told == sorted(set(rows))


def test_answers_are_shown_as_plain_text():
    assert readme.plain("*a*\n\n# b_c") == r"\*a\* \# b\_c"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = []
    for link in links:
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            missing.append(link)
        elif heading:
            assert heading in headings(target.read_text(encoding="utf-8")), link
    assert not missing


def headings(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_readme_is_narrow_but_for_its_tables():
    lines = (files.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert max(len(line) for line in lines if not line.startswith("|")) <= 120


def test_commands_name_modules_and_chapters_that_exist():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for module in re.findall(r"python -m (helpers[\w.]+)", text):
            assert (files.ROOT / "src" / f"{module.replace('.', '/')}.py").exists(), module
        for module in re.findall(r"`(helpers(?:\.\w+)+)`", text):
            path = files.ROOT / "src" / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or path.is_dir(), module
        for target in re.findall(r"`?make ([a-z]+)\b`", text):
            assert f"\n{target}:" in (files.ROOT / "Makefile").read_text(), target
        for chapter in re.findall(r"`((?:formats|persllm|why)/\d\d_\w+)`", text):
            assert (files.ROOT / "notebooks" / f"{chapter}.ipynb").exists(), chapter


def test_every_table_that_a_page_reads_is_saved_by_a_chapter_or_a_figure():
    report = files.ROOT / "src" / "helpers" / "report"
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(report.glob("*.py")))
    chapters = (files.ROOT / "notebooks").rglob("*.ipynb")
    drawn = code + "".join(path.read_text(encoding="utf-8") for path in chapters)
    wanted = set(re.findall(r'\bread\((?:"[\w-]+"|study), "(\w+)"\)', code))
    saves = r"(?:save|save_table|draw_contrasts|draw_curves)"
    saved = set(re.findall(rf'\b{saves}\([^()]*?\\?"(\w+)\\?"', drawn))
    assert len(wanted) > 20 and wanted <= saved, wanted - saved
