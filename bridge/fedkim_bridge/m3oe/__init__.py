"""The adaptive multitask multimodal mixture of LoRA experts, as in ``src/m3oe`` of FedKIM."""
