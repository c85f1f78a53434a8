"""Which attempts become training rows: rules, decontamination, thinning to n."""

from qdcbench.selection.rules import RULES, Selected, normal_prompt, select

__all__ = ["RULES", "Selected", "normal_prompt", "select"]
