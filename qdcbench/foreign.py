"""What holds for programs that are not ours: which files of a folder are theirs, which variables look like keys."""

import re
from pathlib import PurePath

__all__ = ["SECRET_NAME", "belongs"]

SECRET_NAME = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
"""Finds the name of an environment variable that holds a secret."""

_LEFTOVERS = frozenset({".git", "__pycache__"})


def belongs(name: PurePath, output: str = "") -> bool:
    """Return whether a file or folder is part of a program: no history, no cache, no rows of an earlier run.

    Args:
        name: its path from the program's folder.
        output: the file or folder, from there, that the program writes; empty where none is known.
    """
    if _LEFTOVERS & set(name.parts):
        return False
    return not output or PurePath(output) not in (name, *name.parents)
