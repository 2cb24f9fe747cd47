import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.networks.derived import build_network
from keras_atdarts.operations import attention_names
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam

IMAGE_SHAPE = (9, 8, 1)  # Odd, not square, grey.
NUM_CLASSES = 3
SMALL_SPACE = ("none", "skip_connect", "sep_conv_3x3")


def make_supernet(**kwargs):
    supernet = Supernet(NUM_CLASSES, filters=4, num_cells=3, **kwargs)
    supernet.build((None, *IMAGE_SHAPE))
    return supernet


def batch(seed=0, dtype="float32"):
    images = random_images((2, 6, *IMAGE_SHAPE), dtype)[seed]
    labels = np.arange(6, dtype="int32") % NUM_CLASSES
    return tf.constant(images), tf.constant(labels)


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def changed(before, variables):
    return [
        np.any(old != variable.numpy())
        for old, variable in zip(before, variables, strict=True)
    ]


@pytest.fixture(scope="module")
def supernet():
    """A supernet that every test compiles for itself; building is slow."""
    return make_supernet()


def test_weights_of_the_reference():
    supernet = Supernet(10, filters=16, num_cells=8, operations="darts")
    supernet.build((None, 32, 32, 3))
    assert sum_of(supernet.operation_weights) == 1_930_618
    assert [tuple(alpha.shape) for alpha in supernet.alpha_variables] == [(14, 8)] * 2


@pytest.fixture
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # Keras cuts what does not fit.


def summary_of(supernet):
    """Returns the rows of the summary, `{name: (shape, parameters)}`, and its text."""
    lines = []
    supernet.summary(print_fn=lines.append)
    text = "\n".join(lines)
    found = re.findall(r"│ (\w+) \(\w+\) +│ (.+?) +│ +([\d,]+) │", text)
    return {name: (s, int(count.replace(",", ""))) for name, s, count in found}, text


def test_summary_has_a_row_for_each_part_and_all_parameters(supernet, wide_terminal):
    rows, text = summary_of(supernet)
    assert {name: shape for name, (shape, _) in rows.items()} == {
        "stem": "(None, 9, 8, 12)",
        "cell_0": "(None, 9, 8, 16)",
        "cell_1": "(None, 5, 4, 32)",
        "cell_2": "(None, 3, 2, 64)",
        supernet.classifier.name: "(None, 3)",
    }
    parts = (supernet.stem, *supernet.cells, supernet.classifier)
    counts = [count for _, count in rows.values()]
    assert counts == [part.count_params() for part in parts]
    total = f"Total params: {sum(counts) + 2 * 14 * 10:,} "
    assert total in text
    assert f"Non-trainable params: {sum_of(supernet.non_trainable_weights):,} " in text
    assert text.index(total) < text.index(
        "Alphas among them: 280 (normal_operations_alphas (14, 10), "
        "reduction_operations_alphas (14, 10))"
    )


