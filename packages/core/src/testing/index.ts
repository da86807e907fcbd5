export { definedOps } from "../op.ts";
export type { OpCase } from "./cases.ts";
export { type CheckGradOptions, checkGrad } from "./checkGrad.ts";
export { expectClose, type Numbers } from "./expectClose.ts";
export { type Input, inputValues, makeInput } from "./input.ts";
export { type FunctionName, opCases } from "./opCases.ts";
export { type BackendTest, type TestBackendOptions, testBackend } from "./testBackend.ts";
export { storedWeights } from "./weightCases.ts";
