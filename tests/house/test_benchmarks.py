"""The benchmarks of the repository: their report is right, and they run to the end at tiny sizes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.plot import plot
from benchmarks.report import BEGIN, END, into_page, load, merged, save, table
from benchmarks.rows import OURS, Goal, Row, compared
from benchmarks.timing import Sample
from tests.house.test_shape import FUNCTION_LINES, MODULE_LINES, functions
from tests.kit.project import REPOSITORY

MACHINE = {"date": "2024-02-29", "processor": "2 x Some CPU", "ninja": "1.13"}
ROWS = [
    Row("W1", "10,000 tiny chunks", (0.7, 0.6, 0.9), against="ninja", goal=Goal(0.8, reach=0.65), note="make 0.48 x"),
    Row("W2", "nothing to do <&>", (1.4,), against="ninja", goal=Goal(1.0)),
    Row("W5", "recorded chunks run again", (0.0,), "", goal=Goal(0)),
    Row("plan", "plan of 100,000 chunks", (4.0,), "s", goal=Goal(5)),
    Row("render", "faster than one process", (1.9,), against="one process", goal=Goal(1.8, at_least=True)),
]


def test_a_ratio_is_taken_within_each_round_and_the_median_counts() -> None:
    ours, ninja = ([Sample(s) for s in walls] for walls in ((1.0, 4.0, 9.0), (2.0, 4.0, 3.0)))
    row = compared("W1", "x", {"ninja": ninja, OURS: ours, "make": ninja}, goal=Goal(0.9))
    assert row.values == (0.5, 1.0, 3.0)
    assert row.value == 1.0
    assert not row.met
    assert row.note == "make 1.00 x"


def test_the_table_says_goal_median_and_spread_and_which_goals_are_missed() -> None:
    lines = table(ROWS, MACHINE).splitlines()
    assert lines[0] == "Measured 2024-02-29: processor 2 x Some CPU, ninja 1.13."
    assert (
        "| W1 | 10,000 tiny chunks | ≤ 0.8 × (reach 0.65 ×) | **0.7 × ninja** | 3: 0.6 to 0.9 |  | make 0.48 x |"
        in lines
    )
    assert "| W2 | nothing to do <&> | ≤ 1 × | **1.4 × ninja**, missed | 1 |  |  |" in lines
    assert "| render | faster than one process | ≥ 1.8 × | **1.9 × one process** | 1 |  |  |" in lines


def test_only_what_stands_between_the_markers_is_written() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert into_page(page, "new") == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    with pytest.raises(ValueError, match="the page needs one"):
        into_page("no markers", "new")


def test_the_page_has_a_place_for_the_table() -> None:
    page = (REPOSITORY / "docs/performance.md").read_text()
    assert "| W9 |" in into_page(page, "| W9 |")


def test_the_picture_is_small_and_well_formed_and_has_a_bar_for_each_row_but_counts() -> None:
    picture = plot(ROWS * 8)
    assert len(picture.encode()) <= 20_000
    root = ET.fromstring(picture)
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class") in ("ok", "no", "free")]
    assert len(bars) == 8 * (len(ROWS) - 1)
    assert "prefers-color-scheme:dark" in picture


def test_rows_survive_json_and_later_ones_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    save(tmp_path / "rows.json", ROWS, MACHINE)
    earlier = load(tmp_path / "rows.json")
    assert earlier == ROWS
    later = [Row("W1", "10,000 tiny chunks", (0.5,), against="ninja"), Row("W1", "1,000 tiny chunks", (0.8,))]
    assert [(row.work, row.values) for row in merged(earlier, later)][:3] == [
        ("W1", (0.5,)),
        ("W1", (0.8,)),
        ("W2", (1.4,)),
    ]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "benchmarks").glob("*.py")), ids=lambda p: p.name)
def test_a_benchmark_is_as_small_as_any_module(path: Path) -> None:
    import ast

    text = path.read_text()
    assert text.count("\n") <= MODULE_LINES
    assert {name: lines for name, lines in functions(ast.parse(text)) if lines > FUNCTION_LINES} == {}


def benchmarks(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--folder", folder, *words], cwd=REPOSITORY, capture_output=True, text=True
    )


@pytest.mark.slow
def test_tiny_sizes_are_measured_and_judged_and_nothing_is_left_behind(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/performance.md").read_text()
    report = tmp_path / "rows.json"
    work = tmp_path / "work"
    work.mkdir()
    done = benchmarks(work, "--quick", "--n", "10", "--only", "W1,W2,W2s,W3,W4,W5,validate", "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(report.read_text())["rows"]
    assert {row["work"] for row in rows} == {"W1", "W2", "W2s", "W3", "W4", "W5", "validate"}
    assert re.search(r"^W3 n=10  round 1/1  helios-pipe: \d", done.stdout, re.MULTILINE)
    assert os.listdir(work) == []
    assert (REPOSITORY / "docs/performance.md").read_text() == page


def test_an_unknown_workload_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = benchmarks(tmp_path, "--only", "W8")
    assert done.returncode == 2
    assert "'W8' is none of W1, W2, W2s" in done.stderr


def test_without_ninja_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ninja'] = None; sys.argv[1:] = ['--quick', '--folder', sys.argv[1]]; "
        "import runpy; runpy.run_module('benchmarks', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("pip install 'helios-pipe[bench]'")
    assert os.listdir(tmp_path) == []
