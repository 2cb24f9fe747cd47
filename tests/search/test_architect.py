"""The gradients of the alphas, against closed forms and automatic differentiation."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.operations import operation_names
from keras_atdarts.search import second_derivatives
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.loss import SupernetLoss
from keras_atdarts.search.second_derivatives import check_second_derivatives
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD

IMAGE_SHAPE = (9, 8, 1)  # Odd, not square, grey.
RATE, MOMENTUM, DECAY = 0.025, 0.9, 3e-4


class Toy:
    """The toy of the DARTS paper's figure 2: one weight, one alpha.

    `L_val = alpha * w - 2 * alpha + 1`, `L_train = (w - alpha)^2`. The batch is
    the name of the loss.
    """

    def __init__(self, weight, alpha, optimizer):
        self.num_classes, self.variable_dtype = 1, "float64"
        self.non_trainable_variables = self.metrics_variables = ()
        self.alpha_variables = [keras.Variable(alpha, dtype="float64")]
        self.alphas = mock.Mock(named=dict, weights=self.mixing)
        self.operation_weights = [keras.Variable(weight, dtype="float64")]
        self.optimizer = optimizer
        optimizer.build(self.operation_weights)

    def mixing(self, values=None, draw=None):
        return [tf.identity(x) for x in values or self.alpha_variables]

    def training_loss(self):
        return ToyLoss(self, self.loss)

    def loss(self, batch, weight, alpha):
        if batch == "train":
            return (weight - alpha) ** 2
        return alpha * weight - 2 * alpha + 1


class ToyLoss(SupernetLoss):
    """The loss of a toy, whose batch is not shared among replicas."""

    def __call__(self, batch, weights, mixing, statistics, kernels_learn=1.0):
        return self.function(batch, weights[0], mixing[0]), None, statistics


def gradients_of(architect, supernet, *batches):
    """Returns the gradients of a supernet's alphas."""
    loss = supernet.training_loss()
    return architect.gradients(loss, supernet.optimizer, *batches)[0]


@pytest.mark.parametrize("hessian", ["finite_difference", "exact"])
def test_the_second_order_of_a_toy_is_the_closed_form(hessian):
    """`w' = w - eta (m b + 2 (w - a) + c w)`, the gradient `w' - 2 + 2 eta a`."""
    weight, alpha, buffer = 2.0, -1.5, 0.7
    optimizer = SGD(RATE, MOMENTUM, coupled_weight_decay=DECAY, clip_norm=1e-6)
    toy = Toy(weight, alpha, optimizer)
    optimizer.buffers[0].assign(buffer)
    [gradient] = gradients_of(SecondOrder(hessian), toy, "train", "validation")
    rate = float(np.float32(RATE))
    step = MOMENTUM * buffer + 2 * (weight - alpha) + DECAY * weight
    expected = weight - rate * step - 2 + 2 * rate * alpha
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)
    assert toy.operation_weights[0].numpy() == weight
    assert optimizer.buffers[0].numpy() == buffer


def batch(seed):
    images = random_images((2, 6, *IMAGE_SHAPE), "float64")[seed]
    return tf.constant(images), tf.constant(np.arange(6, dtype="int32") % 3)


def numpy_values(variables):
    return [variable.numpy().copy() for variable in variables]


@pytest.fixture(scope="module")
def supernet():
    """A supernet in float64 whose momentum is that of a step already made."""
    supernet = Supernet(3, filters=4, num_cells=3, num_nodes=2, dtype="float64")
    supernet.build((None, *IMAGE_SHAPE))
    supernet.compile(SGD(RATE, MOMENTUM, coupled_weight_decay=DECAY), SGD(0.1))
    supernet.train_step((batch(0), batch(1)))
    return supernet


@pytest.fixture(scope="module")
def exact(supernet):
    """The exact gradients, and what was in the supernet before and after."""
    before = numpy_values([*supernet.variables, *supernet.optimizer.variables])
    gradients = gradients_of(SecondOrder("exact"), supernet, batch(0), batch(1))
    after = numpy_values([*supernet.variables, *supernet.optimizer.variables])
    return gradients, before, after


def relative_error(gradients, expected):
    difference = [x - y for x, y in zip(gradients, expected, strict=True)]
    return float(tf.linalg.global_norm(difference) / tf.linalg.global_norm(expected))


def test_exact_is_the_derivative_of_the_virtual_step(supernet, exact):
    """Differentiates through the step itself, written out once more."""
    alphas = [alpha.value for alpha in supernet.alpha_variables]
    loss_of = supernet.training_loss()
    weights = [tf.convert_to_tensor(w) for w in supernet.operation_weights]
    rate = tf.cast(supernet.optimizer.learning_rate, tf.float64)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(weights)
            loss, *_ = loss_of(batch(0), weights)
        stepped = [
            w - rate * (MOMENTUM * tf.convert_to_tensor(buffer) + gradient + DECAY * w)
            for w, gradient, buffer in zip(
                weights,
                inner.gradient(loss, weights),
                supernet.optimizer.buffers,
                strict=True,
            )
        ]
        loss, *_ = loss_of(batch(1), stepped)
    expected = outer.gradient(loss, alphas)
    assert relative_error(exact[0], expected) < 1e-12
    first = gradients_of(FirstOrder(), supernet, None, batch(1))
    assert relative_error(first, expected) > 1e-3  # The second order matters.


