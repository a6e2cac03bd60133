"""The name that was probably meant, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(written: str, names: Iterable[str]) -> str | None:
    """Return the name most like `written`, or None when none is close.

    >>> nearest("xavier_unifrom", ["xavier_uniform", "orthogonal"])
    'xavier_uniform'
    """
    candidates = list(names)
    begun = [name for name in candidates if name.casefold().startswith(f"{written.casefold()}_")]
    if len(begun) == 1:
        return begun[0]
    folded = {name.casefold(): name for name in reversed(candidates)}
    close = difflib.get_close_matches(written[:100].casefold(), folded, n=1, cutoff=0.6)
    if close:
        return folded[close[0]]
    within = [name for name in candidates if len(written) > 2 and written.casefold() in name]
    return within[0] if within else None


def suggestion(written: str, names: Sequence[str], *, most: int = 12) -> str:
    """Return ``; did you mean …?``, or what there is when nothing is close, or nothing."""
    found = nearest(written, names)
    if found is not None:
        return f"; did you mean {found}?"
    if not names:
        return ""
    listed = ", ".join(names[:most])
    return f"; there is {listed}{', …' if len(names) > most else ''}"
