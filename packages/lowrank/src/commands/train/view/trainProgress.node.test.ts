import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { formatSeconds } from "../../../report/table.ts";
import { trainProgress } from "./trainProgress.ts";

test("durations read as people say them", () => {
  expect([8.4, 59.6, 200, 3725].map(formatSeconds)).toEqual(["8.4 s", "1 min 00 s", "3 min 20 s", "1 h 02 min"]);
});

async function shown(isTTY: boolean): Promise<string> {
  const stream = Object.assign(new PassThrough(), {
    isTTY,
    columns: 120,
    cursorTo: () => true,
    moveCursor: () => true,
    clearLine: () => true,
  });
  const progress = trainProgress(stream as unknown as NodeJS.WriteStream);
  for (let step = 1; step <= 40; step++) {
    progress.step({ step, maxSteps: 40, loss: 4 / step, learningRate: 0.1, gradNorm: 1, tokens: 300, seconds: 0.25 });
  }
  progress.note("saved");
  progress.end();
  stream.end();
  return text(stream);
}

test("without a terminal there are plain lines, about twenty, with loss, speed and the time left", async () => {
  const lines = (await shown(false)).trimEnd().split("\n");
  expect(lines.length).toBe(21);
  expect(lines[0]).toBe("step 2 of 40 | loss 2.0000 | 1,200 tokens/s | 10 s left");
  expect(lines.at(-2)).toBe("step 40 of 40 | loss 0.1000 | 1,200 tokens/s | 0.0 s left");
  expect(lines.at(-1)).toBe("saved");
});

test("on a terminal there is a view, which stays at the end", async () => {
  const drawn = await shown(true);
  expect(drawn).toContain("\x1b[0Jsaved\n");
  const [last] = drawn.split("\x1b[0J").slice(-1);
  expect(last).toMatch(/^█+ step 40 of 40, 100 %\n/);
  expect(last).toContain("┤");
  expect(last).not.toContain("\x1b");
  expect(last).toContain("loss 0.1000 | learning rate 0.1 | gradient norm 1 | 1,200 tokens/s | ");
  expect(last).not.toContain("left");
});
