// The entry "@lowrank/peft/internal": what other packages of this repository need and users do not. It may change in
// any version.

export { printWarning } from "./config/warning.ts";
export { methodOf } from "./methods/registry.ts";
export { isPromptMethod } from "./methods/shared/method.ts";
export { webAssemblyMemory } from "./plan/devices.ts";
