"""Long names of levels, told by what differs: of one part, only the fields that do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

OPENING, CLOSING = "([{", ")]}"


def differing(names: Sequence[str]) -> list[str]:
    """Return names without the fields that all settings of a part have in common.

    A name is a level, or a cell's label of several: words that may have fields in brackets. All
    stay as they are if two would become one.

    >>> differing(["random", "magnitude(rate=0.8,when=init)", "magnitude(rate=0.8,when=trained)"])
    ['random', 'magnitude(when=init)', 'magnitude(when=trained)']
    """
    written = {name: [_parts(word) for word in _split(name, " ")] for name in names}
    known: dict[str, list[frozenset[str]]] = {}
    for head, fields in dict.fromkeys(part for words in written.values() for part in words):
        known.setdefault(head, []).append(frozenset(fields))
    shared = {head: frozenset.intersection(*some) for head, some in known.items()}
    short = {
        name: " ".join(_joined(head, fields, shared[head]) for head, fields in words)
        for name, words in written.items()
    }
    unlike = len(set(short.values())) == len(short)
    return [short[name] for name in names] if unlike else list(names)


def _parts(word: str) -> tuple[str, tuple[str, ...]]:
    """Return what stands before brackets, ``pruning=magnitude``, and the fields in them."""
    head, bracket, rest = word.partition("(")
    if not bracket or not rest.endswith(")"):
        return word, ()
    return head, tuple(_split(rest[:-1], ","))


def _joined(head: str, fields: Sequence[str], shared: frozenset[str]) -> str:
    told = [field for field in fields if field not in shared]
    return f"{head}({','.join(told)})" if told else head


def _split(text: str, mark: str) -> Iterator[str]:
    """Yield the pieces between marks that stand in no brackets."""
    begin = depth = 0
    for place, letter in enumerate(text):
        depth += (letter in OPENING) - (letter in CLOSING)
        if letter == mark and depth == 0:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]
