// Set-up of every test file on a page.
import { rememberImports } from "./rememberImports.ts";

interface Page {
  /** Vitest's object, which wraps each `import()` of a served file. */
  __vitest_browser_runner__: { wrapDynamicImport: (load: () => unknown) => unknown };
}

const { __vitest_browser_runner__: runner } = globalThis as unknown as Page;
runner.wrapDynamicImport = rememberImports(runner.wrapDynamicImport.bind(runner));
