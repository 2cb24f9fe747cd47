"""The derived network: a genotype's cells, stacked, as a Functional Keras model.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    appendix A.
"""

import functools
import json

import keras
import tensorflow as tf

from keras_atdarts.errors import unknown_name
from keras_atdarts.kernels import Source
from keras_atdarts.kernels.replicas import num_replicas
from keras_atdarts.kernels.replicas import read_here
from keras_atdarts.kernels.traced import Traced
from keras_atdarts.layers.batch_normalization import is_synchronized
from keras_atdarts.layers.classifier import AuxiliaryHead
from keras_atdarts.layers.classifier import Classifier
from keras_atdarts.layers.conv_bn import ConvBN
from keras_atdarts.layers.drop_path import DropPath
from keras_atdarts.networks.plan import STEM_MULTIPLIER
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.networks.plan import check_image_shape
from keras_atdarts.networks.plan import edge_strides
from keras_atdarts.networks.plan import input_layer
from keras_atdarts.networks.top import check_top
from keras_atdarts.networks.top import pooled
from keras_atdarts.operations import build_operation
from keras_atdarts.operations import operation_names
from keras_atdarts.training.accumulation import average_over_parts
from keras_atdarts.training.optimizers import compile_updates
from keras_atdarts.training.stateless import SharedCalls
from keras_atdarts.training.stateless import assign_moved
from keras_atdarts.training.stateless import assigned_in_training


def build_network(
    genotype,
    input_shape,
    num_classes=None,
    filters=36,
    num_cells=20,
    stem="cifar",
    drop_path=False,
    auxiliary=False,
    include_top=True,
    pooling=None,
):
    """Returns the network that a genotype describes.

    Args:
        genotype: `Genotype`.
        input_shape: `(height, width, channels)` of the normalised images.
        num_classes: Integer; left out without a classifier.
        filters: Integer, the channels of a node in the first cells; doubled by
            each reduction cell.
        num_cells: Integer, at least 3; those at one and two thirds reduce.
        stem: `"cifar"`, one convolution, or `"imagenet"`, three that divide
            height and width by 8.
        drop_path: Boolean, whether paths can be dropped in training. The rate
            starts at 0; `DropPathSchedule` raises it.
        auxiliary: Boolean, whether a second head sits at two thirds of the
            network. The output is then `{"logits": ..., "auxiliary": ...}`;
            `without_auxiliary_head` gives the network to use after training.
        include_top: Boolean, whether the network ends in its classifier. Without, it
            is a backbone; `load_backbone` gives one that is trained.
        pooling: Without a classifier, what images become: `None`, the feature map
            `(batch, height, width, channels)` of the last cell; `"avg"`, its mean over
            pixels `(batch, channels)`, as in the classifier; `"max"`, their maximum.

    Returns:
        A `DerivedNetwork` from images to logits `(batch, num_classes)`, or to features,
        whose cells are Functional models as well.

    Raises:
        InputError: Unknown operation, stem or pooling, too small images, too few
            cells, or arguments that do not go together.

    Example:

    >>> network = build_network(Genotype.load("DARTS_V2"), (32, 32, 3), 10)
    >>> keras.utils.plot_model(network, "network.png", expand_nested=True)
    """
    genotype.check_operations(operation_names())
    if stem not in STEMS:
        raise unknown_name("stem", stem, STEMS)
    check_top(num_classes, auxiliary, include_top, pooling)
    policy = keras.config.dtype_policy()
    images = keras.Input(input_shape, name="images", dtype=policy.variable_dtype)
    states, num_halvings = STEMS[stem](images, filters)
    check_image_shape(input_shape, num_reductions=2 + num_halvings)
    plans = cell_plan(num_cells, filters, after_reduction=stem == "imagenet")
    cells = dict(genotype.cells())
    auxiliary_input = None
    for index, plan in enumerate(plans):
        cell = derived_cell(
            cells[plan.cell_type],
            plan,
            shapes=[state.shape[1:] for state in states],
            drop_path=drop_path,
            name=f"cell_{index}_{plan.cell_type}",
        )
        states = [states[1], cell(states)]
        if index == 2 * num_cells // 3:
            auxiliary_input = states[1]
    if not include_top:
        features = pooled(states[1], pooling, policy.variable_dtype)
        return DerivedNetwork(images, features, name="network")
    outputs = Classifier(num_classes, name="logits")(states[1])
    if auxiliary:
        head = AuxiliaryHead(
            num_classes,
            pool_strides=2 if stem == "imagenet" else 3,
            last_normalization=stem != "imagenet",
            name="auxiliary",
        )
        outputs = {"logits": outputs, "auxiliary": head(auxiliary_input)}
    return DerivedNetwork(images, outputs, name="network")


