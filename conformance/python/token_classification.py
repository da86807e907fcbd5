"""Writes what transformers' BertForTokenClassification and seqeval give, for the tests of @lowrank/train.

Needs seqeval besides requirements.txt.
Run: python token_classification.py ../../packages/train/src/testing/tokenClassification.json
"""

import torch
import transformers
from seqeval.metrics import f1_score, precision_score, recall_score
from small_training import set_weights, train, write
from transformers import BertConfig, BertForTokenClassification, RobertaConfig, RobertaForTokenClassification

STEPS, BATCH, VOCAB, PAD = 8, 4, 24, 1
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SIZES = dict(
    vocab_size=VOCAB,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=40,
    type_vocab_size=1,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    pad_token_id=PAD,
    id2label={i: label for i, label in enumerate(LABELS)},
    label2id={label: i for i, label in enumerate(LABELS)},
)
KINDS = dict(
    bert=(BertConfig, BertForTokenClassification),
    roberta=(RobertaConfig, RobertaForTokenClassification),
)


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
    config, model_class = KINDS[kind]
    model = set_weights(model_class(config(**SIZES)))
    with torch.no_grad():
        logits = model(**padded(ROWS[:BATCH])).logits
    batches = [padded(ROWS[step * BATCH : (step + 1) * BATCH]) for step in range(STEPS)]
    names = sorted(model.state_dict())
    return dict(names=names, logits=logits.flatten().tolist(), **train(model, batches, lambda batch: model(**batch).loss))


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
    cases = {kind: run(kind) for kind in KINDS}
    write((torch, transformers), sizes=SIZES, batchSize=BATCH, rows=ROWS, cases=cases, tags=TAGS, scores=scores)


main()
