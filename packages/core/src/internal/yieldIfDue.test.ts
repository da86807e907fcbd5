import { expect, it } from "vitest";
import { yieldIfDue } from "../index.ts";

function busy(ms: number): void {
  const start = performance.now();
  while (performance.now() - start < ms);
}

it("lets timers run in the middle of long work, one after the other", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 4);
  for (let i = 0; i < 20; i++) {
    busy(20);
    await yieldIfDue();
  }
  clearInterval(timer);
  expect(ticks).toBeGreaterThanOrEqual(8);
});

it("gives no turn to short work", async () => {
  busy(20);
  await yieldIfDue();
  let turned = false;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    turned = true;
  };
  port2.postMessage(null);
  const start = performance.now();
  await yieldIfDue();
  // On a machine that paused for 10 ms or more, the yield is correct.
  if (performance.now() - start < 10) expect(turned).toBe(false);
  port1.close();
});

it("counts work as long from the interval on: 32 ms in Node, 16 ms in pages", async () => {
  const interval = "setImmediate" in globalThis ? 32 : 16;
  let time = performance.now() + 1000;
  Object.defineProperty(performance, "now", { configurable: true, value: () => time });
  const waits = async () => {
    let waiting = true;
    const end = yieldIfDue().then(() => {
      waiting = false;
    });
    for (let i = 0; i < 5; i++) await Promise.resolve();
    const waited = waiting;
    await end;
    return waited;
  };
  try {
    expect(await waits()).toBe(true);
    time += interval - 1;
    expect(await waits()).toBe(false);
    time += 1;
    expect(await waits()).toBe(true);
  } finally {
    Reflect.deleteProperty(performance, "now");
  }
  // The next call compares with the real time again.
  while (performance.now() < time - interval);
});

it("throws the reason of an aborted signal, with and without a turn", async () => {
  const controller = new AbortController();
  await yieldIfDue(controller.signal);
  controller.abort(new Error("enough"));
  await expect(yieldIfDue(controller.signal)).rejects.toThrow("enough");
  busy(20);
  await expect(yieldIfDue(controller.signal)).rejects.toThrow("enough");
});

it("lets a timer abort work", async () => {
  const signal = AbortSignal.timeout(50);
  let units = 0;
  const work = async () => {
    for (; units < 1000; units++) {
      busy(5);
      await yieldIfDue(signal);
    }
  };
  await expect(work()).rejects.toHaveProperty("name", "TimeoutError");
  expect(units).toBeLessThan(500);
});
