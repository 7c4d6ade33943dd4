"""Which files a complete run stands on, for the stamp that proves the next one has nothing to do."""

from __future__ import annotations

import os
from pathlib import Path

from helios_pipe.cache import stamp
from helios_pipe.cache.generation import generation_file
from helios_pipe.cache.sources import is_racy
from helios_pipe.engine.options import RunState, Summary
from helios_pipe.pipeline.session import Session
from helios_pipe.stitch.naming import proof_path
from helios_pipe.version import __version__


def write_stamp(
    session: Session, summary: Summary, request: stamp.Request, note: dict[str, object], began_ns: int
) -> None:
    """Keep a stamp of a run that is complete, where it can be proved that nothing it stands on may change unseen."""
    asked = session.request
    if summary.state is not RunState.COMPLETED or asked.force or asked.force_nodes or session.warnings:
        return
    if not session.sources.look_again():
        return
    session.sources.save()
    manifest = [session.manifest_seen, *(stamp.signature(str(session.root / name)) for name in session.manifest.beside)]
    if any(seen is None or is_racy(max(seen[2], seen[3]), began_ns) for seen in manifest):
        return
    if not session.inputs.provable or not session.tools.provable:
        return
    present: list[stamp.Signature | None] = [*manifest, *session.inputs.folders.values(), *session.tools.files]
    for output in summary.outputs:  # as they were when they were put there: what became of them since is to be seen
        path = str(session.root / output.path)
        placed = session.memory.placed_as(path.rstrip("/"))
        present += placed or [None]
        present += session.memory.placed_as(str(proof_path(Path(path))))
    present += [stamp.signature(path) for path in (*_shards(session), *_unplaced(session))]
    absent = list(session.tools.absent)
    mark = os.path.abspath(generation_file(session.cache))
    if os.path.exists(mark):
        present.append(stamp.signature(mark))
    else:
        absent.append(mark)
    if all(s is not None for s in present):
        seen = stamp.Seen.of(s for s in present if s is not None) + session.sources.signatures()
        stamp.write(str(session.cache), request, __version__, seen, absent, note)


def _shards(session: Session) -> list[str]:
    """The folders of the blobs: a blob that is removed changes one of them."""
    try:
        return [entry.path for entry in os.scandir(session.blobs.folder)]
    except OSError:
        return []


def _unplaced(session: Session) -> list[str]:
    """The blobs of jobs whose output stays in the cache, for nothing else would show that they are damaged."""
    taken = {name for work in session.works for name in work.nodes.needs}
    loose = [work for work in session.works if work.name not in taken and session.output_path(work) is None]
    return [session.blobs.path(task.digest) for work in loose for task in work.chunks if task.digest is not None]
