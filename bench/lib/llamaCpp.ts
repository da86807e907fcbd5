import type { Llama } from "node-llama-cpp";

/**
 * Starts llama.cpp as node-llama-cpp packages it, on one thread. Gives null, and says why, where it
 * does not start; `what` names the check that is skipped then.
 */
export async function startLlamaCpp(what: string): Promise<Llama | null> {
  try {
    const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
    const asPackaged = { build: "never", usePrebuiltBinaries: true, skipDownload: true } as const;
    const quiet = { progressLogs: false, logLevel: LlamaLogLevel.error };
    return await getLlama({ ...asPackaged, ...quiet, gpu: false, maxThreads: 1 });
  } catch (error) {
    console.log(`skipped: ${what} of llama.cpp (node-llama-cpp does not start here: ${(error as Error).message})`);
    return null;
  }
}
