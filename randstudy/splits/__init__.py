"""Which examples train, validate and test: ways of splitting a data set.

Every scheme gives three disjoint lists of rows whose sizes are known beforehand and do not depend
on the replicate, so that trials of one study fit into one pack.
"""

from __future__ import annotations

from randstudy.splits.drawn import Bootstrap, KFold, RandomSplit, Stratified
from randstudy.splits.given import Given
from randstudy.splits.scheme import Splitting

__all__ = ["Bootstrap", "Given", "KFold", "RandomSplit", "Splitting", "Stratified"]
