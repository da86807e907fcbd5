import { type Tensor, tensor } from "@lowrank/core";
import * as nn from "@lowrank/nn";
import type { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within, withinOfLargest } from "../check/compare.ts";
import type { CaseChecks, GoldenSchedule, OpCase } from "./opCase.ts";

const tolerance = 1e-5;

type Make = (params: Tensor[], options: Record<string, number>) => nn.Optimizer<{ lr: number }>;

const optimisers: Readonly<Record<string, Make>> = {
  "optim.sgd": (params, options) => new nn.SGD(params, options),
  "optim.adamw": (params, options) => new nn.AdamW(params, options),
  "optim.adam": (params, options) => new nn.Adam(params, options),
  "optim.adagrad": (params, options) => new nn.Adagrad(params, options),
  "optim.rmsprop": (params, options) => new nn.RMSprop(params, options),
};

/** PyTorch's settings that Lowrank's optimisers share, in camelCase. */
const settings = ["lr", "momentum", "dampening", "weightDecay", "nesterov", "betas", "eps", "lrDecay", "alpha"];

function optionsOf(params: Record<string, unknown>): Record<string, number> {
  const camel = Object.entries(params).map(([key, value]) => [key.replace(/_./g, (m) => m[1].toUpperCase()), value]);
  return Object.fromEntries(camel.filter(([key]) => settings.includes(key as string)));
}

/** Returns the checks for an optimiser's steps or for gradient clipping; undefined for any other op. */
export function optimiserChecks(op: string): CaseChecks | undefined {
  if (op === "clipGradNorm") return clipping;
  return op in optimisers ? steps : undefined;
}

async function* steps(golden: GoldenFile, { id, op, params, inputs, outputs }: OpCase): AsyncGenerator<Check> {
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
  yield withinOfLargest(`ops/${id}`, trace, expected, tolerance);
}

async function* clipping(golden: GoldenFile, { id, params, inputs, outputs }: OpCase): AsyncGenerator<Check> {
  const parameters = await Promise.all(
    inputs.map(async (name) => {
      const param = new nn.Parameter(await golden.tensor(name));
      param.grad = await golden.tensor(name);
      return param;
    }),
  );
  const norm = nn.clipGradNorm(parameters, params.maxNorm as number);
  const results = [...parameters.map(({ grad }) => grad as Tensor), norm];
  for (const [i, name] of outputs.entries()) {
    yield withinOfLargest(`ops/${id}.out${i}`, await results[i].data(), await golden.array(name), tolerance);
  }
}

/** The schedules of ops.json. Settings that it does not record are those with which it was generated. */
const functions: Readonly<Record<string, (options: nn.DecayOptions & { lr: number }) => nn.Schedule>> = {
  linear: nn.schedules.linear,
  cosine: nn.schedules.cosine,
  constantWithWarmup: nn.schedules.constantWithWarmup,
  polynomial: (options) => nn.schedules.polynomial({ ...options, power: 2, lrEnd: 1e-5 }),
  cosineWithRestarts: (options) => nn.schedules.cosineWithRestarts({ ...options, cycles: 3 }),
};

/** Checks every learning rate of the schedules of ops.json. */
export function* schedules(all: readonly GoldenSchedule[]): Generator<Check> {
  for (const { name, lr, warmup, total, values } of all) {
    const schedule = functions[name]?.({ warmupSteps: warmup, totalSteps: total, lr });
    if (!schedule) {
      yield { name: `ops/schedules.${name}`, error: `the schedule "${name}" is unknown` };
      continue;
    }
    const rates = values.map((_, step) => lr * schedule(step));
    yield within(`ops/schedules.${name}`, rates, values, 1e-12);
  }
}