@keras.saving.register_keras_serializable(package="keras_atdarts")
class DerivedNetwork(keras.Model):
    """A derived network: a Functional model, which learns as any Keras model does.

    Its cells are one function for each kind, and its gradients are one function for
    all replicas; each is traced once.
    """

    gradient_accumulation = 1

    def compile(
        self,
        *args,
        jit_compile=False,
        recompute=False,
        gradient_accumulation=1,
        **kwargs,
    ):
        """Does what `keras.Model.compile` does.

        Args:
            *args: Of `keras.Model.compile`.
            jit_compile: Boolean, whether XLA compiles the cells: one function for
                each kind of cell, and one for its gradients. On CPUs its depthwise
                convolutions are very slow.
            recompute: Boolean, whether the backward pass computes the activations of
                each cell anew, which takes less memory and more time.
            gradient_accumulation: Integer, the equal parts in which each batch is
                worked off, see `Supernet.compile`.
            **kwargs: Of `keras.Model.compile`.
        """
        super().compile(*args, jit_compile=False, **kwargs)
        self.gradient_accumulation = gradient_accumulation
        self.calls = SharedCalls(recompute, jit_compile)
        compile_updates(jit_compile, self.optimizer)
        for layer in self.layers:
            if isinstance(layer, DerivedCell):
                layer.share(self.calls)
        self._traced_gradients = Traced(self._gradients)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return frozen_whole(super().from_config(config, custom_objects))

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def train_step(self, data):
        weights, moving = self.trainable_variables, assigned_in_training(self)
        gradients = self._traced_gradients
        # One replica need not share it; synchronized ones talk to each other within.
        if num_replicas() == 1 or is_synchronized(self):
            gradients = gradients.function
        averages, outputs, moved = gradients(
            data, [*map(read_here, weights)], [*map(read_here, moving)]
        )
        self.optimizer.apply(averages, weights)
        assign_moved(moving, moved)
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.calls.compile()
        loss = self._compute_loss(inputs, labels, outputs, sample_weight, training=True)
        size = tf.shape(tf.nest.flatten(inputs)[0])[0]
        self._loss_tracker.update_state(loss * num_replicas(), sample_weight=size)
        return self.compute_metrics(inputs, labels, outputs, sample_weight)

    def _gradients(self, data, weights, state):
        """Returns the gradients, the outputs, and what the step assigns."""
        trained, moving = self.trainable_variables, assigned_in_training(self)

        def of_part(part, state):
            inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(part)
            values = [tf.identity(weight) for weight in weights]
            mapping = zip([*trained, *moving], [*values, *state], strict=True)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                with keras.StatelessScope(state_mapping=mapping) as scope:
                    outputs = self(inputs, training=True)
                    loss = self._compute_loss(
                        inputs, labels, outputs, sample_weight, training=True
                    )
                    loss = self.optimizer.scale_loss(loss)
            moved = [scope.get_current_value(variable) for variable in moving]
            return tape.gradient(loss, values), outputs, moved

        outputs = tf.nest.map_structure(
            lambda output: tf.TensorSpec(output.shape, self.variable_dtype),
            self.output,
        )
        return average_over_parts(
            of_part, data, self.gradient_accumulation, weights, outputs, state
        )


def without_auxiliary_head(network):
    """Returns the network with its main output only; it shares the weights."""
    outputs = network.output
    if isinstance(outputs, dict):
        outputs = outputs["logits"]
    return DerivedNetwork(network.input, outputs, name=network.name)


def cifar_stem(images, filters):
    """One convolution. Returns the inputs of the first cell, and 0 halvings."""
    x = ConvBN(STEM_MULTIPLIER * filters, name="stem")(images)
    return [x, x], 0


