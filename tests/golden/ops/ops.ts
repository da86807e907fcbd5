import { gradients, scope, type Tensor } from "@lowrank/core";
import { type ModelFiles, readJson } from "@lowrank/files";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, equal, withinOfLargest } from "../check/compare.ts";
import type { GoldenPart } from "../check/goldenFiles.ts";
import type { OpCase, OpsFile } from "./opCase.ts";
import { opFunctions } from "./opFunctions.ts";
import { optimiserChecks, schedules } from "./optimisers.ts";
import { rowAdapterChecks } from "./rowAdapters.ts";

/** The error of float32 against float64 rounded to float32, relative to a tensor's largest magnitude. */
const tolerance = 1e-5;

/** Opens ops.json and the tensors that its cases name; returns undefined if `files` lacks them. */
export async function openOps(files: ModelFiles): Promise<{ file: OpsFile; golden: GoldenFile } | undefined> {
  if (!(await files.has("ops.json"))) return undefined;
  const file = (await readJson(files, "ops.json")) as OpsFile;
  return { file, golden: await GoldenFile.of(files, "ops.safetensors") };
}

/** Checks all of ops.json: ops, optimiser steps, gradient clipping and schedules. */
export async function* ops(files: ModelFiles): AsyncGenerator<GoldenPart> {
  const opened = await openOps(files);
  if (!opened) return;
  const { file, golden } = opened;
  for (const opCase of file.cases) yield { name: `ops/${opCase.id}`, checks: () => caseChecks(golden, opCase) };
  yield {
    name: "ops/schedules",
    checks: async function* () {
      yield* schedules(file.schedules ?? []);
    },
  };
}

/** Checks a case: every output, and the gradient of every input that has one. An error is a failed check. */
export async function* caseChecks(golden: GoldenFile, opCase: OpCase): AsyncGenerator<Check> {
  const checks = optimiserChecks(opCase.op) ?? rowAdapterChecks(opCase.op) ?? opChecks;
  try {
    yield* checks(golden, opCase);
  } catch (error) {
    yield { name: `ops/${opCase.id}`, error: String(error) };
  }
}

async function* opChecks(
  golden: GoldenFile,
  { id, op, params, inputs, outputs, grads }: OpCase,
): AsyncGenerator<Check> {
  const run = opFunctions[op];
  if (!run) {
    yield { name: `ops/${id}`, error: `the op "${op}" is unknown` };
    return;
  }
  const tensors = await Promise.all(inputs.map((name) => golden.tensor(name)));
  const wanted = Object.keys(grads).map(Number);
  for (const i of wanted) tensors[i].requiresGrad = true;
  const upstream = await Promise.all(
    outputs.map((_, i) => (golden.has(`${id}.dy${i}`) ? golden.tensor(`${id}.dy${i}`) : undefined)),
  );
  const { values, slopes } = scope(() => {
    const results = [run(tensors, params)].flat();
    const through = results.flatMap((y, i): [Tensor, Tensor][] => {
      const dy = upstream[i];
      return dy && y.requiresGrad ? [[y, dy]] : [];
    });
    return {
      values: results,
      slopes:
        wanted.length > 0
          ? pullBack(
              through,
              wanted.map((i) => tensors[i]),
            )
          : [],
    };
  });
  for (const [i, name] of outputs.entries()) {
    const expected = await golden.tensor(name);
    if (`${values[i].shape}` !== `${expected.shape}`) {
      yield { name: `ops/${name}`, error: `shape [${values[i].shape}] instead of [${expected.shape}]` };
      continue;
    }
    const compare = expected.dtype === "f32" ? withinOfLargest : equal;
    yield compare(`ops/${name}`, await values[i].data(), await expected.data(), tolerance);
  }
  for (const [j, i] of wanted.entries()) {
    const name = grads[i];
    yield withinOfLargest(`ops/${name}`, await slopes[j].data(), await golden.array(name), tolerance);
  }
}

/** Returns the gradients of a weighted sum of the outputs; the weights are the outputs' gradients. */
function pullBack(outputs: [Tensor, Tensor][], inputs: Tensor[]): Tensor[] {
  const total = outputs.map(([y, dy]) => y.mul(dy).sum()).reduce((sum, part) => sum.add(part));
  return gradients(total, inputs);
}
