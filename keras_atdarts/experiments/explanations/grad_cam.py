"""Grad-CAM: which pixels in the output of a cell speak for a class.

Reference:
    Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, ICCV 2017, https://arxiv.org/abs/1610.02391,
    equations 1 and 2.
"""

import keras
import tensorflow as tf

from keras_atdarts.experiments.explanations.gates import image_batches


def class_activation(features, gradients):
    """Returns the map of Grad-CAM: `relu(sum of mean gradient x feature)`.

    Args:
        features: Tensor `(batch, height, width, channels)`.
        gradients: Those of the class's logit by the features, of the same shape.

    Returns:
        Tensor `(batch, height, width)`. 0: nothing at this pixel speaks for the class.
    """
    weights = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))


def class_activations(network, layers):
    """Returns the function from images and classes to the maps of some layers.

    Args:
        network: Functional `keras.Model` from images to logits.
        layers: List of its layers, whose output has height and width.

    Returns:
        `tf.function` from normalised images, and integers `(batch,)`, the class of
        each, to a list of maps, see `class_activation`, one for each layer.
    """
    model = with_outputs_of(network, layers)

    def activate(images, classes):
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits, *features = model(images, training=False)
            # Outside of training images do not mix: each has its own gradient.
            score = tf.reduce_sum(tf.gather(logits, classes, batch_dims=1))
        gradients = tape.gradient(score, features)
        return [
            class_activation(*pair) for pair in zip(features, gradients, strict=True)
        ]

    classes = tf.TensorSpec((None,), tf.int64, "classes")
    return tf.function(activate, input_signature=[image_batches(network), classes])


def with_outputs_of(network, layers):
    """Returns a model from images to `[logits, output of each layer]`.

    It shares the layers and their weights. Cells are models: their symbolic outputs
    belong to their inside. So the layers of the network are called anew.
    """
    outputs = {}

    def call(layer, *arguments, **keywords):
        outputs[layer] = layer(*arguments, **keywords)
        return outputs[layer]

    walked = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    wanted = [outputs[layer] for layer in layers]
    return keras.Model(walked.input, [walked.output, *wanted])
