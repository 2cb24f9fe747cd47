"""The derived network: a genotype's cells, stacked, as a Functional Keras model.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    appendix A.
"""

import functools

import keras

from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.cell import NUM_INPUTS
from keras_atdarts.layers.classifier import AuxiliaryHead
from keras_atdarts.layers.classifier import Classifier
from keras_atdarts.layers.conv_bn import ConvBN
from keras_atdarts.layers.drop_path import DropPath
from keras_atdarts.networks.plan import STEM_MULTIPLIER
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.networks.plan import check_image_shape
from keras_atdarts.networks.plan import input_layer
from keras_atdarts.operations import build_operation
from keras_atdarts.operations import operation_names
from keras_atdarts.training.stateless import Stateless
from keras_atdarts.training.stateless import Variables
from keras_atdarts.training.stateless import recomputed


def build_network(
    genotype,
    input_shape,
    num_classes,
    filters=36,
    num_cells=20,
    stem="cifar",
    drop_path=False,
    auxiliary=False,
):
    """Returns the network that a genotype describes.

    Args:
        genotype: `Genotype`.
        input_shape: `(height, width, channels)` of the normalised images.
        num_classes: Integer.
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

    Returns:
        A `DerivedNetwork` from images to logits `(batch, num_classes)`,
        whose cells are Functional models as well.

    Raises:
        InputError: Unknown operation or stem, too small images, too few cells.

    Example:

    >>> network = build_network(Genotype.load("DARTS_V2"), (32, 32, 3), 10)
    >>> keras.utils.plot_model(network, "network.png", expand_nested=True)
    """
    genotype.check_operations(operation_names())
    if stem not in STEMS:
        raise unknown_name("stem", stem, STEMS)
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
    """A derived network: a Functional model."""

    def compile(self, *args, jit_compile=False, **kwargs):
        """Does what `keras.Model.compile` does.

        XLA compiles the steps only if it is asked for (`jit_compile=True`): networks
        of many cells take it minutes, and on CPUs its depthwise convolutions are
        very slow.
        """
        super().compile(*args, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)


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

    Its attribute `recompute`, `False` at first, says whether in training the
    backward pass computes its activations anew; it is not saved.
    """

    recompute = False

    def call(self, inputs, training=None, mask=None):
        run = functools.partial(super().call, training=training)
        if self.recompute and training:
            variables = Variables([self])
            cell = Stateless(variables, lambda *states: run(list(states)))
            return recomputed(cell, variables, *inputs)
        return run(inputs)


def recompute_cells(network):
    """Lets the cells of a network compute their activations anew, see `DerivedCell`."""
    for layer in network.layers:
        if isinstance(layer, DerivedCell):
            layer.recompute = True


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
    strides = 2 if plan.reduction and edge.source < NUM_INPUTS else 1
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
