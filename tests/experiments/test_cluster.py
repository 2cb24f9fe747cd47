"""What TF_CONFIG may say, and how the workers it names meet."""

import concurrent.futures
import json
import socket

import pytest
from cluster_runs import free_addresses
from cluster_runs import tf_config

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.cluster import Cluster
from keras_atdarts.experiments.runs.cluster import read_cluster
from keras_atdarts.experiments.runs.meeting import meet

TWO = ["a:1", "b:2"]


@pytest.mark.parametrize("text", [None, "", " ", tf_config(["a:1"], 0)])
def test_single_machine_needs_no_cluster(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert read_cluster() is None


def test_cluster_of_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config(TWO, 1))
    cluster = read_cluster()
    assert cluster == Cluster(("a:1", "b:2"), 1)
    assert (cluster.size, cluster.port, cluster.is_chief) == (2, 2, False)


@pytest.mark.parametrize("job, index, position", [("chief", 0, 0), ("worker", 1, 2)])
def test_chief_of_its_own_comes_first(monkeypatch, job, index, position):
    cluster = {"worker": TWO, "chief": ["c:3"]}
    config = {"cluster": cluster, "task": {"type": job, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert read_cluster() == Cluster(("c:3", "a:1", "b:2"), position)


def config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    "text, expected",
    [
        ("{", "must have JSON"),
        ("[]", "an object 'cluster'"),
        ("{}", "an object 'cluster'"),
        (config({"worker": TWO, "ps": ["c:3"]}), "no jobs but chief, worker"),
        (config({"worker": "a:1"}), "a list of addresses"),
        (config({"worker": ["a:1", "b"]}), "form host:port; received b"),
        (config({"worker": ["a:1", "b:port"]}), "form host:port"),
        (config({"worker": ["a:1", ":2"]}), "form host:port"),
        (config({"worker": ["a:1", 2]}), "form host:port"),
        (config({"worker": ["a:1", "a:1"]}), "every address once"),
        (config({"worker": []}), "at least one worker"),
        (config({"worker": TWO}, index=2), "type worker and index 0 to 1"),
        (config({"worker": TWO}, index=-1), "index 0 to 1"),
        (config({"worker": TWO}, index="0"), "index 0 to 1"),
        (config({"worker": TWO}, kind="chief"), "type worker"),
        (json.dumps({"cluster": {"worker": TWO}}), "type worker"),
    ],
)
def test_unusable_clusters_are_refused(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=expected) as error:
        read_cluster()
    assert "\n" not in str(error.value)


def meet_all(plans, patience=20):
    """Returns for each worker the word of the meeting or the `InputError`."""
    addresses = tuple(free_addresses(len(plans)))

    def join(index):
        try:
            return meet(Cluster(addresses, index), plans[index], patience)
        except InputError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(len(plans)) as pool:
        # None stands for a worker that does not come.
        there = [index for index, plan in enumerate(plans) if plan is not None]
        return list(pool.map(join, there))


def test_workers_meet():
    words = meet_all([{"filters": 4, "operations": ("a", "b")}] * 3)
    assert len(set(words)) == 1
    assert set(words) != set(meet_all([{}] * 2))


def test_workers_with_other_plans_are_refused_everywhere():
    errors = meet_all([{"filters": 4}, {"filters": 4}, {"filters": 8}])
    for error in errors:
        assert "Worker 2 was started with another filters" in str(error)
        assert "8 instead of 4" in str(error)


def test_missing_worker_is_named():
    errors = meet_all([{}, None, {}], patience=1)
    for error in errors:
        assert "Of 3 workers these did not come in time: 1 (127" in str(error)


def test_missing_chief_is_named():
    [error] = meet_all([None, {}], patience=0.5)
    assert "Worker 1 could not reach the chief at 127" in str(error)


def test_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match="Worker 0 cannot listen at port"):
            meet(Cluster((address, "127.0.0.1:1"), 0), {}, patience=1)


def test_strangers_do_not_disturb_the_meeting():
    addresses = tuple(free_addresses(2))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        chief = pool.submit(meet, Cluster(addresses, 0), {}, 20)
        host, port = addresses[0].split(":")
        while True:
            try:
                stranger = socket.create_connection((host, int(port)))
                break
            except OSError:
                continue
        with stranger:
            stranger.sendall(b"GET / HTTP/1.1\n")
        other = pool.submit(meet, Cluster(addresses, 1), {}, 20)
        assert chief.result() == other.result()
