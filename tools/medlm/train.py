"""Trains models/medlm-tiny and writes it as a Hugging Face folder. Resumable and exact under its seed on one machine.

    OMP_NUM_THREADS=1 python tools/medlm/train.py --text TEXT_FOLDER --output models/medlm-tiny --work WORK_FOLDER

TEXT_FOLDER holds medquad/medquad.jsonl.gz and mts-dialog/MTS-Dialog-TrainingSet.csv. An interrupted run goes on from
WORK_FOLDER/state.pt. `--stop N` ends after N steps: the losses and weight hashes of two such runs are the same.
Needs torch >= 2.9 (torch.optim.Muon), transformers, tokenizers, numpy.

Settings are chosen without the held-out part: `--validate` trains on less text and reports the perplexity on the
validation part only, and `--set NAME=NUMBER` (there alone) tries another value.
"""

import argparse
import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from corpus import BOS, EOS, MODALITY_TAG_IDS, encode_pairs, epoch_stream, load_corpus, train_tokenizer
from evaluate import perplexities

SETTINGS = {
    "seed": 1, "steps": 2400, "tokens_per_step": 4096, "short": 256, "long": 512, "long_steps": 240, "warmup": 60,
    "matrix_rate": 0.02, "table_rate": 4e-3, "weight_decay": 0.01,
    "vocab_size": 6144, "hidden_size": 160, "intermediate_size": 432, "layers": 4, "heads": 5,
    "max_positions": 512,
}
LOG_EVERY = 50


def build_model(settings):
    torch.manual_seed(settings["seed"])
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=settings["vocab_size"], hidden_size=settings["hidden_size"],
        intermediate_size=settings["intermediate_size"], num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"], num_key_value_heads=settings["heads"],
        max_position_embeddings=settings["max_positions"], rms_norm_eps=1e-5, tie_word_embeddings=True,
        attn_implementation="eager",  # on a CPU much faster than the fused kernel's backward
        bos_token_id=BOS, eos_token_id=EOS, pad_token_id=0,
    ))
    for layer in model.model.layers:  # every layer starts as the identity
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return model


def build_optimizers(model, settings):
    """Muon (Jordan et al. 2024) for the matrices inside the layers, AdamW for the embedding and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in name)]
    return [
        torch.optim.Muon(matrices, lr=settings["matrix_rate"], weight_decay=settings["weight_decay"]),
        torch.optim.AdamW(others, lr=settings["table_rate"], betas=(0.9, 0.98), weight_decay=0.0),
    ]


class Batches:
    """Windows of the shuffled stream; a step's batch depends on seed and step only, so a resumed run sees the same."""

    def __init__(self, documents, settings):
        self.documents, self.settings, self.epoch = documents, settings, None
        tokens = sum(len(prompt) + len(answer) for prompt, answer in documents)
        self.steps_per_epoch = (tokens - 1) // settings["tokens_per_step"]

    def batch(self, step):
        epoch, at = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            self.epoch, self.stream = epoch, epoch_stream(self.documents, self.settings["seed"], epoch)
        size = self.settings["tokens_per_step"]
        tokens = self.stream[at * size:(at + 1) * size + 1]
        width = window(step, self.settings)
        return torch.from_numpy(np.stack([tokens[start:start + width + 1] for start in range(0, size, width)]))


