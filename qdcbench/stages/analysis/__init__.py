"""Parts of the analyze stage: units, comparability, summaries, rankings, relations, verdicts, controls."""
