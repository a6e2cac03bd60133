"""Commands that start, plan, train and keep: new, plan, run, status, frame, forget, ui, schema."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from randstudy.cli.arguments import command, named
from randstudy.errors import RandstudyError


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    new = commands.add_parser(
        "new",
        help="write a study and a training of your own to fill in",
        description="Write NAME.yaml and NAME.py, which run as they are. Nothing is overwritten.",
    )
    new.set_defaults(command=_new)
    new.add_argument("name", metavar="NAME", help="name of the study")

    plan = command(commands, "plan", "show what a study would train; train nothing", _plan)
    plan.add_argument("--measure", action="store_true", help="time a few steps of each shape")
    plan.add_argument("--json", action="store_true", help="print JSON")
    _pack_size(plan)

    run = command(commands, "run", "train what the ledger lacks", _run)
    _pack_size(run)
    run.add_argument("--address", help="Ray cluster to join; default: start Ray on this machine")
    run.add_argument("--no-report", action="store_true", help="do not make the report at the end")
    run.add_argument("--retry-failed", action="store_true", help="try trials that failed again")
    stale = run.add_mutually_exclusive_group()
    stale.add_argument(
        "--accept-stale", action="store_true", help="keep outcomes of other versions"
    )
    stale.add_argument("--retrain-stale", action="store_true", help="train them again")

    status = command(commands, "status", "account for every planned trial", _status)
    status.add_argument("--json", action="store_true", help="print JSON")

    frame = command(commands, "frame", "write a row a trial for pandas", _frame)
    frame.add_argument("--out", required=True, metavar="FILE", help=".parquet or .csv")
    frame.add_argument("--curves", action="store_true", help="a row an evaluation instead")
    frame.add_argument("--all", action="store_true", help="also trials outside the present design")
    frame.add_argument("--mix", action="store_true", help="allow several numerics classes")

    forget = command(commands, "forget", "stop counting outcomes, so they train again", _forget)
    forget.add_argument("trials", nargs="+", metavar="TRIAL", help="ids of trials")
    forget.add_argument("--reason", default="by hand", help="why, for the record")

    ui = command(commands, "ui", "start MLflow's UI on this machine", _ui)
    ui.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1")

    schema = commands.add_parser("schema", help="print the JSON Schema of study files")
    schema.set_defaults(command=_schema)


def _pack_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack-size", type=_width, metavar="N|auto", help="trials trained together (default: auto)"
    )


def _width(text: str) -> int | None:
    """Read ``auto`` as None and a whole number from 1 up."""
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number from 1 up")
    return int(text)


def _new(options: argparse.Namespace) -> int:
    from pathlib import Path

    from randstudy.starting import start

    study, training = start(options.name, Path())
    print(f"{study}: the question\n{training}: the training\nnow: randstudy run {study}")
    return 0


def _plan(options: argparse.Namespace) -> int:
    from randstudy.planning import plan

    study, store = named(options)
    found = plan(study, store, pack_size=options.pack_size, measure=options.measure)
    print(json.dumps(found.plain(), indent=1) if options.json else found.text())
    return 0


def _run(options: argparse.Namespace) -> int:
    from randstudy.closing import closing
    from randstudy.running import Options, run

    study, store = named(options)
    stale = "accept" if options.accept_stale else "retrain" if options.retrain_stale else "refuse"
    chosen = Options(
        pack_size=options.pack_size,
        address=options.address,
        stale=stale,  # type: ignore[arg-type]
        retry_failed=options.retry_failed,
        report=not options.no_report,
    )
    result = run(study, store, chosen)
    print(closing(study, store, result))
    return result.exit_code


def _status(options: argparse.Namespace) -> int:
    from randstudy.status import status

    study, store = named(options)
    found = status(study, store)
    print(json.dumps(found.plain(), indent=1) if options.json else found.text())
    return 0


def _frame(options: argparse.Namespace) -> int:
    from randstudy.frame import load, write

    study, store = named(options)
    found = load(study, store=store, all=options.all, mix=options.mix)
    chosen = found.curves if options.curves else found
    path = write(chosen, options.out)
    print(f"{len(chosen):,} rows, {len(chosen.columns)} columns: {path}")
    return 0


def _forget(options: argparse.Namespace) -> int:
    from randstudy.ledger import Ledger

    _, store = named(options)
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

    study, store = named(options)
    server = ui(store, study, port=options.port)
    print(f"{server.url} (Ctrl-C ends it)", flush=True)
    os.execvpe(server.argv[0], server.argv, server.env)


def _schema(_options: argparse.Namespace) -> int:
    from randstudy.schema import schema

    print(json.dumps(schema(), indent=1))
    return 0
