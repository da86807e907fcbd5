/** The results of one process by part: milliseconds or bytes, so that smaller is better. */
export type Parts = Record<string, number>;

/** Paths of models for a child process. */
export interface ChildOptions {
  /** A folder with random weights for a Llama with 15M parameters. */
  m15: string;
  /**
   * SmolLM2-135M-Instruct as a GGUF file in Q4_1, or a folder with random weights of its shape if that file is missing.
   */
  m135: string;
  /**
   * 32 LoRA adapters of rank 8 for `m135`: a folder, and the names of its subfolders. Empty unless `serve` is measured.
   */
  adapters: { folder: string; names: readonly string[] };
  /** The part to measure, for a subject that measures each part in a separate process. */
  part?: string;
}

/** Subjects for comparing commits, each with the parts that need a separate process; undefined is the whole subject. */
export const subjectParts: Readonly<Record<string, readonly (string | undefined)[]>> = {
  step: [undefined],
  gemm: [undefined],
  decode: [undefined],
  memory: ["lora", "qlora"],
  dispatch: [undefined],
  serve: [undefined],
};
