"""A bundle: one file that holds an edition and everything it takes to make it again without asking anybody.

manifest.json            what is inside, and the SHA-256 of each other file
results/<edition>/       promise, records, analysis, tables, figures, page
answers.jsonl            the recorded answers of every teacher that is no script, by key
inputs/<n>/              files and folders that arms and the task read
plugins/<n>/             source of private methods and tasks
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO

from qdcbench.canon import digest, plain, pretty_json
from qdcbench.errors import RecordError, StoreError
from qdcbench.records import from_json

__all__ = ["FORMAT", "LARGEST", "Manifest", "Opened", "open_bundle", "write_bundle"]

FORMAT = 1
"""Format of a bundle; a newer one is refused."""

LARGEST = 8 * 2**30
"""Bytes that a bundle may hold unpacked; a larger one is refused before anything of it is written."""

MOST_FILES = 500_000

_MANIFEST = "manifest.json"
_LONGEST_HEADER = 64 * 2**10
_LONG_NAME = re.compile(rb"\d+ path=[^\n\0]*\n")
"""All that we write into an extended header, and all that we accept: one could also restate a size or a link."""

_CHUNK = 2**20
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a bundle holds. Says nothing about when or where it was packed, so that equal content gives equal bytes.

    ``commits`` and ``packages`` are those the records name. ``inputs`` maps a path as a suite gives it to its place
    in the bundle, ``plugins`` are folders in the bundle, ``files`` maps each file to its SHA-256. ``sha256`` is the
    digest of all other fields.
    """

    format: int = FORMAT
    edition: str
    qdcbench: str
    commits: tuple[str, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""

    @property
    def digest(self) -> str:
        """What ``sha256`` must be."""
        return digest({name: value for name, value in plain(self).items() if name != "sha256"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A bundle that was unpacked into ``folder``; ``changed`` are sentences on files that the manifest contradicts."""

    folder: Path
    manifest: Manifest
    changed: tuple[str, ...]

    @property
    def edition(self) -> Path:
        """The edition's folder."""
        return self.folder / "results" / self.manifest.edition

    @property
    def answers(self) -> Path:
        """The recorded answers; an empty file where no teacher needed any."""
        return self.folder / "answers.jsonl"


def write_bundle(target: Path, manifest: Manifest, files: Mapping[str, Path], secrets: Mapping[str, str]) -> Manifest:
    """Write the files under their names in the bundle, and return the manifest with their digests.

    The same manifest and files give the same bytes. ``secrets`` maps the name of a variable to its value.

    Raises:
        RecordError: a file holds one of the secrets; nothing was written.
        StoreError: the disk refused.
    """
    forms = {name: _forms(value) for name, value in secrets.items()}
    digests = {name: _examined(path, name, forms) for name, path in sorted(files.items())}
    full = replace(manifest, files=digests)
    full = replace(full, sha256=full.digest)
    text = pretty_json(full).encode()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            part = Path(scratch) / "bundle"
            with _archive(part) as archive:
                _add(archive, _MANIFEST, io.BytesIO(text), len(text), 0o644)
                for name, path in sorted(files.items()):
                    status = path.stat()
                    with path.open("rb") as opened:
                        _add(archive, name, opened, status.st_size, 0o755 if status.st_mode & 0o100 else 0o644)
            part.replace(target)
    except OSError as error:
        raise StoreError(f"the bundle {target} cannot be written ({error.strerror or error})") from error
    return full


@contextmanager
def _archive(path: Path) -> Iterator[tarfile.TarFile]:
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield archive


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    archive.addfile(entry, content)


def _forms(secret: str) -> tuple[bytes, ...]:
    """A secret as it would stand in a text and in JSON."""
    return tuple({secret.encode(), json.dumps(secret)[1:-1].encode()})


def _examined(path: Path, name: str, secrets: Mapping[str, tuple[bytes, ...]]) -> str:
    """Return a file's SHA-256 unless it holds a secret."""
    total = hashlib.sha256()
    overlap = max((len(form) for forms in secrets.values() for form in forms), default=1) - 1
    tail = b""
    for chunk in _chunks(path):
        total.update(chunk)
        window = tail + chunk
        for variable, forms in secrets.items():
            if any(form in window for form in forms):
                raise RecordError(
                    f"{name} holds the value of the variable {variable}, which looks like a secret; nothing was "
                    "bundled: take it out of the file, or unset the variable if it is none"
                )
        tail = window[-overlap:] if overlap else b""
    return total.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror or error})") from error


def open_bundle(path: Path, folder: Path, largest: int = LARGEST) -> Opened:
    """Unpack a bundle into an empty folder and compare it with its manifest.

    Raises:
        RecordError: it is no bundle, cut off, of a newer format, larger than ``largest`` bytes, or holds an entry
            that is no plain file inside it; a difference to the manifest is in ``changed`` instead.
        StoreError: the disk refused.
    """
    _require_plain(path, largest)
    _unpack(path, folder)
    try:
        given = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{path} holds no {_MANIFEST}; it is no bundle of ours") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the manifest of {path} is no JSON ({error}); get the bundle again") from None
    stated = given.get("format") if isinstance(given, dict) else None
    if isinstance(stated, int) and stated > FORMAT:
        raise RecordError(f"{path} has format {stated}, this QDCBench reads up to {FORMAT}; upgrade qdcbench")
    manifest = from_json(Manifest, given, f"the manifest of {path}")
    _require_inside(manifest, path)
    return Opened(folder=folder, manifest=manifest, changed=tuple(_changed(folder, manifest)))


