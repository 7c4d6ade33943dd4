"""What adapters are given and give back can be copied, sent, and not be shared by mistake."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult


@pytest.mark.parametrize("value", [WorkerJob("a"), WorkerResult(1, failure=FailureClass.COMMAND), Capabilities(True)])
def test_values_can_be_sent(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def test_what_was_not_given_is_nobodys_to_fill() -> None:
    for nothing in (WorkerJob("a").env, WorkerJob("a").meta, WorkerResult(0).tools):
        changing: Any = nothing
        with pytest.raises(TypeError):
            changing["X"] = "1"
        assert dict(nothing) == {}
        assert nothing == {}
        assert {**nothing, "X": "1"} == {"X": "1"}
        assert "X" not in nothing
        assert repr(nothing) == "{}"


def test_a_value_with_something_else_is_another_one() -> None:
    job = WorkerJob("a", ("b",))
    assert job._replace(meta={"node": "film/0001"}).meta == {"node": "film/0001"}
    assert job.meta == {}
