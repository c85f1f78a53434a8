"""The tables of an edition as data: main table per group, verdicts, relations."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qdcbench.canon import digest
from qdcbench.errors import StoreError
from qdcbench.records import Analysis, ArmSummary, Interval, Relation
from qdcbench.report.cells import Cell, Column, Table
from qdcbench.report.cost import COST_NOTE, cost_columns
from qdcbench.report.dials import dial_table
from qdcbench.report.filters import filter_tables
from qdcbench.report.groups import groups_in_order, is_simulated, scope_place
from qdcbench.report.points import (
    AXES,
    DISTANCES,
    arm_score,
    arms_in_order,
    as_written,
    headline,
    primary_measure,
    ranking_for,
)
from qdcbench.report.text import decimals_for, gaps, group_title, interval_text, number, title_of

if TYPE_CHECKING:
    from qdcbench.report.table_forms import TerminalTable

__all__ = [
    "Cell",
    "Column",
    "Table",
    "all_tables",
    "main_table",
    "relation_table",
    "terminal_tables",
    "verdict_table",
    "write_tables",
]

_INTERVAL = ("", "_low", "_high", "_n")
_TIED = (*_INTERVAL, "_place", "_tie")


def _word(text: str) -> Cell:
    return Cell(text=text, values=(text,))


def _interval(value: Interval, decimals: int, text: str = "") -> Cell:
    return Cell(text=text or interval_text(value, decimals), values=(value.point, value.low, value.high, value.n))


def main_table(analysis: Analysis, group: str) -> Table:
    """Return the table of one group: a row per arm, controls last.

    Q, D, C primaries and ID and OOD scores with intervals; teacher tokens (all, and a row with and without the set-up),
    US dollars where some arm has a price, share of attempts accepted, training rows, datasets complete of promised.
    Letters mark arms that cannot be told apart.
    """
    arms = arms_in_order(analysis, group)
    axis_decimals = {axis: decimals_for(primary_measure(a, analysis, axis) for a in arms) for axis in AXES}
    score_decimals = {d: decimals_for(arm_score(analysis, a, d) for a in arms) for d in DISTANCES}
    places = {d: _places(analysis, group, headline(analysis, d)) for d in DISTANCES}
    columns = [Column(key="arm", header="arm", align="left"), Column(key="role", header="role", align="left")]
    for axis in AXES:
        name = title_of(analysis, analysis.primary.get(axis, "not declared"))
        columns.append(Column(key=axis, header=f"{axis[0].upper()}: {name}", parts=_INTERVAL))
    columns += [Column(key=d, header=d.upper(), parts=_TIED) for d in DISTANCES]
    costs = cost_columns(arms)
    columns += [Column(key=cost.key, header=cost.header, parts=_INTERVAL) for cost in costs]
    columns.append(Column(key="datasets", header="datasets", parts=("_complete", "_promised")))
    rows = []
    for arm in arms:
        cells = [_word(arm.arm), _word(arm.role)]
        cells += [_interval(primary_measure(arm, analysis, axis), axis_decimals[axis]) for axis in AXES]
        for distance in DISTANCES:
            score = arm_score(analysis, arm, distance)
            place, tie = places[distance].get(arm.arm, (None, ""))
            text = interval_text(score, score_decimals[distance])
            cells.append(Cell(text=text, values=(score.point, score.low, score.high, score.n, place, tie), tie=tie))
        cells += [_interval(cost.of(arm), 0, cost.write(cost.of(arm).point)) for cost in costs]
        cells.append(Cell(text=f"{arm.complete}/{arm.promised}", values=(arm.complete, arm.promised)))
        rows.append(tuple(cells))
    first_control = next((i for i, arm in enumerate(arms) if arm.role == "control"), 0)
    coverage = _coverage(arms)
    missing = gaps([v for arm in arms for v in _bounded(analysis, arm)])
    return Table(
        name=f"main_{_file_part(analysis, group)}",
        title=group_title(group) + (" (simulated)" if is_simulated(analysis, group) else ""),
        note=(
            ("" if analysis.valid else "INVALID; ")
            + f"edition {analysis.edition}; {coverage}; 95% intervals over datasets"
            + (f" (no brackets: {missing})" if missing else "")
            + "; methods that share a letter "
            f"cannot be told apart; ID in distribution, OOD out of distribution; {COST_NOTE}; controls below the line"
        ),
        columns=tuple(columns),
        rows=tuple(rows),
        rules=(first_control,) if first_control else (),
    )


def _bounded(analysis: Analysis, arm: ArmSummary) -> list[Interval]:
    """What a table writes with an interval."""
    return [primary_measure(arm, analysis, axis) for axis in AXES] + [arm_score(analysis, arm, d) for d in DISTANCES]


def _places(analysis: Analysis, group: str, score: str | None) -> dict[str, tuple[int, str]]:
    ranking = ranking_for(analysis, group, score)
    return {} if ranking is None else {rank.arm: (rank.place, rank.tie_group) for rank in ranking.ranks}


def _coverage(arms: Iterable[ArmSummary]) -> str:
    done, promised = 0, 0
    for arm in arms:
        done, promised = done + arm.complete, promised + arm.promised
    return f"{done} of {promised} datasets complete"


def _file_part(analysis: Analysis, group: str) -> str:
    """A group's name as part of a file's; groups whose names would be alike get a piece of their digest."""
    parts = ["".join(c if c.isascii() and c.isalnum() else "-" for c in g).strip("-").lower() for g in analysis.groups]
    part = parts[analysis.groups.index(group)]
    return part if part and parts.count(part) == 1 else f"{part}-{digest(group)[:6]}"


def verdict_table(analysis: Analysis) -> Table:
    """Return claims with their answers, evidence and rules."""
    keys = ("claim", "statement", "scope", "answer", "evidence", "rule")
    note = f"edition {analysis.edition}; rules fixed before the data"
    if not analysis.valid:
        note += "; INVALID: " + "; ".join(analysis.invalid_because)
    return Table(
        name="verdicts",
        title="Verdicts",
        note=note,
        columns=tuple(Column(key=key, header=key, align="left") for key in keys),
        rows=tuple(
            tuple(_word(t) for t in (v.claim, v.statement, group_title(v.scope), v.answer, v.evidence, v.rule))
            for v in sorted(analysis.verdicts, key=lambda v: scope_place(analysis, v.scope))
        ),
    )


def relation_table(analysis: Analysis, *, primary: bool) -> Table:
    """Return the standardised effect of each primary (or each exploratory) measure on each score."""
    kept = [r for r in analysis.relations if r.primary == primary]
    ordered = sorted(kept, key=lambda r: (scope_place(analysis, r.scope), r.axis, r.measure, r.score))
    columns = (
        *(Column(key=key, header=key, align="left") for key in ("scope", "axis", "measure", "score")),
        Column(key="effect", header="effect", parts=("", "_low", "_high")),
        *(Column(key=key, header=header) for key, header in _RELATION_NUMBERS),
    )
    return Table(
        name="relations" if primary else "relations_exploratory",
        title="Effect of each axis on each score" + ("" if primary else " (exploratory)"),
        note=(
            f"edition {analysis.edition}; standard deviations of the score per standard deviation of the measure, "
            "other primaries and log training words fixed; observational; detectable: smallest effect with 80% power"
        ),
        columns=columns,
        rows=tuple(_relation_row(r) for r in ordered),
        rules=_where_changes([r.scope for r in ordered]),
    )


_RELATION_NUMBERS = (
    ("p_adjusted", "p adj."), ("detectable", "detectable"), ("n_datasets", "n"), ("n_clusters", "methods"),
    ("correlation", "r"),
)  # fmt: skip


def _relation_row(relation: Relation) -> tuple[Cell, ...]:
    words = (group_title(relation.scope), relation.axis, relation.measure, relation.score)
    effect = relation.effect
    p = relation.p_adjusted
    return (
        *(_word(text) for text in words),
        Cell(text=interval_text(effect), values=(effect.point, effect.low, effect.high)),
        Cell(text="<0.001" if p is not None and p < 0.001 else number(p, 3), values=(p,)),
        Cell(text=number(relation.detectable), values=(relation.detectable,)),
        Cell(text=str(relation.n_datasets), values=(relation.n_datasets,)),
        Cell(text=str(relation.n_clusters), values=(relation.n_clusters,)),
        Cell(text=number(relation.correlation), values=(relation.correlation,)),
    )


def _where_changes(keys: Sequence[object]) -> tuple[int, ...]:
    return tuple(i for i in range(1, len(keys)) if keys[i] != keys[i - 1])


def all_tables(analysis: Analysis) -> list[Table]:
    """Return the main table of each group, filters, then verdicts, then primary and exploratory relations."""
    relations = [relation_table(analysis, primary=primary) for primary in (True, False)]
    main = [main_table(analysis, group) for group in groups_in_order(analysis)]
    dials = dial_table(analysis)
    return [*main, *filter_tables(analysis), *([dials] if dials else []), verdict_table(analysis), *relations]


def terminal_tables(analysis: Analysis) -> "list[TerminalTable]":
    """Return what a terminal shows after a run: main tables, filters, then verdicts without their long rules.

    Hand each to ``print`` of a rich console.
    """
    from qdcbench.report.table_forms import TerminalTable

    main = [TerminalTable(main_table(analysis, g), frozenset({"role", "rows"})) for g in groups_in_order(analysis)]
    filters = [TerminalTable(table) for table in filter_tables(analysis)]
    return [*main, *filters, TerminalTable(verdict_table(analysis), frozenset({"rule"}))]


def write_tables(analysis: Analysis, folder: Path) -> list[Path]:
    """Write every table as ``NAME.csv``, and all but the exploratory relations as ``NAME.md`` and ``NAME.tex``.

    Same input, same bytes.

    Raises:
        StoreError: the folder cannot be written.
    """
    from qdcbench.report.table_forms import to_csv, to_latex, to_markdown

    paths = []
    for table in all_tables(as_written(analysis)):
        forms = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
        if table.name == "relations_exploratory":
            forms = {"csv": to_csv}
        for suffix, form in forms.items():
            path = folder / f"{table.name}.{suffix}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_text(form(table), encoding="utf-8", newline="\n")
            except OSError as error:
                raise StoreError(f"cannot write {path}: {error.strerror}; choose another folder") from None
            paths.append(path)
    return paths
