"""How long the steps of a run took, over all the processes they needed."""

import json
import time

from keras_atdarts.experiments.runs import atomic

TIMES = "times.json"


class StepTimes:
    """The beginnings and ends of the processes of each step, in a file.

    A process that was killed together with the study has no end there: its last
    words in its log are taken for it.

    Args:
        unit: `Unit` whose directory exists.
    """

    def __init__(self, unit):
        self.unit = unit
        self.path = unit.path / TIMES

    def begin(self, step_name):
        """Notes that a process of a step begins now."""
        spans = self._closed(step_name)
        self._write(step_name, [*spans, [time.time(), None]])

    def end(self, step_name):
        """Notes that the process which was begun last ends now."""
        *spans, (begin, _) = self._read().get(step_name)
        self._write(step_name, [*spans, [begin, time.time()]])

    def seconds(self, step_name):
        """Returns the wall-clock time of a step so far; None if it never began."""
        spans = self._closed(step_name)
        return sum(end - begin for begin, end in spans) if spans else None

    def _closed(self, step_name):
        log = self.unit.log(step_name)
        return [
            [begin, max(begin, log.stat().st_mtime) if end is None else end]
            for begin, end in self._read().get(step_name, [])
        ]

    def _read(self):
        if not self.path.exists():
            return {}
        return json.loads(self.path.read_text(encoding="utf-8"))

    def _write(self, step_name, spans):
        atomic.write_json(self.path, {**self._read(), step_name: spans})
