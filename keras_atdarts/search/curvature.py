"""How sharp the validation loss is around the alphas: a sign of a coming collapse.

Reference:
    Zela, Elsken, Saikia, Marrakchi, Brox, Hutter, Understanding and Robustifying
    Differentiable Architecture Search (RobustDARTS), ICLR 2020,
    https://arxiv.org/abs/1909.09656, sections 4 and 5.1
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.replicas import sum_over_replicas

DISTANCE = 1e-2  # Between the alphas of the two gradients, halved.


class Curvature:
    """The largest eigenvalue of the Hessian of a supernet's loss for its alphas.

    By power iteration; the product of the Hessian and a vector of length 1 is

        (grad L(alpha + d v) - grad L(alpha - d v)) / (2 d)

    so that each iteration costs two gradients of the alphas. Of a random sampler, the
    mean weights are taken: a draw that changes would look like a bend.

    Args:
        supernet: Compiled `Supernet`. Nothing of it changes.
        iterations: Integer.

    Call arguments:
        batch: `(images, labels)` for the alphas.

    Call returns:
        Float, the eigenvalue of the largest magnitude, with its sign.

    Example:

    >>> curvature = Curvature(supernet)
    >>> curvature((images, labels))
    0.21
    """

    def __init__(self, supernet, iterations=15):
        self.supernet = supernet
        self.iterations = iterations
        self._gradient = tf.function(self._gradient, autograph=False)

    def __call__(self, batch):
        alphas = [variable.numpy() for variable in self.supernet.alpha_variables]
        vector = np.random.default_rng(0).normal(size=sum(x.size for x in alphas))
        eigenvalue = 0.0
        for _ in range(self.iterations):
            length = np.linalg.norm(vector)
            if length == 0:  # The loss does not bend at all.
                return 0.0
            vector = vector / length
            ahead, behind = (
                self._gradient_at(alphas, sign * DISTANCE * vector, batch)
                for sign in (1, -1)
            )
            product = (ahead - behind) / (2 * DISTANCE)
            eigenvalue, vector = float(vector @ product), product
        return eigenvalue

    def _gradient_at(self, alphas, vector, batch):
        """Returns the gradient, as a vector, where a vector leads from the alphas."""
        parts = np.split(vector, np.cumsum([alpha.size for alpha in alphas])[:-1])
        pairs = zip(alphas, parts, strict=True)
        values = [
            tf.constant(alpha + part.reshape(alpha.shape), alpha.dtype)
            for alpha, part in pairs
        ]
        found = self._gradient(values, batch)
        return np.concatenate([np.ravel(x) for x in found]).astype("float64")

    def _gradient(self, values, batch):
        strategy = self.supernet.distribute_strategy

        def of_replica(values, batch):
            # All replicas see the whole batch; each counts for its part.
            loss = self.supernet.training_loss(drawn=False)
            return sum_over_replicas(loss.alpha_gradients(batch, alphas=values)[0])

        found = strategy.run(of_replica, args=(values, batch))
        return [strategy.experimental_local_results(each)[0] for each in found]
