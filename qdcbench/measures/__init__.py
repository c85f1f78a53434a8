"""Measures of a dataset on quality, diversity and complexity, and the table that defines them."""

from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.rows import Rows, Unmeasurable
from qdcbench.measures.table import METRICS, MeasureRow

__all__ = ["METRICS", "MeasureRow", "Rows", "Unmeasurable", "measure_rows"]
