"""The gate that keeps workers from being handed each other's first order."""

from __future__ import annotations

from randstudy.gate import PATIENCE, Gate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def gate(workers: int = 2, given: int = 2) -> Gate:
    return Gate(workers, given, clock=Clock())


def test_it_opens_when_every_worker_has_reported() -> None:
    one = gate()
    one.reported("a", "node 1")
    one.reported("a", "node 1")
    assert not one.open
    one.reported("b", "node 2")
    assert one.open


def test_it_does_not_wait_for_workers_that_there_is_no_work_for() -> None:
    one = gate(workers=8, given=1)
    one.reported("a", "node 1")
    assert one.open


def test_it_waits_again_for_the_successor_of_a_lost_worker() -> None:
    one = gate()
    one.reported("a", "node 1")
    one.reported("b", "node 2")
    one.lost("b")
    assert not one.open
    one.reported("b", "node 3")
    assert one.open


def test_patience_ends() -> None:
    one = gate()
    one.reported("a", "node 1")
    assert not one.open
    assert isinstance(one.clock, Clock)
    one.clock.now = PATIENCE + 1
    assert one.open
