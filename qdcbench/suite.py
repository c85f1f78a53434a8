"""A suite: what a person writes in TOML, checked as a whole before anything runs."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from qdcbench.canon import plain
from qdcbench.errors import ConfigError, RecordError, did_you_mean
from qdcbench.records import Caps, from_json
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
    ``caps`` and ``cell_caps`` limit what is really spent on the whole suite and on one cell, judging included.
    """

    name: str
    arms: tuple[Arm, ...]
    summary: str = ""
    task: str = "list_edits"
    task_file: str | None = None
    teachers: tuple[str, ...] = ("scripted:strong",)
    teacher_options: Mapping[str, Any] = field(default_factory=dict)
    budget: str = "rows-1k"
    selection: Rule = "native"
    selection_n: int | None = None
    probe: str = "embedded"
    repetitions: int = 3
    probe_repetitions: int = 1
    measure_n: int = 500
    root_seed: int = 20261122
    cell_seconds: float = 1800.0
    primary: Primary = field(default_factory=Primary)
    caps: Caps = field(default_factory=Caps)
    cell_caps: Caps = field(default_factory=Caps)

    @property
    def every_teacher(self) -> tuple[str, ...]:
        """The suite's teachers and those of single arms, each once, in the order they are written."""
        return tuple(dict.fromkeys([*self.teachers, *(name for arm in self.arms for name in arm.teachers)]))


_RENAMED = {"arm": "arms", "teacher": "teachers"}
"""TOML reads better with [[arm]] and a single teacher."""


def embedded_suites() -> dict[str, str]:
    """Map the name of each suite that comes with the package to its text."""
    folder = resources.files("qdcbench.suites")
    found = {item.name[:-5]: item for item in folder.iterdir() if item.name.endswith(".toml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def _unknown(table: Mapping[str, Any], kind: type[Any], where: str) -> list[str]:
    known = [f.name for f in fields(kind)]
    spoken = [name for name in known if name not in _RENAMED.values()] + list(_RENAMED)
    options = spoken if kind is Suite else known
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
    for name, kind in (("primary", Primary), ("caps", Caps), ("cell_caps", Caps)):
        if isinstance(out.get(name), dict):
            wrong += _unknown(out[name], kind, f"{name}.")
    if not out["arms"] and not wrong:
        wrong.append('there is no arm; add [[arm]] with method = "..."')
    return out, [f"{where}: {sentence}" for sentence in wrong]


def _expanded(arm: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return an arm for each of its ``settings`` and each rule of a list ``selection``, and what is wrong with it."""
    arm = {"teachers" if name == "teacher" else name: value for name, value in arm.items()}
    settings, rules, params = arm.pop("settings", [{}]), arm.pop("selection", ""), arm.get("params", {})
    wrong = _unknown(arm, Arm, "")
    if isinstance(arm.get("teachers"), str):
        arm["teachers"] = [arm["teachers"]]
    if not isinstance(params, dict):
        wrong.append("params must be a table, such as {shots = 2}")
    if not isinstance(settings, list) or not all(isinstance(s, dict) for s in settings):
        wrong.append("settings must be a list of tables, such as [{shots = 2}, {shots = 8}]")
    if wrong:
        return [], wrong
    return [
        {**arm, "params": {**params, **setting}, "selection": rule}
        for rule in (rules if isinstance(rules, list) else [rules])
        for setting in settings
    ], []


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
