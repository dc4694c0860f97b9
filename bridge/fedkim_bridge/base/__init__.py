"""The frozen base: a Hugging Face folder of the Llama family or InternLM2."""
