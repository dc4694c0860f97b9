"""Writes the model card of models/medlm-tiny from its training.json.

    python tools/medlm/card.py models/medlm-tiny
"""

import json
import sys
from pathlib import Path

CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# medlm-tiny

A small medical language model ({parameters:.2f} M parameters, Llama architecture) that ships with FedKIM on Deno, so
that nothing needs to be downloaded. It shows that the injection works; it knows next to no medicine and must not be
used to answer anyone's medical question.

| | |
|---|---|
| architecture | Llama: hidden {hidden_size}, {layers} layers, {heads} heads, feed-forward {intermediate_size}, tied head, {max_positions} positions |
| vocabulary | {vocab_size:,} byte-level BPE tokens, lower-cased; `yes`, `no`, the prompt words and the words of FedKIM's task texts are single tokens; `<Img> </Img> <Signal> </Signal> <Ts> </Ts>` are special tokens with the mean embedding |
| weights | float16, {megabytes:.1f} MB |
| opens in | FedKIM, and Python `transformers` with the same token ids and logits (`tests/foundation/embedded_model_test.ts`) |

## Data
- MedQuAD (Ben Abacha and Demner-Fushman 2019, *A Question-Entailment Approach to Question Answering*, BMC
  Bioinformatics 20:511): 16,407 question-answer pairs of the US National Institutes of Health,
  <https://github.com/abachaa/MedQuAD>, licence CC BY 4.0. The last 2 % of the pairs are held out.
- MTS-Dialog (Ben Abacha et al. 2023, *An Empirical Study of Clinical Note Generation from Doctor-Patient Encounters*,
  EACL): 1,201 training dialogues with the note section that summarises each,
  <https://github.com/abachaa/MTS-Dialog>, licence CC BY 4.0.

Changes: white space collapsed, lower-cased, each pair written as `human : QUESTION assistant : answer : ANSWER`.
{training_tokens:,} tokens in all.

## Training
`OMP_NUM_THREADS=1 python tools/medlm/train.py --text TEXT_FOLDER --output models/medlm-tiny --work WORK_FOLDER`:
{steps:,} steps of {tokens_per_step:,} tokens, in windows of {short} tokens and, at the end of each of two learning-rate
cycles, of {long}; Muon for the matrices inside the layers, AdamW for the rest; bfloat16 products; seed {seed};
torch {torch}; {minutes:.0f} minutes of one shared CPU core. Interrupted and resumed runs give the same weights on one
machine; another CPU may round otherwise. `training.json` holds all settings and the hashes of data and files:

| file | SHA-256 |
|---|---|
{hashes}

Mean training loss, nats a token:

| step | loss |
|---|---|
{curve}

## Held-out perplexity
Per token on the {held_out_answers} held-out answers ({held_out_tokens:,} tokens, the end of an answer counted; in long
answers at least {context} tokens of context), all three on exactly the same tokens:

| | perplexity |
|---|---|
| medlm-tiny, as stored | **{model}** |
| 3-gram, interpolated modified Kneser-Ney (Chen and Goodman 1998), same training tokens | {trigram} |
| unigram, add-one | {unigram} |

The held-out answers come from other sources of MedQuAD than most of the training text, so all three are far above
their values on the training text.

## Limits
English, lower case. Facts in its text are unreliable. Trained on patient information of US institutes and on
dialogues written from US clinical notes, and biased accordingly. Both sources are published without the identities of
patients, according to their authors.

## Licence
Weights: Apache-2.0, as the rest of FedKIM. When you redistribute them, keep the attributions above.
"""


def cpu_minutes(curve):
    """The clock of the log starts anew with every resumed run."""
    ends = [row["cpu_seconds"] for row, after in zip(curve, [*curve[1:], {"cpu_seconds": 0}])
            if after["cpu_seconds"] < row["cpu_seconds"]]
    return sum(ends) / 60


def main():
    folder = Path(sys.argv[1])
    training = json.loads((folder / "training.json").read_text())
    settings, perplexity = training["settings"], training["perplexity"]
    size = (folder / "model.safetensors").stat().st_size
    curve = [row for row in training["loss_curve"] if row["step"] % 100 == 0]
    (folder / "README.md").write_text(CARD.format(**{
        **settings,
        "steps": settings["steps"] + settings.get("second_cycle", {"steps": 0})["steps"],
        "parameters": size / 2e6,
        "megabytes": size / 1e6,
        "training_tokens": training["training_tokens"],
        "torch": training["torch"],
        "minutes": cpu_minutes(training["loss_curve"]),
        "hashes": "\n".join(f"| {name} | `{digest}` |" for name, digest in
                            [*training["data"].items(), *training["files"].items()]),
        "curve": "\n".join(f"| {row['step']} | {row['loss']:.3f} |" for row in curve),
        "held_out_answers": training["held_out_answers"],
        "held_out_tokens": training["held_out_tokens"],
        "context": settings["max_positions"] // 2,
        "model": perplexity["model"],
        "trigram": perplexity["kneser_ney_trigram"],
        "unigram": perplexity["unigram"],
    }))


if __name__ == "__main__":
    main()
