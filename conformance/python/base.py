"""What every measurement shares: loading a base, inputs and tensors as JSON, measuring a model and training it."""

import base64
import json
import re
import resource
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import peft.tuners.lokr.layer
import peft.tuners.lora.model
import peft.tuners.osf.layer
import psoft_files  # noqa: F401
import torch
from peft import LoraConfig, PeftModel, PeftModelForCausalLM
from peft.tuners.adamss.model import AdamssModel
from peft.tuners.c3a.utils import BlockCircularConvolution
from peft.tuners.frod.layer import FrodLayer
from peft.tuners.frod.layer import Linear as FrodLinear
from peft.tuners.hira.model import HiraModel
from peft.tuners.loha.layer import HadaWeightCP
from peft.tuners.lora import LoraModel
from peft.tuners.lora.layer import MultiheadAttention as LoraAttention
from peft.tuners.lora.variants import KasaLinearVariant
from peft.tuners.tinylora.layer import Embedding as TinyLoraEmbedding
from peft.utils.constants import EMBEDDING_LAYER_NAMES
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification


def c3a_backward(ctx, dy):
    """The gradients of C3A's blocks. PEFT 0.21.2's gradient of the input convolves with the reversed kernel."""
    x, w = ctx.saved_tensors
    m, _, b = w.shape
    dy = torch.fft.fft(dy.reshape(*dy.shape[:-1], m, b))
    dx = torch.fft.ifft(torch.einsum("...mb,mnb->...nb", dy, torch.fft.fft(w))).real
    dw = torch.fft.fft(torch.einsum("...mb,...nb->mnb", dy, torch.fft.ifft(x))).real
    return dx.reshape(*dx.shape[:-2], -1), dw


BlockCircularConvolution.backward = staticmethod(c3a_backward)


def hira_module(hira_config, adapter_name, target, r, **kwargs):
    """HiRA's first adapter of a layer, with the rank of `rank_pattern`, which PEFT 0.21.2 passes on and then ignores."""
    return hira_created(replace(hira_config, r=r, rank_pattern={}), adapter_name, target, r=r, **kwargs)


hira_created = HiraModel._create_new_module
HiraModel._create_new_module = staticmethod(hira_module)


def osf_parts(weight, top_k):
    """OSF's parts of a weight, from float64. The float32 vectors of PEFT 0.21.2 have errors of 1e-7 divided by the gap
    between the singular values at the border of the parts, which small models have of 1e-3."""
    u, s, v = torch.linalg.svd(weight.double(), full_matrices=False)
    low = {"U_low": u[:, top_k:], "S_low": s[top_k:], "V_low": v[top_k:]}
    high = {"U_high": u[:, :top_k], "S_high": s[:top_k], "V_high": v[:top_k]}
    fit = {name: part.to(weight.dtype).contiguous() for name, part in (low | high).items()}
    return fit | {name: torch.nn.Parameter(fit[name]) for name in low} | {"rank_high": top_k}


peft.tuners.osf.layer.decompose_weight_matrix = osf_parts


def adamss_masking(self, target_subspaces, adapter_name, asa_layers):
    """Freezes all of AdaMSS's training clusters but the `target_subspaces` most important ones. PEFT 0.21.2 keeps only the
    clusters above the score of the last one to keep, and so one fewer than the target."""
    clusters = []
    for layer in asa_layers:
        averages = ("exp_avg_ipt_A", "exp_avg_unc_A", "exp_avg_ipt_B", "exp_avg_unc_B")
        lists = [getattr(layer, name)[adapter_name] for name in averages]
        for k, (ipt_a, unc_a, ipt_b, unc_b) in enumerate(zip(*lists)):
            if ipt_a is not None and ipt_b is not None:
                clusters.append((layer, k, ((ipt_a * unc_a).mean() + (ipt_b * unc_b).mean()).item()))
    if target_subspaces >= len(clusters):
        return
    threshold = sorted((score for *_, score in clusters), reverse=True)[target_subspaces - 1]
    for layer, k, score in clusters:
        if score < threshold:
            for parameter in (layer.adamss_A[adapter_name][k], layer.adamss_B[adapter_name][k]):
                parameter.requires_grad, parameter.grad = False, None


AdamssModel._global_mask_to_target = adamss_masking


def frod_tensors(self, adapter, **kwargs):
    """FRoD's tensors of a layer, with the U that belongs to its V. PEFT 0.21.2 keeps the U of the basis that it computed
    when the layer was made, also after it read another V from a file."""
    weight = self._get_base_weight_before_merge()
    weight = weight.T if self.fan_in_fan_out else weight
    self.frod_U[adapter], _ = FrodLayer._calculate_frod_u_and_lambda(self, self.frod_V[adapter], weight)
    return frod_given(self, adapter, **kwargs)


