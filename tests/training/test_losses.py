import keras
import numpy as np
import pytest

from keras_atdarts.training.losses import SmoothedCrossentropy

LOGITS = np.array([[2.0, -1.0, 0.5, 0.25], [0.0, 3.0, -2.0, 1.0]])
LABELS = np.array([0, 2])


def by_hand(logits, labels, label_smoothing):
    """The targets of the reference, multiplied by the logarithms of the softmax."""
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    num_classes = logits.shape[-1]
    targets = (1 - label_smoothing) * np.eye(num_classes)[labels]
    targets += label_smoothing / num_classes
    return -(targets * log_probabilities).sum(axis=-1).mean()


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-6), ("float64", 1e-14)])
def test_loss_is_that_of_the_reference(label_smoothing, dtype, rtol):
    loss = SmoothedCrossentropy(label_smoothing, dtype=dtype)(LABELS, LOGITS)
    assert keras.backend.standardize_dtype(loss.dtype) == dtype
    expected = by_hand(LOGITS, LABELS, label_smoothing)
    np.testing.assert_allclose(loss, expected, rtol=rtol)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_loss_equals_that_of_keras_on_one_hot_labels(label_smoothing):
    reference = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing
    )
    expected = reference(np.eye(4)[LABELS], LOGITS)
    received = SmoothedCrossentropy(label_smoothing)(LABELS, LOGITS)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_configuration_round_trip():
    loss = SmoothedCrossentropy(0.1, dtype="float64")
    config = keras.saving.serialize_keras_object(loss)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.get_config() == loss.get_config()
    np.testing.assert_array_equal(restored(LABELS, LOGITS), loss(LABELS, LOGITS))


@pytest.mark.parametrize("label_smoothing", [-0.1, 1.0])
def test_unusable_smoothing_is_refused(label_smoothing):
    with pytest.raises(ValueError, match=f"label_smoothing={label_smoothing}"):
        SmoothedCrossentropy(label_smoothing)
