"""Study files: read, validate, and turn into the parameters of each notebook."""

import ast
from pathlib import Path

import yaml

from helpers.formats import ANCHORS, ARMS, PREFERRED, REASONED, arms_and_seeds
from helpers.personas import load_persona
from helpers.store import ROOT, StudyError, check_parameters, declared_parameters, read_json

STUDIES = Path(__file__).parent / "studies"
STEPS = (
    "01_data",
    "02_train",
    "03_prefer",
    "04_answer",
    "05_judge",
    "06_findings",
    "08_conversations",
)
# The files that notebook 05 writes.
TABLES = (
    "judged.csv",
    "choices.csv",
    "scores.csv",
    "audit.csv",
    "classifier.csv",
    "labelled.csv",
    "labelled_twice.csv",
    "training.csv",
    "answers.parquet",
    "record.json",
)
# And those it writes besides in a study of reasoned data.
REASONED_TABLES = (
    "resisted.csv",
    "questions.csv",
    "leaks.csv",
    "distinctness.csv",
    "stages.csv",
    "questionnaire.csv",
)
# Parameters that the chain sets itself.
OWN = {"run", "arm", "seed", "arms", "seeds", "results", "figures"}


def load_study(name: str) -> dict:
    """The validated study `workflow/studies/<name>.yaml`: name, title, publish, persona, arms,
    seeds, and `parameters`, the values that differ from the notebooks' defaults.

    Raises StudyError that names the file, the field and the known values.
    """
    path = STUDIES / f"{name}.yaml"
    known = sorted(p.stem for p in STUDIES.glob("*.yaml"))
    if name not in known:
        raise StudyError(f"study '{name}' is unknown. Choose one of: {', '.join(known)}.")
    try:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise StudyError(f"{path.name}: not valid YAML: {error}") from error
    wanted = {"title", "publish", "persona", "arms", "seeds", "parameters"}
    if not isinstance(study, dict) or set(study) != wanted:
        raise StudyError(
            f"{path.name}: a study has exactly the fields {', '.join(sorted(wanted))}."
        )
    for field, kind in (("arms", list), ("seeds", list), ("parameters", dict), ("publish", str)):
        if not isinstance(study[field], kind):
            raise StudyError(
                f"{path.name}, field '{field}': a {kind.__name__} is needed, found {study[field]!r}."
            )
    if not study["seeds"] or not all(type(seed) is int and seed >= 0 for seed in study["seeds"]):
        raise StudyError(f"{path.name}, field 'seeds': a list of whole numbers from 0 is needed.")
    load_persona(study["persona"])
    if control := study["parameters"].get("control"):
        load_persona(control)
    for arm in study["arms"]:
        if arm not in ARMS:
            raise StudyError(
                f"{path.name}, field 'arms': {arm!r} is unknown. Known: {', '.join(ARMS)}."
            )
    if "base" not in study["arms"] or not set(study["arms"]) - set(ANCHORS):
        raise StudyError(
            f"{path.name}, field 'arms': 'base' and at least one trained arm are needed to compare."
        )
    if PREFERRED in study["arms"] and "persllm" not in study["arms"]:
        raise StudyError(
            f"{path.name}, field 'arms': '{PREFERRED}' goes on from 'persllm'; list that too."
        )
    study["name"] = name
    declared = {step: declared_parameters(ROOT / "notebooks" / f"{step}.ipynb") for step in STEPS}
    everything = {
        key: value for own in declared.values() for key, value in own.items() if key not in OWN
    }
    check_parameters(everything, study["parameters"], f"{path.name}, field 'parameters'")
    if set(study["arms"]) & {*REASONED, PREFERRED} and not study["parameters"].get("use_reasoned"):
        raise StudyError(
            f"{path.name}, field 'parameters': PersLLM's arms need `use_reasoned: true`."
        )
    if study["parameters"].get("use_reasoned") and "question" not in study["parameters"].get(
        "samples", {}
    ):
        raise StudyError(
            f"{path.name}, field 'parameters': with `use_reasoned`, `samples` needs `question: 1`."
        )
    return study


def places(study: dict) -> tuple[str, str]:
    """Where a study's result tables and figures go: into the repository if it is published
    (`publish` is the folder of its figures), else into its run."""
    run = f"data/runs/{study['name']}"
    return (
        (f"data/results/{study['name']}", study["publish"])
        if study["publish"]
        else (f"{run}/results", f"{run}/figures")
    )


