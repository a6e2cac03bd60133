"""Failures in the account of a study: the same ones, and as many, wherever they are told."""

from __future__ import annotations

from randstudy.outcomes import Failure
from randstudy.status import by_trial, some_failures


def failure(*trials: str, message: str = "torn") -> Failure:
    return Failure(
        attempt="a1", trials=trials, kind="error", message=message, traceback="", unix_time=0.0
    )


def test_a_failure_of_a_pack_is_one_for_each_of_its_trials() -> None:
    told = some_failures(by_trial([failure("a", "b")]))
    assert told == ["a error: torn", "b error: torn"]


def test_what_is_not_told_is_counted() -> None:
    told = some_failures(by_trial([failure(*"abcdefg")]))
    assert [line[0] for line in told[:-1]] == list("abcde")
    assert told[-1] == "and 2 more"


def test_a_trial_that_failed_again_is_told_once_with_its_last_failure() -> None:
    told = some_failures(by_trial([failure("a"), failure("b"), failure("a", message="worn")]))
    assert told == ["a error: worn", "b error: torn"]
