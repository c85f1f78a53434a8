"""Which attempts become training rows: rules, the common filter, decontamination, thinning to n."""

from qdcbench.selection.common import common_reasons
from qdcbench.selection.normal import normal_prompt
from qdcbench.selection.rules import RULES, Selected, select

__all__ = ["RULES", "Selected", "common_reasons", "normal_prompt", "select"]
