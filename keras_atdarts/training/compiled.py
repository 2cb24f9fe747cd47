"""Functions of layers in training that XLA compiles: one forwards, one backwards.

Reference:
    Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016,
    https://arxiv.org/abs/1604.06174: what is cheap is computed anew.
"""

import concurrent.futures

import tensorflow as tf

from keras_atdarts.kernels.choice import has_gpus
from keras_atdarts.kernels.xla import traced_for_xla

# Of these the backward pass reads the results. All else of the forward pass it computes
# anew where it reads it: ReLUs, batch norms, pools, sums and depthwise convolutions.
COSTLY = frozenset(("BatchMatMulV2", "Conv2D", "MatMul", "Mean", "Sum"))


class Compiled:
    """A function without side effects and its gradient, each compiled by itself.

    One forward function serves all passes. Where nobody asks for the gradients of
    weights, the backward function leaves them out: XLA would compute them.

    Args:
        function: Function from lists of weights, of state and of tensors to a tensor
            and the list of the moved state, which is not differentiated.
        compiler: `Compiler`.
        recompute: Boolean, whether the backward pass computes the costly results anew
            as well.
    """

    def __init__(self, function, compiler, recompute=False):
        self.function = function
        self.compiler = compiler
        self.kept_types = frozenset() if recompute else COSTLY
        self._passes = {}

    def __call__(self, weights, state, tensors, weights_learn=True):
        """Returns what the function returns, ready to be differentiated once.

        Args:
            weights, state, tensors: Lists of tensors.
            weights_learn: Boolean, whether anybody asks for the gradients of weights.
        """
        passes = self._passes_for(weights, state, tensors)

        @tf.custom_gradient
        def forward(*arguments):
            # A tape that watches them would keep all that is computed within.
            unwatched = [tf.stop_gradient(each) for each in arguments]
            result, moved, kept = passes.forward(unwatched)

            def gradient(upstream, *_):
                found = passes.backward(arguments, kept, upstream, weights_learn)
                return [x if x is None else differentiated(x) for x in found]

            return (result, *moved), gradient

        result, *moved = forward(*weights, *state, *tensors)
        return result, moved

    def _passes_for(self, weights, state, tensors):
        groups = [
            [tf.TensorSpec(each.shape, each.dtype) for each in group]
            for group in (weights, state, tensors)
        ]
        key = tuple((each.shape, each.dtype) for group in groups for each in group)
        if key not in self._passes:
            with tf.init_scope():
                self._passes[key] = Passes(
                    self.function, groups, self.kept_types, self.compiler
                )
        return self._passes[key]


class Passes:
    """Both passes of a function for arguments of some shapes, cut out of one graph.

    Args:
        function, compiler: See `Compiled`.
        groups: Three lists of `tf.TensorSpec`: weights, state and tensors.
        kept_types: Set of the types of operations whose results are kept.
    """

    def __init__(self, function, groups, kept_types, compiler):
        self._groups = groups
        self._compiler = compiler
        with tf.Graph().as_default() as graph, traced_for_xla():
            self._trace(function)
        self._definition = graph.as_graph_def()
        gradients = [each for each in self._gradients if each is not None]
        self._kept = cut(gradients, self._upstream, kept_types)
        self._forward = self._compiled(
            self._arguments, [self._result, *self._moved, *self._kept]
        )
        self._backwards = {}

    def _trace(self, function):
        self._arguments = [
            tf.compat.v1.placeholder(each.dtype, each.shape)
            for group in self._groups
            for each in group
        ]
        weights, state, tensors = self._split(self._arguments)
        result, moved = function(weights, state, tensors)
        self._result = tf.identity(result)
        self._moved = [tf.identity(each) for each in moved]
        # It stands for what backward passes are given.
        self._upstream = tf.zeros_like(result)
        learned = [*weights, *tensors]
        found = [
            None if each is None else tf.identity(each)
            for each in tf.gradients(result, learned, self._upstream)
        ]
        of_weights, of_tensors = found[: len(weights)], found[len(weights) :]
        self._gradients = [*of_weights, *[None] * len(state), *of_tensors]

    def _split(self, arguments):
        """Returns a list in three: of weights, of state, of tensors."""
        arguments = iter(arguments)
        return [[next(arguments) for _ in group] for group in self._groups]

    def _compiled(self, feeds, fetches):
        """Returns the part of the graph between tensors as a function of lists."""
        part = part_between(self._definition, feeds, fetches)
        names = [each.name for each in fetches]

        def call(*tensors):
            given = {x.name: y for x, y in zip(feeds, tensors, strict=True)}
            return tf.graph_util.import_graph_def(part, given, names, name="")

        function = tf.function(call, autograph=False, jit_compile=True)
        specs = [tf.TensorSpec(each.shape, each.dtype) for each in feeds]
        function = function.get_concrete_function(*specs)
        self._compiler.start(function)
        return function

    def forward(self, arguments):
        """Returns the result, the moved state, and what the backward pass reads."""
        result, *others = self._forward(*arguments)
        count = len(self._moved)
        return result, others[:count], others[count:]

    def backward(self, arguments, kept, upstream, weights_learn):
        """Returns the gradients of the arguments, `None` where there are none.

        Args:
            arguments, kept: Of `forward`.
            upstream: Tensor, the gradient of the result.
            weights_learn: See `Compiled`.
        """
        if weights_learn not in self._backwards:
            self._backwards[weights_learn] = self._make_backward(weights_learn)
        function, wanted = self._backwards[weights_learn]
        found = iter(function(*arguments, *kept, upstream))
        return [next(found) if each else None for each in wanted]

    def _make_backward(self, weights_learn):
        weights, state, tensors = self._split(self._gradients)
        if not weights_learn:
            weights = [None] * len(weights)
        gradients = [*weights, *state, *tensors]
        fetches = [each for each in gradients if each is not None]
        feeds = [*self._arguments, *self._kept, self._upstream]
        return self._compiled(feeds, fetches), [x is not None for x in gradients]


