"""Reading a ledger from outside: what was spent, attempt by attempt, and answers as lines of text to carry away."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdcbench.canon import canonical_json
from qdcbench.errors import RecordError, StoreError
from qdcbench.teachers.canonical import request_key
from qdcbench.teachers.ledger.answers import compact_json, reply_of
from qdcbench.teachers.ledger.limits import PICO
from qdcbench.teachers.ledger.schema import EACH, connect, connect_to_read, patiently, refusal

__all__ = ["JournalEntry", "Spend", "export_answers", "import_answers", "journal", "spent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spend:
    """What a scope has really spent, every attempt counted.

    ``money`` is in US dollars over the attempts that have a price; ``unpriced`` is how many have none. ``assumed`` is
    how many attempts are charged at their bound, since nobody said what they cost.
    """

    calls: int = 0
    tokens: int = 0
    money: float = 0.0
    unpriced: int = 0
    assumed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalEntry:
    """One attempt really made; ``settled`` is the wall-clock time, ``cost`` US dollars, None without a price."""

    number: int
    settled: float
    labels: Mapping[str, str]
    scopes: tuple[str, ...]
    key: str
    intent: str
    teacher: str
    attempt: int
    outcome: str
    prompt_tokens: int
    completion_tokens: int
    assumed: bool
    cost: float | None
    seconds: float


def spent(path: Path, scope: str) -> Spend:
    """Return what a scope such as ``suite:standard`` has spent; nothing where there is no ledger.

    Raises:
        StoreError: the ledger cannot be read.
    """
    with _reading(path) as db:
        row = db.execute(
            "SELECT calls, tokens, picodollars, unpriced, assumed FROM totals WHERE scope = ?", (scope,)
        ).fetchone()
    if row is None:
        return Spend()
    return Spend(calls=row[0], tokens=row[1], money=row[2] / PICO, unpriced=row[3], assumed=row[4])


def journal(path: Path, *, run: str | None = None) -> Iterator[JournalEntry]:
    """Yield the settled attempts holder by holder, in the order they were reserved; of one run where it is named.

    Raises:
        StoreError: the ledger cannot be read.
    """
    with _reading(path) as db:
        holders = db.execute("SELECT number, labels, scopes FROM holders ORDER BY number").fetchall()
        for holder, written_labels, written_scopes in holders:
            labels, scopes = json.loads(written_labels), tuple(json.loads(written_scopes))
            if run is not None and labels.get("run") != run:
                continue
            rows = db.execute(
                "SELECT number, settled, key, intent, teacher, attempt, outcome, prompt_tokens, completion_tokens, "
                "assumed, picodollars, seconds FROM attempts WHERE number >= ? AND number < ? ORDER BY number",
                (holder * EACH, (holder + 1) * EACH),
            )
            for number, settled, key, intent, teacher, attempt, outcome, sent, got, assumed, cost, seconds in rows:
                yield JournalEntry(
                    number=number, settled=settled, labels=labels, scopes=scopes, key=key, intent=intent,
                    teacher=teacher, attempt=attempt, outcome=outcome, prompt_tokens=sent, completion_tokens=got,
                    assumed=bool(assumed), cost=None if cost is None else cost / PICO, seconds=seconds,
                )  # fmt: skip


def export_answers(path: Path, keys: Iterable[str], target: Path) -> int:
    """Write the recorded answers of ``keys`` to a JSONL file, sorted by key; return how many.

    Equal answers give equal bytes, whenever and by whomever they were asked.

    Raises:
        StoreError: an answer is missing or cannot be read, or the file cannot be written.
    """
    wanted = sorted(set(keys))
    part = target.with_name(f".{target.name}.part")
    try:
        with _reading(path) as db, part.open("w", encoding="utf-8", newline="\n") as lines:
            for key in wanted:
                lines.write(canonical_json(_row(db, key, path)) + "\n")
        part.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)
    return len(wanted)


def import_answers(path: Path, source: Path) -> int:
    """Record the answers of a JSONL file, all or none; return how many were new. A known answer is kept.

    Raises:
        StoreError: a line is no answer, its key is not the digest of its request, or the ledger cannot be written.
    """

    def write() -> int:
        db = connect(path)
        try:
            db.execute("BEGIN IMMEDIATE")
            added = 0
            for key, request, reply in _answers(source):
                added += db.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", (key, request, reply, time.time())
                ).rowcount
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise refusal(path, error) from error
        finally:
            db.close()
        return added

    return patiently(write)


def _answers(source: Path) -> Iterator[tuple[str, str, str]]:
    """Yield key, request and reply of each line, verified."""
    try:
        with source.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    key, request, reply = row["key"], row["request"], row["reply"]
                    reply_of(reply, key)
                    right = request_key(request) == key
                except (ValueError, KeyError, TypeError, RecursionError, RecordError) as error:
                    raise StoreError(
                        f"{source}, line {number}: this is no answer ({error}); make the file again"
                    ) from None
                if not right:
                    raise StoreError(
                        f"{source}, line {number}: the key {str(key)[:16]} is not that of its request, so somebody "
                        "changed the line; make the file again from a ledger"
                    )
                yield key, compact_json(request), compact_json(reply)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{source} cannot be read: {error}") from error


def _row(db: sqlite3.Connection, key: str, path: Path) -> dict[str, Any]:
    row = db.execute("SELECT request, reply FROM answers WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise StoreError(f"the ledger {path} has no answer {key}; run the suite again with this ledger to record it")
    return {"key": key, "request": json.loads(row[0]), "reply": json.loads(row[1])}


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    db = patiently(lambda: connect_to_read(path))
    try:
        db.execute("BEGIN")  # all that is read was true at one time
        yield db
    except sqlite3.Error as error:
        raise refusal(path, error) from error
    finally:
        db.close()
