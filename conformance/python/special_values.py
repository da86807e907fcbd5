"""Writes what PyTorch answers to special numbers: python special_values.py > packages/wasm/src/specialValues.gen.json"""

import json
import math

import torch
import torch.nn.functional as F

nan, inf = math.nan, math.inf
NUMBERS = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e30, -1e30, 1e-30, 1e-42, -1e-42, 80.0, 89.0, -80.0, 1e4]
FEW = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e30]
PAIRS = [(a, b) for a in FEW for b in FEW]
ROWS = [
    [-inf, -inf, -inf], [inf, 1.0, 2.0], [-inf, 0.0, 1.0], [nan, 0.0, 1.0], [1e4, -1e4, 0.0], [inf, -inf, 0.0],
    [inf, inf, 0.0], [1.0, 1.0, 1.0], [-0.0, 0.0, -0.0], [0.0, 0.0, 0.0], [1.0, nan, inf], [2.0, 0.0, 5.0],
]


def encode(t):
    def number(v):
        if isinstance(v, float) and not math.isfinite(v):
            return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
        return "-0" if isinstance(v, float) and v == 0 and math.copysign(1, v) < 0 else v

    dtype = {torch.float32: "f32", torch.int64: "i32", torch.bool: "bool"}[t.dtype]
    values = t.detach().to(torch.int64 if dtype == "bool" else t.dtype).flatten().tolist()
    return {"dtype": dtype, "shape": list(t.shape), "values": [number(v) for v in values]}


CASES = []


def case(op, f, *inputs, params=None, grads=True):
    """One call; the gradients are those of the first output, weighted 1, 2, 4, 1, 2, 4, ... in order."""
    inputs = [t.clone().requires_grad_(grads and t.is_floating_point()) for t in inputs]
    result = f(*inputs)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    wanted = [t for t in inputs if t.requires_grad]
    slopes = {}
    if wanted and outputs[0].requires_grad:
        weights = (2.0 ** (torch.arange(outputs[0].numel()) % 3)).reshape(outputs[0].shape)
        found = torch.autograd.grad(outputs[0], wanted, weights)
        slopes = {str(i): encode(g) for (i, t), g in zip([(i, t) for i, t in enumerate(inputs) if t.requires_grad], found)}
    CASES.append({
        "op": op, "params": params or {}, "inputs": [encode(t) for t in inputs],
        "outputs": [encode(t) for t in outputs], "grads": slopes,
    })


x = torch.tensor(NUMBERS)
unary = {
    "exp": torch.exp, "log": torch.log, "log1p": torch.log1p, "expm1": torch.expm1, "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt, "square": torch.square, "reciprocal": torch.reciprocal, "abs": torch.abs, "neg": torch.neg,
    "sign": torch.sign, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "erf": torch.erf,
    "sin": torch.sin, "cos": torch.cos, "silu": F.silu, "gelu": F.gelu, "softplus": F.softplus,
    "geluTanh": lambda t: F.gelu(t, approximate="tanh"),
}
for name, f in unary.items():
    # The vector code of gelu has NaN at infinity, where its scalar code has infinity; the slope of
    # its tanh form overflows.
    case(name, f, x[x != inf] if name == "gelu" else x[x.abs() != torch.tensor(1e30)] if name == "geluTanh" else x)
case("exp", torch.exp, torch.tensor([-87.0, -87.5, -100.0, -103.0, -103.9, -104.1, 88.7, 88.8]))

for approximate, gates in {"none": x[x != inf], "tanh": x[x.abs() != torch.tensor(1e30)]}.items():
    for gate in (gates, torch.linspace(-3, 3, 37)):
        up = torch.linspace(1, -0.9, len(gate))
        case("geglu", lambda g, u: F.gelu(g, approximate=approximate) * u, gate, up, params={"approximate": approximate})

a, b = (torch.tensor([p[k] for p in PAIRS]) for k in (0, 1))
binary = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum,
    "minimum": torch.minimum, "pow": torch.pow,
}
for name, f in binary.items():
    case(name, f, a, b)
for name, f in {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}.items():
    case(name, f, a, b, grads=False)
for exponent in (0.0, 0.5, -0.5, -1.0, 2.0, 3.0, -2.0):
    case("powNumber", lambda t: torch.pow(t, exponent), x, params={"exponent": exponent}, grads=exponent != -0.5)