def _require_plain(path: Path, largest: int) -> None:
    """Walk through the raw headers, so that the archive reader never meets what it would trust.

    It reads an extended header into memory whatever its size, and follows links; and a small file may unpack to
    any length.
    """
    total = files = 0
    with _reading(path), gzip.open(path) as stream:
        while (header := stream.read(_BLOCK)).strip(b"\0"):
            entry = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
            padded = -(-entry.size // _BLOCK) * _BLOCK
            total, files = total + entry.size, files + 1
            if not 0 <= entry.size <= largest or total > largest or files > MOST_FILES:
                raise RecordError(
                    f"{path} would unpack to more than {largest:,} bytes or {MOST_FILES:,} files; refused"
                )
            if entry.type == tarfile.XHDTYPE and entry.size <= _LONGEST_HEADER:
                if not _LONG_NAME.fullmatch(stream.read(padded)[: entry.size]):
                    raise RecordError(f"{path} holds an extended header that is no long name; refused")
            elif entry.type == tarfile.REGTYPE:
                _skip(stream, padded, path)
            else:
                raise RecordError(
                    f"{path} holds {_shown(entry.name)}, which is no plain file (perhaps a link); refused"
                )
        if not header:
            raise RecordError(f"{path} is cut off; get the bundle again")
        if stream.read(_CHUNK).strip(b"\0") or stream.read(1):
            raise RecordError(f"{path} goes on after its last entry; it is no bundle of ours")


def _skip(stream: gzip.GzipFile, size: int, path: Path) -> None:
    while size > 0:
        got = len(stream.read(min(size, _CHUNK)))
        if not got:
            raise RecordError(f"{path} is cut off; get the bundle again")
        size -= got


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RecordError(f"there is no bundle {path}") from None
    except EOFError:
        raise RecordError(f"{path} is cut off; get the bundle again") from None
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        raise RecordError(f"{path} is damaged or no bundle ({' '.join(str(error).split())})") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be unpacked ({error.strerror or error})") from error


def _shown(name: str) -> str:
    return repr(name[:200])


def _unpack(path: Path, folder: Path) -> None:
    with _reading(path), tarfile.open(path, "r:gz") as archive:
        for entry in archive:
            _require_name(entry.name, path)
            if (folder / entry.name).exists():
                raise RecordError(f"{path} holds {_shown(entry.name)} twice; refused")
            archive.extract(entry, folder, filter="data")


def _require_name(name: str, path: Path) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise RecordError(f"{path} holds {_shown(name)}, which would lie outside of its folder; refused")


def _require_inside(manifest: Manifest, path: Path) -> None:
    if "/" in manifest.edition or manifest.edition in {"", ".", ".."}:
        raise RecordError(f"{path} names the edition {_shown(manifest.edition)}, which is no folder's name; refused")
    for name in (*manifest.inputs.values(), *manifest.plugins, *manifest.files):
        _require_name(name, path)


def _changed(folder: Path, manifest: Manifest) -> Iterator[str]:
    if manifest.sha256 != manifest.digest:
        yield f"{_MANIFEST} was changed after the bundle was made"
    present = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    present.pop(_MANIFEST)
    for name, sha256 in sorted(manifest.files.items()):
        if name not in present:
            yield f"{name} is missing from the bundle"
        elif _examined(present[name], name, {}) != sha256:
            yield f"{name} was changed after the bundle was made"
    for name in sorted(set(present) - set(manifest.files)):
        yield f"{name} is not in the manifest"
