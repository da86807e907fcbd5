import { getLlama, LlamaLogLevel, type Token } from "node-llama-cpp";
import type { TokenTimes } from "../lib/serve/decodeTogether.ts";

/** Sequences of one llama.cpp context that decode concurrently. */
export interface LlamaCppSequences extends AsyncDisposable {
  /** Runs the prompts again and decodes `newTokens` tokens of each. Returns the times of all tokens. */
  run(newTokens: number): Promise<TokenTimes>;
}

/** Starts node-llama-cpp's build of llama.cpp on one CPU thread. */
export async function llamaCppSequences(
  model: string,
  prompts: readonly (readonly number[])[],
  capacity: number,
): Promise<LlamaCppSequences> {
  const llama = await getLlama({
    ...{ gpu: false, build: "never", usePrebuiltBinaries: true, skipDownload: true, progressLogs: false },
    ...{ logLevel: LlamaLogLevel.error, maxThreads: 1 },
  });
  const loaded = await llama.loadModel({ modelPath: model, gpuLayers: 0 });
  const context = await loaded.createContext({
    sequences: prompts.length,
    contextSize: capacity,
    // All prompts fit one batch, as they do in a pass of Lowrank's engine.
    batchSize: prompts.flat().length,
    threads: { ideal: 1, min: 1 },
  });
  const sequences = prompts.map(() => context.getSequence());
  return {
    async run(newTokens) {
      await Promise.all(sequences.map((sequence) => sequence.clearHistory()));
      return Promise.all(
        sequences.map(async (sequence, i) => {
          const times: number[] = [];
          for await (const _ of sequence.evaluate([...prompts[i]!] as Token[], {
            temperature: 0,
            yieldEogToken: true,
          })) {
            if (times.push(performance.now()) === newTokens) break;
          }
          if (times.length !== newTokens) throw new Error(`node-llama-cpp ended after ${times.length} tokens`);
          return times;
        }),
      );
    },
    [Symbol.asyncDispose]: () => llama.dispose(),
  };
}
