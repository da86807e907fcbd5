import { openSourcePage } from "@lowrank/test-support/sourcePage";
import { modelPlugin } from "../decodeBrowser.ts";
import { printSpeeds, type Racer, race, ratioOf } from "./race.ts";
import { engineRacer, smolEngine } from "./startEngine.ts";
import type { WllamaPage } from "./wllamaPage.ts";

const sequences = 8;
const newTokens = 8;
const rounds = 5;
const seconds = 25;

/** Short prompts, since wllama processes only a few tokens per second. */
const prompts = Array.from({ length: sequences }, (_, i) => `${i + 1} lighthouse keepers lived on the`);

/** Starts eight slots of wllama in Chromium. If that fails, prints the reason and returns undefined. */
async function wllama(name: string, model: string) {
  try {
    const opened = await openSourcePage("bench/lib/serve/wllamaPage.ts", { plugins: [modelPlugin(model)] });
    try {
      const { page } = opened;
      await page.waitForFunction("globalThis.wllamaPage");
      const api = await page.evaluateHandle(() => (globalThis as unknown as { wllamaPage: WllamaPage }).wllamaPage);
      await api.evaluate((own, all) => own.load(all), prompts);
      const run = () => api.evaluate((own, count) => own.run(count), newTokens);
      const racer: Racer = { name, run: async () => (1000 * sequences * newTokens) / (await run()) };
      return { racer, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    console.log(`absent: wllama (${error instanceof Error ? error.message : error})`);
    return undefined;
  }
}

/** Compares eight concurrent requests to the base model with eight slots of wllama on the same file. */
export async function wllamaFigures(model: string): Promise<Record<string, number | undefined>> {
  const [ours, theirs] = ["lowrank Q4_1", "wllama Q4_1, Chromium"];
  await using plain = await smolEngine(model);
  await using peer = await wllama(theirs, model);
  if (!peer) return {};
  console.log(`\n${sequences} sequences side by side, decoding`);
  const racer = await engineRacer(ours, plain, new Array<null>(sequences).fill(null));
  const speeds = await race([racer, peer.racer], { rounds, seconds });
  printSpeeds(speeds);
  return { batch8VsWllama: ratioOf(speeds, ours, theirs) };
}
