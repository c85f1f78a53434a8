"""Checks before anything is spent: the machine, the disk, the plugins, and what a teacher's server can do."""

from qdcbench.doctor.line import Examined, Line, fail, note, ok
from qdcbench.doctor.machine import check_ledger, check_machine
from qdcbench.doctor.teacher import check_caps, check_teacher

__all__ = [
    "Examined",
    "Line",
    "check_caps",
    "check_ledger",
    "check_machine",
    "check_teacher",
    "fail",
    "note",
    "ok",
]
