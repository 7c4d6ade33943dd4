"""What programs say of files that they do not find, and what they are told of those."""

from __future__ import annotations

from pathlib import Path

import pytest

from helios_pipe.pipeline.hints import Elsewhere, undeclared_inputs

WORK = "/film/.helios/work/film-1/1-ab/local/1/w"
DECLARED = {"scene/render.py", "scene/a.mjs", "notes.txt"}
HERE = ["scene/helper.py", "scene/pkg/__init__.py", "top.py", "scene/b.mjs", "scene/d.js", "lib/e.ts", "tex/w/wood.png"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (*DECLARED, *HERE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("cat: scene/helper.py: No such file or directory", "scene/helper.py"),
        ("cannot open './top.py'.", "top.py"),
        ("ModuleNotFoundError: No module named 'helper'", "scene/helper.py"),
        ("ModuleNotFoundError: No module named 'pkg'", "scene/pkg/__init__.py"),
        ("ModuleNotFoundError: No module named 'scene.helper'", "scene/helper.py"),
        ("ModuleNotFoundError: No module named 'top'", "top.py"),
        (f"Error [ERR]: Cannot find module '{WORK}/scene/b.mjs' imported from {WORK}/scene/a.mjs", "scene/b.mjs"),
        (f"Error: Cannot find module './d'\n- {WORK}/scene/c.js", "scene/d.js"),
        ("Error: Cannot find module '../lib/e'", "lib/e.ts"),
        (f"open({WORK}/tex/w/wood.png) failed", "tex/w/wood.png"),
    ],
)
def test_a_file_that_was_looked_for_is_named(said: str, name: str, project: Path) -> None:
    (hint,) = undeclared_inputs(said, project, DECLARED)
    assert hint.startswith(f"{name} is in the project but not declared")


@pytest.mark.parametrize(
    "said",
    [
        f"File {WORK}/scene/render.py, line 3: notes.txt",
        "No module named 'numpy'",
        "Cannot find module 'react'",
        "Cannot find module '../../etc/passwd'",
        "/w/ /w/. /w/../scene/helper.py",
        "No module named '....'",
    ],
)
def test_what_is_declared_or_not_in_the_project_is_not(said: str, project: Path) -> None:
    assert undeclared_inputs(said, project, DECLARED) == ()


def test_a_folder_that_another_job_makes_is_found_where_it_is(project: Path) -> None:
    others = {"out/frames": Elsewhere("out/frames/", "film[de]", "jobs/film[de]/frames", given=False)}
    others["out/a.txt"] = Elsewhere("out/a.txt", "a", "jobs/a/a.txt", given=True)
    (hint,) = undeclared_inputs("no out/frames/0001.png", project, DECLARED, others)
    assert hint == (
        'out/frames/0001.png is what the job film[de] makes: declare {job: "film[de]"} under inputs, then the command '
        "finds it as jobs/film[de]/frames/0001.png"
    )
    assert undeclared_inputs("no out/framesets/a.png, no out/a.txt/b", project, DECLARED, others) == ()
    assert len(undeclared_inputs("no out/frames, no out/a.txt", project, DECLARED, others)) == 2
