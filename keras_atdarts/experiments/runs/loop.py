"""Training on several machines, which `keras.Model.fit` of Keras 3 cannot.

There `fit` builds the model from a batch of several replicas, and averages the
metrics of a step as if they had a batch axis
(https://github.com/keras-team/keras/issues/20585). This loop goes around `fit`:
the step, the callbacks and the metrics are those of the model.
"""

import functools

import tensorflow as tf

from keras_atdarts.data.autograph import as_written


def has_workers(model):
    """Returns whether a model was made under a strategy of several processes."""
    strategy = model.distribute_strategy
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def fit_workers(model, batches, initial_epoch, epochs, steps_per_epoch, callbacks):
    """Trains a built and compiled model together with the other workers.

    Args:
        model: `keras.Model`.
        batches: Infinite `tf.data.Dataset` of this worker's share of all batches.
        initial_epoch: Integer, the number of finished epochs.
        epochs: Integer, the number of the last epoch.
        steps_per_epoch: Integer.
        callbacks: `keras.callbacks.CallbackList`. What it does may differ from
            worker to worker, but not what it changes. At the end of an epoch it
            gets the metrics of all workers. Where it sets `model.stop_training` on
            any worker, all stop after that epoch: until then each step needs all.
    """
    strategy = model.distribute_strategy
    model.stop_training = False
    iterator = iter(distribute(batches, strategy))
    train_step = compiled_step(model)
    callbacks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        for step in range(steps_per_epoch):
            callbacks.on_train_batch_begin(step)
            logs = train_step(iterator)
            callbacks.on_train_batch_end(step, logs)
        callbacks.on_epoch_end(epoch, metrics_of_all(model))
        model.stop_training = sum_over_devices(strategy, model.stop_training) > 0
        if model.stop_training:
            break
    callbacks.on_train_end()


def distribute(batches, strategy):
    """Returns this worker's batches, divided among its devices."""

    def batches_of_devices(context):
        per_worker = context.num_replicas_in_sync // context.num_input_pipelines
        return divide(batches, per_worker)

    return strategy.distribute_datasets_from_function(batches_of_devices)


def divide(batches, count):
    """Returns each batch as `count` equal, consecutive ones."""
    if count == 1:
        return batches

    def parts(values):
        size = values.shape[0] // count
        return tf.reshape(values, [count, size, *values.shape[1:]])

    @as_written
    def divided(*batch):
        return tf.nest.map_structure(parts, batch)

    return batches.map(divided).unbatch()


def compiled_step(model):
    """Returns a function that trains on a batch and gives its local metrics."""
    strategy = model.distribute_strategy

    @tf.function(autograph=False)
    def train_on(batch, learns_alphas):
        del learns_alphas  # Another value has the step traced anew.
        return strategy.run(model.train_step, args=(batch,))

    def train_step(iterator):
        learns_alphas = getattr(model, "learns_alphas", False)  # Of searches.
        logs = train_on(next(iterator), learns_alphas)
        # All replicas have metrics of their own until the epoch ends.
        return {
            name: strategy.experimental_local_results(value)[0]
            for name, value in logs.items()
        }

    return train_step


def sum_over_devices(strategy, number):
    """Returns the sum of a number over all devices of all workers, once all give one.

    Args:
        strategy: Strategy of several workers.
        number: Integer, or an array of as many integers as on the other workers; the
            same for all devices of a worker.
    """
    sums = summing(strategy)(tf.cast(number, tf.int64))
    return strategy.experimental_local_results(sums)[0].numpy()


@functools.cache
def summing(strategy):
    """Returns the compiled function behind `sum_over_devices`."""

    def sum_over_replicas(value):
        context = tf.distribute.get_replica_context()
        # The copy lies on a device, which the sum needs.
        return context.all_reduce("sum", tf.identity(value))

    def run(value):
        return strategy.run(sum_over_replicas, args=(value,))

    return tf.function(run, autograph=False)


def metrics_of_all(model):
    """Returns the metrics over all replicas of all workers, as floats."""
    return {name: float(value) for name, value in model.get_metrics_result().items()}
