"""The cost that a derived network is expected to have, and a target for it."""

import math

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.derivation import EDGES_PER_NODE
from keras_atdarts.genotypes.derivation import NONE
from keras_atdarts.search.mixing_weights import by_node
from keras_atdarts.search.mixing_weights import edge_weights
from keras_atdarts.search.operation_costs import OperationCosts
from keras_atdarts.search.regularizers import Penalty
from keras_atdarts.search.samplers import SMALLEST
from keras_atdarts.search.samplers import normalised

# Before the name of a measure, in the logs.
EXPECTED = "expected_"
DERIVED = "derived_"


def expected_cost(costs, weights):
    """Returns the expected cost of the network derived from mixing weights.

    A derived node keeps two edges, each with one operation. The model draws each of the
    two among all operations `o` but `none`, on all edges `e` that enter the node, with
    probabilities in proportion to the weights `w`, of which it is a smooth function:

        E = fixed + sum over nodes of 2 (sum of w[e, o] c[e, o]) / (sum of w[e, o])

    Here `c[e, o]` is the cost of the operation in all cells of its type. With edge
    normalization `w` is times the weight of its edge. Where attention follows, `c` is
    plus the costs of all attentions, times their weights.

    At both ends of a search this is exact: for equal weights it is the mean over all
    genotypes of the space, and for the weights of one genotype, which are 1 for its
    operations and 0 for others but `none`, its cost. Between them the derivation, which
    takes the strongest of different edges, differs from draws.

    Args:
        costs: `OperationCosts`.
        weights: `{cell type: CellAlphas of tensors}`, `(num_edges, num_choices)`; those
            of edges `(num_edges, 1)` or None.

    Returns:
        Scalar tensor.

    Reference:
        Cai, Zhu, Han, ProxylessNAS, ICLR 2019, https://arxiv.org/abs/1812.00332,
        section 3.3: the sum of probabilities times costs; there each layer keeps one
        operation, so that no edges are chosen
    """
    cells = [_of_cell(costs, name, each) for name, each in weights.items()]
    return tf.add_n(cells) + tf.constant(costs.fixed, cells[0].dtype)


def _of_cell(costs, cell_type, weights):
    """Returns the expected cost of the nodes of all cells of a type."""
    names, values = costs.choices.operations, weights.operations
    of_choices = costs.cells[cell_type].map(lambda x: tf.constant(x, values.dtype))
    of_choice = of_choices.operations
    if weights.attention is not None:
        # Of these each edge keeps one, also where a sampler's weights sum to more.
        gates = normalised(weights.attention) * of_choices.attention
        of_choice += tf.reduce_sum(gates, axis=-1, keepdims=True)
    kept = values * tf.constant([float(name != NONE) for name in names], values.dtype)
    if weights.edges is not None:
        kept *= weights.edges
    pairs = (by_node(x, costs.num_nodes) for x in (kept, of_choice))
    return tf.add_n([_of_node(*each) for each in zip(*pairs, strict=True)])


def _of_node(weights, costs):
    shares = weights / tf.maximum(tf.reduce_sum(weights), SMALLEST)
    return EDGES_PER_NODE * tf.reduce_sum(shares * costs)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class CostTarget(Penalty):
    """`strength * max(0, log(E / target))`: what the expected cost is above a target.

    Below the target neither loss nor gradient change. Above it the gradient is that of
    the relative cost, `grad E / E`, so that one strength serves networks of any size.

    Args:
        costs: `OperationCosts`, also as its `get_config`.
        target: Float, in multiply-adds of one image, or in parameters.
        strength: Float, or a `LearningRateSchedule` of steps.

    Raises:
        InputError: No network of the search space costs so little.

    Example:

    >>> costs = operation_costs("multiply_adds", supernet.choices, (32, 32, 3), 10)
    >>> architect = FirstOrder([CostTarget(costs, 400e6)])

    Reference:
        Tan et al., MnasNet, CVPR 2019, https://arxiv.org/abs/1807.11626, equations 2
        and 3: the negative logarithm of `(E / target) ** w` with `w = -strength` above
        the target and 0 below; the expected cost `E` in its place, see `expected_cost`
    """

    def __init__(self, costs, target, strength=1.0):
        if isinstance(costs, dict):
            costs = OperationCosts.from_config(costs)
        super().__init__(f"target of {costs.measure}", strength)
        smallest = costs.smallest()
        if not math.isfinite(target) or target < smallest:
            raise InputError(
                f"The target of {target:,.0f} {costs.measure} is below the smallest "
                f"network of the search space, which has {smallest:,}. Give at least "
                "that, or a smaller network to be trained."
            )
        self.costs = costs
        self.target = target

    def expected(self, alphas):
        """Returns the expected cost, given the alphas as for regularizers."""
        return expected_cost(
            self.costs, {name: self._weights(each) for name, each in alphas.items()}
        )

    def _weights(self, of_cell):
        weights = of_cell._replace(edges=None).map(lambda each: each.weights.values)
        if of_cell.edges is None:
            return weights
        nodes = self.costs.num_nodes
        return weights._replace(edges=edge_weights(of_cell.edges.values, nodes))

    def penalty(self, alphas):
        expected = self.expected(alphas)
        target = tf.constant(self.target, expected.dtype)
        return tf.nn.relu(tf.math.log(expected / target))

    def get_config(self):
        strength = super().get_config()["strength"]
        costs = self.costs.get_config()
        return {"costs": costs, "target": self.target, "strength": strength}


class CostMonitor(keras.callbacks.Callback):
    """Adds what networks cost to the logs of each epoch.

    Of each target these are `expected_multiply_adds` (or `_parameters`), see
    `expected_cost`, and `derived_multiply_adds`, of the genotype derived by then. It
    stands before the callbacks that record the logs.

    Args:
        targets: List of `CostTarget`s.
        derive: Function from labelled alphas to a `Genotype`.
    """

    def __init__(self, targets, derive):
        super().__init__()
        self.targets = targets
        self.derive = derive

    def on_epoch_end(self, epoch, logs=None):
        genotype = self.derive(self.model.labelled_alphas())
        for each in self.targets:
            expected = each.expected(self.model.alphas.named())
            logs[EXPECTED + each.costs.measure] = float(expected)
            logs[DERIVED + each.costs.measure] = each.costs.of_genotype(genotype)
