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
import statistics
import subprocess
import sys
import time

STARTED = time.perf_counter()
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


def summary(startup_seconds, step_seconds, **others):
    """Returns what a worker reports.

    Args:
        startup_seconds: Float, from the start of the process to the end of its
            first step.
        step_seconds: List of floats, of each step that followed.
        **others: What the job has to add.
    """
    return {
        "seconds_per_step": statistics.median(step_seconds),
        "startup_seconds": startup_seconds,
        "peak_gib": peak_gib(),
        **others,
    }


def run_worker(script, *words, python=sys.executable):
    """Runs a benchmark as a process of its own; returns what it reports.

    Says on stderr what it runs and what came of it: a long measurement that is
    interrupted was not for nothing.

    Args:
        script: Name of a file in this folder, whose last line of output is JSON.
        *words: Its arguments.
        python: Path of the interpreter.

    Raises:
        SystemExit: It failed; the message ends with its last line.
    """
    command = [python, str(FOLDER / script), *map(str, words)]
    print(*command[1:], file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        sys.exit(f"{' '.join(command)} failed: {lines[-1]}")
    report = done.stdout.splitlines()[-1]
    print(f"  {report}", file=sys.stderr, flush=True)
    return json.loads(report)


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
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write_json(path, content):
    """Writes what was measured, for programs."""
    text = json.dumps(content, indent=2) + "\n"
    pathlib.Path(path).write_text(text, encoding="utf-8")