def test_nothing_of_the_supernet_changes(exact):
    _, before, after = exact
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_finite_difference_comes_to_the_exact_product(supernet, exact):
    """So close to the weights that no ReLU switches in between.

    One that does so adds an error of one part in epsilon: 461 at 1e-6 here.
    """
    architect = SecondOrder("finite_difference", epsilon=1e-8)
    gradients = gradients_of(architect, supernet, batch(0), batch(1))
    assert relative_error(gradients, exact[0]) < 1e-7


class SmoothToy(Toy):
    """`L_train = exp(alpha * w)`, whose finite difference is not exact."""

    def loss(self, batch, weight, alpha):
        if batch == "train":
            return tf.exp(alpha * weight)
        return super().loss(batch, weight, alpha)


def test_the_error_of_the_finite_difference_falls_with_the_square_of_epsilon():
    toy = SmoothToy(0.5, 0.7, SGD(RATE))
    [exact] = gradients_of(SecondOrder("exact"), toy, "train", "validation")
    errors = []
    for epsilon in (0.1, 0.01):
        architect = SecondOrder("finite_difference", epsilon)
        [gradient] = gradients_of(architect, toy, "train", "validation")
        errors.append(abs(float(gradient - exact)))
    np.testing.assert_allclose(errors[0] / errors[1], 100, rtol=0.01)


def test_a_validation_gradient_of_zero_gives_the_first_order():
    """Not nan: the finite difference divides by the gradient's norm."""
    toy = Toy(1.0, 0.0, SGD(RATE))
    [gradient] = gradients_of(SecondOrder(), toy, "train", "validation")
    rate = float(np.float32(RATE))
    np.testing.assert_allclose(gradient, 1 - rate * 2 - 2, rtol=1e-12)


def test_the_first_order_is_the_slope_of_the_loss(supernet):
    data = batch(1)
    gradients = gradients_of(FirstOrder(), supernet, None, data)
    generator = np.random.default_rng(0)
    for alpha, gradient in zip(supernet.alpha_variables, gradients, strict=True):
        direction = generator.normal(size=alpha.shape)
        start, step = alpha.numpy().copy(), 1e-5
        losses = []
        for sign in (1, -1):
            alpha.assign(start + sign * step * direction)
            losses.append(float(supernet.training_loss()(data)[0]))
        alpha.assign(start)
        slope = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5)


@pytest.mark.parametrize("architect", [FirstOrder, SecondOrder])
def test_regularizers_add_their_gradient(architect, supernet):
    def squares(alphas):
        values = [alphas[cell].operations.values for cell in ("normal", "reduction")]
        return tf.add_n([tf.reduce_sum(each**2) for each in values])

    plain = gradients_of(architect(), supernet, batch(0), batch(1))
    regular = gradients_of(
        architect(regularizers=[squares]), supernet, batch(0), batch(1)
    )
    for one, other, alpha in zip(plain, regular, supernet.alpha_variables, strict=True):
        np.testing.assert_allclose(other - one, 2 * alpha.numpy(), rtol=1e-9)


@keras.saving.register_keras_serializable(package="test_architect")
def no_rule(alphas):
    return 0.0


@pytest.mark.parametrize(
    "architect",
    [FirstOrder([no_rule]), SecondOrder("exact", 0.1, [no_rule])],
    ids=["first", "second"],
)
def test_architects_are_saved_whole(architect):
    saved = keras.saving.serialize_keras_object(architect)
    restored = keras.saving.deserialize_keras_object(saved)
    assert vars(restored) == vars(architect)


def test_mistakes_are_refused(supernet):
    with pytest.raises(InputError, match="Did you mean 'exact'"):
        SecondOrder("exakt")
    with pytest.raises(InputError, match="epsilon must be above 0. Received: 0"):
        SecondOrder(epsilon=0)
    with pytest.raises(InputError, match="keras_atdarts.SGD can tell"):
        other = Supernet(3, filters=4, num_cells=3)
        other.compile("sgd", "adam", architect=SecondOrder())


def test_every_operation_has_a_second_derivative():
    check_second_derivatives(operation_names())


def test_an_operation_without_second_derivative_is_named(monkeypatch):
    """TensorFlow's crop-and-resize has a first derivative only."""

    class Cropped:
        compute_dtype = variable_dtype = "float32"
        trainable_variables = ()

        def build(self, shape):
            pass

        def terms(self, source, weights):
            boxes = tf.constant([[0.0, 0.0, 0.5, 0.5]])
            crop = tf.image.crop_and_resize(source.x, boxes, [0], [2, 2])
            return [weights[0] * crop]

    monkeypatch.setattr(
        second_derivatives, "build_operation", lambda *_, **__: Cropped()
    )
    with pytest.raises(InputError, match="'cropped' has no second derivative"):
        check_second_derivatives(["cropped"])
