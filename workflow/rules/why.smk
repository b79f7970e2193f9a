# The experiments of `why`: compose the rows of arms from texts of several kinds, change adapters'
# weights, and draw. Included by a study that has such arms or changes weights.
from helpers.corpus import kinds

CHANGED = [f"{RESULTS}/{name}" for name in ("changed.csv", "overlap.csv", "weights.json")]
CHANGED = CHANGED if changes_weights(STUDY) else []
# What the positive control is taught; a changed scenario trains no other arm again.
SCENARIOS = [f"data/items/{PERSONA}.jsonl", *found(f"data/items/{PERSONA}", "*.jsonl")]
SCENARIOS = SCENARIOS if kinds.TAUGHT in STUDY.arms else []


def changed_adapter(arm, seed):
    """The adapter whose weights are changed: a kept seed's is the committed one."""
    if seed in STUDY.kept_seeds:
        return f"data/adapters/{arm}/adapter_model.safetensors"
    return f"{RUN}/{arm}/seed{seed}/adapter_model.safetensors"


localrules: draw_why


if composes(STUDY):

    rule texts:
        input:
            code("why/00_texts"),
            found(f"data/corpora/{PERSONA}/why", "*.jsonl"),
            SCENARIOS,
            f"{RUN}/data/record.json",
        output:
            record=f"{RUN}/data/composed_record.json",
            notebook=executed(STUDY, "why/00_texts"),
        log: log_of("why/00_texts")
        params:
            chapter="why/00_texts",
            values=values("why/00_texts"),
            taught={n: taught(n) for n in STUDY.arms if n in arms.trained_on("composed")},
        script: "../step.py"


if CHANGED:

    rule change_weights:
        input:
            code("why/00_weights"),
            MODEL,
            CARD,
            f"data/items/{PERSONA}.jsonl",
            found(f"data/items/{PERSONA}", "*.jsonl"),
            f"{RUN}/data/record.json",
            [
                changed_adapter(arm, seed)
                for arm in all_values(STUDY)["changed_arms"]
                for seed in (STUDY.seeds[0], all_values(STUDY)["other_seed"])
            ],
        output:
            CHANGED,
            notebook=executed(STUDY, "why/00_weights"),
        log: log_of("why/00_weights")
        params:
            chapter="why/00_weights",
            values=values("why/00_weights"),
        threads: workflow.cores
        resources: gpu=1
        script: "../step.py"


rule draw_why:
    input:
        lambda w: code(f"why/{w.chapter}"),
        CARD,
        "data/contrasts.yaml",
        TABLES,
        lambda w: CHANGED if w.chapter == "05_weights" else [],
    output:
        notebook=executed(STUDY, "why/{chapter}"),
    wildcard_constraints:
        chapter="|".join(
            chapter.split("/")[1]
            for chapter in (*EXPERIMENTS, *ON_ADAPTERS)
            if chapter.startswith("why/")
        ),
    log: log_of("why/{chapter}")
    params:
        chapter="why/{chapter}",
        values=lambda w: arm_parameters(STUDY, f"why/{w.chapter}"),
    script: "../step.py"
