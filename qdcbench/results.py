"""Results for a notebook: committed editions as pandas frames, every number of their pages among them."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qdcbench.bundles.archive import open_bundle
from qdcbench.canon import plain
from qdcbench.editions import Edition, load_edition, read_analysis
from qdcbench.errors import RecordError, did_you_mean
from qdcbench.records import Analysis, RunRecord, SuiteFacts, from_json
from qdcbench.stages.analysis.comparable import inputs_sha256
from qdcbench.stages.analysis_rows import SOURCES
from qdcbench.stages.analyze import analyze
from qdcbench.stages.frame import flat, measure_rows, probe_rows, score_rows, tidy

__all__ = ["Results", "load_results"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """One edition, analysed; ``note`` says where the analysis is from."""

    name: str
    edition: Edition
    analysis: Analysis
    note: str


def load_results(*paths: str | Path, again: bool = False) -> "Results":
    """Read editions: folders such as ``results/methods``, or bundles (``.qdcbundle.tar.gz``).

    An ``analysis.json`` is used where it was made from the same records and the same suite; else, and with
    ``again``, the records are analysed anew. ``Results.notes`` says which. Nothing is written.

    Raises:
        RecordError: a folder is no edition, a record in it is malformed, edited, foreign or not comparable, two
            editions have one name, or a bundle is not what its manifest says.
    """
    if not paths:
        raise RecordError('no edition is named; call load_results("results/methods"), for example')
    parts = [_load(Path(path), again) for path in paths]
    names = [part.name for part in parts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecordError(f"two editions are called {twice[0]!r}; rename the folder of one, or load them one by one")
    return Results(parts)


def _load(path: Path, again: bool) -> _Part:
    if not path.is_file():
        return _analysed(path, again)
    with tempfile.TemporaryDirectory(prefix="qdcbench-results-") as place:
        opened = open_bundle(path, Path(place))
        if opened.changed:
            raise RecordError(f"{path} is not what its manifest says: {opened.changed[0]}; see qdcbench verify {path}")
        return _analysed(opened.edition, again)


def _analysed(path: Path, again: bool) -> _Part:
    # The folder's name is the edition's, also where it is written as a dot.
    folder = path.resolve()
    edition = load_edition(folder)
    expected = inputs_sha256(edition.records, edition.facts)
    stated, why = (None, "as asked") if again else _stated(folder, expected)
    if stated is not None:
        note = f"{folder.name}: the analysis is that of analysis.json"
        return _Part(name=folder.name, edition=edition, analysis=stated, note=note)
    # Rounded as in a file, so that both ways give the same numbers to the last digit.
    fresh = from_json(Analysis, plain(analyze(edition.records, edition.facts)), f"the analysis of {folder.name}")
    note = f"{folder.name}: the records were analysed anew, {why}"
    return _Part(name=folder.name, edition=edition, analysis=fresh, note=note)


def _stated(folder: Path, expected: str) -> tuple[Analysis | None, str]:
    """Return the analysis in the folder if it is of these inputs, else None and the reason."""
    if not (folder / "analysis.json").is_file():
        return None, "as there is no analysis.json"
    try:
        found = read_analysis(folder)
    except RecordError as error:
        return None, f"as analysis.json cannot be read ({error})"
    if found.inputs_sha256 != expected:
        return None, "as analysis.json was made from other records, another suite or by another version"
    return found, ""


class Results:
    """Editions as pandas frames; docs/python.md lists every frame with its columns.

    The first column of each frame is ``edition``. A number with an interval is columns ``x``, ``x_low``, ``x_high``,
    ``x_level``, ``x_kind``, ``x_n``, ``x_reason``. A frame is a copy: change it as you like.
    """

    def __init__(self, parts: Sequence[_Part]) -> None:
        """Hold analysed editions, at least one; `load_results` makes them."""
        self._parts = tuple(parts)
        self._frames: dict[str, pd.DataFrame] = {}

    def __repr__(self) -> str:
        """Say which editions, how many datasets and methods."""
        said = [f"{p.name} ({p.analysis.complete} of {p.analysis.promised} datasets)" for p in self._parts]
        return f"Results of {', '.join(said)}"

    @property
    def editions(self) -> tuple[str, ...]:
        """The names of the editions, in the order in which they were loaded."""
        return tuple(part.name for part in self._parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each edition: where its analysis is from."""
        return tuple(part.note for part in self._parts)

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """Every run record, failed ones too."""
        return tuple(record for part in self._parts for record in part.edition.records)

    @property
    def analysis(self) -> Analysis:
        """The analysis of the one edition that was loaded; RecordError where there are several."""
        return self._only().analysis

    @property
    def suite(self) -> SuiteFacts:
        """What was promised before the runs, of the one edition; RecordError where there are several."""
        return self._only().edition.facts

    def of(self, edition: str) -> "Results":
        """Return the results of one edition by its name; RecordError where there is none of that name."""
        found = [part for part in self._parts if part.name == edition]
        if not found:
            raise RecordError(f"edition {edition!r} was not loaded; {did_you_mean(edition, self.editions)}")
        return Results(found)

    def record(self, run_id: str) -> RunRecord:
        """Return the whole record of a run by its id: parameters, hashes, usage by intent, provenance."""
        found = [record for record in self.records if record.run_id == run_id]
        if not found:
            raise RecordError(f"no run has the id {run_id!r}; the column run_id of .runs has all of them")
        return found[0]

    def _only(self) -> _Part:
        if len(self._parts) > 1:
            raise RecordError(f"{len(self._parts)} editions were loaded; name one: .of({self.editions[0]!r})")
        return self._parts[0]

    def _frame(self, name: str, make: Callable[[_Part], pd.DataFrame]) -> pd.DataFrame:
        """Make a frame of all editions once; hand out copies, which share its memory until they are changed."""
        if name not in self._frames:
            frames = [make(part) for part in self._parts]
            for part, frame in zip(self._parts, frames, strict=True):
                frame.insert(0, "edition", pd.Series(part.name, index=frame.index, dtype="str"))
            self._frames[name] = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        return self._frames[name].copy(deep=False)

    def _flat(self, name: str) -> pd.DataFrame:
        source = SOURCES[name]
        return self._frame(name, lambda part: flat(source.kind, source.rows(part.analysis), source.keys))

    @property
    def runs(self) -> pd.DataFrame:
        """A row per dataset: what was asked, made and spent, each measure, each score (probes averaged)."""
        return self._frame("runs", lambda part: tidy(part.edition.records, part.edition.facts))

    @property
    def measures(self) -> pd.DataFrame:
        """A row per measure of a dataset, with its own interval over rows and its value at a common length."""
        return self._frame("measures", lambda part: measure_rows(part.edition.records))

    @property
    def scores(self) -> pd.DataFrame:
        """A row per score of a probe: evaluation set, metric, value, standard error over items."""
        return self._frame("scores", lambda part: score_rows(part.edition.records))

    @property
    def probes(self) -> pd.DataFrame:
        """A row per training of the probe."""
        return self._frame("probes", lambda part: probe_rows(part.edition.records))

    @property
    def arms(self) -> pd.DataFrame:
        """A row per arm and group: promised and complete datasets, failures, yields, every cost."""
        return self._flat("arms")

    @property
    def arm_measures(self) -> pd.DataFrame:
        """A row per measure of an arm: the mean over its datasets."""
        return self._flat("arm_measures")

    @property
    def arm_scores(self) -> pd.DataFrame:
        """A row per score of an arm: the mean over its datasets."""
        return self._flat("arm_scores")

    @property
    def rankings(self) -> pd.DataFrame:
        """A row per arm of a ranking; place 0 is not ranked: a control, imported data, or no value."""
        return self._flat("rankings")

    @property
    def comparisons(self) -> pd.DataFrame:
        """A row per arm and score: the paired difference from the baseline arm."""
        return self._flat("comparisons")

    @property
    def separations(self) -> pd.DataFrame:
        """A row per two arms of a ranking: probability of improvement, repetitions that would tell them apart."""
        return self._flat("separations")

    @property
    def tracks(self) -> pd.DataFrame:
        """A row per arm and amount of a budget track."""
        return self._flat("tracks")

    @property
    def tracks_left_out(self) -> pd.DataFrame:
        """A row per sentence on an arm that a budget track leaves out."""
        return self._flat("tracks_left_out")

    @property
    def variances(self) -> pd.DataFrame:
        """A row per source of the variance of a score in a group."""
        return self._flat("variances")

    @property
    def relations(self) -> pd.DataFrame:
        """A row per measure, score and scope: the standardised effect with all of ``held`` held fixed."""
        return self._flat("relations")

    @property
    def contrasts(self) -> pd.DataFrame:
        """A row per axis and scope: its effect on ID minus its effect on OOD."""
        return self._flat("contrasts")

    @property
    def shares(self) -> pd.DataFrame:
        """A row per regressor, score and scope: its share of the explained variance."""
        return self._flat("shares")

    @property
    def collinearity(self) -> pd.DataFrame:
        """A row per regressor and scope: its variance inflation."""
        return self._flat("collinearity")

    @property
    def correlations(self) -> pd.DataFrame:
        """A row per two regressors and scope: their correlation within settings."""
        return self._flat("correlations")

    @property
    def factorial(self) -> pd.DataFrame:
        """A row per dial or interaction of dials, and outcome, of a method."""
        return self._flat("factorial")

    @property
    def dials(self) -> pd.DataFrame:
        """A row per two arms of a method and outcome: the second arm minus the first."""
        return self._flat("dials")

    @property
    def studies(self) -> pd.DataFrame:
        """A row per study and scope: claim, answer, rule, sentence."""
        return self._flat("studies")

    @property
    def study_tests(self) -> pd.DataFrame:
        """A row per test of a study: effect, interval, p-values, answer."""
        return self._flat("study_tests")

    @property
    def study_levels(self) -> pd.DataFrame:
        """A row per level of a study's factor: the mean outcome."""
        return self._flat("study_levels")

    @property
    def study_groups(self) -> pd.DataFrame:
        """A row per group of a study's test: the effect in it alone."""
        return self._flat("study_groups")

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row per claim, design and scope: the answer and its evidence."""
        return self._flat("verdicts")

    @property
    def controls(self) -> pd.DataFrame:
        """A row per check of the controls and group."""
        return self._flat("controls")

    @property
    def filters(self) -> pd.DataFrame:
        """A row per selection rule of arms that differ in the rule alone."""
        return self._flat("filters")
