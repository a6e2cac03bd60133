"""A trial: one training, named by everything that its numbers may depend on.

The id is frozen: a hash of the format number, the study's seed, the effective recipe less defaults,
the replicate of each stream that the training consumes, and ``repeat`` where it is not the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from randstudy import streams
from randstudy.canonical import canonical_json, entry, minimal
from randstudy.errors import at
from randstudy.fields import FAULT, Findings, section, settings
from randstudy.handover import HandedRecipe, Setup, grammar
from randstudy.places import dotted
from randstudy.recipe import Recipe

FORMAT = 1
"""Major version of the study format; it changes when a default or a rule of identity does."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training.

    Attributes
    ----------
    id : 16 hex digits; equal ids train equal numbers.
    setup : effective, so fields without effect have their defaults; a recipe of randstudy's parts,
        or the function that the training is handed to.
    seed : the study's.
    replicates : replicate of each stream that the training consumes.
    repeat : 0 but for further trainings with the same draws.
    """

    id: str
    setup: Setup
    seed: int
    replicates: Mapping[str, int]
    repeat: int = 0

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def recipe(self) -> Recipe:
        """The recipe of a training by randstudy itself, which is not handed over."""
        assert isinstance(self.setup, Recipe), "a training that is handed over has no recipe"
        return self.setup

    @property
    def settings(self) -> str:
        """What the id hashes: canonical JSON, from which `trial_from_settings` makes the trial."""
        head, tail = frame(self.setup, self.seed, self.repeat)
        return head + pairs(sorted(self.replicates)) % self._numbers() + tail

    def key(self, stream: str) -> streams.Key:
        """Return the key of a stream for this trial."""
        return streams.key(self.seed, stream, self.replicates.get(stream, 0))

    def _numbers(self) -> tuple[int, ...]:
        return tuple(self.replicates[stream] for stream in sorted(self.replicates))


def make_trial(setup: Setup, seed: int, replicates: Mapping[str, int], repeat: int = 0) -> Trial:
    """Return the trial of an effective recipe, with its id."""
    unnamed = Trial(id="", setup=setup, seed=seed, replicates=replicates, repeat=repeat)
    name = blake2b(unnamed.settings.encode(), digest_size=8).hexdigest()
    return Trial(id=name, setup=setup, seed=seed, replicates=replicates, repeat=repeat)


def trial_from_settings(settings: str) -> Trial:
    """Make a trial again from its settings; fields outside the identity have their defaults.

    Raises
    ------
    StudyError
        When the settings are of another format, or were not written by `Trial.settings`.
    """
    plain = json.loads(settings)
    if plain.get("format") != FORMAT:
        raise at(None, None, "format", f"expected {FORMAT}, got {plain.get('format')!r}")
    found = Findings()
    setup = section(grammar(plain["recipe"]), plain["recipe"], ("recipe",), found)
    if setup is FAULT:
        first = found.entries[0]
        raise at(None, None, dotted(first.path), first.message)
    return make_trial(setup, plain["seed"], plain["replicates"], plain.get("repeat", 0))


def _recipe_json(recipe: Setup) -> str:
    """Return the canonical JSON of a recipe; cells share most sections, so these are kept."""
    if isinstance(recipe, HandedRecipe):
        # Not kept: parameters may be 1, 1.0 or true, which are equal and yet not the same.
        return canonical_json(minimal(recipe))
    sections = [_section_json(name, getattr(recipe, name)) for name in sorted(settings(Recipe))]
    return f"{{{','.join(text for text in sections if text)}}}"


@lru_cache(maxsize=4096)
def _section_json(name: str, value: Any) -> str:
    return canonical_json(entry(settings(Recipe)[name], value))[1:-1]


def frame(recipe: Setup, seed: int, repeat: int) -> tuple[str, str]:
    """Return a trial's settings before and after its replicates."""
    again = f'"repeat":{repeat},' if repeat else ""
    head = f'{{"format":{FORMAT},"recipe":{_recipe_json(recipe)},{again}"replicates":{{'
    return head, f'}},"seed":{seed}}}'


def pairs(names: Sequence[str]) -> str:
    """Return the template of the replicates of these streams."""
    return ",".join(f'"{name}":%d' for name in names)
