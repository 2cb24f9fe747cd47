"""Counts what one step of a search is made of, read from its graph.

    python benchmarks/graph.py                       # the supernet of DARTS
    python benchmarks/graph.py --order 2 --recompute
    python benchmarks/graph.py --backend joined      # what a GPU would run
    python benchmarks/graph.py --jit                 # the same, cells by XLA
    python benchmarks/graph.py --output graph.json

The step is traced and not run. Prints how many nodes its graph has, functions that
it calls included, and how many one step executes, by what they are; what no result
needs is not counted:

- kernels compute or move numbers; on a GPU each is a launch, or several;
- bookkeeping is free there: constants, reshapes, reads of variables, shapes;
- calls run a function, whose nodes count by themselves; what XLA compiles is one
  kernel, which launches as many as XLA makes of it.

TensorFlow's graph optimiser, where it runs, still removes and fuses some. Of a
condition all branches count, of a loop one round.
"""

import collections
import functools
import sys
import time

import flags
import measuring
import tensorflow as tf
import workloads

from keras_atdarts.atomic import write_json
from keras_atdarts.experiments.runs import runtime
from keras_atdarts.experiments.runs.script import run_script

KINDS = ("kernel", "bookkeeping", "call")
CALLS = {
    "Case",
    "If",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "StatelessCase",
    "StatelessIf",
    "StatelessWhile",
    "SymbolicGradient",
    "While",
}
BOOKKEEPING = {
    "Assert",
    "BroadcastArgs",
    "BroadcastGradientArgs",
    "ConcatOffset",
    "Const",
    "ControlTrigger",
    "ExpandDims",
    "Identity",
    "IdentityN",
    "NoOp",
    "Placeholder",
    "PreventGradient",
    "Rank",
    "ReadVariableOp",
    "Reshape",
    "Shape",
    "ShapeN",
    "Size",
    "Squeeze",
    "StopGradient",
    "VarHandleOp",
    "VariableShape",
    "_Arg",
    "_Retval",
}
# Shapes and positions, which TensorFlow computes on the CPU.
SHAPE_TYPES = {tf.int32.as_datatype_enum, tf.int64.as_datatype_enum}


def main(argv=None):
    parser = flags.make_parser(__doc__)
    flags.add_supernet_flags(parser)
    flags.add_number(parser, "--batch-size", 32, "images of a batch")
    flags.add_number(parser, "--image-size", 32, "their side in pixels")
    flags.add_number(parser, "--top", 20, "types of kernels to list")
    parser.add_argument("--recompute", action="store_true", help="to save memory")
    parser.add_argument("--jit", action="store_true", help="XLA compiles the cells")
    workloads.add_backend_flag(parser)
    parser.add_argument("--output", metavar="FILE", help="JSON to write as well")
    arguments = parser.parse_args(argv)
    if arguments.output:
        flags.check_writable(parser, arguments.output)
    runtime.prepare_runtime()
    started = time.perf_counter()
    workloads.use_backend(arguments.backend)
    function, library = trace_step(arguments)
    seconds = time.perf_counter() - started
    stored = stored_nodes(function, library)
    executed = executed_nodes(function, library)
    print_tables(stored, executed, arguments.top)
    print(f"\nBuilt and traced in {seconds:.1f} s.")
    if arguments.output:
        content = {"stored": by_type(stored), "executed": by_type(executed)}
        content |= {"seconds": seconds, "flags": vars(arguments)}
        write_json(arguments.output, content)


def trace_step(arguments):
    """Returns one step of a search as a `FunctionDef`, and those that it can call.

    Returns:
        The `FunctionDef`, and a dict of others by name.
    """
    size = arguments.image_size
    supernet = workloads.make_supernet(
        arguments, size, recompute=arguments.recompute, jit_compile=arguments.jit
    )
    images = tf.TensorSpec((arguments.batch_size, size, size, 3))
    batch = (images, tf.TensorSpec(images.shape[:1], tf.int32))
    step = tf.function(supernet.train_step).get_concrete_function((batch, batch))
    library = step.graph.as_graph_def().library.function
    return step.function_def, {each.signature.name: each for each in library}


def stored_nodes(function, library):
    """Counts the nodes of a function and of those that it can reach, once each.

    Args:
        function: `FunctionDef`.
        library: Dict of others by name.

    Returns:
        `Counter` of `(kind, type)`.
    """
    count, waiting, seen = collections.Counter(), [function], set()
    while waiting:
        for node in live_nodes(waiting.pop()):
            count[describe(node)] += 1
            if is_compiled(node):
                continue
            new = set(called_functions(node)) - seen
            seen |= new
            waiting += [library[name] for name in sorted(new)]
    return count


def executed_nodes(function, library):
    """Counts the nodes that one run of a function executes.

    Args:
        function: `FunctionDef`.
        library: Dict of others by name, each counted as often as it is called.

    Returns:
        `Counter` of `(kind, type)`.
    """

    @functools.cache
    def count_named(name):
        return count(library[name])

    def count(function):
        total = collections.Counter()
        for node in live_nodes(function):
            total[describe(node)] += 1
            if is_compiled(node):
                continue
            for name in called_functions(node):
                total += count_named(name)
        return total

    return count(function)


def live_nodes(function):
    """Returns the nodes of a `FunctionDef` that a result or an effect needs."""
    nodes = {node.name: node for node in function.node_def}
    waiting = [*function.ret.values(), *function.control_ret.values()]
    live = {}
    while waiting:
        # "name:output:0", "^name" of what only has to run before, or an argument.
        name = waiting.pop().removeprefix("^").split(":")[0]
        if name in nodes and name not in live:
            live[name] = nodes[name]
            waiting += nodes[name].input
    return list(live.values())


def describe(node):
    """Returns the kind and the type of a node."""
    if is_compiled(node):
        return "kernel", "of XLA"
    if node.op in CALLS:
        return "call", node.op
    if node.op in BOOKKEEPING or node.attr["T"].type in SHAPE_TYPES:
        return "bookkeeping", node.op
    return "kernel", node.op


def is_compiled(node):
    """Whether XLA makes one executable of a call."""
    return node.op in CALLS and node.attr["_XlaMustCompile"].b


def called_functions(node):
    """Returns the names of the functions that a node runs."""
    if node.op not in CALLS:
        return []  # What others name is run elsewhere, as a gradient.
    names = []
    for value in node.attr.values():
        names += [value.func.name] if value.HasField("func") else []
        names += [each.name for each in value.list.func]
    return names


def by_type(count):
    """Returns a count as nested dicts, by kind and type."""
    return {
        kind: {name: number for (of, name), number in count.most_common() if of == kind}
        for kind in KINDS
    }


def print_tables(stored, executed, top):
    """Prints the totals and the most frequent kernels."""
    counts = (stored, executed)
    totals = [
        (kind, *(f"{sum(by_type(each)[kind].values()):,}" for each in counts))
        for kind in KINDS
    ]
    totals.append(("all", f"{stored.total():,}", f"{executed.total():,}"))
    header = ("nodes", "in the graph", "executed in a step")
    print(measuring.markdown_table(header, totals) + "\n")
    kernels = [key for key, _ in executed.most_common() if key[0] == "kernel"]
    rows = [(key[1], f"{stored[key]:,}", f"{executed[key]:,}") for key in kernels[:top]]
    print(measuring.markdown_table(("kernel", *header[1:]), rows))


if __name__ == "__main__":
    sys.exit(run_script(main))
