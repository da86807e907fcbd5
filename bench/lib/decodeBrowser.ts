import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright";
import { createServer, type Plugin } from "vite";
import { chromiumFlags, findChromium, isolationHeaders } from "../../scripts/browser/chromium.ts";
import type { DecodePeer, DecodeTask, DecodeTiming } from "../peers/decodePeer.ts";
import type { LowrankWeights } from "../peers/lowrankDecode.ts";
import type { DecodePage } from "./decodePage.ts";

const root = resolve(import.meta.dirname, "../..");

/** Contestants in one page of headless Chromium. */
export interface DecodeBrowser extends AsyncDisposable {
  version: string;
  load(name: string, weights: LowrankWeights | "wllama"): Promise<DecodePeer>;
}

/** Serves the page, and the model beside it. */
function pagePlugin(model: string): Plugin {
  return {
    name: "lowrank:decode-page",
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        if (request.url === "/model.gguf") {
          response.setHeader("Content-Length", (await stat(model)).size);
          createReadStream(model).pipe(response);
        } else if (request.url === "/page") {
          response.setHeader("Content-Type", "text/html");
          response.end(`<!doctype html><script type="module" src="/bench/lib/decodePage.ts"></script>`);
        } else {
          next();
        }
      });
    },
  };
}

/**
 * Starts Chromium on a page that the sources themselves are served to. Throws where there is none.
 */
export async function startDecodeBrowser(model: string, task: DecodeTask): Promise<DecodeBrowser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium or Chrome was found; set CHROMIUM");
  const cacheDir = await mkdtemp(join(tmpdir(), "lowrank-decode-"));
  const server = await createServer({
    root,
    cacheDir,
    configFile: false,
    logLevel: "error",
    server: { host: "127.0.0.1", port: 0, headers: isolationHeaders, hmr: false, watch: null },
    // The dependencies are ES modules already.
    optimizeDeps: { noDiscovery: true, include: [] },
    plugins: [pagePlugin(model)],
  });
  await server.listen();
  const args = chromiumFlags.filter((flag) => !flag.includes("webgpu"));
  const browser = await chromium.launch({ executablePath, args });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  page.on("pageerror", (error) => console.error(`in the page: ${error.message}`));
  await page.goto(`${server.resolvedUrls!.local[0]}page`);
  await page.waitForFunction("globalThis.decodePage");
  const api = await page.evaluateHandle(() => (globalThis as unknown as { decodePage: DecodePage }).decodePage);
  return {
    version: `Chromium ${browser.version()}`,
    async load(name, weights) {
      await api.evaluate((decodePage, args) => decodePage.load(...args), [name, weights, task] as const);
      return {
        name,
        decode: (): Promise<DecodeTiming> => api.evaluate((decodePage, own) => decodePage.decode(own), name),
      };
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await server.close();
      await rm(cacheDir, { recursive: true, force: true });
    },
  };
}
