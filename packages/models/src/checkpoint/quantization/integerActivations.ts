// A separate module, so that it is loaded only for models with the option `activations`.
export { useInt8Activations } from "@lowrank/nn";
