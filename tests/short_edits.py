"""A task for whole runs: ``list_edits`` with an untrained base, few held-out items and few reference rows.

With the recipe ``touch`` a cell takes little more than its imports.
"""

from pathlib import Path

ITEMS = 40
"""Items of each held-out set."""

REFERENCE = 100
"""Most reference rows; a budget of 40 rows needs no more."""

_PLUGIN = f'''
from dataclasses import replace

from qdcbench.api import task
from qdcbench.tasks import list_edits


@task
class ShortEdits(list_edits.ListEdits):
    """The edits of list_edits, asked rarely."""

    name = "short_edits"

    def held_out(self):
        return tuple(replace(held_out, items=held_out.items[:{ITEMS}]) for held_out in super().held_out())

    def reference_rows(self, rng, n):
        return super().reference_rows(rng, min(n, {REFERENCE}))
'''


def write_short_edits(folder: Path) -> Path:
    """Write the plugin into ``plugins`` of a folder and return that folder, for ``--plugins``."""
    plugins = folder / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "short_edits.py").write_text(_PLUGIN, encoding="utf-8")
    return plugins
