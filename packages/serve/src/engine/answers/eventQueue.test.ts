import { expect, test } from "vitest";
import { EventQueue } from "./eventQueue.ts";

test("events come in order, and the end after them", async () => {
  const queue = new EventQueue<number>();
  for (const n of [1, 2, 3]) queue.push(n);
  queue.end();
  queue.push(4);
  expect(await Array.fromAsync(queue)).toEqual([1, 2, 3]);
});

test("a failure comes after the events before it, and a cancelled queue drops them", async () => {
  const read = async (queue: EventQueue<number>) => {
    const seen: unknown[] = [];
    try {
      for await (const event of queue) seen.push(event);
    } catch (error) {
      seen.push((error as Error).message);
    }
    return seen;
  };
  const [failed, cancelled] = [new EventQueue<number>(), new EventQueue<number>()];
  for (const queue of [failed, cancelled]) queue.push(1);
  failed.end({ error: new Error("late") });
  cancelled.cancel(new Error("gone"));
  expect([await read(failed), await read(cancelled)]).toEqual([[1, "late"], ["gone"]]);
});

test("a queue of 128 events is full until its reader has taken half of them", async () => {
  let rooms = 0;
  const queue = new EventQueue<number>(() => rooms++);
  for (let n = 0; n < 127; n++) queue.push(n);
  expect(queue.isFull).toBe(false);
  queue.push(127);
  expect(queue.isFull).toBe(true);
  const reader = queue[Symbol.asyncIterator]();
  for (let n = 0; n < 63; n++) await reader.next();
  expect([queue.isFull, rooms]).toEqual([true, 0]);
  await reader.next();
  expect([queue.isFull, rooms]).toEqual([false, 1]);
});
