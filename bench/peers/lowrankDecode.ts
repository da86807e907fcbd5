import { type Backend, init } from "@lowrank/core";
import { type GenerateOptions, generate, loadModel } from "@lowrank/models";
import { quantize, useInt8Activations } from "@lowrank/nn";
import type { DecodePeer, DecodeTask } from "./decodePeer.ts";

/**
 * The weights in memory: widened to f32; the file's q4_1 blocks, multiplied in integers; or quantised to nf4 as in
 * bitsandbytes, multiplied in f32 or in integers.
 */
export type LowrankWeights = "f32" | "q4_1" | "nf4" | "nf4 int8";

/** Loads a GGUF file in Lowrank, from a path or a Blob. */
export async function lowrankDecode(
  name: string,
  source: string | Blob,
  task: DecodeTask,
  { weights, backend, sampling = {} }: { weights: LowrankWeights; backend: Backend; sampling?: GenerateOptions },
): Promise<DecodePeer> {
  await init(backend);
  const asFile = { weights: "packed", activations: "int8" } as const;
  const { model, tokenizer } = await loadModel(source, weights === "q4_1" ? asFile : {});
  if (weights.startsWith("nf4")) await quantize(model, { quantType: "nf4" });
  if (weights === "nf4 int8") useInt8Activations(model);
  const ids = tokenizer!.encode(task.prompt);
  if (ids.length !== task.promptTokens) throw new Error(`the prompt is ${ids.length} tokens, not ${task.promptTokens}`);
  return {
    name,
    async decode() {
      await init(backend);
      const start = performance.now();
      let first = 0;
      const onToken = () => {
        first ||= performance.now();
      };
      const [tokens] = await generate(model, [ids], {
        ...sampling,
        maxNewTokens: task.newTokens,
        generationConfig: null,
        onToken,
      });
      const end = performance.now();
      return { promptMs: first - start, decodeMs: end - first, text: tokenizer!.decode(tokens!) };
    },
  };
}
