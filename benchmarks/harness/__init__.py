"""What the benchmarks and some tests share; not part of the package."""
