// Set-up of every test file on a page.
import { rememberImports } from "./rememberImports.ts";

interface Page {
  /** Vitest's own, which wraps each `import()` that it serves. */
  __vitest_browser_runner__: { wrapDynamicImport: (load: () => unknown) => unknown };
}

const { __vitest_browser_runner__: runner } = globalThis as unknown as Page;
runner.wrapDynamicImport = rememberImports(runner.wrapDynamicImport.bind(runner));
