import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { integer, number, threadsOption } from "./argument.ts";
import { parseBytes } from "./byteCount.ts";
import { describeTargets } from "./loading/describeTargets.ts";
import {
  addQuantizeOptions,
  describeQuantization,
  givenQuantizeOptions,
  quantizeToLoad,
  quantizeWords,
  toQuantizeOptions,
} from "./options/quantizeOptions.ts";
import { samplingOptions, samplingSettings } from "./options/samplingOptions.ts";
import { addTrainerFlags } from "./options/trainerFlags.ts";
import { describeProblem, listed, placeholders, valueParser } from "./optionValue.ts";

describe("numbers of the command line", () => {
  test("are whole, from the least to the most", () => {
    const read = integer(2, 4);
    expect(["2", "3", "4"].map(read)).toEqual([2, 3, 4]);
    for (const text of ["1", "5", " ", "2.5"]) {
      expect(() => read(text)).toThrow("Expected a whole number of at least 2, of at most 4.");
    }
    expect(integer()("-7")).toBe(-7);
    expect(() => integer()("x")).toThrow("Expected a whole number.");
    expect(() => integer(undefined, 3)("4")).toThrow("Expected a whole number of at most 3.");
    expect(integer(undefined, 3)("-4")).toBe(-4);
  });

  test("keep to both ends of a range", () => {
    expect(["0", "1"].map(number({ least: 0, most: 1 }))).toEqual([0, 1]);
    expect(() => number({ least: 0 })("-0.1")).toThrow("Expected a number at least 0.");
    expect(number({ above: 0 })("1e-9")).toBe(1e-9);
    expect(() => number({ above: 1 })("1")).toThrow("Expected a number above 1.");
    expect(number({})("-1e9")).toBe(-1e9);
    for (const text of ["", " ", "x", "Infinity", "-Infinity"]) {
      expect(() => number({})(text)).toThrow("Expected a number.");
    }
  });

  test("of bytes have a unit of 1000 or 1024", () => {
    const cases: [string, number | null][] = [
      ...([["1", 1] as const, ["7B", 7], ["1.5 kB", 1500], ["2MB", 2e6], ["3gb", 3e9]] as [string, number][]),
      ...([
        ["1KiB", 1024],
        ["1MiB", 1048576],
        [" 1 GiB ", 1073741824],
        ["1.9", 1],
      ] as [string, number][]),
      ...(["0", "0.5", "", "MB", "1TB", "-1", "1.", "1 M B"].map((text) => [text, null]) as [string, null][]),
    ];
    for (const [text, bytes] of cases) expect(parseBytes(text), text).toBe(bytes);
  });
});

describe("values of options", () => {
  const option = (more: object) => ({ flag: "x", field: "x", help: "", ...more }) as never;

  test("are read by their type", () => {
    expect(valueParser(option({ type: "integer", least: 1, most: 2 }))("2")).toBe(2);
    expect(describeProblem(option({ type: "integer", least: 1, most: 2 }), "0")).toContain(
      "of at least 1, of at most 2",
    );
    expect(describeProblem(option({ type: "integer", least: 1, most: 2 }), "3")).toContain(
      "of at least 1, of at most 2",
    );
    expect(describeProblem(option({ type: "number", above: 0 }), "0")).toBe("Expected a number above 0.");
    expect(valueParser(option({ type: "boolean" }))("anything")).toBe(true);
    expect(valueParser(option({ type: "names" }))("a, b")).toEqual(["a", "b"]);
    expect(valueParser(option({ type: "targets" }))("all-linear")).toBe("all-linear");
    expect(describeProblem(option({ type: "names" }), "a")).toBe(null);
    const ids = option({ type: "integers", least: 0 });
    expect(valueParser(ids)("3, 0")).toEqual([3, 0]);
    expect(describeProblem(ids, "3,-1")).toBe("Expected a whole number of at least 0.");
    expect(describeProblem(ids, "3,")).toBe("Expected a whole number of at least 0.");
  });

  test("that are text may be booleans where the option has them", () => {
    const read = (text: string, orBoolean?: boolean) => valueParser(option({ type: "text", orBoolean }))(text);
    expect([read("true", true), read("false", true), read("olora", true)]).toEqual([true, false, "olora"]);
    expect([read("true"), read("false", false)]).toEqual(["true", "false"]);
  });

  test("that are one of some keep their type", () => {
    const oneOf = option({ type: "oneOf", values: ["a", 2, false] });
    expect(["a", "2", "false"].map(valueParser(oneOf))).toEqual(["a", 2, false]);
    expect(describeProblem(oneOf, "b")).toBe("Expected a, 2 or false.");
  });

  test("are listed in words", () => {
    expect([["a"], ["a", "b"], [1, 2, 3]].map(listed)).toEqual(["a", "a or b", "1, 2 or 3"]);
    expect(placeholders.boolean).toBe("");
  });
});

test("tokens are sampled where a setting of sampling is given, and not at temperature 0", () => {
  expect(samplingSettings({ seed: 3 })).toEqual({ temperature: undefined, topK: undefined, topP: undefined, seed: 3 });
  for (const given of [{ temperature: 0.5 }, { topK: 0 }, { topP: 0.5 }]) {
    expect(samplingSettings({ seed: 3, ...given })).toMatchObject({ doSample: true, seed: 3, ...given });
  }
  expect(samplingSettings({ seed: 3, greedy: true })).toEqual({ doSample: false });
  expect(samplingSettings({ seed: 3, temperature: 0, topK: 4 })).toEqual({ doSample: false });
});

