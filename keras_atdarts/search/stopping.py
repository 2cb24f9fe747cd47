"""Callbacks that end a search before it collapses, and say why."""

import keras
import numpy as np

from keras_atdarts.genotypes.derivation import SKIP
from keras_atdarts.genotypes.statistics import count_operation
from keras_atdarts.search.monitors import EIGENVALUE


class StopSearch(keras.callbacks.Callback):
    """Base of the callbacks that look at the genotype after each epoch.

    Args:
        derive: Function from labelled alphas to a `Genotype`.
        earlier: List of the genotypes of the epochs before, where a search goes on.

    Attributes:
        genotypes: List, of all epochs so far.
        genotype: The `Genotype` of the search, once it was stopped; None until then.
    """

    def __init__(self, derive, earlier=()):
        super().__init__()
        self.derive = derive
        self.genotypes = list(earlier)
        self.genotype = None

    def on_epoch_end(self, epoch, logs=None):
        self.genotypes.append(self.derive(self.model.labelled_alphas()))
        reason = self.reason(logs or {})
        if reason is not None:
            self.genotype = self.genotypes[self.kept()]
            self.model.stop_training = True
            print(f"Stopped after epoch {epoch + 1}: {reason}")

    def reason(self, logs):
        """Returns in words why to stop; None to go on."""
        raise NotImplementedError

    def kept(self):
        """Returns the place of the genotype to keep in `genotypes`."""
        return -1


class StopAtSkips(StopSearch):
    """Stops when the normal cell has so many skip connections.

    Args:
        count: Integer.
        derive: See `StopSearch`.
        earlier: See `StopSearch`.

    Reference:
        Liang et al., DARTS+: Improved Differentiable Architecture Search with Early
        Stopping, 2019, https://arxiv.org/abs/1909.06035, criterion 1, with 2
    """

    def __init__(self, count, derive, earlier=()):
        super().__init__(derive, earlier)
        self.count = count

    def reason(self, logs):
        found = count_operation(self.genotypes[-1].normal, SKIP)
        if found < self.count:
            return None
        return f"the normal cell has {found} skip connections."


class StopWhenUnchanged(StopSearch):
    """Stops when the genotype has stayed the same for so many epochs.

    Args:
        epochs: Integer.
        derive: See `StopSearch`.
        earlier: See `StopSearch`.

    Reference:
        DARTS+, https://arxiv.org/abs/1909.06035, criterion 1*, of the ranks of alphas
    """

    def __init__(self, epochs, derive, earlier=()):
        super().__init__(derive, earlier)
        self.epochs = epochs

    def reason(self, logs):
        last = self.genotypes[-self.epochs - 1 :]
        if len(last) <= self.epochs or any(each != last[0] for each in last):
            return None
        return f"the genotype has not changed for {self.epochs} epochs."


class StopAtEigenvalue(StopSearch):
    """Stops when the smoothed eigenvalue of the alphas' Hessian rises fast.

    That is where its mean over a window was, `epochs` before, less than `ratio` times
    what it is. The genotype of that time is kept.

    Args:
        derive: See `StopSearch`.
        earlier: See `StopSearch`.
        values: List of the eigenvalues of the epochs before, where a search goes on.
        ratio: Float.
        epochs: Integer, also the epochs of a window.

    Reference:
        RobustDARTS, https://arxiv.org/abs/1909.09656, section 5.1
    """

    def __init__(self, derive, earlier=(), values=(), ratio=0.75, epochs=5):
        super().__init__(derive, earlier)
        self.values = list(values)
        self.ratio = ratio
        self.epochs = epochs

    def reason(self, logs):
        self.values.append(logs[EIGENVALUE])
        if len(self.values) <= 2 * self.epochs - 1:
            return None
        now = np.mean(self.values[-self.epochs :])
        then = np.mean(self.values[-2 * self.epochs : -self.epochs])
        if not then < self.ratio * now:
            return None
        return (
            f"the largest eigenvalue of the alphas' Hessian rose from {then:.3g} to "
            f"{now:.3g} in {self.epochs} epochs. The genotype is that of "
            f"{self.epochs} epochs before."
        )

    def kept(self):
        return -1 - self.epochs
