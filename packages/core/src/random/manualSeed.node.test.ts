import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("seeds the default generator differently at each start", () => {
  const index = new URL("../index.ts", import.meta.url).href;
  const script = `const { defaultGenerator } = await import("${index}"); console.log(defaultGenerator.state.seed)`;
  const start = () => execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(start()).not.toBe(start());
});
