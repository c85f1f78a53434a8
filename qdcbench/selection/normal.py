"""When two prompts count as the same."""

import re

__all__ = ["normal_prompt"]


def normal_prompt(text: str) -> str:
    """Return the form under which two prompts count as the same: case, spacing and end punctuation do not matter."""
    return re.sub(r"\s+", " ", text).strip().rstrip(".?!:;,").casefold()
