"""`python -m rsd` is the `rsd` command."""

from rsd.cli.main import main

if __name__ == "__main__":
    main()
