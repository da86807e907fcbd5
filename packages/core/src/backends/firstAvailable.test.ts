import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Backend, firstAvailable, reference, UnavailableError } from "../index.ts";

const missing = (name: string) => async (): Promise<Backend> => {
  throw new UnavailableError(`${name}: there is no driver`, "install one");
};

describe("firstAvailable", () => {
  let said: string[];
  beforeEach(() => {
    said = [];
    vi.spyOn(console, "warn").mockImplementation((text: string) => void said.push(text));
  });
  afterEach(() => void vi.restoreAllMocks());

  it("starts the first, and neither says a word nor starts another", async () => {
    const backend = reference();
    const next = vi.fn(reference);
    expect(await firstAvailable(() => backend, next)).toBe(backend);
    expect(next).not.toHaveBeenCalled();
    expect(said).toEqual([]);
  });

  it("goes on to the next with one sentence that names the reasons", async () => {
    expect((await firstAvailable(missing("a"), missing("b"), reference)).name).toBe("reference");
    expect(said).toEqual(["a: there is no driver; b: there is no driver; reference is used instead"]);
  });

  it("names one reason if one backend is missing", async () => {
    await firstAvailable(missing("a"), reference);
    expect(said).toEqual(["a: there is no driver; reference is used instead"]);
  });

  it("throws where none is available, all reasons with the last remedy", async () => {
    const [one, two] = [firstAvailable(missing("a")), firstAvailable(missing("a"), missing("b"))];
    await expect(one).rejects.toThrow("a: there is no driver; install one, or use another backend");
    await expect(two).rejects.toThrow(/^a: there is no driver; b: there is no driver; install one, or use another/);
    await expect(two).rejects.toThrow(UnavailableError);
    expect(said).toEqual([]);
  });

  it("does not hide an error of the call", async () => {
    const wrong = (): Backend => {
      throw new Error("there is no option threeds");
    };
    await expect(firstAvailable(wrong, reference)).rejects.toThrow("there is no option threeds");
  });

  it("takes functions, at least one", async () => {
    const given = Promise.resolve(reference()) as never;
    await expect(firstAvailable(given)).rejects.toThrow(/^firstAvailable: \[object Promise\] is no function; give/);
    await expect((firstAvailable as () => Promise<Backend>)()).rejects.toThrow("firstAvailable: no backend is given");
  });
});
