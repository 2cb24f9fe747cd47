"""What all benchmarks share: clocks, memory, the machine, and processes.

It needs nothing but Python, so that the workers of other frameworks can use it. A
worker imports it before anything heavy: that moment is its start.
"""

import json
import os
import pathlib
import platform
import re
import resource
import signal
import statistics
import subprocess
import sys
import time

STARTED = time.perf_counter()
TIMEOUT = "timeout"
FOLDER = pathlib.Path(__file__).resolve().parent


def seconds_since_start():
    """Returns the seconds since the process imported this module."""
    return time.perf_counter() - STARTED


def time_calls(call, count):
    """Returns the seconds that each of `count` calls takes."""
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_gib():
    """Returns the most memory that this process ever held, in GiB.

    Not that of `resource` on Linux: a process starts with its parent's peak.
    """
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        [kib] = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        return int(kib) / 2**20
    bytes_per_unit = 1 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * bytes_per_unit / 2**30


def summary(startup_seconds, step_seconds, images, **others):
    """Returns what a worker reports.

    Args:
        startup_seconds: Float, from the start of the process to the end of its
            first step.
        step_seconds: List of floats, of each step that followed.
        images: Integer, those that a step takes.
        **others: What the job has to add.
    """
    seconds = statistics.median(step_seconds)
    return {
        "seconds_per_step": seconds,
        "images_per_second": images / seconds,
        "startup_seconds": startup_seconds,
        "peak_gib": peak_gib(),
        **others,
    }


def hide_gpus():
    """Hides GPUs from this process and its children, if no framework runs yet."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


class WorkerFailed(SystemExit):
    """A worker failed: uncaught, the process ends with one line.

    Args:
        command: List of strings, what ran.
        reason: String.
        log: String, what it said on stderr.
    """

    def __init__(self, command, reason, log):
        super().__init__(f"{' '.join(command)} failed: {reason}")
        self.reason = reason
        self.log = log


def run_worker(script, *words, python=sys.executable, seconds=None):
    """Runs a benchmark as a process of its own; returns what it reports.

    Says on stderr what it runs and what came of it: a long measurement that is
    interrupted was not for nothing.

    Args:
        script: Name of a file in this folder, whose last line of output is JSON.
        *words: Its arguments.
        python: Path of the interpreter.
        seconds: Float, after which it is ended, or `None`.

    Raises:
        WorkerFailed: It failed, with its last line, or took longer.
    """
    command = [str(python), str(FOLDER / script), *map(str, words)]
    print(*command[1:], file=sys.stderr, flush=True)
    code, output, log = _run(command, seconds)
    if code:
        raise WorkerFailed(command, _reason(code, log, seconds), log)
    report = output.splitlines()[-1]
    print(f"  {report}", file=sys.stderr, flush=True)
    return json.loads(report)


def _reason(code, log, seconds):
    """Returns why a worker failed."""
    lines = log.strip().splitlines() or ["no message"]
    if code is TIMEOUT:
        return f"not done after {seconds:.0f} s"
    return lines[-1] if code > 0 else f"ended by signal {-code}; {lines[-1]}"


def _run(command, seconds):
    """Runs a command; returns its exit code or `TIMEOUT`, and both its outputs."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # To end it with its own children.
    )
    try:
        output, log = process.communicate(timeout=seconds)
        return process.returncode, output, log
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return TIMEOUT, *process.communicate()
    finally:
        if process.poll() is None:  # Interrupted.
            os.killpg(process.pid, signal.SIGKILL)


def describe_machine():
    """Returns what a reader must know of the machine to judge a time."""
    return {
        "processor": _processor(),
        "cores": _available_cores(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": platform.platform(),
        "load_average_at_start": round(os.getloadavg()[0], 1),
    }


def _available_cores():
    if hasattr(os, "sched_getaffinity"):  # Linux only.
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processor():
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        text = information.read_text(encoding="utf-8")
        names = re.findall(r"model name\s*: (.+)", text)
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def machine_line(machine):
    """Returns the description of a machine as a line for people."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, load average "
        f"{machine['load_average_at_start']} at the start"
    )


def markdown_table(header, rows):
    """Returns a Markdown table of texts."""
    return "\n".join([markdown_header(header), *map(markdown_row, rows)])


def markdown_header(header):
    """Returns the two lines that begin a Markdown table."""
    return f"{markdown_row(header)}\n{markdown_row(['---'] * len(header))}"


def markdown_row(cells):
    """Returns one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"
