"""The steps of DARTS in eager PyTorch: of a search, and of a retraining.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    algorithm 1 and equations 6 to 8.
"""

import torch
from torch import nn
from torch.autograd import grad
from torch.nn import functional

LEARNING_RATE = 0.025
MOMENTUM = 0.9
WEIGHT_DECAY = 3e-4
CLIP_NORM = 5.0
FINITE_DIFFERENCE = 0.01


def weight_optimizer(weights):
    """Returns the optimizer of the weights."""
    return torch.optim.SGD(
        weights, LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )


class SearchStep:
    """One whole step: the alphas learn from one batch, the weights from another.

    Args:
        network: A supernet.
        alphas: List of the alphas of normal and of reduction cells.
        order: Integer, 1 or 2.
        weight_batch: `(images, labels)` for the weights.
        alpha_batch: `(images, labels)` for the alphas.
    """

    def __init__(self, network, alphas, order, weight_batch, alpha_batch):
        self.network = network
        self.alphas = alphas
        self.weight_batch = weight_batch
        self.alpha_batch = alpha_batch
        self.weights = list(network.parameters())
        self.optimizer = weight_optimizer(self.weights)
        self.alpha_optimizer = torch.optim.Adam(
            alphas, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3
        )
        self.alpha_gradients = {1: self.first_order, 2: self.second_order}[order]

    def __call__(self):
        gradients = self.alpha_gradients()
        apply_gradients(self.alpha_optimizer, self.alphas, gradients)
        gradients = grad(self.loss(self.weight_batch), self.weights)
        apply_gradients(self.optimizer, self.weights, gradients, CLIP_NORM)

    def loss(self, batch):
        """Returns the cross-entropy of a batch."""
        images, labels = batch
        return functional.cross_entropy(self.network(images, self.alphas), labels)

    def first_order(self):
        """Returns the gradients of the alphas with the weights as they are."""
        return grad(self.loss(self.alpha_batch), self.alphas)

    def second_order(self):
        """Returns the gradients of the alphas after a virtual step of the weights."""
        saved = [weight.detach().clone() for weight in self.weights]
        self.shift(self.direction(), -LEARNING_RATE)
        both = grad(self.loss(self.alpha_batch), [*self.alphas, *self.weights])
        direct, vector = both[: len(self.alphas)], both[len(self.alphas) :]
        self.restore(saved)
        length = torch.cat([each.flatten() for each in vector]).norm()
        distance = FINITE_DIFFERENCE / length
        self.shift(vector, distance)
        above = grad(self.loss(self.weight_batch), self.alphas)
        self.shift(vector, -2 * distance)
        below = grad(self.loss(self.weight_batch), self.alphas)
        self.restore(saved)
        scale = LEARNING_RATE / (2 * distance)
        return [
            plain - scale * (plus - minus)
            for plain, plus, minus in zip(direct, above, below, strict=True)
        ]

    def direction(self):
        """Returns how the optimizer would change the weights, unclipped."""
        gradients = grad(self.loss(self.weight_batch), self.weights)
        return [
            gradient + WEIGHT_DECAY * weight.detach() + MOMENTUM * self.buffer(weight)
            for gradient, weight in zip(gradients, self.weights, strict=True)
        ]

    def buffer(self, weight):
        """Returns the momentum of a weight, zero before its first step."""
        state = self.optimizer.state[weight]
        return state.get("momentum_buffer", torch.zeros_like(weight))

    @torch.no_grad()
    def shift(self, direction, scale):
        for weight, change in zip(self.weights, direction, strict=True):
            weight.add_(change, alpha=float(scale))

    @torch.no_grad()
    def restore(self, saved):
        for weight, value in zip(self.weights, saved, strict=True):
            weight.copy_(value)


def make_retraining_step(network, batch):
    """Returns a function that trains the weights of a derived network on a batch."""
    weights = list(network.parameters())
    optimizer = weight_optimizer(weights)
    images, labels = batch

    def step():
        # What CUDA graphs gave out in the last step, they may write over.
        torch.compiler.cudagraph_mark_step_begin()
        loss = functional.cross_entropy(network(images), labels)
        apply_gradients(optimizer, weights, grad(loss, weights), CLIP_NORM)

    return step


def apply_gradients(optimizer, variables, gradients, clip_norm=None):
    """Takes one step of an optimizer, with gradients clipped to a norm or not."""
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.grad = gradient
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(variables, clip_norm)
    optimizer.step()
