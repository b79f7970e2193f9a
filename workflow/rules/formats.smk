# The study of the three formats: prepare their texts, train, answer, gather, judge, draw.
from helpers.corpus import ingest, reading, readouts

CARD = f"data/personas/{PERSONA}.yaml"
CORPUS = found(f"data/corpora/{PERSONA}", "*.jsonl")
CONTROL = all_values(STUDY)["control"]
CONTROL = found(f"data/corpora/{CONTROL}", "*.jsonl") if CONTROL else []
STAGES = f"data/persllm/{PERSONA}/stages.yaml"
SOURCES = ingest.check_sources(STUDY.parameters.get("sources", {})).values()
OWN_DATA = [str(path) for source in SOURCES for path in reading.files_of(source["path"])]
ANSWERED = [f"{RUN}/{arm}/seed{seed}/answers_record.json" for arm, seed in STUDY.run_pairs]
SMALLER = [f"{one}/record.json" for one in all_values(STUDY)["smaller_results"]]
READ = [*all_values(STUDY)["readings"], *all_values(STUDY)["readings_again"]]
READ = [path for own in READ for path in found(own, "batch_*.jsonl", "../batch_*.jsonl")]
BESIDE = f"{STUDY.parameters.get('other_results')}/record.json"
BESIDE = [BESIDE] if Path(BESIDE).exists() else []  # drawn beside, where it is there
ASKED = []
TABLES = [f"{RESULTS}/{name}" for name in tables("gather")]
if readouts.is_scored("heldout", all_values(STUDY)["measures"]):
    TABLES += [f"{RESULTS}/scores.csv"]
if STUDY.has_persllm:
    ASKED = [f"{RUN}/{arm}/seed{seed}/asked_record.json" for arm, seed in STUDY.run_pairs]
    TABLES += [f"{RESULTS}/questionnaire.csv"]
if any(map(arms.knows_stages, STUDY.arms)):
    TABLES += [f"{RESULTS}/stages.csv"]
if set(STUDY.arms) & set(arms.trained_on("preferences")):
    TABLES += [f"{RESULTS}/preferences.csv"]


def adapter(w):
    if w.arm in arms.untrained():
        return []
    return f"{RUN}/{w.arm}/seed{w.seed}/adapter_model.safetensors"


def rows(w):
    """The records of the rows that an arm is trained on. A reasoned arm's record names the corpus of
    its run too."""
    corpus, examples = f"{RUN}/data/record.json", f"{RUN}/data/examples_record.json"
    composed = [f"{RUN}/data/composed_record.json"] if w.arm in arms.trained_on("composed") else []
    return [corpus] if w.arm in arms.formats() else composed or [corpus, examples]


def start(w):
    """The adapter that an arm's training goes on from."""
    first = arms.ARMS[w.arm].starts_from
    return f"{RUN}/{first}/seed{w.seed}/adapter_model.safetensors" if first else []


localrules: all, gather, judge, draw


rule corpus:
    input:
        code("formats/01_corpus"),
        MODEL,
        ancient(CARD),  # the rows depend on its ids only; a changed marker must not train again
        OWN_DATA,
        CORPUS,
    output:
        record=f"{RUN}/data/record.json",
        notebook=executed(STUDY, "formats/01_corpus"),
    log: log_of("formats/01_corpus")
    params:
        chapter="formats/01_corpus",
        values=values("formats/01_corpus"),
        taught={name: taught(name) for name in arms.formats()},
    threads: workflow.cores
    resources: gpu=1
    script: "../step.py"


rule train:
    input:
        code("formats/02_train"),
        MODEL,
        rows,
        start,
    output:
        record=f"{RUN}/{{arm}}/seed{{seed}}/record.json",
        adapter=f"{RUN}/{{arm}}/seed{{seed}}/adapter_model.safetensors",
        notebook=executed(STUDY, "formats/02_train", "{arm}", "{seed}"),
    wildcard_constraints:
        arm="|".join(arms.trained_on("chats", "texts", "composed", "reasoned")),
    log: log_of("formats/02_train", "-{arm}-{seed}")
    params:
        chapter="formats/02_train",
        values=values("formats/02_train"),
        taught=lambda w: taught(w.arm),
        taken_from=lambda w: lender(STUDY, w.arm, int(w.seed)),
    threads: workflow.cores
    resources: gpu=1
    script: "../step.py"


rule answer:
    input:
        code("formats/03_answer"),
        MODEL,
        CARD,
        f"data/items/{PERSONA}.jsonl",
        found(f"data/items/{PERSONA}", "*.jsonl"),
        CONTROL,
        lambda w: STAGES if arms.knows_stages(w.arm) else [],
        f"{RUN}/data/record.json",
        adapter,
    output:
        record=f"{RUN}/{{arm}}/seed{{seed}}/answers_record.json",
        notebook=executed(STUDY, "formats/03_answer", "{arm}", "{seed}"),
    log: log_of("formats/03_answer", "-{arm}-{seed}")
    params:
        chapter="formats/03_answer",
        values=values("formats/03_answer"),
        taught=lambda w: taught(w.arm),
    threads: workflow.cores
    resources: gpu=1
    script: "../step.py"


rule gather:
    input:
        [f"src/helpers/{name}.py" for name in ("files", "records", "kept", "measure/gather")],
        CARD,
        f"{RUN}/data/record.json",
        f"{RUN}/data/examples_record.json" if STUDY.has_persllm else [],
        f"{RUN}/data/composed_record.json" if composes(STUDY) else [],
        ANSWERED,
        ASKED,
    output: TABLES
    params:
        values=gathering(STUDY),
        taught={name: taught(name) for name in STUDY.arms},
    script: "../step.py"


rule judge:
    input:
        code("formats/04_judge"),
        CARD,
        found(f"data/labels/{PERSONA}", "*.jsonl", "*.csv"),
        found("data/prompts", "judge*.txt"),
        TABLES,
    output:
        [f"{RESULTS}/{name}" for name in tables("formats/04_judge")],
        notebook=executed(STUDY, "formats/04_judge"),
    log: log_of("formats/04_judge")
    params:
        chapter="formats/04_judge",
        values=values("formats/04_judge"),
    script: "../step.py"


rule draw:
    input:
        lambda w: code(f"formats/{w.chapter}"),
        CARD,
        "data/published.yaml",
        "data/contrasts.yaml",
        TABLES,
        # An experiment reads likelihoods alone, and is not judged.
        lambda w: [] if f"formats/{w.chapter}" in EXPERIMENTS else rules.judge.output,
        lambda w: SMALLER + READ if w.chapter == "08_size" else [],
        lambda w: BESIDE if w.chapter == "09_positive_control" else [],
    output:
        notebook=executed(STUDY, "formats/{chapter}"),
    wildcard_constraints:
        chapter="|".join(c.split("/")[1] for c in READS_TABLES if c.startswith("formats/")),
    log: log_of("formats/{chapter}")
    params:
        chapter="formats/{chapter}",
        values=lambda w: arm_parameters(STUDY, f"formats/{w.chapter}"),
    script: "../step.py"
