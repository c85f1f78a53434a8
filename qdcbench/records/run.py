"""Records of one run: what was asked (spec), what happened (record)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qdcbench.canon import digest, plain
from qdcbench.records.data import Usage
from qdcbench.records.teacher import TeacherSpec

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
]

SCHEMA_VERSION = 1
"""Format of a run record. A newer one is refused, an older one migrated."""


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
    """Digest of each study declared when the run was made, by name and design."""

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
    note: str = ""
    """What belongs beside the number, such as how the judge is related to the teacher."""


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
