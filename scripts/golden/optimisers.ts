import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Tensor, tensor } from "@lowrank/core";
import * as nn from "@lowrank/nn";
import { type Check, within, withinOfLargest } from "./compare.ts";
import { GoldenFile } from "./goldenFile.ts";
import { type OpCase, readOpCases } from "./ops.ts";

const tolerance = 1e-5;

type Make = (params: Tensor[], options: Record<string, number>) => nn.Optimizer<{ lr: number }>;

const optimisers: Readonly<Record<string, Make>> = {
  "optim.sgd": (params, options) => new nn.SGD(params, options),
  "optim.adamw": (params, options) => new nn.AdamW(params, options),
  "optim.adam": (params, options) => new nn.Adam(params, options),
  "optim.adagrad": (params, options) => new nn.Adagrad(params, options),
  "optim.rmsprop": (params, options) => new nn.RMSprop(params, options),
};

/** torch's settings that Lowrank's optimisers have, in camelCase. */
const settings = ["lr", "momentum", "dampening", "weightDecay", "nesterov", "betas", "eps", "lrDecay", "alpha"];

function optionsOf(params: Record<string, unknown>): Record<string, number> {
  const camel = Object.entries(params).map(([key, value]) => [key.replace(/_./g, (m) => m[1].toUpperCase()), value]);
  return Object.fromEntries(camel.filter(([key]) => settings.includes(key as string)));
}

/** The optimiser steps, gradient clipping and schedules of DIR/ops.json. */
export async function* optimisersAndSchedules(dir: string): AsyncGenerator<Check> {
  const cases = readOpCases(dir);
  if (cases.length === 0) return;
  const golden = await GoldenFile.open(join(dir, "ops.safetensors"));
  for (const opCase of cases) {
    if (opCase.op === "clipGradNorm") yield* clipping(golden, opCase);
    else if (opCase.op in optimisers) yield await steps(golden, opCase);
  }
  yield* schedules(dir);
}

async function steps(golden: GoldenFile, { id, op, params, inputs, outputs }: OpCase): Promise<Check> {
  const param = new nn.Parameter(await golden.tensor(inputs[0]));
  const expected = await golden.array(outputs[0]);
  const grads = await golden.array(inputs[1]);
  using optimiser = optimisers[op]([param], optionsOf(params));
  const trace: number[] = [];
  for (let at = 0; at < grads.length; at += param.size) {
    param.grad = tensor(grads.slice(at, at + param.size), { shape: param.shape });
    optimiser.step();
    optimiser.zeroGrad();
    trace.push(...(await param.data()));
  }
  return withinOfLargest(`ops/${id}`, trace, expected, tolerance);
}

async function* clipping(golden: GoldenFile, { id, params, inputs, outputs }: OpCase): AsyncGenerator<Check> {
  const held = await Promise.all(
    inputs.map(async (name) => {
      const param = new nn.Parameter(await golden.tensor(name));
      param.grad = await golden.tensor(name);
      return param;
    }),
  );
  const norm = nn.clipGradNorm(held, params.maxNorm as number);
  const results = [...held.map(({ grad }) => grad as Tensor), norm];
  for (const [i, name] of outputs.entries()) {
    yield withinOfLargest(`ops/${id}.out${i}`, await results[i].data(), await golden.array(name), tolerance);
  }
}

/** The schedules of ops.json with the settings it was made with and does not name. */
const scheduleFunctions = {
  linear: nn.schedules.linear,
  cosine: nn.schedules.cosine,
  constantWithWarmup: nn.schedules.constantWithWarmup,
  polynomial: (options: nn.DecayOptions & { lr: number }) =>
    nn.schedules.polynomial({ ...options, power: 2, lrEnd: 1e-5 }),
  cosineWithRestarts: (options: nn.DecayOptions) => nn.schedules.cosineWithRestarts({ ...options, cycles: 3 }),
} as const;

interface GoldenSchedule {
  name: keyof typeof scheduleFunctions;
  lr: number;
  warmup: number;
  total: number;
  values: number[];
}

function* schedules(dir: string): Generator<Check> {
  const all: GoldenSchedule[] = JSON.parse(readFileSync(join(dir, "ops.json"), "utf8")).schedules ?? [];
  for (const { name, lr, warmup, total, values } of all) {
    const schedule = scheduleFunctions[name]({ warmupSteps: warmup, totalSteps: total, lr });
    const rates = values.map((_, step) => lr * schedule(step));
    yield within(`ops/schedules.${name}`, rates, values, 1e-12);
  }
}
