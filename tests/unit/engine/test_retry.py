"""When a failed attempt is made again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.action.model import Limits
from helios_pipe.engine.retry import MACHINE_RETRIES, delay_before_retry
from helios_pipe.ports import FailureClass


def test_a_command_is_tried_again_as_often_as_the_manifest_says() -> None:
    limits = Limits(retries=2)
    delays = [delay_before_retry(FailureClass.COMMAND, n, 0, limits, lambda: 1.0) for n in (1, 2, 3)]
    assert delays == [1.0, 2.0, None]


def test_the_machinery_has_a_limit_of_its_own() -> None:
    found = [
        delay_before_retry(FailureClass.INFRASTRUCTURE, 0, n, Limits(), lambda: 0.5)
        for n in range(1, MACHINE_RETRIES + 2)
    ]
    assert found[:-1] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert found[-1] is None


def test_a_lost_worker_burns_no_retry() -> None:
    assert delay_before_retry(FailureClass.PREEMPTED, 9, 9, Limits(), lambda: 1.0) == 0.0


def test_a_worker_that_is_lost_again_and_again_is_waited_for_ever_longer() -> None:
    found = [delay_before_retry(FailureClass.PREEMPTED, 0, 0, Limits(), lambda: 1.0, lost=n) for n in (1, 2, 3, 50)]
    assert found == [0.0, 1.0, 2.0, 60.0]


@pytest.mark.parametrize("failure", [FailureClass.FATAL, FailureClass.CANCELLED])
def test_what_no_retry_can_help_is_not_tried_again(failure: FailureClass) -> None:
    assert delay_before_retry(failure, 1, 1, Limits(retries=9), lambda: 1.0) is None


@given(st.integers(1, 500), st.floats(0, 1))
def test_no_wait_is_longer_than_a_minute(failures: int, luck: float) -> None:
    delay = delay_before_retry(FailureClass.COMMAND, failures, 0, Limits(retries=1000, retry_delay_s=3), lambda: luck)
    assert delay is not None
    assert 0 <= delay <= 60
