import { matmul } from "@lowrank/core";
import { filesIn, type ModelFiles } from "@lowrank/files";
import { type CausalLM, loadModel, type ModelInputs } from "@lowrank/models";
import { type CombinationType, PeftModel } from "@lowrank/peft";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within } from "../check/compare.ts";
import { foldersIn, type GoldenPart } from "../check/goldenFiles.ts";
import { isClassifier, modelFiles, whyUnsupported } from "../models/models.ts";
import { logitsOf, logitTolerance } from "./adapterParts.ts";

/**
 * Checks the adapters of weighted/ on the golden model with the same base logits. The logits must match PEFT's
 * recordings with each adapter alone, with none, with one for each row, and combined.
 */
export async function* weighted(files: ModelFiles): AsyncGenerator<GoldenPart> {
  if (await files.has("weighted/golden.safetensors")) yield { name: "weighted", checks: () => checksOf(files) };
}

async function* checksOf(files: ModelFiles): AsyncGenerator<Check> {
  const golden = await GoldenFile.of(files, "weighted/golden.safetensors");
  const inputs = { inputIds: await golden.tensor("input_ids") };
  const names = await foldersIn(files, "weighted");
  const model = await findBase(files, inputs, await golden.array("logits.base"));
  if (model === null) {
    yield { name: "weighted", error: `no model of ${files.label}/models gives logits.base` };
    return;
  }
  const peft = new PeftModel(model);
  for (const name of names) await peft.loadAdapter(filesIn(files, `weighted/${name}`), name);
  for (const key of golden.names("logits.")) {
    const what = key.slice("logits.".length);
    const check = async (logits: ArrayLike<number>) =>
      within(`weighted ${key}`, logits, await golden.array(key), logitTolerance);
    if (what === "base") {
      yield await check(await peft.disableAdapter(() => logitsOf(peft, inputs)));
    } else if (what === "mixed") {
      const rows = [...names, "__base__"].slice(0, inputs.inputIds.shape[0]);
      yield await check(await peft.withAdapterNames(rows, () => logitsOf(peft, inputs)));
    } else {
      if (!names.includes(what)) {
        const combinationType = what as CombinationType;
        await peft.addWeightedAdapter(names, [0.7, 0.4], what, { combinationType, svdRank: 4, density: 0.5 });
        yield* combinedFactors(peft, golden, what);
      }
      peft.setAdapter(what);
      yield await check(await logitsOf(peft, inputs));
    }
  }
}

/** Returns the golden model that gives these logits for these inputs; null if none does. */
async function findBase(files: ModelFiles, inputs: ModelInputs, logits: ArrayLike<number>): Promise<CausalLM | null> {
  for (const name of await foldersIn(files, "models")) {
    const folder = modelFiles(files, name);
    if ((await whyUnsupported(folder)) !== null || (await isClassifier(folder))) continue;
    const { model } = await loadModel(folder);
    const found = await logitsOf(model, inputs);
    if (found.length === logits.length && !within(name, found, logits, logitTolerance).error) return model;
  }
  return null;
}

/** Checks the recorded A and B of a combined adapter; for an SVD, whose signs are arbitrary, their product. */
async function* combinedFactors(peft: PeftModel<CausalLM>, golden: GoldenFile, type: string): AsyncGenerator<Check> {
  const prefix = `param.${type}.`;
  const names = golden.names(prefix);
  const tensors = peft.adapterTensors(type);
  // PEFT puts the combined adapter's name after the factor's name.
  const own = names.map((name) => tensors.get(name.slice(prefix.length).replace(/(\.lora_[AB])\.[^.]+\./, "$1."))!);
  if (!type.endsWith("svd")) {
    for (const [i, name] of names.entries()) {
      yield within(`weighted ${name}`, await own[i].data(), await golden.array(name), logitTolerance);
    }
    return;
  }
  const [a, b] = [await golden.tensor(names[0]), await golden.tensor(names[1])];
  const [product, expected] = [matmul(own[1], own[0]), matmul(b, a)];
  yield within(`weighted product of ${type}`, await product.data(), await expected.data(), logitTolerance);
}
