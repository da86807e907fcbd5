"""What PEFT's Shadow gives with the checkpoint of a decoder, alone or with a projection, and without the base model."""

import json
from pathlib import Path

import torch
from base import as_batch, as_json, load_base, measure, trainable
from peft import PeftModel, ShadowConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForCausalLM


def write_checkpoint(decoder, hidden, out, projected):
    """Writes `decoder` as a plain checkpoint, or as one with a random projection to `hidden` elements."""
    if not projected:
        return decoder.save_pretrained(out)
    Path(out).mkdir(parents=True)
    config = {"model_type": "causal_lm_with_hidden_projection", "shadow_model_config": decoder.config.to_dict()}
    (Path(out) / "config.json").write_text(json.dumps(config))
    projection = torch.randn(hidden, decoder.config.hidden_size) / decoder.config.hidden_size**0.5
    tensors = {f"shadow_model.{name}": t.contiguous() for name, t in decoder.state_dict().items()}
    save_file({**tensors, "shadow_hidden_projection.weight": projection}, f"{out}/model.safetensors")


def stepped(model, ids, steps):
    """Logits of the last `steps` tokens, computed one by one with the cache of both decoders."""
    with torch.no_grad():
        output = model(input_ids=ids[:, :-steps], use_cache=True)
        found = []
        for token in ids[:, -steps:].split(1, dim=1):
            # `generate` of transformers 5 names this input "cache", which PEFT 0.21.2 does not read.
            output = model(input_ids=token, past_key_values=output.past_key_values, use_cache=True)
            found.append(output.logits)
    return torch.cat(found, dim=1)


def answers(model, inputs):
    """Logits, loss and gradients, logits with a cache, and logits of the second decoder alone."""
    batch = as_batch(inputs)
    tensors = measure(model, batch)
    tensors["logits.stepped"] = stepped(model, batch["input_ids"], 3)
    with torch.no_grad():
        tensors["logits.alone"] = model.base_model.unload_shadow()(input_ids=batch["input_ids"]).logits
    return {"tensors": as_json(tensors)}


def shadow_checkpoint(base, decoder, config, projected, inputs, seed, out):
    """
    Writes the checkpoint `out`/shadow from the model in `decoder`, or none if that is None, and the adapter `out`/theirs
    with random values.
    """
    model = load_base(base)
    torch.manual_seed(seed)
    fields = dict(config)
    if decoder is not None:
        write_checkpoint(AutoModel.from_pretrained(decoder, dtype=torch.float32), model.config.hidden_size, f"{out}/shadow", projected)
        fields["shadow_model"] = f"{out}/shadow"
    peft = get_peft_model(model, ShadowConfig(task_type="CAUSAL_LM", **fields)).eval()
    started = answers(peft, inputs)
    counts = list(peft.get_nb_trainable_parameters())
    with torch.no_grad():
        for _, parameter in trainable(peft):
            parameter.add_(0.1 * torch.randn_like(parameter))
    peft.save_pretrained(f"{out}/theirs")
    return {**answers(peft, inputs), "started": started["tensors"]["logits.alone"], "counts": counts}


def shadow_apply(base, adapter, inputs):
    """What PEFT gives for a folder of Lowrank."""
    model = PeftModel.from_pretrained(load_base(base), adapter, is_trainable=True, torch_device="cpu").eval()
    return answers(model, inputs)


def plain_logits(folder, inputs):
    """Logits of a language model in a folder."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return {"tensors": as_json({"logits": model(input_ids=as_batch(inputs)["input_ids"]).logits})}