def imagenet_stem(images, filters):
    """Three convolutions of stride 2. Returns the inputs of the first cell, and 3."""
    x = ConvBN(filters // 2, strides=2, name="stem_0")(images)
    x = keras.layers.ReLU(name="stem_0_relu")(x)
    first = ConvBN(filters, strides=2, name="stem_1")(x)
    x = keras.layers.ReLU(name="stem_1_relu")(first)
    return [first, ConvBN(filters, strides=2, name="stem_2")(x)], 3


STEMS = {"cifar": cifar_stem, "imagenet": imagenet_stem}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class DerivedCell(keras.Model):
    """A cell of the derived network: a Functional model.

    Its attribute `calls`, `None` at first, is what calls it in training, with all
    cells of its `kind`; a compiled `DerivedNetwork` sets both, and they are not saved.
    """

    calls = None
    kind = None

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return frozen_whole(super().from_config(config, custom_objects))

    def share(self, calls):
        """Lets `SharedCalls` call this cell in training, as it is now.

        Its kind says all of it but its name and its variables: what is frozen, too.
        """
        self.calls = calls
        frozen = [not layer.trainable for layer in self._flatten_layers()]
        config = {**self.get_config(), "name": None}
        self.kind = json.dumps([config, frozen], default=str)

    def call(self, inputs, training=None, mask=None):
        run = functools.partial(super().call, training=training)
        if not training or self.calls is None:
            return run(inputs)
        backend = Source(inputs[0], training=True).backend
        shapes = tuple(tuple(x.shape) for x in inputs)
        return self.calls(
            (self.kind, shapes, type(backend)),
            [self],
            lambda *states: run(list(states)),
            *inputs,
        )


def frozen_whole(model):
    """Returns a model that was read from a file, its frozen layers frozen whole.

    They make their parts, such as batch norms, when they are built, and Keras freezes
    them before that.
    """
    for layer in model.layers:
        if not layer.trainable and not isinstance(layer, keras.Model):
            for part in layer._flatten_layers(include_self=False):
                part.trainable = False
    return model


def derived_cell(cell_genotype, plan, shapes, drop_path=False, name=None):
    """Returns one cell as a Functional model.

    Args:
        cell_genotype: `CellGenotype`.
        plan: `CellPlan` of the cell's place in the network.
        shapes: `(height, width, channels)` of the outputs of cells k-2 and k-1.
        drop_path: Boolean, whether its paths can be dropped.
        name: String.

    Returns:
        A `DerivedCell` from the list of both outputs to this cell's output.
    """
    dtype = keras.config.dtype_policy().compute_dtype
    inputs = [
        keras.Input(shape, name=input_name, dtype=dtype)
        for shape, input_name in zip(shapes, ("c_k_2", "c_k_1"), strict=True)
    ]
    halvings = (plan.after_reduction, False)
    states = [
        input_layer(plan.filters, halve, affine=True, name=f"input_{index}")(x)
        for index, (halve, x) in enumerate(zip(halvings, inputs, strict=True))
    ]
    for node, edges in enumerate(cell_genotype.nodes):
        results = [
            _derived_edge(edge, _edge_name(node, index), plan, states, drop_path)
            for index, edge in enumerate(edges)
        ]
        states.append(_sum(results, f"node_{node}"))
    outputs = [states[source] for source in cell_genotype.concat]
    if len(outputs) > 1:
        outputs = [keras.layers.Concatenate(name="c_k")(outputs)]
    return DerivedCell(inputs, outputs[0], name=name)


def operation_layer(cell, node, index, edge):
    """Returns the operation on an edge of a derived cell.

    Args:
        cell: `DerivedCell`.
        node: Integer, the node that the edge leads to.
        index: Integer, which of the edges of that node.
        edge: `Edge`, as in the genotype that the cell was built of.

    Raises:
        ValueError: The cell was built of another genotype.
    """
    return cell.get_layer(_operation_name(_edge_name(node, index), edge))


def _edge_name(node, index):
    return f"node_{node}_edge_{index}"


def _operation_name(edge_name, edge):
    return "_".join((edge_name, *edge.parts))


def _derived_edge(edge, name, plan, states, drop_path):
    strides = edge_strides(plan.reduction, edge.source)
    operation = build_operation(
        edge.operation, plan.filters, strides, name=_operation_name(name, edge)
    )
    result = operation(states[edge.source])
    if drop_path and not operation.is_identity:
        result = DropPath(name=f"{name}_drop_path")(result)
    return result


def _sum(tensors, name):
    if len(tensors) == 1:
        return keras.layers.Identity(name=name)(tensors[0])
    return keras.layers.Add(name=name)(tensors)
