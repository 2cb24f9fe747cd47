"""Carries out the runs of a study on a cluster, scheduled by Ray.

Ray decides where and when a run is carried out; what is carried out is the same
`run_unit`. All machines need this project, and the directory of the study and the
data under the same paths.
"""

import importlib
import socket

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.study.execution import LAST_WORDS
from keras_atdarts.experiments.study.execution import Outcome
from keras_atdarts.experiments.study.execution import run_unit

# If a machine dies, Ray gives its run to another one, which goes on from the last
# checkpoint. Ray does so this many times.
MAX_RETRIES = 3
ANSWER_WITHIN = 10  # Seconds.


def import_ray():
    """Returns the module; raises `InputError` where it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise InputError(
            "--ray needs Ray, which is not installed. Install it with "
            "'pip install -r requirements-ray.txt', or give --jobs instead."
        ) from error


def run_all_on_ray(units, scripts, address, cpus, gpus):
    """Carries out units on a cluster; yields the `Outcome` of each.

    Args:
        units: List of `Unit`s.
        scripts: Path of the folder of the scripts.
        address: String, the address of the cluster; None for the one that runs on
            this machine, or else for this machine alone.
        cpus: Integer, the cores that each run claims.
        gpus: Integer, the same for GPUs.

    Raises:
        InputError: Ray is missing, there is no cluster, or no machine of it fits.
    """
    ray = import_ray()
    connect(ray, address)
    pending = {}
    try:
        check_fits(cpus, gpus, [each for each in ray.nodes() if each["Alive"]])
        remote = ray.remote(run_unit).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=MAX_RETRIES
        )
        pending = {remote.remote(unit, scripts): unit for unit in units}
        while pending:
            (done, *_), _ = ray.wait(list(pending))
            yield result(ray, done, pending.pop(done))
    finally:
        cancel(ray, list(pending))
        ray.shutdown()


def connect(ray, address):
    """Connects to a cluster, or raises `InputError`.

    Ray itself would go on trying for minutes where nothing answers.
    """
    try:
        host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
        if colon:
            socket.create_connection((host, int(port)), ANSWER_WITHIN).close()
        ray.init(address=address, include_dashboard=None if address else False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"There is no Ray cluster at '{address or 'this machine'}' ({reason}). "
            "Start one with 'ray start --head', and give --ray its address."
        ) from error


def cancel(ray, pending):
    """Interrupts runs, and waits for them to end their processes."""
    for task in pending:
        ray.cancel(task)
    if pending:
        ray.wait(pending, num_returns=len(pending), timeout=LAST_WORDS)


def check_fits(cpus, gpus, machines):
    """Raises `InputError` where Ray would wait for a machine that does not exist."""
    found = [machine["Resources"] for machine in machines]
    found = [(each.get("CPU", 0), each.get("GPU", 0)) for each in found]
    if any(has_cpus >= cpus and has_gpus >= gpus for has_cpus, has_gpus in found):
        return
    there_are = "; ".join(f"{each[0]:g} CPUs and {each[1]:g} GPUs" for each in found)
    raise InputError(
        f"No machine of the cluster has the {cpus} CPUs and {gpus} GPUs that a run "
        f"claims; they have {there_are}. Change --ray-cpus or --ray-gpus."
    )


def result(ray, done, unit):
    """Returns the `Outcome` of a run, also if Ray could not run it."""
    try:
        return ray.get(done)
    except ray.exceptions.RayError as error:
        last_line = str(error).strip().splitlines()[-1]
        return Outcome(str(unit), f"Ray could not run it: {last_line}")
