/** The figures of one process by name: milliseconds or bytes, so that less is better. */
export type Parts = Record<string, number>;

/** The models that a child may read. */
export interface ChildOptions {
  /** A folder of random weights, of a Llama of 15M parameters. */
  m15: string;
  /**
   * SmolLM2-135M-Instruct as a GGUF file in Q4_1; a folder of random weights of its
   * shape where that is absent.
   */
  m135: string;
  /** The part to measure, of a subject that needs a process for each. */
  part?: string;
}

/**
 * The subjects that another commit can be measured by, and the parts of those that
 * need a process for each.
 */
export const subjectParts: Readonly<Record<string, readonly (string | undefined)[]>> = {
  step: [undefined],
  gemm: [undefined],
  decode: [undefined],
  memory: ["lora", "qlora"],
  dispatch: [undefined],
};
