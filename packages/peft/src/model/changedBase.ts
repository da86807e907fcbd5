import type { Warning } from "../config/warning.ts";

/** The warning of a start that sets weights of the base model anew. */
export function changedBase(layers: number): Warning {
  const message = `the initialisation sets the weights of ${layers} base layers anew, for good: the model without the adapter is the one with these; save or quantise it beside the adapter`;
  return { code: "changed-base", message };
}
