"""`frames`: one picture in which one sees what one got."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.kit import burnin
from tests.kit.project import Project


def numbers(sheet: Path, count: int) -> list[int]:
    """The numbers burnt into the pictures of a sheet of 128x72 pictures."""
    with Image.open(sheet) as image:
        assert image.size == (12 + count * 140, 72 + 72)
        gray = image.convert("L")
    found = []
    for at in range(count):
        shot = gray.crop((12 + at * 140, 30, 12 + at * 140 + 128, 102))
        data = shot.tobytes()
        found.append(burnin.number_in(lambda y, data=data: data[y * 128 : y * 128 + 128], 128, 72))  # type: ignore[misc]
    return found


def test_a_chunk_shows_its_first_middle_and_last_frame(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    project.run()
    done = project.helios("frames", "render.yaml", "film/0001", "-o", "sheet.png")
    assert (done.exit_code, done.stdout) == (0, "sheet.png written: frame 10, frame 14, frame 19\n")
    assert numbers(project.path("sheet.png"), 3) == [10, 14, 19]


def test_a_film_is_shown_from_end_to_end_and_a_step_counts(project: Project) -> None:
    project.manifest(project.burnin(frames="0-36x4", size=5))
    project.run()
    done = project.helios("frames", "render.yaml", "film/stitch")
    assert done.stdout == "sheet.png written: frame 0, frame 16, frame 36\n"
    assert numbers(project.path("sheet.png"), 3) == [0, 16, 36]


def test_a_folder_of_images_is_shown_by_its_files_names(project: Project) -> None:
    manifest = project.burnin(frames="0-5", size=2, stitch={"output": "images/", "method": "collect"})
    manifest["jobs"]["film"]["chunk"]["output"] = "frames/"
    manifest["jobs"]["film"]["chunk"]["command"] = manifest["jobs"]["film"]["chunk"]["command"].replace(
        "{output}", "{output}/"
    )
    project.manifest(manifest)
    project.run()
    assert project.helios("frames", "render.yaml", "film/0002").stdout == "sheet.png written: 00004.png, 00005.png\n"
    assert numbers(project.path("sheet.png"), 2) == [4, 5]


def test_what_was_not_made_cannot_be_shown(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    refused = project.helios("frames", "render.yaml", "film/0001")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "error: there is no result of film/0001: it was not made yet, or its frames are parts of other chunks\n"
        "  helios-pipe run render.yaml\n"
    )
    assert not project.path("sheet.png").exists()
    assert "did you mean 'film/0001'?" in project.helios("frames", "render.yaml", "film/001").stderr


def test_without_pillow_one_is_told_what_to_install(project: Project) -> None:
    script = (
        "import sys; sys.modules['PIL'] = None\n"
        "from helios_pipe.media.sheet import need_pillow\n"
        "from helios_pipe.errors import ToolError\n"
        "try: need_pillow()\n"
        "except ToolError as error: print(error.exit_code, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ("3 a contact sheet needs Pillow, which is not installed\n  pip install 'helios-pipe[ui]'\n")
