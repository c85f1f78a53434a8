"""Run a foreign program beside the gateway: what it is given, how it is watched, how it ends."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from qdcbench.api import Example, PluginError, Program, ProgramRun
from qdcbench.canon import pretty_json
from qdcbench.foreign import SECRET_NAME, belongs
from qdcbench.store import write_jsonl
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.gateway import Gateway, serving

__all__ = ["GRACE", "ProgramSite", "run_program"]

GRACE = 5.0
"""Seconds a program has to end by itself after it was told, and again after SIGTERM."""

LARGEST_FOLDER = 2**30
"""Bytes of a working folder; it is copied for every run."""

LAST_WORDS = 500
"""Characters of a failed program's log in an error sentence."""

LONGEST_TEMPORARY = 60
"""Characters of a path in which a program can still make a Unix socket, whose path has at most 107."""

_POLL = 0.05
_WARDEN = Path(__file__).with_name("warden.py")
_OURS = frozenset({"OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_KEY", "OPENAI_MODEL", "NO_PROXY", "no_proxy"})
_OFFLINE = {
    "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_MODE": "offline", "DO_NOT_TRACK": "1",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramSite:
    """What a run gives a program.

    ``folder`` becomes the run folder and must not exist or be empty; a relative working folder starts from ``base``.
    ``seed`` is that of the teacher's role, ``seconds`` the wall clock, ``model`` the teacher's true name.
    ``key_variables`` are the variables with the teachers' keys, which no program ever sees.
    """

    desk: Desk
    model: str
    seeds: Sequence[Example]
    folder: Path
    base: Path
    examples: int
    seed: int
    seconds: float
    key_variables: tuple[str, ...] = ("OPENAI_API_KEY",)
    grace: float = GRACE


def run_program(program: Program, site: ProgramSite) -> ProgramRun:
    """Run a program to its end or to the end of budget or clock; nothing that it started is left running.

    The run folder holds ``work`` (where it runs and writes), ``seeds.jsonl``, both logs, and ``gateway.json`` with
    the model names it asked for.

    Raises:
        PluginError: it may not run so, cannot be started, failed by itself, or wrote no output.
        TeacherError: a cap of the account is reached, or an answer is not recorded where only recorded ones are used.
    """
    _check(program, site)
    work = _lay_out(program, site)
    with _short(site.folder / "tmp") as temporary, serving(site.desk, model=site.model, seed=site.seed) as gateway:
        environment = _environment(program, site, gateway, temporary)
        command = _filled(program.argv, _places(program, site))
        _check_there(command[0], work, environment["PATH"])
        _check_keyless([*command, *environment.values()], site)
        status = _watch(command, environment, site, gateway)
    for scratch in ("tmp", "home"):
        shutil.rmtree(site.folder / scratch, ignore_errors=True)
    report = {"asked_models": dict(gateway.asked_models), "ended_by": gateway.ended_by, "status": status}
    (site.folder / "gateway.json").write_text(pretty_json(report), encoding="utf-8")
    if gateway.failure is not None:
        raise gateway.failure
    if status and not gateway.ended_by:
        raise PluginError(_failed(command[0], status, site, gateway))
    return ProgramRun(output=_output(program, site, gateway.ended_by), ended_by=gateway.ended_by)


def _check(program: Program, site: ProgramSite) -> None:
    if not program.argv or not all(program.argv):
        raise PluginError('the program has no command; write argv = ["python", "make.py", "--out", "{output}"]')
    if any("\0" in text for text in (*program.argv, *program.env, *program.env.values())):
        raise PluginError("an argument or variable of the program holds a NUL character")
    output = PurePath(program.output)
    if not program.output or output.is_absolute() or ".." in output.parts or not output.name:
        raise PluginError(f"output {program.output!r} must be a file's name inside the program's working folder")
    for name in (*program.env, *program.pass_env):
        if name in _OURS and name not in site.key_variables:
            raise PluginError(f"the variable {name} is set by the benchmark; take it out of env and pass_env")
    for name in program.pass_env:
        if name in site.key_variables or SECRET_NAME.search(name):
            raise PluginError(f"pass_env names {name}, which looks like a secret; a program gets no key but its own")
    for name, value in program.env.items():
        if (name in site.key_variables or SECRET_NAME.search(name)) and value != "{key}":
            raise PluginError(
                f"env sets {name}, which looks like a secret and would stand in the record; "
                'write "{key}" for the key of the gateway'
            )


def _lay_out(program: Program, site: ProgramSite) -> Path:
    """Make the run folder with everything the program finds there; return its working folder."""
    if site.folder.exists() and any(site.folder.iterdir()):
        raise PluginError(f"the run folder {site.folder} is not empty; a program needs a fresh one")
    work = site.folder / "work"
    for name in ("home", "tmp"):
        (site.folder / name).mkdir(parents=True)
    if program.folder:
        _copy(site.base / program.folder, work, program.output)
    else:
        work.mkdir()
    (work / program.output).parent.mkdir(parents=True, exist_ok=True)
    rows = [{"prompt": seed.prompt, "completion": seed.completion} for seed in site.seeds]
    write_jsonl(site.folder / "seeds.jsonl", rows)
    return work


def _copy(source: Path, target: Path, output: str) -> None:
    """Copy a working folder; links stay links, and rows that lie there from another run stay behind."""
    if not source.is_dir():
        raise PluginError(f"there is no folder {source}; folder starts from the suite's folder")
    root = source.resolve()

    def left_out(folder: str, names: list[str]) -> list[str]:
        inside = Path(folder).resolve().relative_to(root)
        return [name for name in names if not belongs(inside / name, output)]

    size = 0
    for place, folders, files in os.walk(root):
        inside = Path(place).relative_to(root)
        folders[:] = [name for name in folders if belongs(inside / name, output)]
        size += sum((root / inside / name).lstat().st_size for name in files if belongs(inside / name, output))
        if size > LARGEST_FOLDER:
            raise PluginError(f"the folder {source} holds more than 1 GiB and is copied for each run; leave data out")
    try:
        shutil.copytree(root, target, symlinks=True, ignore=left_out)
    except (OSError, shutil.Error) as error:
        raise PluginError(f"the folder {source} cannot be copied: {error}") from None


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """Yield a folder's path, or a short link to it where programs could make no Unix socket in it."""
    if len(str(folder)) <= LONGEST_TEMPORARY:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="qdc-") as outside:
        link = Path(outside) / "tmp"
        link.symlink_to(folder.resolve())
        yield link


