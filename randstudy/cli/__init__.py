"""The ``randstudy`` command. Rooms are imported inside the commands, so that help is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from randstudy.cli import answers, datasets, studies
from randstudy.errors import RandstudyError

EXIT_CODES = """exit codes:
  0    every planned trial is accounted for
  1    some trials failed, or the store cannot be used
  2    the study or the command line is wrong; nothing was started
  75   stopped by SIGTERM; run again to go on
  130  stopped by Ctrl-C; run again to go on
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parser().parse_args(arguments)
    # Last, so that a study's own parts are found beside it and nothing installed is hidden.
    sys.path.append(os.getcwd())
    try:
        code: int = options.command(options)
    except RandstudyError as error:
        print(f"randstudy: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nrandstudy: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough (`randstudy plan … | head`).
        sys.stderr.close()
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="randstudy",
        description="Is this difference real, or is it luck, and which luck?",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    studies.add(commands)
    answers.add(commands)
    datasets.add(commands)
    return top
