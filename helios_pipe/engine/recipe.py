"""From a job and its inputs to actions and their keys. Pure but for the inputs that single chunks name.

What all chunks of a job share is worked out once; a chunk costs the few words of its command that differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helios_pipe.action.key import (
    Record,
    action_record,
    family_record,
    node_record,
    recipe_record,
)
from helios_pipe.action.model import Action, Entry, Limits, Output, ToolMark, Tree
from helios_pipe.graph.chunking import MIN_DIGITS, Span, numbers
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.model import Job, Manifest
from helios_pipe.manifest.template import Template
from helios_pipe.tuples import NamedTuple

INPUTS_LIST = "inputs.txt"
_FAMILY_FIELDS = frozenset({"chunk.start", "chunk.end", "chunk.count", "chunk.step", "output"})


class Common(NamedTuple):
    """What the manifest gives every command of a run."""

    env: Mapping[str, str]
    pass_env: tuple[str, ...]
    secrets: tuple[str, ...]
    tools: tuple[ToolMark, ...]

    @classmethod
    def of(cls, manifest: Manifest, tools: tuple[ToolMark, ...]) -> Common:
        """As the manifest says, with the tools' marks."""
        return cls(manifest.env, manifest.pass_env, manifest.secrets, tools)


class Recipe:
    """Actions of one shape: the same environment, tools, shared inputs and output, commands from one template."""

    def __init__(
        self,
        base: Action,
        command: tuple[Template, ...],
        extra: tuple[Template, ...] = (),
        record: Record | None = None,
    ) -> None:
        """`record` is that of `base`, where it is known."""
        self.base = base
        self.record = record or recipe_record(base)
        self._extra = extra
        self._outputs: dict[int | None, Output] = {}
        self._command = command
        output = {"output": base.output.name}
        named = [word if word.constant else word.bind(output) for word in command]
        self._words = [str_of(word) if word.constant else "" for word in named]
        self._filled = [(at, word) for at, word in enumerate(named) if not word.constant]
        self.family = self._family(command)

    def _family(self, command: tuple[Template, ...]) -> Record | None:
        fields = frozenset().union(*(word.fields for word in command))
        if (
            self.base.kind != "chunk"
            or self._extra
            or not {"chunk.start", "chunk.end"} & fields
            or fields - _FAMILY_FIELDS
        ):
            return None
        return family_record(
            self.record.digest, [str(word.bind({"output": self.base.output.name})) for word in command]
        )

    @property
    def takes_inputs(self) -> bool:
        """Whether single chunks name inputs of their own."""
        return bool(self._extra)

    def extra_patterns(self, values: Mapping[str, object]) -> list[str]:
        """The input patterns of one chunk."""
        return [pattern.fill(values) for pattern in self._extra]

    def argv(self, values: Mapping[str, object]) -> tuple[str, ...]:
        """The command of one node, from the values of its placeholders. Its output has its own name."""
        words = self._words.copy()
        for at, word in self._filled:
            words[at] = word.fill(values)
        return tuple(words)

    def _marked(self, values: Mapping[str, object]) -> tuple[str, ...]:
        """Where the output's name stands in the command: only for commands whose output gets a path of the attempt's own."""
        if self.base.workspace != "project":
            return ()
        return tuple([word.fill({**values, "output": "\0"}) for word in self._command])

    def action(self, node: str, values: Mapping[str, object], frames: int | None, extra: Tree) -> Action:
        """The action of one node."""
        argv, base = self.argv(values), self.base
        output = self._outputs.get(frames)
        if output is None:
            output = self._outputs[frames] = base.output._replace(frames=frames)
        return Action(
            node, base.kind, argv, output, base.shared, extra, base.env, base.pass_env, base.secrets, base.tools,
            base.limits, base.workspace, marked_argv=self._marked(values),
        )  # fmt: skip

    def key(self, action: Action) -> Record:
        """The action's record, whose digest is its key."""
        return action_record(action, self.record.digest)

    def chunk_key(self, values: Mapping[str, object], frames: int | None, extra: Tree) -> str:
        """The key that the chunk's action has, without making the action."""
        return node_record(self.base.kind, self.argv(values), frames, extra, self.record.digest).digest


def str_of(word: Template) -> str:
    """A constant template's text."""
    return word.fill({})


