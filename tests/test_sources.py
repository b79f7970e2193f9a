"""The hash of the code that decides a chapter's numbers, and what git knows of the sources."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import files, repository, sources
from helpers.files import StudyError

CODE = '''
"""What this does."""

import math


def area(r: float) -> float:
    """Square metres."""
    return math.pi * r**2  # of a disc


class Disc:
    """A disc."""

    radius = None
'''
SAME = """import math
def area(r: float) -> float:
    return (math.pi
            * r ** 2)
class Disc:
    '''Another word for it.'''
    radius = None
"""


def test_comments_docstrings_and_layout_mean_nothing():
    assert sources.meaning(CODE) == sources.meaning(SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [("r**2", "r**3"), ("None", "0"), ("float:", "int:"), ("math.pi", "math.e"), ("Disc", "Disk")],
)
def test_a_changed_number_name_or_value_is_another_code(old, new):
    assert sources.meaning(CODE) != sources.meaning(CODE.replace(old, new))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\f\0"), max_size=40))
def test_no_comment_changes_the_hash(words):
    assert sources.meaning(f"{SAME}# {words}\n") == sources.meaning(SAME)


def test_a_text_that_is_no_docstring_counts():
    assert sources.meaning("x = 1\n'a'") != sources.meaning("x = 1\n'b'")
    assert sources.meaning("if x:\n    'a'") != sources.meaning("if x:\n    'b'")


@pytest.fixture
def hash_of(monkeypatch, tmp_path):
    """The hash of a chapter after a change to one of the files that it may rest on."""
    notebook = tmp_path / "notebooks" / "formats" / "03_answer.ipynb"
    notebook.parent.mkdir(parents=True)
    original = sources.ROOT / "notebooks" / "formats" / "03_answer.ipynb"

    def changed(name="", add="", cell=("", "")):
        text = original.read_text()
        assert cell[0] in text
        notebook.write_text(text.replace(*cell, 1))
        helpers = tmp_path / "helpers"
        for path in sources.HELPERS.rglob("*.py"):
            own = helpers / path.relative_to(sources.HELPERS)
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(path.read_text() + add * (str(own.relative_to(helpers)) == name))
        with monkeypatch.context() as patch:
            patch.setattr(sources, "ROOT", tmp_path)
            patch.setattr(sources, "HELPERS", helpers)
            sources.imports_of.cache_clear()
            found = sources.code_hash.__wrapped__("formats/03_answer")
        sources.imports_of.cache_clear()
        return found

    return changed


def test_the_hash_is_of_what_decides_the_numbers(hash_of):
    before = hash_of()
    assert before == sources.code_hash("formats/03_answer") and len(before) == 16
    for name in ("model/answer.py", "model/score.py", "corpus/encode.py", "pretrained.py"):
        assert hash_of(name, "\nNEW = 1\n") != before, name
        assert hash_of(name, "\n# a comment\n") == before
    for name in ("files.py", "records.py", "measure/stats.py", "report/drawing.py"):
        assert hash_of(name, "\nNEW = 1\n") == before, name


def test_cells_count_and_parameters_do_not(hash_of):
    before = hash_of()
    assert hash_of(cell=("temperature = 0.7", "temperature = 0.8")) == before
    assert hash_of(cell=("score.score_choices(", "score.score_others(")) != before


# Git


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with one commit, instead of this one."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    for name in ("src/a.py", "data/items/i.jsonl", "data/results/r.csv", "docs/d.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def test_only_sources_make_a_commit_dirty(project):
    clean = repository.commit()
    assert len(clean) == 12 and repository.uncommitted() == []
    for name in ("data/results/r.csv", "docs/d.md"):
        (project / name).write_text("two\n")
    assert repository.commit() == clean
    (project / "src" / "a.py").write_text("two\n")
    (project / "data" / "items" / "new ones.jsonl").write_text("two\n")
    assert repository.commit() == f"{clean}-dirty"
    assert repository.uncommitted() == ["src/a.py", "data/items/new ones.jsonl"]
    with pytest.raises(StudyError, match=r"study 'x' is published.* src/a.py, data/items/new ones"):
        repository.refuse_uncommitted("study 'x'")


def test_a_file_of_the_last_commit_is_read_as_it_was(project):
    (project / "src" / "a.py").write_text("two\n")
    assert repository.committed("src/a.py") == b"one\n"
    assert repository.has("src/a.py") and not repository.has("src/b.py")
    with pytest.raises(StudyError, match="src/b.py is not in the last commit"):
        repository.committed("src/b.py")


def test_outside_a_repository_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    assert repository.commit() == "" and repository.uncommitted() == []
