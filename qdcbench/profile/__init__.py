"""The profile of data files: read, draw alike, measure, and show side by side."""
