// Loaded by `import()`: few models multiply in integers.
export { quantizeActivations } from "@lowrank/nn";
