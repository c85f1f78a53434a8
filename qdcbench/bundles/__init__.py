"""Bundles: an edition with all it takes to make it again without asking anybody."""
