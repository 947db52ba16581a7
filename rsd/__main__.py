"""`python -m rsd` is the `rsd` command."""

from rsd.cli.main import program

if __name__ == "__main__":
    program()