case("clamp", lambda t: torch.clamp(t, -1, 1), x, params={"min": -1, "max": 1})
case("clamp", lambda t: torch.clamp(t, min=0), x, params={"min": 0})
case("clamp", lambda t: torch.clamp(t, 2, -2), x, params={"min": 2, "max": -2})
case("where", lambda t: torch.where(t > 0, t, torch.zeros(())), x)

rows = torch.tensor(ROWS)
for name, f in {"softmax": F.softmax, "logSoftmax": F.log_softmax}.items():
    case(name, lambda t: f(t, dim=-1), rows, params={"dim": -1})
    case(name, lambda t: f(t, dim=0), rows.T.contiguous(), params={"dim": 0})
for name, f in {
    "sum": torch.sum, "mean": torch.mean, "prod": torch.prod, "cumsum": torch.cumsum, "amax": torch.amax,
    "amin": torch.amin, "logsumexp": torch.logsumexp,
}.items():
    case(name, lambda t: f(t, dim=1), rows, params={"dim": 1})
    case(name, lambda t: f(t, dim=0), rows.T.contiguous(), params={"dim": 0})
for name, f in {"variance": torch.var, "std": torch.std}.items():
    case(name, lambda t: f(t, dim=1), rows, params={"dim": 1}, grads=False)
    # Gradients where an element is infinite are infinite for PyTorch and NaN here.
    case(name, lambda t: f(t, dim=1), rows[~rows.isinf().any(dim=1)], params={"dim": 1})
for name, f in {"max": torch.max, "min": torch.min}.items():
    case(name, lambda t: f(t, dim=1), rows, params={"dim": 1})
    case(name, lambda t: f(t, dim=0), rows.T.contiguous(), params={"dim": 0})
# Rows that hold NaN are left out: PyTorch's gradient then goes to the NaN alone, and Lowrank's is
# NaN, as amax's is for both.
for row in ROWS[:3] + ROWS[4:10]:
    case("maxAll", torch.max, torch.tensor(row))
    case("minAll", torch.min, torch.tensor(row))
for name, f in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
    untied = rows[[1, 2, 3, 4, 5, 10, 11]]
    case(name, lambda t: f(t, dim=1), untied, params={"dim": 1}, grads=False)
untied = torch.tensor([[nan, 3.0, 1.0, 2.0], [inf, -inf, nan, 0.0], [-inf, 5.0, inf, 1e30]])
case("topk", lambda t: torch.topk(t, 2, dim=1), untied, params={"k": 2, "dim": 1})

weight, bias = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 0.0, -1.0])
norms = rows[[3, 7, 8, 9, 10, 11]]
small = torch.tensor([[1e4, -1e4, 0.0], [1e-20, 1e-20, -1e-20]])
for t in (norms, small):
    case("layerNorm", lambda u, w, c: F.layer_norm(u, (3,), w, c, 1e-5), t, weight, bias, params={"eps": 1e-5})
    case("rmsNorm", lambda u, w: F.rms_norm(u, (3,), w, 1e-6), t, weight, params={"eps": 1e-6})
labels = torch.tensor([i % 3 for i in range(len(ROWS))])
for label_smoothing in (0.0, 0.1):
    case(
        "crossEntropy", lambda t, y: F.cross_entropy(t, y, reduction="none", label_smoothing=label_smoothing), rows,
        labels, params={"reduction": "none", "labelSmoothing": label_smoothing},
    )
case("crossEntropy", lambda t, y: F.cross_entropy(t, y), torch.zeros(2, 3), torch.tensor([-100, -100]))
case("mseLoss", lambda s, t: F.mse_loss(s, t, reduction="none"), a, b)
case("l1Loss", lambda s, t: F.l1_loss(s, t, reduction="none"), a, b)
case(
    "binaryCrossEntropyWithLogits",
    lambda s, t: F.binary_cross_entropy_with_logits(s, t, reduction="none"), x, torch.full_like(x, 0.5),
)
case("matmul", torch.matmul, torch.tensor([[inf, 1.0, 0.0], [nan, 0.0, 0.0]]), torch.tensor([[0.0], [1.0], [inf]]))

print("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]")
