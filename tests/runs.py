"""Short ways to run a study for real and to look at what came of it.

Apart from the catalogue, which every worker imports.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

import randstudy
from randstudy.running import Options, Result, run
from randstudy.study import Study


def trained(one: Study, store: Path, **options: Any) -> tuple[Result, str]:
    """Run a study, without its report; return the result and what was printed."""
    out = io.StringIO()
    return run(one, store, Options(**({"report": False} | options)), out), out.getvalue()


def values(one: Study, store: Path) -> pd.DataFrame:
    """Return the frame without what may differ between equal runs."""
    return unmeasured(pd.DataFrame(randstudy.load(one, store=store)))


def unmeasured(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without what was measured of the work itself."""
    measured = ("_seconds", "_per_second", "_bytes")
    return frame.drop(columns=[name for name in frame if str(name).endswith(measured)])
