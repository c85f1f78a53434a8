"""Pure statistics on arrays: intervals, paired comparisons, rankings, effects and power."""
