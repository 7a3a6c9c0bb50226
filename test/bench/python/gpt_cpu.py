"""Times PyTorch on the CPU: steps of nanoGPT's GPT-2 with rotary embedding (forward, backward, clipping, AdamW), and matrix products.

python3 gpt_cpu.py --models char,gpt2 --products 768x128x384:nn,... --threads 2

Prints one JSON object: versions, a row for each model (milliseconds of the median and the best step, tokens a second) and for each
product m x k x n and layout (nn: A B, nt: A B^T, tn: A^T B). Tokens are random: the time of a step does not depend on them.
"""
import argparse
import json
import math
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

models = {
    "char": dict(layers=4, heads=4, width=128, vocabulary=65, batch=12, tokens=64),
    "gpt2": dict(layers=12, heads=12, width=768, vocabulary=50304, batch=2, tokens=256),
}


def rotate(x, cos, sin):
    """x [B, H, T, D], split halves as pairs; cos, sin [T, D/2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, hidden, cos, sin):
        batch, tokens, width = hidden.shape
        q, k, v = (
            one.view(batch, tokens, self.heads, -1).transpose(1, 2) for one in self.qkv(self.first(hidden)).split(width, dim=2)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        hidden = hidden + self.out(attended.transpose(1, 2).reshape(batch, tokens, width))
        return hidden + self.down(F.gelu(self.up(self.second(hidden)), approximate="tanh"))


class GPT(nn.Module):
    """The output projection is the embedding's table, as in GPT-2."""

    def __init__(self, layers, heads, width, vocabulary, tokens):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        half = width // heads // 2
        angle = torch.arange(tokens)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        for name, one in self.named_parameters():
            if one.dim() >= 2:
                scale = 0.02 / math.sqrt(2 * layers) if name.endswith(("out.weight", "down.weight")) else 0.02
                nn.init.normal_(one, std=scale)

    def forward(self, tokens, targets):
        hidden = self.embedding(tokens)
        for block in self.blocks:
            hidden = block(hidden, self.cos, self.sin)
        logits = F.linear(self.norm(hidden), self.embedding.weight)
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def best_of(run, seconds, least):
    """Seconds of each run, until so many seconds and runs are over."""
    run()
    run()
    times, start = [], time.perf_counter()
    while len(times) < least or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        run()
        times.append(time.perf_counter() - before)
    return times


def measure_model(name, seconds, compiled, fused, characters):
    sizes = {**models[name], **({"vocabulary": characters} if name == "char" else {})}
    batch, tokens, vocabulary = sizes["batch"], sizes["tokens"], sizes["vocabulary"]
    torch.manual_seed(1)
    model = GPT(**{key: value for key, value in sizes.items() if key != "batch"})
    matrices = [one for one in model.parameters() if one.dim() >= 2]
    vectors = [one for one in model.parameters() if one.dim() < 2]
    groups = [dict(params=matrices, weight_decay=0.1), dict(params=vectors, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=fused)
    made = torch.compile(model) if compiled else model
    data = torch.randint(vocabulary, (100_000,))

    def step():
        starts = torch.randint(len(data) - tokens - 1, (batch,))
        x = torch.stack([data[at : at + tokens] for at in starts])
        y = torch.stack([data[at + 1 : at + 1 + tokens] for at in starts])
        loss = made(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    times = best_of(step, seconds, 5)
    median, best = statistics.median(times), min(times)
    return dict(
        model=name,
        compiled=compiled,
        fused=fused,
        steps=len(times),
        parameters=sum(one.numel() for one in model.parameters()),
        milliseconds=median * 1000,
        best_milliseconds=best * 1000,
        tokens_per_second=batch * tokens / median,
        best_tokens_per_second=batch * tokens / best,
    )


def measure_product(text, seconds):
    shape, _, layout = text.partition(":")
    m, k, n = (int(one) for one in shape.split("x"))
    a = torch.randn(k, m).t() if layout == "tn" else torch.randn(m, k)
    b = torch.randn(n, k).t() if layout == "nt" else torch.randn(k, n)
    out = torch.empty(m, n)
    best = min(best_of(lambda: torch.mm(a, b, out=out), seconds, 3))
    return dict(m=m, k=k, n=n, layout=layout, gflops=2e-9 * m * n * k / best)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="char,gpt2")
    parser.add_argument("--products", default="")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as PyTorch takes by itself")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each model")
    parser.add_argument("--characters", type=int, default=65, help="vocabulary of the character model")
    parser.add_argument("--compile", action="store_true")
    flags = parser.parse_args()
    if flags.threads > 0:
        torch.set_num_threads(flags.threads)
    rows = [
        measure_model(name, flags.seconds, flags.compile, fused, flags.characters)
        for name in flags.models.split(",")
        if name
        for fused in (False, True)
    ]
    products = [measure_product(one, 0.15) for one in flags.products.split(",") if one]
    print(json.dumps(dict(torch=torch.__version__, threads=torch.get_num_threads(), models=rows, products=products)))


if __name__ == "__main__":
    main()
