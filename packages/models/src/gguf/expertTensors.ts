import type { TensorLayout } from "./ggufForm.ts";

/** The number and sizes of a layer's routed experts, and the Hugging Face names of an expert's linear layers. */
interface Experts {
  readonly count: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly names: { readonly gate: string; readonly up: string; readonly down: string };
}

/**
 * Returns the layouts of a router and its experts. GGUF stacks the experts' matrices in three tensors: all gate
 * projections, all up projections, and all down projections. `from` and `to` are the prefixes of the Hugging Face and
 * the GGUF names.
 */
export function expertTensors(from: string, to: string, experts: Experts): TensorLayout[] {
  const { count, hiddenSize, intermediateSize, names } = experts;
  const stack = (name: string, gguf: string, shape: readonly number[]) =>
    Array.from({ length: count }, (_, index) => ({
      hf: `${from}.experts.${index}.${name}.weight`,
      gguf: `${to}.${gguf}.weight`,
      shape,
      stacked: { index, count },
    }));
  return [
    { hf: `${from}.gate.weight`, gguf: `${to}.ffn_gate_inp.weight`, shape: [count, hiddenSize], keepsF32: true },
    ...stack(names.gate, "ffn_gate_exps", [intermediateSize, hiddenSize]),
    ...stack(names.up, "ffn_up_exps", [intermediateSize, hiddenSize]),
    ...stack(names.down, "ffn_down_exps", [hiddenSize, intermediateSize]),
  ];
}
