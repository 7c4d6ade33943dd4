"""The graph of a manifest: what needs what, in which order."""

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.errors import UsageError
from helios_pipe.graph.build import build_graph
from helios_pipe.graph.dag import digraph, order
from helios_pipe.manifest.model import ChunkRule, Frames, Job, JobInput, Manifest, Stitch
from helios_pipe.manifest.template import Template


def manifest(*jobs: Job) -> Manifest:
    from pathlib import Path

    return Manifest(Path("/p/render.yaml"), Path("/p"), "p", jobs)


def chunked(name: str, *needs: str, stitch: bool = True, count: int = 3) -> Job:
    return Job(
        name,
        ("jobs", name),
        job_inputs=tuple(JobInput(need) for need in needs),
        frames=Frames(0, count - 1),
        chunk=ChunkRule(1, (Template(("true",)),), "c.txt"),
        stitch=Stitch("concat", f"out/{name}.mp4") if stitch else None,
    )


def test_what_is_needed_comes_first_then_names_decide() -> None:
    graph = build_graph(manifest(chunked("a", "z"), chunked("z"), chunked("b", "a")))
    assert [job.job.name for job in graph.jobs] == ["z", "a", "b"]
    names = [node.name for node in graph.nodes()]
    assert names[:4] == ["z/0000", "z/0001", "z/0002", "z/stitch"]
    assert graph.total == len(names) == 12


def test_a_cycle_is_printed_whole() -> None:
    with pytest.raises(UsageError, match="jobs need each other in a circle: a -> b -> c -> a"):
        order({"a": ("c",), "b": ("a",), "c": ("b",), "d": ()})


def test_a_job_that_needs_itself_is_a_cycle() -> None:
    with pytest.raises(UsageError, match="a -> a"):
        order({"a": ("a",)})


@given(st.dictionaries(st.integers(0, 30), st.frozensets(st.integers(0, 30), max_size=4), max_size=12))
def test_the_order_is_the_one_that_networkx_finds(wanted: dict[int, frozenset[int]]) -> None:
    """Each after those it needs, which here have smaller numbers and names in another order; otherwise by name."""
    name = {number: f"{number * 7 % 31:02d}" for number in range(31)}
    edges = {name[n]: tuple(name[m] for m in sorted(needed) if m < n and m in wanted) for n, needed in wanted.items()}
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(edges)
    graph.add_edges_from((need, node) for node, needed in edges.items() for need in needed)
    assert order(edges) == list(networkx.lexicographical_topological_sort(graph))


def test_selecting_a_job_takes_all_that_it_needs() -> None:
    graph = build_graph(manifest(chunked("a"), chunked("b", "a"), chunked("c", "b"), chunked("d")))
    assert [job.job.name for job in graph.select(("c",)).jobs] == ["a", "b", "c"]


def test_without_stitches_what_needs_one_is_left_out() -> None:
    graph = build_graph(manifest(chunked("a"), chunked("b", "a"), chunked("c", stitch=False), chunked("d", "c")))
    assert [node.name for node in graph.without_stitches().nodes() if node.index == 0] == ["a/0000", "c/0000", "d/0000"]


def test_edges_grow_with_nodes_not_with_their_product() -> None:
    graph = build_graph(manifest(chunked("a", stitch=False, count=200), chunked("b", "a", count=200)))
    assert digraph(graph).number_of_edges() == 200 + 200 + 200


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_the_order_of_nodes_is_an_order_of_the_whole_graph(pairs: list[tuple[int, int]]) -> None:
    needs: dict[int, set[int]] = {at: set() for at in range(9)}
    for a, b in pairs:
        if a != b:
            needs[max(a, b)].add(min(a, b))
    graph = build_graph(
        manifest(*(chunked(f"j{at}", *(f"j{n}" for n in sorted(ns)), stitch=at % 2 == 0) for at, ns in needs.items()))
    )
    place = {node.name: at for at, node in enumerate(graph.nodes())}
    whole = digraph(graph)
    assert networkx.is_directed_acyclic_graph(whole)
    for node in place:
        assert all(place[need] < place[node] for need in networkx.ancestors(whole, node) if need in place)
