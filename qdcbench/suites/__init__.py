"""Suites that come with QDCBench, one TOML file each."""
