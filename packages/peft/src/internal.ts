// The entry "@lowrank/peft/internal" exports code for other packages of this repository, not for users. It may change
// in any version.

export { printWarning } from "./config/warning.ts";
export { TunerLayer } from "./layers/tunerLayer.ts";
export { methodOf } from "./methods/registry.ts";
export { isPromptMethod } from "./methods/shared/method.ts";
export { loadFact } from "./methods/shared/methodFacts.ts";
export { webAssemblyMemory } from "./plan/devices.ts";
export { planTraining } from "./plan/planTraining.ts";
