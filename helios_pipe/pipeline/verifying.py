"""Proving results at any time after: a joined file against its proof and its chunks, cached chunks against a second making,
a chunked job against one made whole. Records nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from helios_pipe import settings
from helios_pipe.action.model import Action
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import Digest, digest_file
from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.recipe import chunk_values
from helios_pipe.engine.slot import Message
from helios_pipe.engine.work import GOOD, JobWork, State, Task
from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.graph.chunking import Span
from helios_pipe.pipeline.pools import Pools
from helios_pipe.pipeline.session import Session
from helios_pipe.ports import Outcome
from helios_pipe.stitch.certificate import Proof, read_proof
from helios_pipe.stitch.model import Piece
from helios_pipe.stitch.naming import proof_path
from helios_pipe.tuples import NamedTuple


class Verdict(NamedTuple):
    """What was found of one thing: `ok`, what was looked at, and each difference in words. `frame` is the first bad one."""

    subject: str
    ok: bool
    detail: str
    problems: tuple[str, ...] = ()
    frame: int | None = None


def verify_output(
    path: Path, blobs: Blobs | None, *, full: bool, proof: Path | None = None, sound: Path | None = None
) -> Verdict:
    """Hold a joined file against its proof file; against its chunks too, where the cache has them, and against its sound,
    where that is still at `sound` or in the cache. Raises StitchError where there is no proof."""
    from helios_pipe.stitch.verify import verify_file

    certificate = read_proof(proof or proof_path(path))
    chunks = _chunks(certificate, blobs, path.suffix)
    mix = _sound(certificate, blobs, sound)
    found = verify_file(path, certificate, chunks=chunks, sound=mix, full=full)
    seams = (
        f"seams: {found.seams}, frames compared: {found.compared}"
        if chunks
        else "chunks are not in the cache: no seams"
    )
    detail = f"{found.frames} frames of {found.chunks} chunks: counts, times, packets; {seams}"
    if found.samples is not None:
        detail += f"; {found.samples} samples of sound{', held against its file' if mix is not None else ''}"
    frames = [problem.frame for problem in found.problems if problem.frame is not None]
    texts = tuple(problem.text for problem in found.problems)
    return Verdict(str(path), found.ok, detail, texts, min(frames, default=None))


def verify_outputs(session: Session, *, full: bool) -> Iterator[Verdict]:
    """Every joined file of the manifest that has a proof."""
    found = 0
    for work in session.works:
        stitch, path = work.nodes.job.stitch, session.output_path(work)
        if stitch is None or path is None or stitch.method not in ("concat", "encode") or not stitch.proof:
            continue
        if stitch.method == "encode" and not proof_path(path).exists():
            continue  # one chunk, without sound: nothing was joined
        found += 1
        try:
            given = session.root / stitch.audio if isinstance(stitch.audio, str) else None
            verdict = verify_output(path, session.blobs, full=full, sound=given)
            yield verdict._replace(subject=os.path.relpath(path, session.root))
        except HeliosPipeError as error:
            yield Verdict(os.path.relpath(path, session.root), False, "not verified", (str(error),))
    if not found:
        raise UsageError(
            "the manifest joins no videos with a proof", hint="`--rerender N` compares chunks of any kind."
        )


def _chunks(proof: Proof, blobs: Blobs | None, suffix: str) -> list[Piece]:
    if blobs is None or any(chunk.digest is None or blobs.mark(chunk.digest) is None for chunk in proof.chunks):
        return []
    return [
        Piece(blobs.locate(chunk.digest), f"chunk {at}", chunk.frames, chunk.digest, file=f"chunk{suffix}")
        for at, chunk in enumerate(proof.chunks)
        if chunk.digest is not None
    ]


def _sound(proof: Proof, blobs: Blobs | None, given: Path | None) -> Piece | None:
    """The sound file, where there still is one with the bytes that were joined."""
    digest = proof.sound.digest if proof.sound is not None else None
    if digest is None:
        return None
    if given is not None and given.is_file() and digest_file(given) == digest:
        return Piece(given, "the sound", digest=digest)
    if blobs is not None and blobs.mark(digest) is not None:
        return Piece(blobs.locate(digest), "the sound", digest=digest)
    return None


def nearest_cache(path: Path, flag: str | None) -> Blobs | None:
    """The cache that a file outside of any manifest may have come from: the one given, else the nearest above it."""
    given = settings.cache_dir(path.parent, flag)
    if given.is_dir():
        return Blobs(given)
    for folder in path.absolute().parents:
        if (folder / settings.DEFAULT_CACHE_DIR).is_dir():
            return Blobs(folder / settings.DEFAULT_CACHE_DIR)
    return None


# -- making again -------------------------------------------------------------------------------------------------------


def rerender(session: Session, count: int) -> Iterator[Verdict]:
    """Make `count` cached chunks again, spread over all there are, and compare. Nothing is recorded."""
    tasks = [
        task for work in _resolved(session) for task in work.chunks if task.state in GOOD and task.digest is not None
    ]
    if not tasks:
        raise UsageError("no chunk is in the cache", hint="`helios-pipe run` makes them.")
    step = max(1, len(tasks) / count)
    chosen = [tasks[int(at * step)] for at in range(min(count, len(tasks)))]
    made = _make(session, [(task, session.resolver.action(task)) for task in chosen])
    for task, outcome in zip(chosen, made, strict=True):
        yield _compare(session.blobs, task.name, task.digest, task.folder, outcome)


def whole(session: Session) -> Iterator[Verdict]:
    """Make each chunked and joined job as one chunk, and compare it with the join, frame by frame. Nothing is recorded."""
    found = 0
    for work in _resolved(session):
        job, final = work.nodes.job, work.final
        if (
            job.chunk is None
            or job.stitch is None
            or job.stitch.method != "concat"
            or final is None
            or job.frames is None
        ):
            continue
        found += 1
        if final.digest is None:
            raise UsageError(f"{final.name} is not in the cache", hint="`helios-pipe run` makes it.")
        first = work.chunks[0]
        assert first.recipe is not None
        if first.recipe.family is None:
            yield Verdict(work.name, False, "not compared", ("its command uses more than the frame range of a chunk",))
            continue
        span = Span(0, job.frames.start, job.frames.end, job.frames.count, job.frames.step)
        values = chunk_values(span, first.recipe.base.output.name)
        action = first.recipe.action(f"{work.name}/whole", values, span.count, first.extra.tree)
        (outcome,) = _make(session, [(first, action)])
        yield _compare(session.blobs, work.name, final.digest, False, outcome)
    if not found:
        raise UsageError("the manifest joins no chunked videos")


def _resolved(session: Session) -> list[JobWork]:
    """The jobs with what the cache has of them."""
    outputs: dict[str, JobOutput] = {}
    for work in session.works:
        if any(given.job not in outputs for given in work.nodes.job.job_inputs):
            continue
        session.resolver.start(work, outputs)
        work.open = sum(task.state is not State.CACHED for task in work.chunks)
        ready = work.open == 0 and all(name in outputs for name in work.nodes.needs)
        if ready and work.final is not None and not work.final_started:
            session.resolver.start_final(work, outputs)
        if (output := work.output()) is not None:
            outputs[work.name] = output
    session.sources.save()
    return session.works


def _make(session: Session, wanted: Sequence[tuple[Task, Action]]) -> list[Outcome]:
    from concurrent.futures import ThreadPoolExecutor

    pools = Pools(session, SimpleQueue[Message](), lambda: 0, announce=False)
    runner, size = pools.runner_of(wanted[0][0])
    try:
        with ThreadPoolExecutor(size) as threads:
            return list(threads.map(lambda pair: runner.run(pair[1], 1, Event()), wanted))
    finally:
        runner.close()


def _compare(blobs: Blobs, subject: str, old: Digest | None, folder: bool, outcome: Outcome) -> Verdict:
    if outcome.digest is None or old is None:
        return Verdict(subject, False, "could not be made again", (outcome.reason, outcome.tail[-2000:]))
    if outcome.digest == old:
        return Verdict(subject, True, "bytes equal")
    if folder:
        return _compare_trees(blobs, subject, old, outcome.digest)
    from helios_pipe.stitch.compare import compare_files

    try:
        found = compare_files(blobs.locate(old), blobs.locate(outcome.digest))
    except HeliosPipeError as error:
        return Verdict(subject, False, "bytes differ", (f"no video that could be compared further: {error.message}",))
    if found.verdict == "frames":
        return Verdict(subject, True, "frames equal, container differs")
    return Verdict(subject, False, "frames differ", (str(found),), found.first)


def _compare_trees(blobs: Blobs, subject: str, old: Digest, new: Digest) -> Verdict:
    one, other = ({e.path: e.digest for e in blobs.tree(digest).entries} for digest in (old, new))
    differ = sorted(path for path in {**one, **other} if one.get(path) != other.get(path))
    text = f"{len(differ)} of {len(one)} files differ, the first is {differ[0]}"
    return Verdict(subject, False, "files differ", (text,))
