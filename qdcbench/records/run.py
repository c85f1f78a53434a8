"""Records of one run: what was asked (spec), what happened (record)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qdcbench.canon import digest, plain
from qdcbench.errors import ConfigError
from qdcbench.records.data import Usage

__all__ = [
    "DATA_PARAMS",
    "SCHEMA_VERSION",
    "Budget",
    "Caps",
    "DatasetSummary",
    "Failure",
    "Measurement",
    "Metric",
    "ProbeRun",
    "Provenance",
    "Rule",
    "RunRecord",
    "RunSpec",
    "Score",
    "SelectionSpec",
    "TeacherSpec",
]

SCHEMA_VERSION = 1
"""Format of a run record. A newer one is refused, an older one migrated."""


TRANSPORT = frozenset(
    {
        "timeout", "retries", "concurrency", "backoff", "api_key_env", "requests_per_minute", "tokens_per_minute",
        "price", "device", "batch_size",
    }
)  # fmt: skip
"""Options of a teacher that change how fast or safely it is asked, and no answer."""

_JOIN = re.compile(r"\+(?=(?:scripted|openai|local|student|ensemble):)")


DATA_PARAMS = ("path", "folder")
"""Parameters that name files of the user's; what is in them stands in ``RunSpec.hashes``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A named set of hard caps. ``None`` means no cap of that kind; one teacher cap is mandatory."""

    name: str
    examples: int
    teacher_tokens: int | None
    teacher_calls: int | None
    money: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Caps:
    """Hard limits on what is really spent, every attempt counted; ``None`` means no limit of that kind.

    A budget says what a method is compared at and charges answers alone, so that a data set does not depend on the
    network; caps protect the purse and end a run. ``money`` is in US dollars, ``seconds`` is wall clock.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherSpec:
    """Who writes the data: ``kind`` is one of `qdcbench.teachers.build.TEACHER_KINDS`.

    ``model`` is a profile (scripted), a model's name (openai), a folder or name on the hub (local), a folder
    (student), or the weighted members of an ensemble. ``options`` hold the endpoint and decoding settings, never a
    key; those of an ensemble are a table for each member under the member's name.
    """

    kind: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``kind:model``, as written in a suite."""
        return f"{self.kind}:{self.model}"

    @property
    def simulated(self) -> bool:
        """True when no language model is involved."""
        if self.kind == "ensemble":
            return all(member.simulated for member, _ in self.members)
        return self.kind == "scripted"

    @property
    def each(self) -> "tuple[TeacherSpec, ...]":
        """The teachers that may answer: the members of an ensemble, else this one alone."""
        return tuple(member for member, _ in self.members) if self.kind == "ensemble" else (self,)

    @property
    def members(self) -> "tuple[tuple[TeacherSpec, float], ...]":
        """The teachers of an ensemble, written ``kind:model*weight+kind:model``, and their shares, which add to 1.

        Raises:
            ConfigError: a weight is no number above 0, a member has no kind, stands twice or is an ensemble itself.
        """
        found: dict[str, float] = {}
        for text in _JOIN.split(self.model):
            name, _, weight = text.rpartition("*") if "*" in text else (text, "", "1")
            if not re.fullmatch(r"\d+(\.\d+)?", weight) or not float(weight) > 0:
                raise ConfigError(f"teacher {self.name}: the weight {weight!r} of {name} must be a number above 0")
            if ":" not in name or name.startswith("ensemble:") or name in found:
                raise ConfigError(
                    f"teacher {self.name}: the member {name!r} must be written kind:model, once, and be no ensemble"
                )
            found[name] = float(weight)
        total = sum(found.values())
        members = []
        for name, weight in found.items():
            kind, _, model = name.partition(":")
            members.append((TeacherSpec(kind=kind, model=model, options=self.options.get(name, {})), weight / total))
        return tuple(members)

    @property
    def identity(self) -> dict[str, Any]:
        """What can change an answer: kind, model and options, without those that only say how requests travel.

        Where the digest of a checkpoint is known, its folder's name says nothing more and is left out.
        """
        if self.kind == "ensemble":
            return {"kind": self.kind, "members": [m.identity | {"weight": share} for m, share in self.members]}
        options = {name: value for name, value in self.options.items() if name not in TRANSPORT}
        known = self.kind in {"local", "student"} and "sha256" in options
        return {"kind": self.kind, "model": "" if known else self.model, "options": options}


