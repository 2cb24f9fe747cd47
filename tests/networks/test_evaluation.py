import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.evaluation import evaluate
from keras_atdarts.networks.multiply_adds import count_multiply_adds

LABELS = [0, 0, 1, 1, 1]
PREDICTIONS = [0, 2, 1, 1, 0]


def model_that_says_its_input(num_classes):
    inputs = keras.Input((num_classes,))
    return keras.Model(inputs, keras.layers.Identity()(inputs))


def batches_of(predictions, labels, num_classes):
    logits = np.eye(num_classes, dtype="float32")[predictions]
    return tf.data.Dataset.from_tensor_slices((logits, labels)).batch(2)


def test_confusion_matrix_by_hand():
    result = evaluate(
        model_that_says_its_input(3),
        batches_of(PREDICTIONS, LABELS, 3),
        ("bag", "boot", "coat"),
    )
    expected = [[1, 0, 1], [1, 2, 0], [0, 0, 0]]
    np.testing.assert_array_equal(result["confusion_matrix"], expected)
    assert result["num_examples"] == 5
    assert result["accuracy"] == pytest.approx(3 / 5)
    assert result["class_accuracy"] == {"bag": 0.5, "boot": 2 / 3, "coat": None}
    assert "top_5_accuracy" not in result


def test_top_5_accuracy_by_hand():
    logits = np.tile(-np.arange(11.0), (6, 1)).astype("float32")
    labels = np.array([0, 0, 4, 4, 5, 10])  # In places 1, 1, 5, 5, 6 and 11.
    batches = tf.data.Dataset.from_tensor_slices((logits, labels)).batch(4)
    result = evaluate(model_that_says_its_input(11), batches, "abcdefghijk")
    assert result["accuracy"] == 2 / 6
    assert result["top_5_accuracy"] == 4 / 6


def test_network_that_says_nothing_is_not_right_by_chance():
    logits, labels = np.zeros((22, 11), "float32"), np.arange(22) % 11
    batches = tf.data.Dataset.from_tensor_slices((logits, labels)).batch(4)
    result = evaluate(model_that_says_its_input(11), batches, "abcdefghijk")
    assert result["accuracy"] == 1 / 11 and result["top_5_accuracy"] == 5 / 11


def test_evaluation_uses_inference_mode():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dropout(0.99)(inputs))
    labels = np.arange(300) % 3
    result = evaluate(model, batches_of(labels, labels, 3), "abc")
    assert result["accuracy"] == 1.0


def test_network_for_other_classes_is_refused():
    with pytest.raises(InputError, match="2 classes.*trained for 3"):
        evaluate(model_that_says_its_input(3), [], ("bag", "boot"))


def test_parameters_are_those_that_training_changes():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, use_bias=False),
            keras.layers.BatchNormalization(),
        ]
    )
    assert count_parameters(model) == 3 * 3 * 3 * 4 + 2 * 4


def count_layer(layer, input_shape):
    return count_multiply_adds(keras.Sequential([layer]), input_shape)


@pytest.mark.parametrize(
    ("layer", "input_shape", "expected"),
    [
        (keras.layers.Conv2D(5, 3, padding="same"), (9, 8, 4), 72 * 5 * 9 * 4),
        (
            keras.layers.Conv2D(5, 3, strides=2, padding="same"),
            (9, 8, 4),
            5 * 4 * 5 * 9 * 4,
        ),
        (keras.layers.Conv2D(5, 3), (9, 8, 4), 7 * 6 * 5 * 9 * 4),
        (keras.layers.Conv2D(6, 1, groups=2), (9, 8, 4), 72 * 6 * 2),
        (keras.layers.DepthwiseConv2D(5, padding="same"), (9, 8, 4), 72 * 4 * 25),
        (
            keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
            (8, 8, 4),
            16 * 4 * 9,
        ),
        (
            keras.layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
            (7, 7, 4),
            49 * 4 * 9,
        ),
        (
            keras.layers.Conv2D(5, 3, dilation_rate=2, padding="same"),
            (7, 9, 4),
            63 * 5 * 9 * 4,
        ),
        (keras.layers.SeparableConv2D(5, 3), (5, 5, 4), 9 * 4 * 9 + 9 * 4 * 5),
        (keras.layers.Dense(5), (4,), 4 * 5),
        (keras.layers.Dense(5), (9, 8, 4), 72 * 4 * 5),
        (keras.layers.BatchNormalization(), (9, 8, 4), 0),
        (keras.layers.AveragePooling2D(2), (8, 8, 4), 0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_multiply_adds_by_hand(layer, input_shape, expected):
    assert count_layer(layer, input_shape) == expected


@keras.saving.register_keras_serializable(package="keras_atdarts_tests")
class Twice(keras.layers.Layer):
    """Calls one traced function, a dilated convolution, two times."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(3, 3, input_shape[-1], 1))

    @tf.function
    def convolve(self, inputs):
        return tf.nn.depthwise_conv2d(
            inputs, self.kernel, [1, 1, 1, 1], "SAME", dilations=[2, 2]
        )

    def call(self, inputs):
        return self.convolve(self.convolve(inputs))


def test_multiply_adds_inside_functions_count_at_every_call():
    inputs = keras.Input((7, 7, 4))
    model = keras.Model(inputs, Twice()(inputs))
    assert count_multiply_adds(model, (7, 7, 4)) == 2 * 49 * 4 * 9


def test_multiply_adds_of_a_plain_function():
    kernel = tf.ones((4, 5))
    assert count_multiply_adds(lambda inputs: inputs @ kernel, (3, 4)) == 3 * 4 * 5


def test_unknown_shape_is_an_error():
    model = keras.Sequential([keras.layers.Conv2D(5, 3)])
    with pytest.raises(ValueError, match="known before the network runs"):
        count_multiply_adds(model, (None, 8, 4))


def test_operation_that_cannot_be_counted_is_an_error():
    with pytest.raises(ValueError, match="Conv2DBackpropInput"):
        count_layer(keras.layers.Conv2DTranspose(5, 3), (8, 8, 4))


def test_multiply_adds_of_a_published_network():
    """MobileNet has 569 million at 224x224 (Howard et al., 2017, table 4)."""
    model = keras.applications.MobileNet(weights=None)
    assert count_multiply_adds(model, (224, 224, 3)) == pytest.approx(569e6, rel=0.01)
