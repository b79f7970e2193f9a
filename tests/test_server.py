"""Calls to a server: what it refuses is not sent to it again; prompts come from files."""

import pytest

from helpers import server as servers
from helpers.files import StudyError

SETTINGS = {"model": "m", "max_tokens": 5, "temperature": 0}
MESSAGES = [{"role": "user", "content": 'Write {"text"} in the first person.'}]


def test_a_refused_option_is_refused_once(server):
    client = servers.connect(5.0, 1)
    server.faults = [400]
    for _ in range(3):
        done = servers.complete(client, MESSAGES, SETTINGS, logprobs=True)
        assert done.choices[0].message.content
    assert len(server.prompts) == 4  # the first question twice


def test_a_question_that_is_refused_by_itself_costs_the_others_nothing(server):
    client = servers.connect(5.0, 1)
    server.faults = [400, 400]
    with pytest.raises(StudyError, match="BadRequestError 400"):
        servers.complete(client, MESSAGES, SETTINGS, logprobs=True)
    assert not hasattr(client, "takes_no_more")


def test_a_missing_prompt_is_named():
    with pytest.raises(StudyError, match=r"data/prompts/nothing\.txt is missing; restore it"):
        servers.render("nothing")
