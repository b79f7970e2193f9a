"""Study files: read, checked, and inherited from one another."""

from dataclasses import dataclass, field
from pathlib import Path

from chapters import CHAPTERS, defaults

from helpers import arms, parameters
from helpers.corpus import ingest
from helpers.corpus.personas import load_persona
from helpers.files import StudyError, read_yaml

STUDIES = Path(__file__).parent / "studies"
# Parameters that the chain sets itself, from the study's other fields.
OWN = {"run", "persona", "arm", "seed", "arms", "results", "figures"}


@dataclass(frozen=True)
class Study:
    """One study: which arms of which persona with which seeds, and what differs from the notebooks'
    defaults."""

    name: str
    title: str
    persona: str
    arms: list[str]
    seeds: list[int]
    publish: bool = False  # whether results, figures and chapters go into the repository
    shown: list[str] = field(default_factory=list)  # the arms that the formats' figures draw
    adapters_from: str = ""  # the study whose adapters are taken where the recipe is the same
    parameters: dict = field(default_factory=dict)

    @property
    def run(self) -> str:
        return f"data/runs/{self.name}"

    @property
    def results(self) -> str:
        return f"data/results/{self.name}" if self.publish else f"{self.run}/results"

    @property
    def figures(self) -> str:
        return f"figures/{self.name}" if self.publish else f"{self.run}/figures"

    @property
    def pairs(self) -> list[tuple[str, int]]:
        """Every arm with its seeds."""
        return arms.with_seeds(self.arms, self.seeds)

    @property
    def has_persllm(self) -> bool:
        return bool(set(self.arms) & set(arms.trained_on("reasoned", "preferences")))


# Reading a study file

FIELDS = {
    "extends": str,
    "title": str,
    "publish": bool,
    "persona": str,
    "arms": list,
    "seeds": list,
    "shown": list,
    "adapters_from": str,
    "parameters": dict,
}
NEEDED = ("title", "publish", "persona", "arms", "seeds", "parameters")


def load_study(name: str) -> Study:
    """The validated study `workflow/studies/<name>.yaml`.

    Raises StudyError that names the file, the field and the known values.
    """
    values = inherited(name, ())
    where = f"{name}.yaml"
    values.pop("extends", None)
    for needed in NEEDED:
        if needed not in values:
            raise StudyError(
                f"{where}: the field '{needed}' is missing, here and in what it extends."
            )
    if values["parameters"].get("sources"):  # no other character has texts for data of one's own
        values["parameters"] = {"control": ""} | values["parameters"]
    study = Study(name=name, **{"shown": values["arms"]} | values)
    check_arms(study, where)
    whole = study.seeds and all(type(seed) is int and seed >= 0 for seed in study.seeds)
    if not whole or len(set(study.seeds)) < len(study.seeds):
        raise StudyError(
            f"{where}, field 'seeds': a list of different whole numbers from 0 is needed."
        )
    for name in (study.persona, study.parameters.get("control")):
        check_persona(name, where)
    if study.adapters_from and study.adapters_from not in known():
        raise StudyError(
            f"{where}, field 'adapters_from': study '{study.adapters_from}' is unknown. "
            f"Choose one of: {', '.join(known())}."
        )
    declared = {
        parameter: value
        for chapter in CHAPTERS
        for parameter, value in defaults(chapter).items()
        if parameter not in OWN
    }
    parameters.check(declared, study.parameters, f"{where}, field 'parameters'")
    check_sources(study, where)
    return study


def known() -> list[str]:
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def inherited(name: str, below: tuple[str, ...]) -> dict:
    """The fields of a study file over those of the study that it extends; parameters are taken over
    one by one. `below` names the studies that extend this one."""
    if name not in known():
        what = f"{below[-1]}.yaml, field 'extends': study" if below else "study"
        raise StudyError(f"{what} '{name}' is unknown. Choose one of: {', '.join(known())}.")
    if name in below:
        raise StudyError(f"{below[-1]}.yaml, field 'extends': '{name}' would extend itself.")
    path = STUDIES / f"{name}.yaml"
    own = read_yaml(path)
    if not isinstance(own, dict) or set(own) - set(FIELDS):
        odd = sorted(map(str, set(own) - set(FIELDS))) if isinstance(own, dict) else [own]
        raise StudyError(
            f"{path.name}: a study has the fields {', '.join(FIELDS)}; {odd[0]!r} is none of them."
        )
    for name_of_field, value in own.items():
        if not isinstance(value, kind := FIELDS[name_of_field]):
            raise StudyError(
                f"{path.name}, field '{name_of_field}': a {kind.__name__} is needed, "
                f"found {value!r}."
            )
    if "extends" not in own:
        return own
    base = inherited(own["extends"], (*below, name))
    merged = base.get("parameters", {}) | own.get("parameters", {})
    if "arms" in own:  # the arms to show were chosen for the arms that this study replaces
        base.pop("shown", None)
    return base | own | {"parameters": merged}


def check_persona(name: str | None, where: str) -> None:
    """Raise StudyError unless there is a card of this name in data/personas; its name is a part of
    the names of folders, so that a path to a card is none."""
    if name and Path(name).name.removesuffix(".yaml") != name:
        raise StudyError(
            f"{where}: a persona is named by its card in data/personas/, not {name!r}."
        )
    if name:
        load_persona(name)


def check_arms(study: Study, where: str) -> None:
    """Raise StudyError for the first thing wrong with the arms of a study."""
    for field_name, names in (("arms", study.arms), ("shown", study.shown)):
        for place, name in enumerate(names):
            if name in names[:place]:
                raise StudyError(f"{where}, field '{field_name}': {name!r} is listed twice.")
            if not isinstance(name, str) or name not in arms.ARMS:
                raise StudyError(
                    f"{where}, field '{field_name}': {name!r} is unknown. "
                    f"Known: {', '.join(arms.ARMS)}."
                )
    if "base" not in study.arms or not set(study.arms) - set(arms.untrained()):
        raise StudyError(
            f"{where}, field 'arms': 'base' and at least one trained arm are needed to compare."
        )
    for name in study.arms:
        start = arms.ARMS[name].starts_from
        if start and start not in study.arms:
            raise StudyError(
                f"{where}, field 'arms': '{name}' goes on from '{start}'; list that too."
            )
    if odd := [name for name in study.shown if name not in study.arms]:
        raise StudyError(f"{where}, field 'shown': {odd[0]!r} is not among the study's arms.")
    if "base" not in study.shown:
        raise StudyError(
            f"{where}, field 'shown': 'base' is needed, to compare the others with it."
        )
    if len(study.shown) > 6:
        raise StudyError(
            f"{where}, field 'shown': a figure shows at most six arms; choose six of the "
            f"{len(study.shown)}."
        )


def check_sources(study: Study, where: str) -> None:
    """Raise StudyError where a source is wrong, or a format among the arms has none while others
    do."""
    sources = study.parameters.get("sources", {})
    ingest.check_sources(sources, f"{where}, parameter 'sources'")
    without = [name for name in study.arms if name in arms.formats() and name not in sources]
    if sources and without:
        raise StudyError(
            f"{where}, field 'arms': {without[0]!r} has no source. List only formats that have "
            f"one ({', '.join(sources)}), or give it a source."
        )
