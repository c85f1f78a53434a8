"""A suite: what a person writes in TOML, checked as a whole before anything runs."""

import itertools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from qdcbench.canon import plain
from qdcbench.errors import ConfigError, RecordError, did_you_mean
from qdcbench.records import Caps, Study, StudyTest, from_json
from qdcbench.records.run import Rule

__all__ = ["Arm", "Primary", "Suite", "embedded_suites", "read_suite"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One method with parameters; ``name`` is what tables show (made from the parameters when empty).

    ``selection`` and ``teachers`` are the suite's where they are empty.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    selection: Rule | Literal[""] = ""
    teachers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Primary:
    """The one measure per axis, the score, and the smallest effect of interest, declared before the run."""

    quality: str = "verified_share"
    diversity: str = "pair_entropy"
    complexity: str = "mean_depth"
    score: str = "exact_match"
    smallest_effect: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """The promised set of arms × teachers × repetitions on one task, with everything else held fixed.

    An arm may have a selection rule and teachers of its own; it is compared with arms that have the same ones.
    ``budgets`` stand in place of ``budget`` where there are any: every arm is run at each of them. ``studies`` say
    what will be claimed and how it is decided. ``caps`` and ``cell_caps`` limit what is really spent on the whole
    suite and on one cell, judging included.
    """

    name: str
    arms: tuple[Arm, ...]
    summary: str = ""
    task: str = "list_edits"
    task_file: str | None = None
    teachers: tuple[str, ...] = ("scripted:strong",)
    teacher_options: Mapping[str, Any] = field(default_factory=dict)
    budget: str = "rows-1k"
    budgets: tuple[str, ...] = ()
    selection: Rule = "native"
    selection_n: int | None = None
    probe: str = "embedded"
    repetitions: int = 3
    probe_repetitions: int = 1
    measure_n: int = 500
    root_seed: int = 20261122
    cell_seconds: float = 1800.0
    primary: Primary = field(default_factory=Primary)
    studies: tuple[Study, ...] = ()
    caps: Caps = field(default_factory=Caps)
    cell_caps: Caps = field(default_factory=Caps)

    @property
    def every_teacher(self) -> tuple[str, ...]:
        """The suite's teachers and those of single arms, each once, in the order they are written."""
        return tuple(dict.fromkeys([*self.teachers, *(name for arm in self.arms for name in arm.teachers)]))

    @property
    def every_budget(self) -> tuple[str, ...]:
        """The names of the budgets that every arm is run at."""
        return self.budgets or (self.budget,)


_RENAMED = {"arm": "arms", "teacher": "teachers", "study": "studies", "test": "tests"}
"""TOML reads better with [[arm]], [[study]], [[study.test]] and a single teacher."""


def embedded_suites() -> dict[str, str]:
    """Map the name of each suite that comes with the package to its text."""
    folder = resources.files("qdcbench.suites")
    found = {item.name[:-5]: item for item in folder.iterdir() if item.name.endswith(".toml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def _unknown(table: Mapping[str, Any], kind: type[Any], where: str) -> list[str]:
    known = [f.name for f in fields(kind)]
    spoken = {plural: name for name, plural in _RENAMED.items()}
    options = [spoken.get(name, name) for name in known] if kind in (Suite, Study) else known
    return [f"{where}{name!r} is unknown, {did_you_mean(name, options)}" for name in table if name not in known]


def _normal(table: dict[str, Any], where: str) -> tuple[dict[str, Any], list[str]]:
    """Rename friendly keys and expand the lists of arms; collect every complaint."""
    wrong: list[str] = []
    out = {_RENAMED.get(name, name): value for name, value in table.items()}
    if isinstance(out.get("teachers"), str):
        out["teachers"] = [out["teachers"]]
    arms: list[dict[str, Any]] = []
    for index, arm in enumerate(out.get("arms", []), start=1):
        if not isinstance(arm, dict):
            wrong.append(f"arm {index} is not a table; write [[arm]] and its keys below")
            continue
        found, complaints = _expanded(arm)
        wrong += [f"arm {index}: {complaint}" for complaint in complaints]
        arms += found
    out["arms"] = [{**arm, "name": arm.get("name") or _default_name(arm, out.get("selection"))} for arm in arms]
    wrong += _unknown(out, Suite, "")
    if "studies" in out:
        out["studies"], complaints = _studies(out["studies"])
        wrong += complaints
    if "budget" in out and "budgets" in out:
        wrong.append("budget and budgets are both given; write one of them")
    if out.get("budgets") == []:
        wrong.append('budgets is empty; name at least one, such as budgets = ["rows-1k", "rows-2k"]')
    for name, kind in (("primary", Primary), ("caps", Caps), ("cell_caps", Caps)):
        if isinstance(out.get(name), dict):
            wrong += _unknown(out[name], kind, f"{name}.")
    if not out["arms"] and not wrong:
        wrong.append('there is no arm; add [[arm]] with method = "..."')
    return out, [f"{where}: {sentence}" for sentence in wrong]


def _expanded(arm: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the arms of one table, and what is wrong with it.

    There is one for each of its ``settings``, each point of its ``grid`` (every value of a name with every value of the
    others, the last name changing fastest) and each rule of a list ``selection``.
    """
    arm = {"teachers" if name == "teacher" else name: value for name, value in arm.items()}
    settings, rules, params = arm.pop("settings", [{}]), arm.pop("selection", ""), arm.get("params", {})
    grid = arm.pop("grid", {})
    wrong = _unknown(arm, Arm, "")
    if isinstance(arm.get("teachers"), str):
        arm["teachers"] = [arm["teachers"]]
    if not isinstance(params, dict):
        wrong.append("params must be a table, such as {shots = 2}")
    if not isinstance(settings, list) or not all(isinstance(s, dict) for s in settings):
        wrong.append("settings must be a list of tables, such as [{shots = 2}, {shots = 8}]")
    if not isinstance(grid, dict) or not all(isinstance(values, list) and values for values in grid.values()):
        wrong.append("grid must be a table of lists, such as {shots = [2, 8], temperature = [0.5, 1.0]}")
    if wrong:
        return [], wrong
    twice = sorted(set(grid) & {*params, *(name for setting in settings for name in setting)})
    if twice:
        return [], [f"{name!r} stands in grid and beside it; leave one" for name in twice]
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [
        {**arm, "params": {**params, **setting, **point}, "selection": rule}
        for rule in (rules if isinstance(rules, list) else [rules])
        for setting in settings
        for point in points
    ], []


def _studies(tables: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the tables of studies with their keys renamed, and what is wrong with their keys."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        return [], ["study must be a list of tables; write [[study]] and its keys below"]
    wrong: list[str] = []
    found = []
    for index, table in enumerate(tables, start=1):
        where = f"study {table.get('name', index)!r}"
        study = {_RENAMED.get(name, name): value for name, value in table.items()}
        wrong += _unknown(study, Study, f"{where}: ")
        tests = study.get("tests", [])
        if not isinstance(tests, list) or not tests or not all(isinstance(test, dict) for test in tests):
            wrong.append(f'{where} has no test; add [[study.test]] with outcome = "..." below it')
            continue
        for number, test in enumerate(tests, start=1):
            wrong += _unknown(test, StudyTest, f"{where}: test {number}: ")
            if study.get("design") == "interventional" and "smallest_effect" not in test:
                # There is no default, as each outcome has a unit of its own.
                wrong.append(f"{where}: test {number} needs smallest_effect, in units of its outcome")
        found.append(study)
    return found, wrong


def _study_complaints(studies: tuple[Study, ...]) -> list[str]:
    """Return what is wrong with the values of studies, whatever the method and the task."""
    asked = [(study.name, study.design) for study in studies]
    wrong = [
        f"two {design} studies are called {name!r}; give one another name"
        for name, design in sorted(set(asked))
        if asked.count((name, design)) > 1
    ]
    for study in studies:
        if not 0 < study.alpha < 1:
            wrong.append(f"study {study.name!r}: alpha must lie between 0 and 1")
        for test in study.tests:
            if not 0 < test.smallest_effect < math.inf:
                wrong.append(f"study {study.name!r}: smallest_effect of {test.outcome!r} must be above 0")
        outcomes = [test.outcome for test in study.tests]
        twice = sorted({name for name in outcomes if outcomes.count(name) > 1})
        wrong += [f"study {study.name!r}: two tests have the outcome {name!r}; leave one" for name in twice]
    return wrong


def _default_name(arm: Mapping[str, Any], suite_rule: Any) -> str:
    """Name an arm by its method and parameters, and by its selection rule where that is not the suite's."""
    name = arm_name(str(arm.get("method", "")), arm.get("params", {}))
    own = arm["selection"] not in ("", suite_rule or "native")
    return f"{name} [{arm['selection']}]" if own else name


def arm_name(method: str, params: Mapping[str, Any]) -> str:
    """Return ``method[a=1,b=2]``, or the bare method when nothing was set."""
    inner = ",".join(f"{name}={Path(value).stem if name == 'path' else value}" for name, value in params.items())
    return f"{method}[{inner}]" if inner else method


def parse_suite(text: str, where: str) -> Suite:
    """Read a suite from TOML text.

    Raises:
        ConfigError: every mistake found, in one message.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from None
    normal, wrong = _normal(table, where)
    if wrong:
        raise ConfigError("; ".join(wrong))
    try:
        suite = from_json(Suite, normal, where)
    except RecordError as error:
        raise ConfigError(str(error)) from None
    names = [(arm.name, arm.selection or suite.selection) for arm in suite.arms]
    twice = sorted({name for name, rule in names if names.count((name, rule)) > 1})
    low = [n for n in ("repetitions", "probe_repetitions", "measure_n") if getattr(suite, n) < 1]
    complaints = [f"two arms are called {name!r}; give one a name" for name in twice]
    complaints += [f"{name} must be at least 1" for name in low]
    complaints += [
        f"{table}.{name} must be 0 or more"
        for table in ("caps", "cell_caps")
        for name, cap in plain(getattr(suite, table)).items()
        if cap is not None and cap < 0
    ]
    if suite.cell_caps.seconds is not None:
        complaints.append("cell_caps.seconds is written cell_seconds")
    complaints += [
        f"the budget {name!r} stands twice in budgets; leave one"
        for name in sorted({name for name in suite.budgets if suite.budgets.count(name) > 1})
    ]
    complaints += _study_complaints(suite.studies)
    if complaints:
        raise ConfigError(f"{where}: {'; '.join(complaints)}")
    return suite


def read_suite(name_or_path: str) -> tuple[Suite, Path]:
    """Return a suite and the folder its relative paths start from; a name means an embedded suite.

    Raises:
        ConfigError: no such suite or file, or a mistake in it.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.exists():
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.toml")])
            raise ConfigError(f"there is no suite file {path}; {near}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the suite file {path} cannot be read: {error}") from None
        return parse_suite(text, str(path)), path.resolve().parent
    known = embedded_suites()
    if name_or_path not in known:
        raise ConfigError(f"there is no suite {name_or_path!r}; {did_you_mean(name_or_path, known)}")
    return parse_suite(known[name_or_path], f"suite {name_or_path}"), Path.cwd()
