// Script of a Worker whose engine uses a custom backend, for tests.
import { reference, UnavailableError } from "@lowrank/core";
import { serve } from "../worker/index.ts";

// As in engineWorker.ts.
Object.assign(globalThis, { __vitest_browser_runner__: { wrapDynamicImport: (load: () => unknown) => load() } });
serve(({ threads }) => {
  if (threads === 2) return reference();
  throw new UnavailableError(`test: there are no ${threads} threads`, "ask for 2");
});
