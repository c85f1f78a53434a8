"""From an analysis and its run records to figures, tables and the leaderboard page."""
