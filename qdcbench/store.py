"""Artefacts on disk: content-addressed folders and single files, each written atomically."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdcbench.canon import canonical_json
from qdcbench.errors import StoreError

__all__ = ["Store", "read_jsonl", "write_atomic", "write_jsonl"]


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn an operating-system refusal into one sentence that says which path and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(f"no space left on the disk while writing {path}; free some and run again") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StoreError(f"{path} cannot be written ({error.strerror}); choose another folder") from error
        raise StoreError(f"{path}: {error.strerror or error}") from error


def write_atomic(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new content, never a part.

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    with _disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write records one canonical JSON object a line; inside a store folder, so not atomic by itself."""
    with _disk(path), path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(canonical_json(row) + "\n")


def read_jsonl(path: Path) -> list[Any]:
    """Read what ``write_jsonl`` wrote."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@dataclass(frozen=True, slots=True)
class Store:
    """Folders found by stage and digest of everything that made them. Safe with many processes.

    A folder appears by one rename after all its files are written, so a killed process leaves nothing half done.
    """

    root: Path

    def path(self, stage: str, key: str) -> Path:
        """Where the artefact of that stage and key is or would be."""
        return self.root / stage / key[:2] / key

    def find(self, stage: str, key: str) -> Path | None:
        """Return the finished artefact's folder, None when there is none."""
        path = self.path(stage, key)
        return path if path.is_dir() else None

    @contextlib.contextmanager
    def create(self, stage: str, key: str) -> Iterator[Path]:
        """Give an empty folder to fill; it becomes the artefact when the block ends without an error.

        When another process finished the same artefact first, ours is dropped: both hold the same content.

        Raises:
            StoreError: the disk is full or the folder is not writable.
        """
        final = self.path(stage, key)
        with _disk(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{key[:8]}."))
        try:
            yield folder
            with _disk(final):
                for file in folder.rglob("*"):
                    if file.is_file():
                        with file.open("rb") as opened:
                            os.fsync(opened.fileno())
                try:
                    folder.rename(final)
                except OSError as error:
                    if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                        raise
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreError(f"no space left on the disk while writing {final}; free some and run again") from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
