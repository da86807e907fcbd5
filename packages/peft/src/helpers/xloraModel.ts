import type { XLoraModel } from "../methods/routed/xloraModel.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";

/**
 * Returns the object that runs an X-LoRA adapter, like PEFT's `XLoraModel`. It returns and logs scalings, and changes
 * how many experts are used. Default: the active adapter.
 *
 * @throws If the adapter is not X-LoRA.
 *
 * @example
 * peft.forward(batch);
 * const scalings = xloraModel(peft).getLatestScalings();
 */
export function xloraModel<M extends AdaptableModel>(
  peft: PeftModel<M>,
  adapterName: string = peft.activeAdapter ?? "default",
): XLoraModel {
  const { method, shared } = peft.base_model.adapter(adapterName);
  if (shared.hook && "getLatestScalings" in shared.hook) return shared.hook as XLoraModel;
  throw new Error(`xloraModel: adapter "${adapterName}" is ${method.peftType}; give the name of an X-LoRA adapter`);
}
