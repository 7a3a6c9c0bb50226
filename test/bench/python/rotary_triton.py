"""Rotary embedding of query and key in hand-written Triton, the peer of the benchmark: in place, one launch for both, cosine and
sine of a token read once for a group of heads, float32 arithmetic. Backward is the rotation by -phase; with the gradient of learned
frequencies theta [K, D/2] it also reads the rotated tensors: d theta = sum of position * (dy2 y1 - dy1 y2), in partial sums.

TRITON_INTERPRET=1 python3 rotary_triton.py    compares the kernels with PyTorch's autograd, without a GPU
"""
import sys

import torch
import triton
import triton.language as tl


@triton.jit
def rotate_kernel(q, k, cos, sin, tokens, heads: tl.constexpr, kv: tl.constexpr, half: tl.constexpr, sign: tl.constexpr, block: tl.constexpr):
    """One program: a token and `block` of its heads, query's before key's."""
    row = tl.program_id(0).to(tl.int64)
    pair = tl.arange(0, half)
    c = tl.load(cos + (row % tokens) * half + pair)
    s = tl.load(sin + (row % tokens) * half + pair) * sign
    head = tl.program_id(1) * block + tl.arange(0, block)
    is_query = head < heads
    inside = (head < heads + kv)[:, None]
    base = tl.where(is_query, (row * heads + head), 0)[:, None] * (2 * half) + pair[None, :]
    base_k = tl.where(is_query, 0, row * kv + head - heads)[:, None] * (2 * half) + pair[None, :]
    for_q = inside & is_query[:, None]
    for_k = inside & (head >= heads)[:, None]
    a = tl.load(q + base, mask=for_q, other=0.0).to(tl.float32) + tl.load(k + base_k, mask=for_k, other=0.0).to(tl.float32)
    b = tl.load(q + base + half, mask=for_q, other=0.0).to(tl.float32) + tl.load(k + base_k + half, mask=for_k, other=0.0).to(tl.float32)
    x = (a * c[None, :] - b * s[None, :]).to(q.dtype.element_ty)
    y = (a * s[None, :] + b * c[None, :]).to(q.dtype.element_ty)
    tl.store(q + base, x, mask=for_q)
    tl.store(q + base + half, y, mask=for_q)
    tl.store(k + base_k, x, mask=for_k)
    tl.store(k + base_k + half, y, mask=for_k)


def rotate(q, k, cos, sin, sign=1):
    """In place. q [B,T,H,D], k [B,T,K,D], cos and sin [T, D/2] float32."""
    batch, tokens, heads, size = q.shape
    kv = k.shape[2]
    block = min(8, triton.next_power_of_2(heads + kv))
    grid = (batch * tokens, triton.cdiv(heads + kv, block))
    rotate_kernel[grid](q, k, cos, sin, tokens, heads, kv, size // 2, sign, block)
    return q, k


@triton.jit
def one_head(dy, y, offset, c, s, half: tl.constexpr, pair):
    da = tl.load(dy + offset + pair).to(tl.float32)
    db = tl.load(dy + offset + half + pair).to(tl.float32)
    ya = tl.load(y + offset + pair).to(tl.float32)
    yb = tl.load(y + offset + half + pair).to(tl.float32)
    tl.store(dy + offset + pair, (da * c + db * s).to(dy.dtype.element_ty))
    tl.store(dy + offset + half + pair, (db * c - da * s).to(dy.dtype.element_ty))
    return db * ya - da * yb


@triton.jit
def backward_kernel(dq, dk, q, k, theta, partial, tokens, rows, chunk: tl.constexpr, group: tl.constexpr, kv: tl.constexpr, half: tl.constexpr):
    """One program: a key head with its query heads, over `chunk` tokens. The angle is position * theta."""
    head = tl.program_id(1)
    pair = tl.arange(0, half)
    frequency = tl.load(theta + head * half + pair)
    total = tl.zeros([half], tl.float32)
    first = tl.program_id(0).to(tl.int64) * chunk
    for n in range(chunk):
        row = first + n
        if row < rows:
            position = (row % tokens).to(tl.float32)
            c = tl.cos(position * frequency)
            s = tl.sin(position * frequency)
            turn = one_head(dk, k, (row * kv + head) * 2 * half, c, s, half, pair)
            for g in range(group):
                turn += one_head(dq, q, ((row * kv + head) * group + g) * 2 * half, c, s, half, pair)
            total += position * turn
    tl.store(partial + (tl.program_id(0) * kv + head) * half + pair, total)


def rotate_backward(dq, dk, q, k, theta, chunk=16):
    """dq and dk are turned back in place; gives the gradient of theta [K, D/2]."""
    batch, tokens, heads, size = q.shape
    kv = k.shape[2]
    rows = batch * tokens
    chunks = triton.cdiv(rows, chunk)
    partial = torch.empty(chunks, kv, size // 2, device=q.device, dtype=torch.float32)
    backward_kernel[(chunks, kv)](dq, dk, q, k, theta, partial, tokens, rows, chunk, heads // kv, kv, size // 2)
    return partial.sum(0)


def check():
    from positional import rope_learned

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1)
    q, k, dq, dk = (torch.randn(2, 5, n, 16, device=device) for n in (4, 2, 4, 2))
    theta = torch.rand(2, 8, device=device)
    position = torch.arange(5, device=device, dtype=torch.float32)
    given = [one.clone().requires_grad_() for one in (q, k, theta)]
    made = rope_learned(given[0], given[1], given[2], position)
    torch.autograd.backward(made, (dq, dk))
    theta_gradient = rotate_backward(dq, dk, made[0].detach(), made[1].detach(), theta)
    errors = [(a - b.grad).abs().max().item() for a, b in zip((dq, dk, theta_gradient), given)]
    angle = position[:, None] * theta[0]
    both = [one.clone() for one in (q, k)]
    rotate(*both, angle.cos(), angle.sin())
    wanted = rope_learned(q, k, theta[:1].expand(2, -1), position)
    errors += [(a - b).abs().max().item() for a, b in zip(both, wanted)]
    print("largest errors of dq, dk, dtheta, q, k:", *(f"{error:.1e}" for error in errors))
    return max(errors) < 1e-4


if __name__ == "__main__":
    sys.exit(0 if check() else 1)
