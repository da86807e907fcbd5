// The entry "@lowrank/serve/internal": what other packages of this repository need and users do not. It may change in
// any version.

export { servingProblem } from "./adapters/checkAdapter.ts";
export { newId, now } from "./storage/jobKeys.ts";
