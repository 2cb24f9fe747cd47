"""All variables that decide how a training goes on, as NumPy arrays.

Nothing here knows of `fit`: any training loop can take and give back a state.
"""

from keras_atdarts.errors import InputError

WEIGHTS, OPTIMIZERS, METRICS = "weights", "optimizers", "metrics"


class TrainingState:
    """The variables of a model in training, of its optimizers and its metrics.

    Those of the model include its moving statistics, the rates of drop path and
    the seeds of random layers; those of an optimizer its count of steps, on which
    the learning rate depends, and its moments. Under a `tf.distribute` strategy
    the copy of each replica is a variable of its own: metrics and seeds may
    differ between them.

    The metrics are apart, because `fit` clears them when an epoch begins: only in
    the middle of an epoch they matter.

    Args:
        model: A built and compiled `keras.Model`.
        optimizers: List of its optimizers, built.

    Example:

    >>> state = TrainingState(supernet, [supernet.optimizer, supernet.alpha_optimizer])
    >>> arrays = state.arrays()
    >>> state.restore(arrays)
    """

    def __init__(self, model, optimizers):
        self.model = model
        self.optimizers = optimizers

    def arrays(self, with_metrics=False):
        """Returns the values of all variables, by name."""
        variables = self._variables()
        if with_metrics:
            variables |= self._metrics()
        return {name: variable.numpy() for name, variable in variables.items()}

    def restore(self, arrays):
        """Gives all variables but the metrics the values they have in `arrays`.

        Raises:
            InputError: where they belong to another model.
        """
        others = {name: array for name, array in arrays.items() if not of_metric(name)}
        assign(self._variables(), others)

    def restore_metrics(self, arrays):
        """Gives the metrics their values, or leaves them where there are none."""
        metrics = {name: array for name, array in arrays.items() if of_metric(name)}
        if metrics:
            assign(self._metrics(), metrics)

    def _variables(self):
        optimizers = [each for one in self.optimizers for each in one.variables]
        return {
            **self._named(WEIGHTS, self.model.variables),
            **self._named(OPTIMIZERS, optimizers),
        }

    def _metrics(self):
        return self._named(METRICS, self.model.metrics_variables)

    def _named(self, kind, variables):
        """Returns TensorFlow's variables, one for each replica, by name.

        The names are numbers: those of Keras depend on what was built before.
        """
        local_results = self.model.distribute_strategy.experimental_local_results
        copies = [each for one in variables for each in local_results(one.value)]
        return {f"{kind}/{number}": copy for number, copy in enumerate(copies)}


def of_metric(name):
    """Returns whether an array's name is that of a metric."""
    return name.startswith(f"{METRICS}/")


def assign(variables, arrays):
    """Gives TensorFlow's variables the values of the arrays of the same names."""
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    received = {name: array.shape for name, array in arrays.items()}
    if expected != received:
        raise InputError(
            "The checkpoint does not fit the model: expected "
            f"{len(expected)} variables, received {len(received)}, or other shapes. "
            "Resume with the version of keras_atdarts and of Keras that wrote it."
        )
    for name, variable in variables.items():
        array = arrays[name]
        # NumPy's files know no bfloat16: it comes back as bytes of that size.
        if array.dtype.kind == "V":
            array = array.view(variable.dtype.as_numpy_dtype)
        variable.assign(array)
