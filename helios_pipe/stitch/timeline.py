"""Time as integers: which tick a frame gets, and which frame a time stamp means. Knows nothing of files."""

from __future__ import annotations

from fractions import Fraction

from helios_pipe.tuples import NamedTuple


class Clock(NamedTuple):
    """The time base of a join: `timescale` ticks a second, `per` ticks a frame, so that every frame lies on a tick."""

    fps: Fraction
    timescale: int
    per: int

    @classmethod
    def of(cls, fps: Fraction) -> Clock:
        """The clock of a rate: its numerator as time scale, 512 times finer where the rate is whole."""
        fine = 512 if fps.denominator == 1 else 1
        return cls(fps, fps.numerator * fine, fps.denominator * fine)

    @property
    def tick(self) -> Fraction:
        """Seconds a tick."""
        return Fraction(1, self.timescale)


class OffGridError(Exception):
    """A time stamp that means no frame, or one that was there already. `kind` is `grid`, `early` or `duplicate`."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class FrameWalk:
    """Places packets, given in decode order, on the frame grid: which frame is each, is none missing, none there twice.

    Holds no more than the frames that are being reordered, however long the file. `slack` is how far from its frame a
    time stamp may lie: a quarter of a frame for a chunk, half a tick for what we wrote ourselves.
    """

    __slots__ = ("_ahead", "_base", "_bound", "_den", "_next", "_num", "count", "delay")

    def __init__(self, time_base: Fraction, fps: Fraction, *, base: int, half_tick: bool = False) -> None:
        ratio = time_base * fps
        self._num, self._den = ratio.numerator, ratio.denominator
        self._bound = 2 * self._num if half_tick else self._den
        self._base = base
        self._next = 0
        self._ahead: set[int] = set()
        self.count = 0
        self.delay = 0

    def place(self, pts: int) -> int:
        """The frame index that `pts` means. Raises OffGridError."""
        scaled = (pts - self._base) * self._num
        den = self._den
        frame = (2 * scaled + den) // (2 * den)
        if 4 * abs(scaled - frame * den) > self._bound:
            raise OffGridError("grid", f"packet {self.count} lies at frame {scaled / den:.3f}")
        if frame < 0:
            raise OffGridError("early", f"packet {self.count} is shown {-frame} frames before the first one")
        if frame == self._next:
            self._next += 1
            while self._ahead and self._next in self._ahead:
                self._ahead.remove(self._next)
                self._next += 1
        elif frame < self._next or frame in self._ahead:
            raise OffGridError("duplicate", f"packet {self.count} is frame {frame} a second time")
        else:
            self._ahead.add(frame)
        if self.count - frame > self.delay:
            self.delay = self.count - frame
        self.count += 1
        return frame

    def hole(self) -> int | None:
        """The first frame that is missing before the last one, None where there is none."""
        return self._next if self._ahead else None
