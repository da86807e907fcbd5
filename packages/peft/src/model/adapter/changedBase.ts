import type { Warning } from "../../config/warning.ts";

/** Returns the warning that an initialisation permanently overwrote the weights of `layers` base layers. */
export function changedBase(layers: number): Warning {
  const message = `the initialisation sets the weights of ${layers} base layers permanently: the model without the adapter keeps the changed weights; save or quantise it together with the adapter`;
  return { code: "changed-base", message };
}
