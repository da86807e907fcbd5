import { backward, scope, tensor } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { AdamW } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";

type LoadOptions = Parameters<typeof loadModel>[1];

/** Loads a model, adds LoRA to all linear layers, and returns a training step on tokens i32 [batch, tokens]. */
export async function loraStep(
  path: string,
  batch: number,
  tokens: number,
  options: LoadOptions = {},
): Promise<() => Promise<void>> {
  const { model } = await loadModel(path, options);
  const config = new LoraConfig({ r: 8, loraAlpha: 16, targetModules: "all-linear", taskType: "CAUSAL_LM" });
  const peft = await getPeftModel(model, config);
  const ids = Int32Array.from({ length: batch * tokens }, (_, i) => (i * 7919) % model.vocabSize);
  const inputIds = tensor(ids, { shape: [batch, tokens] });
  const optimizer = new AdamW([...peft.parameters()].filter((parameter) => parameter.requiresGrad));
  return async () => {
    const loss = scope(() => {
      const value = peft.loss({ inputIds, labels: inputIds });
      backward(value);
      return value.detach();
    });
    await optimizer.step();
    optimizer.zeroGrad();
    const [value] = await loss.data();
    loss.dispose();
    if (!Number.isFinite(value)) throw new Error(`the loss is ${value}`);
  };
}