def tables(study: dict) -> list[str]:
    """The result tables of a study, by the path that they are written to."""
    names = (*TABLES, *(REASONED_TABLES if study["parameters"].get("use_reasoned") else ()))
    return [f"{places(study)[0]}/{name}" for name in names]


def talkers(study: dict) -> list[tuple[str, str]]:
    """The run and arm of the two personas that talk in notebook 08, and of the arm to talk to, as
    far as they have adapters."""
    values = (
        declared_parameters(ROOT / "notebooks" / "08_conversations.ipynb") | study["parameters"]
    )
    own = {values["first_arm"], values["chat_arm"]} - set(ANCHORS)
    return [
        *((study["name"], arm) for arm in sorted(own)),
        (values["other_run"], values["other_arm"]),
    ]


def arm_parameters(study: dict, step: str, arm: str | None = None, seed: int | None = None) -> dict:
    """The parameters that one step of a study gets: those of the study that its notebook declares,
    and the chain's."""
    results, figures = places(study)
    values = study["parameters"] | {
        "run": study["name"],
        "persona": study["persona"],
        "arm": arm,
        "seed": seed,
        "arms": study["arms"],
        "seeds": study["seeds"],
        "results": results,
        "figures": figures,
    }
    if "turns" in values and seed not in (None, study["seeds"][0]):
        # Long conversations cost as much as all other answers: they are held with the first seed,
        # like ablations.
        values["turns"] = 0
    declared = declared_parameters(ROOT / "notebooks" / f"{step}.ipynb")
    return {name: values[name] for name in declared if name in values}


def refuse_stale_recipe(study: dict, record: dict) -> None:
    """Raise StudyError when published results were made with other parameters than the study has
    now, naming the arm and the parameter. `record` is the record.json of the results."""
    made = {f"{arm}/seed{seed}" for arm, seed in arms_and_seeds(study["arms"], study["seeds"])}
    if odd := made ^ set(record["arms"]):
        raise StudyError(
            f"the results of study '{study['name']}' are stale: {sorted(odd)[0]} is in only one of study and results."
        )
    if untrained := {name for name in made if name.split("/")[0] not in ANCHORS} - set(
        record["training"]
    ):
        raise StudyError(
            f"the results of study '{study['name']}' are stale: {sorted(untrained)[0]} has no training record."
        )
    for step, part in (("01_data", "prepared"), ("04_answer", "arms"), ("02_train", "training")):
        for name, own in record[part].items():
            arm, _, seed = name.partition("/seed")
            notebook = "03_prefer" if (step, arm) == ("02_train", PREFERRED) else step
            defaults = declared_parameters(ROOT / "notebooks" / f"{notebook}.ipynb")
            wanted = defaults | arm_parameters(study, notebook, arm, int(seed or 0))
            # A parameter that came later was at its default then.
            had = {
                field: own["settings"].get(field, defaults.get(field))
                for field in wanted.keys() | own["settings"].keys()
            }
            for field, value in had.items():
                # The run's name alone may differ: an adapter can come from another study's run.
                if field != "run" and wanted.get(field) != value:
                    raise StudyError(
                        f"the results of study '{study['name']}' are stale: {name} was made with {field} = {value!r}, the "
                        f"study has {wanted.get(field)!r}. Run the study again."
                    )


def sources(step: str) -> list[str]:
    """The notebook of a step and every helper module that it imports, itself or through others: its
    code inputs."""
    cells = read_json(ROOT / "notebooks" / f"{step}.ipynb")["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found, waiting = set(), imported(code)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting |= imported(
                (ROOT / "src" / "helpers" / f"{module}.py").read_text(encoding="utf-8")
            )
    if step != "06_findings":
        found.discard("plots")  # a changed plot is drawn again; it does not train again
    if step == "04_answer":
        found.discard("stats")  # which only sums up there what was answered
    return [f"notebooks/{step}.ipynb", *(f"src/helpers/{module}.py" for module in sorted(found))]


def imported(code: str) -> set[str]:
    """The helper modules that a piece of code imports."""
    modules = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            modules.add(node.module.split(".")[1])
    return modules
