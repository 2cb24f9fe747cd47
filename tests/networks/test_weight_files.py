"""Files of weights: what is read, and that nothing in them is executed."""

import importlib
import pickle

import numpy as np
import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.networks import weight_files
from keras_atdarts.networks.weight_files import read_weights

TENSORS = {
    "stem.0.weight": np.arange(24, dtype="float32").reshape(2, 3, 2, 2),
    "stem.1.num_batches_tracked": np.array(7),
}


@pytest.fixture
def torch():
    return pytest.importorskip(
        "torch", reason="needs PyTorch: pip install 'keras_atdarts[benchmarks]'"
    )


def safetensors():
    return pytest.importorskip(
        "safetensors.numpy",
        reason="needs safetensors: pip install 'keras_atdarts[weights]'",
    )


def check(tensors):
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == "float32"
        np.testing.assert_array_equal(tensor, TENSORS[name])


def test_safetensors_are_read(tmp_path):
    safetensors().save_file(TENSORS, tmp_path / "a.safetensors")
    check(read_weights(tmp_path / "a.safetensors"))
    check(read_weights(str(tmp_path / "a.safetensors")))


def test_a_damaged_file_of_safetensors_is_named(tmp_path):
    safetensors()
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"not tensors")
    with pytest.raises(InputError, match="Cannot read '.*a.safetensors': ") as raised:
        read_weights(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "wrap", [dict, lambda state: {"epoch": 3, "state_dict": state}]
)
def test_state_dicts_and_checkpoints_are_read(wrap, torch, tmp_path):
    state = {name: torch.from_numpy(each) for name, each in TENSORS.items()}
    torch.save(wrap(state), tmp_path / "a.pt")
    check(read_weights(tmp_path / "a.pt"))


def test_halves_become_float32(torch, tmp_path):
    torch.save({"a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "a.pth")
    [tensor] = read_weights(tmp_path / "a.pth").values()
    assert tensor.dtype == "float32" and tensor.tolist() == [1, 1]


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_executed(torch, tmp_path):
    (tmp_path / "a.pt").write_bytes(
        pickle.dumps(Attack(tmp_path / "hacked"), protocol=2)
    )
    torch.save({"a": Attack(tmp_path / "hacked")}, tmp_path / "b.pt")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(InputError, match=f"Cannot read '.*{name}': ") as raised:
            read_weights(tmp_path / name)
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {"a": 1}}, 3])
def test_what_is_no_state_dict_is_refused(content, torch, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match="holds no state dict.*'state_dict'"):
        read_weights(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weights.npz", r"expected a file \*.safetensors, \*.pt.*torch.save or safe"),
        ("missing.pt", "There is no file '.*missing.pt'"),
    ],
)
def test_other_files_are_refused(name, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pt", r"package torch is needed: pip install 'keras_atdarts\[benchmarks\]'"),
        (
            "a.safetensors",
            r"package safetensors is needed: .*keras_atdarts\[weights\]'",
        ),
    ],
)
def test_a_missing_package_is_named(name, message, tmp_path, monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(weight_files, "importlib", importlib.util)
    monkeypatch.setattr(importlib.util, "import_module", refuse, raising=False)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=message):
        read_weights(tmp_path / name)
