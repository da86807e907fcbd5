import { copyInto, noGrad, tensor } from "@lowrank/core";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { loraProducts } from "../methods/lora/loraFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { factorOf } from "../weighted/layerFactors.ts";
import type { HostFactors } from "../weighted/productFactors.ts";

/**
 * Adds a LoRA adapter of rank r and scaling 1 to a model. `products` gives A and B of each layer, by path; compute them
 * with `approximateUpdate(update, r)`.
 */
export async function loraOfUpdates<M extends AdaptableModel>(
  model: M,
  products: ReadonlyMap<string, HostFactors>,
  r: number,
): Promise<PeftModel<M>> {
  const config = new LoraConfig({ r, loraAlpha: r, targetModules: [...products.keys()] });
  const peft = await getPeftModel(model, config);
  const parameters = peft.adapterTensors();
  for (const [path, factors] of products) {
    for (const side of ["a", "b"] as const) {
      const { values, rows, columns } = factors[side];
      using value = tensor(values, { shape: [rows, columns] });
      noGrad(() => copyInto(factorOf(parameters, path, side, loraProducts)!, value));
    }
  }
  return peft;
}
