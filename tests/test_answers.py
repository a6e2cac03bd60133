"""Studies with exact answers: training gives what theory says."""

from __future__ import annotations

import pytest

from benchmarks import answers


@pytest.fixture(scope="module")
def noise() -> dict[str, answers.Answer]:
    return {one.cell: one for one in answers.sgd_noise(1500)}


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4, 16])
def test_the_noise_of_sgd_is_lyapunovs(noise: dict[str, answers.Answer], batch: int) -> None:
    """Within 5 %: an sd of 1,500 has a standard error of 1.8 %."""
    drawn = noise[f"batch_size={batch} sampling=replacement"]
    assert drawn.n == 1500
    assert drawn.found == pytest.approx(drawn.expected, rel=0.05)
    # The textbook's figure, for errors of exactly 0.2 and a slope that moves alone.
    assert drawn.expected == pytest.approx(0.2 / 3 / batch**0.5, rel=0.1)


@pytest.mark.slow
def test_shuffling_has_less_noise_the_fewer_steps_an_epoch_has(
    noise: dict[str, answers.Answer],
) -> None:
    shares = [
        noise[f"batch_size={batch} sampling=shuffle"].found
        / noise[f"batch_size={batch} sampling=replacement"].found
        for batch in (1, 4, 16)
    ]
    assert shares[2] < 0.92
    assert shares[2] < min(shares[:2])


def test_gradient_descent_diverges_above_its_threshold_and_clipping_holds_it() -> None:
    found = list(answers.explode())
    assert len(found) == 10
    assert [one.found for one in found] == [one.expected for one in found]
    assert sum(one.expected for one in found) == 2


def test_noise_on_inputs_is_ridge() -> None:
    found = {one.cell: one for one in answers.input_noise()}
    for one in found.values():
        assert one.found == pytest.approx(one.expected, abs=0.02), one
    for s in ("0.5", "1"):
        ridge, noisy = found[f"arm=ridge-{s}"].found, found[f"arm=noise-{s}"].found
        assert noisy == pytest.approx(ridge, abs=0.01)
