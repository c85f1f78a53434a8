"""Scorers: they look at rows with a model or a judge and fill the columns of what is known, which measures read."""
