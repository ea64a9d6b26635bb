"""What the two networks of a GAN pay for the discriminator's logits, in four kinds of game.

"vanilla": cross-entropy (Goodfellow et al. 2014; Isola et al. 2017, equation 1). "lsgan": least squares
with labels 0 and 1 (Mao et al. 2017, equation 9). "hinge": Lim & Ye 2017; Miyato et al. 2018, equations
16 and 17. "wgan-gp": critic scores whose slope a penalty holds at 1 (Gulrajani et al. 2017, equation 3).

Plain Keras operations on float32 tensors. Every result is (N,), one value per sample: a batch that is
spread over devices is averaged by its global size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

STEEPNESS_FLOOR = 1e-12  # of a squared norm: the square root has no derivative at 0


class _Game(NamedTuple):
    """Prices of single logits; the higher a logit, the more real the patch looks to the discriminator."""

    real: Callable[[Any], Any]  # the discriminator's, for a patch of a real picture
    fake: Callable[[Any], Any]  # the discriminator's, for a patch of a generated one
    fooling: Callable[[Any], Any]  # the generator's, for a patch of its own


# softplus(-x) and softplus(x) are the cross-entropies of a logit against "real" and "fake", without overflow.
_GAMES = {
    "vanilla": _Game(lambda x: ops.softplus(-x), ops.softplus, lambda x: ops.softplus(-x)),
    "lsgan": _Game(lambda x: ops.square(x - 1), ops.square, lambda x: ops.square(x - 1)),
    "hinge": _Game(lambda x: ops.relu(1 - x), lambda x: ops.relu(1 + x), ops.negative),
    "wgan-gp": _Game(ops.negative, lambda x: x, ops.negative),
}


def generator_loss(kind: str, fake_logits: Any) -> Any:
    """(N,) means over patches, the lower the more real the fakes look; logits are (N, h, w, 1)."""
    return _mean(_GAMES[kind].fooling(fake_logits))


def discriminator_loss(kind: str, real_logits: Any, fake_logits: Any) -> Any:
    """(N,) sums of the means over real and over fake patches; logits are (N, h, w, 1).

    The paper's factor 1/2, which slows the discriminator, is the caller's, as is the penalty of "wgan-gp".
    """
    game = _GAMES[kind]
    return _mean(game.real(real_logits)) + _mean(game.fake(fake_logits))


def interpolate(real: Any, fake: Any, share: Any) -> Any:
    """(N, H, W, C) pictures on the lines from `fake` (share 0) to `real` (share 1); `share` is (N,)."""
    share = ops.reshape(share, (-1, 1, 1, 1))
    return share * real + (1 - share) * fake


def gradient_penalty(gradient: Any) -> Any:
    """(N,) squared deviations of the Euclidean norms of (N, H, W, C) gradients from 1.

    The gradients are those of the summed critic scores to interpolated pictures (Gulrajani et al. 2017,
    equation 3). A vanishing gradient costs 1 and has derivative 0.
    """
    squared_norm = ops.sum(ops.square(gradient), axis=(1, 2, 3))
    return ops.square(ops.sqrt(ops.maximum(squared_norm, STEEPNESS_FLOOR)) - 1)


def _mean(prices: Any) -> Any:
    return ops.mean(prices, axis=(1, 2, 3))
