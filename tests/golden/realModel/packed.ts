import { loadModel } from "@lowrank/models";
import type { Check } from "../check/compare.ts";
import { type ExpectedForward, type ExpectedGguf, readExpected } from "./expected.ts";
import { textLoss } from "./forward.ts";
import { same, sha256 } from "./ggufFile.ts";
import { answersUnderHigh, logitsUnderHigh, precisions } from "./precision.ts";

/** Checks the model with its weights in the file's blocks: they represent the same values, and give the same losses. */
export async function* packed(
  dir: string,
  path: string,
  options: { long: boolean; eosTokenIds: readonly number[] },
): AsyncGenerator<Check> {
  const { tensors } = readExpected<ExpectedGguf>(dir, "gguf");
  const { model } = await loadModel(path, { weights: "packed" });
  const parameters = new Map(model.namedParameters());
  for (const { hf, type, sha256: hash } of tensors) {
    const parameter = parameters.get(hf);
    yield same(`packed ${hf}`, parameter?.dtype, type.toLowerCase());
    if (!parameter) continue;
    const wide = parameter.to("f32");
    yield same(`packed ${hf} widened`, sha256(await wide.bytes()), hash);
    if (wide !== parameter) wide.dispose();
  }
  for (const [i, { ids, loss }] of readExpected<ExpectedForward>(dir, "forward").texts.entries()) {
    yield await textLoss(`packed text ${i} loss`, model, ids, loss);
  }
  yield* logitsUnderHigh("packed", dir, model);
  yield* answersUnderHigh("packed", dir, model, options.eosTokenIds);
  yield* precisions("packed", dir, model, options);
  for (const parameter of model.parameters()) parameter.dispose();
}
