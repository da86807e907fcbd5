import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AdamssConfig, init, LoraConfig, type PeftConfig, wasm } from "lowrank";
import { exemptionOf, type PropertyName } from "lowrank/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { columns, trainsOn } from "./actions.ts";
import { ownMethods, type Row, tryAll, withMatrix } from "./matrix.ts";
import { adapted } from "./subjects.ts";

let rows: readonly Row[];
beforeAll(async () => {
  await init(wasm({ threads: 1, batchInvariant: true }));
  rows = await tryAll();
}, 300_000);

const methods = (await ownMethods()).map(({ peftType }) => peftType);
const rowOf = (name: string) => rows.find(({ method }) => method.peftType === name)!;

test("the table of docs/methods.md has the results of these attempts", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/methods.md"), "utf8");
  // The formatter aligns the columns of tables.
  const plain = (one: string) => one.replaceAll(/ +/g, " ").replaceAll(/-{2,}/g, "--");
  expect(plain(text), "run pnpm docs:methods").toBe(plain(withMatrix(text, rows)));
});

describe.each(methods)("%s", (name) => {
  test("a refusal names the method or the adapter, and the fix", () => {
    for (const [i, cell] of rowOf(name).cells.entries()) {
      if (cell.done === "yes") continue;
      expect(cell.message, columns[i].title).toMatch(new RegExp(`${name}|adapter 'own'`));
      expect(cell.message, columns[i].title).toMatch(
        /keep it unmerged|use it|serve it|call quantizeBase|use loadAdapter/,
      );
    }
  });

  test("@lowrank/testing leaves out what the method refuses", () => {
    const { method, config, cells } = rowOf(name);
    const properties: readonly PropertyName[] = [
      ...(["mergeEqualsUnmerged", "unmergeRestoresBase", "mixedBatchEqualsSingleRows"] as const),
    ];
    for (const [i, property] of properties.entries()) {
      if (cells[i].done === "partly") continue;
      const exempt = exemptionOf(property, method, config) ?? (method.experts ? "its adapters are not drawn" : null);
      expect(exempt === null, `${property}: ${exempt}`).toBe(cells[i].done === "yes");
    }
  });
});

test("a method that needs full weights trains on a base that is quantised afterwards", async () => {
  const i = columns.findIndex(({ code }) => code === "needs_full_weights");
  const refusing = rows.filter(({ cells }) => cells[i].done === "no");
  expect(refusing.length).toBeGreaterThan(0);
  for (const { config } of refusing) {
    const peft = await adapted(config);
    await peft.quantizeBase({ quantType: "nf4" });
    await trainsOn(peft);
  }
});

const targetModules = "all-linear";
test.each<[string, PeftConfig]>([
  ["MonteCLoRA", new LoraConfig({ r: 4, targetModules, montecloraConfig: { numSamples: 3 } })],
  ["VeLoRA", new LoraConfig({ r: 4, targetModules, veloraConfig: { numGroups: 4, initType: "batch_average_once" } })],
  ["KaSA", new LoraConfig({ r: 4, targetModules, kasaConfig: {} })],
  [
    "AdaMSS with useAsa",
    new AdamssConfig({
      ...{ r: 4, targetModules, useAsa: true, initWarmup: 0, finalWarmup: 4, maskInterval: 1, asaTargetSubspaces: 3 },
    }),
  ],
])("%s resumes as if it had not stopped", async (_, config) => {
  await columns.find(({ title }) => title === "resume")!.action(config);
});
