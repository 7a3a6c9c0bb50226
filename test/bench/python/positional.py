"""The encodings of the benchmark in PyTorch: plain functions, as a paper's author would write them, for eager mode and for
torch.compile. Shapes: x [B,T,C], query [B,T,H,D], key [B,T,K,D] with K key heads, H a multiple of K, pairs (p, p + D/2).
Phases and angles are computed in float32 (float64 in the check), whatever query and key are stored as.

python3 positional.py    compares them with the golden vectors beside the tests, in float64
"""
import json
import math
import os
import sys

import torch


def rotate(q, phase):
    """q [B,T,h,D], phase broadcastable to [B,T,h,D/2]; counter-clockwise (RoFormer 2104.09864, eq. 15, halves)."""
    a, b = q.to(phase.dtype).chunk(2, -1)
    c, s = phase.cos(), phase.sin()
    return torch.cat([a * c - b * s, a * s + b * c], -1).to(q.dtype)


def grouped(phase, heads):
    """A phase for each key head [..., K, D/2] as one for each query head [..., H, D/2]."""
    return phase.repeat_interleave(heads // phase.shape[-2], -2)


def rope(q, k, angle):
    """angle [T, D/2]."""
    phase = angle[None, :, None]
    return rotate(q, phase), rotate(k, phase)


def rope_learned(q, k, theta, position):
    """theta [K, D/2], position [T]."""
    phase = position[None, :, None, None] * theta
    return rotate(q, grouped(phase, q.shape[2])), rotate(k, phase)


def carope(q, k, x, w):
    """w [C, K]: a frequency for each token and key head, the phase its running sum of powers (2507.23083)."""
    wide = w.dtype
    f = 1 / (torch.nn.functional.softplus((x @ w.to(x.dtype)).to(wide)) + 1)
    pair = torch.arange(q.shape[-1] // 2, device=q.device, dtype=wide)
    phase = (f[..., None] ** pair).cumsum(1)
    return rotate(q, grouped(phase, q.shape[2])), rotate(k, phase)


def comrope_ld_1d(q, k, p, theta, place):
    """p [K,N,b,b], theta [K,N], place [T] (the position over the context's length): expm of skew blocks (2506.03737)."""
    generator = p - p.transpose(-1, -2)
    turn = torch.matrix_exp(place[:, None, None, None, None] * theta[..., None, None] * generator)  # [T,K,N,b,b]

    def apply(y, m):
        blocks = y.to(m.dtype).unflatten(-1, (m.shape[-3], m.shape[-1]))
        return torch.einsum("thnrc,bthnc->bthnr", m, blocks).flatten(-2).to(y.dtype)

    return apply(q, turn.repeat_interleave(q.shape[2] // k.shape[2], 1)), apply(k, turn)


# ---- the check


def tensor(entry):
    return torch.tensor(entry["data"], dtype=torch.float64).reshape(entry["shape"])


def check():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures", "vectors")
    worst = 0.0
    for name in ["rope_split", "rope_learned_frequencies", "carope", "comrope_ld_1d"]:
        with open(os.path.join(folder, name + ".json")) as file:
            case = json.load(file)
        given = {key: tensor(value) for key, value in {**case["inputs"], **case["learned"]}.items()}
        q, k = given["query"], given["key"]
        tokens, size = q.shape[1], q.shape[-1]
        position = torch.arange(tokens, dtype=torch.float64)
        if name == "rope_split":
            pair = torch.arange(size // 2, dtype=torch.float64)
            made = rope(q, k, position[:, None] * 10000.0 ** (-2 * pair / size))
        elif name == "rope_learned_frequencies":
            theta = given["theta"]
            theta = theta if theta.dim() == 2 else theta.expand(k.shape[2], -1)
            made = rope_learned(q, k, theta, position)
        elif name == "carope":
            made = carope(q, k, given["x"], given["W"])
        else:
            place = given["position"] if "position" in given else position / tokens
            made = comrope_ld_1d(q, k, given["P"], given["theta"], place.reshape(-1))
        score = torch.einsum("bihd,bjhd->bhij", *made) / math.sqrt(size)
        keep = torch.ones(tokens, tokens, dtype=torch.bool).tril()
        output = torch.einsum("bhij,bjhd->bihd", score.masked_fill(~keep, -math.inf).softmax(-1), given["value"])
        error = (output - tensor(case["outputs"]["output"])).abs().max().item()
        worst = max(worst, error)
        print(f"{name:28} largest error of attention's output {error:.1e}")
    return worst < 1e-12


if __name__ == "__main__":
    sys.exit(0 if check() else 1)
