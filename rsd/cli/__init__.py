"""The `rsd` command: one thin file per subcommand, put together in `main`."""
