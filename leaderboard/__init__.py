"""The static leaderboard page's template."""
