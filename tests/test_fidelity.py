import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import stats
from helpers.persllm import fidelity, life_stages, reasoned

STAGES = [
    {"id": "early", "knows": ["early"], "first_known": ["Anakin", "first plates"]},
    {"id": "middle", "knows": ["middle"], "first_known": ["Luke|Master Luke"]},
    {"id": "late", "knows": ["middle", "late"], "first_known": ["Rey"]},
]


def answers(rows, **more):
    columns = ["item", "kind", "stage", "sample", "prompt", "answer"]
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows]).assign(
        arm="persllm", seed=0, **more
    )


def test_a_leak_is_a_word_of_an_unknown_stage_that_the_prompt_did_not_give():
    found = fidelity.leaks(
        answers(
            [
                ("a", "question", "early", 0, "Who made you?", "Anakin did, and Luke polished me."),
                (
                    "b",
                    "question",
                    "middle",
                    0,
                    "Did Anakin build you?",
                    "Anakin? I know no such person.",
                ),  # the prompt said it
                (
                    "c",
                    "outside",
                    "middle",
                    0,
                    "Who built you?",
                    "It was Anakin, who gave me my first plates.",
                ),
                (
                    "d",
                    "outside",
                    "late",
                    0,
                    "And then?",
                    "Master Luke and Rey, in good greyness.",
                ),  # known; no whole word
                ("e", "outside", "late", 0, "And then?", " "),
            ]
        ),
        STAGES,
    )
    assert found["outcome"].tolist()[:4] == [1, 0, 1, 0] and found["outcome"].isna().tolist() == [
        False
    ] * 4 + [True]
    assert found["words"].tolist()[:3] == ["Luke", "", "Anakin, first plates"]


@pytest.mark.parametrize("persona", ["c3po", "nell"])
def test_target_answers_seldom_leak(persona):
    examples = pd.DataFrame(reasoned.load_examples(persona)).rename(
        columns={"id": "item", "question": "prompt", "response": "answer"}
    )
    rows = examples.assign(kind="question", sample=0, arm="reference", seed=0)
    assert fidelity.leaks(rows, life_stages.load_stages(persona)["stages"])["outcome"].mean() < 0.02


def test_the_own_stage_is_recognised_where_it_is_likeliest():
    scored = pd.DataFrame(
        [
            {"arm": "a", "seed": 0, "unit": unit, "stage": stage, "own": own, "nll": nll}
            for unit, own, values in (("p1", "early", (1.0, 2.0)), ("p2", "early", (3.0, 2.0)))
            for stage, nll in zip(("early", "late"), values, strict=True)
        ]
    )
    assert fidelity.recognised(scored).set_index("item")["outcome"].to_dict() == {"p1": 1, "p2": 0}


def test_likeness_and_ranks():
    a, b = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]]), np.array([[1.0, 0.0]] * 3)
    assert fidelity.likeness(a, b).tolist() == pytest.approx([5, 3, 0])
    frame = pd.DataFrame(
        {
            "arm": list("abcab"),
            "seed": 0,
            "item": [1, 1, 1, 2, 2],
            "sample": 0,
            "score": [3.0, 3.1, 1.0, 2.0, 4.0],
        }
    )
    found = fidelity.ranks(frame)
    assert (
        found.tolist()[:3] == [1.5, 1.5, 3] and found[3:].isna().all()
    )  # the second question lacks an arm


@given(
    st.text(alphabet="ab ", min_size=1, max_size=30),
    st.text(alphabet="ab ", min_size=1, max_size=30),
)
def test_bleu_is_symmetric_and_bounded(a, b):
    assert (
        fidelity.bleu(a, b) == pytest.approx(fidelity.bleu(b, a))
        and 0 <= fidelity.bleu(a, b) <= 100.001
    )


def test_distinctness_compares_answers_to_the_same_prompt():
    text = "the droid polished every plate before the dinner began"
    rows = answers(
        [
            ("e1", "everyday", None, 0, "Hi?", text),
            ("e1", "everyday", None, 1, "Hi?", text),
            (
                "e1@early",
                "elsewhen",
                "early",
                0,
                "Hi?",
                "nothing alike was ever said here by anyone",
            ),
            ("e2", "everyday", None, 0, "Ho?", text),
            ("e2", "everyday", None, 1, "Ho?", " "),
        ]
    )
    found = fidelity.distinctness(rows, rows[:0]).set_index("comparison")["bleu"]
    assert (
        found["within"] == pytest.approx(100) and found["between stages"] < 10 and len(found) == 2
    )
    other = rows[rows["kind"] == "everyday"].assign(
        answer=lambda f: f["answer"].where(f["sample"] == 0, text[:20])
    )
    between = fidelity.distinctness(rows, other).query("comparison == 'between personas'")["bleu"]
    assert len(between) == 2 and between.lt(100).all(), "the same random numbers are not compared"


def test_the_questionnaire_is_turned_round_where_it_is_keyed_so():
    rows = [
        {
            "arm": "a",
            "seed": 0,
            "item": item,
            "domain": "order",
            "keyed": keyed,
            "option": k,
            "nll": 0.0 if k == 4 else 40.0,
        }
        for item, keyed in (("x", "+"), ("y", "-"))
        for k in range(5)
    ]
    assert fidelity.profile(pd.DataFrame(rows)).set_index("item")[
        "score"
    ].to_dict() == pytest.approx({"x": 5, "y": 1})


def test_a_mean_has_the_interval_of_its_items():
    frame = pd.DataFrame({"arm": "a", "seed": 0, "item": range(10), "bleu": [1.0, 3.0] * 5})
    row = stats.means(frame, ["arm"], "bleu").iloc[0]
    wanted = (
        2.262157 * np.std(frame["bleu"], ddof=1) / np.sqrt(10)
    )  # Student's t of nine degrees of freedom
    assert (
        row["value"] == 2 and row["high"] - 2 == pytest.approx(wanted, rel=1e-5) and row["n"] == 10
    )
    alike = stats.means(frame.assign(bleu=2.0), ["arm"], "bleu").iloc[0]
    assert alike["value"] == 2 and np.isnan(alike["low"])
