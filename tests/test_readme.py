"""README, docs and CONTRIBUTING: generated blocks, links, widths."""

import re

import pandas as pd
import pytest

from helpers import files
from helpers.files import StudyError
from helpers.report import headline, readme

PAGES = readme.pages()
NAMES = [page.relative_to(files.ROOT).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_blocks_are_what_the_tables_give(page):
    text = page.read_text(encoding="utf-8")
    assert readme.with_blocks(text) == text, "run `make figures`"


def test_every_block_has_a_page():
    found = {name for page in PAGES for name, _, _ in readme.BLOCK.findall(page.read_text())}
    assert found == set(readme.BLOCKS)


def test_an_unknown_block_is_refused():
    with pytest.raises(StudyError, match="the block 'weather' is unknown"):
        readme.with_blocks("<!-- weather -->\nrain\n<!-- end -->\n")


@pytest.fixture
def replace(monkeypatch):
    """Replace what README's blocks read as one figure's numbers."""
    read = readme.read

    def with_table(figure, table):
        monkeypatch.setattr(
            readme, "read", lambda study, name: table if name == figure else read(study, name)
        )

    return with_table


def test_a_sentence_that_the_tables_do_not_bear_is_refused(replace):
    replace("most_knowing", readme.read("reference", "most_knowing").assign(low=0.01))
    with pytest.raises(StudyError, match="no longer bear the sentence 'Which format knows most"):
        readme.unsettled()


def gaps(**corrected):
    """Gaps beyond base's as judged, and corrected where they are given, per arm."""
    judged = {"first_person": (-0.1, 0.1), "demonstrations": (-0.2, -0.05), "documents": (0.1, 0.3)}
    rows = [
        (arm, sum(ends) / 2, *ends, sum(known) / 2, *known)
        for arm, ends in judged.items()
        for known in (corrected.get(arm, ends),)
    ]
    return pd.DataFrame(rows, columns=["arm", "beyond", "low", "high", *readme.CORRECTED])


def test_the_answer_heeds_corrected_gaps(replace):
    replace("gap_over_base", gaps())
    assert "With *demonstrations* it is the reverse" in " ".join(readme.answer().split())
    replace("gap_over_base", gaps(demonstrations=(-0.2, 0.05)))
    assert "it is, if anything, the reverse" in " ".join(readme.answer().split())
    for wrong in ({"first_person": (-0.3, -0.1)}, {"documents": (-0.3, -0.1)}):
        replace("gap_over_base", gaps(**wrong))
        with pytest.raises(StudyError, match="no longer bear"):
            readme.answer()


def interval(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


@pytest.fixture
def set_b(tmp_path, monkeypatch):
    """Numbers behind figures as a study writes them that was asked about set b."""
    rows = [
        {"set": "b", "measure": measure, "arm": arm, "items": 96} | interval(value) | behind
        for measure, values in (("know", (0.3, 0.5)), ("do_pair", (0.3, 0.1)))
        for arm, value in zip(("demonstrations", "documents"), values, strict=True)
        for behind in ({"behind_low": 0.1 if value < max(values) else None},)
    ]
    rows += [
        {"set": "b", "measure": "crossover", "arm": "demonstrations", "trait": trait}
        | interval(0.4)
        for trait in ("all", "odds")
    ]
    tables = {"know_and_do": pd.DataFrame(rows)}
    contrast = {"kind": "crossover", "role": "primary", "set": "b", "difference": 0.4}
    contrast |= {"a": "documents", "b": "demonstrations", "p_holm": 0.01}
    tables["contrasts"] = pd.DataFrame([contrast])
    read = [{"by": "read", "arm": "documents", "rate": 0.1, "low": 0.05, "high": 0.2}]
    made = [{"arm": "documents", "coherence": "sensible", "share": 0.04}]
    tables["as_read"] = pd.DataFrame([*read, *made])
    fit = {"set": "b", "arm": "documents", "by": "read", "lean": 0.2, "lean_low": 0.1}
    tables["sensitivity"] = pd.DataFrame([fit | {"lean_high": 0.3} | interval(0.05)])
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    monkeypatch.setattr(headline, "FIGURES", tmp_path)
    monkeypatch.setattr(headline, "read", lambda _, name: pd.read_csv(tmp_path / f"{name}.csv"))


def test_the_headline_is_of_set_b_where_there_is_one(set_b):
    text = " ".join(readme.answer().split())
    assert text.startswith("On 96 scenarios that were written to test it: Documents gain most in ")
    assert "knowing (+0.50), demonstrations gain most in doing (+0.30)" in text
    assert "over demonstrations is +0.40 wider in knowing than in doing" in text
    assert "1 of 1 primary contrast hold" in text and "4 % of documents" in text
    assert "know_and_do.png" in readme.example()
    table = readme.arms_table()
    row = "| documents | +0.50 (0.40 to 0.60) | +0.10 (0.00 to 0.20) | 10% (5% to 20%) "
    assert f"{row}| +5 (-5 to 15) | +20 (10 to 30) |" in table
    assert "| demonstrations | +0.30 (0.20 to 0.40) | +0.30 (0.20 to 0.40) | – | – | – |" in table


def test_what_a_gain_hangs_on_is_told_where_it_was_asked(set_b, tmp_path):
    assert "nothing ties the knowledge to C-3PO's name" in headline.what_carries()
    rows = [
        {"arm": "documents", "measure": "know", "condition": condition, "gain": 0.5}
        | interval(value)
        for condition, value in (("stranger", 0.05), ("mismatched", 0.3))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "name_and_scenario.csv", index=False)
    assert headline.what_carries() == (
        "What carries the rest of a gain. Of what documents gain in knowing (+0.50 nats per "
        "token), none is seen to hang on the name and +0.30 hangs on the scenario."
    )


def test_a_question_is_open_until_both_intervals_are_on_its_side():
    row = {"difference": 0.2, "low": 0.1, "high": 0.3}
    for ends, sign, said in (
        ((0.05, 0.4), 1, "How much: +20 (10 to 30), corrected +20 (5 to 40)."),
        ((-0.002, 0.4), 1, "Whether: +20 (10 to 30), corrected +20 (-0.2 to 40)."),
        ((0.05, 0.4), -1, "Whether: +20 (10 to 30), corrected +20 (5 to 40)."),
    ):
        own = row | dict(zip(readme.CORRECTED, (0.2, *ends), strict=True))
        assert readme.still(pd.Series(own), sign, "Whether", "How much") == said


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


def test_readme_is_short_and_narrow():
    lines = (files.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120 and max(map(len, lines)) <= 120


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
        for chapter in re.findall(r"`((?:formats|persllm)/\d\d_\w+)`", text):
            assert (files.ROOT / "notebooks" / f"{chapter}.ipynb").exists(), chapter


def test_every_table_that_a_page_reads_is_saved_by_a_chapter_or_a_figure():
    report = files.ROOT / "src" / "helpers" / "report"
    pages = "".join(
        (report / f"{name}.py").read_text() for name in ("readme", "headline", "persllm_readme")
    )
    wanted = set(re.findall(r'read\("[\w-]+", "(\w+)"\)', pages))
    notebooks = [path.read_text() for path in (files.ROOT / "notebooks").rglob("*.ipynb")]
    code = [path.read_text() for path in report.glob("*.py")]
    saved = set(re.findall(r'save(?:_table)?\([^()]*?\\?"(\w+)\\?"', "".join(notebooks + code)))
    assert len(wanted) > 5 and wanted <= saved, wanted - saved
