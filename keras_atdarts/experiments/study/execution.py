"""Carries out the runs of a study, each step in a process of its own."""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading
import time

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.workdir import saying_where
from keras_atdarts.experiments.study.units import StepTimes

LOCK = "lock"
PATIENCE = 0.2  # Seconds between two looks at a process or a lock.
LAST_WORDS = 30  # Seconds that a stopped process has to end by itself.


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Whether a run came to its end.

    Args:
        unit: String, the run.
        problem: String, which step failed, and how; None where the run is finished.
        log: Optional path of the file with what the step printed.
    """

    unit: str
    problem: str = None
    log: pathlib.Path = None

    def __str__(self):
        where = "" if self.log is None else f" Its output: {self.log}"
        return f"{self.unit}: {self.problem or 'finished.'}{where}"


def run_all(units, scripts, jobs):
    """Carries out units, several at once; yields the `Outcome` of each.

    If the caller closes the generator early, as after Ctrl-C, this ends the running
    processes and begins no more.

    Args:
        units: List of `Unit`s.
        scripts: Path of the folder of the scripts.
        jobs: Integer, how many run at the same time.
    """
    stopped = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [pool.submit(run_unit, unit, scripts, stopped) for unit in units]
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def run_unit(unit, scripts, stopped=None):
    """Does all that is left of a unit; returns its `Outcome`.

    `stopped` is an optional `threading.Event` that ends it early.
    """
    try:
        return work_off(unit, scripts, stopped or threading.Event())
    except (InputError, OSError) as error:  # Other runs go on.
        return Outcome(str(unit), str(error))


def work_off(unit, scripts, stopped):
    """Does what `run_unit` does, and raises the errors of the system."""
    with saying_where(unit.path):
        unit.path.mkdir(parents=True, exist_ok=True)
    with locked(unit, stopped) as lock:
        while not stopped.is_set() and (step := unit.next_step()):
            print(f"{unit}: {step.name}. Its output: {unit.log(step.name)}", flush=True)
            code = run_step(unit, step, scripts, lock, stopped)
            if not stopped.is_set() and (code or not step.is_done()):
                problem = f"its {step.name} failed with exit code {code}."
                return Outcome(str(unit), problem, unit.log(step.name))
    return Outcome(str(unit), "it was stopped." if stopped.is_set() else None)


@contextlib.contextmanager
def locked(unit, stopped):
    """Yields the open lock file of a unit, once no other process works on it.

    The processes of its steps inherit the lock. If a study is killed and a step lives
    on, the next study waits for its end, and writes nothing meanwhile.
    """
    with (unit.path / LOCK).open("w") as lock:
        is_waiting = False
        while not take(lock) and not stopped.is_set():
            if not is_waiting:
                reason = "waiting for another process that works on it."
                print(f"{unit}: {reason}", flush=True)
            is_waiting = True
            time.sleep(PATIENCE)
        yield lock


def take(lock):
    """Takes a lock, an open file, if it is free; returns whether it was."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run_step(unit, step, scripts, lock, stopped):
    """Runs the script of a step to its end, or until `stopped`; returns its code."""
    script, *words = step.command()
    command = [sys.executable, str(scripts / script), *words]
    times = StepTimes(unit)
    with unit.log(step.name).open("ab") as log:
        log.write(f"$ {shlex.join(command)}\n".encode())
        log.flush()
        times.begin(step.name)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # The time of its last words tells when it was killed.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            pass_fds=[lock.fileno()],
            # Ctrl-C is for the study, which then ends it.
            start_new_session=True,
        )
        code = wait(process, stopped)
    times.end(step.name)
    return code


def wait(process, stopped):
    """Returns the exit code of a process; ends it when `stopped`, or interrupted."""
    try:
        while not stopped.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(PATIENCE)
    finally:
        end(process)
    return process.returncode


def end(process):
    """Ends a process: by SIGTERM, as some ignore SIGINT; after a while by force."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(LAST_WORDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def terminated_like_ctrl_c():
    """Makes SIGTERM within the block end the study's processes, too."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
