"""Calls to a server: what it refuses is not sent to it again, what is no completion is asked for
again or told in the server's words, and a key is never told; prompts come from files."""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_writer import CARD

from helpers import server as servers
from helpers import writing
from helpers.corpus import writer
from helpers.files import StudyError, read_jsonl
from helpers.measure import model_judge

SETTINGS = {"model": "m", "max_tokens": 5, "temperature": 0}
MESSAGES = [{"role": "user", "content": 'Write {"text"} in the first person.'}]
KEY = "sk-never-to-be-seen-anywhere"
FIELDS = ("text",)


def body(content="Well.", finish="stop", **more):
    message = {"role": "assistant", "content": content} | more
    choice = {"index": 0, "finish_reason": finish, "message": message}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def refusal(message, param=None):
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return {"error": error}


@pytest.fixture
def scripted(monkeypatch):
    """A server that gives the replies in `scripted.replies` in turn, the last one for ever: rows
    (status, body) or (status, body, type of content); `scripted.asked` is what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            with guard:
                own.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                reply = own.replies.pop(0) if len(own.replies) > 1 else own.replies[0]
            status, content, *kind = reply(own.asked[-1]) if callable(reply) else reply
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind[0] if kind else "application/json")
            self.send_header("Content-Length", str(len(data) + (7 if kind == ["cut"] else 0)))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = True

        def log_message(self, *_):
            pass

    guard = threading.Lock()
    own = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.replies, own.asked = [], []
    threading.Thread(target=own.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{own.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(servers.time, "sleep", lambda _: None)
    yield own
    own.shutdown()
    own.server_close()


def call(tries=2, **more):
    return servers.complete(servers.connect(5.0, tries), MESSAGES, SETTINGS, **more)


def test_a_refused_option_is_refused_once(server, capsys):
    client = servers.connect(5.0, 1)
    server.faults = [400]
    for _ in range(3):
        done = servers.complete(client, MESSAGES, SETTINGS, logprobs=True)
        assert done.choices[0].message.content
    assert len(server.prompts) == 4  # the first question twice
    assert capsys.readouterr().out == "The server refuses logprobs: left out\n"


def test_a_question_that_is_refused_by_itself_costs_the_others_nothing(server):
    client = servers.connect(5.0, 1)
    server.faults = [400, 400]
    with pytest.raises(StudyError, match="BadRequestError 400"):
        servers.complete(client, MESSAGES, SETTINGS, logprobs=True)
    assert not hasattr(client, "refused")


def test_options_are_sent_as_the_server_wants_them(scripted, capsys):
    def strict(asked):
        if "max_tokens" in asked:
            said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return 400, refusal(said, "max_tokens")
        if "temperature" in asked:
            return 400, refusal("Only the default (1) is supported.", "temperature")
        if "logprobs" in asked:
            return 422, {"detail": [{"loc": ["body", "logprobs"], "msg": "not permitted"}]}
        return 200, body()

    scripted.replies, client = [strict], servers.connect(5.0, 2)
    for _ in range(2):
        done = servers.complete(
            client, MESSAGES, SETTINGS, logprobs=True, response_format={"type": "json_object"}
        )
        assert servers.said(done) == "Well."
    assert len(scripted.asked) == 5
    wanted = {"model", "messages", "max_completion_tokens", "response_format"}
    assert set(scripted.asked[-1]) == wanted and scripted.asked[-1]["max_completion_tokens"] == 5
    told = capsys.readouterr().out
    assert told.count("\n") == 1 and "max_completion_tokens is sent, left out" in told


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (400, refusal("The context length is 128 tokens."), "The context length is 128 tokens."),
        (404, refusal("The model `m` does not exist."), "The model `m` does not exist."),
        (422, {"detail": "messages: field required"}, "messages: field required"),
        (401, refusal(f"Incorrect API key: {KEY[:6]}**{KEY[-4:]}."), "Incorrect API key: [key]"),
        (403, b"<html><h1>Forbidden</h1> no such place</html>", "Forbidden no such place"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words_and_never_the_key(scripted, status, content, told):
    scripted.replies = [(status, content)]
    with pytest.raises(StudyError, match=f"Error {status}: ") as error:
        call(logprobs=True)
    line = str(error.value)
    assert told in line and KEY[:6] not in line and "\n" not in line and "<" not in line


NO_COMPLETIONS = {
    "no choices": (200, body() | {"choices": []}),
    "null choices": (200, body() | {"choices": None}),
    "an error inside": (200, {"error": {"message": "All slots are busy", "code": 502}}),
    "no message": (200, body() | {"choices": [{"index": 0, "finish_reason": "stop"}]}),
    "a page": (200, b"<html><title>Log in</title><body>Please sign on</body></html>", "text/html"),
    "half a body": (200, json.dumps(body()).encode()[:40]),
    "a body cut off": (200, json.dumps(body()).encode(), "cut"),
    "a list": (200, [1, 2]),
    "null": (200, None),
    "text": (200, b"ready", "text/plain"),
    "a choice that is a text": (200, body() | {"choices": ["Well."]}),
    "a message that is a text": (200, body() | {"choices": [{"message": "Well."}]}),
}


@pytest.mark.parametrize("fault", NO_COMPLETIONS.values(), ids=NO_COMPLETIONS)
def test_what_is_no_completion_is_asked_for_again_and_then_told(scripted, fault):
    scripted.replies = [fault, (200, body())]
    assert servers.said(call()) == "Well." and len(scripted.asked) == 2
    scripted.replies, scripted.asked = [fault], []
    with pytest.raises(StudyError, match="goes on from here") as error:
        call(tries=3)
    assert len(scripted.asked) == 3 and KEY not in str(error.value) and "\n" not in str(error.value)
    for said in ("Log in Please sign on", "All slots are busy", "ready"):
        assert (said in str(fault)) == (said in str(error.value)) or said == "Log in Please sign on"
    assert "<" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("Well.", "Well."),
        (None, ""),
        ([{"type": "text", "text": "We"}, {"type": "text", "text": "ll."}], "Well."),
        ([{"type": "reasoning", "text": None}, {"type": "output_text", "text": "Well."}], "Well."),
        ("<think>Hm {x}.</think>\n\nWell.", "Well."),
        ("Hm.</think>Well.", "Well."),
        ("<think>Hm, or", ""),
    ],
)
def test_what_is_said_is_the_text_without_the_thinking(scripted, content, wanted):
    scripted.replies = [(200, body(content))]
    assert servers.said(call()) == wanted


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ('{"text": "I am."}', "I am."),
        ('```json\n{"text": "I am."}\n```', "I am."),
        ('I need {"text": "..."} with {braces}. So: {"text": "I am."}', "I am."),
        ('{"text": "I am."} I hope that {this} does.', "I am."),
        ('{"text": "I say {so}."}', "I say {so}."),
        ('{"draft": {"text": "No."}} {"text": "I am."}', "I am."),
        ('{"text": "I am."}{"note": 1}', "I am."),
        ('{"text": "half', None),
        ("{" * 3000, None),
        ('{"text": "\\ud800"}', None),
        ('{"text": "a\\u0000b"}', None),
        ('{"text": null}', None),
        ('[{"text": "I am."}]', "I am."),
    ],
)
def test_the_object_is_found_among_what_stands_around_it(reply, wanted):
    found = writing.parse(reply, FIELDS)
    assert found == {"text": wanted} if wanted else isinstance(found, str) and found


@given(st.text("{}\"':[], ab\\\n"))
def test_any_reply_is_parsed_or_explained(reply):
    found = writing.parse(reply, FIELDS)
    assert found if isinstance(found, str) else set(found) == set(FIELDS)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            body(None, refusal=f"I cannot write with {KEY}."),
            "the model refused .I cannot write with",
        ),
        (body("", "length", reasoning_content="Hm."), "used all of max_tokens to think: raise it"),
        (body("<think>Hm", "length"), "used all of max_tokens to think"),
        (body('{"text": "I a', "length"), "the answer was cut off: be shorter"),
        (body("", "content_filter"), "the server's filter stopped the answer"),
        (body(""), "the answer holds no JSON object"),
        (body("Certainly!"), "the answer holds no JSON object"),
    ],
)
def test_a_writer_says_which_text_failed_and_why_and_ends_with_an_error(
    scripted, data, tmp_path, monkeypatch, capsys, reply, why
):
    card = tmp_path / "bramble.yaml"
    card.write_text(yaml.safe_dump(CARD))
    good = body('<think>{"situation"?}</think>{"situation": "A slug meets a robot."}')
    scripted.replies = [(200, good), (200, reply)]
    options = ["--model", "m", "--units", "1", "--asks", "2", "--words", "3", "60"]
    monkeypatch.setattr(sys, "argv", ["writer", str(card), *options])
    with pytest.raises(SystemExit, match="error: 1 failed, see above") as ended:
        writing.command(writer.write_corpus, writer.__doc__, "--units", 560)
    shown = capsys.readouterr()
    lines = [line for line in shown.out.splitlines() if " failed, asked 2 times: " in line]
    assert [line.split()[0] for line in lines] == [
        "u0001/demonstrations",
        "u0001/documents",
        "u0001/first_person",
    ]
    assert all(re.search(why, line) for line in lines)
    written = "".join(p.read_text() for p in (data / "corpora" / "bramble").iterdir())
    assert KEY not in shown.out + shown.err + written + str(ended.value)
    assert "u0001/situation" in {
        r["id"] for r in read_jsonl(data / "corpora/bramble/written.jsonl")
    }


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        (3, None),
        ({"text": '{"text": "Yes."}'}, {"prompt_tokens": "12"}),
        ([{"type": "text", "text": 3}, None], {"prompt_tokens": None, "completion_tokens": [1]}),
        (True, "many"),
    ],
)
def test_odd_types_in_a_completion_cost_one_more_call(scripted, content, usage):
    good = body('{"text": "Yes."}') | {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    scripted.replies = [(200, body(content) | {"usage": usage}), (200, good)]
    answer, made = writing.ask(
        servers.connect(5.0, 1), "Write.", FIELDS, lambda _: None, SETTINGS | {"asks": 2}
    )
    assert answer == {"text": "Yes."} and made["asked"] <= 2
    assert made["prompt_tokens"] in (0, 7) and made["completion_tokens"] in (0, 2)


def test_a_text_in_a_list_is_said(scripted):
    scripted.replies = [(200, body(["We", {"type": "text", "text": "ll."}]))]
    assert servers.said(call()) == "Well."


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8000/v1",
        "localhost:8000",
        "ftp://x/v1",
        "http://",
        "http://[::1",
        "http://x:99999",
    ],
)
def test_what_is_no_address_is_said_before_anything_is_asked(monkeypatch, address):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(StudyError, match="OPENAI_BASE_URL is no address.*then run again"):
        servers.connect(5.0, 1)


def test_blanks_around_address_and_key_pass_and_other_odd_characters_are_named(
    scripted, monkeypatch
):
    scripted.replies = [(200, body())]
    monkeypatch.setenv("OPENAI_BASE_URL", f" http://127.0.0.1:{scripted.server_port}/v1 \n")
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    assert servers.said(call()) == "Well."
    for key in (f"“{KEY}”", f"{KEY}\n{KEY}", f"Bearer {KEY}", "ключ"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(StudyError, match="OPENAI_API_KEY holds a character") as error:
            call()
        assert KEY not in str(error.value)


def test_why_there_is_no_connection_is_said(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(StudyError, match=r"APIConnectionError: .*refused"):
        call(tries=1)


FILTER = {"error": {"message": "Filtered.", "param": "prompt", "code": "content_filter"}}


def test_a_text_that_a_filter_refuses_fails_alone(scripted, tmp_path):
    def filtered(asked):
        bad = "bad" in asked["messages"][0]["content"]
        return (400, FILTER) if bad else (200, body('{"text": "12"}'))

    scripted.replies, client = [filtered], servers.connect(5.0, 1)
    settings = SETTINGS | {"asks": 3, "concurrency": 1, "timeout": 5.0, "tries": 1}
    answer, made = writing.ask(client, "bad", FIELDS, lambda _: None, settings)
    assert answer is None and made["asked"] == 1 and "Filtered." in made["wrong"]
    asked = [{"text": "bad"}, {"text": "good"}]
    read = model_judge.replies(asked, lambda _: 5.0, settings, tmp_path / "kept.jsonl")
    assert read == [None, 5.0] and len(read_jsonl(tmp_path / "kept.jsonl")) == 2


def test_a_judge_that_thinks_is_read_after_its_thoughts(scripted):
    scripted.replies = [(200, body("<think>Between 10 and 20?</think> 85"))]
    assert model_judge.score(call()) == 85
    scripted.replies = [(200, body([{"type": "text", "text": "85"}]))]
    assert model_judge.score(call()) == 85


def test_a_judge_that_only_thinks_is_one_clear_error(scripted, tmp_path):
    scripted.replies = [(200, body("", "length", reasoning_content="Hm."))]
    settings = {"model": "m", "max_tokens": 5, "concurrency": 1, "timeout": 5.0, "tries": 1}
    with pytest.raises(StudyError, match="'m' used all of its 5 tokens to think"):
        model_judge.replies([{"text": "Why?"}], model_judge.score, settings, tmp_path / "j.jsonl")


def test_a_short_key_is_not_told_either(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "abc")
    assert servers.words("Bad key abc!") == "Bad key [key]"
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert servers.words("none left, Bearer xyz sk-123") == "none left, [key] [key]"
    assert servers.words(SimpleNamespace(model_dump_json=lambda: "{}")) == "{}"


def test_a_missing_prompt_is_named():
    with pytest.raises(StudyError, match=r"data/prompts/nothing\.txt is missing; restore it"):
        servers.render("nothing")
