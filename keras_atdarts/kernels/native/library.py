"""Where the compiled kernels are, and how TensorFlow loads them.

`setup.py` compiles them at installation for several kinds of processors. Without a
compiler the package works as well, by TensorFlow's kernels, and slower.
"""

import ctypes
import functools
import pathlib
import platform
import sysconfig

import tensorflow as tf

V3 = {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"}
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
FOLDER = pathlib.Path(__file__).parent
# The best first: the name of the library, and what Linux says of such processors.
LEVELS = {
    "x86_64": {
        "kernels_v4": V4,
        "kernels_v3": V3,
    },
    "aarch64": {"kernels_generic": set()},
}


@functools.cache
def native_library():
    """Returns the module of the operations, or `None` where there is none."""
    path = find_library()
    if path is None:
        return None
    # The library calls TensorFlow without being linked to it.
    framework = pathlib.Path(tf.sysconfig.get_lib()) / "libtensorflow_framework.so.2"
    ctypes.CDLL(str(framework), mode=ctypes.RTLD_GLOBAL)
    return tf.load_op_library(str(path))


def find_library():
    """Returns the path of the compiled library for this processor, or `None`."""
    known = processor_features()
    for name, features in LEVELS.get(platform.machine(), {}).items():
        path = FOLDER / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        if path.exists() and features <= known:
            return path
    return None


def processor_features():
    """Returns what the processor can do, in the words of Linux; elsewhere nothing."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    flags = [line.split(":")[1] for line in lines if line.startswith("flags")]
    return set(flags[0].split()) if flags else set()
