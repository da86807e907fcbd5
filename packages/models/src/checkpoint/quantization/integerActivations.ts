// Loaded by `import()`, since few models multiply in integers.
export { useInt8Activations } from "@lowrank/nn";
