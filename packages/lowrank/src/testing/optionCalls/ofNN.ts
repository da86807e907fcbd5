import * as lowrank from "../../index.gen.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const L: Untyped = lowrank;
const { ones } = lowrank;
const parameters = () => new lowrank.Linear(2, 2).parameters();

const heads = { layers: 1, keyValueHeads: 1, headDim: 1 };
const plain = { ...heads, batch: 1, capacity: 1 };
const head = () => ones(1, 1, 1, 1);

export const ofNN: OptionCalls = {
  "new KVCache": (o) => new L.KVCache(o),
  "new PagedKVCache": (o) => new L.PagedKVCache(o),
  "KVCache#attend": (o) => new L.KVCache(plain).attend(0, head(), head(), head(), o),
  "new GELU": (o) => new L.GELU(o),
  "new BatchNorm1d": (o) => new L.BatchNorm1d(2, o),
  "new BatchNorm2d": (o) => new L.BatchNorm2d(2, o),
  "new Conv1D": (o) => new L.Conv1D(1, 1, o),
  "new Conv1d": (o) => new L.Conv1d(1, 1, 1, o),
  "new Conv2d": (o) => new L.Conv2d(1, 1, 1, o),
  "new Embedding": (o) => new L.Embedding(2, 2, o),
  "new Flatten": (o) => new L.Flatten(o),
  "new LayerNorm": (o) => new L.LayerNorm(2, o),
  "new Linear": (o) => new L.Linear(2, 2, o),
  "new RMSNorm": (o) => new L.RMSNorm(2, o),
  quantizeLinear: (o) => L.quantizeLinear(new lowrank.Linear(32, 32), o),
  "new AvgPool1d": (o) => new L.AvgPool1d(2, o),
  "new AvgPool2d": (o) => new L.AvgPool2d(2, o),
  "new MaxPool1d": (o) => new L.MaxPool1d(2, o),
  "new MaxPool2d": (o) => new L.MaxPool2d(2, o),
  "new Adagrad": (o) => new L.Adagrad(parameters(), o),
  "new Adam": (o) => new L.Adam(parameters(), o),
  "new AdamW": (o) => new L.AdamW(parameters(), o),
  "new AdamW8bit": (o) => new L.AdamW8bit(parameters(), o),
  "new Lion": (o) => new L.Lion(parameters(), o),
  "new RMSprop": (o) => new L.RMSprop(parameters(), o),
  "new SGD": (o) => new L.SGD(parameters(), o),
  "new Adam: a group": (o) => new L.Adam([{ params: parameters(), ...o }]),
  "new Parameter": (o) => new L.Parameter(ones(1), o),
  "Module#namedParameters": (o) => [...(new lowrank.Linear(2, 2) as Untyped).namedParameters(o)],
  "Module#loadStateDict": (o) => (new lowrank.Linear(2, 2) as Untyped).loadStateDict(new Map(), o),
  dequantize: (o) => L.dequantize(new lowrank.Linear(32, 32), o),
  quantize: (o) => L.quantize(new lowrank.Linear(32, 32), o),
};
