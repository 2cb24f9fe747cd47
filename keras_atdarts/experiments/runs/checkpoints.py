"""The checkpoints of a run: whole files, of which the last few are kept.

A checkpoint is one `.npz` of NumPy arrays: one file can replace another at once,
NumPy returns every bit it was given, and the archive carries a checksum of each
array that reading verifies.
"""

import pathlib
import sys
from typing import NamedTuple

import numpy as np

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.workdir import saying_where

STEP = "step"


class Checkpoint(NamedTuple):
    """What a training goes on from: steps that are done, and NumPy arrays by name."""

    step: int
    arrays: dict


class Checkpoints:
    """The folder in which the last checkpoints of one run are, `keep` in number."""

    def __init__(self, folder, keep=2):
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def save(self, checkpoint):
        """Writes a `Checkpoint`, then removes what is not to be kept.

        A process killed here leaves the earlier checkpoints as they were. Later
        ones, which could not be read when the run went on from this one's past,
        are removed too.
        """
        path = self.folder / f"{checkpoint.step:09}.npz"
        with saying_where(self.folder):
            self.folder.mkdir(exist_ok=True)
            with atomic.replacing(path) as partial:
                np.savez(partial, **{STEP: checkpoint.step}, **checkpoint.arrays)
        paths = self._paths()
        earlier = [step for step in paths if step <= checkpoint.step]
        for step in paths.keys() - set(earlier[-self.keep :]):
            paths[step].unlink()

    def newest(self):
        """Returns the newest whole `Checkpoint`, or None where there are none.

        Those that are damaged are reported on stderr, in one line each.

        Raises:
            InputError: where there are some and none is whole.
        """
        paths = self._paths()
        for path in reversed(paths.values()):
            try:
                return read(path)
            # A damaged archive raises whatever its damaged part leads to.
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else repr(error)
                print(f"Skipping the damaged '{path}': {reason}", file=sys.stderr)
        if paths:
            raise InputError(
                f"None of the {len(paths)} checkpoints in '{self.folder}' is whole. "
                "Start the run again with --overwrite in the place of --resume."
            )
        return None

    def _paths(self):
        """Returns the paths of the checkpoints by step, the newest last."""
        found = self.folder.glob("*.npz")
        steps = {int(path.stem): path for path in found if path.stem.isdecimal()}
        return dict(sorted(steps.items()))


def read(path):
    """Returns the `Checkpoint` in a file, every array verified."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return Checkpoint(int(arrays.pop(STEP)), arrays)
