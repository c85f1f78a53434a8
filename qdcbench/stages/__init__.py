"""Stages: a record in, a record out."""
