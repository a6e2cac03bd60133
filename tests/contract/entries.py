"""The one table of the contract suite: a part or field that is not here fails it."""

from __future__ import annotations

from entries_data import DATA, SPLITS
from entries_networks import INITS, MODELS, PRUNINGS
from entries_training import LOSSES, OPTIMIZERS, SCHEDULES, SECTIONS
from entry import Entries

ENTRIES: Entries = {
    **DATA,
    **SPLITS,
    **MODELS,
    **INITS,
    **PRUNINGS,
    **LOSSES,
    **OPTIMIZERS,
    **SCHEDULES,
    **SECTIONS,
}