def sum_of(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_summary_of_a_supernet_that_is_not_built(wide_terminal):
    rows, text = summary_of(Supernet(NUM_CLASSES, filters=4, num_cells=3))
    assert rows == {} and "unbuilt" in text and "Alphas" not in text


def test_alphas_are_apart_and_labelled(supernet):
    assert [tuple(alpha.shape) for alpha in supernet.alpha_variables] == [(14, 10)] * 2
    owned = {id(alpha) for alpha in supernet.alpha_variables}
    assert not owned & {id(weight) for weight in supernet.operation_weights}
    assert len(supernet.trainable_weights) == 2 + len(supernet.operation_weights)
    deviation = np.std(np.concatenate(values(supernet.alpha_variables)))
    assert 5e-4 < deviation < 2e-3
    labelled = supernet.labelled_alphas()
    row = cell_edges(4).index((2, 3))
    column = supernet.operations.index("channel_attention")
    expected = supernet.alpha_variables[1].numpy()[row, column]
    assert labelled["reduction"].operations[2, 3]["channel_attention"] == expected


def test_a_weight_step_leaves_the_alphas_and_the_reverse(supernet):
    weights, alphas = supernet.operation_weights, supernet.alpha_variables
    for weight_rate, alpha_rate in ((0.1, 0.0), (0.0, 0.1)):
        supernet.compile(SGD(weight_rate), SGD(alpha_rate))
        before = values(weights), values(alphas)
        supernet.train_step((batch(0), batch(1)))
        # A dead ReLU in a gate may leave a few weights without a gradient.
        share = np.mean(changed(before[0], weights))
        assert share > 0.9 if weight_rate else share == 0
        assert all(changed(before[1], alphas)) == bool(alpha_rate)


def test_alphas_learn_on_the_one_batch_and_weights_on_the_other(supernet):
    """A nan in a batch reaches exactly what learns on it."""
    poison = (batch()[0] * np.nan, batch()[1])
    start = supernet.get_weights()
    for weight_batch, alpha_batch in ((poison, batch()), (batch(), poison)):
        supernet.set_weights(start)
        # A rate of 0 keeps poisoned alphas from the weights: nan * 0 is nan.
        supernet.compile(SGD(0.1), FrozenAfterUse())
        supernet.train_step((weight_batch, alpha_batch))
        spoiled = any(np.isnan(w).any() for w in values(supernet.operation_weights))
        assert spoiled == (weight_batch is poison)
        assert supernet.alpha_optimizer.spoiled == (alpha_batch is poison)
    supernet.set_weights(start)


class FrozenAfterUse(SGD):
    """Looks at the gradients of the alphas and applies none."""

    def apply(self, grads, trainable_variables=None):
        self.spoiled = any(np.isnan(gradient).any() for gradient in grads)


def test_the_gradient_of_attention_after_operations_is_that_of_the_loss():
    supernet = make_supernet(
        operations=(*SMALL_SPACE, *attention_names()),
        attention_placement="after_operations",
        dtype="float64",
    )
    supernet.compile(SGD(0.1), SGD(0.1))
    data = batch(1, "float64")
    gradients, _ = FirstOrder().gradients(supernet.training_loss(), None, None, data)
    assert len(gradients) == 4
    for alpha, gradient in zip(supernet.alpha_variables, gradients, strict=True):
        direction = random_images(alpha.shape, "float64")
        start, step = alpha.numpy().copy(), 1e-5
        losses = []
        for sign in (1, -1):
            alpha.assign(start + sign * step * direction)
            losses.append(float(supernet.training_loss()(data)[0]))
        alpha.assign(start)
        slope = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5)


