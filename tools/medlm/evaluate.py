"""Perplexity on answers outside the training text: the model beside count-based baselines, on exactly the same tokens."""

import numpy as np
import torch

from ngram import KneserNeyTrigram, unigram_log_probabilities


def model_log_probabilities(model, prompt, answer, window):
    """In nats, of each answer token; long answers by overlapping windows, each token scored once."""
    ids = np.concatenate([prompt, answer])
    scores, first = [], len(prompt)
    while first < len(ids):
        start = 0 if len(ids) <= window or first < window // 2 else max(0, first - window // 2)
        end = min(len(ids), start + window)
        if first >= end:
            raise ValueError("a prompt longer than the window")
        with torch.no_grad():
            logits = model(torch.from_numpy(ids[None, start:end])).logits[0].log_softmax(-1)
        at = torch.arange(first - start - 1, end - start - 1)
        scores.append(logits[at, torch.from_numpy(ids[first:end])].numpy())
        first = end
    return np.concatenate(scores)


def perplexities(model, documents, test, settings):
    vocab_size = settings["vocab_size"]
    trigram = KneserNeyTrigram([np.concatenate(document) for document in documents], vocab_size)
    train = np.concatenate([np.concatenate(document) for document in documents])
    scores = {"model": [], "kneser_ney_trigram": [], "unigram": []}
    for prompt, answer in test:
        scores["model"].append(model_log_probabilities(model, prompt, answer, settings["max_positions"]))
        scores["kneser_ney_trigram"].append(
            trigram.log_probabilities(np.concatenate([prompt, answer]))[len(prompt) - 1:])
        scores["unigram"].append(unigram_log_probabilities(train, answer, vocab_size))
    joined = {name: np.concatenate(parts) for name, parts in scores.items()}
    return {
        "answers": len(test),
        "tokens": len(joined["model"]),
        "perplexity": {name: round(float(np.exp(-values.mean())), 2) for name, values in joined.items()},
    }
