import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium, type Page } from "playwright";
import { createServer, type Plugin } from "vite";
import { chromiumFlags, findChromium, isolationHeaders } from "./chromium.ts";

const root = resolve(import.meta.dirname, "../../..");

/** A page of headless Chromium that runs a script of this repository. */
export interface SourcePage extends AsyncDisposable {
  readonly page: Page;
  /** The browser's name and version. */
  readonly version: string;
}

/** Serves the page. */
function pagePlugin(script: string): Plugin {
  return {
    name: "lowrank:source-page",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (request.url !== "/page") return next();
        response.setHeader("Content-Type", "text/html");
        response.end(`<!doctype html><script type="module" src="/${script}"></script>`);
      });
    },
  };
}

/** Options of `openSourcePage`. */
interface SourcePageOptions {
  /** Plugins that serve more than the sources. */
  readonly plugins?: readonly Plugin[];
  /** Chromium's flags. Default: the flags for tests without WebGPU. */
  readonly flags?: readonly string[];
}

/**
 * Starts Chromium on a page whose script is given by its path from the repository's root. The script and all its
 * imports are served from the sources, on the loopback. Throws if Chromium is not found.
 */
export async function openSourcePage(
  script: string,
  { plugins = [], flags = chromiumFlags.filter((flag) => !flag.includes("webgpu")) }: SourcePageOptions = {},
): Promise<SourcePage> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium or Chrome was found; set CHROMIUM");
  const cacheDir = await mkdtemp(join(tmpdir(), "lowrank-page-"));
  const server = await createServer({
    root,
    cacheDir,
    configFile: false,
    logLevel: "error",
    server: { host: "127.0.0.1", port: 0, headers: isolationHeaders, hmr: false, watch: null },
    // The dependencies are ES modules already.
    optimizeDeps: { noDiscovery: true, include: [] },
    plugins: [pagePlugin(script), ...plugins],
  });
  await server.listen();
  const browser = await chromium.launch({ executablePath, args: [...flags] });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  page.on("pageerror", (error) => console.error(`in the page: ${error.message}`));
  await page.goto(`${server.resolvedUrls!.local[0]}page`);
  return {
    page,
    version: `Chromium ${browser.version()}`,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await server.close();
      await rm(cacheDir, { recursive: true, force: true });
    },
  };
}
