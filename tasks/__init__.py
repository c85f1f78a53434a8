"""Evaluation tasks, one file a task; files whose names begin with an underscore are their parts."""
