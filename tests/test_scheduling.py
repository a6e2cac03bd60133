"""The queue: everything ends exactly once, whatever goes wrong on the way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

from catalogue import trial
from hypothesis import given, settings
from hypothesis import strategies as st

from randstudy.outcomes import Failure
from randstudy.packs import USUAL, shape_of
from randstudy.scheduling import NO_MORE, WAIT, Mishap, Queue, Work
from randstudy.trials import Trial

Kind = Literal["infrastructure", "memory", "error"]


def mishap(kind: Kind = "error") -> Mishap:
    return Mishap("0123", kind, "it went wrong", "Traceback: here")


def trials(count: int, **fields: Any) -> list[Trial]:
    return [trial(number, **fields) for number in range(count)]


def make(missing: Sequence[Trial], **fields: Any) -> tuple[Queue, list[Failure]]:
    failures: list[Failure] = []
    values: dict[str, Any] = {"workers": 2, "width": None, "fail": failures.append}
    queue = Queue(missing, **(values | {"clock": lambda: 5.0} | fields))
    return queue, failures


def asked(queue: Queue) -> Work:
    work = queue.ask()
    assert isinstance(work, Work), work
    return work


MANY = USUAL * 2 + 1
"""More trials than two workers train untimed."""


def test_calibrates_a_shape_before_it_trains_it() -> None:
    missing = trials(MANY)
    queue, _ = make(missing, workers=1, width=None)
    first = asked(queue)
    assert (first.kind, first.trials) == ("calibrate", (missing[0],))
    assert first.shape == shape_of(missing[0].recipe)
    assert queue.ask() == WAIT
    queue.calibrated(first.number, 8)
    work = asked(queue)
    assert (work.kind, work.trials) == ("train", tuple(missing[:8]))
    assert queue.left == MANY


def test_a_few_trials_are_not_worth_a_calibration() -> None:
    queue, _ = make(trials(10))
    assert asked(queue).kind == "train"


def test_workers_that_would_wait_rehearse_and_the_first_width_stays_of_use() -> None:
    queue, _ = make(trials(MANY), workers=2)
    first, second = asked(queue), asked(queue)
    assert (first.kind, second.kind) == ("calibrate", "calibrate")
    assert queue.ask() == WAIT
    queue.calibrated(first.number, 16)
    assert asked(queue).kind == "train"
    queue.calibrated(second.number, 8)
    assert queue.left == MANY


def test_a_known_width_or_a_given_one_needs_no_calibration() -> None:
    missing = trials(MANY)
    known = {shape_of(missing[0].recipe): 4}
    work = asked(make(missing, known=known)[0])
    assert (work.kind, len(work.trials)) == ("train", 4)
    work = asked(make(missing, known=known, width=7)[0])
    assert (work.kind, len(work.trials)) == ("train", 7)


def test_a_given_width_is_kept_to_the_end() -> None:
    queue, _ = make(trials(10), width=4, workers=4)
    assert [len(asked(queue).trials) for _ in range(3)] == [4, 4, 2]


def test_shapes_are_not_mixed_and_another_is_handed_out_meanwhile() -> None:
    small, large = trials(MANY), trials(MANY, batch_size=9)
    shapes = [shape_of(some[0].recipe) for some in (small, large)]
    mixed = [one for pair in zip(small, large, strict=True) for one in pair]
    queue, _ = make(mixed, workers=2)
    first, second = asked(queue), asked(queue)
    assert [first.shape, second.shape] == shapes
    queue.calibrated(second.number, 5)
    work = asked(queue)
    assert work.shape == shapes[1]
    assert work.trials == tuple(large[:5])


def test_no_more_only_when_everything_came_back() -> None:
    queue, _ = make(trials(4), width=2)
    first, second = asked(queue), asked(queue)
    assert queue.ask() == WAIT
    queue.trained(first.number)
    assert queue.ask() == WAIT
    assert queue.left == 2
    queue.trained(second.number)
    assert queue.ask() == NO_MORE
    assert queue.left == 0


def test_nothing_to_do() -> None:
    assert make([])[0].ask() == NO_MORE


def test_halving_finds_the_culprit_and_spares_its_neighbours() -> None:
    missing = trials(16)
    culprit = missing[5]
    queue, failures = make(missing, width=16)
    packs = 0
    while (work := queue.ask()) != NO_MORE:
        assert isinstance(work, Work)
        packs += 1
        if culprit in work.trials:
            queue.mishap(work.number, mishap())
        else:
            queue.trained(work.number)
    assert packs == 9
    assert queue.left == 0
    (failure,) = failures
    assert failure.trials == (culprit.id,)
    assert (failure.attempt, failure.kind, failure.message) == ("0123", "error", "it went wrong")
    assert (failure.traceback, failure.unix_time) == ("Traceback: here", 5.0)


def test_what_was_committed_before_a_mishap_is_not_trained_again() -> None:
    missing = trials(4)
    queue, failures = make(missing, width=4)
    queue.mishap(asked(queue).number, mishap(), [one.id for one in missing[:3]])
    # The last one was alone in what was left, so it is at fault.
    assert failures[0].trials == (missing[3].id,)
    assert queue.left == 0
    assert queue.ask() == NO_MORE


def test_a_mishap_after_everything_was_committed_blames_nobody() -> None:
    missing = trials(4)
    queue, failures = make(missing, width=4)
    queue.mishap(asked(queue).number, mishap(), [one.id for one in missing])
    assert (failures, queue.left, queue.ask()) == ([], 0, NO_MORE)


def test_a_pack_without_memory_halves_the_width_of_those_to_come() -> None:
    missing = trials(64)
    shape = shape_of(missing[0].recipe)
    queue, _ = make(missing, known={shape: 32}, workers=1)
    queue.mishap(asked(queue).number, mishap("memory"))
    assert queue.known[shape] == 16
    assert [len(asked(queue).trials) for _ in range(4)] == [16, 16, 16, 16]


def test_news_of_a_wide_pack_does_not_widen_narrower_ones_again() -> None:
    missing = trials(200)
    shape = shape_of(missing[0].recipe)
    queue, _ = make(missing, known={shape: 32}, workers=2)
    early, late = asked(queue), asked(queue)
    queue.mishap(early.number, mishap("memory"))
    queue.mishap(asked(queue).number, mishap("memory"))
    assert queue.known[shape] == 8
    queue.mishap(late.number, mishap("memory"))
    assert queue.known[shape] == 8


def test_other_mishaps_leave_the_width_alone() -> None:
    missing = trials(64)
    shape = shape_of(missing[0].recipe)
    kinds: tuple[Kind, ...] = ("error", "infrastructure")
    for kind in kinds:
        queue, _ = make(missing, known={shape: 32}, workers=1)
        queue.mishap(asked(queue).number, mishap(kind))
        assert queue.known[shape] == 32


def test_a_shape_that_cannot_be_calibrated_trains_one_by_one() -> None:
    queue, failures = make(trials(MANY), workers=1)
    queue.mishap(asked(queue).number, mishap())
    work = asked(queue)
    assert (work.kind, len(work.trials)) == ("train", 1)
    assert failures == []
    assert queue.left == MANY


def test_a_rehearsal_that_fails_does_not_undo_a_calibration() -> None:
    queue, _ = make(trials(MANY), workers=2)
    first, second = asked(queue), asked(queue)
    queue.calibrated(first.number, 16)
    queue.mishap(second.number, mishap("infrastructure"))
    assert queue.known[first.shape] == 16


def test_packs_lost_to_dead_workers_count_until_one_has_lived() -> None:
    queue, _ = make(trials(8), width=2)
    for expected in (1, 2):
        queue.mishap(asked(queue).number, mishap("infrastructure"))
        assert queue.stillborn == expected
    queue.trained(asked(queue).number)
    queue.mishap(asked(queue).number, mishap("infrastructure"))
    assert queue.stillborn == 2


def test_an_error_shows_that_a_worker_lives() -> None:
    queue, _ = make(trials(8), width=2)
    queue.mishap(asked(queue).number, mishap("error"))
    queue.mishap(asked(queue).number, mishap("infrastructure"))
    assert queue.stillborn == 0


POOL = [
    *trials(60),
    *trials(25, batch_size=9),
    *trials(70, epochs=3),
    *trials(3, batch_size="full"),
]


def play(
    queue: Queue, workers: int, chance: random.Random, bad: Callable[[Trial], bool]
) -> Counter[str]:
    """Let workers ask and tell in any order, with mishaps of every kind; count what was trained."""
    trained: Counter[str] = Counter()
    out: list[Work] = []
    for _ in range(10_000):
        if len(out) < workers and chance.random() < 0.7:
            answer = queue.ask()
            if isinstance(answer, Work):
                assert len({shape_of(one.recipe) for one in answer.trials}) == 1
                assert all(shape_of(one.recipe) == answer.shape for one in answer.trials)
                out.append(answer)
                continue
            assert out if answer == WAIT else not out
            if answer == NO_MORE:
                return trained
        if not out:
            continue
        work = out.pop(chance.randrange(len(out)))
        accident = chance.random() < 0.15 or any(map(bad, work.trials))
        if work.kind == "calibrate":
            if accident:
                queue.mishap(work.number, mishap(chance.choice(("infrastructure", "memory"))))
            else:
                queue.calibrated(work.number, chance.choice((1, 3, 8, 64)))
        elif accident:
            done = work.trials[: chance.randrange(len(work.trials) + 1)]
            committed = [one.id for one in done if not bad(one)]
            trained.update(committed)
            kind = chance.choice(("infrastructure", "memory", "error"))
            queue.mishap(work.number, mishap(kind), committed)
        else:
            trained.update(one.id for one in work.trials)
            queue.trained(work.number)
    raise AssertionError("the queue never ends")


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    some=st.lists(st.integers(0, len(POOL) - 1), unique=True),
    workers=st.integers(1, 5),
    width=st.sampled_from([None, None, 1, 4, 50]),
    rotten=st.integers(0, 30),
)
def test_every_trial_ends_exactly_once(
    seed: int, some: list[int], workers: int, width: int | None, rotten: int
) -> None:
    missing = [POOL[index] for index in some]
    bad = {one.id for one in missing[:: rotten + 1]} if rotten else set()
    queue, failures = make(missing, workers=workers, width=width)
    trained = play(queue, workers, random.Random(seed), lambda one: one.id in bad)
    failed = Counter(name for failure in failures for name in failure.trials)
    assert trained + failed == Counter(one.id for one in missing)
    assert bad <= set(failed)
    assert queue.left == 0
    assert queue.ask() == NO_MORE
