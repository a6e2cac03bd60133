"""The studies that come with the project, as the table of the README: cost and result of each.

    for study in studies/*.yaml; do randstudy run $study; done
    python -m benchmarks.shipped [--store results]

Costs are minutes of one core that training and evaluation took, as the ledger has them; start-up
and MLflow come to it. Studies that are not in the store are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from randstudy import Study, answer, load
from randstudy.errors import RandstudyError

STUDIES = Path(__file__).parent.parent / "studies"


def row(path: Path, store: Path) -> str | None:
    """Return a study's line of the table, None where it was not run."""
    try:
        study = Study.load(path)
        frame = load(study, store=store)
    except RandstudyError:
        return None
    if not len(frame):
        return None
    trials = frame.drop_duplicates("trial")
    seconds = float(trials[["train_seconds", "evaluation_seconds"]].to_numpy().sum())
    found = answer(study, store)
    result = found.headline if study.compare is not None else "see its first lines"
    name = f"`{path.stem}`"
    return f"| {name} | {study.question} | {len(trials):,} | {seconds / 60:.1f} | {result} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("results"))
    options = parser.parse_args()
    print("| study | question | trials | core minutes | result |")
    print("|---|---|---|---|---|")
    for path in sorted(STUDIES.glob("*.yaml")):
        line = row(path, options.store)
        if line is not None:
            print(line)


if __name__ == "__main__":
    main()