def backward(model, ids):
    """Mean cross-entropy of a batch and its gradients; logits by pieces, so that they stay in the cache."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(ids[:, :-1]).last_hidden_state.flatten(0, 1)
    labels, leaf, total = ids[:, 1:].flatten(), hidden.detach().requires_grad_(), 0.0
    for start in range(0, len(labels), 512):
        with torch.autocast("cpu", torch.bfloat16):
            logits = F.linear(leaf[start:start + 512], model.lm_head.weight)
        loss = F.cross_entropy(logits.float(), labels[start:start + 512], reduction="sum") / len(labels)
        loss.backward()
        total += loss.item()
    hidden.backward(leaf.grad)
    return total


def rate_factor(step, settings):
    """Warm-up, then linearly to zero."""
    return min((step + 1) / settings["warmup"], (settings["steps"] - step) / settings["steps"])


def window(step, settings):
    """Short windows first, long ones at the end: the model learns its far positions at little cost."""
    return settings["short" if step < settings["steps"] - settings["long_steps"] else "long"]


def weights_hash(model):
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def resume(state_file, model, optimizers, settings):
    """-> (steps done, processes begun so far)."""
    if not state_file.exists():
        return 0, 0
    state = torch.load(state_file)
    if state["settings"] != settings:
        raise SystemExit(f"{state_file} belongs to other settings; choose another --work folder")
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"]):
        optimizer.load_state_dict(saved)
    return state["step"], state["processes"]


def train(model, optimizers, documents, settings, work, stop):
    """Runs to the step `stop`. -> in how many processes the steps were made; one is an uninterrupted run."""
    state_file, log_file = work / "state.pt", work / "loss.jsonl"
    first, before = resume(state_file, model, optimizers, settings)
    base_rates = [settings["matrix_rate"], settings["table_rate"]]
    batches, losses, began = Batches(documents, settings), [], time.process_time()
    for step in range(first, stop):
        for optimizer, rate in zip(optimizers, base_rates):
            optimizer.param_groups[0]["lr"] = rate * rate_factor(step, settings)
        losses.append(backward(model, batches.batch(step)))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        done = step + 1
        if done % LOG_EVERY == 0 or done == stop:
            row = {"step": done, "loss": round(float(np.mean(losses)), 4), "weights": weights_hash(model)[:16],
                   "cpu_seconds": round(time.process_time() - began, 1)}
            print(json.dumps(row), flush=True)
            with open(log_file, "a") as log:
                log.write(json.dumps(row) + "\n")
            losses = []
            state = {"settings": settings, "step": done, "processes": before + 1, "model": model.state_dict(),
                     "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
            torch.save(state, f"{state_file}.part")
            os.replace(f"{state_file}.part", state_file)
    return before + (first < stop)


def write_folder(model, tokenizer, settings, output):
    """A folder that transformers and FedKIM open. Tags that no text contains get the mean embedding, as in FedKIM."""
    with torch.no_grad():
        table = model.model.embed_tokens.weight
        table[list(MODALITY_TAG_IDS)] = table[len(SPECIAL_IDS):].mean(0)
    model.to(torch.float16).save_pretrained(output)
    (output / "generation_config.json").unlink(missing_ok=True)
    tokenizer.save(str(output / "tokenizer.json"), pretty=False)
    (output / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "bos_token": "<bos>",
        "eos_token": "<eos>", "unk_token": None, "model_max_length": settings["max_positions"],
        "clean_up_tokenization_spaces": False,
    }, indent=2) + "\n")


SPECIAL_IDS = range(0, 9)


def parse_arguments():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--text", required=True, type=Path)
    arguments.add_argument("--output", type=Path)
    arguments.add_argument("--work", required=True, type=Path)
    arguments.add_argument("--stop", type=int, metavar="STEP")
    arguments.add_argument("--validate", action="store_true")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    given = arguments.parse_args()
    if given.set and not given.validate:
        arguments.error("--set is for --validate; the final settings stand in SETTINGS")
    if not (given.validate or given.stop or given.output):
        arguments.error("--output is needed")
    return given


def main():
    given = parse_arguments()
    settings = {**SETTINGS, **{name: json.loads(number) for name, number in (pair.split("=") for pair in given.set)}}
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    corpus = load_corpus(given.text)
    # Without --validate the held-out part is read once, after the last step.
    pairs, test = (corpus.choosing, corpus.validation) if given.validate else (corpus.training, corpus.held_out)
    priority = Path(__file__).parents[2] / "models" / "priority_texts.txt"
    texts = [line for line in priority.read_text(encoding="utf-8").split("\n") if line]
    tokenizer = train_tokenizer(pairs, texts, settings["vocab_size"])
    documents = encode_pairs(tokenizer, pairs)
    model = build_model(settings)
    tokens = sum(len(prompt) + len(answer) for prompt, answer in documents)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {tokens} training tokens", flush=True)

    stop = given.stop or settings["steps"]
    processes = train(model, build_optimizers(model, settings), documents, settings, given.work, stop)
    if given.stop:
        return
    if given.validate:
        print(json.dumps({"set": given.set, **perplexities(model.eval(), documents, encode_pairs(tokenizer, test),
                                                           settings)}), flush=True)
        return
    given.output.mkdir(parents=True, exist_ok=True)
    write_folder(model, tokenizer, settings, given.output)
    stored = LlamaForCausalLM.from_pretrained(given.output, dtype=torch.float32).eval()
    report = {
        "settings": settings, "data": corpus.hashes, "training_tokens": tokens,
        "torch": torch.__version__, "processes": processes,
        "files": {name: hashlib.sha256((given.output / name).read_bytes()).hexdigest()
                  for name in ("config.json", "model.safetensors", "tokenizer.json")},
        "loss_curve": [json.loads(line) for line in open(given.work / "loss.jsonl")],
        "held_out": perplexities(stored, documents, encode_pairs(tokenizer, test), settings),
    }
    (given.output / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["held_out"]), flush=True)


if __name__ == "__main__":
    main()
