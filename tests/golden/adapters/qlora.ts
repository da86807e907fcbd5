import { scope, type Tensor } from "@lowrank/core";
import { filesIn, type ModelFiles } from "@lowrank/files";
import { type LabelledInputs, loadModel } from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { PeftModel } from "@lowrank/peft";
import { GoldenFile } from "@lowrank/test-support/golden";
import { readWhole } from "@lowrank/test-support/readWhole";
import { type Check, sameBytes, within } from "../check/compare.ts";
import type { GoldenPart } from "../check/goldenFiles.ts";
import { adamwLosses, lossAndGradients, named } from "../models/models.ts";

const logitTolerance = 2e-5;

/** The file of bitsandbytes' weights. */
const weights = "model.safetensors";

/** Checks the llamas of nf4/ with NF4 linears and LoRA: bitsandbytes' checkpoints, PEFT's adapters. */
export async function* qlora(files: ModelFiles): AsyncGenerator<GoldenPart> {
  for (const folder of ["nf4/qlora", "nf4/qlora-double"]) {
    const own = filesIn(files, folder);
    if (await own.has("config.json")) yield { name: folder, checks: () => named(folder, checksOf(own)) };
  }
}

async function* checksOf(folder: ModelFiles): AsyncGenerator<Check> {
  const golden = await GoldenFile.of(folder, "golden.safetensors");
  const [inputIds, labels] = await Promise.all(["input_ids", "labels"].map((name) => golden.tensor(name)));
  const inputs: LabelledInputs = { inputIds, labels };
  const { model, config } = await loadModel(folder);

  const saved = (await modelFileContents(model, config)).get(weights) as Uint8Array;
  yield sameBytes("saved again", saved, await readWhole(folder, weights));
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
