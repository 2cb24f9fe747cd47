"""Files of weights that PyTorch has trained. Reading them executes nothing.

Reference:
    Safetensors, https://github.com/huggingface/safetensors;
    `torch.load` with `weights_only`, https://docs.pytorch.org/docs/stable/generated/torch.load.html
"""

import importlib
import pathlib

import numpy as np

from keras_atdarts.errors import InputError

SAFETENSORS = ".safetensors"
PICKLED = (".pt", ".pth", ".tar")
SUFFIXES = (SAFETENSORS, *PICKLED)
STATE_DICT = "state_dict"  # Under this key a checkpoint has its weights.


def read_weights(path):
    """Returns the tensors of a file by their names.

    Args:
        path: Path of a `.safetensors` file, or of a `.pt`, `.pth` or `.tar` file of
            `torch.save`, which holds a state dict or a checkpoint with one under
            `"state_dict"`.

    Returns:
        Dict from names to float32 arrays in PyTorch's layouts.

    Raises:
        InputError: It cannot be read, holds more than tensors, or the package that
            reads it is not installed.

    Example:

    >>> read_weights("cifar10_model.safetensors")["stem.0.weight"].shape
    (108, 3, 3, 3)
    """
    path = pathlib.Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"Cannot read weights from '{path}': expected a file "
            f"*{', *'.join(SUFFIXES)}. Save the state dict with torch.save or "
            "safetensors.torch.save_file."
        )
    if not path.is_file():
        raise InputError(f"There is no file '{path}': give that of the weights.")
    tensors = read_safetensors(path) if path.suffix == SAFETENSORS else read_torch(path)
    return {name: np.asarray(each, "float32") for name, each in tensors.items()}


def read_safetensors(path):
    """Returns the arrays of a safetensors file by their names; needs no PyTorch."""
    safetensors = import_optional("safetensors", "weights", path)
    numpy_files = importlib.import_module("safetensors.numpy")
    try:
        return numpy_files.load_file(path)
    except (safetensors.SafetensorError, OSError, TypeError, KeyError) as error:
        raise unreadable(path, error) from error


def read_torch(path):
    """Returns the arrays of a file of `torch.save` by their names."""
    torch = import_optional("torch", "benchmarks", path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    # It documents no common base of what a damaged or refused file raises.
    except Exception as error:
        raise unreadable(path, error) from error
    state = state.get(STATE_DICT, state) if isinstance(state, dict) else state
    is_state = isinstance(state, dict) and state
    if not is_state or not all(map(torch.is_tensor, state.values())):
        raise InputError(
            f"'{path}' holds no state dict: expected a dictionary of tensors by name, "
            f"or one of it under '{STATE_DICT}'. Save model.state_dict()."
        )
    return {name: each.float().numpy() for name, each in state.items()}


def import_optional(name, extra, path):
    """Returns a package that is not always installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"To read '{path}', the package {name} is needed: "
            f"pip install 'keras_atdarts[{extra}]'."
        ) from error


def unreadable(path, error):
    """Returns the error for a file that a package does not read."""
    [reason, *_] = str(error).splitlines() or [type(error).__name__]
    return InputError(
        f"Cannot read '{path}': {reason.rstrip('.')}. Expected nothing but tensors by "
        "name: save model.state_dict() with torch.save or safetensors.torch.save_file."
    )
