"""Probes: the small models that are fine-tuned on a dataset to see what it teaches. Heavy imports stay in its modules."""