frod_given = FrodLinear._get_frod_tensors
FrodLinear._get_frod_tensors = frod_tensors


def tinylora_updated(self, adapter_name, tinylora_v, v_key, r, config, **kwargs):
    """TinyLoRA's tensors of an embedding. With `save_projection=False`, PEFT 0.21.2 writes files without its projections,
    and then reports these as missing when it loads the file, since it leaves their buffers persistent."""
    self.tinylora_P.persistent = config.save_projection
    return tinylora_given(self, adapter_name, tinylora_v, v_key, r, config, **kwargs)


tinylora_given = TinyLoraEmbedding.update_layer
TinyLoraEmbedding.update_layer = tinylora_updated


def with_kasa_loss(self, *args, **kwargs):
    """A model's outputs, with KaSA's term added to the loss. PEFT 0.21.2 leaves adding it to the user's training loop."""
    output = tuner_forward(self, *args, **kwargs)
    if getattr(output, "loss", None) is not None:
        output.loss = output.loss + self._get_kasa_loss()
    return output


def kasa_truncation(module, r):
    """KaSA's truncated weight and dropped factors, from float64. Those of PEFT 0.21.2 are from float32, whose errors are
    1e-7 divided by the gap between the singular values at the border."""
    base = module.get_base_layer()
    u, s, v = torch.linalg.svd(base.weight.detach().double(), full_matrices=False)
    left, right = u[:, -r:] * s[-r:], v[-r:]
    base.weight.data = (base.weight.detach().double() - left @ right).to(base.weight.dtype)
    return left.float(), right.float()


KasaLinearVariant._truncate_base_weight = staticmethod(kasa_truncation)
tuner_forward = LoraModel.forward
LoraModel.forward = with_kasa_loss


def replicate_layers(model, ranges):
    """PEFT's replication of layers. `layer_types` follows the layers, which PEFT 0.21.2 leaves as it was, so that a
    deeper model has layers without a type."""
    replicated(model, ranges)
    config = getattr(model, "config", None)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[i] for start, end in ranges for i in range(start, end)]


replicated = peft.tuners.lora.model.replicate_layers
peft.tuners.lora.model.replicate_layers = replicate_layers


def cpt_forward(self, *args, **kwargs):
    """CPT's forward pass, which leaves the caller's `input_type_mask` as it is. PEFT 0.21.2 adds the largest type of the
    context to its values in every pass, so that a second pass with the same mask has another loss."""
    mask = kwargs.get("input_type_mask")
    return cpt_given(self, *args, **kwargs | ({} if mask is None else {"input_type_mask": mask.clone()}))


cpt_given = PeftModelForCausalLM._cpt_forward
PeftModelForCausalLM._cpt_forward = cpt_forward


def hada_backward(ctx, dy):
    """The gradients of LoHa's factored filters. In PEFT 0.21.2, each of the two products computes the gradient of its A
    from the tensor and from the B of the other product."""
    given = [t.detach().requires_grad_() for t in ctx.saved_tensors[:6]]
    with torch.enable_grad():
        t1, a1, b1, t2, a2, b2 = given
        first, second = (torch.einsum("ijkl,jr,ip->prkl", t, b, a) for t, a, b in ((t1, a1, b1), (t2, a2, b2)))
        return *torch.autograd.grad(first * second * ctx.saved_tensors[6], given, dy), None


HadaWeightCP.backward = staticmethod(hada_backward)


def make_kron(w1, w2, scale=1.0):
    """LoKr's product, of copies in the usual layout. PyTorch's `kron` fails for layouts that PEFT 0.21.2 passes with a
    rank of 1."""
    return kron_given(*(w.clone(memory_format=torch.contiguous_format) for w in (w1, w2)), scale)


kron_given = peft.tuners.lokr.layer.make_kron
peft.tuners.lokr.layer.make_kron = make_kron


@contextmanager
def merged_once(self, name, record):
    """Replaces the method `name` of the output projection, inside of LoRA's attention, by one that only records merged
    adapters. PEFT 0.21.2 adds the update of this projection to the weight, and then calls the method, which adds it again."""
    projection = self.get_base_layer().out_proj
    setattr(projection, name, lambda **given: record(projection.merged_adapters, **given))
    yield
    delattr(projection, name)


def attention_merge(self, safe_merge=False, adapter_names=None):
    with merged_once(self, "merge", lambda merged, adapter_names: merged.extend(adapter_names)):
        attention_merge_given(self, safe_merge, adapter_names)


