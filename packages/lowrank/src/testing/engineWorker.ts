// The script of a Worker that runs the engine, for tests.
import { serve } from "../worker/index.ts";

// Vitest rewrites import() in what it serves, and tells its own Workers alone how.
Object.assign(globalThis, { __vitest_browser_runner__: { wrapDynamicImport: (load: () => unknown) => load() } });
serve();
