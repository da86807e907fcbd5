import * as lowrank from "../../index.gen.ts";
import { callsWith, type OptionCalls, type Untyped } from "./optionCall.ts";

const L: Untyped = lowrank;
const { ones } = lowrank;
const parameters = () => new lowrank.Linear(2, 2).parameters();

const attention = () => new L.MultiheadAttention(2, 1);

const heads = { layers: 1, keyValueHeads: 1, headDim: 1 };
const plain = { ...heads, batch: 1, capacity: 1 };
const head = () => ones(1, 1, 1, 1);

export const ofNN: OptionCalls = {
  ...callsWith(L, "new KVCache, new PagedKVCache, new GELU, new Flatten", () => []),
  ...callsWith(
    L,
    "new BatchNorm1d, new BatchNorm2d, new LayerNorm, new RMSNorm, new AvgPool1d, new AvgPool2d, new MaxPool1d, new MaxPool2d",
    () => [2],
  ),
  ...callsWith(L, "new Conv1d, new Conv2d", () => [1, 1, 1]),
  ...callsWith(L, "new Embedding, new Linear, new MultiheadAttention", () => [2, 2]),
  ...callsWith(L, "quantizeLinear, dequantize, quantize", () => [new lowrank.Linear(32, 32)]),
  ...callsWith(
    L,
    "new Adafactor, new Adagrad, new Adam, new AdamW, new AdamW8bit, new Lion, new RMSprop, new SGD",
    () => [parameters()],
  ),
  "new Muon": (o) => new L.Muon([new lowrank.Parameter(ones([1, 1]))], o),
  "KVCache#attend": (o) => new L.KVCache(plain).attend(0, head(), head(), head(), o),
  "MultiheadAttention#forward": (o) => attention().forward(ones(1, 2), ones(1, 2), ones(1, 2), o),
  "MultiheadAttention#forwardWith": (o) => attention().forwardWith(null, ones(1, 2), ones(1, 2), ones(1, 2), o),
  "new Conv1D": (o) => new L.Conv1D(1, 1, o),
  "new Adam: a group": (o) => new L.Adam([{ params: parameters(), ...o }]),
  "new Parameter": (o) => new L.Parameter(ones(1), o),
  "Module#namedParameters": (o) => [...(new lowrank.Linear(2, 2) as Untyped).namedParameters(o)],
  "Module#loadStateDict": (o) => (new lowrank.Linear(2, 2) as Untyped).loadStateDict(new Map(), o),
};
