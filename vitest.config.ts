import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";
import { chromiumFlags, findChromium, isolationHeaders } from "./scripts/browser/chromium.ts";
import { insideWorker } from "./scripts/browser/insideWorker.ts";

const root = import.meta.dirname;
const universal = ["packages/*/src/**/*.test.ts"];
const nodeOnly = ["**/*.node.test.ts"];

const node: TestProjectConfiguration = {
  test: { name: "node", include: [...universal, "scripts/**/*.test.ts", "bench/**/*.test.ts"], testTimeout: 60_000 },
};

function inChromium(name: string, executablePath: string, worker: boolean): TestProjectConfiguration {
  return {
    plugins: worker ? [insideWorker(root)] : [],
    server: { headers: isolationHeaders },
    test: {
      name,
      include: universal,
      exclude: [...nodeOnly, "**/node_modules/**"],
      testTimeout: 60_000,
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

const chromium = findChromium();
if (chromium === undefined) console.log("skipped: the tests in a browser and in a Web Worker (no Chromium was found; set CHROMIUM)");

export default defineConfig({
  test: {
    projects: [node, ...(chromium ? [inChromium("browser", chromium, false), inChromium("worker", chromium, true)] : [])],
  },
});
