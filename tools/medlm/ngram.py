"""Count-based baselines on token ids: unigram, and interpolated modified Kneser-Ney trigram (Chen and Goodman 1998)."""

import numpy as np


def unigram_log_probabilities(train, test, vocab_size):
    """Add-one smoothed unigram, in nats, of every test token."""
    counts = np.bincount(train, minlength=vocab_size) + 1.0
    return np.log(counts / counts.sum())[test]


class Level:
    """One order of the model: for each n-gram its discounted probability, for each context its back-off weight.

    n-grams are packed into integers, most recent token last; `counts` are raw at the highest order and continuation
    counts below it.
    """

    def __init__(self, grams, counts, vocab_size):
        self.vocab_size, self.grams = vocab_size, grams
        ones, twos, threes, fours = (np.count_nonzero(counts == n) for n in (1, 2, 3, 4))
        y = ratio(ones, ones + 2 * twos)
        pairs = ((1, ones, twos), (2, twos, threes), (3, threes, fours))
        discounts = np.array([0, *(n - (n + 1) * y * ratio(more, few) for n, few, more in pairs)])
        contexts, inverse = np.unique(grams // vocab_size, return_inverse=True)
        totals = np.bincount(inverse, counts)
        cut = discounts[np.minimum(counts, 3)]
        self.contexts = contexts
        self.probabilities = (counts - cut) / totals[inverse]
        self.weights = np.bincount(inverse, cut) / totals

    def interpolate(self, grams, lower):
        """P(token | context) from this order's discounted counts and the lower order's probability."""
        own = find(self.grams, grams, self.probabilities, 0.0)
        weight = find(self.contexts, grams // self.vocab_size, self.weights, 1.0)
        return own + weight * lower


def ratio(a, b):
    """a / b; 0 where a small text has no n-gram of that count."""
    return a / b if b > 0 else 0.0


def find(keys, wanted, values, missing):
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], missing)


class KneserNeyTrigram:
    def __init__(self, sequences, vocab_size):
        self.vocab_size = vocab_size
        trigrams = np.concatenate([self.pack(sequence) for sequence in sequences])
        grams, counts = np.unique(trigrams, return_counts=True)
        self.orders = [Level(grams, counts, vocab_size)]
        for order in (2, 1):  # continuation counts: how many different tokens precede the shorter n-gram
            grams, counts = np.unique(grams % vocab_size**order, return_counts=True)
            self.orders.append(Level(grams, counts, vocab_size))

    def pack(self, sequence):
        """Trigram of each token of a sequence but its first; one token of padding (id 0) before the sequence."""
        padded = np.concatenate([[0], sequence])
        return (padded[:-2] * self.vocab_size + padded[1:-1]) * self.vocab_size + padded[2:]

    def log_probabilities(self, sequence):
        """In nats, of each token of a sequence but its first."""
        trigrams = self.pack(sequence)
        probability = np.full(len(trigrams), 1 / self.vocab_size)
        for order, level in zip((1, 2, 3), reversed(self.orders)):
            probability = level.interpolate(trigrams % self.vocab_size**order, probability)
        return np.log(probability)
