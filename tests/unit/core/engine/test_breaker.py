"""An engine that does not answer is let alone, and tried out by one request at a time."""

import pytest

from core.engine.breaker import Breaker, Circuit
from core.errors import Unavailable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(failures=3, rest=5, longest=60, clock=clock)


def state(breaker) -> Circuit:
    found: Circuit = breaker.circuit
    return found


def fail(breaker, times=1):
    for _ in range(times):
        breaker.fail(breaker.admit())


def test_it_opens_after_three_failures_in_a_row(breaker):
    fail(breaker, 2)
    breaker.succeed(breaker.admit())
    fail(breaker, 2)
    assert state(breaker) is Circuit.CLOSED
    fail(breaker)
    assert state(breaker) is Circuit.OPEN
    with pytest.raises(Unavailable):
        breaker.admit()


def test_after_its_rest_exactly_one_request_tries_it_out(breaker, clock):
    fail(breaker, 3)
    clock.now += 4.9
    with pytest.raises(Unavailable):
        breaker.admit()
    clock.now += 0.1
    assert state(breaker) is Circuit.HALF_OPEN
    trial = breaker.admit()
    for _ in range(3):
        with pytest.raises(Unavailable):
            breaker.admit()
    breaker.succeed(trial)
    assert state(breaker) is Circuit.CLOSED
    fail(breaker, 2)
    assert state(breaker) is Circuit.CLOSED


def test_a_trial_that_fails_doubles_the_rest_up_to_the_longest(breaker, clock):
    fail(breaker, 3)
    for rest in (5, 10, 20, 40, 60, 60):
        clock.now += rest - 0.1
        assert state(breaker) is Circuit.OPEN
        clock.now += 0.1
        fail(breaker)
    clock.now += 60
    breaker.succeed(breaker.admit())
    fail(breaker, 3)
    clock.now += 5
    assert state(breaker) is Circuit.HALF_OPEN


def test_a_trial_that_is_withdrawn_leaves_its_place_to_another(breaker, clock):
    fail(breaker, 3)
    clock.now += 5
    breaker.withdraw(breaker.admit())
    breaker.succeed(breaker.admit())
    assert state(breaker) is Circuit.CLOSED


def test_the_first_word_of_a_trial_lets_the_others_in_and_one_more_failure_shuts_them_out(breaker, clock):
    fail(breaker, 3)
    clock.now += 5
    trial = breaker.admit()
    breaker.speak(trial)
    assert state(breaker) is Circuit.CLOSED
    breaker.withdraw(trial)
    assert state(breaker) is Circuit.CLOSED
    fail(breaker)
    assert state(breaker) is Circuit.OPEN


def test_what_was_asked_before_it_opened_says_nothing_any_more(breaker, clock):
    early = [breaker.admit() for _ in range(9)]
    for admitted in early[:6]:
        breaker.fail(admitted)
    clock.now += 5
    trial = breaker.admit()
    breaker.fail(early[6])
    breaker.withdraw(early[7])
    breaker.succeed(early[8])
    assert state(breaker) is Circuit.HALF_OPEN
    with pytest.raises(Unavailable):
        breaker.admit()
    breaker.succeed(trial)
    assert state(breaker) is Circuit.CLOSED
