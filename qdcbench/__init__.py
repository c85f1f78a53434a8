"""QDCBench: compare methods that make synthetic training data on quality, diversity and complexity."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdcbench.results import load_results

__all__ = ["__version__", "load_results"]

__version__ = "0.1.0"

# In a plain checkout the plugin folders stand beside the package; in a wheel they are inside it already.
_ROOT = Path(__file__).resolve().parent.parent
if (_ROOT / "methods").is_dir() and (_ROOT / "pyproject.toml").is_file() and str(_ROOT) not in __path__:
    __path__.append(str(_ROOT))


def __getattr__(name: str) -> object:
    """Import `load_results` when it is asked for: it needs pandas, and ``import qdcbench`` stays light."""
    if name == "load_results":
        from qdcbench.results import load_results

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
