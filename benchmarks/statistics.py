"""How often the statistics are right: every claim, simulated.

``python -m benchmarks.statistics`` simulates each claim 4,000 times and prints the table;
``--write`` puts it into docs/statistics.md. A claim holds when its share lies within its bounds by
three Monte Carlo errors; the command ends with 1 when one does not.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np

from benchmarks import simulations
from benchmarks.simulations.case import Case

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
TABLE = re.compile(r"(<!-- simulations -->\n).*?(<!-- end -->)", re.DOTALL)


def cases() -> Iterator[tuple[str, int, Case]]:
    """Yield (module, index, case) of all simulations, module by module."""
    for found in sorted(one.name for one in pkgutil.iter_modules(simulations.__path__)):
        module = importlib.import_module(f"benchmarks.simulations.{found}")
        for index, case in enumerate(getattr(module, "CASES", ())):
            yield found, index, case


def hits(module: str, index: int, count: int) -> tuple[int, float]:
    """Simulate one case; return hits and seconds. The seed is the case's own, whatever runs."""
    case: Case = importlib.import_module(f"benchmarks.simulations.{module}").CASES[index]
    name = f"{case.topic}/{case.setting}/{case.claim}".encode()
    seed = int.from_bytes(blake2b(name, digest_size=8).digest(), "big")
    before = time.perf_counter()
    found = case.simulate(count, np.random.default_rng(seed))
    return int(found), time.perf_counter() - before


def bounds(case: Case) -> str:
    """Write the bounds of a claim."""
    if not case.bound:
        return ""
    if case.low == 0:
        return f"≤ {100 * case.high:g}"
    return (
        f"≥ {100 * case.low:g}" if case.high == 1 else f"{100 * case.low:g} to {100 * case.high:g}"
    )


def line(case: Case, found: int, count: int) -> str:
    """Write one row of the table."""
    share = found / count
    error = 100 * (share * (1 - share) / count) ** 0.5
    verdict = "" if not case.bound else "holds" if case.holds(found, count) else "**short**"
    shown = f"{100 * share:.1f} ± {error:.1f}"
    return (
        f"| {case.topic} | {case.setting} | {case.claim} | {bounds(case)} | {shown} | {verdict} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print, and say whether all claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=4000, metavar="N")
    parser.add_argument("--only", default="", metavar="TEXT", help="of topics that contain it")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args(arguments)
    chosen = [one for one in cases() if options.only in one[2].topic]
    rows = [
        f"| topic | setting | claim | bounds, % | found, % (n = {options.simulations:,}) | |",
        "|---|---|---|---|---|---|",
    ]
    short = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        asked = [pool.submit(hits, module, i, options.simulations) for module, i, _ in chosen]
        for (_, _, case), future in zip(chosen, asked, strict=True):
            found, seconds = future.result()
            rows.append(line(case, found, options.simulations))
            short += case.bound and not case.holds(found, options.simulations)
            print(f"{seconds:6.1f} s  {rows[-1]}", file=sys.stderr, flush=True)
    table = "\n".join(rows)
    print(table)
    if options.write and not options.only:
        PAGE.write_text(TABLE.sub(lambda m: f"{m[1]}{table}\n{m[2]}", PAGE.read_text()))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
