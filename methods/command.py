"""Command: any program that makes rows, run beside an OpenAI-compatible endpoint of the harness."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qdcbench.api import (
    BudgetExhausted,
    Component,
    Example,
    GenerationContext,
    PluginError,
    Program,
    dial,
    method,
    read_examples,
)

FIDELITY = (
    Component(name="teacher", state="present", note="one model for every call, whatever name the program asks for"),
    Component(name="budget", state="present", note="each call is reserved before it is sent; at the end it is killed"),
    Component(name="calls", state="present", note="logged, cached and seeded as for every method"),
    Component(
        name="seed examples",
        state="changed",
        note="handed over as a file; the program may ignore it",
    ),
    Component(name="rejected candidates", state="absent", note="only the rows that the program wrote are seen"),
    Component(
        name="randomness", state="changed", note="a seed is handed over; order of concurrent calls is the program's own"
    ),
    Component(
        name="isolation", state="absent", note="own folder and variables, but files and network are not walled off"
    ),
)


@dataclass(frozen=True)
class Params:
    """What is run and where its rows are."""

    argv: tuple[str, ...] = dial((), "the command, without a shell; see qdcbench.api.Program for {output} and the like")
    folder: str = dial("", "working folder, relative to the suite; a copy of it is used")
    output: str = dial("rows.jsonl", "file or folder of rows that it writes, relative to the working folder")
    prompt_field: str = dial("", "field of a row that is the prompt; empty: found by its usual name")
    completion_field: str = dial("", "field of a row that is the completion")
    env: Mapping[str, str] = dial({}, "variables to set for it")
    pass_env: tuple[str, ...] = dial((), "names of variables it may inherit")


@method(
    name="command",
    version=1,
    summary="Any program that writes rows, its calls metered, capped, cached, seeded and logged.",
    reference="none",
    params=Params,
    fidelity=FIDELITY,
    intents=("chat",),
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Run the program and yield the rows it wrote, also where a limit ended it."""
    if bool(params.prompt_field) != bool(params.completion_field):
        raise PluginError("command: name both prompt_field and completion_field, or neither")
    program = Program(
        argv=params.argv, folder=params.folder, output=params.output, env=params.env, pass_env=params.pass_env
    )
    run = ctx.run_program(program)
    rows = read_examples(
        run.output,
        limit=ctx.remaining,
        prompt_field=params.prompt_field,
        completion_field=params.completion_field,
    )
    for reason, count in rows.skipped.items():
        for _ in range(count):
            # A row that a kill cut in the middle is one of these.
            ctx.reject("", f"unusable row: {reason}")
    yield from rows.examples
    if run.ended_by:
        raise BudgetExhausted(run.ended_by)
