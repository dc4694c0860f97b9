"""Writes the model card of models/medlm-tiny from its training.json.

    python tools/medlm/card.py models/medlm-tiny [SECOND_WORK_FOLDER]

SECOND_WORK_FOLDER is that of another run of `train.py --stop N` from nothing: its losses and weight hashes are
compared with the first run's, and the number of steps in which they agree goes into training.json.
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
{steps:,} steps of {tokens_per_step:,} tokens in {processes}, in windows of {short} tokens and, in the last
{long_steps} steps, of {long}; learning rates after a warm-up linearly to zero; Muon for the matrices inside the layers,
AdamW for the rest; bfloat16 products; seed {seed}; torch {torch}; {minutes:.0f} minutes of one shared CPU core.

Settings stood in `train.py` before the run, and the schedule is the plainest. Layers, widths and rates are taken over
from the model that this one replaces, whose schedule had been extended after its held-out perplexity was known. The
number of steps was doubled after a first run from nothing with {first_steps:,} steps had ended at a held-out perplexity
of {first_perplexity}: so the length, too, was chosen knowing a held-out value. The perplexity below was computed once,
after the last step. `--validate` tries settings without the held-out part: it trains on the first 96 % of MedQuAD and
reports the next 2 %.

{again}Another CPU may round otherwise. `training.json` holds all settings, a hash of the weights at every
{log_every} steps, and the hashes of data and files:

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


# The run that was too short; it is named in the card because its held-out perplexity led to the present length.
FIRST_RUN = {"first_steps": 1200, "first_perplexity": 106.46}


def agreeing_steps(curve, work):
    """Steps up to which a second run logged the same losses and weights; another value anywhere is an error."""
    again = [json.loads(line) for line in open(work / "loss.jsonl")]
    for first, second in zip(curve, again):
        if [first[key] for key in ("step", "loss", "weights")] != [second[key] for key in ("step", "loss", "weights")]:
            raise SystemExit(f"the runs differ at step {second['step']}: {first} and {second}")
    return again[-1]["step"]


def main():
    folder = Path(sys.argv[1])
    training = json.loads((folder / "training.json").read_text())
    if len(sys.argv) > 2:
        training["second_run_agrees_for_steps"] = agreeing_steps(training["loss_curve"], Path(sys.argv[2]))
        (folder / "training.json").write_text(json.dumps(training, indent=1) + "\n")
    settings, held_out = training["settings"], training["held_out"]
    perplexity, agreed = held_out["perplexity"], training.get("second_run_agrees_for_steps", 0)
    size = (folder / "model.safetensors").stat().st_size
    curve = [row for row in training["loss_curve"] if row["step"] % 100 == 0]
    (folder / "README.md").write_text(CARD.format(**{
        **settings,
        **FIRST_RUN,
        "processes": "one uninterrupted run" if training["processes"] == 1 else f"{training['processes']} runs",
        "log_every": training["loss_curve"][0]["step"],
        "again": f"A second run from nothing gave the same losses and the same weights, bit for bit, for the {agreed} "
                 "steps that it was given. " if agreed else "",
        "parameters": size / 2e6,
        "megabytes": size / 1e6,
        "training_tokens": training["training_tokens"],
        "torch": training["torch"],
        "minutes": cpu_minutes(training["loss_curve"]),
        "hashes": "\n".join(f"| {name} | `{digest}` |" for name, digest in
                            [*training["data"].items(), *training["files"].items()]),
        "curve": "\n".join(f"| {row['step']} | {row['loss']:.3f} |" for row in curve),
        "held_out_answers": held_out["answers"],
        "held_out_tokens": held_out["tokens"],
        "context": settings["max_positions"] // 2,
        "model": perplexity["model"],
        "trigram": perplexity["kneser_ney_trigram"],
        "unigram": perplexity["unigram"],
    }))


if __name__ == "__main__":
    main()
