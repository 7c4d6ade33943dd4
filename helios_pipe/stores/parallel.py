"""Doing one thing to many items at once. Knows nothing of what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WORKERS = 32
"""Requests under way at once to one store. Each is small, or bounds its own memory."""


def each(function: Callable[[Item], Answer], items: Iterable[Item], workers: int = WORKERS) -> list[Answer]:
    """`function` of every item, in their order. After a first failure nothing new is begun, and that failure is raised."""
    todo = list(items)
    if len(todo) < 2 or workers < 2:
        return [function(item) for item in todo]
    pool = ThreadPoolExecutor(min(workers, len(todo)), thread_name_prefix="store")
    try:
        return list(pool.map(function, todo))
    finally:
        pool.shutdown(cancel_futures=True)
