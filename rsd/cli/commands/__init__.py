"""One file for each command of `rsd`."""
