"""
Serves the measurements over JSON lines, so that one start of Python pays for all of them.

A request is {"id", "command", "args"}; its answer {"id", "result"} or {"id", "error"}, in the order asked. Whatever the
libraries print goes to standard error.
"""

import json
import os
import sys
import traceback


def serve(answers):
    import peft
    import torch
    import transformers
    from apply_adapter import apply_adapter
    from arrow_and_starts import arrow_model, measured_start
    from cartridges import cartridge_logits, cartridge_starts
    from chat_templates import render_chat_templates, render_templates
    from config_defaults import config_defaults, peft_methods
    from generation import generate_tokens, sampling_probabilities
    from ggml_reference import has_ggml
    from gguf_read import write_gguf
    from gguf_written import check_gguf
    from hub_cache import hub_cache
    from make_model import make_model
    from mixed_models import mixed_adapters, mixed_results
    from module_nets import module_ours, module_theirs
    from quantize_weights import quantize_blocks, quantize_weight
    from quantized import apply_quantized, quantize_model
    from several_adapters import several_adapters
    from shadow_checkpoints import plain_logits, shadow_apply, shadow_checkpoint
    from tokenizer_cases import tokenizer_cases, tokenizer_classes
    from train_adapter import train_adapter
    from training_step import TrainingStep
    from xlora_experts import xlora_apply, xlora_experts

    def answer(**fields):
        answers.write(json.dumps(fields) + "\n")

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    training = TrainingStep()
    functions = (
        *(make_model, apply_adapter, train_adapter, check_gguf, write_gguf, training.make_step, training.run_steps),
        *(quantize_model, apply_quantized, quantize_weight, quantize_blocks, config_defaults),
        *(several_adapters, arrow_model, measured_start, peft_methods, generate_tokens, sampling_probabilities, hub_cache),
        *(xlora_experts, xlora_apply, cartridge_starts, cartridge_logits, module_theirs, module_ours),
        *(mixed_adapters, mixed_results),
        *(shadow_checkpoint, shadow_apply, plain_logits),
        *(has_ggml, tokenizer_cases, tokenizer_classes, render_chat_templates, render_templates),
    )
    commands = {f.__name__: f for f in functions}
    answer(id=0, result={m.__name__: m.__version__ for m in (torch, transformers, peft)})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(id=request["id"], result=commands[request["command"]](**request["args"]))
        except Exception:
            answer(id=request["id"], error=traceback.format_exc())


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w", buffering=1) as channel:
        os.dup2(2, 1)
        serve(channel)
