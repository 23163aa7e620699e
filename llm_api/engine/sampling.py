"""The choice of the next token from the model's logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]

TOP_K = 40
MIN_P = 0.05
"""Beside what a request asks for, as llama.cpp does by default: a small model's unlikely tokens are noise."""


class Sampler:
    """The likeliest token at temperature 0, else one drawn by chance. The same seed draws the same tokens."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._random = np.random.default_rng(None if seed is None else abs(seed))

    @property
    def is_greedy(self) -> bool:
        return self._temperature <= 0

    def choose(self, logits: Logits) -> int:
        """Raises ValueError when the model computed no numbers."""
        likeliest = int(logits.argmax())
        if not np.isfinite(logits[likeliest]):
            raise ValueError("the logits are not finite")
        if self.is_greedy:
            return likeliest
        tokens, chances = self._candidates(logits)
        return int(self._random.choice(tokens, p=chances))

    def _candidates(self, logits: Logits) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        """Tokens and their chances, the likeliest first: the top k, of them the top p, at a temperature."""
        count = min(TOP_K, len(logits))
        tokens = np.argpartition(logits, -count)[-count:]
        tokens = tokens[np.argsort(-logits[tokens], kind="stable")]
        chances = _softmax(logits[tokens].astype(np.float64))
        before = np.cumsum(chances) - chances
        kept = (before < self._top_p) & (chances >= MIN_P * chances[0])
        kept[0] = True
        with_temperature = _softmax(logits[tokens[kept]].astype(np.float64) / self._temperature)
        return tokens[kept], with_temperature


def _softmax(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(values - values.max())
    result: npt.NDArray[np.float64] = powers / powers.sum()
    return result
