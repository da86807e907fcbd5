import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gradients, scope, type Tensor } from "@lowrank/core";
import { type Check, equal, withinOfLargest } from "./compare.ts";
import { GoldenFile } from "./goldenFile.ts";
import { opFunctions } from "./opFunctions.ts";

/** A case of ops.json. */
export interface OpCase {
  id: string;
  op: string;
  params: Record<string, unknown>;
  /** Names of tensors in ops.safetensors. */
  inputs: string[];
  outputs: string[];
  /** Names of the gradients, by the position of the input. */
  grads: Record<string, string>;
}

/** float32 against float64 rounded to float32, relative to a tensor's largest entry. */
const tolerance = 1e-5;

/** Reads the cases of `DIR/ops.json`; none where the file is missing. */
export function readOpCases(dir: string): OpCase[] {
  const path = join(dir, "ops.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).cases : [];
}

/** The ops of DIR/ops.json: every output, and the gradient of every input that has one. */
export async function* ops(dir: string): AsyncGenerator<Check> {
  const cases = readOpCases(dir).filter(({ op }) => !op.startsWith("optim.") && op !== "clipGradNorm");
  if (cases.length === 0) return;
  const golden = await GoldenFile.open(join(dir, "ops.safetensors"));
  for (const opCase of cases) {
    try {
      yield* opChecks(golden, opCase);
    } catch (error) {
      yield { name: `ops/${opCase.id}`, error: String(error) };
    }
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

/** The gradients of several outputs' weighted sum: that of their products with what arrives from above. */
function pullBack(outputs: [Tensor, Tensor][], inputs: Tensor[]): Tensor[] {
  const total = outputs.map(([y, dy]) => y.mul(dy).sum()).reduce((sum, part) => sum.add(part));
  return gradients(total, inputs);
}
