"""Regular expressions that are compiled when they are first used. Knows none of them.

A run loads some thirty and uses a third of them, and to compile one takes a tenth of a millisecond or more. Such a pattern has
the methods of a compiled one and is none: the functions of `re` do not take it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern
    from typing import Any


class Unused:
    """A pattern that nobody has used so far. What is asked for is its own from then on."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._given = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling ask for such; a pattern has none that anybody needs
            raise AttributeError(name)
        import re

        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)
        return found


def regex(pattern: str, flags: int = 0) -> Pattern[str]:
    """The same as `re.compile`; what is wrong with the pattern is raised (re.error) when it is first used."""
    return Unused(pattern, flags)  # type: ignore[return-value] # to whoever uses it, it is one