Rule = Literal["native", "none", "common", "native+common", "verified", "thinned"]
"""A selection rule; `qdcbench.selection.RULES` says what each keeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionSpec:
    """Which attempts become training rows, and how many at most (None: all)."""

    rule: Rule = "native"
    n: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """One cell of a suite with every default filled in; ``run_id`` is the digest of it."""

    arm: str
    method: str
    method_version: int
    role: Literal["method", "control", "imported"]
    params: Mapping[str, Any]
    task: str
    task_version: int
    task_file: str | None = None
    teacher: TeacherSpec
    budget: Budget
    selection: SelectionSpec
    probe: str
    probe_repetitions: int
    measure_n: int
    repetition: int
    root_seed: int
    hashes: Mapping[str, str] = field(default_factory=dict)
    params_given: Mapping[str, Any] = field(default_factory=dict)
    studies: Mapping[str, str] = field(default_factory=dict)
    """Digest of each study declared when the run was made, by name."""

    @property
    def run_id(self) -> str:
        """First 16 hexadecimal digits of the digest of what determines the run.

        Left out: the arm's label, what was typed, what is studied, and paths of files, whose content is in ``hashes``.
        """
        fields = {k: v for k, v in plain(self).items() if k not in {"params_given", "arm", "task_file", "studies"}}
        fields["teacher"] = plain(self.teacher.identity)
        if "data" in self.hashes:
            for name in DATA_PARAMS:
                fields["params"].pop(name, None)
        return digest(fields)[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetSummary:
    """What a method made and what was kept of it; the rows are an artefact known by ``sha256``."""

    sha256: str
    training_sha256: str
    attempts: int
    accepted: int
    contaminated: int
    selected: int
    rejected_by: Mapping[str, int]
    stopped_by: str
    usage: Usage
    mean_prompt_words: float | None
    mean_completion_words: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """Definition of a measure or score, the row that tables, plots and checks read."""

    name: str
    axis: Literal["quality", "diversity", "complexity", "utility"]
    higher_is_better: bool
    low: float | None
    high: float | None
    unit: str
    cost: str
    summary: str
    reference: str
    sees_copies: bool = False
    """True for a diversity measure that must fall when rows are copied."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One measure of one training set at ``n`` rows; ``value`` is None with a ``reason``.

    ``low`` and ``high`` bound a 95 % interval over seeded subsamples where one was taken. ``length_slope`` is the
    change with length inside the data: of the value per unit of log(1 + words) for a mean over rows, of the value's
    logarithm for any other. ``at_length`` is the value moved along that slope to a length that all compared data share.
    """

    metric: str
    axis: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    reason: str = ""
    length_slope: float | None = None
    at_length: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeRun:
    """One training of the probe."""

    repetition: int
    recipe: str
    recipe_digest: str
    base_sha256: str
    steps: int
    tokens_seen: int
    final_loss: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One number from lm-eval about one probe."""

    probe_repetition: int
    eval_task: str
    eval_version: str
    metric: str
    filter: str
    value: float | None
    stderr: float | None
    n: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a run is not complete: which stage, which error, its sentence."""

    stage: str
    kind: str
    message: str
    traceback_tail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where and when a run happened. Never part of a digest."""

    commit: str
    dirty: bool
    packages: Mapping[str, str]
    python: str
    platform: str
    started: str
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """One run from start to end, the file that is committed."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    spec: RunSpec
    status: Literal["complete", "failed"]
    dataset: DatasetSummary | None = None
    measurements: tuple[Measurement, ...] = ()
    probes: tuple[ProbeRun, ...] = ()
    scores: tuple[Score, ...] = ()
    failure: Failure | None = None
    provenance: Provenance | None = None