def test_fit_learns_and_saves_everything(tmp_path):
    supernet = make_supernet(operations=SMALL_SPACE, num_nodes=2)
    supernet.compile(
        SGD(0.05, momentum=0.9, clip_norm=5.0), Adam(0.01, coupled_weight_decay=1e-3)
    )
    data = tf.data.Dataset.from_tensors((batch(0), batch(1))).repeat()
    history = supernet.fit(data, epochs=3, steps_per_epoch=6, verbose=0).history
    assert set(history) == {"loss", "accuracy", "alpha_loss", "alpha_accuracy"}
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    evaluated = supernet.evaluate(*batch(0), verbose=0, return_dict=True)
    assert set(evaluated) == {"loss", "accuracy"}

    supernet.save(tmp_path / "supernet.keras")
    loaded = keras.saving.load_model(tmp_path / "supernet.keras")
    assert loaded.labelled_alphas() == supernet.labelled_alphas()
    np.testing.assert_allclose(loaded(batch()[0]), supernet(batch()[0]), rtol=1e-5)
    assert loaded.alpha_optimizer.iterations.numpy() == 18
    for own, restored in zip(
        [*supernet.optimizer.variables, *supernet.alpha_optimizer.variables],
        [*loaded.optimizer.variables, *loaded.alpha_optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(own.numpy(), restored.numpy())


def body(supernet):
    """The layers that a supernet with attention after operations has as well."""
    yield from (supernet.stem, supernet.classifier)
    for cell in supernet.cells:
        yield from (*cell.input_layers, *cell.mixed_operations)


@pytest.mark.parametrize("training", [False, True])
def test_the_identity_after_operations_is_no_attention(training):
    plain = make_supernet(operations=SMALL_SPACE, dtype="float64")
    attended = make_supernet(
        operations=(*SMALL_SPACE, *attention_names()),
        attention_placement="after_operations",
        dtype="float64",
    )
    for own, other in zip(body(attended), body(plain), strict=True):
        own.set_weights(other.get_weights())
    for own, other in zip(
        attended.alpha_variables[:2], plain.alpha_variables, strict=True
    ):
        own.assign(other)
    images = batch(0, "float64")[0]
    expected = plain(images, training=training)
    # Where nothing is decided, gates at work change the logits.
    assert np.max(np.abs(attended(images, training=training) - expected)) > 1e-3
    for alphas in attended.alpha_variables[2:]:
        alphas.assign(np.array([[0.0, -np.inf, -np.inf]] * 14))
    logits = attended(images, training=training)
    np.testing.assert_allclose(logits, expected, rtol=1e-10, atol=1e-12)


def test_attention_after_operations_is_searched_saved_and_derived(tmp_path):
    supernet = make_supernet(
        operations=(*SMALL_SPACE, "channel_attention"),
        num_nodes=2,
        attention_placement="after_operations",
    )
    assert [alpha.name for alpha in supernet.alpha_variables] == [
        "normal_operations_alphas",
        "reduction_operations_alphas",
        "normal_attention_alphas",
        "reduction_attention_alphas",
    ]
    supernet.compile(SGD(0.05), Adam(0.01))
    before = values(supernet.alpha_variables)
    data = tf.data.Dataset.from_tensors((batch(0), batch(1))).repeat()
    supernet.fit(data, epochs=1, steps_per_epoch=2, verbose=0)
    assert all(changed(before, supernet.alpha_variables))
    supernet.alpha_variables[2].assign([[0.0, 1.0]] * 5)
    supernet.alpha_variables[3].assign([[1.0, 0.0]] * 5)
    labelled = supernet.labelled_alphas()
    of_edge = labelled["normal"].attention[1, 2]
    assert of_edge == {"identity": 0, "channel_attention": 1}

    supernet.save(tmp_path / "supernet.keras")
    loaded = keras.saving.load_model(tmp_path / "supernet.keras")
    assert loaded.labelled_alphas() == labelled
    np.testing.assert_allclose(loaded(batch()[0]), supernet(batch()[0]), rtol=1e-5)

    genotype = derive_genotype(loaded.labelled_alphas())
    parts = {edge.parts[1:] for edges in genotype.normal.nodes for edge in edges}
    assert parts == {("channel_attention",)}
    parts = {edge.parts[1:] for edges in genotype.reduction.nodes for edge in edges}
    assert parts == {()}
    network = build_network(genotype, IMAGE_SHAPE, NUM_CLASSES, 4, 3)
    assert network(batch()[0]).shape == (6, NUM_CLASSES)


def test_mixed_precision_keeps_alphas_and_logits_in_float32():
    supernet = make_supernet(num_nodes=2, dtype="mixed_bfloat16")
    supernet.compile(SGD(0.1), SGD(0.1))
    assert {alpha.dtype for alpha in supernet.alpha_variables} == {"float32"}
    assert supernet.cells[0].compute_dtype == "bfloat16"
    gradients, logits = FirstOrder().gradients(
        supernet.training_loss(), None, None, batch()
    )
    assert logits.dtype == tf.float32
    assert all(gradient.dtype == tf.float32 for gradient in gradients)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_mistakes_in_compile_are_refused(supernet):
    with pytest.raises(InputError, match="an optimizer each"):
        optimizer = SGD(0.1)
        supernet.compile(optimizer, optimizer)
    with pytest.raises(TypeError, match="takes no metrics"):
        supernet.compile("sgd", "adam", metrics=["accuracy"])
    with pytest.raises(InputError, match="Use the dtype policy mixed_bfloat16"):
        Supernet(3, 4, 3, dtype="mixed_float16").compile("sgd", "adam")
    unbuilt = Supernet(3, 4, 3)
    unbuilt.compile("sgd", "adam")
    with pytest.raises(InputError, match="supernet.build"):
        unbuilt.fit(tf.data.Dataset.from_tensors((batch(), batch())))


@keras.saving.register_keras_serializable(package="test")
def no_rule(alphas):
    return 0.0


def test_compilation_is_saved_whole(supernet):
    supernet.compile("sgd", Adam(0.01), architect=FirstOrder([no_rule]))
    other = Supernet.from_config(supernet.get_config())
    other.compile_from_config(supernet.get_compile_config())
    assert other.get_compile_config() == supernet.get_compile_config()
    assert other.architect.regularizers == (no_rule,)


def test_configuration_round_trip(supernet):
    config = supernet.get_config()
    restored = Supernet.from_config(config)
    assert restored.get_config() == config
    assert restored.operations == resolve_operations("at_darts")


def test_unusable_sizes_are_refused():
    with pytest.raises(InputError, match="3x20 pixels are too small"):
        Supernet(3, filters=4, num_cells=3).build((None, 3, 20, 1))
    with pytest.raises(InputError, match="at least 3 cells"):
        Supernet(3, filters=4, num_cells=2)
    with pytest.raises(InputError, match="num_nodes=0"):
        Supernet(3, filters=4, num_cells=3, num_nodes=0)
    with pytest.raises(InputError, match="Did you mean 'darts'"):
        Supernet(3, filters=4, num_cells=3, operations="dart")
    with pytest.raises(InputError, match="No attention could follow"):
        Supernet(3, 4, 3, "darts", attention_placement="after_operations")
