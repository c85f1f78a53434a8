"""What the page says about each method: summary, reference, dials, fidelity."""

from typing import Any

from qdcbench.canon import plain
from qdcbench.registry import Registry, default_params

__all__ = ["methods_info"]


def methods_info(registry: Registry) -> dict[str, Any]:
    """Map each method's name to plain JSON values."""
    return {
        entry.name: {
            "summary": entry.plugin.summary,
            "reference": entry.plugin.reference,
            "role": entry.plugin.role,
            "params": default_params(entry.plugin),
            "fidelity": [plain(component) for component in entry.plugin.fidelity],
        }
        for entry in sorted(registry.methods.values(), key=lambda e: e.name)
    }
