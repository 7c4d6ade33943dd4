"""`python -m benchmarks`: runs the workloads, prints every sample, writes the table and the picture of docs/performance.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import SubprocessError

from benchmarks import crash, hashing, joins, render, startup, workloads
from benchmarks.bench import Bench, Workload
from benchmarks.place import REPOSITORY, MissingError, prepare
from benchmarks.plot import plot
from benchmarks.report import goal_text, into_page, load, merged, number, save, table
from benchmarks.rows import Row
from benchmarks.timing import WrongOutcomeError

PAGE, PICTURE = REPOSITORY / "docs/performance.md", REPOSITORY / "docs/performance.svg"


def _fan_out() -> Workload:
    from benchmarks.dispatch import fan_out  # wants the tests' servers, and with them much of the program

    return fan_out


WORKLOADS: dict[str, Workload] = {
    "W1": workloads.from_nothing,
    "W2": workloads.nothing_to_do,
    "W2s": workloads.nothing_to_do_with_inputs,
    "W3": workloads.one_changed,
    "W4": workloads.all_touched,
    "W5": crash.killed_half_way,
    "plan": startup.plan,
    "startup": startup.start_up,
    "validate": startup.validate,
    "hash": hashing.hashing,
    "join": joins.joins,
    "render": render.render,
    "fanout": lambda bench: _fan_out()(bench),
}


def main() -> int:
    """The exit code: 0 where everything was measured and right, 1 where something was not, 2 on wrong usage."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="helios-bench-", dir=options.folder))
    try:
        place = prepare(folder)
        bench = Bench(place, options.n, options.rounds, options.quick, say=lambda text: print(text, flush=True))
        rows, wrong = _run(bench, options.only)
        machine = place.machine()
    except MissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.add:
        rows = merged(load(options.add), rows)
    _tell(rows, wrong)
    if options.json:
        save(options.json, rows, machine)
    if options.write and not wrong:
        PAGE.write_text(into_page(PAGE.read_text(), table(rows, machine)))
        PICTURE.write_text(plot(rows))
        print(f"written: {PAGE.relative_to(REPOSITORY)}, {PICTURE.relative_to(REPOSITORY)}")
    return 1 if wrong else 0


def _run(bench: Bench, only: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows of these workloads, and what was wrong: a workload that goes wrong has no further rows, the others go on."""
    rows: list[Row] = []
    wrong: list[str] = []
    for name in only:
        began = time.monotonic()
        try:
            for row in WORKLOADS[name](bench):
                rows.append(row)
                bench.say(f"= {_told(row)}")
        except (WrongOutcomeError, MissingError, SubprocessError, OSError) as error:
            wrong.append(f"{name}: {error}")
            bench.say(f"WRONG {wrong[-1]}")
        bench.say(f"{name} took {time.monotonic() - began:.1f} s")
    return rows, wrong


def _told(row: Row) -> str:
    goal = f"  goal {goal_text(row.goal, row.unit)}{'' if row.met else '  MISSED'}" if row.goal else ""
    beside = f" {row.against}" if row.against else ""
    return f"{row.work}  {row.what}: {number(row.value, row.unit)}{beside}{goal}  {row.note}".rstrip()


def _tell(rows: Sequence[Row], wrong: Sequence[str]) -> None:
    print("\n" + "\n".join(_told(row) for row in rows))
    if wrong:
        print("\nNothing is written, for these went wrong:\n" + "\n".join(wrong), file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", type=_names, metavar="W1,W2,…", help=f"these workloads, of {','.join(WORKLOADS)}")
    add(
        "--n",
        type=_sizes,
        metavar="N,N",
        help="numbers of chunks for W1 to W4 [1000,10000]; 100000 for W2 and W2s alone",
    )
    add("--rounds", type=int, help="paired rounds [3]; short samples are taken five times as often")
    add("--quick", action="store_true", help="tiny sizes: shows that all works, measures nothing worth keeping")
    add("--write", action="store_true", help="write into docs although --quick, --only or --n was given")
    add("--json", type=Path, metavar="FILE", help="write every round's values into FILE")
    add("--add", type=Path, metavar="FILE", help="take rows that this run does not measure from an earlier --json FILE")
    add("--folder", type=Path, metavar="DIR", help="where the benchmark's own folder is made [the temporary folder]")
    add("--keep", action="store_true", help="leave that folder behind")
    options = parser.parse_args()
    options.write = options.write or not (options.quick or options.only or options.n)
    options.only = options.only or list(WORKLOADS)
    options.n = options.n or ([40] if options.quick else [1_000, 10_000])
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(WORKLOADS)}")
    return names


def _sizes(text: str) -> list[int]:
    sizes = [int(word) for word in text.split(",")]
    if not all(0 < size < 1_000_000 for size in sizes):
        raise argparse.ArgumentTypeError("a number of chunks is 1 to 999,999")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