test("options of sampling have their ranges", () => {
  const parse = (...words: string[]) => {
    const command = new Command("x").exitOverride().configureOutput({ writeErr: () => undefined });
    for (const option of samplingOptions()) command.addOption(option);
    return command.parse(words, { from: "user" }).opts();
  };
  expect(parse()).toEqual({ seed: 0 });
  expect(parse("--temperature", "0", "--top-k", "0", "--top-p", "1", "--seed", "0")).toEqual({
    ...{ temperature: 0, topK: 0, topP: 1, seed: 0 },
  });
  for (const words of [
    ...[["--temperature=-0.1"], ["--top-k=-1"], ["--top-p", "0"], ["--top-p", "1.01"], ["--seed=-1"]],
    ...[
      ["--greedy", "--top-k", "1"],
      ["--greedy", "--temperature", "1"],
      ["--greedy", "--top-p", "1"],
    ],
  ]) {
    expect(() => parse(...words), words.join(" ")).toThrow();
  }
});

describe("4-bit weights of the command line", () => {
  test("have defaults, and words for what differs from them", () => {
    expect(toQuantizeOptions({})).toEqual({ quantType: "nf4", blockSize: 64, doubleQuant: false });
    const all = { quantType: "fp4", quantBlockSize: 128, doubleQuant: true } as const;
    expect(toQuantizeOptions(all)).toEqual({ quantType: "fp4", blockSize: 128, doubleQuant: true });
    expect(quantizeWords(toQuantizeOptions({}))).toBe("--quant-type nf4");
    expect(quantizeWords(toQuantizeOptions(all))).toBe("--quant-type fp4 --quant-block-size 128 --double-quant");
    expect(givenQuantizeOptions(all)).toEqual(["--quant-type", "--quant-block-size", "--double-quant"]);
    expect(givenQuantizeOptions({})).toEqual([]);
  });

  test("are wanted with --quant-type alone", () => {
    expect(quantizeToLoad({})).toBe(undefined);
    expect(quantizeToLoad({ quantType: "fp4" })).toEqual({ quantType: "fp4", blockSize: 64, doubleQuant: false });
    expect(() => quantizeToLoad({ doubleQuant: true })).toThrow(
      "--double-quant needs --quant-type; give --quant-type nf4 or --quant-type fp4",
    );
    expect(() => quantizeToLoad({ quantBlockSize: 64 })).toThrow("--quant-block-size needs --quant-type");
  });

  test("are described by their layers and bytes", () => {
    const report = { quantized: ["a", "b"], bytesBefore: 3 * 2 ** 20, bytesAfter: 2 ** 19 } as never;
    expect(describeQuantization(report, { quantType: "nf4", blockSize: 64, doubleQuant: false })).toBe(
      "base model: 2 linear layers in nf4, blocks of 64, 0.5 MiB instead of 3.0 MiB",
    );
  });

  test("have blocks of at least 32 weights", () => {
    const parse = (...words: string[]) => {
      const command = addQuantizeOptions(new Command("x").exitOverride(), "with it");
      return command
        .configureOutput({ writeErr: () => undefined })
        .parse(words, { from: "user" })
        .opts();
    };
    expect(parse("--quant-block-size", "32")).toEqual({ quantBlockSize: 32 });
    expect(() => parse("--quant-block-size", "31")).toThrow();
  });
});

test("targets without a rest are one line, and an adapter may have none", () => {
  const none = { matched: [], excluded: [], unmatchedTargets: [], unusedPatterns: [] };
  expect(describeTargets({ ...none, matched: ["a.q", "q"] })).toEqual(["adapter on 2 modules: 2 q"]);
  expect(describeTargets(none)).toEqual(["adapter on no module: virtual tokens come before sequences"]);
  expect(describeTargets(null)).toEqual(["no adapter is active"]);
  expect(describeTargets({ ...none, matched: ["q"], excluded: ["v"] })).toEqual([
    ...["adapter on 1 modules: 1 q", "targeted but excluded: v"],
  ]);
  expect(describeTargets({ ...none, matched: ["q"], unusedPatterns: ["x"] })).toHaveLength(2);
});

test("threads, rates and patience have their least values", () => {
  const parse = (...words: string[]) => {
    const command = addTrainerFlags(new Command("x").addOption(threadsOption()).exitOverride());
    return command
      .configureOutput({ writeErr: () => undefined })
      .parse(words, { from: "user" })
      .opts();
  };
  expect(parse()).toEqual({ threads: 1 });
  expect(parse("--threads", "1", "--min-lr", "0", "--min-lr-rate", "1", "--early-stopping-patience", "1")).toEqual({
    ...{ threads: 1, minLr: 0, minLrRate: 1, earlyStoppingPatience: 1 },
  });
  expect(parse("--min-lr-rate", "0", "--early-stopping-threshold", "0", "--neftune-noise-alpha", "0.1")).toEqual({
    ...{ threads: 1, minLrRate: 0, earlyStoppingThreshold: 0, neftuneNoiseAlpha: 0.1 },
  });
  for (const [flag, value] of [
    ...[["--threads", "0"] as const, ["--min-lr", "-1"], ["--min-lr-rate", "1.1"], ["--early-stopping-patience", "0"]],
    ...[["--min-lr-rate", "-0.1"] as const, ["--early-stopping-threshold", "-0.1"], ["--neftune-noise-alpha", "0"]],
  ]) {
    expect(() => parse(`${flag}=${value}`), flag).toThrow();
  }
});
