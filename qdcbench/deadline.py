"""Stop Python code that runs past a wall clock."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from qdcbench.errors import PluginError

__all__ = ["deadline"]


@contextlib.contextmanager
def deadline(seconds: float, sentence: str) -> Iterator[None]:
    """Raise PluginError(sentence) inside the block when it takes longer than ``seconds``.

    Works by a timer signal, so only in a main thread and on POSIX, and not against a call that never returns to
    the interpreter: for those the executor kills the whole worker.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        raise PluginError(sentence)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
