import type { Warning } from "../config/warning.ts";

/** Returns the warning for an initialisation that overwrites weights of the base model. */
export function changedBase(layers: number): Warning {
  const message = `the initialisation sets the weights of ${layers} base layers anew, for good: the model without the adapter is the one with these; save or quantise it beside the adapter`;
  return { code: "changed-base", message };
}
