"""What a suite will need before it runs: calls, tokens, money and time, each with where the number comes from."""

from qdcbench.forecast.amount import Amount
from qdcbench.forecast.caps import CapFit, cap_fits
from qdcbench.forecast.cells import CellForecast, Forecast, Line, forecast
from qdcbench.forecast.fact import Compared, compare
from qdcbench.forecast.history import History, read_history

__all__ = [
    "Amount",
    "CapFit",
    "CellForecast",
    "Compared",
    "Forecast",
    "History",
    "Line",
    "cap_fits",
    "compare",
    "forecast",
    "read_history",
]
