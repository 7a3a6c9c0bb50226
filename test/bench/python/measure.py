"""Times PyTorch (eager and torch.compile) and hand-written Triton on the encodings of the benchmark, on one NVIDIA GPU.

python3 measure.py --bytes 4M,42M,150M,512M,2G --types bf16,f32 --heads 32 --kv-heads 8 --head-dim 128

Prints one JSON object: the card, its copy bandwidth, and a row for each operation, type, size and peer with the median time.
`bytes` is what rotating query and key reads and writes. Between runs a buffer larger than the L2 cache is overwritten.
"""
import argparse
import json
import statistics
import sys

import torch
import torch._dynamo

import positional
import rotary_triton

types = {"bf16": torch.bfloat16, "f32": torch.float32}


def sizes_of(text):
    unit = {"K": 2**10, "M": 2**20, "G": 2**30}
    return [int(float(one[:-1]) * unit[one[-1]]) if one[-1] in unit else int(one) for one in text.split(",")]


class Timer:
    def __init__(self):
        self.flush = torch.empty(2**28, dtype=torch.uint8, device="cuda")

    def __call__(self, run, prepare=lambda: None, rounds=25):
        """Median microseconds. `prepare` is not timed."""
        for _ in range(3):
            prepare()
            run()
        times = []
        for _ in range(rounds):
            prepare()
            self.flush.zero_()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end) * 1000)
        return statistics.median(times)


def copy_bandwidth(timer):
    """Bytes read and written a second by a copy of 1 GiB."""
    a, b = (torch.empty(2**30, dtype=torch.uint8, device="cuda") for _ in range(2))
    return 2 * 2**30 / (timer(lambda: b.copy_(a)) * 1e-6)


def angle_of(tokens, half, device="cuda"):
    pair = torch.arange(half, device=device, dtype=torch.float32)
    return torch.arange(tokens, device=device, dtype=torch.float32)[:, None] * 10000.0 ** (-pair / half)


def peers(function, given, cotangents, wanted, timer, backward_only):
    """Microseconds of eager and compiled `function`; its backward alone, or forward and backward."""
    rows = {}
    for peer, made in [("eager", function), ("torch.compile", torch.compile(function, dynamic=False))]:
        def forward():
            return made(*given)

        def backward(out):
            torch.autograd.grad(out, wanted, cotangents, retain_graph=True)

        if backward_only:
            out = forward()
            rows[peer] = timer(lambda: backward(out))
        else:
            rows[peer] = timer(lambda: backward(forward()))
    return rows


def measure(operation, kind, traffic, shape, timer):
    heads, kv, size = shape
    half = size // 2
    width = kind.itemsize
    rows = max(1, round(traffic / (2 * (heads + kv) * size * width)))
    tokens = min(rows, 1024)
    batch = max(1, rows // tokens)

    def tensor(*dims, learned=False, scale=1.0):
        made = (torch.randn(*dims, device="cuda") * scale).to(torch.float32 if learned else kind)
        return made.requires_grad_()

    q, k = tensor(batch, tokens, heads, size), tensor(batch, tokens, kv, size)
    dq, dk = (torch.randn_like(one) for one in (q, k))
    angle = angle_of(tokens, half)
    position = torch.arange(tokens, device="cuda", dtype=torch.float32)
    theta = angle_of(2, half)[1].repeat(kv, 1).requires_grad_()
    made = {}
    if operation == "rotate_forward":
        with torch.no_grad():
            compiled = torch.compile(positional.rope, dynamic=False)
            made["eager"] = timer(lambda: positional.rope(q, k, angle))
            made["torch.compile"] = timer(lambda: compiled(q, k, angle))
            cos, sin = angle.cos(), angle.sin()
            made["triton"] = timer(lambda: rotary_triton.rotate(q.data, k.data, cos, sin))
    elif operation == "rotate_backward":
        made = peers(lambda a, b: positional.rope(a, b, angle), (q, k), (dq, dk), (q, k), timer, True)
        cos, sin = angle.cos(), angle.sin()
        made["triton"] = timer(lambda: rotary_triton.rotate(dq, dk, cos, sin, -1))
    elif operation == "rotate_backward_angle":
        function = lambda a, b, t: positional.rope_learned(a, b, t, position)
        made = peers(function, (q, k, theta), (dq, dk), (q, k, theta), timer, True)
        made["triton"] = timer(lambda: rotary_triton.rotate_backward(dq, dk, q.data, k.data, theta.data))
    elif operation == "carope":
        x, w = tensor(batch, tokens, heads * size), tensor(heads * size, kv, learned=True, scale=0.02)
        made = peers(positional.carope, (q, k, x, w), (dq, dk), (q, k, x, w), timer, False)
    elif operation == "comrope_ld_1d":
        p, scale = tensor(kv, size // 8, 8, 8, learned=True), tensor(kv, size // 8, learned=True)
        place = position / tokens
        function = lambda a, b, g, t: positional.comrope_ld_1d(a, b, g, t, place)
        made = peers(function, (q, k, p, scale), (dq, dk), (q, k, p, scale), timer, False)
    else:
        raise ValueError(operation)
    return {"batch": batch, "tokens": tokens}, made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", default="4M,42M,150M,512M,2G")
    parser.add_argument("--types", default="bf16,f32")
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--kv-heads", type=int, default=8)
    parser.add_argument("--head-dim", type=int, default=128)
    parser.add_argument("--operations", default="rotate_forward,rotate_backward,rotate_backward_angle,carope,comrope_ld_1d")
    flags = parser.parse_args()
    if not torch.cuda.is_available():
        print("PyTorch sees no GPU here", file=sys.stderr)
        return 2
    timer = Timer()
    shape = (flags.heads, flags.kv_heads, flags.head_dim)
    rows = []
    for operation in flags.operations.split(","):
        for name in flags.types.split(","):
            for traffic in sizes_of(flags.bytes):
                torch._dynamo.reset()
                at = {"operation": operation, "precision": name, "bytes": traffic}
                try:
                    sizes, made = measure(operation, types[name], traffic, shape, timer)
                except torch.OutOfMemoryError:
                    rows.append({**at, "error": "out of memory"})
                    continue
                finally:
                    torch.cuda.empty_cache()
                rows += [{**at, **sizes, "peer": peer, "microseconds": time} for peer, time in made.items()]
                print(json.dumps(rows[-len(made):]), file=sys.stderr)
    result = {
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "heads": flags.heads,
        "kv_heads": flags.kv_heads,
        "head_dim": flags.head_dim,
        "copy_bytes_per_second": copy_bandwidth(timer),
        "rows": rows,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
