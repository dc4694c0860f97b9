"""FedKIM's injection on an existing training engine, for base models that outgrow one GPU.

The bridge reads what the aggregator wrote (a run folder with the local model's description and the aggregated
encoders) and public ``fedkim-dataset/1`` folders, trains projectors, gate and LoRA experts (M3OE; Wang et al.,
EMNLP 2024) beside a frozen Hugging Face decoder under Accelerate, and writes the adapter files that FedKIM loads.

- ``local``: datasets, front ends, stems and encoders, value for value those of ``src/local``;
- ``m3oe``: gate, experts, prompt, batches, training and adapter files, those of ``src/m3oe``;
- ``base``: the Hugging Face folder: tokenizer, hash, decoder.
"""

__version__ = "0.1.0"
