"""How workers find each other before TensorFlow starts.

TensorFlow waits an hour for a worker that does not come, cannot be interrupted
meanwhile, and trains with whatever each worker was told. So the workers meet
first: the chief listens at its address of the cluster, every other worker tells
it what it is going to run, and is told whether all are there and agree. The
ports are free again when TensorFlow takes them.
"""

import contextlib
import json
import secrets
import socket
import time

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.cluster import split_address

PATIENCE = 300  # Seconds that workers wait for each other.
RETRY = 0.2
TALK = 10  # Seconds that a connected worker may take to say a line.


def meet(cluster, plan, patience=PATIENCE):
    """Waits for all workers, and compares what they are going to run.

    Args:
        cluster: `Cluster`.
        plan: Dict, ready for JSON, that must be the same on all workers.
        patience: Number, the seconds to wait for the others.

    Returns:
        String, the same random word on all workers.

    Raises:
        InputError: A worker did not come in time or has another plan, or the port
            of this one is taken. All workers that came raise.
    """
    deadline = time.monotonic() + patience
    plan = json.loads(json.dumps(plan))
    with listen(cluster) as server:
        if cluster.is_chief:
            return receive(cluster, plan, server, deadline)
    return report_to_chief(cluster, plan, deadline)


def listen(cluster):
    """Returns a socket that listens at this worker's port."""
    try:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(
            ("", cluster.port), family=family, dualstack_ipv6=dual
        )
    except OSError as error:
        raise InputError(
            f"Worker {cluster.index} cannot listen at port {cluster.port}: "
            f"{error.strerror}. Give it a free port in the TF_CONFIG of all workers."
        ) from error


def receive(cluster, plan, server, deadline):
    """Meets the other workers as the chief."""
    plans = {0: plan}
    with contextlib.ExitStack() as connections:
        answered = []
        while len(plans) < cluster.size and time.monotonic() < deadline:
            server.settimeout(max(RETRY, deadline - time.monotonic()))
            # Who is no worker, or gave up, does not count.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                connection = connections.enter_context(server.accept()[0])
                connection.settimeout(TALK)
                with connection.makefile() as file:
                    word = json.loads(file.readline())
                if word["index"] in range(1, cluster.size):
                    plans[word["index"]] = word["plan"]
                    answered.append(connection)
        error = objection(cluster, plans)
        token = secrets.token_hex(8)
        for connection in answered:
            with contextlib.suppress(OSError):
                connection.sendall(line({"error": error, "token": token}))
    if error:
        raise InputError(error)
    return token


def line(value):
    """Returns `value` as a line of JSON."""
    return (json.dumps(value) + "\n").encode()


def objection(cluster, plans):
    """Returns what is wrong with the workers that came; None if nothing is."""
    missing = [index for index in range(cluster.size) if index not in plans]
    if missing:
        names = ", ".join(f"{index} ({cluster.addresses[index]})" for index in missing)
        return (
            f"Of {cluster.size} workers these did not come in time: {names}. Start "
            "the same command on every machine of TF_CONFIG."
        )
    for index, plan in sorted(plans.items()):
        for name in sorted({*plan, *plans[0]}):
            if plan.get(name) != plans[0].get(name):
                return (
                    f"Worker {index} was started with another {name} than the chief: "
                    f"{plan.get(name)} instead of {plans[0].get(name)}. Start the "
                    "same command on every machine."
                )
    return None


def report_to_chief(cluster, plan, deadline):
    """Meets the chief as another worker."""
    host, port = split_address(cluster.addresses[0])
    while True:
        try:
            with socket.create_connection((host, port), timeout=TALK) as connection:
                connection.sendall(line({"index": cluster.index, "plan": plan}))
                # The chief answers when the last worker has come.
                connection.settimeout(max(RETRY, deadline + TALK - time.monotonic()))
                with connection.makefile() as file:
                    answer = json.loads(file.readline())
            break
        except (OSError, ValueError) as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"Worker {cluster.index} could not reach the chief at "
                    f"{cluster.addresses[0]}: {error}. Start the same command there, "
                    "and let its port through."
                ) from error
            time.sleep(RETRY)
    if answer["error"]:
        raise InputError(answer["error"])
    return answer["token"]
