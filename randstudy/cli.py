"""The ``randstudy`` command. Rooms are imported inside the commands, so that help is quick."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from randstudy.errors import RandstudyError

if TYPE_CHECKING:
    from randstudy.study import Study

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

    plan = _command(commands, "plan", "show what a study would train; train nothing", _plan)
    plan.add_argument("--measure", action="store_true", help="time a few steps of each shape")
    plan.add_argument("--json", action="store_true", help="print JSON")
    _pack_size(plan)

    run = _command(commands, "run", "train what the ledger lacks", _run)
    _pack_size(run)
    run.add_argument("--address", help="Ray cluster to join; default: start Ray on this machine")
    run.add_argument("--retry-failed", action="store_true", help="try trials that failed again")
    stale = run.add_mutually_exclusive_group()
    stale.add_argument(
        "--accept-stale", action="store_true", help="keep outcomes of other versions"
    )
    stale.add_argument("--retrain-stale", action="store_true", help="train them again")

    status = _command(commands, "status", "account for every planned trial", _status)
    status.add_argument("--json", action="store_true", help="print JSON")

    frame = _command(commands, "frame", "write a row a trial for pandas", _frame)
    frame.add_argument("--out", required=True, metavar="FILE", help=".parquet or .csv")
    frame.add_argument("--curves", action="store_true", help="a row an evaluation instead")
    frame.add_argument("--all", action="store_true", help="also trials outside the present design")
    frame.add_argument("--mix", action="store_true", help="allow several numerics classes")

    forget = _command(commands, "forget", "stop counting outcomes, so they train again", _forget)
    forget.add_argument("trials", nargs="+", metavar="TRIAL", help="ids of trials")
    forget.add_argument("--reason", default="by hand", help="why, for the record")

    ui = _command(commands, "ui", "start MLflow's UI on this machine", _ui)
    ui.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1")

    schema = commands.add_parser("schema", help="print the JSON Schema of study files")
    schema.set_defaults(command=_schema)
    return top


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    """Add a command that takes a study, a store and overrides."""
    found: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    found.set_defaults(command=function)
    found.add_argument("study", metavar="STUDY", type=Path, help="a study file")
    folder = "folder of the ledger (default: %(default)s)"
    found.add_argument("--store", type=Path, default=Path("results"), metavar="DIR", help=folder)
    found.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="overrides",
        help="set a field of the study, as if written in the file; repeatable",
    )
    return found


def _pack_size(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--pack-size", type=_width, metavar="N|auto", help="trials trained together (default: auto)"
    )


def _width(text: str) -> int | None:
    """Read ``auto`` as None and a whole number from 1 up."""
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number from 1 up")
    return int(text)


def _study(options: argparse.Namespace) -> tuple[Study, Path]:
    from randstudy.study import Study

    return Study.load(options.study, options.overrides), options.store.resolve()


def _plan(options: argparse.Namespace) -> int:
    from randstudy.planning import plan

    study, store = _study(options)
    found = plan(study, store, pack_size=options.pack_size, measure=options.measure)
    print(json.dumps(found.plain(), indent=1) if options.json else found.text())
    return 0


def _run(options: argparse.Namespace) -> int:
    from randstudy.closing import closing
    from randstudy.running import Options, run

    study, store = _study(options)
    stale = "accept" if options.accept_stale else "retrain" if options.retrain_stale else "refuse"
    chosen = Options(
        pack_size=options.pack_size,
        address=options.address,
        stale=stale,  # type: ignore[arg-type]
        retry_failed=options.retry_failed,
    )
    result = run(study, store, chosen)
    print(closing(study, store, result))
    return result.exit_code


def _status(options: argparse.Namespace) -> int:
    from randstudy.status import status

    study, store = _study(options)
    found = status(study, store)
    print(json.dumps(found.plain(), indent=1) if options.json else found.text())
    return 0


def _frame(options: argparse.Namespace) -> int:
    from randstudy.frame import load, write

    study, store = _study(options)
    found = load(study, store=store, all=options.all, mix=options.mix)
    chosen = found.curves if options.curves else found
    path = write(chosen, options.out)
    print(f"{len(chosen):,} rows, {len(chosen.columns)} columns: {path}")
    return 0


def _forget(options: argparse.Namespace) -> int:
    from randstudy.ledger import Ledger

    _, store = _study(options)
    ledger = Ledger(store)
    known = [trial for trial in options.trials if trial in ledger.index()]
    unknown = sorted(set(options.trials) - set(known))
    if unknown:
        raise RandstudyError(f"not in the ledger: {', '.join(unknown)}; nothing was forgotten")
    ledger.forget(known, options.reason)
    print(f"{len(known):,} forgotten; randstudy run trains them again if they are still planned")
    return 0


def _ui(options: argparse.Namespace) -> int:
    from randstudy.tracking import ui

    study, store = _study(options)
    command = ui(store, study, port=options.port)
    print(f"{command.url} (Ctrl-C ends it)", flush=True)
    os.execvpe(command.argv[0], command.argv, command.env)


def _schema(_options: argparse.Namespace) -> int:
    from randstudy.schema import schema

    print(json.dumps(schema(), indent=1))
    return 0
