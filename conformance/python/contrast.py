"""Writes losses and gradients of sentence-transformers' MultipleNegativesRankingLoss for the tests of @lowrank/train.

Needs sentence-transformers besides requirements.txt.
Run: python contrast.py ../../packages/train/src/tasks/embeddings/contrast.gen.json
"""

import sentence_transformers
import torch
import transformers
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from small_training import set_weights, train, write
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
    columns_of = lambda batch: [features([triplet[i] for triplet in batch]) for i in range(columns)]
    batches = [TRIPLETS[step * BATCH : (step + 1) * BATCH] for step in range(STEPS)]
    return dict(scale=scale, **train(encoder, batches, lambda batch: loss_of(columns_of(batch), None)))


TRIPLETS = draw(STEPS * BATCH)


def main():
    with torch.no_grad():
        embeddings = Encoder()(features([triplet[0] for triplet in TRIPLETS[:BATCH]]))["sentence_embedding"].tolist()
    cases = dict(pairs=run(2, 20.0), triplets=run(3, 20.0), soft=run(3, 5.0))
    modules = (sentence_transformers, torch, transformers)
    write(modules, sizes=SIZES, batchSize=BATCH, triplets=TRIPLETS, embeddings=embeddings, cases=cases)


main()
