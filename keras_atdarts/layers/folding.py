"""Networks for inference, in which convolutions do the work of batch norms.

With frozen statistics, a batch norm multiplies every channel by a factor and adds
a shift. The factor can as well be multiplied into the kernel of the convolution
before it, whose bias the shift then is.
"""

import keras


def folded(network):
    """Returns a network for inference that computes what another does, faster.

    Its batch norms only add: each kernel before one contains its factors. Not to
    be trained: `training` does not matter to them any more.

    A layer takes part that has a method `normalized_kernels`, which returns pairs:
    a tuple of kernels, and the `BatchNormalization` of what they give. Kernels have
    their channels in the last axis; those of several stand side by side.

    Args:
        network: A Functional `keras.Model`, which stays as it is.

    Example:

    >>> fast = folded(keras.saving.load_model("network.keras"))
    """
    copy = keras.Model.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    fold(copy)
    return copy


def fold(layer):
    """Folds the batch norms in a built layer or model into their kernels.

    Those of a supernet stay: alphas are their factors.
    """
    for part in layer._flatten_layers():
        if hasattr(part, "normalized_kernels"):
            for kernels, normalization in part.normalized_kernels():
                if normalization.affine:
                    normalization.fold_into(kernels)