def attention_unmerge(self):
    with merged_once(self, "unmerge", lambda merged: merged.clear()):
        attention_unmerge_given(self)


attention_merge_given, attention_unmerge_given = LoraAttention.merge, LoraAttention.unmerge
LoraAttention.merge, LoraAttention.unmerge = attention_merge, attention_unmerge


def with_tied_names(self):
    """LoRA's configuration for a file, with a name by which PEFT finds tied layers again. PEFT 0.21.2 replaces `lm_head` by
    the embedding, and then does not recognise GPT-2's `wte` when it loads the file."""
    fields = config_given(self)
    for field, tied in (("target_modules", "target_modules_to_tie"), ("modules_to_save", "modules_to_tie")):
        names, paths = fields.get(field), getattr(self, tied, None)
        if paths and not isinstance(names, str):
            known = any(name.split(".")[-1] in EMBEDDING_LAYER_NAMES for name in names)
            fields[field] = names if known else [*names, *paths]
    return fields


config_given = LoraConfig.to_dict
LoraConfig.to_dict = with_tied_names


def tied_twins(model):
    """Pairs of parameters that are transposes of each other in one memory, which PEFT 0.21.2 makes of tied layers. Each has
    its own gradient, and so its own state in an optimiser. Here, the first one has the gradient of both."""
    first, twins = {}, []
    for parameter in model.parameters():
        other = first.setdefault(parameter.data_ptr(), parameter)
        if other is not parameter and parameter.numel() > 0:
            twins.append((other, parameter))
    return twins


def add_twins(model):
    for parameter, twin in tied_twins(model):
        if twin.grad is not None:
            parameter.grad = twin.grad.T + (0 if parameter.grad is None else parameter.grad)
            twin.grad = None


def load_base(folder, attention="eager"):
    """The float32 model of a Hugging Face folder, of the kind that its config's `architectures` names."""
    config = json.loads((Path(folder) / "config.json").read_text())
    classifies = config["architectures"][0].endswith("ForSequenceClassification")
    kind = AutoModelForSequenceClassification if classifies else AutoModelForCausalLM
    # PyTorch's grouped product of experts takes no sizes that are not multiples of 16 bytes.
    own = {"attn_implementation": attention, "experts_implementation": "eager"}
    return kind.from_pretrained(folder, dtype=torch.float32, **own).eval()


def as_batch(inputs):
    """A model's keyword arguments from the rows of input_ids, attention_mask and labels."""
    return {name: torch.tensor(rows) for name, rows in inputs.items()}


def as_json(tensors):
    """Tensors as their shapes and their little-endian float32 bytes in base64."""
    return {
        name: {
            "shape": list(t.shape),
            "data": base64.b64encode(t.detach().float().contiguous().numpy().tobytes()).decode(),
        }
        for name, t in tensors.items()
    }


def trainable(model):
    """(name without the adapter's name, parameter) of all that trains."""
    twins = {id(twin) for _, twin in tied_twins(model)}
    named = model.named_parameters()
    return [(n.replace(".default", ""), p) for n, p in named if p.requires_grad and id(p) not in twins]


def measure(model, batch):
    """Logits; with labels the loss too, and `grad.<name>` of every trainable parameter that it reaches."""
    model.zero_grad()
    output = model(**batch)
    tensors = {"logits": output.logits}
    if "labels" in batch:
        tensors["loss"] = output.loss.reshape(1)
        if output.loss.requires_grad:
            output.loss.backward()
            add_twins(model)
            tensors |= {f"grad.{name}": p.grad for name, p in trainable(model) if p.grad is not None}
    return tensors


def merged_logits(base, adapter, batch, dtype):
    """Logits of a base that an adapter was merged into, in float32, after which its weights were rounded to `dtype`."""
    merged = PeftModel.from_pretrained(load_base(base), adapter, torch_device="cpu").merge_and_unload(safe_merge=True)
    with torch.no_grad():
        return merged.to(getattr(torch, dtype)).float()(**batch).logits


def train_step(model, optimizer, batch):
    """One optimiser step; returns the loss before it."""
    optimizer.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    add_twins(model)
    optimizer.step()
    return loss.item()


def train(model, batch, steps, lr, allocates=False):
    """Losses of AdamW steps on one batch, each taken before its step; where `allocates`, ranks are given out after it."""
    optimizer = torch.optim.AdamW([p for _, p in trainable(model)], lr=lr, weight_decay=0.0)
    losses = []
    for step in range(steps):
        losses.append(train_step(model, optimizer, batch))
        if allocates:
            model.base_model.update_and_allocate(step)
    return losses


def peak_bytes():
    """The most memory this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
