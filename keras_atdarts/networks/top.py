"""What stands where a network has its classifier, in the words of keras.applications.

Reference:
    https://keras.io/api/applications: `include_top` and `pooling`.
"""

import keras

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name

POOLS = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
}


def check_top(num_classes, auxiliary, include_top, pooling):
    """Raises `InputError` where arguments of `build_network` do not go together."""
    if include_top:
        if num_classes is None:
            raise InputError(
                "A network with a classifier needs num_classes, the number of classes. "
                "Received: num_classes=None. For one without, give include_top=False."
            )
        if pooling is not None:
            raise InputError(
                "With include_top=True the classifier pools by itself. Received: "
                f"pooling='{pooling}'. Leave it out, or give include_top=False."
            )
        return
    check_pooling(pooling)
    if num_classes is not None:
        raise InputError(
            "With include_top=False there are no classes. Received: "
            f"num_classes={num_classes}. Leave it out, or give include_top=True."
        )
    if auxiliary:
        raise InputError(
            "The auxiliary head is a second classifier. Received: auxiliary=True and "
            "include_top=False. Leave one of them out."
        )


def check_pooling(pooling):
    """Raises `InputError` for a pooling that there is not."""
    if pooling is not None and pooling not in POOLS:
        raise unknown_name("pooling", pooling, POOLS)


def pooled(feature_map, pooling, dtype):
    """Returns the features of images.

    Args:
        feature_map: Symbolic tensor `(batch, height, width, channels)`.
        pooling: `"avg"`, `"max"`, or `None` for the feature map itself.
        dtype: Dtype in which pixels are pooled: that of variables, as the classifier
            does it under mixed precision too.
    """
    if pooling is None:
        return feature_map
    return POOLS[pooling](dtype=dtype, name=f"{pooling}_pool")(feature_map)
