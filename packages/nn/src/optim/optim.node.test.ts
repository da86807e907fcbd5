import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, init, openSafetensors, reference, type Tensor, tensor } from "@lowrank/core";
import { goldenFolder } from "@lowrank/test-support/folders";
import { beforeAll, describe, expect, it } from "vitest";
import * as schedules from "../schedules/schedules.ts";
import { Adagrad } from "./adagrad.ts";
import { Adam, AdamW } from "./adam.ts";
import { clipGradNorm } from "./clipGradNorm.ts";
import type { Optimizer } from "./optimizer.ts";
import { RMSprop } from "./rmsprop.ts";
import { SGD } from "./sgd.ts";

// biome-ignore lint/suspicious/noExplicitAny: settings differ by optimiser.
type Settings = any;
const optimizers: Record<string, (params: Tensor[], settings: Settings) => Optimizer<{ lr: number }>> = {
  "optim.sgd": (params, { lr, momentum, weight_decay: weightDecay, nesterov }) =>
    new SGD(params, { lr, momentum, weightDecay, nesterov }),
  "optim.adamw": (params, { lr, betas, eps, weight_decay: weightDecay }) =>
    new AdamW(params, { lr, betas, eps, weightDecay }),
  "optim.adam": (params, { lr, betas, eps, weight_decay: weightDecay }) =>
    new Adam(params, { lr, betas, eps, weightDecay }),
  "optim.adagrad": (params, { lr, eps }) => new Adagrad(params, { lr, eps }),
  "optim.rmsprop": (params, { lr, momentum, alpha, eps }) => new RMSprop(params, { lr, momentum, alpha, eps }),
};

describe("PyTorch's numbers", () => {
  const golden = JSON.parse(readFileSync(join(goldenFolder, "ops.json"), "utf8"));
  const load = async (name: string): Promise<Float32Array> => {
    const bytes = new Uint8Array(readFileSync(join(goldenFolder, "ops.safetensors")));
    const file = await openSafetensors(bytesSource(bytes));
    return new Float32Array((await file.read(name)).bytes.slice().buffer);
  };
  const close = (actual: ArrayLike<number>, expected: ArrayLike<number>) => {
    expect(actual.length).toBe(expected.length);
    for (let i = 0; i < actual.length; i++) expect(Math.abs(actual[i] - expected[i])).toBeLessThan(2e-6);
  };
  beforeAll(() => init(reference()));

  it.each(Object.keys(optimizers))("%s", async (op) => {
    const { id, params } = golden.cases.find((c: { op: string }) => c.op === op);
    const [start, grads, expected] = await Promise.all(["in0", "in1", "out0"].map((name) => load(`${id}.${name}`)));
    const param = tensor(start, { requiresGrad: true });
    const optimizer = optimizers[op]([param], params);
    for (let step = 0; step < 5; step++) {
      const from = step * start.length;
      param.grad = tensor(grads.slice(from, from + start.length));
      optimizer.step();
      close(param.dataSync(), expected.slice(from, from + start.length));
      optimizer.zeroGrad();
    }
  });

  it("clipGradNorm", async () => {
    const { id, inputs, params } = golden.cases.find((c: { op: string }) => c.op === "clipGradNorm");
    const tensors: Tensor[] = [];
    for (const name of inputs) {
      const grad = tensor(await load(name));
      const param = tensor(new Float32Array(grad.size), { requiresGrad: true });
      param.grad = grad;
      tensors.push(param);
    }
    const norm = clipGradNorm(tensors, params.maxNorm);
    close(norm.dataSync(), await load(`${id}.out2`));
    for (const [i, { grad }] of tensors.entries()) close(grad?.dataSync() ?? [], await load(`${id}.out${i}`));
  });

  it.each(
    golden.schedules as { name: keyof typeof schedules; lr: number; warmup: number; total: number; values: number[] }[],
  )("schedule $name", ({ name, lr, warmup: warmupSteps, total: totalSteps, values }) => {
    // The non-default settings with which the golden file was made.
    const extra =
      name === "polynomial" ? { power: 2, lrEnd: 1e-5 } : name === "cosineWithRestarts" ? { cycles: 3 } : {};
    // biome-ignore lint/performance/noDynamicNamespaceImportAccess: the file names the schedules
    const schedule = schedules[name]({ warmupSteps, totalSteps, lr, ...extra });
    for (const [step, value] of values.entries()) expect(lr * schedule(step)).toBeCloseTo(value, 12);
  });
});
