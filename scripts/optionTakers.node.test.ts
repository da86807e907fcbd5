import { join } from "node:path";
import { expect, it } from "vitest";
import { optionTakers } from "./optionTakers.ts";

const list = join(import.meta.dirname, "../packages/lowrank/src/testing/optionCalls/optionTakers.gen.json");

// After a change of the API: pnpm exec vitest run --project node <this file> -u, and a call of it.
it("the list of public functions that take options is that of the types", async () => {
  await expect(`${JSON.stringify(optionTakers(), null, 2)}\n`).toMatchFileSnapshot(list);
}, 120_000);
