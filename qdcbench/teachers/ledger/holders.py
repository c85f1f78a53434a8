"""Which process holds a reservation, and whether it still lives."""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Process", "this_process"]

FOREIGN_PATIENCE = 3600.0
"""Seconds after which a reservation made where we cannot look counts as that of a dead process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process told from every other, also from a later one with the same number.

    ``place`` is where its number means something: host, boot and process-number space. ``started`` is its start in
    clock ticks since that boot, empty where the system does not say.
    """

    place: str
    pid: int
    started: str

    def lives(self, age: float) -> bool:
        """Say whether it may still settle; ``age`` is how many seconds ago it made the reservation."""
        here = _place(os.getpid())
        if self.place == here:
            started = _started(self.pid)
            return started is not None and started in {"", self.started}
        host, boot = self.place.split(" ")[:2]
        rebooted = host == here.split(" ")[0] and boot != here.split(" ")[1]
        return not rebooted and age < FOREIGN_PATIENCE


def this_process() -> Process:
    """Return the process that asks."""
    pid = os.getpid()
    return Process(place=_place(pid), pid=pid, started=_started(pid) or "")


@cache
def _place(pid: int) -> str:
    """``pid`` only makes a forked child look again."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        boot, space = "-", "-"
    return f"{socket.gethostname().replace(' ', '_')} {boot} {space}"


def _started(pid: int) -> str | None:
    """Return the start of a process here, empty where the system does not say, None when there is no such process."""
    try:
        # The name in parentheses may hold anything; behind it come the state, field 3, and the start, field 22.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return _exists(pid)
    return None if fields[0] in {"Z", "X"} else fields[19]


def _exists(pid: int) -> str | None:
    """Ask the kernel: there may be no /proc, or one that hides the processes of others."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""
