"""Writes what transformers' ...ForTokenClassification and seqeval give, for the tests of @lowrank/train.

Needs seqeval besides requirements.txt.
Run: python token_classification.py ../../packages/train/src/testing/tokenClassification.json
"""

import torch
import transformers
from seqeval.metrics import f1_score, precision_score, recall_score
from small_training import set_weights, train, write
from transformers import AutoConfig, AutoModelForTokenClassification

STEPS, BATCH, VOCAB, PAD = 8, 4, 24, 1
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
HEAD = dict(
    vocab_size=VOCAB,
    pad_token_id=PAD,
    max_position_embeddings=40,
    id2label={i: label for i, label in enumerate(LABELS)},
    label2id={label: i for i, label in enumerate(LABELS)},
)
SHAPE = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
PLAIN = dict(type_vocab_size=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
# The fields of each model's config.json. The second layer of the ModernBERT sees a window.
CONFIGS = {
    "bert": {**HEAD, **SHAPE, **PLAIN},
    "roberta": {**HEAD, **SHAPE, **PLAIN},
    "distilbert": {**HEAD, "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2, "dropout": 0.0, "attention_dropout": 0.0},
    "modernbert": {**HEAD, **SHAPE, "local_attention": 4, "classifier_bias": True},
    "deberta-v2": {**HEAD, **SHAPE, **PLAIN, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 4, "norm_rel_ebd": "layer_norm"},
}


def draw(count):
    generator = torch.Generator().manual_seed(5)
    one = lambda low, high: int(torch.randint(low, high, (), generator=generator))
    rows = []
    for _ in range(count):
        length = one(3, 10)
        ids = [one(2, VOCAB) for _ in range(length)]
        rows.append(dict(inputIds=ids, labels=[-100 if one(0, 4) == 0 else one(0, len(LABELS)) for _ in ids]))
        rows[-1]["labels"][one(0, length)] = 1
    return rows


def padded(rows):
    width = max(len(row["inputIds"]) for row in rows)
    fill = lambda key, value: torch.tensor([row[key] + [value] * (width - len(row[key])) for row in rows])
    ids = fill("inputIds", PAD)
    mask = torch.tensor([[1] * len(row["inputIds"]) + [0] * (width - len(row["inputIds"])) for row in rows])
    return dict(input_ids=ids, attention_mask=mask, labels=fill("labels", -100))


def run(kind):
    config = AutoConfig.for_model(kind, **CONFIGS[kind])
    model = set_weights(AutoModelForTokenClassification.from_config(config))
    with torch.no_grad():
        logits = model(**padded(ROWS[:BATCH])).logits
    batches = [padded(ROWS[step * BATCH : (step + 1) * BATCH]) for step in range(STEPS)]
    names = sorted(model.state_dict())
    return dict(config=CONFIGS[kind], names=names, logits=logits.flatten().tolist(), **train(model, batches, lambda batch: model(**batch).loss))


ROWS = draw(STEPS * BATCH)
TAGS = [
    [["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "I-PER", "O", "O"]],
    [["O", "B-PER", "B-PER", "I-PER"], ["O", "B-PER", "I-PER", "I-PER"]],
    [["I-PER", "I-LOC", "O", "I-LOC"], ["I-PER", "I-LOC", "I-LOC", "I-LOC"]],
    [["B-LOC", "I-PER", "I-PER", "O"], ["B-LOC", "I-PER", "I-PER", "O"]],
    [["S-PER", "O", "B-LOC", "E-LOC"], ["S-PER", "O", "B-LOC", "I-LOC"]],
    [["O", "O", "O", "O"], ["O", "B-LOC", "O", "O"]],
]


def main():
    wanted, given = [t for t, _ in TAGS], [g for _, g in TAGS]
    scores = dict(precision=precision_score(wanted, given), recall=recall_score(wanted, given), f1=f1_score(wanted, given))
    cases = {kind: run(kind) for kind in CONFIGS}
    write((torch, transformers), labels=LABELS, padTokenId=PAD, batchSize=BATCH, rows=ROWS, cases=cases, tags=TAGS, scores=scores)


main()
