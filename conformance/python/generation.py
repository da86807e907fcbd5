"""What transformers' `generate` makes of prompts, and its sampling settings of logits."""

import base64
from contextlib import contextmanager, nullcontext
from functools import lru_cache

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)


@lru_cache(maxsize=8)
def model_of(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.generation_config = GenerationConfig()
    return model


class CountPenalties(LogitsProcessor):
    """Frequency and presence penalties as OpenAI defines them, which transformers lacks; of new tokens alone."""

    def __init__(self, prompt_length, frequency, presence):
        self.prompt_length, self.frequency, self.presence = prompt_length, frequency, presence

    def __call__(self, input_ids, scores):
        new = input_ids[:, self.prompt_length :]
        counts = torch.zeros_like(scores).scatter_add_(1, new, torch.ones(new.shape))
        return scores - self.frequency * counts - self.presence * (counts > 0)


def as_base64(tensor):
    return base64.b64encode(tensor.contiguous().float().numpy().tobytes()).decode()


@contextmanager
def multinomial_by(uniforms):
    """torch.multinomial without replacement, drawn by given numbers: by the race that PyTorch's own kernel runs."""
    own, steps = torch.multinomial, iter(uniforms)

    def draw(probabilities, num_samples):
        rows, width = probabilities.shape
        numbers = torch.tensor(next(steps), dtype=torch.float32).reshape(rows, -1)
        # Before the first step the beams are one, and all others without probability.
        u = torch.full((rows, width), 0.5)
        u[:, : numbers.shape[1]] = numbers
        keys = probabilities.double().log() - (-u.double().log()).log()
        return keys.topk(num_samples)[1]

    torch.multinomial = draw
    try:
        yield
    finally:
        torch.multinomial = own


def generate_tokens(folder, prompts, settings, frequency=0.0, presence=0.0, uniforms=None):
    """The new tokens of each sequence; without beams also the processed scores [steps, rows, vocabulary]."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    own = LogitsProcessorList([CountPenalties(longest, frequency, presence)] if frequency or presence else [])
    for name in ("repetition_penalty", "length_penalty", "temperature", "top_p", "min_p"):
        if name in settings:
            settings[name] = float(settings[name])
    how = GenerationConfig(pad_token_id=0, return_dict_in_generate=True, output_scores=True, **settings)
    draws = multinomial_by(uniforms) if uniforms else nullcontext()
    with torch.no_grad(), draws:
        out = model_of(folder).generate(ids, attention_mask=mask, generation_config=how, logits_processor=own)
    new = out.sequences[:, longest:].tolist()
    if settings.get("num_beams", 1) > 1:
        lengths = (out.beam_indices >= 0).sum(dim=1).tolist()
        return {"tokens": [row[:n] for row, n in zip(new, lengths)]}
    ends = settings.get("eos_token_id") or []
    first = lambda row: next((i + 1 for i, token in enumerate(row) if token in ends), len(row))
    return {"tokens": [row[: first(row)] for row in new], "scores": as_base64(torch.stack(out.scores))}


def sampling_probabilities(logits, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    """The probabilities that tokens are drawn by, of logits as a list."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(float(temperature))])
    if top_k > 0:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(float(top_p)))
    if min_p > 0:
        warpers.append(MinPLogitsWarper(min_p))
    return as_base64(warpers(None, torch.tensor([logits])).softmax(dim=-1))
