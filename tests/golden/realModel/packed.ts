import { loadModel } from "@lowrank/models";
import { useInt8Activations } from "@lowrank/nn";
import { type Check, withinEach } from "../check/compare.ts";
import { type ExpectedForward, type ExpectedGguf, type ExpectedGreedy, readExpected } from "./expected.ts";
import { lossOf, textLoss } from "./forward.ts";
import { same, sha256 } from "./ggufFile.ts";
import { agreement } from "./greedy.ts";
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

/** The most by which rounding activations to bytes may change a loss, relatively. */
const lossTolerance = 0.02;

/** The largest lead of f32's token over the next, in logits, that rounding may reverse. */
const lead = 0.25;

/**
 * Checks the model with the file's blocks in integer products: losses near f32's, and for how long the answers agree.
 */
export async function* integers(dir: string, path: string, eosTokenIds: readonly number[]): AsyncGenerator<Check> {
  const { model } = await loadModel(path, { weights: "packed", activations: "int8" });
  for (const [i, { ids, loss }] of readExpected<ExpectedForward>(dir, "forward").texts.entries()) {
    const actual = await lossOf(model, ids);
    const note = `loss ${actual.toFixed(5)}, in f32 ${loss.toFixed(5)}`;
    yield { ...withinEach(`integers, text ${i} loss`, [actual], [loss], lossTolerance), note };
  }
  yield await agreement("integers", model, readExpected<ExpectedGreedy>(dir, "greedy").cases, { eosTokenIds, lead });
  for (const parameter of model.parameters()) parameter.dispose();
}

/** The same for nf4 and fp4. The fp4 model differs more from f32, so its choices are less certain. */
const fourBitTolerances = { nf4: 0.02, fp4: 0.04 } as const;

/**
 * Checks the model in nf4 and fp4, whose values integer products round to 7 bits: losses near those without rounding.
 */
export async function* fourBitIntegers(dir: string, path: string): AsyncGenerator<Check> {
  for (const quantType of ["nf4", "fp4"] as const) {
    const { model } = await loadModel(path, { quantize: { quantType, blockSize: 64, doubleQuant: true } });
    const { texts } = readExpected<ExpectedForward>(dir, "forward");
    const losses = async () => {
      const found: number[] = [];
      for (const { ids } of texts) found.push(await lossOf(model, ids));
      return found;
    };
    const exact = await losses();
    useInt8Activations(model);
    yield withinEach(`integers, ${quantType}, losses of texts`, await losses(), exact, fourBitTolerances[quantType]);
    for (const parameter of model.parameters()) parameter.dispose();
  }
}
