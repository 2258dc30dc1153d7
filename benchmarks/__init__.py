"""Benchmarks: they print, each figure beside a peer's in one run, and never assert."""
