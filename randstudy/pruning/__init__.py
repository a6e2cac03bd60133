"""Pruning: which weights are removed, by what score, and when; they stay zero from then on.

Settings and masks are here, without torch. Scores that need gradients are in
`randstudy.training.scores`, and what happens between the trainings of a trial that is pruned
after training is in `randstudy.training.phases`.
"""

from randstudy.pruning.masks import Masks, density, density_names, emptied, masks, removed_whole
from randstudy.pruning.method import Pruning
from randstudy.pruning.methods import (
    BernoulliPruning,
    GraspPruning,
    MagnitudePruning,
    RandomPruning,
    ScoredPruning,
    SnipPruning,
    SynflowPruning,
)
from randstudy.pruning.ratios import Group, erdos_renyi, groups, prunable

__all__ = [
    "BernoulliPruning",
    "GraspPruning",
    "Group",
    "MagnitudePruning",
    "Masks",
    "Pruning",
    "RandomPruning",
    "ScoredPruning",
    "SnipPruning",
    "SynflowPruning",
    "density",
    "density_names",
    "emptied",
    "erdos_renyi",
    "groups",
    "masks",
    "prunable",
    "removed_whole",
]
