"""Patterns and the files that they mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helios_pipe.errors import UsageError
from helios_pipe.manifest.globs import Expansion, expand
from helios_pipe.manifest.patterns import Matcher, escape, parse_pattern, pattern_problem

FILES = (
    ".hidden", "a.png", "b.png", "look.txt", "look.txt.bak", "we[ir]d.txt", "!not.txt", "-dash", "sp ace.txt", "é.txt",
    "in/a.png", "in/deep/a.png", "in/deep/b.exr", "in/deep/er/c.png", "in/.cache/x", "out/look.txt", "tmp/in/a.png",
    ".git/HEAD", ".helios/db", "in/.git/HEAD",
)  # fmt: skip
SEEN = tuple(path for path in FILES if ".git/" not in path and ".helios/" not in path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for path in FILES:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "empty/deeper").mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        (["look.txt"], ["look.txt"]),
        (["./look.txt"], ["look.txt"]),
        (["in/a.png", "a.png"], ["a.png", "in/a.png"]),
        (["in/deep"], ["in/deep/a.png", "in/deep/b.exr", "in/deep/er/c.png"]),
        (["in/deep/"], ["in/deep/a.png", "in/deep/b.exr", "in/deep/er/c.png"]),
        (["*.exr"], ["in/deep/b.exr"]),
        (["./*.png"], ["a.png", "b.png"]),
        (["in/*.png"], ["in/a.png"]),
        (["in/**/*.png"], ["in/a.png", "in/deep/a.png", "in/deep/er/c.png"]),
        (["in/**/deep/**"], ["in/deep/a.png", "in/deep/b.exr", "in/deep/er/c.png"]),
        (["**/in/a.png"], ["in/a.png", "tmp/in/a.png"]),
        (["in/d*"], ["in/deep/a.png", "in/deep/b.exr", "in/deep/er/c.png"]),
        (["?.png"], ["a.png", "b.png", "in/a.png", "in/deep/a.png", "in/deep/er/c.png", "tmp/in/a.png"]),
        (["./[!a].png"], ["b.png"]),
        (["./[b-z].png"], ["b.png"]),
        (["./[[:alpha:]].png"], ["a.png", "b.png"]),
        (["we\\[ir\\]d.txt"], ["we[ir]d.txt"]),
        (["we[[]ir]d.txt"], ["we[ir]d.txt"]),
        (["\\!not.txt"], ["!not.txt"]),
        (["in/*/"], ["in/.cache/x", "in/deep/a.png", "in/deep/b.exr", "in/deep/er/c.png"]),
        (["in/", "!*.png"], ["in/.cache/x", "in/deep/b.exr"]),
        (["in/", "!deep/"], ["in/.cache/x", "in/a.png"]),
        (["in/", "!in/deep"], ["in/.cache/x", "in/a.png"]),
        (["in/", "!in/deep/", "in/deep/b.exr"], ["in/.cache/x", "in/a.png", "in/deep/b.exr"]),
        (["*.txt", "!look.txt"], ["!not.txt", "sp ace.txt", "we[ir]d.txt", "é.txt"]),
        (["*.txt", "!./look.txt"], ["!not.txt", "out/look.txt", "sp ace.txt", "we[ir]d.txt", "é.txt"]),
        (["!look.txt", "look.txt"], ["look.txt"]),
        ([".git/HEAD"], [".git/HEAD"]),
        ([".git"], [".git/HEAD"]),
        ([".git/*"], [".git/HEAD"]),
        (["**/.helios/*"], [".helios/db"]),
        (["-dash", "sp ace.txt", "é.txt"], ["-dash", "sp ace.txt", "é.txt"]),
        (["look.txt", "look.txt", "./look.txt"], ["look.txt"]),
        (["**"], list(SEEN)),
        (["*"], list(SEEN)),
    ],
    ids=lambda value: " ".join(value)[:40],
)  # fmt: skip
def test_a_pattern_means_these_files(tree: Path, patterns: list[str], files: list[str]) -> None:
    assert expand(tree, patterns) == Expansion(tuple(sorted(files)), expand(tree, patterns).folders, ())


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        (["look.txt", "in/a.png"], []),
        (["in/deep/er"], ["in/deep/er"]),
        (["./*.txt"], ["."]),
        (["in/deep/*.png"], ["in/deep"]),
        (["in/**", "!in/deep/"], ["in", "in/.cache"]),
        (["out/", "tmp/**"], ["out", "tmp", "tmp/in"]),
        (["empty/", "look.txt"], ["empty", "empty/deeper"]),
    ],
)
def test_folders_are_told_that_were_looked_into(tree: Path, patterns: list[str], folders: list[str]) -> None:
    assert expand(tree, patterns).folders == tuple(folders)


@pytest.mark.parametrize(
    ("patterns", "unmatched"),
    [
        (["look.txt", "lok.txt"], ["lok.txt"]),
        (["*.mov", "look.txt", "in/*.mov", "!x"], ["*.mov", "in/*.mov"]),
        (["empty/"], ["empty/"]),
        (["look.txt/"], ["look.txt/"]),
        (["look.txt/x"], ["look.txt/x"]),
        (["no/where/*.png"], ["no/where/*.png"]),
        (["*.exr", "!b.*"], ["*.exr"]),
        (["in/", "!in"], ["in/"]),
        ([], []),
        (["!x"], []),
    ],
)
def test_patterns_without_a_file_are_told(tree: Path, patterns: list[str], unmatched: list[str]) -> None:
    assert expand(tree, patterns).unmatched == tuple(unmatched)


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "in/../../x", "!../x", "", "!", ".", "a\0b", "[z-a]"])
def test_a_pattern_that_leaves_the_project_or_makes_no_sense_is_refused(tree: Path, pattern: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(tree, [pattern])
    assert str(caught.value) == f"inputs: {pattern_problem(pattern)}"


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    (project / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "far.txt").write_text("far")
    (project / "near.txt").write_text("near")
    (project / "to-file").symlink_to("near.txt")
    (project / "to-outside").symlink_to(outside)
    (project / "sub/up").symlink_to("..")
    (project / "sub/self").symlink_to("self")
    (project / "sub/top").symlink_to(tmp_path)
    (project / "gone").symlink_to("nowhere")
    assert expand(project, ["**"]).files == ("near.txt", "to-file", "to-outside/far.txt")
    assert expand(project, ["to-outside/"]).files == ("to-outside/far.txt",)
    assert expand(project, ["gone", "sub/self"]).unmatched == ("gone", "sub/self")


def test_two_folders_that_lead_into_each_other_end(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
        (tmp_path / name / "link").symlink_to(f"../{other}")
    assert expand(tmp_path, ["a/"]).files == ("a/file", "a/link/file")


def test_only_files_are_meant(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert expand(tmp_path, ["pipe", "*"]) == Expansion((), (".",), ("pipe", "*"))


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()

    def denied(path: str) -> Iterator[None]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UsageError) as caught:
        expand(tmp_path, ["shut/"])
    assert str(caught.value) == "cannot look into the folder 'shut/': Permission denied"


def test_a_literal_path_looks_into_no_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", None)
    assert expand(tree, ["look.txt", "in/deep/a.png"]).files == ("in/deep/a.png", "look.txt")


def test_a_folder_is_looked_into_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    scandir = os.scandir

    def counted(path: str) -> object:
        looked.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    expand(tree, ["in/*.png", "in/*.txt", "in/**", "*.png", "in/"])
    assert len(looked) == len(set(looked)) > 4


PARTS = st.sampled_from(
    ["a", "b", "in", "deep", "a.png", "*", "?", "**", "*.png", "[ab]*", "[!a]*", "*e*", "d??p", ".*", "er"]
)
PATTERNS = st.lists(
    st.builds(
        lambda bang, parts, tail: bang + "/".join(parts) + tail,
        st.sampled_from(["", "", "!", "./", "!./"]),
        st.lists(PARTS, min_size=1, max_size=4),
        st.sampled_from(["", "", "/"]),
    ),
    min_size=1,
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(PATTERNS)
def test_walking_finds_what_matching_every_file_finds(tree: Path, patterns: list[str]) -> None:
    matches = Matcher(patterns)
    assert expand(tree, patterns).files == tuple(sorted(path for path in SEEN if matches(path)))


@given(st.text("ab*?[]!\\. é", min_size=1, max_size=8).filter(lambda text: "." not in text.split("/")))
def test_an_escaped_path_means_itself(path: str) -> None:
    pattern = parse_pattern(escape(path))
    assert pattern.literal == path
    assert Matcher(["!./" + escape(path)])(path) is False
    assert Matcher(["**", "!./" + escape(path)])(path) is False
    assert Matcher(["**", "!./" + escape(path)])(path + "x") is True


def test_a_pattern_with_many_stars_takes_no_longer() -> None:
    assert not Matcher(["*a" * 40 + "b"])("a" * 200)
    assert not Matcher(["**/" * 30 + "b"])("/".join("a" * 30))


def test_a_folder_is_gone_into_where_an_exclusion_leaves_some_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "in" / name).touch()
    assert expand(tmp_path, ["*", "!in/[!a]*"]).files == ("in/a.png",)


@pytest.mark.parametrize("pattern", ["!in", "!in/", "!in/*", "!in/**", "!in/**/*", "!i?", "!*/", "!./*"])
def test_a_folder_that_is_excluded_whole_is_not_looked_into(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/a.png").touch()
    found = expand(tmp_path, ["**", pattern])
    assert found.files == ()
    assert found.folders == (".",)


def test_every_exclusion_leaves_what_it_does_not_mean(tree: Path) -> None:
    """All of up to four parts: what is not gone into must be excluded whole."""
    for length in range(1, 5):
        for parts in product(["in", "*", "**", "?e*", "deep"], repeat=length):
            for end in ("", "/"):
                patterns = ["**", f"!./{'/'.join(parts)}{end}"]
                matches = Matcher(patterns)
                assert expand(tree, patterns).files == tuple(sorted(p for p in SEEN if matches(p))), patterns
