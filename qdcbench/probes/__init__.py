"""Probes: the small models that are fine-tuned on a dataset to see what it teaches. It imports nothing."""
