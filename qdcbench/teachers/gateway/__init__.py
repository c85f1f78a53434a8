"""An OpenAI-compatible endpoint of ours, beside which a foreign program runs."""

from qdcbench.teachers.gateway.server import Gateway, serving

__all__ = ["Gateway", "serving"]
