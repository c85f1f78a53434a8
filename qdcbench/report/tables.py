"""The tables of an edition as data: main table per group, verdicts, relations; others come from their own modules."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qdcbench.canon import digest
from qdcbench.errors import StoreError
from qdcbench.records import Analysis, ArmSummary, Interval, Relation
from qdcbench.report.cells import (
    INTERVAL,
    Cell,
    Column,
    Table,
    count,
    decimal,
    interval_cell,
    p_cell,
    where_changes,
    word,
)
from qdcbench.report.claims import claims_in_order
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
from qdcbench.report.spread_tables import (
    collinearity_table,
    separation_table,
    share_table,
    track_table,
    variance_table,
)
from qdcbench.report.study_tables import factorial_table, study_table
from qdcbench.report.text import MISSING, decimals_for, gaps, group_title, interval_text, number, title_of

if TYPE_CHECKING:
    from qdcbench.report.table_forms import TerminalList, TerminalTable

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

_TIED = (*INTERVAL, "_place", "_tie")


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
        columns.append(Column(key=axis, header=f"{axis[0].upper()}: {name}", parts=INTERVAL))
    columns += [Column(key=d, header=d.upper(), parts=_TIED) for d in DISTANCES]
    costs = cost_columns(arms)
    columns += [Column(key=cost.key, header=cost.header, parts=INTERVAL) for cost in costs]
    columns.append(Column(key="datasets", header="datasets", parts=("_complete", "_promised")))
    rows = []
    for arm in arms:
        cells = [word(arm.arm), word(arm.role)]
        cells += [interval_cell(primary_measure(arm, analysis, axis), axis_decimals[axis]) for axis in AXES]
        for distance in DISTANCES:
            score = arm_score(analysis, arm, distance)
            place, tie = places[distance].get(arm.arm, (None, ""))
            text = interval_text(score, score_decimals[distance])
            cells.append(Cell(text=text, values=(score.point, score.low, score.high, score.n, place, tie), tie=tie))
        cells += [interval_cell(cost.of(arm), 0, cost.write(cost.of(arm).point)) for cost in costs]
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
    """Return claims with their answers, evidence and rules, those of one claim under each other."""
    claims = claims_in_order(analysis)
    note = (
        f"edition {analysis.edition}; before: the rule was fixed before the runs and is in their records; after: not so"
    )
    if not analysis.valid:
        note += "; INVALID: " + "; ".join(analysis.invalid_because)
    keys = ("claim", "statement", "scope", "design", "declared", "answer", "evidence", "rule")
    return Table(
        name="verdicts",
        title="Verdicts",
        note=note,
        columns=tuple(Column(key=key, header=key, align="left") for key in keys),
        rows=tuple(
            tuple(
                word(text)
                for text in (
                    c.name, c.statement, group_title(c.scope), c.design, c.declared, c.answer, c.evidence, c.rule,
                )
            )
            for c in claims
        ),
        rules=where_changes([c.scope for c in claims]),
    )  # fmt: skip


def relation_table(analysis: Analysis, *, primary: bool) -> Table:
    """Return the standardised effect of each primary (or each exploratory) measure on each score."""
    kept = [r for r in analysis.relations if r.primary == primary]
    ordered = sorted(kept, key=lambda r: (scope_place(analysis, r.scope), r.axis, r.measure, r.score))
    not_held = dict.fromkeys(reason.rstrip(".") for r in ordered for reason in r.not_held)
    columns = (
        *(Column(key=key, header=key, align="left") for key in ("scope", "axis", "measure", "score")),
        Column(key="effect", header="effect", parts=("", "_low", "_high")),
        *(Column(key=key, header=header) for key, header in _RELATION_NUMBERS),
        Column(key="without_one", header="without one method", parts=("_least", "_greatest")),
    )
    return Table(
        name="relations" if primary else "relations_exploratory",
        title="Effect of each axis on each score" + ("" if primary else " (exploratory)"),
        note=(
            f"edition {analysis.edition}; standard deviations of the score per standard deviation of the measure, "
            "other primaries, log training words and length fixed; observational; detectable: smallest effect with 80% "
            "power; p perm.: by permutation within settings; effective n: independent datasets that would give the "
            "same standard error" + "".join(f"; not held: {reason}" for reason in not_held)
        ),
        columns=columns,
        rows=tuple(_relation_row(r) for r in ordered),
        rules=where_changes([r.scope for r in ordered]),
    )


_RELATION_NUMBERS = (
    ("p_adjusted", "p adj."), ("p_permutation", "p perm."), ("detectable", "detectable"),
    ("n_datasets", "n"), ("n_effective", "effective n"), ("n_clusters", "methods"), ("correlation", "r"),
)  # fmt: skip


def _relation_row(relation: Relation) -> tuple[Cell, ...]:
    words = (group_title(relation.scope), relation.axis, relation.measure, relation.score)
    effect = relation.effect
    least, greatest = relation.leave_one_out or (None, None)
    without_one = f"{number(least)} to {number(greatest)}" if relation.leave_one_out else MISSING
    return (
        *(word(text) for text in words),
        Cell(text=interval_text(effect), values=(effect.point, effect.low, effect.high)),
        p_cell(relation.p_adjusted),
        p_cell(relation.p_permutation),
        decimal(relation.detectable),
        count(relation.n_datasets),
        decimal(relation.n_effective, 0),
        count(relation.n_clusters),
        decimal(relation.correlation),
        Cell(text=without_one, values=(least, greatest)),
    )


def all_tables(analysis: Analysis) -> list[Table]:
    """Return the main table of each group, what filters and dials did, verdicts, relations, and what orders rest on.

    Tables that would have no row are left out, apart from verdicts and relations.
    """
    relations = [relation_table(analysis, primary=primary) for primary in (True, False)]
    main = [main_table(analysis, group) for group in groups_in_order(analysis)]
    found = [make(analysis) for make in _WHERE_THERE_ARE_ROWS]
    more = [table for table in found if table is not None]
    dials = dial_table(analysis)
    return [*main, *filter_tables(analysis), *([dials] if dials else []), verdict_table(analysis), *relations, *more]


_WHERE_THERE_ARE_ROWS = (
    study_table, factorial_table, share_table, collinearity_table, variance_table, separation_table, track_table,
)  # fmt: skip


def terminal_tables(analysis: Analysis) -> "list[TerminalTable | TerminalList]":
    """Return what a terminal shows after a run: main tables, filters, then verdicts without their long rules.

    Hand each to ``print`` of a rich console.
    """
    from qdcbench.report.table_forms import TerminalList, TerminalTable

    main = [TerminalTable(main_table(analysis, g), frozenset({"role", "rows"})) for g in groups_in_order(analysis)]
    filters = [TerminalTable(table) for table in filter_tables(analysis)]
    verdicts = TerminalList(verdict_table(analysis), ("claim", "answer", "design", "scope"), "evidence")
    return [*main, *filters, verdicts]


_LONGEST = 150
"""A table of more rows is for a program, not for a reader."""


def write_tables(analysis: Analysis, folder: Path) -> list[Path]:
    """Write every table as ``NAME.csv``, and as ``NAME.md`` and ``NAME.tex`` what is for a reader.

    Same input, same bytes.

    Raises:
        StoreError: the folder cannot be written.
    """
    from qdcbench.report.table_forms import to_csv, to_latex, to_markdown

    paths = []
    for table in all_tables(as_written(analysis)):
        forms = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
        if table.name == "relations_exploratory" or len(table.rows) > _LONGEST:
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
