"""The arithmetic of cells in plain TensorFlow: what every backend computes.

It works on any device, in any dtype, under XLA, and can be differentiated twice.
Images are `(batch, height, width, channels)`.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.convolutions import depthwise_convolution
from keras_atdarts.kernels.convolutions import every_second_pixel
from keras_atdarts.kernels.convolutions import fusible_pointwise_convolution
from keras_atdarts.kernels.convolutions import pointwise_convolution
from keras_atdarts.kernels.replicas import average_over_replicas

EPSILON = 1e-5  # Added to the variances of all batch norms.


def mean_over_batch(x):
    """Returns the mean `(channels,)` over images and pixels, image by image.

    One running sum over a whole batch rounds too much: ReLUs flip for it.
    """
    return tf.reduce_mean(tf.reduce_mean(x, axis=[1, 2]), axis=0)


def count_pixels(x, dtype):
    """Returns over how many pixels of how many images a batch norm averages."""
    shape = x.shape[:-1]
    if shape.is_fully_defined():
        return constant(shape.num_elements(), dtype)
    return tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), dtype)


def frozen_factors(scales, offsets, means, variances):
    """Returns by what a batch norm in inference multiplies, and what it then adds.

    `factor = scale / sqrt(variance + epsilon)` and `shift = offset - mean factor`

    Args:
        scales, offsets: Tensors `(num_edges, channels)` or `(num_edges, 1)`, or
            `None` for ones and zeros.
        means, variances: Tensors `(num_edges, channels)`.
    """
    factors = tf.math.rsqrt(variances + EPSILON)
    if scales is not None:
        factors *= scales
    shifts = -means * factors
    return factors, shifts if offsets is None else shifts + offsets


class Reference:
    """The backend that all others are held to; they override what they do faster.

    A *term* is one of the tensors that a node adds up: the result of one operation
    on one edge, times its weight. Other backends may leave a term unevaluated;
    `sum` and the next `stage` take it as it is.
    """

    def stage(
        self,
        inputs,
        depthwise,
        pointwise,
        scales=None,
        offsets=None,
        strides=1,
        dilation_rate=1,
    ):
        """ReLU, depthwise and pointwise convolution, batch norm, of several edges.

        `y[e] = BN(P[e] (D[e] * max(x[e], 0)))`, see the functions of this module
        and `normalize`.

        Args:
            inputs: List of one tensor `(batch, height, width, channels)` that all
                edges read, or of one term for each edge, as a stage returned them.
            depthwise: Tensor `D` `(num_edges, size, size, channels, 1)`, `size` odd;
                `None` without a depthwise convolution.
            pointwise: Tensor `P` `(num_edges, channels, filters)`.
            scales, offsets: See `normalize`.
            strides: Integer, 1 or 2; 1 without a depthwise convolution.
            dilation_rate: Integer, 1 or 2.

        Returns:
            The sequence of `num_edges` terms, and the statistics, see `normalize`.
        """
        tensors = self.convolve(inputs, depthwise, pointwise, strides, dilation_rate)
        return self.normalize(tensors, scales, offsets)

    def convolve(
        self, inputs, depthwise, pointwise, strides=1, dilation_rate=1, fusible=False
    ):
        """Returns what a stage gives its batch norm: one tensor for each edge.

        Args:
            fusible: Boolean, see `fusible_pointwise_convolution`.
            Others: See `stage`.
        """
        edges = pointwise.shape[0]
        tensors = [tf.nn.relu(x) for x in inputs] * (edges // len(inputs))
        if depthwise is not None:
            tensors = [
                depthwise_convolution(x, kernel, strides, dilation_rate)
                for x, kernel in zip(tensors, tf.unstack(depthwise), strict=True)
            ]
        mix = fusible_pointwise_convolution if fusible else pointwise_convolution
        pairs = zip(tensors, tf.unstack(pointwise), strict=True)
        return [mix(x, kernel) for x, kernel in pairs]

    def normalize(self, tensors, scales=None, offsets=None):
        """Batch norm in training, by the statistics of the batch.

        `y[e] = scale[e] (x[e] - mean) / sqrt(variance + epsilon) + offset[e]`, with
        mean and variance over images and pixels, for each channel of `x[e]`.

        Args:
            tensors: List of tensors `(batch, height, width, channels)`, one for each
                edge, or one that all edges share.
            scales: Tensor `(num_edges, channels)`, or `(num_edges,)`; `None` for
                ones. In it the alphas are given, see `MixedOperation`.
            offsets: Tensor like `scales`; `None` for zeros.

        Returns:
            The sequence of `num_edges` terms, and a tensor `(2, len(tensors),
            channels)`: the means and the unbiased variances, as PyTorch averages
            them. The latter is not differentiated.
        """
        dtype = tensors[0].dtype
        if dtype.size < tf.float32.size:  # 16 bits hold no statistics.
            tensors = [tf.cast(x, tf.float32) for x in tensors]
        means = self.over_replicas([mean_over_batch(x) for x in tensors])
        centred = [x - mean for x, mean in zip(tensors, means, strict=True)]
        squares = [mean_over_batch(tf.square(x)) for x in centred]
        variances = self.over_replicas(squares)
        factors = [tf.math.rsqrt(variance + EPSILON) for variance in variances]
        edges = len(tensors) if scales is None else scales.shape[0]
        terms, copies = [], edges // len(tensors)
        if scales is not None:
            pairs = zip(factors * copies, tf.unstack(scales, edges), strict=True)
            factors = [factor * scale for factor, scale in pairs]
        terms = [x * y for x, y in zip(centred * copies, factors, strict=True)]
        if offsets is not None:
            pairs = zip(terms, tf.unstack(offsets, edges), strict=True)
            terms = [term + offset for term, offset in pairs]
        statistics = tf.stack([tf.stack(means), self._unbiased(variances, tensors[0])])
        return [tf.cast(term, dtype) for term in terms], tf.stop_gradient(statistics)

    num_replicas = 1  # Of which the batch norms see the batches.

    def over_replicas(self, means):
        """Returns the means over all these replicas."""
        return means

    def _unbiased(self, variances, x):
        """Returns variances times `n / (n - 1)`, for the `n` pixels of a batch."""
        variances = tf.stack(variances)
        size = self.num_replicas * count_pixels(x, variances.dtype)
        one = constant(1, variances.dtype)
        return variances * (size / tf.maximum(size - one, one))

    def pool(self, x, kind, strides=1):
        """Pools 3x3 pixels, at margins those that there are.

        `y[i, j] = max, or mean, of x[s i + a, s j + b]`, `a` and `b` from -1 to 1

        Args:
            x: Tensor `(batch, height, width, channels)`.
            kind: `"max"` or `"average"`.
            strides: Integer `s`, 1 or 2.

        Returns:
            Tensor `(batch, ceil(height / s), ceil(width / s), channels)`.
        """
        pool = {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}[kind]
        pooled = pool(x, ksize=3, strides=1, padding="SAME")
        return pooled if strides == 1 else every_second_pixel(pooled)[0]

    def scale(self, tensors, weights):
        """Returns `weights[e] x[e]` for each edge.

        Args:
            tensors: List of tensors, one for each edge, or one that all share.
            weights: Tensor `(num_edges,)`.
        """
        weights = tf.unstack(tf.cast(weights, tensors[0].dtype))
        tensors = tensors * (len(weights) // len(tensors))
        return [weight * x for weight, x in zip(weights, tensors, strict=True)]

    def sum(self, terms):
        """Returns the sum of terms as a tensor."""
        return tf.add_n(terms)

    def partial_sum(self, terms):
        """Returns fewer terms with the same sum, if that pays before all are there."""
        return terms


class Synchronized(Reference):
    """Batch norms that see the whole batch of all replicas."""

    @property
    def num_replicas(self):
        return tf.distribute.get_strategy().num_replicas_in_sync

    def over_replicas(self, means):
        return average_over_replicas(means)
