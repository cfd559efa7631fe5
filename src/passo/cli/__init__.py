"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from passo.cli.app import main

__all__ = ["main"]
