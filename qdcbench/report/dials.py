"""What a dial did: arms of one method beside each other, and how far apart they are on each axis and score."""

from qdcbench.records import Analysis, DialEffect
from qdcbench.report.cells import INTERVAL, Cell, Column, Table, interval_cell, where_changes, word
from qdcbench.report.groups import groups_in_order
from qdcbench.report.text import decimals_for, group_title, interval_text

__all__ = ["dial_table"]

KEYS = ("quality", "diversity", "complexity", "id", "ood")
NOTE = (
    "the second arm minus the first, repetition by repetition, with 95% t intervals; a dot marks an interval without "
    "zero; exploratory, not corrected for their number"
)


def dial_table(analysis: Analysis) -> Table | None:
    """Return the table of all pairs of arms of a method, group by group; None where no method has two arms."""
    order = {group: place for place, group in enumerate(groups_in_order(analysis))}
    effects = sorted(analysis.dials, key=lambda effect: (order[effect.group], effect.method, effect.arm, effect.other))
    if not effects:
        return None
    columns = [Column(key=key, header=key, align="left") for key in ("setting", "method", "from", "to", "dial")]
    heads = [f"{key[0].upper()}: {analysis.primary[key]}" for key in KEYS[:3]] + ["ID", "OOD"]
    columns += [Column(key=key, header=head, parts=INTERVAL) for key, head in zip(KEYS, heads, strict=True)]
    decimals = {key: decimals_for(effect.differences[key] for effect in effects) for key in KEYS}
    groups = [effect.group for effect in effects]
    return Table(
        name="dials",
        title="What dials did",
        note=f"edition {analysis.edition}; {NOTE}",
        columns=tuple(columns),
        rows=tuple(_row(effect, decimals) for effect in effects),
        rules=where_changes(groups),
    )


def _row(effect: DialEffect, decimals: dict[str, int]) -> tuple[Cell, ...]:
    changed = ", ".join(f"{name} {old} → {new}" for name, (old, new) in effect.changed.items())
    words = (group_title(effect.group), effect.method, effect.arm, effect.other, changed)
    cells = [word(text) for text in words]
    for key in KEYS:
        found = effect.differences[key]
        without_zero = found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)
        text = interval_text(found, decimals[key]) + (" •" if without_zero else "")
        cells.append(interval_cell(found, decimals[key], text))
    return tuple(cells)
