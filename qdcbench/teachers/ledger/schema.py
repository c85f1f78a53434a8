"""The ledger's file: its tables, their version, how it is opened, and what to say when the disk refuses."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import TypeVar

from qdcbench.errors import StoreError

__all__ = ["EACH", "LEDGER_VERSION", "Locked", "connect", "connect_to_read", "jitter", "patiently", "refusal"]

LEDGER_VERSION = 1
"""Format of the ledger file (``user_version``). A newer one is refused."""

APPLICATION = 0x51444342
"""``application_id`` of a ledger: the letters QDCB."""

PATIENCE = 60.0
"""Seconds to wait for another process to let go of the file: its transactions last well under a millisecond."""

RETRY = 0.0005
"""Seconds, before jitter, between two tries at a locked file; short, since a holder is as quick as that."""

EACH = 1 << 40
"""Reservations a holder can make: number k of holder h is ``h * EACH + k``, so one primary key serves for both."""

TABLES = """
CREATE TABLE answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE holders (
    number INTEGER PRIMARY KEY, place TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
    labels TEXT NOT NULL, scopes TEXT NOT NULL, since REAL NOT NULL);
CREATE TABLE open (
    key TEXT NOT NULL, number INTEGER NOT NULL, endpoint TEXT NOT NULL, intent TEXT NOT NULL, teacher TEXT NOT NULL,
    attempt INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    picodollars INTEGER, since REAL NOT NULL, PRIMARY KEY (key, number)) WITHOUT ROWID;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, intent TEXT NOT NULL, teacher TEXT NOT NULL,
    attempt INTEGER NOT NULL, outcome TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, assumed INTEGER NOT NULL, picodollars INTEGER, seconds REAL NOT NULL,
    settled REAL NOT NULL);
CREATE TABLE totals (
    scope TEXT PRIMARY KEY, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, picodollars INTEGER NOT NULL,
    unpriced INTEGER NOT NULL, assumed INTEGER NOT NULL, open_calls INTEGER NOT NULL, open_tokens INTEGER NOT NULL,
    open_picodollars INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rates (
    endpoint TEXT PRIMARY KEY, open INTEGER NOT NULL, requests_ahead REAL NOT NULL, tokens_ahead REAL NOT NULL,
    at REAL NOT NULL) WITHOUT ROWID
"""

_ADVICE = {
    sqlite3.SQLITE_FULL: "has no space left on its disk; free some and run the same command again",
    sqlite3.SQLITE_READONLY: "cannot be written; make the file and its folder writable or choose another ledger",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and may be written",
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away, and import its answers again from a bundle if you have one",
    sqlite3.SQLITE_NOTADB: "is no ledger; choose another file",
    sqlite3.SQLITE_IOERR: "cannot be read or written, its disk refuses; check the disk and run the same command again",
}

_CHANCE = SystemRandom()  # of the operating system, so that processes forked at once do not wait in step

T = TypeVar("T")


class Locked(StoreError):
    """Another process writes to the ledger just now; trying again soon helps."""


def refusal(path: Path | None, error: sqlite3.Error) -> StoreError:
    """Return what SQLite's refusal means, where, and what to do."""
    where = f"the ledger {path}" if path else "the ledger in memory"
    # Extended codes carry the kind in their lowest byte.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Locked(f"{where} stayed locked by another program for {PATIENCE:.0f} s; end that program and run again")
    return StoreError(f"{where} {_ADVICE.get(code, 'failed; run the same command again')} (SQLite: {error})")


def jitter(seconds: float) -> float:
    """Return between half and one and a half times that long."""
    return seconds * _CHANCE.uniform(0.5, 1.5)


def patiently(act: Callable[[], T]) -> T:
    """Do it, again while the file is locked, sleeping in between.

    Raises:
        StoreError: whatever ``act`` raises; a `Locked` only after `PATIENCE`.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except Locked:
            if time.monotonic() > until:
                raise
        time.sleep(jitter(RETRY))


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the ledger, made where there is none; None is one in memory. No statement on it waits for a lock.

    Raises:
        StoreError: it cannot be opened, is no ledger or of a newer version. A `Locked` when another holds it.
    """
    if path is None:
        return _prepared(":memory:", None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder of the ledger {path} cannot be made ({error.strerror})") from error
    return _prepared(str(path), path)


def connect_to_read(path: Path | None) -> sqlite3.Connection:
    """Open the ledger so that nothing is written; where there is no file, an empty one in memory stands for it.

    Raises:
        StoreError: as for `connect`.
    """
    if path is None or not path.exists():
        return _prepared(":memory:", path)
    address = path.absolute().as_uri()
    try:
        return _to_read(f"{address}?mode=ro", path)
    except Locked:
        raise
    except StoreError:
        # In a folder that cannot be written SQLite reads a file alone only when told that nobody changes it.
        if path.with_name(path.name + "-wal").exists():
            raise
        return _to_read(f"{address}?immutable=1", path)


def _open(target: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(target, timeout=0, isolation_level=None, check_same_thread=False, uri=uri)


def _to_read(address: str, path: Path) -> sqlite3.Connection:
    connection = None
    try:
        connection = _open(address, uri=True)
        if _found_version(connection, path) == 0:
            raise StoreError(f"{path} is empty; run without --replay-only to fill it, or choose another ledger")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise refusal(path, error) from error
        raise
    return connection


def _prepared(target: str, path: Path | None) -> sqlite3.Connection:
    connection = None
    try:
        connection = _open(target)
        if _found_version(connection, path) == 0:
            connection.execute("PRAGMA page_size = 2048")  # a transaction writes whole pages, mostly of tiny tables
            connection.execute("PRAGMA journal_mode = WAL")
            _make_tables(connection, path)
        connection.execute("PRAGMA synchronous = NORMAL")  # in WAL safe against a kill; a power cut loses the last few
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise refusal(path, error) from error
        raise
    return connection


def _found_version(connection: sqlite3.Connection, path: Path | None) -> int:
    """Return the version as of one moment: another process may make the tables between two readings."""
    connection.execute("BEGIN")
    try:
        return _version(connection, path)
    finally:
        connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path | None) -> int:
    """Return the file's version, 0 for an empty file; refuse what is no ledger and what is newer."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner != APPLICATION and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{path} is a database of another program and no ledger; choose another file")
    if version > LEDGER_VERSION:
        raise StoreError(
            f"the ledger {path} has version {version} and this program reads up to {LEDGER_VERSION}; "
            "update qdcbench or choose another ledger"
        )
    return version


def _make_tables(connection: sqlite3.Connection, path: Path | None) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection, path) == 0:  # else another process was first
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
    connection.execute("COMMIT")
