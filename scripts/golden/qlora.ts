import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { scope, type Tensor } from "@lowrank/core";
import { type LabelledInputs, loadModel, modelFileContents } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { type Check, within } from "./compare.ts";
import { GoldenFile } from "./goldenFile.ts";
import { adamwLosses, lossAndGradients } from "./models.ts";

const logitTolerance = 2e-5;

/**
 * The llamas of DIR/nf4 whose linears are in NF4, with LoRA on them: bitsandbytes'
 * checkpoints, PEFT's adapters.
 */
export async function* qlora(dir: string): AsyncGenerator<Check> {
  for (const name of ["qlora", "qlora-double"]) {
    const folder = join(dir, "nf4", name);
    if (!existsSync(folder)) continue;
    for await (const check of checks(folder)) yield { ...check, name: `nf4/${name} ${check.name}` };
  }
}

async function* checks(folder: string): AsyncGenerator<Check> {
  const golden = await GoldenFile.open(join(folder, "golden.safetensors"));
  const [inputIds, labels] = await Promise.all(["input_ids", "labels"].map((name) => golden.tensor(name)));
  const inputs: LabelledInputs = { inputIds, labels };
  const { model, config } = await loadModel(folder);

  yield sameWeights(await modelFileContents(model, config), folder);
  yield within("base_logits", await logitsOf(model, inputs), await golden.array("base_logits"), logitTolerance);
  const peft = await PeftModel.fromPretrained(model, folder, { isTrainable: true });
  yield within("logits", await logitsOf(peft, inputs), await golden.array("logits"), logitTolerance);
  const parameters = new Map([...peft.namedParameters()].map(([key, p]) => [key.replace(".default", ""), p]));
  yield* lossAndGradients(golden, peft, inputs, parameters, "loss");
  const base = await peft.disableAdapter(() => logitsOf(peft, inputs));
  yield within("base_logits, adapter off", base, await golden.array("base_logits"), logitTolerance);
  yield await adamwLosses(golden, peft, inputs, { lr: 5e-3, weightDecay: 0 });

  const again = await PeftModel.fromPretrained((await loadModel(folder)).model, folder);
  const merged = await again.mergeAndUnload({ dtype: "f32" });
  yield within("merged to f32", await logitsOf(merged, inputs), await golden.array("logits"), logitTolerance);
}

async function logitsOf(model: { forward(inputs: LabelledInputs): { logits: Tensor } }, inputs: LabelledInputs) {
  const { labels: _, ...bare } = inputs;
  return scope(() => model.forward(bare as LabelledInputs).logits).data();
}

/** Checks that the loaded model is saved as the bytes that bitsandbytes wrote. */
function sameWeights(saved: ReadonlyMap<string, Uint8Array | string>, folder: string): Check {
  const name = "model.safetensors";
  const [actual, expected] = [Buffer.from(saved.get(name) as Uint8Array), readFileSync(join(folder, name))];
  if (actual.equals(expected)) return { name: "saved again" };
  return { name: "saved again", error: `${actual.length} bytes differ from the ${expected.length} of ${name}` };
}
