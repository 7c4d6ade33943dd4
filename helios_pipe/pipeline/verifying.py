"""Proving results at any time after: a joined file against its proof and its chunks, cached chunks against a second making,
a chunked job against one made whole. Records nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from helios_pipe import settings
from helios_pipe.action.model import Action
from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.results import Result
from helios_pipe.digest import Digest, digest_file
from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.recipe import chunk_values
from helios_pipe.engine.slot import Message
from helios_pipe.engine.work import GOOD, JobWork, State, Task
from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.graph.chunking import Span
from helios_pipe.media.container import sniffed
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
    found = [(blobs.locate(chunk.digest), chunk) for chunk in proof.chunks if chunk.digest is not None]
    return [
        Piece(path, f"chunk {at}", chunk.frames, chunk.digest, file=_told_by(path, suffix))
        for at, (path, chunk) in enumerate(found)
    ]


def _told_by(path: Path, suffix: str) -> str:
    """The name that says what format a chunk is in: none where its first bytes do, for it may be another than the film's."""
    return "" if sniffed(path) is not None else f"chunk{suffix}"


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
    """Make `count` cached chunks again, or stretches of frames that stand for chunks, spread over all there are, and compare.
    Nothing is recorded."""
    found = [(work, piece) for work in _resolved(session) for piece in _cached(work)]
    if not found:
        raise UsageError("no chunk is in the cache", hint="`helios-pipe run` makes them.")
    step = max(1, len(found) / count)
    chosen = [found[int(at * step)] for at in range(min(count, len(found)))]
    made = _make(session, [(work.chunks[0], _action(session, work, piece)) for work, piece in chosen])
    for (work, piece), outcome in zip(chosen, made, strict=True):
        subject = piece.name if isinstance(piece, Task) else _frames_of(work, _span(piece))
        yield _compare(session.blobs, subject, piece.digest, piece.folder, outcome)


def _cached(work: JobWork) -> list[Task | Result]:
    """The job's chunks that are there, and the intervals that stand for others, by their frames."""
    chunks = [task for task in work.chunks if task.state in GOOD and task.digest is not None]
    intervals = [piece for piece in work.plan_pieces if isinstance(piece, Result)]
    return sorted([*chunks, *intervals], key=lambda piece: _span(piece).start) if intervals else [*chunks]


def _span(piece: Task | Result) -> Span:
    if isinstance(piece, Task):
        assert piece.span is not None
        return piece.span
    assert piece.start is not None
    assert piece.frames is not None
    step = piece.step or 1
    return Span(0, piece.start, piece.start + (piece.frames - 1) * step, piece.frames, step)


def _frames_of(work: JobWork, span: Span) -> str:
    """An interval has no name in this job: what it was called may be another chunk by now."""
    return f"{work.name} frames {span.start}-{span.end}{f'x{span.step}' if span.step > 1 else ''}"


def _action(session: Session, work: JobWork, piece: Task | Result) -> Action:
    """What made it: an interval came of the recipe that the job's chunks have, and of a range of its own."""
    if isinstance(piece, Task):
        return session.resolver.action(piece)
    return _action_of(work.chunks[0], f"{piece.start}+{piece.frames}", _span(piece))


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
        (outcome,) = _make(session, [(first, _action_of(first, "whole", span))])
        yield _compare(session.blobs, work.name, final.digest, False, outcome)
    if not found:
        raise UsageError("the manifest joins no chunked videos")


def _action_of(chunk: Task, name: str, span: Span) -> Action:
    """The action of other frames of the sequence that the chunk is of."""
    assert chunk.recipe is not None
    values = chunk_values(span, chunk.recipe.base.output.name)
    return chunk.recipe.action(f"{chunk.work.name}/{name}", values, span.count, chunk.extra.tree)


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
    places: dict[str, list[int]] = {}
    for at, (task, _) in enumerate(wanted):
        places.setdefault(task.work.nodes.job.adapter, []).append(at)
    made: dict[int, Outcome] = {}
    for chosen in places.values():
        runner, size = pools.runner_of(wanted[chosen[0]][0])
        try:
            with ThreadPoolExecutor(size) as threads:
                outcomes = threads.map(partial(runner.run, attempt=1, cancel=Event()), [wanted[at][1] for at in chosen])
                made.update(zip(chosen, outcomes, strict=True))
        finally:
            runner.close()
    return [made[at] for at in range(len(wanted))]


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
