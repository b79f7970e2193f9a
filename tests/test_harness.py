"""The tasks for other harnesses ask what the study asks; they run where the extra `harness` is
installed."""

import importlib
import sys

import families
import pytest

from helpers import pretrained
from helpers.corpus import personas, readouts
from helpers.files import DATA
from helpers.measure import markers
from helpers.model import score

FOLDER = DATA / "harness"
WHY = "not installed here: docs/export.md says how to install the extra `harness`"


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """The modules of the folder can be imported, as the harnesses import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("triplets", "inspect_persona"):
        sys.modules.pop(name, None)


def wanted(persona, measure):
    """The prompts and options that the study scores."""
    items = readouts.load_sets(persona, readouts.SETS)
    rows = readouts.choices(items, personas.load_persona(persona)["name"])
    own = [r for r in rows if r["measure"] == measure and r["condition"] == "own"]
    return [(r["set"], r["item"], r["scenario_trait"], r["prompt"], r["options"]) for r in own]


@pytest.mark.parametrize("persona", ["c3po", "nell"])
def test_what_is_asked_is_what_the_study_scores(persona):
    triplets = importlib.import_module("triplets")
    for measure, rows in (("know", triplets.know(persona)), ("do_pair", triplets.do(persona))):
        got = [(r["set"], r["id"], r["trait"], r["prompt"], r["options"]) for r in rows]
        assert got == wanted(persona, measure) and len(got) >= 96


def test_a_persona_that_is_not_there_is_one_clear_error():
    with pytest.raises(SystemExit, match=r"'bramble' has no triplets\. Choose: c3po"):
        importlib.import_module("triplets").load("bramble")


def test_a_margin_is_per_character_and_the_true_option_comes_first():
    measured = importlib.import_module("triplets").measured
    found = measured({"options": ["abcd", "ab"]}, [(-4.0, False), (-3.0, False)])
    assert found == {"acc": 0.0, "acc_norm": 1.0, "margin": 0.5}
    level = measured({"options": ["ab", "ab"]}, [(-1.0, False), (-1.0, False)])
    assert level == {"acc": 0.0, "acc_norm": 0.0, "margin": 0.0}


# lm-evaluation-harness


def test_lm_evaluation_harness_runs_the_tasks():
    pytest.importorskip("lm_eval", reason=f"lm-evaluation-harness is {WHY}")
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Longest(LM):
        """Likes an option by its length, in the template of a chat of its own."""

        tokenizer_name, asked = "own", []

        def apply_chat_template(self, chat_history, add_generation_prompt=True):
            return f"<user>{chat_history[-1]['content']}<reply>"

        def chat_template(self, chat_template=False):
            return ""

        def loglikelihood(self, requests, disable_tqdm=False):
            self.asked.extend(request.args for request in requests)
            return [(-float(len(request.args[1]) ** 2), False) for request in requests]

        def loglikelihood_rolling(self, requests, disable_tqdm=False):
            raise NotImplementedError

        generate_until = loglikelihood_rolling

    model = Longest()
    found = simple_evaluate(
        model=model,
        tasks=["persona"],
        task_manager=TaskManager(include_path=str(FOLDER), include_defaults=False),
        apply_chat_template=True,
        limit=3,
        bootstrap_iters=0,
    )
    for task, measure in (("persona_know", "know"), ("persona_do", "do_pair")):
        rows = wanted("c3po", measure)[:3]
        lengths = [[len(text) for text in options] for *_, options in rows]
        margins = [sum(n[1:]) / len(n[1:]) - n[0] for n in lengths]
        assert found["results"][task]["margin,none"] == pytest.approx(sum(margins) / 3)
        asked = {(f"<user>{prompt}<reply>", text) for *_, prompt, own in rows for text in own}
        assert asked <= set(model.asked), "options follow the template without a blank"


def test_its_likelihoods_are_the_studys(float32, tmp_path):
    """But for the line break that ends the template: the harness scores it with the option."""
    pytest.importorskip("lm_eval", reason=f"lm-evaluation-harness is {WHY}")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    folder = str(families.save(tmp_path / "model", "qwen2"))
    tokenizer = pretrained.load_tokenizer(folder)
    model = HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=1)
    row = {"prompt": "Who is there?", "start": "", "options": ["A droid, sir.", "12 of\n\nus!"]}
    scored = score.score_choices(model.model, tokenizer, [row], None)
    context = model.apply_chat_template([{"role": "user", "content": row["prompt"]}])
    asked = [(context, text) for text in ("", *row["options"])]
    requests = [Instance("loglikelihood", {}, args, n) for n, args in enumerate(asked)]
    (line, _), *options = model.loglikelihood(requests, disable_tqdm=True)
    assert context.endswith("\n") and line < -1
    found = [likelihood - line for likelihood, _ in options]
    assert found == pytest.approx([-option["nll"] for option in scored], abs=0.001)


# Inspect


def test_inspect_runs_the_tasks(tmp_path):
    pytest.importorskip("inspect_ai", reason=f"Inspect is {WHY}")
    import inspect_ai
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    own = importlib.import_module("inspect_persona")
    replies = ["Good day, sir.", "Whatever.", "Oh dear, sir."]
    for task, texts in ((own.persona_do(), replies), (own.persona_know(), ["ANSWER: A"] * 3)):
        said = [ModelOutput.from_content("mockllm/model", text) for text in texts]
        for output in said:  # else the tokens are counted, with a file from the net
            output.usage = ModelUsage()
        model = get_model("mockllm/model", custom_outputs=said)
        options = {"limit": 3, "log_dir": str(tmp_path), "display": "none", "max_samples": 1}
        [log] = inspect_ai.eval(task, model=model, **options)
        assert log.status == "success", log.error
        got = [sample.scores.popitem()[1].value for sample in log.samples]
        if texts is replies:
            patterns = markers.compile_markers(personas.load_persona("c3po"))
            shown = [
                markers.tag(sample.output.completion, patterns)[sample.metadata["trait"]]
                for sample in log.samples
            ]
            assert got == [int(one) for one in shown] and len(set(got)) == 2
        else:
            true = {item: options[0] for _, item, _, _, options in wanted("c3po", "know")}
            first = [sample.choices[0] == true[sample.id] for sample in log.samples]
            assert got == ["C" if one else "I" for one in first] and len(set(got)) == 2


def test_its_markers_are_the_studys():
    pytest.importorskip("inspect_ai", reason=f"Inspect is {WHY}")
    found = importlib.import_module("inspect_persona").markers("c3po")
    patterns = markers.compile_markers(personas.load_persona("c3po"))
    triplets = importlib.import_module("triplets")
    texts = [text for row in triplets.do() for text in row["options"]]
    for text in texts:
        own = {trait: bool(pattern.search(text)) for trait, pattern in found.items()}
        assert own == markers.tag(text, patterns), text
