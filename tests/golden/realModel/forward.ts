import { join } from "node:path";
import { crossEntropy, keep, noGrad, reshape, scope, slice, type Tensor, tensor } from "@lowrank/core";
import type { CausalLM, ModelInputs } from "@lowrank/models";
import type { Module } from "@lowrank/nn";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within, withinEach, withinOfLargest } from "../check/compare.ts";
import { type ExpectedForward, readExpected } from "./expected.ts";

/** Another order of f32 sums changes a loss by less than this, relatively. */
export const lossTolerance = 1e-5;
/**
 * And a logit by less than this: f32 against f64 products differ by 2.3e-5, and the order of sums in a padded batch by
 * 4.4e-5.
 */
export const logitTolerance = 1e-4;

/**
 * Tolerance for a hidden state's elements, relative to the largest of them: two orders of summing 1536 products differ
 * by about 1e-6.
 */
const stateTolerance = 1e-5;

const i32 = (rows: readonly (readonly number[])[]): Tensor => tensor(rows, { dtype: "i32" });

/** Checks six texts: loss, loss of each token, logits of the last position and the largest of some others. */
export async function* forward(dir: string, model: CausalLM): AsyncGenerator<Check> {
  const { texts, batch } = readExpected<ExpectedForward>(dir, "forward");
  const golden = await GoldenFile.open(join(dir, "expected", "forward.safetensors"));
  for (const [i, { ids, loss, positions }] of texts.entries()) {
    yield await textLoss(`text ${i} loss`, model, ids, loss);
    using inputIds = i32([ids]);
    using logits = noGrad(() => scope(() => model.forward({ inputIds }).logits));
    using nll = noGrad(() => scope(() => tokenLosses(logits, ids)));
    yield within(`text ${i} losses of tokens`, await nll.data(), await golden.array(`${i}.nll`), logitTolerance);
    const values = await logits.data();
    const vocabulary = model.vocabSize;
    const last = values.slice((ids.length - 1) * vocabulary);
    yield within(`text ${i} last logits`, last, await golden.array(`${i}.last`), logitTolerance);
    const topIds = await golden.array(`${i}.top_ids`);
    const count = topIds.length / positions.length;
    const top = Array.from(topIds, (id, j) => values[positions[Math.floor(j / count)] * vocabulary + id]);
    yield within(`text ${i} top logits`, top, await golden.array(`${i}.top_values`), logitTolerance);
  }
  yield* hiddenStates(model, texts[0].ids, await golden.array("0.hidden_last"));
  const lengths = batch.last_index_right.map((index) => index + 1);
  for (const side of ["right", "left"] as const) {
    const { input_ids, attention_mask, position_ids } = batch[side];
    using inputIds = i32(input_ids);
    using attentionMask = tensor(attention_mask, { dtype: "u8" });
    using positionIds = i32(position_ids);
    const ends = lengths.map((length) => (side === "right" ? length : input_ids[0].length) - 1);
    const last = await logitsAt(model, { inputIds, attentionMask, positionIds }, ends);
    yield within(`batch padded ${side}`, last, await golden.array("batch.last"), logitTolerance);
  }
}

type Forward = (...inputs: unknown[]) => Tensor;

/**
 * Checks the last position's hidden state in the model: the embedding, the output of each block but the last, and the
 * norm.
 */
async function* hiddenStates(
  model: CausalLM,
  ids: readonly number[],
  expected: ArrayLike<number>,
): AsyncGenerator<Check> {
  const blocks = model.attentionSizes.layers - 1;
  const layers = Array.from({ length: blocks }, (_, i) => `model.layers.${i}`);
  const paths = ["model.embed_tokens", ...layers, "model.norm"];
  const modules = paths.map((path) => model.getSubmodule(path) as Module & { forward?: Forward });
  const states: Tensor[] = [];
  for (const module of modules) {
    const forward = module.forward as Forward;
    module.forward = (...inputs) => {
      const output = forward.apply(module, inputs);
      states.push(keep(reshape(slice(output, { dim: 1, start: -1 }), [-1, output.shape[2]])));
      return output;
    };
  }
  using inputIds = i32([ids]);
  noGrad(() => scope(() => model.forward({ inputIds })));
  for (const module of modules) delete module.forward;
  const width = expected.length / paths.length;
  for (const [i, path] of paths.entries()) {
    const row = Array.from({ length: width }, (_, d) => expected[i * width + d]);
    using last = states[i];
    yield withinOfLargest(`text 0 after ${path}`, (await last.data()).slice(-width), row, stateTolerance);
  }
}

/** Checks a text's loss against the recorded loss. */
export async function textLoss(
  name: string,
  model: Pick<CausalLM, "loss">,
  ids: readonly number[],
  loss: number,
  tolerance: number = lossTolerance,
): Promise<Check> {
  return withinEach(name, [await lossOf(model, ids)], [loss], tolerance);
}

/** Returns the loss of a text. */
export async function lossOf(model: Pick<CausalLM, "loss">, ids: readonly number[]): Promise<number> {
  using inputIds = i32([ids]);
  using value = noGrad(() => scope(() => model.loss({ inputIds, labels: inputIds })));
  return value.item();
}

function tokenLosses(logits: Tensor, ids: readonly number[]): Tensor {
  const rows = slice(logits, { dim: 1, end: ids.length - 1 });
  const flat = reshape(rows, [ids.length - 1, -1]);
  return crossEntropy(flat, tensor(ids.slice(1), { dtype: "i32" }), { reduction: "none" });
}

/** Returns the logits of a text's last position. */
export async function lastLogits(model: Pick<CausalLM, "forward">, ids: readonly number[]): Promise<Float32Array> {
  using inputIds = i32([ids]);
  return logitsAt(model, { inputIds }, [ids.length - 1]);
}

/** Returns the logits of each row at one position. */
async function logitsAt(
  model: { forward(inputs: ModelInputs): { logits: Tensor } },
  inputs: ModelInputs,
  ends: readonly number[],
): Promise<Float32Array> {
  using logits = noGrad(() => scope(() => model.forward(inputs).logits));
  const [, T, V] = logits.shape;
  const values = (await logits.data()) as Float32Array;
  const rows = ends.map((end, row) => values.slice((row * T + end) * V, (row * T + end + 1) * V));
  return Float32Array.from(rows.flatMap((row) => [...row]));
}
