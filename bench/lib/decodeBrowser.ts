import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { openSourcePage } from "@lowrank/test-support/sourcePage";
import type { Plugin } from "vite";
import type { DecodePeer, DecodeTask, DecodeTiming } from "../peers/decodePeer.ts";
import type { LowrankWeights } from "../peers/lowrankDecode.ts";
import type { DecodePage } from "./decodePage.ts";

/** A page in headless Chromium that runs contestants. */
export interface DecodeBrowser extends AsyncDisposable {
  version: string;
  load(name: string, weights: LowrankWeights | "wllama"): Promise<DecodePeer>;
}

/** Serves the model file to the page. */
export function modelPlugin(model: string): Plugin {
  return {
    name: "lowrank:decode-model",
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        if (request.url !== "/model.gguf") return next();
        response.setHeader("Content-Length", (await stat(model)).size);
        createReadStream(model).pipe(response);
      });
    },
  };
}

/** Starts Chromium with the page of the contestants. Throws if Chromium is missing. */
export async function startDecodeBrowser(model: string, task: DecodeTask): Promise<DecodeBrowser> {
  const opened = await openSourcePage("bench/lib/decodePage.ts", { plugins: [modelPlugin(model)] });
  const { page, version } = opened;
  await page.waitForFunction("globalThis.decodePage");
  const api = await page.evaluateHandle(() => (globalThis as unknown as { decodePage: DecodePage }).decodePage);
  return {
    version,
    async load(name, weights) {
      await api.evaluate((decodePage, args) => decodePage.load(...args), [name, weights, task] as const);
      return {
        name,
        decode: (): Promise<DecodeTiming> => api.evaluate((decodePage, own) => decodePage.decode(own), name),
      };
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
