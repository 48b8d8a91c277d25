"""A stand-in for Slurm, of six commands: jobs are processes of this machine, what there is to know lies in files.

``sbatch`` starts each job of an array once the arrays that it depends on have ended, ``srun`` is the command that it is
given, ``sacct`` tells states, ``squeue`` who has not ended, ``scancel`` ends or signals, and ``scontrol requeue`` has a
job begun again. A file ``limit`` says how many jobs a user may have, ``no-accounting`` that ``sacct`` knows none.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["FAKE_SLURM"])


def sbatch(script: str) -> None:
    """Keep the script, and start a process that sees to its jobs; refuse it where that would be too many."""
    array = re.search(r"--array=0-(\d+)", Path(script).read_text())
    count = int(array[1]) + 1 if array else 1
    limit = HOME / "limit"
    if limit.exists() and count + len(queued()) > int(limit.read_text()):
        sys.exit("sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job failed: too many jobs")
    number = str(1000 + len(list(HOME.glob("*.sbatch"))))
    kept = HOME / f"{number}.sbatch"
    kept.write_text(Path(script).read_text())
    names = [f"{number}_{index}" for index in range(count)] if array else [number]
    for name in names:
        put(HOME / f"{name}.state", "PENDING")
    command = [sys.executable, __file__, "attend", number, *names]
    silent = subprocess.DEVNULL  # or sbatch would not end before them
    subprocess.Popen(command, start_new_session=True, stdin=silent, stdout=silent, stderr=silent)
    print(f"Submitted batch job {number}")  # noqa: T201 - as Slurm does


def attend(number: str, *names: str) -> None:
    """Run the jobs of an array, one after the other, when those that it depends on have ended."""
    found = re.search(r"--dependency=afterany:([\d:]+)", (HOME / f"{number}.sbatch").read_text())
    while found and not all(ended(path) for one in found[1].split(":") for path in HOME.glob(f"{one}*.state")):
        time.sleep(0.05)
    for name in names:
        restarts = 0
        while run(number, name, restarts):
            restarts += 1


def put(state: Path, text: str) -> None:
    """Write a state at once: whoever reads it meanwhile sees the old one or the new one."""
    aside = state.with_suffix(f".{os.getpid()}")
    aside.write_text(text)
    aside.replace(state)


def ended(path: Path) -> bool:
    return path.read_text() not in {"PENDING", "RUNNING", "REQUEUED", "SUSPENDED"}


def queued() -> list[str]:
    return [path.stem for path in sorted(HOME.glob("*.state")) if not ended(path)]


def run(number: str, name: str, restarts: int) -> bool:
    """Run a job; tells whether it is to be begun again."""
    state = HOME / f"{name}.state"
    if state.read_text().startswith("CANCELLED"):
        return False
    put(state, "RUNNING")
    variables = {"SLURM_JOB_ID": name.replace("_", ""), "SLURM_RESTART_COUNT": str(restarts)}
    if "_" in name:
        variables |= dict(zip(("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"), name.split("_"), strict=True))
    process = subprocess.Popen(
        ["bash", HOME / f"{number}.sbatch"],
        env=os.environ | variables,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    (HOME / f"{name}.pid").write_text(str(process.pid))
    process.wait()
    if state.read_text() == "REQUEUED":
        return True
    if not ended(state):
        put(state, "COMPLETED" if process.returncode == 0 else "FAILED")
    return False


def srun(*words: str) -> None:
    """Become the command behind srun's own options."""
    start = next(place for place, word in enumerate(words) if word == sys.executable)
    options = dict(itertools.pairwise(words[:start]))
    name = "_".join(filter(None, map(os.environ.get, ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"))))
    for stream, option in ((1, "--output"), (2, "--error")):
        path = options[option].replace("%A_%a", name).replace("%j", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
        os.dup2(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY), stream)
    os.execv(sys.executable, words[start:])  # noqa: S606 - srun's words, one by one


def sacct(*words: str) -> None:
    """Tell the states of jobs, each with its steps, as Slurm does."""
    with (HOME / "sacct.log").open("a") as log:
        log.write(f"{words}\n")
    if (HOME / "no-accounting").exists():
        sys.exit("Slurm accounting storage is disabled")
    print("JobID|State|NodeList")  # noqa: T201 - as Slurm does
    numbers = [word for option, word in itertools.pairwise(words) if option == "-j"]
    for path in sorted(HOME.glob("*.state")):
        if path.stem.partition("_")[0] in numbers:
            print(f"{path.stem}|{path.read_text()}|here\n{path.stem}.batch|{path.read_text()}|here")  # noqa: T201 - as Slurm does


def squeue(*words: str) -> None:
    """Tell which jobs have not ended."""
    print("\n".join(queued()))  # noqa: T201 - as Slurm does


def scancel(*words: str) -> None:
    """End jobs, or send them a signal."""
    name = words[words.index("--signal") + 1] if "--signal" in words else "KILL"
    for job in [word for word in words if re.fullmatch(r"[\d_]+", word)]:
        if "--signal" not in words:
            put(HOME / f"{job}.state", "CANCELLED by 1000")
        for pid in steps(job) if (HOME / f"{job}.pid").exists() else ():
            os.kill(pid, getattr(signal, f"SIG{name.removeprefix('SIG')}"))


def steps(job: str) -> list[int]:
    """Return the processes of a job, but for the shell that reads its script: Slurm signals steps alone."""
    shell = int((HOME / f"{job}.pid").read_text())
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != shell and group(pid) == shell]


def group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def scontrol(verb: str, job: str) -> None:
    assert verb == "requeue"
    put(HOME / f"{job}.state", "REQUEUED")


def install(folder: Path) -> None:
    """Write the commands into a folder for PATH."""
    for name in ("sbatch", "srun", "sacct", "squeue", "scancel", "scontrol"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, __file__, name])} "$@"\n')
        path.chmod(0o755)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
