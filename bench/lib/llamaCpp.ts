import type { Llama } from "node-llama-cpp";

/**
 * Starts node-llama-cpp's build of llama.cpp on one thread. If that fails, prints the reason and returns null; `what`
 * is the name of the skipped check.
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
