import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import type { DecodePeer, DecodeTask } from "./decodePeer.ts";

/** Loads node-llama-cpp's prebuilt llama.cpp on the CPU, without downloading or building anything. */
export async function nodeLlamaCpp(model: string, task: DecodeTask, threads: number): Promise<DecodePeer> {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    usePrebuiltBinaries: true,
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
  });
  const { promptTokens, newTokens } = task;
  const loaded = await llama.loadModel({ modelPath: model, gpuLayers: 0 });
  const context = await loaded.createContext({
    contextSize: 256,
    batchSize: promptTokens,
    threads: { ideal: threads, min: threads },
  });
  const sequence = context.getSequence();
  const ids = loaded.tokenize(task.prompt);
  if (ids.length !== promptTokens) throw new Error(`the prompt is ${ids.length} tokens, not ${promptTokens}`);
  return {
    name: `node-llama-cpp${threads > 1 ? `, ${threads} threads` : ""}`,
    async decode() {
      await sequence.clearHistory();
      const tokens = [];
      const start = performance.now();
      let first = 0;
      for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        first ||= performance.now();
        if (tokens.push(token) === newTokens) break;
      }
      const end = performance.now();
      if (tokens.length !== newTokens) throw new Error(`node-llama-cpp ended after ${tokens.length} tokens`);
      return { promptMs: first - start, decodeMs: end - first, text: loaded.detokenize(tokens, true) };
    },
  };
}
