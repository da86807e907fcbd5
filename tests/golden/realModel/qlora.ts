import { join } from "node:path";
import { type Tensor, toBitsandbytes } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within } from "../check/compare.ts";
import { type ExpectedForward, type ExpectedQlora, type ExpectedTraining, readExpected } from "./expected.ts";
import { lastLogits, logitTolerance, textLoss } from "./forward.ts";
import { same, sha256 } from "./ggufFile.ts";
import { RecordedTraining } from "./training.ts";

/** Checks the model with its projections in NF4: every byte of them, its losses, and LoRA steps from lora-init/. */
export async function* qlora(dir: string, path: string): AsyncGenerator<Check> {
  const expected = readExpected<ExpectedQlora>(dir, "qlora");
  const { texts } = readExpected<ExpectedForward>(dir, "forward");
  const golden = await GoldenFile.open(join(dir, "expected", "qlora.safetensors"));
  const { model } = await loadModel(path, { quantize: { quantType: "nf4", blockSize: 64, doubleQuant: true } });
  const parameters = new Map(model.namedParameters());
  const packed = [...parameters].flatMap(([name, { dtype }]) => (dtype === "nf4" ? [name] : []));
  yield same("NF4 tensors", packed.sort(), expected.tensors.map(({ name }) => name).sort());
  for (const tensor of expected.tensors) yield* weightChecks(parameters.get(tensor.name), tensor);

  for (const [i, { ids }] of texts.entries()) {
    yield await textLoss(`NF4 text ${i} loss`, model, ids, expected.losses[i]);
  }
  const last = await lastLogits(model, texts[0].ids);
  yield within("NF4 text 0 last logits", last, await golden.array("0.last"), logitTolerance);

  const { config, examples, steps } = readExpected<ExpectedTraining>(dir, "train");
  const peft = await PeftModel.fromPretrained(model, join(dir, "lora-init"), { isTrainable: true });
  const { train_losses: losses, train_grad_norms: grad_norms, grad_norm_per_tensor } = expected;
  using trainer = new RecordedTraining(peft, { config, examples, steps, losses, grad_norms, grad_norm_per_tensor });
  yield* trainer.checkedSteps("QLoRA", losses.length);
}

/** Checks a weight's codes, its 8-bit scales and their scales, and the dequantised values. */
async function* weightChecks(
  weight: Tensor | undefined,
  { name, offset, ...hashes }: ExpectedQlora["tensors"][number],
): AsyncGenerator<Check> {
  if (!weight) {
    yield { name: `NF4 ${name}`, error: "there is no such tensor" };
    return;
  }
  const entries = new Map((await toBitsandbytes(weight, "w")).map((entry) => [entry.name, entry.bytes]));
  const state = JSON.parse(new TextDecoder().decode(entries.get("w.quant_state.bitsandbytes__nf4")));
  yield same(`NF4 ${name} offset`, state.nested_offset, offset);
  yield same(`NF4 ${name} codes`, sha256(entries.get("w")!), hashes.sha256_packed);
  yield same(`NF4 ${name} scales`, sha256(entries.get("w.absmax")!), hashes.sha256_absmax);
  yield same(`NF4 ${name} scales of scales`, sha256(entries.get("w.nested_absmax")!), hashes.sha256_nested_absmax);
  using wide = weight.to("f32");
  yield same(`NF4 ${name} dequantised`, sha256(await wide.bytes()), hashes.sha256_dequantized);
}
