import { join } from "node:path";
import { chromiumFlags, isolationHeaders } from "@lowrank/test-support/chromium";
import { servedFakeHub } from "@lowrank/test-support/hubPlugin";
import { playwright } from "@vitest/browser-playwright";
import type { TestProjectConfiguration } from "vitest/config";
import { insideWorker } from "./insideWorker.ts";

export interface ChromiumProject {
  name: string;
  /** Files run inside a Web Worker instead of on the page. */
  inWorker?: boolean;
  root: string;
  include: string[];
  /** Files of `include` to exclude, in addition to files that need Node. */
  exclude?: string[];
  executablePath: string;
  /** The number of pages that run files in parallel; default 2. */
  pages?: number;
}

/** The libraries that a page of tests imports, after the package that imports them. */
const dependencies = ["fast-check", "@lowrank/files > @huggingface/hub", "@lowrank/models > @huggingface/tokenizers"];

/** A Vitest project whose test files run in headless Chromium, cross-origin isolated. */
export function chromiumProject({
  name,
  inWorker = false,
  root,
  include,
  exclude = [],
  executablePath,
  pages = 2,
}: ChromiumProject): TestProjectConfiguration {
  return {
    root,
    plugins: [servedFakeHub(), ...(inWorker ? [insideWorker(root)] : [])],
    server: { headers: isolationHeaders },
    // A dependency found at run time would reload pages in which files run, for example if Vite's cache is empty.
    optimizeDeps: { noDiscovery: true, include: dependencies },
    test: {
      name,
      include,
      exclude: ["**/*.node.test.ts", "**/node_modules/**", ...exclude],
      testTimeout: 60_000,
      setupFiles: ["garbageBetweenTests.ts", "browser/setUpPage.ts"].map((file) => join(root, "tests/runner", file)),
      isolate: false,
      maxWorkers: pages,
      sequence: { groupOrder: name === "page" ? 0 : inWorker ? 2 : 1 },
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions: { executablePath, args: chromiumFlags } }),
        instances: [{ browser: "chromium", name }],
      },
    },
  };
}
