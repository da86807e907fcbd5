import { beforeAll, describe, expect, it } from "vitest";
import { enableGrad, init, isGradEnabled, memory, noGrad, ones, reference, scope, withBackend } from "../index.ts";

beforeAll(async () => {
  await init(reference());
});

const onReference = <T>(fn: () => T): T => withBackend(reference(), fn);

describe.each(Object.entries({ noGrad, enableGrad, scope, withBackend: onReference }))("%s", (name, run) => {
  it("refuses an asynchronous function, saying so, and leaves nothing behind", async () => {
    const before = memory().buffers;
    const message = `${name}: the function returned a promise; it must be synchronous. Await outside of ${name}, and give it a synchronous function`;
    expect(() =>
      run(async () => {
        if (name === "scope") ones([2]);
        await Promise.resolve();
        throw new Error("not to be reported as unhandled");
      }),
    ).toThrow(message);
    await Promise.resolve();
    expect(memory().buffers).toBe(before);
    expect(isGradEnabled()).toBe(true);
  });
});
