# PersLLM's method: prepare reasoned examples, prefer, ask, measure, draw. Included by a study that
# has one of its arms.
DATA = f"data/persllm/{PERSONA}"
EXAMPLES = [f"{DATA}/{name}.jsonl" for name in ("examples", "knowledge", "speech")]
GENERAL = all_values(STUDY)["general_source"]
GENERAL = [str(path) for path in reading.files_of(GENERAL)] if GENERAL else []
# Rejected answers are looked for among all personas' examples.
ALL_EXAMPLES = found("data/persllm", "*/examples.jsonl")
OTHER = STUDY.parameters.get("other_results")
OTHER = [f"{OTHER}/answers.parquet"] if OTHER else []
PREFERRING = [arm for arm in STUDY.arms if arm in arms.trained_on("preferences")]


localrules: measure, draw_persllm


rule examples:
    input:
        code("persllm/01_examples"),
        MODEL,
        EXAMPLES,
        "data/persllm/general.jsonl",
        GENERAL,
        ancient(STAGES),
    output:
        record=f"{RUN}/data/examples_record.json",
        notebook=executed(STUDY, "persllm/01_examples"),
    log: log_of("persllm/01_examples")
    params:
        chapter="persllm/01_examples",
        values=values("persllm/01_examples"),
        taught={name: taught(name) for name in arms.trained_on("reasoned")},
    threads: workflow.cores
    resources: gpu=1
    script: "../step.py"


rule prefer:
    input:
        code("persllm/02_prefer"),
        MODEL,
        ALL_EXAMPLES,
        STAGES,
        f"{RUN}/data/record.json",
        f"{RUN}/data/examples_record.json",
        lambda w: f"{RUN}/{arms.ARMS[w.arm].starts_from}/seed{w.seed}/adapter_model.safetensors",
    output:
        record=f"{RUN}/{{arm}}/seed{{seed}}/record.json",
        adapter=f"{RUN}/{{arm}}/seed{{seed}}/adapter_model.safetensors",
        notebook=executed(STUDY, "persllm/02_prefer", "{arm}", "{seed}"),
    wildcard_constraints:
        arm="|".join(PREFERRING) or "none",
    log: log_of("persllm/02_prefer", "-{arm}-{seed}")
    params:
        chapter="persllm/02_prefer",
        values=values("persllm/02_prefer"),
        taught=lambda w: taught(w.arm),
    threads: workflow.cores
    resources: gpu=1
    script: "../step.py"


rule ask:
    input:
        code("persllm/03_ask"),
        MODEL,
        CARD,
        f"data/items/{PERSONA}.jsonl",
        EXAMPLES,
        STAGES,
        "data/persllm/questionnaire.jsonl",
        [f"{DATA}/interlocutor.jsonl"] if all_values(STUDY)["turns"] else [],
        f"{RUN}/data/record.json",
        adapter,
    output:
        record=f"{RUN}/{{arm}}/seed{{seed}}/asked_record.json",
        notebook=executed(STUDY, "persllm/03_ask", "{arm}", "{seed}"),
    log: log_of("persllm/03_ask", "-{arm}-{seed}")
    params:
        chapter="persllm/03_ask",
        values=values("persllm/03_ask"),
        taught=lambda w: taught(w.arm),
    threads: workflow.cores
    resources: gpu=1
    script: "../step.py"


rule measure:
    input:
        code("persllm/04_measure"),
        CARD,
        found("data/prompts", "judge*.txt"),
        ALL_EXAMPLES,
        STAGES,
        found(DATA, "corrected.jsonl"),
        OTHER,
        TABLES,
    output:
        [f"{RESULTS}/{name}" for name in tables("persllm/04_measure")],
        notebook=executed(STUDY, "persllm/04_measure"),
    log: log_of("persllm/04_measure")
    params:
        chapter="persllm/04_measure",
        values=values("persllm/04_measure"),
    script: "../step.py"


rule draw_persllm:
    input:
        lambda w: code(f"persllm/{w.chapter}"),
        CARD,
        STAGES,
        "data/published.yaml",
        "data/contrasts.yaml",
        TABLES,
        rules.judge.output,
        rules.measure.output,
    output:
        notebook=executed(STUDY, "persllm/{chapter}"),
    wildcard_constraints:
        chapter="|".join(c.split("/")[1] for c in READS_TABLES if c.startswith("persllm/")),
    log: log_of("persllm/{chapter}")
    params:
        chapter="persllm/{chapter}",
        values=lambda w: arm_parameters(STUDY, f"persllm/{w.chapter}"),
    script: "../step.py"


if ("persllm/10_dialogue", "", -1) in JOBS:
    OTHER_PERSONA = all_values(STUDY)["other_persona"]

    rule dialogue:
        input:
            code("persllm/10_dialogue"),
            [f"data/personas/{name}.yaml" for name in (PERSONA, OTHER_PERSONA)],
            found("data/persllm", "*/stages.yaml"),
            [
                f"data/runs/{run}/{arm}/seed{STUDY.seeds[0]}/adapter_model.safetensors"
                for run, arm in talkers(STUDY)
            ],
        output:
            notebook=executed(STUDY, "persllm/10_dialogue"),
        log: log_of("persllm/10_dialogue")
        params:
            chapter="persllm/10_dialogue",
            values=values("persllm/10_dialogue"),
        threads: workflow.cores
        resources: gpu=1
        script: "../step.py"
