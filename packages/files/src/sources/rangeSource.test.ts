import { describe, expect, test } from "vitest";
import { InterruptedBody } from "./interruptedBody.ts";
import { rangeSource } from "./rangeSource.ts";

const content = Uint8Array.from({ length: 100 }, (_, i) => i);
type Answer = { pieces?: readonly Uint8Array[]; breaks?: boolean; status?: number; headers?: Record<string, string> };

/** Returns a source of 100 bytes whose responses `answer` returns, and the ranges that it requests. */
function sourceOf(answer: (from: number, to: number, nth: number) => Answer) {
  const asked: string[] = [];
  let pulled = 0;
  let cancelled = 0;
  const get = async (range: string) => {
    asked.push(range);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range) as unknown as [string, string, string];
    const { pieces = [], breaks = false, status = 206, headers = {} } = answer(+from, +to, asked.length);
    let next = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          if (next < pieces.length) {
            pulled++;
            controller.enqueue(pieces[next++]);
          } else if (breaks) controller.error(new TypeError("cut"));
          else controller.close();
        },
        cancel: () => {
          cancelled++;
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status, headers });
  };
  return { source: rangeSource({ label: "f", size: 100, get }), asked, counts: () => ({ pulled, cancelled }) };
}
const part = (from: number, to: number) => content.subarray(from, to + 1);

describe("a file by ranges", () => {
  test("is asked for by its first and last byte", async () => {
    const { source, asked } = sourceOf((from, to) => ({ pieces: [part(from, from + 1), part(from + 2, to)] }));
    expect(await source.read(10, 5)).toEqual(part(10, 14));
    expect(await source.read(99, 1)).toEqual(part(99, 99));
    expect(asked).toEqual(["bytes=10-14", "bytes=99-99"]);
  });

  test.each([
    ["bytes 10-14/100", true],
    ["bytes 10-14/*", true],
    ["bytes 10-13/100", true],
    ["items 9-14/90", true],
    ["bytes 9-14/100", false],
    ["bytes 11-14/*", false],
    ["bytes 10-14/99", false],
    ["bytes 10-14/101", false],
  ])("with the Content-Range %s is taken: %s", async (told, isTaken) => {
    const { source, counts } = sourceOf((from, to) => ({
      pieces: [part(from, to)],
      headers: { "Content-Range": told },
    }));
    if (isTaken) return expect(await source.read(10, 5)).toEqual(part(10, 14));
    await expect(source.read(10, 5)).rejects.toThrow(`f: the server sent "${told}"; expected bytes 10-14/100`);
    expect(counts()).toEqual({ pulled: 0, cancelled: 1 });
  });

  test.each([200, 203, 207])("is refused with the status %i", async (status) => {
    const { source } = sourceOf(() => ({ status }));
    await expect(source.read(0, 5)).rejects.toThrow("expected 206");
  });

  test("is the same as long as its ETag is, or is not told", async () => {
    const tags = ['"a"', undefined, '"a"', '"b"'];
    const { source } = sourceOf((from, to, nth) => {
      const tag = tags[nth - 1];
      return { pieces: [part(from, to)], headers: (tag === undefined ? {} : { ETag: tag }) as Record<string, string> };
    });
    for (const at of [0, 5, 10]) expect(await source.read(at, 5)).toEqual(part(at, at + 4));
    await expect(source.read(15, 5)).rejects.toThrow('its ETag was "a" and is "b"');
    const late = sourceOf((from, to, nth) => ({
      pieces: [part(from, to)],
      headers: (nth === 1 ? {} : { ETag: `"${nth}"` }) as Record<string, string>,
    }));
    await late.source.read(0, 5);
    await late.source.read(5, 5);
    await expect(late.source.read(0, 5)).rejects.toThrow('its ETag was "2" and is "3"');
  });
});

describe("a connection that breaks", () => {
  test("is tried again from there, and given up after three attempts in a row that bring nothing", async () => {
    const never = sourceOf(() => ({ breaks: true }));
    await expect(never.source.read(20, 5)).rejects.toThrow("f broke off after 20 of 100 bytes (cut); load it again");
    expect(never.asked).toEqual(["bytes=20-24", "bytes=20-24", "bytes=20-24"]);
    // The responses bring one byte, none, none, one byte, none, none, none.
    const slow = sourceOf((from, _, nth) => ({
      breaks: true,
      pieces: nth % 3 === 1 && nth < 6 ? [part(from, from)] : [],
    }));
    await expect(slow.source.read(20, 5)).rejects.toThrow("f broke off after 22 of 100 bytes");
    expect(slow.asked.map((range) => range.slice(6, 8))).toEqual(["20", "21", "21", "21", "22", "22", "22"]);
  });

  test("may bring a byte at a time", async () => {
    const { source, asked } = sourceOf((from) => ({ breaks: true, pieces: [part(from, from)] }));
    expect(await source.read(20, 8)).toEqual(part(20, 27));
    expect(asked).toHaveLength(8);
  });

  test("before an answer counts too; another error does not", async () => {
    let attempts = 0;
    const failing = (error: Error) =>
      rangeSource({
        label: "f",
        size: 100,
        get: async () => {
          attempts++;
          throw error;
        },
      });
    await expect(failing(new InterruptedBody("gone")).read(0, 5)).rejects.toThrow(
      "f broke off after 0 of 100 bytes (go",
    );
    expect(attempts).toBe(3);
    await expect(failing(new Error("closed")).read(0, 5)).rejects.toThrow("closed");
    expect(attempts).toBe(4);
  });
});

describe("an answer of another length", () => {
  const sent = (...lengths: number[]) =>
    sourceOf((from) => ({ pieces: lengths.map((length) => new Uint8Array(length).fill(from)) }));

  test.each([
    [[4], 4],
    [[], 0],
    [[3, 3], 6],
    [[5, 1], 6],
    [[9], 9],
  ])("is refused: pieces of %j", async (lengths, total) => {
    await expect(sent(...lengths).source.read(10, 5)).rejects.toThrow(
      `f: the server sent ${total} bytes from position 10; expected 5`,
    );
  });

  test("is not read to its end", async () => {
    const { source, counts } = sent(5, 1, 50, 50);
    await expect(source.read(10, 5)).rejects.toThrow("the server sent 6 bytes");
    expect(counts()).toEqual({ pulled: 2, cancelled: 1 });
  });
});
