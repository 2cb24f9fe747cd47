"""Cross-entropy of labels that are smoothed."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_atdarts")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits with integer labels, part of which all classes share.

    The true class has the target `1 - label_smoothing`, and every class, the true
    one too, `label_smoothing / num_classes` more. Keras smooths one-hot labels only.

    Args:
        label_smoothing: Float, at least 0 and below 1. With 0, the loss is the
            plain cross-entropy.
        **kwargs: Of `keras.losses.Loss`.

    Example:

    >>> network.compile(loss=SmoothedCrossentropy(0.1))

    Reference:
        Szegedy et al., Inception, 2016, https://arxiv.org/abs/1512.00567, section 7
    """

    def __init__(self, label_smoothing=0.0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "`label_smoothing` must be at least 0 and below 1. "
                f"Received: label_smoothing={label_smoothing}"
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        loss = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        if not self.label_smoothing:
            return loss
        of_all_classes = -ops.mean(ops.log_softmax(y_pred, axis=-1), axis=-1)
        return loss + self.label_smoothing * (of_all_classes - loss)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "dtype": self.dtype,
        }
