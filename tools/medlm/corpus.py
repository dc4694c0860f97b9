"""The training text of the embedded model: reading, splitting, tokenizing. Same split as the TypeScript trainer."""

import csv
import gzip
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import AddedToken

SPECIAL_TOKENS = ["<pad>", "<bos>", "<eos>", "<Img>", "</Img>", "<Signal>", "</Signal>", "<Ts>", "</Ts>"]
MODALITY_TAG_IDS = range(3, 9)
BOS, EOS = 1, 2
HELD_OUT = 0.02
PRIORITY_WEIGHT = 500


def collapse(text):
    return " ".join(text.split())


def read_medquad(path):
    """Question-answer pairs in file order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(collapse(row["question"]), collapse(row["answer"])) for row in rows]


def read_dialogues(path):
    """Dialogues with the note section that summarises them, as pairs."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(collapse(row["dialogue"]), collapse(row["section_text"])) for row in rows]


@dataclass
class Corpus:
    """MedQuAD in file order: [0, 96 %) for choosing, [96, 98 %) validation, [98 %, end) held out; [0, 98 %) training."""

    choosing: list
    validation: list
    training: list
    held_out: list
    hashes: dict


def load_corpus(text_folder):
    medquad = Path(text_folder, "medquad", "medquad.jsonl.gz")
    dialogues = Path(text_folder, "mts-dialog", "MTS-Dialog-TrainingSet.csv")
    pairs, spoken = read_medquad(medquad), read_dialogues(dialogues)
    split = math.floor(len(pairs) * (1 - HELD_OUT))
    earlier = math.floor(len(pairs) * (1 - 2 * HELD_OUT))
    return Corpus(
        choosing=pairs[:earlier] + spoken,
        validation=pairs[earlier:split],
        training=pairs[:split] + spoken,
        held_out=pairs[split:],
        hashes={file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (medquad, dialogues)},
    )


def prompt_text(question):
    """The prompt form of FedKIM's injection, so that the model has seen its words in their places."""
    return f"human : {question} assistant : answer :"


def train_tokenizer(pairs, priority_texts, vocab_size):
    """Byte-level BPE, lower-cased; the words of the priority texts count 500-fold, so they become single tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()

    def texts():
        for text in priority_texts:
            for _ in range(PRIORITY_WEIGHT):
                yield text
        for question, answer in pairs:
            yield question
            yield answer

    tokenizer.train_from_iterator(texts(), trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    ))
    return tokenizer


def encode_pairs(tokenizer, pairs):
    """-> per pair (prompt ids with <bos>, answer ids with <eos>)."""
    prompts = tokenizer.encode_batch([prompt_text(question) for question, _ in pairs], add_special_tokens=False)
    answers = tokenizer.encode_batch([answer for _, answer in pairs], add_special_tokens=False)
    return [
        (np.array([BOS, *prompt.ids], np.int64), np.array([*answer.ids, EOS], np.int64))
        for prompt, answer in zip(prompts, answers)
    ]


def epoch_stream(documents, seed, epoch):
    """All documents of one epoch as one stream, in an order that depends on seed and epoch only."""
    order = np.random.default_rng([seed, epoch]).permutation(len(documents))
    return np.concatenate([np.concatenate(documents[index]) for index in order])
