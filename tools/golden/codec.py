#!/usr/bin/env python3
"""Makes tests/golden/codec/*.json with the `gguf` package: blocks and their values, values and their blocks.

    python tools/golden/codec.py tests/golden/codec [libggml-base.so]

With the library given, every vector is also held against ggml's own C functions, and the errors of its K quantisers on
fixed rows are measured anew (else they are kept). All numbers but these are hex of the raw little-endian bytes, so that
nothing is lost in text.
"""
import ctypes
import json
import pathlib
import sys

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

BLOCKS = 4
# Where the halves that scale a block stand; the rest of a block may be any bytes.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
SEARCHED = ["Q4_K", "Q5_K", "Q6_K"]
ENCODED = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def random_blocks(rng, name):
    elements, size = GGML_QUANT_SIZES[T[name]]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in HALVES[name]:
        halves = (rng.standard_normal(BLOCKS) * 0.02).astype(np.float16)
        halves[-1] = np.float16(-3e-6)  # a subnormal, negative
        blocks[:, at:at + 2] = halves.view(np.uint8).reshape(BLOCKS, 2)
    return blocks


def encode_values(rng):
    """Blocks of 32: normal, all zero, one sign, constant, tiny, a single large one, exact halves between levels."""
    rows = [rng.standard_normal(32), np.zeros(32), np.abs(rng.standard_normal(32)), np.full(32, 0.37),
            rng.standard_normal(32) * 1e-7, np.where(np.arange(32) == 7, -60.0, 0.01), (np.arange(32) - 16) / 2]
    return np.stack(rows).astype(np.float32)


def quality_values():
    """Sums of four uniform numbers, every 37th five times as large; QualityValues in codec_test.cc makes the same."""
    values, state = np.zeros(64 * 256, dtype=np.float32), 1
    for i in range(values.size):
        total = -2 * 65535
        for _ in range(4):
            state = (state * 1664525 + 1013904223) % 2**32
            total += state >> 16
        values[i] = np.float32(total * (5 if i % 37 == 0 else 1)) * np.float32(2**-20)
    return values


def reference_errors(library, name):
    values = quality_values()
    elements, size = GGML_QUANT_SIZES[T[name]]
    blocks = np.zeros((values.size // elements, size), dtype=np.uint8)
    call = getattr(library, f"quantize_row_{name[0].lower()}{name[1:]}_ref")
    call(values.ctypes.data_as(ctypes.c_void_p), blocks.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(values.size))
    x, y = values.astype(np.float64), dequantize(blocks, T[name]).astype(np.float64).reshape(-1)
    error = lambda w: float(np.sqrt((w * (x - y) ** 2).sum() / (w * x * x).sum()))
    return {"relative_error": error(np.ones_like(x)), "weighted_relative_error": error(x * x)}


def check_c(library, name, kind, source, result):
    suffix = name.lower().replace("_k", "_K")
    call = getattr(library, f"dequantize_row_{suffix}" if kind == "decode" else f"quantize_row_{suffix}_ref")
    out = np.zeros_like(result)
    count = source.size if kind == "encode" else result.size
    call(source.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(count))
    if out.tobytes() != result.tobytes():
        sys.exit(f"{name} {kind}: gguf and ggml differ")


def main():
    folder = pathlib.Path(sys.argv[1])
    library = ctypes.CDLL(sys.argv[2]) if len(sys.argv) > 2 else None
    folder.mkdir(parents=True, exist_ok=True)
    for name in HALVES:
        rng = np.random.default_rng(17)
        blocks = random_blocks(rng, name)
        values = dequantize(blocks, T[name]).astype(np.float32)
        case = {"type": name, "blocks": blocks.tobytes().hex(), "values": values.tobytes().hex()}
        if library:
            check_c(library, name, "decode", blocks, values)
        if name in ENCODED:
            source = encode_values(rng)
            encoded = np.ascontiguousarray(quantize(source, T[name]))
            case["encode_values"] = source.tobytes().hex()
            case["encode_blocks"] = encoded.tobytes().hex()
            if library:
                check_c(library, name, "encode", source, encoded)
        if name in SEARCHED:
            before = json.loads((folder / f"{name}.json").read_text()) if not library else {}
            case |= reference_errors(library, name) if library else {k: before[k] for k in before if "error" in k}
        (folder / f"{name}.json").write_text(json.dumps(case, indent=0) + "\n")


if __name__ == "__main__":
    main()