def _places(program: Program, site: ProgramSite) -> dict[str, str]:
    folder = site.folder.resolve()
    return {
        "{output}": str(folder / "work" / program.output),
        "{seeds}": str(folder / "seeds.jsonl"),
        "{examples}": str(site.examples),
        "{seed}": str(site.seed & 0x7FFFFFFF),
        "{model}": site.model,
    }


def _filled(texts: Sequence[str], places: Mapping[str, str]) -> list[str]:
    known = re.compile("|".join(map(re.escape, places)))
    return [known.sub(lambda found: places[found[0]], text) for text in texts]


def _environment(program: Program, site: ProgramSite, gateway: Gateway, temporary: Path) -> dict[str, str]:
    """Return all the variables that a program sees."""
    loopback = "127.0.0.1,localhost"
    own = {
        "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "HOME": str((site.folder / "home").resolve()), "TMPDIR": str(temporary.absolute()),
        "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", **_OFFLINE,
    }  # fmt: skip
    passed = {name: os.environ[name] for name in program.pass_env if name in os.environ}
    places = {**_places(program, site), "{key}": gateway.token, "{base_url}": gateway.base_url}
    given = dict(zip(program.env, _filled(list(program.env.values()), places), strict=True))
    door = {
        "OPENAI_BASE_URL": gateway.base_url, "OPENAI_API_BASE": gateway.base_url, "OPENAI_API_KEY": gateway.token,
        "OPENAI_MODEL": site.model, "NO_PROXY": loopback, "no_proxy": loopback,
    }  # fmt: skip
    environment = {**own, **passed, **given, **door}
    return environment


def _check_keyless(texts: Sequence[str], site: ProgramSite) -> None:
    for name in _held(site):
        key = os.environ[name].strip()
        # A dummy such as "x" is part of many words; a real key is long and part of none.
        if any(text == key or (len(key) > 7 and key in text) for text in texts):
            raise PluginError(f"the program would be handed the key in {name}; take it out of argv, env and pass_env")


def _held(site: ProgramSite) -> list[str]:
    return [name for name in site.key_variables if os.environ.get(name, "").strip()]


def _check_there(executable: str, work: Path, path: str) -> None:
    found = (work / executable).exists() if "/" in executable else shutil.which(executable, path=path)
    if not found:
        raise PluginError(
            f"the program {executable!r} cannot be started: there is none; give its full path, a name on PATH, "
            "or ./name in its folder"
        )


def _watch(command: Sequence[str], environment: Mapping[str, str], site: ProgramSite, gateway: Gateway) -> int:
    """Start the program under its warden, end it when the budget or the clock does; return its exit status."""
    with (site.folder / "stdout.log").open("wb") as out, (site.folder / "stderr.log").open("wb") as err:
        warden = subprocess.Popen(  # noqa: S603 - no shell; the command is what the suite says
            [sys.executable, "-I", "-S", str(_WARDEN), str(os.getpid()), *command],
            stdin=subprocess.PIPE, stdout=out, stderr=err, cwd=site.folder / "work", env=dict(environment),
            start_new_session=True,
        )  # fmt: skip
    assert warden.stdin is not None
    try:
        give_up = time.monotonic() + site.seconds
        while warden.poll() is None and not gateway.ended.wait(_POLL):
            if time.monotonic() >= give_up:
                gateway.end("seconds")
        if gateway.failure is None and not _ends(warden, site.grace if time.monotonic() < give_up else 0):
            with contextlib.suppress(BrokenPipeError):
                warden.stdin.write(b"t")
                warden.stdin.flush()
            _ends(warden, site.grace)
    finally:
        with contextlib.suppress(BrokenPipeError):
            warden.stdin.close()
        warden.wait()
    return warden.returncode


def _ends(warden: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        warden.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _failed(executable: str, status: int, site: ProgramSite, gateway: Gateway) -> str:
    log = site.folder / "stderr.log"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4 * LAST_WORDS))
        words = file.read().decode("utf-8", "replace")
    for secret in (gateway.token, *(os.environ[name].strip() for name in _held(site))):
        words = words.replace(secret, "[key]")
    words = " ".join(words.split())[-LAST_WORDS:]
    ended = f"was killed by signal {status - 128}" if status > 128 else f"ended with status {status}"
    said = f", saying: {words}" if words else ""
    trouble = f"; before that {gateway.trouble}" if gateway.trouble else ""
    return f"the program {executable} {ended}{said}; its log is {log}{trouble}"


def _output(program: Program, site: ProgramSite, ended_by: str) -> Path:
    work = (site.folder / "work").resolve()
    output = (work / program.output).resolve()
    if not output.is_relative_to(work):
        raise PluginError(f"the output {program.output!r} is a link that leads out of the program's working folder")
    if not output.exists():
        when = f"when the limit on {ended_by} ended it, so let it write rows as it goes" if ended_by else "at its end"
        raise PluginError(f"the program had not written {program.output} {when}; its folder is {work}")
    return output
