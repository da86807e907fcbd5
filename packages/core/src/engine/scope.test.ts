import { beforeAll, describe, expect, it } from "vitest";
import { add, init, keep, memory, reference, scope, type Tensor, tensor } from "../index.ts";

beforeAll(async () => {
  await init(reference());
});

describe("scope", () => {
  it("frees all that it does not return, through arrays, maps and objects", () => {
    const before = memory().buffers;
    const made: Tensor[] = [];
    const make = () => {
      made.push(tensor([1]));
      return made[made.length - 1];
    };
    const result = scope(() => {
      make();
      return { list: [make()], map: new Map([["a", make()]]), plain: make() };
    });
    expect(memory().buffers).toBe(before + 3);
    expect(made.map((t) => t.isDisposed)).toEqual([true, false, false, false]);
    for (const t of [result.list[0], result.plain, ...result.map.values()]) t.dispose();
    expect(memory().buffers).toBe(before);
  });

  it("hands what an inner scope returns to the outer one", () => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => add(tensor([1]), tensor([2])));
      expect(inner.dataSync()[0]).toBe(3);
    });
    expect(inner?.isDisposed).toBe(true);
  });

  it("spares what is kept, and what was there before", () => {
    const outside = tensor([1]);
    let kept: Tensor | undefined;
    scope(() => {
      kept = keep(add(outside, outside));
    });
    expect(kept?.dataSync()[0]).toBe(2);
    expect(outside.isDisposed).toBe(false);
  });

  it("frees all and passes the error on when the function throws", () => {
    const before = memory().buffers;
    const fail = () =>
      scope(() => {
        tensor([1]);
        throw new Error("no");
      });
    expect(fail).toThrow("no");
    expect(memory().buffers).toBe(before);
  });

  it("refuses an asynchronous function", () => {
    expect(() => scope(async () => tensor([1]))).toThrow(/returned a promise/);
  });
});

describe("a freed tensor", () => {
  it("says so when it is used", () => {
    const t = tensor([1, 2]);
    t.dispose();
    t.dispose();
    expect(() => add(t, t)).toThrow(/\[2\] was freed/);
    {
      using u = tensor([1]);
      expect(u.isDisposed).toBe(false);
    }
  });

  it("leaves memory that others share", () => {
    const t = tensor([1, 2]);
    const d = t.detach();
    t.dispose();
    expect(Array.from(d.dataSync())).toEqual([1, 2]);
  });
});
