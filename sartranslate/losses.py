"""The objective of Pix2Pix (Isola et al. 2017, equations 1 to 4) in terms of logits and images.

Plain Keras operations: tensors in, scalar tensors out.
"""

from __future__ import annotations

from typing import Any

from keras import ops


def generator_adversarial(fake_logits: Any) -> Any:
    """Mean cross-entropy of (N, h, w, 1) logits against "real": low when the discriminator is fooled."""
    return _cross_entropy(fake_logits, 1.0)


def discriminator_adversarial(real_logits: Any, fake_logits: Any) -> Any:
    """Half the sum of both cross-entropies: the paper slows the discriminator by this factor."""
    return 0.5 * (_cross_entropy(real_logits, 1.0) + _cross_entropy(fake_logits, 0.0))


def l1(target: Any, fake: Any) -> Any:
    """Mean absolute difference of two image batches, in units of [-1, 1]."""
    return ops.mean(ops.absolute(target - fake))


def _cross_entropy(logits: Any, label: float) -> Any:
    # softplus(x) - label * x is binary cross-entropy on logits without overflow.
    return ops.mean(ops.softplus(logits) - label * logits)