def part_between(definition, feeds, fetches):
    """Returns the `GraphDef` of what is computed of some tensors to get others.

    Args:
        definition: `GraphDef` of the whole graph.
        feeds, fetches: Lists of tensors of the graph.
    """
    nodes = {node.name: node for node in definition.node}
    # The functions that operations call.
    part = tf.compat.v1.GraphDef(library=definition.library)
    for tensor in feeds:  # What gives is replaced; XLA knows no placeholders.
        node = part.node.add(name=tensor.op.name, op="Const")
        node.attr["dtype"].type = tensor.dtype.as_datatype_enum
        nothing = tf.make_tensor_proto([], tensor.dtype, [0])
        node.attr["value"].tensor.CopyFrom(nothing)
    found = {tensor.op.name for tensor in feeds}
    waiting = [tensor.op.name for tensor in fetches]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            part.node.append(nodes[name])
            # That it stands on the device of an operation that may be left out.
            part.node[-1].attr.pop("_class", None)
            # "name:1", or "^name" of what only has to run before.
            waiting += [x.removeprefix("^").split(":")[0] for x in nodes[name].input]
    return part


def cut(gradients, upstream, kept_types):
    """Returns what gradients need of the forward pass, if the rest is computed anew.

    Args:
        gradients: List of tensors of a graph.
        upstream: The tensor that they begin with.
        kept_types: Set of the types of operations whose results need not be computed
            anew.
    """
    backward = operations_after(upstream)
    found, seen, waiting = [], set(), list(gradients)
    while waiting:
        tensor = waiting.pop()
        if tensor is upstream or tensor.ref() in seen:
            continue
        seen.add(tensor.ref())
        if tensor.op.type in kept_types and tensor.op not in backward:
            found.append(tensor)
        else:
            waiting += tensor.op.inputs
    return found


def operations_after(tensor):
    """Returns the set of all operations that depend on a tensor."""
    found, waiting = set(), [tensor]
    while waiting:
        new = set(waiting.pop().consumers()) - found
        found |= new
        waiting += [output for operation in new for output in operation.outputs]
    return found


def differentiated(tensor):
    """Returns a tensor; to differentiate it again raises `LookupError`."""
    message = "What XLA compiles is differentiated once. Leave out jit_compile."
    return tf.raw_ops.PreventGradient(input=tensor, message=message)


class Compiler:
    """Makes XLA compile functions side by side, while more of them are traced.

    A step would make it compile one after the other. So would one graph of all calls:
    on a GPU, TensorFlow starts its operations from one thread.
    """

    def __init__(self):
        self._threads = concurrent.futures.ThreadPoolExecutor()
        self._waiting = []

    def start(self, function):
        """Begins to compile a `ConcreteFunction` for a GPU, by calling it with zeros.

        One that takes shapes that are not known is left until it is called. So are
        those for CPUs, where the call itself takes long.
        """
        known = all(each.shape.is_fully_defined() for each in function.inputs)
        if known and has_gpus():
            self._waiting.append(self._threads.submit(call_with_zeros, function))

    def wait(self):
        """Returns when all is compiled that was started."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.result()


def call_with_zeros(function):
    """Calls a `ConcreteFunction` by a graph, as steps do.

    What XLA compiles for an eager call, it compiles again for a step.
    """
    with tf.init_scope():
        zeros = [tf.zeros(each.shape, each.dtype) for each in function.inputs]
        tf.function(lambda *tensors: function(*tensors), autograph=False)(*zeros)
