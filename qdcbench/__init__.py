"""QDCBench: compare methods that make synthetic training data on quality, diversity and complexity."""

from pathlib import Path

__version__ = "0.1.0"

# In a plain checkout the plugin folders stand beside the package; in a wheel they are inside it already.
_ROOT = Path(__file__).resolve().parent.parent
if (_ROOT / "methods").is_dir() and (_ROOT / "pyproject.toml").is_file() and str(_ROOT) not in __path__:
    __path__.append(str(_ROOT))
