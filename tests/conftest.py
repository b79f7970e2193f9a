"""Shared fixtures: the embedded model's tokenizer, a tiny random model where only the mechanics
matter, and adapters of it; a published and a made study; a copy of the project; a chat server."""

import atexit
import json
import os
import shutil
import tempfile
import threading
import time
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Nothing here may need the hub, ask a proxy for a test's own server, hang on somebody's settings of
# git, or leave anything in a cache that outlives the tests.
os.environ.update(HF_HUB_OFFLINE="1", NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
os.environ.update(GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many tests as cores run at once
    os.environ.setdefault("OMP_NUM_THREADS", "1")
else:  # workers have the folder of the process that started them
    os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="datasets-")
    atexit.register(shutil.rmtree, os.environ["HF_DATASETS_CACHE"], ignore_errors=True)

import helpers  # before torch: it sets how OpenMP's idle threads wait  # noqa: F401

# ruff: isort: split
import copies
import hypothesis
import made_results
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from helpers import files, pretrained
from helpers.model import adapters, answer, base, chat, dpo, forms, packed, weights
from helpers.persllm import general
from helpers.report import answers, shares

hypothesis.settings.register_profile("busy", deadline=None)  # other tests run beside these
hypothesis.settings.load_profile("busy")

KEY = "sk-never-to-be-seen"


def pytest_collection_modifyitems(items):
    """The chains first, which take longest: the other tests fill the second worker meanwhile."""
    items.sort(key=lambda item: "chain" not in item.path.name)


@pytest.fixture(scope="session")
def tokenizer():
    return pretrained.load_tokenizer("embedded")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder of the test's own that holds the shipped persona cards and nothing else."""
    shutil.copytree(files.DATA / "personas", tmp_path / "personas")
    monkeypatch.setattr(files, "DATA", tmp_path)
    return tmp_path


@pytest.fixture
def tiny():
    """A random float32 Llama of two layers with grouped attention; the vocabulary is the embedded
    tokenizer's."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def tiny_base(tiny, monkeypatch):
    """`base.load_base` gives the same frozen tiny model at every call; the fixture is that
    function."""

    def load_base(_=""):
        fresh = deepcopy(tiny).requires_grad_(False)
        fresh.dequantize = lambda: fresh
        return fresh

    for module in (base, adapters, chat):
        monkeypatch.setattr(module, "load_base", load_base)
    return load_base


@pytest.fixture
def random_adapter(tiny_base):
    """A function that leaves a random adapter of the tiny model in a folder: rank 4, with added
    tokens if it is given any, and B matrices of this standard deviation."""

    def make(folder, tokens=(), seed=1, std=0.5):
        ids = pretrained.load_tokenizer("embedded", list(tokens)).convert_tokens_to_ids(
            list(tokens)
        )
        model = adapters.add_adapter(tiny_base(), 4, 8, 0.0, seed, ids)
        torch.manual_seed(seed)
        for name, weight in model.named_parameters():
            if "lora_B" in name or "trainable_tokens_delta" in name:
                torch.nn.init.normal_(weight, std=std)
        adapters.save_adapter(model, folder, dict(zip(tokens, ids, strict=True)))

    return make


# Studies


@pytest.fixture(scope="session")
def study():
    """The reference study as it is published."""
    return made_results.published()


@pytest.fixture(scope="session")
def measured(study):
    return shares.measured(study, made_results.ARMS)


@pytest.fixture(scope="session")
def labelled(study):
    return answers.labelled_triplets(study, made_results.ARMS)


@pytest.fixture(scope="session")
def gaps(measured, labelled):
    return shares.gap_over_base(measured, labelled, made_results.ARMS)


@pytest.fixture(scope="session")
def made():
    """A study that is made from simulated numbers."""
    return made_results.study()


@pytest.fixture
def copy(tmp_path):
    """A copy of the project's code and data."""
    return copies.make(tmp_path / "copy")


@pytest.fixture
def float32(monkeypatch):
    """Compute in float32 whatever the machine, so that results can be compared exactly."""
    for module in (pretrained, answer, base, chat, dpo, forms, general, packed, weights):
        monkeypatch.setattr(module, "compute_dtype", lambda: torch.float32)


@pytest.fixture
def rows():
    """A dozen short text rows."""
    return [
        {
            "unit": f"u{i:02d}",
            "split": "train",
            "traits": [],
            "facts": [],
            "text": f"Entry {i}. The droid counted {i * 7 + 3} steps to the hangar, each a trial.",
        }
        for i in range(12)
    ]


def good_answer(prompt):
    if '{"situation"' in prompt:
        return {"situation": f"A slug meets gardener {len(prompt)} {time.perf_counter_ns()}."}
    if '{"question"' in prompt:
        passage = prompt.split("knows:\n")[1].split(".")[
            0
        ]  # so that questions differ as the passages do
        return {
            "question": f"Is it true, as they say, that {passage}?",
            "premise": "Slugs have no cousins.",
        }
    if '{"analysis"' in prompt:
        return {
            "analysis": "word " * 20,
            "response": "I am glad of every slug in the bed, and honestly so.",
        }
    if '{"user"' in prompt:
        return {"user": "What now?", "reply": "Honestly, hooray for every slug in the bed."}
    return (
        {"text": "I am glad of my slugs."}
        if "first person" in prompt or '"I"' in prompt
        else {"text": "Bramble praises slugs."}
    )


@pytest.fixture
def server(monkeypatch):
    """A chat server; `server.faults` is a queue of ways to err before it answers well,
    `server.prompts` what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            own.prompts.append(body["messages"])
            own.keys.append(self.headers["Authorization"])
            with guard:
                fault = own.faults.pop(0) if own.faults else None
            if fault == "slow":
                time.sleep(1.2)
            if isinstance(fault, int):
                self.reply(fault, {"error": {"message": f"fault with {KEY}"}})
                return
            content = json.dumps(good_answer(body["messages"][0]["content"]))
            content = {
                "not json": "As you wish!",
                "cut": content[:-3],
                "field": '{"txt": "x"}',
                "short": '{"text": "I"}',
                "empty": "",
            }.get(fault, f"Gladly: {content}")
            self.reply(
                200,
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m",
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "length" if fault == "cut" else "stop",
                            "message": {"role": "assistant", "content": content},
                        }
                    ],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
                },
            )

        def reply(self, status, body):
            data = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client gave up

        def log_message(self, *args):
            pass

    guard = threading.Lock()
    own = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.faults, own.prompts, own.keys, own.key = [], [], [], KEY
    threading.Thread(target=own.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{own.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield own
    own.shutdown()
    own.server_close()
