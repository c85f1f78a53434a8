"""Started as a program of its own: runs one command and leaves nothing of it behind.

``python -I -S warden.py PARENT COMMAND...`` where ``PARENT`` is the number of the process that asks. It ends the
command and all that the command started when the command itself ends, when its standard input closes, or when the
asking process is gone, however that died. The byte ``t`` on its standard input passes SIGTERM on. Its exit status is
the command's, 128 + n for a signal n, 127 where the command cannot be started.

On Linux it adopts what the command's children leave behind, so not even a daemon escapes; elsewhere it reaches the
command's process group. It uses the standard library alone, so that it starts in a few milliseconds.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL = 0.02
"""Seconds between two looks at the command, the orders and the asking process."""

SWEEP = 10.0
"""Seconds after which a process that SIGKILL does not end (it hangs in the kernel) is given up."""

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with_warden() -> None:
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def _descendants() -> list[int]:
    """Return the numbers of all processes below this one, zombies left out; empty where there is no ``/proc``."""
    below: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold anything, brackets included.
            state, parent = status.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in "ZX":
            below.setdefault(int(parent), []).append(int(status.parent.name))
    found, todo = [], [os.getpid()]
    while todo:
        children = below.get(todo.pop(), [])
        found += children
        todo += children
    return found


def _sweep(group: int) -> None:
    """Kill the command's group and everything below this process."""
    if sys.platform != "linux":
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    give_up = time.monotonic() + SWEEP
    while time.monotonic() < give_up:
        left = _descendants()
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        if not left:
            return
        _reap()
        time.sleep(POLL / 4)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _orders(parent: int, group: int) -> bool:
    """Obey what stands on standard input; False when the command must end now."""
    if os.getppid() != parent:
        return False
    if not select.select([0], [], [], POLL)[0]:
        return True
    order = os.read(0, 1)
    if order == b"t":
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGTERM)
    return bool(order)


def main(parent: int, command: list[str]) -> int:
    """Run the command to its end; return the exit status."""
    _prctl(_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        child = subprocess.Popen(  # noqa: S603 - a command that the user wrote, without a shell
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_warden
        )
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
        return 127
    try:
        while child.poll() is None and _orders(parent, child.pid):
            pass
        status = child.poll()
    finally:
        _sweep(child.pid)
    return 137 if status is None else 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
