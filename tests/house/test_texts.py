"""What the repository's texts say holds anywhere: links lead somewhere, no path of one machine, no registry's host."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.kit.project import REPOSITORY, Project

FOREIGN = re.compile(
    r"/work/(?:main|shared|steering|\.)|/far[m]/|/root/|/home/[a-z]+/"
    r"|/tmp/(?:w|bench|bash_job)\b|/opt/(?:pypi|wheels)"
    r"|\b(?:pypi|pythonhosted|npmjs|debian)\.(?:org|com)\b"
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


MADE = re.compile(r"\.venv.*|__pycache__|.*\.egg-info|\.helios|build|dist|out|\.git|\..*_cache|\.hypothesis")
"""Folders whose content is made, as in .gitignore."""


def files() -> list[Path]:
    """Every file that belongs to the repository; this one holds the patterns and stays out."""
    found = []
    for folder, names, leaves in os.walk(REPOSITORY):
        names[:] = [n for n in names if not MADE.fullmatch(n)]
        found += [Path(folder, leaf) for leaf in leaves if leaf != ".git"]
    return sorted(p for p in found if p != Path(__file__).resolve())


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode()


def test_no_text_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert not found, "\n".join(found)


def test_the_top_of_the_repository_is_what_it_is_meant_to_be() -> None:
    names = {p.relative_to(REPOSITORY).parts[0] for p in files()}
    meant = {
        *("pyproject.toml", "helios_pipe", "schemas", "examples", "tests", "README.md", "docs", "benchmarks", ".ci"),
        *("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"),
    }
    assert {n for n in names if not n.startswith(".")} <= meant


@pytest.mark.parametrize(
    "page", [p for p in files() if p.suffix == ".md"], ids=lambda p: str(p.relative_to(REPOSITORY))
)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text()) if "://" not in t]
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert not missing


def test_ci_runs_the_very_line_that_the_readme_gives_for_the_tests() -> None:
    blocks = re.findall(r"```sh\n(.*?)\n```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "pytest" in line]
    assert len(lines) == 1
    assert (REPOSITORY / ".ci/run").read_text().splitlines()[-1] == lines[0]


def commands(project: Project) -> set[str]:
    listed = project.helios("--help").stdout.partition("Commands:\n")[2]
    return set(re.findall(r"^  ([a-z]+)", listed, re.MULTILINE))


def test_the_readme_lists_the_commands_that_exist_and_no_others(project: Project) -> None:
    table = re.findall(r"^\| (`.*?) \|", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert {word for row in table for word in re.findall(r"(?:^|·) ?`([a-z]+)", row)} == commands(project)


def test_every_command_says_how_to_use_it(project: Project) -> None:
    for command in sorted(commands(project)):
        said = project.helios(command, "-h")
        assert said.exit_code == 0, str(said)
        assert said.stdout.startswith(f"Usage: helios-pipe {command} ")
