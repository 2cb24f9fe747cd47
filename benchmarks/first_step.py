"""How long a user waits for the first step of train/search.py.

    python benchmarks/first_step.py                  # the quick preset: make search
    python benchmarks/first_step.py --preset cpu
    python benchmarks/first_step.py --cpu --devices 4   # without this machine's GPUs

Starts the script with the flags given here, reads what it prints until the
progress bar shows a step, and ends it. Prints one line of JSON.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import flags
import measuring

SEARCH = pathlib.Path(__file__).resolve().parents[1] / "train/search.py"
STEP_SHOWN = re.compile(rb"[ms]/step")
PIECE = 4096


def main(argv=None):
    parser = flags.make_parser(__doc__, allow_abbrev=False)
    parser.add_argument("--cpu", action="store_true", help="hide GPUs from the search")
    arguments, words = parser.parse_known_args(argv)
    if arguments.cpu:
        measuring.hide_gpus()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        workdir = str(pathlib.Path(folder) / "run")
        process = subprocess.Popen(
            [sys.executable, str(SEARCH), *words, "--workdir", workdir],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_step(process.stdout)
            seconds = time.perf_counter() - started
        finally:
            process.kill()
            process.communicate()
    print(json.dumps({"startup_seconds": seconds}))


def wait_for_step(output):
    """Reads until a step is shown.

    Args:
        output: Binary stream of the search.

    Raises:
        SystemExit: The search ended before, with what it said last.
    """
    text = b""
    while not STEP_SHOWN.search(text):
        piece = os.read(output.fileno(), PIECE)
        if not piece:
            lines = text.decode(errors="replace").strip().splitlines() or ["nothing"]
            sys.exit(f"The search ended before its first step: {lines[-1]}")
        text += piece


if __name__ == "__main__":
    main()
