"""Writes losses and gradients of sentence-transformers' MultipleNegativesRankingLoss for the tests of @lowrank/train.

Needs sentence-transformers besides requirements.txt.
Run: python contrast.py ../../packages/train/src/embeddings/contrast.gen.json
"""

import json
import sys

import sentence_transformers
import torch
import transformers
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import BertConfig, BertModel

STEPS, BATCH, VOCAB, PAD = 8, 4, 24, 0
SIZES = dict(
    vocab_size=VOCAB,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=32,
    type_vocab_size=2,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    pad_token_id=PAD,
)


def set_weights(model):
    """The weights that the test makes too: numbers of a formula, by the position of each name."""
    with torch.no_grad():
        for p, (name, parameter) in enumerate(sorted(model.named_parameters())):
            i = torch.arange(parameter.numel(), dtype=torch.float64)
            values = (((i * 7919 + p * 104729) % 1009) / 504 - 1) * 0.3
            if name.endswith("LayerNorm.weight"):
                values = 1 + values / 3
            parameter.copy_(values.reshape(parameter.shape).to(torch.float32))
    return model


class Encoder(torch.nn.Module):
    """Mean pooling over real tokens and length 1, as all-MiniLM-L6-v2's modules have it."""

    def __init__(self):
        super().__init__()
        self.bert = set_weights(BertModel(BertConfig(**SIZES), add_pooling_layer=False))

    def forward(self, features):
        hidden = self.bert(**features).last_hidden_state
        weights = features["attention_mask"][..., None].float()
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return {"sentence_embedding": torch.nn.functional.normalize(mean, dim=1)}


def features(rows):
    width = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != PAD).long()}


def draw(count):
    generator = torch.Generator().manual_seed(11)
    length = lambda: int(torch.randint(2, 8, (), generator=generator))
    return [[torch.randint(1, VOCAB, (length(),), generator=generator).tolist() for _ in range(3)] for _ in range(count)]


def run(columns, scale):
    encoder = Encoder()
    loss_of = MultipleNegativesRankingLoss(encoder, scale=scale)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-2, weight_decay=0.0)
    losses, norms = [], []
    for step in range(STEPS):
        batch = TRIPLETS[step * BATCH : (step + 1) * BATCH]
        loss = loss_of([features([triplet[i] for triplet in batch]) for i in range(columns)], None)
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)))
        losses.append(float(loss))
        optimizer.step()
    return dict(scale=scale, losses=losses, norms=norms)


TRIPLETS = draw(STEPS * BATCH)


def main():
    with torch.no_grad():
        embeddings = Encoder()(features([triplet[0] for triplet in TRIPLETS[:BATCH]]))["sentence_embedding"].tolist()
    cases = dict(pairs=run(2, 20.0), triplets=run(3, 20.0), soft=run(3, 5.0))
    versions = {m.__name__: m.__version__ for m in (sentence_transformers, torch, transformers)}
    with open(sys.argv[1], "w") as file:
        json.dump(dict(versions=versions, sizes=SIZES, batchSize=BATCH, triplets=TRIPLETS, embeddings=embeddings, cases=cases), file)
        file.write("\n")


main()
