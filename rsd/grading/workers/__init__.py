"""Worker processes: pool, client and the process itself."""
