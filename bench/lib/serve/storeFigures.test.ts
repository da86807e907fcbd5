import { init, reference, tensor } from "@lowrank/core";
import { expect, it } from "vitest";
import { gatedBackend, takeTurns } from "./storeFigures.ts";

/** Names of engines with open gates. */
const open = new Set<string>();

it("runs an engine while its gate is open and the other's is closed, and tells the speeds by turns", async () => {
  const engine = async (name: string, tokens: number) => {
    const gate = gatedBackend(reference());
    gate.close();
    await init(gate.backend);
    const one = tensor([1]);
    let newTokens = 0;
    const loop = async () => {
      for (;;) {
        await one.data();
        newTokens += tokens;
        if (!open.has(name) || open.size > 1) throw new Error(`${name} ran, and open are ${[...open]}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const told = {
      ...gate,
      open: () => {
        open.add(name);
        gate.open();
      },
      close: () => {
        open.delete(name);
        gate.close();
      },
    };
    return { name, gate: told, engine: { stats: async () => ({ newTokens }) as never }, loop: loop() };
  };
  const [fast, slow] = [await engine("fast", 4), await engine("slow", 1)];
  // Shorter than the turns of one round, so that exactly one round runs.
  const turns = takeTurns([fast, slow], 0.5);
  const speeds = (await Promise.race([turns, fast.loop, slow.loop])) as Awaited<typeof turns>;
  const [ofFast, ofSlow] = [speeds.get("fast")!, speeds.get("slow")!];
  expect([ofFast.length, ofSlow.length]).toEqual([1, 1]);
  expect(ofFast[0]).toBeGreaterThan(2 * ofSlow[0]!);
});
