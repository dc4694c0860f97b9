"""Measures matrix products with PyTorch on this machine, for `deno task bench tensor --ceiling=FILE`.

Usage: python torch_ceiling.py OUT.json
"""
import json
import sys
import time

import torch

SIZES = [(256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096),
         (64, 576, 1536), (64, 1536, 8960), (512, 1536, 8960), (1, 1536, 8960), (1, 8960, 1536)]


def seconds(device, a, b, budget=0.3):
    """Seconds of one product: the best of some rounds that together take about `budget`."""
    def wait():
        if device == "cuda":
            torch.cuda.synchronize()
    for _ in range(3):
        a @ b
    wait()
    best, spent, calls = float("inf"), 0.0, 20 if device == "cuda" else 1
    while spent < budget:
        start = time.perf_counter()
        for _ in range(calls):
            a @ b
        wait()
        took = time.perf_counter() - start
        best, spent = min(best, took / calls), spent + took
    return best


def main(path):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    kinds = [("float32", torch.float32, False)]
    if device == "cuda":
        kinds += [("tf32", torch.float32, True), ("float16", torch.float16, False)]
    rows = []
    for label, dtype, tf32 in kinds:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        for m, k, n in SIZES:
            a = torch.randn(m, k, device=device, dtype=dtype)
            b = torch.randn(k, n, device=device, dtype=dtype)
            rows.append({"size": [m, k, n], "dtype": label, "gflops": 2e-9 * m * k * n / seconds(device, a, b)})
    with open(path, "w") as file:
        json.dump({"engine": f"PyTorch {torch.__version__}", "device": name, "rows": rows}, file)


if __name__ == "__main__":
    main(sys.argv[1])
