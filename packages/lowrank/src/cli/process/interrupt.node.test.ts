import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";

const file = join(import.meta.dirname, "interrupt.ts");

/** Runs a process whose work ends 1500 ms after it was interrupted, and sends it signals. */
function endOf(signals: readonly [NodeJS.Signals, number][]): Promise<{ ended: string | number | null; text: string }> {
  const work = `
    const { withInterrupt } = await import(${JSON.stringify(file)});
    const note = () => console.log("stopping");
    const saved = (signal) => new Promise((resolve) => {
      const late = setTimeout(resolve, 20_000);
      signal.addEventListener("abort", () => {
        clearTimeout(late);
        setTimeout(resolve, 1500);
      });
      console.log("working");
    });
    await withInterrupt(note, async (signal) => {
      await saved(signal);
      console.log("saved");
      process.exitCode = signal.reason.exitCode;
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", work], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((resolve) => {
    let text = "";
    child.stdout.on("data", (piece) => {
      if (text === "") for (const [signal, after] of signals) setTimeout(() => child.kill(signal), after);
      text += piece;
    });
    child.on("close", (code, signal) => resolve({ ended: signal ?? code, text }));
  });
}

const whole = "working\nstopping\nsaved\n";

// The processes mostly wait, so they run at the same time.
test.concurrent.for<[string, readonly [NodeJS.Signals, number][], string | number, string]>([
  [
    "SIGHUP three times",
    [
      ["SIGHUP", 0],
      ["SIGHUP", 10],
      ["SIGHUP", 900],
    ],
    129,
    whole,
  ],
  [
    "SIGTERM twice",
    [
      ["SIGTERM", 0],
      ["SIGTERM", 900],
    ],
    143,
    whole,
  ],
  [
    "SIGHUP, then SIGTERM",
    [
      ["SIGHUP", 0],
      ["SIGTERM", 900],
    ],
    129,
    whole,
  ],
  [
    "one Ctrl-C that two processes send",
    [
      ["SIGINT", 0],
      ["SIGINT", 100],
    ],
    130,
    whole,
  ],
  [
    "two Ctrl-C",
    [
      ["SIGINT", 0],
      ["SIGINT", 900],
    ],
    "SIGINT",
    "working\nstopping\n",
  ],
  [
    "SIGTERM, then Ctrl-C",
    [
      ["SIGTERM", 0],
      ["SIGINT", 900],
    ],
    "SIGINT",
    "working\nstopping\n",
  ],
])("%s", async ([, signals, ended, text], { expect }) => {
  expect(await endOf(signals)).toEqual({ ended, text });
});
