"""Token ids, logits and greedy continuations of a checkpoint by Python transformers, as JSON: the other side of
tests/foundation/embedded_model_test.ts.

    python tools/medlm/logits.py models/medlm-tiny > models/medlm-tiny/logits.json
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "human : What is anemia? assistant : answer :",
    "human : <Img> x-ray </Img> Does this chest X-ray show pneumonia? assistant : answer : yes",
    "Café, 38.5 °C; ß2-Mikroglobulin (肺炎)",
]


def describe(model, tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0]
        tokens = [tokenizer.bos_token_id, *ids]
        for _ in range(12):
            tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return {
        "text": text,
        "ids": ids,
        "largest": float(logits.abs().max()),
        "every997th": [round(float(value), 6) for value in logits.flatten()[::997]],
        "greedy": tokens[-12:],
    }


def main():
    folder = sys.argv[1]
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    print(json.dumps({
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "texts": [describe(model, tokenizer, text) for text in TEXTS],
    }))


if __name__ == "__main__":
    main()
