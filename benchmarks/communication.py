"""What replicas of a search tell each other in one step, read from its graph.

    python benchmarks/communication.py                    # the paper's supernet
    python benchmarks/communication.py --order 2 --filters 8 --num-cells 5

The step is traced for two logical CPU devices and not run. Tracing the paper's
supernet takes minutes.
"""

import collections
import json
import math
import time

import flags
import tensorflow as tf
import workloads

from keras_atdarts.experiments.runs import runtime
from keras_atdarts.kernels import machine

NUM_DEVICES = 2


def main():
    parser = flags.make_parser(__doc__)
    flags.add_supernet_flags(parser, operations=("at_darts",))
    arguments = parser.parse_args()
    runtime.prepare_runtime()
    strategy = machine.make_strategy(NUM_DEVICES)
    with strategy.scope():
        supernet = workloads.make_supernet(arguments)
    started = time.perf_counter()
    graph = trace(strategy, supernet)
    sizes = reduced_sizes(graph)
    print(
        json.dumps(
            {
                "all_reduces": len(sizes),
                "megabytes": sum(sizes) / 1e6,
                "of_gradients": megabytes(supernet.operation_weights),
                "of_alphas": megabytes(supernet.alpha_variables),
                "of_moving_statistics": megabytes(supernet.non_trainable_variables),
                "largest_bytes": collections.Counter(sizes).most_common(3),
                "seconds_to_trace": round(time.perf_counter() - started, 1),
            },
            indent=2,
        )
    )


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
