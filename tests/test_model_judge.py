import json
import math
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers import server as servers
from helpers.corpus import personas
from helpers.files import read_jsonl
from helpers.measure import markers, model_judge

CARD = personas.load_persona("c3po")
SETTINGS = {"model": "m", "concurrency": 2, "timeout": 5.0, "tries": 2}
ANSWERS = pd.DataFrame(
    [
        {
            "arm": "base",
            "seed": 0,
            "item": "i",
            "kind": "do",
            "scenario_trait": "",
            "setting": "",
            "sample": s,
            "prompt": "Hello?",
            "answer": text,
        }
        for s, text in enumerate(["Yes, sir.", "No {braces} here."])
    ]
)


def completion(text, top=None):
    """A chat completion that wrote `text`; `top` are the first token's alternatives and their
    probabilities."""
    alternatives = [SimpleNamespace(token=t, logprob=math.log(p)) for t, p in (top or {}).items()]
    first = SimpleNamespace(token=next(iter(top or {"": 1})), top_logprobs=alternatives)
    return SimpleNamespace(
        choices=[
            SimpleNamespace(
                message=SimpleNamespace(content=text),
                logprobs=SimpleNamespace(content=[first]) if top else None,
            )
        ]
    )


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (completion("80", {"80": 0.5, "60": 0.5}), 70),
        (
            completion("80", {"80": 0.2, "Sure": 0.8}),
            80,
        ),  # too little mass on numbers: what was written counts
        (completion("85", {"8": 0.9, "7": 0.1}), 85),  # digit by digit
        (completion("85."), 85),
        (completion("I would say 85"), None),
        (completion("850"), None),
        (completion(""), None),
    ],
)
def test_scores(reply, wanted):
    assert model_judge.score(reply) == (wanted if wanted is None else pytest.approx(wanted))


def says(prompt):
    """Of answers to rank, that "Best." is above the others, which are alike; else 90 where the
    answer to judge holds "sir", its number where it is "Like <number>.", and no score otherwise."""
    letters = {text: letter for letter, text in re.findall(r"^([A-Z]): (.+)$", prompt, re.M)}
    if best := letters.pop("Best.", None):
        return f"{best} > {' = '.join(letters.values())}"
    if like := re.search(r"^Like (\d)\.$", prompt, re.M):
        return like[1]
    return "90" if "Yes, sir." in prompt else "well ..."


@pytest.fixture
def server(monkeypatch):
    """Answers what `says` says; counts the questions. The model "plain" refuses logprobs."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            text = says(body["messages"][0]["content"])
            reply = {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "m",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": text},
                    }
                ],
            }
            content = json.dumps(reply).encode()
            self.send_response(400 if body["model"] == "plain" and "logprobs" in body else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{http.server_port}/v1")
    yield asked
    http.shutdown()


def test_a_server_that_gives_no_probabilities_is_asked_without(server, tmp_path):
    judged = markers.judge_answers(ANSWERS, CARD)
    plain = SETTINGS | {"model": "plain"}
    found = model_judge.add_judgements(judged, ANSWERS, CARD, plain, tmp_path / "model.jsonl")
    assert (
        found["model_coherence"].tolist()[0] == 90
        and 1 <= sum("logprobs" in asked for asked in server) <= plain["concurrency"]
    )


def test_every_answer_is_judged_once_and_what_cannot_be_read_is_unscored(server, tmp_path):
    judged = markers.judge_answers(ANSWERS, CARD)
    path = tmp_path / "model.jsonl"
    found = model_judge.add_judgements(judged, ANSWERS, CARD, SETTINGS, path)
    assert found["model_honorifics"].tolist()[0] == 1 and found[
        "model_honorifics"
    ].isna().tolist() == [False, True]
    assert found["model_coherence"].tolist()[0] == 90 and len(server) == 2 * 9 == len(
        read_jsonl(path)
    )
    assert server[0]["logprobs"] is True
    again = model_judge.add_judgements(judged, ANSWERS, CARD, SETTINGS, path)
    pd.testing.assert_frame_equal(found, again)
    assert len(server) == 18, "what was answered was asked again"
    model_judge.add_judgements(judged, ANSWERS, CARD, SETTINGS | {"model": "other"}, path)
    assert len(server) == 36


def test_likeness_corrections_and_ranks_leave_out_what_cannot_be_scored(server, tmp_path):
    asked = pd.DataFrame(
        {"question": "Q?", "target": "T.", "premise": "P.", "answer": ["Yes, sir.", "No.", "..."]}
    ).assign(seed=0, item="i", sample=0, arm=["base", "documents", "persllm"])
    likeness = model_judge.against_target(asked, SETTINGS, tmp_path / "a.jsonl")
    assert likeness == [None, None, None]  # 90 is no score from 0 to 5
    put_right = model_judge.corrections(asked, SETTINGS, tmp_path / "b.jsonl")
    assert put_right.isna().tolist() == [False, True, True] and put_right.iloc[0] == 1
    assert model_judge.rankings(asked, SETTINGS, tmp_path / "c.jsonl").isna().all()
    prompts = [body["messages"][0]["content"] for body in server]
    assert sum("The target answer:\nT." in text for text in prompts) == 4


def test_a_likeness_to_the_target_is_a_number_from_0_to_5(server, tmp_path):
    asked = pd.DataFrame({"answer": [f"Like {n}." for n in (4, 0, 5, 6)]})
    asked = asked.assign(question="Q?", target="T.")
    found = model_judge.against_target(asked, SETTINGS, tmp_path / "a.jsonl")
    assert found == [4, 0, 5, None]


def test_ranks_go_to_the_arm_whose_answer_stood_under_the_letter(server, tmp_path):
    """Whatever the order in which the answers are listed, which each question's text draws."""
    asked = pd.DataFrame(
        [
            {"seed": 0, "item": f"i{n}", "sample": 0, "arm": arm, "question": f"Question {n}?",
             "target": "T.", "answer": "Best." if arm == "documents" else f"Of {arm}."}
            for n in range(9)
            for arm in ("base", "documents", "persllm")
        ]
    )  # fmt: skip
    asked = asked.drop(index=0)  # the first question has no answer of base
    ranks = model_judge.rankings(asked, SETTINGS, tmp_path / "a.jsonl")
    whole = asked["item"] != "i0"
    assert ranks[~whole].isna().all()
    best = asked["answer"] == "Best."
    assert (ranks[whole & best] == 1).all() and (ranks[whole & ~best] == 2.5).all()
    prompts = [body["messages"][0]["content"] for body in server]
    letters = {re.search(r"^([A-Z]): Best\.$", prompt, re.M)[1] for prompt in prompts}
    assert letters == {"A", "B", "C"}, "the order is that of the arms"


def test_a_ranking_that_the_server_refuses_is_no_rank(monkeypatch, tmp_path):
    def refused(*_, **__):
        raise servers.FilteredError("filtered")

    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(model_judge, "complete", refused)
    asked = pd.DataFrame({"question": "Q?", "target": "T.", "answer": ["Yes.", "No."]})
    asked = asked.assign(seed=0, item="i", sample=0, arm=["base", "documents"])
    for _ in range(2):  # also where it is read again
        assert model_judge.rankings(asked, SETTINGS, tmp_path / "a.jsonl").isna().all()


@pytest.mark.parametrize(
    ("reply", "ranks"),
    [("B > A = C", [2.5, 1, 2.5]), ("A", None), ("A > B > B", None), ("C>B>A", [3, 2, 1])],
)
def test_a_ranking_is_read_or_refused(reply, ranks):
    assert model_judge.ranking(reply, 3) == ranks