def chunk_values(span: Span, output: str) -> dict[str, object]:
    """The values of a chunk's placeholders."""
    index, start, end, count, step = span
    return {
        "chunk.index": index,
        "chunk.start": start,
        "chunk.end": end,
        "chunk.count": count,
        "chunk.step": step,
        "output": output,
    }


def job_base(nodes: JobNodes, common: Common, shared: Tree, kind: str, output: Output) -> Action:
    """What the job's actions of one kind share."""
    job = nodes.job
    return Action(
        node=job.name,
        kind="chunk" if kind == "chunk" else "stitch" if kind == "stitch" else "command",
        argv=(),
        output=output,
        shared=shared,
        env=tuple(sorted({**common.env, **job.env}.items())),
        pass_env=common.pass_env,
        secrets=common.secrets,
        tools=common.tools,
        limits=Limits(job.timeout_s, job.stall_timeout_s, job.retries, job.retry_delay_s),
        workspace=job.workspace,
    )


def chunk_recipes(nodes: JobNodes, common: Common, shared: Tree) -> list[Recipe]:
    """The recipe of each chunk, in order: one and the same for a frame range, one for each shape of explicit chunks."""
    job = nodes.job
    if job.chunk is not None:
        base = job_base(nodes, common, shared, "chunk", output_of(job.chunk.output))
        return [Recipe(base, job.chunk.command, job.chunk.inputs)] * len(nodes.spans)
    recipes: list[Recipe] = []
    alike: dict[object, Recipe] = {}  # chunks of one shape have one record
    for chunk in job.chunks:
        shape = chunk.output, tuple(chunk.env.items()), chunk.timeout_s
        if (first := alike.get(shape)) is None:
            base = job_base(nodes, common, shared, "chunk", output_of(chunk.output))
            limits = base.limits._replace(timeout_s=chunk.timeout_s) if chunk.timeout_s is not None else base.limits
            env = tuple(sorted({**dict(base.env), **chunk.env}.items())) if chunk.env else base.env
            first = alike[shape] = Recipe(base._replace(limits=limits, env=env), chunk.command, chunk.inputs)
        recipes.append(Recipe(first.base, chunk.command, chunk.inputs, first.record))
    return recipes


def command_action(nodes: JobNodes, common: Common, shared: Tree) -> tuple[Action, Recipe]:
    """The action of a single-command job. Its output is seen in the workspace by its base name."""
    job = nodes.job
    assert job.output is not None
    folder = job.output.endswith("/")
    name = job.output.rstrip("/").rsplit("/", 1)[-1]
    recipe = Recipe(job_base(nodes, common, shared, "command", Output(name, folder)), job.command)
    return recipe.action(job.name, {"output": name}, None, Tree()), recipe


def stitch_action(
    nodes: JobNodes, common: Common, paths: Sequence[str], entries: Sequence[Entry], frames: int | None
) -> tuple[Action, Recipe]:
    """The action of a stitch that is a command. What it joins is at `paths` (`stitch_inputs`), in order."""
    job = nodes.job
    assert job.stitch is not None
    folder = job.stitch.output.endswith("/")
    name = job.stitch.output.rstrip("/").rsplit("/", 1)[-1]
    listed = any("inputs_list" in word.fields for word in job.stitch.command)
    base = job_base(nodes, common, Tree(), "stitch", Output(name, folder, frames))
    base = base._replace(workspace="isolated", files=((INPUTS_LIST, "\n".join((*paths, ""))),) if listed else ())
    values = {"output": name, "inputs_list": INPUTS_LIST}
    argv: list[str] = []
    for word in job.stitch.command:
        argv += paths if word.fields == {"inputs"} else [word.fill(values)]
    action = base._replace(node=f"{job.name}/stitch", argv=tuple(argv), extra=Tree.of(entries))
    return action, Recipe(base, ())


def stitch_inputs(names: Sequence[str]) -> list[str]:
    """Where a stitch's command sees its inputs, which have these names."""
    return [f"in/{number}/{name}" for number, name in zip(numbers(len(names), MIN_DIGITS), names, strict=True)]


def output_of(name: str) -> Output:
    """A chunk's declared output."""
    return Output(name.rstrip("/"), name.endswith("/"))


def expected_frames(job: Job, span: Span) -> int | None:
    """How many frames the chunk must hold; None where nobody said."""
    return span.count if span.count and (job.chunk is not None or job.chunks[span.index].frames is not None) else None
