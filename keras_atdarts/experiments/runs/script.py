"""How a script ends: exit codes and one-line messages."""

import contextlib
import os
import pathlib
import shlex
import shutil
import sys

import tensorflow as tf

from keras_atdarts.errors import InputError

EXIT_BAD_INPUT = 2
EXIT_WORKER_LOST = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed.
EXIT_INTERRUPTED = 130


class WorkerLost(RuntimeError):
    """Another machine of the run died or cannot be reached any more."""


def run_script(main, argv=None):
    """Runs a script's `main` and returns the exit code of the process.

    Args:
        main: Function from the words of the command line to None or an exit code.
        argv: The words. Defaults to those of the process.

    Returns:
        What `main` returned (None counts as 0), 2 after an `InputError`, 75 after
        a `WorkerLost`, 130 after Ctrl-C; the last three with one line on stderr
        and no traceback.

    Example:

    >>> if __name__ == "__main__":
    ...     sys.exit(run_script(main))
    """
    script = pathlib.Path(sys.argv[0]).name
    try:
        return main(argv) or 0
    except InputError as error:
        print(f"{script}: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except WorkerLost as error:
        print(f"\n{script}: error: {error}", file=sys.stderr)
        return EXIT_WORKER_LOST
    except KeyboardInterrupt as interruption:
        finished = str(interruption) or "nothing was finished."
        print(f"\n{script}: interrupted: {finished}", file=sys.stderr)
        return EXIT_INTERRUPTED


def command_line(script, *words):
    """Returns what to type, here and now, to run a script beside the running one.

    A script that runs as a module, as those of an installed package do, names the
    other one as a module too.

    Args:
        script: String, the name of its file.
        *words: What follows it.

    Example:

    >>> command_line("evaluate.py", "--workdir", "runs/a-net")
    'python train/evaluate.py --workdir runs/a-net'
    """
    place = [pathlib.Path(sys.argv[0]).with_name(script)]
    running = sys.modules["__main__"].__spec__
    package = __name__.partition(".")[0]
    if running is not None and running.name.startswith(f"{package}."):  # By -m.
        place = ["-m", f"{running.parent}.{pathlib.Path(script).stem}"]
    return shlex.join([python_name(), *map(str, (*place, *words))])


def resume_command(workdir):
    """Returns what to type, here and now, to go on with the running script's run."""
    words = [word for word in sys.argv[1:] if word not in ("--overwrite", "--resume")]
    if not any(word.split("=")[0] == "--workdir" for word in words):
        words += ["--workdir", workdir]
    return command_line(pathlib.Path(sys.argv[0]).name, *words, "--resume")


def python_name():
    """Returns `python` where that is this interpreter, else its path."""
    found = shutil.which("python")
    if found and os.path.abspath(found) == sys.executable:
        return "python"
    executable = pathlib.Path(sys.executable)
    here = pathlib.Path.cwd()
    if executable.is_relative_to(here):
        executable = executable.relative_to(here)
    return str(executable)


@contextlib.contextmanager
def saying_when_interrupted(finished):
    """Gives Ctrl-C within the block the message that `run_script` prints.

    Where memory runs out, the message also names the options that need less.

    Args:
        finished: Function without arguments, called at the interruption; returns
            a sentence: what was finished and where it is.

    Raises:
        InputError: Memory ran out.

    Example:

    >>> with saying_when_interrupted(run.progress):
    ...     supernet.fit(...)
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(finished()) from None
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise InputError(
            f"Memory ran out; {finished()} To need less, give a higher "
            "--gradient-accumulation, --recompute, --precision mixed_bfloat16, or a "
            "lower --batch-size or --filters."
        ) from error
