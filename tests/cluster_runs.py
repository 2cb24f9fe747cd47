"""Runs a script as several workers on this machine, each a process of its own."""

import json
import os
import socket
import subprocess

import scripts


def free_addresses(count):
    """Returns addresses whose ports nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def tf_config(addresses, index):
    """Returns the text of TF_CONFIG for one of the workers at `addresses`."""
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def start(name, *words, **environment):
    """Returns the process of `python train/NAME WORDS`; it prints to stdout alone."""
    return subprocess.Popen(
        scripts.command(name, *words),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_workers(count, name, *words):
    """Returns the processes of so many workers that run the same command."""
    addresses = free_addresses(count)
    return [
        start(name, *words, TF_CONFIG=tf_config(addresses, index))
        for index in range(count)
    ]


def finish(processes, timeout=300):
    """Returns what each of the processes printed, which must have ended well."""
    outputs = []
    try:
        for process in processes:
            outputs.append(process.communicate(timeout=timeout)[0])
            assert process.returncode == 0, outputs[-1][-3000:]
    finally:
        for process in processes:
            process.kill()
    return outputs
