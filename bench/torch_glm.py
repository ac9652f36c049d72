"""ChatGLM2's transformer in PyTorch at its best: fused RMSNorm and scaled dot-product attention. It needs torch 2.5, no more."""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.heads, self.groups, self.size = shape["heads"], shape["groups"], shape["headSize"]
        rows = (self.heads + 2 * self.groups) * self.size
        self.query_key_value = nn.Linear(shape["hidden"], rows)
        self.dense = nn.Linear(self.heads * self.size, shape["hidden"], bias=False)

    def forward(self, x, cos, sin, cache, begin):
        batch, seq, _ = x.shape
        sizes = [self.heads * self.size, self.groups * self.size, self.groups * self.size]
        q, k, v = (
            part.view(batch, seq, -1, self.size).transpose(1, 2) for part in self.query_key_value(x).split(sizes, -1)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            end = begin + seq
            cache[0, :, :, begin:end], cache[1, :, :, begin:end] = k, v
            k, v = cache[:, :, :, :end]
        # One token after others sees all of them.
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=seq > 1, enable_gqa=True)
        return self.dense(mixed.transpose(1, 2).reshape(batch, seq, -1))


def rotate(x, cos, sin):
    """Rotates the first half of each head in interleaved pairs; x is [batch, heads, seq, size]."""
    half = x.shape[-1] // 2
    even, odd = x[..., 0:half:2], x[..., 1:half:2]
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)
    return torch.cat((turned, x[..., half:]), -1)


class MLP(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(shape["hidden"], 2 * shape["ffn"], bias=False)
        self.dense_4h_to_h = nn.Linear(shape["ffn"], shape["hidden"], bias=False)

    def forward(self, x):
        gate, up = self.dense_h_to_4h(x).chunk(2, -1)
        return self.dense_4h_to_h(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape["hidden"], eps=1e-5)
        self.self_attention = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape["hidden"], eps=1e-5)
        self.mlp = MLP(shape)

    def forward(self, x, cos, sin, cache, begin):
        x = x + self.self_attention(self.input_layernorm(x), cos, sin, cache, begin)
        return x + self.mlp(self.post_attention_layernorm(x))


class GLM(nn.Module):
    """Modules are named as in the checkpoint. Their type and device are torch's defaults when it is made."""

    def __init__(self, shape, places):
        """`places`: how many tokens a row may have."""
        super().__init__()
        self.shape = shape
        self.transformer = nn.Module()
        self.transformer.embedding = nn.Module()
        self.transformer.embedding.word_embeddings = nn.Embedding(shape["vocabulary"], shape["hidden"])
        self.transformer.encoder = nn.Module()
        self.transformer.encoder.layers = nn.ModuleList(Layer(shape) for _ in range(shape["layers"]))
        self.transformer.encoder.final_layernorm = nn.RMSNorm(shape["hidden"], eps=1e-5)
        self.transformer.output_layer = nn.Linear(shape["hidden"], shape["vocabulary"], bias=False)
        pairs = shape["headSize"] // 4
        frequencies = 10000.0 ** -(torch.arange(pairs, dtype=torch.float32) / pairs)
        angles = torch.outer(torch.arange(places, dtype=torch.float32), frequencies)
        self.register_buffer("cos", angles.cos().to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("sin", angles.sin().to(torch.get_default_dtype()), persistent=False)

    def forward(self, ids, chosen, targets):
        """The loss of the chosen ones of all tokens, counted through the rows."""
        return F.cross_entropy(self.logits(ids, chosen), targets)

    def logits(self, ids, chosen, cache=None, begin=0):
        """`ids`: [batch, seq], of which `begin` tokens were before and are in the cache; either is 0 or seq is 1."""
        places = slice(begin, begin + ids.shape[1])
        cos, sin = self.cos[places], self.sin[places]
        x = self.transformer.embedding.word_embeddings(ids)
        for i, layer in enumerate(self.transformer.encoder.layers):
            x = layer(x, cos, sin, None if cache is None else cache[i], begin)
        x = self.transformer.encoder.final_layernorm(x.flatten(0, 1)[chosen])
        return self.transformer.output_layer(x)

    def cache(self, rows):
        """Room for keys and values: [layers, 2, rows, groups, places, size]."""
        shape = self.shape
        size = (shape["layers"], 2, rows, shape["groups"], len(self.cos), shape["headSize"])
        return torch.zeros(size, dtype=self.cos.dtype, device=self.cos.device)
