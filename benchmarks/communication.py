"""What replicas of a search tell each other in one step, read from its graph.

    python benchmarks/communication.py                    # the paper's supernet
    python benchmarks/communication.py --order 2 --filters 8 --num-cells 5

The step is traced for two logical CPU devices and not run. Tracing the paper's
supernet takes minutes.
"""

import argparse
import collections
import json
import math
import time

import tensorflow as tf

from keras_atdarts.architect import FirstOrder
from keras_atdarts.architect import SecondOrder
from keras_atdarts.optimizers import SGD
from keras_atdarts.runs import runtime
from keras_atdarts.supernet import Supernet

NUM_DEVICES = 2
ARCHITECTS = {1: FirstOrder, 2: SecondOrder}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--order", type=int, choices=ARCHITECTS, default=1)
    parser.add_argument("--operations", nargs="+", default=["at_darts"])
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--num-cells", type=int, default=8)
    arguments = parser.parse_args()
    runtime.prepare_runtime()
    strategy = runtime.make_strategy(NUM_DEVICES)
    with strategy.scope():
        supernet = make_supernet(arguments)
    started = time.perf_counter()
    graph = trace(strategy, supernet)
    sizes = reduced_sizes(graph)
    print(
        json.dumps(
            {
                "all_reduces": len(sizes),
                "megabytes": sum(sizes) / 1e6,
                "of_gradients": megabytes(supernet.operation_weights),
                "of_alphas": megabytes(supernet.alphas),
                "of_moving_statistics": megabytes(supernet.non_trainable_variables),
                "largest_bytes": collections.Counter(sizes).most_common(3),
                "seconds_to_trace": round(time.perf_counter() - started, 1),
            },
            indent=2,
        )
    )


def make_supernet(arguments):
    """Returns the compiled supernet."""
    supernet = Supernet(
        10, arguments.filters, arguments.num_cells, arguments.operations
    )
    supernet.build((None, 32, 32, 3))
    supernet.compile(
        SGD(0.025, momentum=0.9, clip_norm=5.0, coupled_weight_decay=3e-4),
        SGD(0.1, momentum=0.9),
        architect=ARCHITECTS[arguments.order](),
    )
    return supernet


def trace(strategy, supernet):
    """Returns the graph of one step on all devices."""
    images = tf.TensorSpec((4, 32, 32, 3))
    labels = tf.TensorSpec((4,), tf.int32)

    @tf.function
    def step(batches):
        return strategy.run(supernet.train_step, args=(batches,))

    batch = (images, labels)
    return step.get_concrete_function((batch, batch)).graph


def reduced_sizes(graph):
    """Returns the bytes of every tensor that one device gives to an all-reduce."""
    return [
        operation.inputs[0].shape.num_elements() * operation.inputs[0].dtype.size
        for operation in graph.get_operations()
        if operation.type.startswith("CollectiveReduce")
        and operation.device.endswith(":0")
    ]


def megabytes(variables):
    """Returns the size of variables."""
    return sum(math.prod(variable.shape) * 4 for variable in variables) / 1e6


if __name__ == "__main__":
    main()
