// Script of a Worker that runs the engine, for tests.
import { serve } from "../worker/index.ts";

// Vitest rewrites `import()` to call this function, and defines it only in its own Workers.
Object.assign(globalThis, { __vitest_browser_runner__: { wrapDynamicImport: (load: () => unknown) => load() } });
serve();
