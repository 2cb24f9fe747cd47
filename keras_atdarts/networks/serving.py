"""The signatures of a SavedModel: what programs and servers call with raw images."""

import tensorflow as tf

from keras_atdarts.data import images as image_functions
from keras_atdarts.data.decoding import decode

ANY_SIZE = "serving_default"  # The one that TensorFlow Serving takes by itself.
NETWORK_SIZE = "network_size"
DECODE = "decode"


class RawImageClassifier(tf.Module):
    """A network with what comes before and after it: raw images to probabilities.

    Args:
        network: A `keras.Model` from normalised images to logits. Its weights are
            those of this moment.
        dataset: Dict, from `ImageDataset.description`.
        assets: Paths of files that the SavedModel carries.
    """

    def __init__(self, network, dataset, assets=()):
        super().__init__()
        self.assets = [tf.saved_model.Asset(str(path)) for path in assets]
        height, width, channels = dataset["image_shape"]
        network_size = (None, height, width, channels)
        any_size = (None, None, None, channels)
        # A function of its own, so that the signatures share its constants.
        normalized = tf.TensorSpec(network_size, tf.float32, "normalized")
        infer = tf.function(with_constants(network), input_signature=[normalized])
        classify = pixel_classifier(infer, dataset)

        # The specifications below do not make TensorFlow check the images, and
        # normalising would make three channels of one.
        def of_any_size(images):
            images = tf.ensure_shape(images, any_size)
            return classify(resize_as_for_tests(images, dataset))

        def of_network_size(images):
            return classify(tf.ensure_shape(images, network_size))

        images = tf.TensorSpec(any_size, tf.uint8, "images")
        pixels = tf.TensorSpec(network_size, tf.float32, "images")
        self.of_any_size = tf.function(of_any_size, input_signature=[images])
        self.of_network_size = tf.function(of_network_size, input_signature=[pixels])
        self.decode = image_decoder(channels)

    def signatures(self):
        """Returns the functions by the names that the SavedModel gives them."""
        return {
            ANY_SIZE: self.of_any_size,
            NETWORK_SIZE: self.of_network_size,
            DECODE: self.decode,
        }


def pixel_classifier(infer, dataset):
    """Returns the function from pixels to probabilities, by name.

    It takes images of the network's size with values from 0 to 255, of any dtype.
    All of it has kernels in LiteRT, unlike resizing.

    Args:
        infer: Function from normalised images to logits.
        dataset: Dict, from `ImageDataset.description`.
    """

    def classify(images):
        logits = infer(
            image_functions.normalize(images, dataset["mean"], dataset["std"])
        )
        return {"probabilities": tf.nn.softmax(tf.cast(logits, tf.float32))}

    return classify


def image_decoder(channels):
    """Returns the function from the bytes of an image file to its pixels."""

    def image_of(content):
        return {"image": decode(content, (None, None, channels))}

    spec = tf.TensorSpec((), tf.string, "content")
    return tf.function(image_of, input_signature=[spec])


def resize_as_for_tests(images, dataset):
    """Returns uint8 images in the size of the network, resized as test images are."""
    return image_functions.resize(
        images, dataset["image_shape"][:2], dataset.get("central_fraction", 1.0)
    )


def with_constants(network):
    """Returns the function from images to logits, without variables.

    TensorFlow prepares constants for its kernels once, not in every call.
    """
    trained, others = (
        [variable.numpy() for variable in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    )

    def infer(images):
        logits, _ = network.stateless_call(trained, others, images, training=False)
        return logits

    return infer
