from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from llm_api.engine.sampling import Logits, Sampler


def logits(**chances: float) -> Logits:
    """The logits of a vocabulary of three that give these chances."""
    return np.log(np.array([chances["a"], chances["b"], chances["c"]], np.float32))


def drawn(sampler: Sampler, given: Logits, count: int = 2000) -> Counter[int]:
    return Counter(sampler.choose(given) for _ in range(count))


def test_without_temperature_it_is_the_likeliest() -> None:
    assert drawn(Sampler(0, 1, None), logits(a=0.3, b=0.4, c=0.3)) == {1: 2000}


def test_of_equals_it_is_always_the_same() -> None:
    assert drawn(Sampler(0, 1, None), logits(a=0.4, b=0.2, c=0.4)) == {0: 2000}


def test_chances_are_the_models_own_at_temperature_one() -> None:
    counted = drawn(Sampler(1, 1, 1), logits(a=0.6, b=0.3, c=0.1))
    assert counted[0] == pytest.approx(1200, abs=120)
    assert counted[1] == pytest.approx(600, abs=120)
    assert counted[2] == pytest.approx(200, abs=80)


def test_a_higher_temperature_evens_them_out() -> None:
    cold, hot = (drawn(Sampler(t, 1, 1), logits(a=0.6, b=0.3, c=0.1)) for t in (0.3, 2))
    assert cold[0] > 1700
    assert hot[0] < 1100


def test_top_p_leaves_out_the_tail() -> None:
    assert set(drawn(Sampler(1, 0.7, 1), logits(a=0.6, b=0.3, c=0.1))) == {0, 1}
    assert set(drawn(Sampler(1, 0.5, 1), logits(a=0.6, b=0.3, c=0.1))) == {0}


@pytest.mark.parametrize("seed", [0, 7, -1, 2**80])
def test_a_seed_draws_the_same_again(seed: int) -> None:
    given = logits(a=0.4, b=0.3, c=0.3)
    one, two = Sampler(1, 1, seed), Sampler(1, 1, seed)
    assert [one.choose(given) for _ in range(50)] == [two.choose(given) for _ in range(50)]
    other = Sampler(1, 1, 5)
    assert [one.choose(given) for _ in range(50)] != [other.choose(given) for _ in range(50)]


def test_what_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Sampler(0, 1, None).choose(np.array([1, np.nan, 2], np.float32))
