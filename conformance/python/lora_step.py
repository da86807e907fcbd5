"""One LoRA training step of a causal language model with random weights, to be timed."""

import time

import torch
from base import peak_bytes, train_step, trainable
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM


class LoraStep:
    """LoRA on all linears but the head, AdamW, one batch of random tokens that are their own labels."""

    def __init__(self):
        self.step = None

    def make_lora_step(self, config, batch, tokens, rank, alpha, threads):
        """Takes the place of the step made before; `config` holds `model_type` and that type's fields."""
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        fields = AutoConfig.for_model(**config)
        base = AutoModelForCausalLM.from_config(fields, dtype=torch.float32, attn_implementation="sdpa")
        lora = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(base, lora).train()
        optimizer = torch.optim.AdamW([p for _, p in trainable(model)])
        ids = torch.randint(config["vocab_size"], (batch, tokens))
        self.step = lambda: train_step(model, optimizer, {"input_ids": ids, "labels": ids})
        return {"trainable": sum(p.numel() for _, p in trainable(model))}

    def run_lora_steps(self, count):
        """Wall times in seconds, the last loss, and the most memory this process has held."""
        seconds, loss = [], None
        for _ in range(count):
            start = time.perf_counter()
            loss = self.step()
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "loss": loss, "peakBytes": peak_bytes()}
