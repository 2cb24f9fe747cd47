"""Grad-CAM: what in the output of each cell speaks for a class, and where.

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
        Tensor `(batch, height, width)`, of which 0 says that nothing at a pixel
        speaks for the class.
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
            # Images do not mix outside of training: a sum has their own gradients.
            score = tf.reduce_sum(tf.gather(logits, classes, batch_dims=1))
        gradients = tape.gradient(score, features)
        return [
            class_activation(*pair) for pair in zip(features, gradients, strict=True)
        ]

    classes = tf.TensorSpec((None,), tf.int64, "classes")
    return tf.function(activate, input_signature=[image_batches(network), classes])


def with_outputs_of(network, layers):
    """Returns a model from images to `[logits, output of each layer]`.

    It shares the layers and their weights. The symbolic output of a layer that is a
    model itself belongs to the inside of that model, so the network is walked anew.
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
