"""Training steps of a causal language model with random weights, to be timed."""

import time

import torch
from base import peak_bytes, train_step, trainable
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM


class TrainingStep:
    """LoRA on all linears but the head, or all parameters; AdamW, one batch of random tokens that are their own labels."""

    def __init__(self):
        self.step = None

    def make_step(self, config, batch, tokens, threads, lora):
        """
        Takes the place of the step made before; `config` holds `model_type` and that type's fields, `lora` is
        {"rank", "alpha"}, or None to train every parameter.
        """
        self.step = None
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        fields = AutoConfig.for_model(**config)
        model = AutoModelForCausalLM.from_config(fields, dtype=torch.float32, attn_implementation="sdpa")
        if lora is not None:
            adapter = LoraConfig(
                r=lora["rank"], lora_alpha=lora["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
            )
            model = get_peft_model(model, adapter)
        model.train()
        optimizer = torch.optim.AdamW([p for _, p in trainable(model)])
        ids = torch.randint(config["vocab_size"], (batch, tokens))
        self.step = lambda: train_step(model, optimizer, {"input_ids": ids, "labels": ids})
        return {"trainable": sum(p.numel() for _, p in trainable(model))}

    def run_steps(self, count):
        """Wall times in seconds, the last loss, and the most memory this process has held."""
        seconds, loss = [], None
        for _ in range(count):
            start = time.perf_counter()
            loss = self.step()
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "loss": loss, "peakBytes": peak_bytes()}
