"""Study files: read, checked, and inherited from one another."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from chapters import CHAPTERS, defaults
from pydantic import AfterValidator, Field

from helpers import arms, files, parameters
from helpers.corpus import ingest, reading
from helpers.corpus.personas import load_persona
from helpers.files import StudyError, located, shown
from helpers.parameters import ArmNames, Name, NameOrEmpty, Seed, all_different
from helpers.rows import Row, Text, named, read_mapping, spoilt
from helpers.yaml_files import read_yaml, yaml_line

STUDIES = Path(__file__).parent / "studies"
# Parameters that the chain sets itself, from the study's other fields.
OWN = {"run", "persona", "arm", "seed", "arms", "results", "figures"}
# In `adapters_from`: the adapters that are in the repository, in data/adapters.
COMMITTED = "committed"


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
    # The study whose adapters are taken where the recipe is the same, or COMMITTED.
    adapters_from: str = ""
    kept_seeds: list[int] = field(default_factory=list)  # taken from the committed results, not run
    different_code: str = ""  # in words, where arms or seeds were made by different code
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
    def run_pairs(self) -> list[tuple[str, int]]:
        """Every arm with the seeds that are run here."""
        return [pair for pair in self.pairs if pair[1] not in self.kept_seeds]

    @property
    def has_persllm(self) -> bool:
        return bool(set(self.arms) & set(arms.trained_on("reasoned", "preferences")))


# Reading a study file


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(all_different)]


class StudyFile(Row, extra="forbid"):
    """What a study file may say; what it leaves out comes from the study that it `extends`."""

    extends: Name = ""
    title: Text = ""
    publish: bool = False
    persona: Name = ""
    arms: ArmNames = Field(default=[])
    seeds: Seeds = Field(default=[])
    shown: ArmNames = Field(default=[])
    adapters_from: NameOrEmpty = ""
    kept_seeds: Annotated[list[Seed], AfterValidator(all_different)] = Field(default=[])
    different_code: Text = ""
    parameters: dict[str, Any] = Field(default={})


NEEDED = ("title", "publish", "persona", "arms", "seeds", "parameters")


def load_study(name: str) -> Study:
    """The validated study `workflow/studies/<name>.yaml`.

    Raises StudyError that names the file, the line, the field and what is allowed.
    """
    values = inherited(name, ())
    where = shown(STUDIES / f"{name}.yaml")
    values.pop("extends", None)
    for needed in NEEDED:
        if needed not in values:
            raise StudyError(
                f"{where}: the field '{needed}' is missing, here and in what it extends. Add it, "
                "then run again."
            )
    if values["parameters"].get("sources"):  # no other character has texts for data of one's own
        values["parameters"] = {"control": ""} | values["parameters"]
    study = Study(name=name, **{"shown": values["arms"]} | values)
    check_arms(study)
    for field_name, persona in (
        ("persona", study.persona),
        ("control", study.parameters.get("control")),
    ):
        if persona and not (files.DATA / "personas" / f"{persona}.yaml").is_file():
            there = ", ".join(sorted(p.stem for p in (files.DATA / "personas").glob("*.yaml")))
            refuse(study, field_name, f"there is no persona card {persona!r}; there are {there}")
    load_persona(study.persona)
    lenders = [COMMITTED, *(other for other in known() if other != study.name)]
    if study.adapters_from and study.adapters_from not in lenders:
        others = ", ".join(lenders)
        refuse(
            study,
            "adapters_from",
            f"study {study.adapters_from!r} is unknown. Choose one of: {others}",
        )
    if study.kept_seeds and not study.publish:
        refuse(study, "kept_seeds", "only a study with `publish: true` has committed results")
    if odd := [seed for seed in study.kept_seeds if seed not in study.seeds]:
        refuse(study, "kept_seeds", f"{odd[0]} is not among the study's seeds")
    parameters.check([*settable(), "persona"], study.parameters | {"persona": study.persona}, where)
    check_sources(study)
    return study


def refuse(study: Study, field_name: str, wrong: str) -> None:
    """Raise StudyError for a field or parameter of a study (see `placed`)."""
    raise StudyError(f"{placed(study, field_name)}: {wrong}. Change it, then run again.")


def placed(study: Study, field_name: str) -> str:
    """Where a field or parameter of a study stands, with its line where the study's own file has
    it."""
    path = STUDIES / f"{study.name}.yaml"
    own = read_yaml(path)
    where, place = shown(path), [field_name]
    if field_name in own.get("parameters", {}):
        place = ["parameters", field_name]
    if field_name in own or len(place) > 1:
        where += f", line {yaml_line(path, place)}"
    return f"{where}, {named(place)}"


def known() -> list[str]:
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def settable() -> list[str]:
    """The parameters that a study may set: those of all chapters but what the chain sets itself."""
    every = dict.fromkeys(name for chapter in CHAPTERS for name in defaults(chapter))
    return [name for name in every if name not in OWN]


def inherited(name: str, below: tuple[str, ...]) -> dict:
    """The fields of a study file over those of the study that it extends; parameters are taken over
    one by one. `below` names the studies that extend this one."""
    if name not in known():
        what = f"{below[-1]}.yaml, field 'extends': study" if below else "study"
        raise StudyError(f"{what} '{name}' is unknown. Choose one of: {', '.join(known())}.")
    if name in below:
        raise StudyError(f"{below[-1]}.yaml, field 'extends': '{name}' would extend itself.")
    own = read_study(STUDIES / f"{name}.yaml")
    if "extends" not in own:
        return own
    base = inherited(own["extends"], (*below, name))
    merged = base.get("parameters", {}) | own.get("parameters", {})
    if "arms" in own:  # the arms to show were chosen for the arms that this study replaces
        base.pop("shown", None)
    return base | own | {"parameters": merged}


def read_study(path: Path) -> dict:
    """The fields of one study file, checked; raises StudyError with file, line, field, what is
    allowed and remedy."""
    try:
        parameters.is_name(path.stem)
    except ValueError as error:
        raise StudyError(f"{shown(path)}: {error}. Rename the file, then run again.") from error
    own = read_mapping(path, StudyFile)
    place, wrong = parameters.first_wrong(settable(), own.get("parameters", {}))
    if wrong:
        raise spoilt(path, ["parameters", *place], wrong)
    return own


def check_arms(study: Study) -> None:
    """Raise StudyError for the first thing wrong with the arms of a study."""
    if "base" not in study.arms or not set(study.arms) - set(arms.untrained()):
        refuse(study, "arms", "'base' and at least one trained arm are needed to compare")
    for name in study.arms:
        start = arms.ARMS[name].starts_from
        if start and start not in study.arms:
            refuse(study, "arms", f"'{name}' goes on from '{start}'; list that too")
    if odd := [name for name in study.shown if name not in study.arms]:
        refuse(study, "shown", f"{odd[0]!r} is not among the study's arms")
    if "base" not in study.shown:
        refuse(study, "shown", "'base' is needed, to compare the others with it")
    if len(study.shown) > 6:
        refuse(
            study,
            "shown",
            f"a figure shows at most six arms; choose six of the {len(study.shown)}",
        )


def check_sources(study: Study) -> None:
    """Raise StudyError where a source is wrong or not there, or a format among the arms has none
    while others do."""
    sources = study.parameters.get("sources", {})
    ingest.check_sources(sources, placed(study, "sources"))
    general = study.parameters.get("general_source")
    if general and not located(general).exists() and not reading.is_hub_id(general):
        wrong = f"{general!r}: {reading.MISSING} {reading.READABLE}"
        refuse(study, "general_source", wrong.removesuffix("."))
    without = [name for name in study.arms if name in arms.formats() and name not in sources]
    if sources and without:
        refuse(
            study,
            "arms",
            f"{without[0]!r} has no source. List only formats that have one "
            f"({', '.join(sources)}), or give it a source",
        )
