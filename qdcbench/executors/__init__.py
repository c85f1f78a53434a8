"""Ways to run many cells: worker processes on this machine."""
