import type { ShadowNetwork } from "../methods/shadow/shadowNetwork.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";

/**
 * Returns the object that runs the second decoder of a Shadow adapter, like PEFT's `ShadowModel`. It computes the
 * second decoder's own loss, and returns the decoder as a model. Default: the active adapter.
 *
 * @throws If the adapter is not Shadow.
 *
 * @example
 * const small = await shadowModel(peft).unloadShadow({ copy: true });
 * console.log(await generate(small, [promptIds]));
 */
export function shadowModel<M extends AdaptableModel>(
  peft: PeftModel<M>,
  adapterName: string = peft.activeAdapter ?? "default",
): ShadowNetwork<M> {
  const { method, shared } = peft.base_model.adapter(adapterName);
  if (shared.hook && "unloadShadow" in shared.hook) return shared.hook as ShadowNetwork<M>;
  throw new Error(`shadowModel: adapter "${adapterName}" is ${method.peftType}; give the name of a Shadow adapter`);
}
