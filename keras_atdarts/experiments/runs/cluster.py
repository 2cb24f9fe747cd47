"""The machines of a run, as the environment variable TF_CONFIG names them."""

import dataclasses
import json
import os

from keras_atdarts.errors import InputError

EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# The chief counts as a worker; other kinds of tasks train otherwise.
JOBS = ("chief", "worker")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and which of them this process is.

    Args:
        addresses: Tuple of `"host:port"`, one per worker, the chief's first.
        index: Integer, the position of this process among them.
    """

    addresses: tuple
    index: int

    @property
    def size(self):
        return len(self.addresses)

    @property
    def is_chief(self):
        return self.index == 0

    @property
    def port(self):
        """The port of this process."""
        return split_address(self.addresses[self.index])[1]


def read_cluster():
    """Returns the `Cluster` of `TF_CONFIG`; None without one, or if alone in it.

    Raises:
        InputError: `TF_CONFIG` does not describe a cluster of workers.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise wrong("JSON", text) from error
    jobs = content.get("cluster") if isinstance(content, dict) else None
    if not isinstance(jobs, dict) or not set(jobs) <= set(JOBS):
        raise wrong(f"an object 'cluster' with no jobs but {', '.join(JOBS)}", text)
    addresses = []
    for job in JOBS:
        of_job = jobs.get(job, [])
        check_addresses(job, of_job)
        addresses += of_job
    if not addresses or len(set(addresses)) < len(addresses):
        raise wrong("at least one worker, and every address once", text)
    index = read_index(content.get("task"), jobs)
    return Cluster(tuple(addresses), index) if len(addresses) > 1 else None


def check_addresses(job, addresses):
    """Raises `InputError` if this is not a list of `"host:port"`."""
    if not isinstance(addresses, list):
        raise wrong(f"a list of addresses for '{job}'", addresses)
    for address in addresses:
        try:
            host, port = split_address(address)
            usable = host and 0 < port < 2**16
        except (AttributeError, ValueError):
            usable = False
        if not usable:
            raise wrong("addresses of the form host:port", address)


def read_index(task, jobs):
    """Returns the position among all workers of the task in `TF_CONFIG`."""
    task = task if isinstance(task, dict) else {}
    job, index = task.get("type"), task.get("index")
    count = len(jobs[job]) if job in jobs else 0
    if type(index) is not int or not 0 <= index < count:
        sizes = " or ".join(
            f"type {name} and index 0 to {len(addresses) - 1}"
            for name, addresses in jobs.items()
            if addresses
        )
        raise wrong(f"a task with {sizes}", json.dumps(task))
    return index + (len(jobs.get("chief", [])) if job == "worker" else 0)


def split_address(address):
    """Returns the host and the port of `"host:port"`."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def wrong(expected, received):
    """Returns the error of a `TF_CONFIG` that cannot be used."""
    return InputError(
        f"TF_CONFIG must have {expected}; received {received}. Expected such as "
        f"{EXAMPLE}; for a single machine, unset it."
    )
