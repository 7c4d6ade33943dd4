"""Trees that somebody else wrote: what was written is read back, and nothing that could leave its folder is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.action import tree
from helios_pipe.action.model import Entry, Tree
from helios_pipe.action.tree import check_paths, fold, read_tree
from helios_pipe.digest import digest_bytes
from helios_pipe.errors import StoreError

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
PATHS = st.lists(NAMES.filter(lambda n: n not in (".", "..")), min_size=1, max_size=4).map("/".join)


def may_stand_together(paths: list[str]) -> bool:
    folded = [fold(path) for path in paths]
    folders = {path[:at] for path in folded for at in range(len(path)) if path[at] == "/"}
    return len(set(folded)) == len(folded) and not folders & set(folded)


@given(st.lists(PATHS, max_size=6, unique=True), st.booleans())
def test_a_tree_is_read_back_as_it_was_written(paths: list[str], executable: bool) -> None:
    tree = Tree.of(Entry(path, digest_bytes(path.encode()), len(path), executable) for path in paths)
    if may_stand_together(paths):
        assert read_tree(tree.data) == tree
    else:
        with pytest.raises(StoreError):
            read_tree(tree.data)


def test_a_name_that_is_no_utf8_survives() -> None:
    tree = Tree.of([Entry("caf\udce9", digest_bytes(b"x"), 1)])
    assert read_tree(tree.data) == tree


@given(st.text(max_size=20))
def test_a_path_that_passes_stays_below_its_folder(path: str) -> None:
    import posixpath

    try:
        check_paths([path])
    except StoreError:
        return
    assert posixpath.normpath(posixpath.join("/base", path)) == f"/base/{path}"
    assert "\0" not in path


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_a_tree_or_refused(value: object) -> None:
    try:
        read_tree(json.dumps(value).encode())
    except StoreError:
        return
    assert value == {}


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        (["a/b", "a"], "'a' is a file and also the folder of 'a/b'"),
        (["A", "a/b"], "'A' is a file and also the folder of 'a/b'"),
        (["Read.me", "READ.ME"], "'READ.ME' and 'Read.me' are one file where names ignore case"),
        (["stra\u00dfe", "STRASSE"], "are one file where names ignore case"),
        (["../x"], "'../x' has an empty part, `.` or `..` in it"),
        (["/x"], "'/x' is not a relative path"),
        ([""], "'' is not a relative path"),
    ],
)
def test_a_refusal_names_the_paths(paths: list[str], text: str) -> None:
    with pytest.raises(StoreError) as caught:
        check_paths(paths)
    assert text in str(caught.value)


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "A",
                "a/b",
                "a/B",
                "A/b",
                "a/b/c",
                "b",
                "c/d",
                ".x",
                "é",
                "É",
                "a//b",
                "/a",
                "a/",
                "",
                ".",
                "a/./b",
                "..",
                "a\0",
                "a\0b",
            ]
        ),
        max_size=4,
    )
)
def test_what_is_found_fine_at_a_glance_is_fine_at_a_closer_look(paths: list[str]) -> None:
    if tree._plainly_fine(paths):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tree, "_plainly_fine", lambda _: False)
            check_paths(paths)


def test_the_paths_of_a_usual_set_are_fine_at_a_glance() -> None:
    assert tree._plainly_fine(["in/0000/chunk.mp4", "in/0001/chunk.mp4", "look.cube"])
