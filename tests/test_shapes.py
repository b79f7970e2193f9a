"""Rows as people have them: chats, exchanges, cards and texts; what is refused is named."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.corpus import shapes


def turn(role, content):
    return {"role": role, "content": content}


WHY = [turn("user", "Why?"), turn("assistant", "Because.")]
KIND = turn("system", "Be kind.")
EARLIER = [turn("user", "Who?"), turn("assistant", "I.")]
SHARED = [
    {"from": "system", "value": "Be kind."},
    {"from": "human", "value": "Why?"},
    {"from": "gpt", "value": "Because."},
]


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"messages": WHY}, WHY),
        ({"Messages ": json.dumps(WHY), "id": 3}, WHY),
        ({"messages": {"role": ["user", "assistant"], "content": ["Why?", "Because."]}}, WHY),
        ({"messages": WHY, "system": "Be kind."}, [KIND, *WHY]),
        ({"messages": [KIND, *WHY], "system": "Be kind."}, [KIND, *WHY]),
        ({"messages": [turn("developer", "Be kind."), *WHY], "tools": []}, [KIND, *WHY]),
        ({"conversations": SHARED}, [KIND, *WHY]),
        ({"conversations": SHARED[1:], "system": "Be kind.", "source": "x"}, [KIND, *WHY]),
        ({"conversations": [*EARLIER, *SHARED[1:]]}, [*EARLIER, *WHY]),
        ({"conversation": [{"from": "user", "value": "Why?"}, SHARED[2]]}, WHY),
        ({"prompt": "Why?", "completion": "Because."}, WHY),
        ({"Prompt": "Why?", "Response": "Because.", "messages": None}, WHY),
        ({"prompt": [KIND, WHY[0]], "completion": [WHY[1]]}, [KIND, *WHY]),
        ({"user": "Why?", "assistant": "Because.", "system": "Be kind."}, [KIND, *WHY]),
        ({"question": "Why?", "answer": "Because."}, WHY),
        ({"input": "Why?", "output": "Because."}, WHY),
        ({"instruction": "Why?", "input": "", "output": "Because."}, WHY),
        ({"instruction": "Why?", "input": None, "output": "Because."}, WHY),
        (
            {"instruction": "Sum up.", "input": "A b.", "output": "Because."},
            [turn("user", "Sum up.\n\nA b."), WHY[1]],
        ),
        (
            {"instruction": "Why?", "output": "Because.", "history": [["Who?", "I."]]},
            [*EARLIER, *WHY],
        ),
        (
            {"prompt": "Why?", "completion": "Because.", "history": EARLIER, "system": "Be kind."},
            [KIND, *EARLIER, *WHY],
        ),
        (
            {"user": "Why?", "assistant": "Because.", "history": '[["Who?", "I."]]'},
            [*EARLIER, *WHY],
        ),
        ({"user": "Why?", "assistant": "Because.", "history": "", "system": " "}, WHY),
        (
            {
                "messages": [
                    turn("user", [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}]),
                    WHY[1],
                ]
            },
            WHY,
        ),
        (
            {"messages": [WHY[0], turn("assistant", "Eh?") | {"weight": 0}, *WHY]},
            [WHY[0], turn("assistant", "Eh?"), *WHY],
        ),
        ({"messages": [WHY[0], WHY[1] | {"weight": 1, "tool_calls": None}]}, WHY),
        # what stands beside a chat is part of it
        ({"messages": [KIND, *WHY], "history": [["Who?", "I."]]}, [KIND, *EARLIER, *WHY]),
        ({"conversations": SHARED[1:], "system_message": "Be kind."}, [KIND, *WHY]),
        ({"messages": WHY, "systemPrompt": [{"type": "text", "text": "Be kind."}]}, [KIND, *WHY]),
        (
            {"question": "Why?", "context": "A b.", "answer": "Because."},
            [turn("user", "Why?\n\nA b."), WHY[1]],
        ),
        # other names of the same things
        ({"query": "Why?", "response": "Because."}, WHY),
        ({"user": "u17", "Prompt": "Why?", "answer": "Because."}, WHY),
        ({"conversations": [turn("Human", "Why?"), {"role": "AI", "text": "Because."}]}, WHY),
        ({"conversations": [{"from": "human", "content": "Why?"}, SHARED[2]], "tools": "[]"}, WHY),
        ({"messages": str(WHY)}, WHY),  # a list in a CSV file of pandas
        # of several shapes in one row, the one that is filled
        ({"messages": [], "prompt": "Why?", "completion": "Because."}, WHY),
        ({"instruction": "", "input": "Why?", "output": "Because."}, WHY),
    ],
)
def test_a_chat_in_any_shape(row, messages):
    assert shapes.chat_fields(row)
    assert shapes.chat_rows(row) == [{"messages": messages}]


CALL = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "its fields are ; a chat has messages"),
        ({"prompt": "x"}, "its fields are 'prompt'; a chat has messages"),
        ({"text": "x"}, "its fields are 'text'; a chat has messages"),
        ({"user": "x", "assistant": ""}, "field 'assistant': a non-empty text is needed"),
        ({"Prompt": "x", "completion": None}, "field 'completion': a non-empty text.*found None"),
        ({"prompt": 3, "completion": "x"}, "field 'prompt': a non-empty text is needed, found 3"),
        ({"prompt": "\ud800", "completion": "x"}, "field 'prompt': it holds half a character"),
        ({"prompt": "x", "completion": "a\0b"}, "field 'completion': it holds a NUL"),
        ({"messages": []}, "field 'messages': a list of at least two"),
        ({"messages": WHY[:1]}, "field 'messages': a list of at least two"),
        ({"messages": [WHY[0], WHY[0]]}, "field 'messages': no turn of the user's has a reply"),
        ({"messages": [*WHY, turn("system", "x")]}, "the last turn must be the assistant's"),
        ({"messages": "Why?"}, "field 'messages': it is no JSON list"),
        ({"messages": "7"}, "field 'messages': a list of messages is needed, found 7"),
        ({"messages": ["Why?", "Because."]}, "field 'messages', entry 1: an object with role"),
        ({"messages": [{"role": "user"}, WHY[1]]}, "entry 1, field 'content': it is missing"),
        (
            {"conversations": [{"speaker": "A", "said": "x"}, WHY[1]]},
            "entry 1, field 'role': it is missing; the fields there are 'speaker', 'said', and a",
        ),
        ({"prompt": "x", "chosen": "a", "rejected": "b"}, "'chosen', 'rejected'; a chat has mess"),
        ({"messages": WHY, "tools": '[{"type": "function"}]'}, "field 'tools': tool calls"),
        ({"messages": [turn("pope", "x"), WHY[1]]}, "entry 1, field 'role': 'pope' is none of"),
        ({"messages": [turn(None, "x"), WHY[1]]}, "entry 1, field 'role': None is none of"),
        (
            {"conversations": [SHARED[1], {"from": "gpt", "value": " "}]},
            "field 'conversations', entry 2, field 'value': a non-empty text",
        ),
        ({"messages": [WHY[0], WHY[1] | {"weight": 0}]}, "last reply has the weight 0"),
        ({"messages": [WHY[0], WHY[1] | {"weight": "0"}]}, "field 'weight': 0 or 1 is needed"),
        ({"messages": [WHY[0], WHY[1] | {"weight": 0}, WHY[0]]}, "last reply has the weight 0"),
        (
            {"messages": [WHY[0], WHY[1] | {"weight": False}]},
            "entry 2, field 'weight': 0 or 1 is needed, found False",
        ),
        ({"messages": [WHY[0], WHY[1] | {"weight": True}]}, "0 or 1 is needed, found True"),
        (
            {"messages": [WHY[0], turn("assistant", None) | {"tool_calls": CALL}]},
            "entry 2, field 'tool_calls': tool calls cannot",
        ),
        (
            {"messages": [WHY[0], turn("tool", "4"), WHY[1]]},
            "entry 2, field 'role': 'tool' belongs",
        ),
        ({"messages": WHY, "tools": CALL}, "field 'tools': tool calls cannot"),
        (
            {"messages": [turn("user", [{"type": "image_url", "image_url": {}}]), WHY[1]]},
            "field 'content', entry 1: a part of text is needed, found 'image_url'",
        ),
        ({"messages": [turn("user", [{"type": "text"}]), WHY[1]]}, "a part of text is needed"),
        ({"messages": [turn("user", []), WHY[1]]}, "field 'content': a non-empty text"),
        ({"messages": [KIND, *WHY], "system": "Be bad."}, "field 'system': the chat has another"),
        ({"user": "a", "assistant": "b", "history": [["x"]]}, "field 'history', entry 1"),
        ({"user": "a", "assistant": "b", "history": "x"}, "field 'history': it is no JSON list"),
        (
            {"user": "a", "assistant": "b", "history": [["x", ""]]},
            "field 'history', entry 1: a non",
        ),
        ({"instruction": "a", "output": "b", "input": 3}, "field 'input': a non-empty text"),
    ],
)
def test_a_chat_that_cannot_be_used_is_named(row, reason):
    with pytest.raises(ValueError, match=reason) as error:
        shapes.chat_rows(row)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("more", [1, 2])
@pytest.mark.parametrize(
    "row",
    [
        {"messages": WHY},
        {"conversations": SHARED},
        {"conversations": json.dumps(SHARED), "system": "Be kind."},
        {"prompt": WHY[:1], "completion": WHY[1:]},
    ],
)
def test_what_the_user_says_after_the_last_reply_is_left_out_and_counted(row, more):
    field = list(row)[-1] if "prompt" in row else next(iter(row))
    turns = json.loads(row[field]) if isinstance(row[field], str) else row[field]
    asked = SHARED[1] if "from" in turns[0] else WHY[0]
    longer = [*turns, *[asked] * more]
    value = json.dumps(longer) if isinstance(row[field], str) else longer
    (whole,), (found,) = shapes.chat_rows(row), shapes.chat_rows(row | {field: value})
    assert "left_out" not in whole and found == whole | {"left_out": more}


def test_replies_are_raw_texts_without_those_of_weight_0():
    row = {"messages": [*EARLIER, WHY[0], WHY[1] | {"weight": 0}, *WHY]}
    assert shapes.reply_rows(row) == [{"text": "I."}, {"text": "Because."}]
    with pytest.raises(ValueError, match="no reply"):
        shapes.reply_rows({"messages": [WHY[0], WHY[1] | {"weight": 0}]})


def test_a_text_row():
    assert shapes.text_row({"Text": "x", "id": 1}) == {"text": "x"}
    for row, reason in (
        ({"body": "x"}, "its fields are 'body'; a text has the field 'text'"),
        ({"text": None}, "field 'text': a non-empty text is needed, found None"),
        ({"text": " \n"}, "field 'text': a non-empty text"),
        ({str(i): i for i in range(30)}, "and 22 more"),
    ):
        with pytest.raises(ValueError, match=reason):
            shapes.text_row(row)


EXAMPLE = """<START>
{{user}}: Who are you?
{{Char}}: I am {{char}}.
*She bows to {{user}}.*
<start>
{{char}}: You again.
{{user}}: Yes.
{{char}}: Tea?
"""


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_character_card_becomes_chats(version):
    data = {
        "name": "Ada",
        "description": "An engineer.",
        "first_mes": "Welcome, {{user}}! I am {{char}}.",
        "mes_example": EXAMPLE,
        "alternate_greetings": ["Hm?"] if version > 1 else None,
    }
    card = data if version == 1 else {"spec": f"chara_card_v{version}", "data": data}
    if version == 3:
        data["nickname"] = "Ad"
    name = "Ad" if version == 3 else "Ada"
    chats = [row["messages"] for row in shapes.chat_rows(card)]
    assert chats[0] == [turn("user", "Hello!"), turn("assistant", f"Welcome, User! I am {name}.")]
    assert [turn("user", "Hello!"), turn("assistant", "Hm?")] in chats or version == 1
    assert chats[-2:] == [
        [
            turn("user", "Who are you?"),
            turn("assistant", f"I am {name}.\n*She bows to User.*"),
        ],
        [
            turn("user", "Hello!"),
            turn("assistant", "You again."),
            turn("user", "Yes."),
            turn("assistant", "Tea?"),
        ],
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "field 'name': a non-empty"),
        (
            {"mes_example": "Once upon a time."},
            "'mes_example', dialogue 1: a line that begins with",
        ),
        ({"mes_example": "<START>\n{{user}}: Hi."}, "dialogue 1: a list of at least two"),
        ({"mes_example": "{{user}}: Hi.\nUser: Hm."}, "dialogue 1: a list of at least two"),
        ({"name": "User"}, "field 'name': the character is called 'User', as its partner is here"),
        ({"name": " user"}, "field 'name': .*; give it another name"),
        ({"mes_example": "{{user}}: a\n{{char}}:\n"}, "dialogue 1: a non-empty text"),
        ({"first_mes": "It is {{time}}."}, "'first_mes': the macro '{{time}}' cannot be filled"),
        ({"first_mes": 3}, "field 'first_mes': a non-empty text is needed, found 3"),
        ({"first_mes": "", "mes_example": ""}, "holds no greeting and no example"),
    ],
)
def test_a_card_that_cannot_be_used_is_named(change, reason):
    with pytest.raises(ValueError, match=reason):
        shapes.chat_rows({"data": {"name": "Ada", "first_mes": "", "mes_example": ""} | change})


def test_a_part_of_a_card_that_cannot_be_used_costs_no_other():
    example = "<START>\n{{user}}: a\n<START>\n{{user}}: {{time}}\n{{char}}: b\n<START>\n{{char}}: c"
    card = {"name": "Ada", "first_mes": "Hi.", "alternate_greetings": [3], "mes_example": example}
    rows = shapes.chat_rows({"data": card})
    assert [row["messages"][-1]["content"] for row in rows if not isinstance(row, str)] == [
        "Hi.",
        "c",
    ]
    replies = shapes.reply_rows({"data": card})
    assert replies[:2] == [{"text": "Hi."}, {"text": "c"}]
    greeted, no_reply, macro = (row for row in rows if isinstance(row, str))
    assert greeted.startswith("field 'alternate_greetings', entry 1: ") and greeted in replies
    assert no_reply.startswith("field 'mes_example', dialogue 1: a list of at least two")
    assert macro.startswith("field 'mes_example', dialogue 2: the macro '{{time}}'")


def test_macros_with_spaces_comments_and_other_colons_of_a_card():
    greeting = "{{// to be seen by nobody }}{{ Char }} nods to {{ user }}."
    card = {"name": "艾达", "first_mes": greeting, "mes_example": "{{user}}：嗨\n{{char}}：你好"}
    assert [row["messages"] for row in shapes.chat_rows({"data": card})] == [
        [turn("user", "Hello!"), turn("assistant", "艾达 nods to User.")],
        [turn("user", "嗨"), turn("assistant", "你好")],
    ]


def test_a_card_without_what_is_said_is_called_one():
    with pytest.raises(ValueError, match="field 'name'|holds no greeting"):
        shapes.chat_rows({"spec": "chara_card_v3", "data": {"name": "Ada"}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "type", "text", "weight", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
names = st.sampled_from(
    [n for pair in shapes.PAIRS for n in pair]
    + [*shapes.TURNS, *shapes.TOOL_FIELDS, "system", "history", "text", "data", "first_mes", "name"]
)


@settings(max_examples=300)
@given(st.dictionaries(names, json_values, max_size=6))
@example({"prompt": [], "completion": None, "input": 1})
def test_any_row_is_a_chat_or_has_a_reason(row):
    for shaped in (shapes.chat_rows, shapes.reply_rows, shapes.text_row):
        try:
            found = shaped(row)
        except ValueError as error:
            assert str(error)
        else:
            json.dumps(found).encode()
