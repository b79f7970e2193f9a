import resource
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

from helpers import files, yaml_files
from helpers.files import StudyError

json_rows = st.lists(
    st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans()), max_size=8
)


@given(json_rows)
def test_rows_survive_writing_and_reading(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    files.write_jsonl(path, rows)
    assert files.read_jsonl(path) == rows


@given(json_rows, st.binary(max_size=30))
def test_resume_keeps_whole_lines_and_drops_what_a_kill_left(tmp_path_factory, rows, torn):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    files.append_jsonl(path, rows)
    with open(path, "ab") as file:
        file.write(b'{"torn": "' + torn.replace(b"\n", b"").replace(b"}", b""))
    assert files.resume_jsonl(path) == rows
    assert files.read_jsonl(path) == rows


def test_a_whole_last_line_without_its_end_is_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}')
    assert files.resume_jsonl(path) == [{"a": 1}, {"a": 2}]
    files.append_jsonl(path, [{"a": 3}])
    assert files.read_jsonl(path) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_bad_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(StudyError, match=r"line 2: not a JSON object: .*, at character 7\."):
        files.read_jsonl(path)
    path.write_bytes('{"a": 1}\n{"a": "é"}\n'.encode("cp1252"))
    with pytest.raises(
        StudyError, match=r"rows\.jsonl, line 2: not UTF-8 text, from byte 8 on; sa"
    ):
        files.read_jsonl(path)


def test_a_byte_order_mark_passes(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8-sig")
    assert files.read_jsonl(tmp_path / "rows.jsonl") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_yaml_in_another_encoding_is_told_in_words(tmp_path, encoding):
    (tmp_path / "x.yaml").write_bytes("a: 1\nb: é\n".encode(encoding))
    with pytest.raises(
        StudyError, match=r"x\.yaml, line \d: .*no UTF-8 text.*Save the file as UTF"
    ):
        yaml_files.read_yaml(tmp_path / "x.yaml")


def test_a_failed_write_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "table.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files.read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["table.json"]


@pytest.mark.parametrize(
    "fault",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing"),
        Exception("No space left on device (os error 28)"),  # as tokenizers say it
    ],
)
def test_a_folder_that_cannot_be_written_is_one_clear_error_and_not_there(tmp_path, fault):
    with (
        pytest.raises(StudyError, match=r"model: could not be written \(.*\)\. Free some space"),
        files.atomic_folder(tmp_path / "model") as temporary,
    ):
        (temporary / "half").write_text("x")
        raise fault
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "model"):
        raise ZeroDivisionError  # no fault of the disk
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(StudyError, match="could not be written"),
        files.atomic_folder(tmp_path / "file" / "model"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_of_a_folder_is_cleared_away_by_the_next(tmp_path):
    (tmp_path / ".model-kept-by-its-owner").mkdir()
    left = tmp_path / ".model-unfinished-abc"
    holder = holding(left)
    (left / "model").mkdir()
    with files.atomic_folder(tmp_path / "model"):
        assert left.exists(), "a process that is alive still writes it"
    holder.kill()
    holder.wait()
    shutil.rmtree(tmp_path / "model")
    with files.atomic_folder(tmp_path / "model") as temporary:
        (temporary / "weights").write_text("x")
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [".model-kept-by-its-owner", "model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["weights"]


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path):
    """The largest size of a file stands for the disk: past it the system cuts a write off."""
    path, rows = tmp_path / "rows.jsonl", tmp_path / "grow.jsonl"
    files.write_text(path, "old")
    files.append_jsonl(rows, [{"kept": True}])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(StudyError, match="could not be written.*untouched"):
            files.write_text(path, "x" * 200_000)
        with pytest.raises(StudyError, match="could not be extended"):
            files.append_jsonl(rows, [{"x": "y" * 200_000}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert rows.read_bytes() == b'{"kept": true}\n', "what was written of a row is cut off again"
    assert sorted(own.name for own in tmp_path.iterdir()) == ["grow.jsonl", "rows.jsonl"]


def holding(folder, shared=False):
    """A process that holds the lock of a folder."""
    hold = "import sys, time; from pathlib import Path; from helpers.files import lock\n"
    hold += f"with lock(Path({str(folder)!r}), {shared}): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_lock_keeps_a_second_process_out_and_ends_with_its_holder(tmp_path):
    holder = holding(tmp_path)
    for shared in (False, True):
        with (
            pytest.raises(StudyError, match=f"process {holder.pid}"),
            files.lock(tmp_path, shared),
        ):
            pass
    holder.kill()
    holder.wait()
    with files.lock(tmp_path):
        pass


def test_a_shared_lock_keeps_only_those_out_that_want_it_alone(tmp_path):
    holder = holding(tmp_path, shared=True)
    with files.lock(tmp_path, shared=True):
        pass
    with pytest.raises(StudyError, match="another run"), files.lock(tmp_path):
        pass
    holder.kill()
    holder.wait()


LIGHT = """files rows server writing pretrained corpus.personas corpus.formats corpus.items
corpus.ingest corpus.certificate corpus.writer persllm.life_stages persllm.reasoned
persllm.construct persllm.preferences persllm.premises measure.labels measure.markers
measure.encoder_judge measure.model_judge"""


def test_a_module_that_needs_no_model_loads_no_heavy_library():
    code = "import sys, importlib\n"
    code += "for name in sys.argv[1].split(): importlib.import_module(f'helpers.{name}')\n"
    code += "print(*{'torch', 'transformers', 'datasets', 'sklearn', 'openai'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, LIGHT], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


@pytest.mark.parametrize("text", ["a: 1\nb: {c: 1, c: 2}\n", "- a: 1\n  a: 2\n"])
def test_a_key_that_stands_twice_in_yaml_is_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(
        StudyError, match=r"x\.yaml: not valid YAML \(the key '.' stands twice.*line"
    ):
        yaml_files.read_yaml(path)
    with pytest.raises(StudyError, match="is missing"):
        yaml_files.read_yaml(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4),
        ("-1E5", -1e5),
        (".5", 0.5),
        ("1_000", 1000),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("007", "007"),
        ("true", True),
        ("~", None),
        ("~/x", "~/x"),
    ],
)
def test_plain_words_of_yaml_are_what_they_look_like(tmp_path, text, value):
    (tmp_path / "x.yaml").write_text(f"\ufeffa: {text}\n", encoding="utf-8")
    assert yaml_files.read_yaml(tmp_path / "x.yaml") == {"a": value}


def test_the_line_of_a_value_in_yaml(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb:\n  - c: 1\n  - c: 2\n    d: 3\n")
    places = (["a"], ["b", 1], ["b", 1, "d"], ["b", 1, "gone"], ["b", 7], ["e"], [])
    assert [yaml_files.yaml_line(path, list(place)) for place in places] == [1, 4, 5, 4, 2, 1, 1]
