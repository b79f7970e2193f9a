"""README, docs and CONTRIBUTING: generated blocks, links, widths."""

import re

import pytest

from helpers import files
from helpers.files import StudyError
from helpers.report import readme

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


def test_a_sentence_that_the_tables_do_not_bear_is_refused(monkeypatch):
    table = readme.read("reference", "most_knowing").assign(low=0.01)
    read = readme.read
    monkeypatch.setattr(
        readme, "read", lambda study, name: table if name == "most_knowing" else read(study, name)
    )
    with pytest.raises(StudyError, match="no longer bear the sentence 'Which format knows most"):
        readme.unsettled()


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


def test_readme_is_narrow():
    lines = (files.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 120


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
