import { availableParallelism } from "node:os";
import { join } from "node:path";
import { findChromium } from "@lowrank/test-support/chromium";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";
import { chromiumProject } from "./tests/runner/browser/project.ts";

const root = import.meta.dirname;
const include = ["packages/*/src/**/*.test.ts", "tests/golden/**/*.test.ts"];
const fresh = "packages/*/src/**/*.fresh.node.test.ts";
const long = "**/*.long.{node.test,test}.ts";
/** Loops of thousands of steps are left to the projects "long" and "browser". */
const garbage = "**/*.garbage.test.ts";
const longInPages = "packages/*/src/**/*.long.test.ts";
/**
 * Files about what a page does in its own way: threads, memory, GPUs, files, workers, and its event loop. Kernels
 * of WebAssembly and plans of WebGPU calls are the same in a page as in Node, so their tests are left to the project
 * "browser".
 */
const inPage = [
  "packages/files/src/{disk,interface,places,sources}/**/*.test.ts",
  "packages/files/src/hub/{blockSource,download}.test.ts",
  "packages/files/src/*.test.ts",
  "packages/webgpu/src/{device,memory,kernel}/**/*.test.ts",
  "packages/webgpu/src/*.test.ts",
  "packages/wasm/src/{memory,threads}.test.ts",
  "packages/nano/src/*.test.ts",
  "packages/core/src/engine/**/*.test.ts",
  "packages/core/src/internal/yieldIfDue.test.ts",
  "packages/lowrank/src/worker/**/*.test.ts",
  "packages/serve/src/{worker,storage}/**/*.test.ts",
  "packages/train/src/trainer/staysAlive.test.ts",
];
const executablePath = findChromium();
// Tests start the `lowrank` command dozens of times; from here Node has its sources compiled.
process.env.NODE_COMPILE_CACHE ??= join(root, "node_modules/.cache/compiled");

const inNode = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  setupFiles: [join(root, "tests/runner/garbageBetweenTests.ts")],
  // Vitest would leave one core free; the projects in Chromium come after these.
  maxWorkers: availableParallelism(),
  // Most objects of a test die young; a larger space for them takes 7 % less processor time.
  execArgv: ["--max-semi-space-size=64"],
  sequence: { groupOrder: 0 },
};

/** Files that share a process, and what it has loaded, as those in Chromium share a page. */
const node: TestProjectConfiguration = {
  test: {
    ...inNode,
    name: "node",
    include: [
      ...include,
      "tests/**/*.test.ts",
      "tools/**/*.test.ts",
      "bench/**/*.test.ts",
      "conformance/src/**/*.test.ts",
    ],
    exclude: ["**/node_modules/**", "**/fixtures/**", fresh, long, garbage],
    isolate: false,
  },
};

/**
 * Files that mock a module or look at what a process begins with, such as the list of methods: each
 * has its own process.
 */
const freshNode: TestProjectConfiguration = { test: { ...inNode, name: "fresh", include: [fresh] } };

/**
 * Files that start dozens of processes or whole servers or go through long tables, each in
 * its own process. `npm test` leaves them to `.ci/run`.
 */
const longNode: TestProjectConfiguration = { test: { ...inNode, name: "long", include: [long, garbage] } };

if (executablePath === undefined) {
  console.log("skipped: every test in a browser and in a Web Worker (no Chromium or Chrome was found; set CHROMIUM)");
}

export default defineConfig({
  test: {
    projects: [
      node,
      freshNode,
      longNode,
      ...(executablePath === undefined
        ? []
        : [
            chromiumProject({ name: "page", root, include: inPage, exclude: [long, garbage], executablePath }),
            chromiumProject({ name: "browser", root, include, exclude: [long], executablePath }),
            chromiumProject({ name: "worker", inWorker: true, root, include, exclude: [long], executablePath }),
            chromiumProject({ name: "longWorker", inWorker: true, root, include: [longInPages], executablePath }),
          ]),
    ],
  },
});
