import { describe, expect, test } from "vitest";
import { createProgram } from "../program/program.ts";

/** Range and default of each numeric option, as in the documentation of the commands. */
const ranges: Readonly<Record<string, Readonly<Record<string, readonly [range: string, usual?: number]>>>> = {
  train: {
    beta: ["least 0"],
    temperature: ["above 0"],
    scale: ["above 0"],
    "center-rewards-coefficient": ["least 0"],
    "validation-fraction": ["least 0 most 0.9", 0.1],
    "quant-block-size": ["whole least 32"],
    lr: ["above 0"],
    "loraplus-lr-ratio": ["least 1"],
    "warmup-steps": ["whole least 0", 0],
    "weight-decay": ["least 0", 0],
    "max-grad-norm": ["least 0", 1],
    "batch-size": ["whole least 1", 8],
    accumulate: ["whole least 1", 1],
    "block-size": ["whole least 2"],
    "max-length": ["whole least 2"],
    steps: ["whole least 1"],
    epochs: ["above 0", 3],
    seed: ["whole least 0", 0],
    threads: ["whole least 1", 1],
    "eval-every": ["whole least 1"],
    "log-every": ["whole least 1", 1],
    "sample-every": ["whole least 1"],
    samples: ["whole least 0", 3],
    "save-every": ["whole least 1"],
    "save-total-limit": ["whole least 1"],
    "train-tokens": ["whole least 1"],
    "validation-tokens": ["whole least 1"],
    "min-lr": ["least 0"],
    "min-lr-rate": ["least 0 most 1"],
    "neftune-noise-alpha": ["above 0"],
    "early-stopping-patience": ["whole least 1"],
    "early-stopping-threshold": ["least 0"],
  },
  generate: {
    "max-new-tokens": ["whole least 1"],
    temperature: ["least 0"],
    "top-k": ["whole least 0"],
    "top-p": ["above 0 most 1"],
    seed: ["whole least 0", 0],
    threads: ["whole least 1", 1],
    "quant-block-size": ["whole least 32"],
  },
  chat: {
    "max-new-tokens": ["whole least 1", 512],
    temperature: ["least 0"],
    "top-k": ["whole least 0"],
    "top-p": ["above 0 most 1"],
    seed: ["whole least 0", 0],
    threads: ["whole least 1", 1],
    "quant-block-size": ["whole least 32"],
  },
  merge: {
    "quant-block-size": ["whole least 32"],
  },
  report: {
    seq: ["whole least 1"],
  },
  inspect: {
    compress: ["whole least 1"],
  },
  eval: {
    limit: ["whole least 1"],
    "batch-size": ["whole least 1", 8],
    "max-new-tokens": ["whole least 1"],
    "num-fewshot": ["whole least 0"],
    "max-length": ["whole least 2"],
    stride: ["whole least 1"],
    threads: ["whole least 1", 1],
    "quant-block-size": ["whole least 32"],
  },
  plan: {
    seq: ["whole least 1"],
    batch: ["whole least 1", 1],
    accumulate: ["whole least 1", 1],
    "quant-block-size": ["whole least 32"],
  },
  compare: {
    "validation-fraction": ["above 0 most 0.9", 0.1],
    "block-size": ["whole least 2"],
    seeds: ["whole least 1", 3],
    steps: ["whole least 1", 300],
    "batch-size": ["whole least 1", 8],
    r: ["whole least 1", 16],
    "virtual-tokens": ["whole least 1", 20],
    "train-examples": ["whole least 1", 600],
    "test-examples": ["whole least 1", 200],
    threads: ["whole least 1", 1],
  },
  serve: {
    "max-files": ["whole least 1"],
    "max-jobs": ["whole least 1"],
    "max-job-minutes": ["above 0"],
    "max-job-steps": ["whole least 1"],
    "max-job-rank": ["whole least 1"],
    "key-requests": ["whole least 1"],
    "key-tokens-per-minute": ["whole least 1"],
    "key-trainer-minutes": ["above 0"],
    "max-lora-rank": ["whole least 1"],
    port: ["whole least 0 most 65535"],
    threads: ["whole least 1", 1],
    "max-num-seqs": ["whole least 1"],
    "max-num-batched-tokens": ["whole least 1"],
    "max-model-len": ["whole least 1"],
    "kv-cache-tokens": ["whole least 1"],
    "max-prompt-tokens": ["whole least 1"],
    "max-pending": ["whole least 1"],
    "request-timeout": ["above 0"],
    "send-timeout": ["above 0"],
  },
  worker: {
    jobs: ["whole least 1", 1],
    "per-key": ["whole least 1"],
    attempts: ["whole least 1", 3],
    "retry-seconds": ["above 0", 5],
    "lock-seconds": ["least 1", 30],
    deaths: ["whole least 0", 5],
    "poll-seconds": ["above 0", 1],
    threads: ["whole least 1", 1],
  },
  sweep: {
    jobs: ["whole least 1", 1],
    threads: ["whole least 1", 1],
  },
};

const { commands } = createProgram([]);
const optionOf = (command: string, flag: string) => {
  const option = commands.find((one) => one.name() === command)?.options.find(({ long }) => long === `--${flag}`);
  if (!option) throw new Error(`lowrank ${command} has no --${flag}`);
  return option;
};
const cases = Object.entries(ranges).flatMap(([command, flags]) =>
  Object.entries(flags).map(([flag, [range, usual]]) => [command, flag, range, usual] as const),
);

test.each(cases)("lowrank %s --%s takes %s, and is %s unless it is given", (command, flag, range, usual) => {
  const option = optionOf(command, flag);
  const end = (name: string) => {
    const [, text] = new RegExp(`${name} ([\\d.]+)`).exec(range) ?? [];
    return text === undefined ? null : Number(text);
  };
  const whole = range.startsWith("whole");
  const step = whole ? 1 : 1e-3;
  const [least, above, most] = ["least", "above", "most"].map(end);
  const takes = (value: number) => {
    try {
      return option.parseArg?.(String(value), undefined) === value;
    } catch {
      return false;
    }
  };
  if (least !== null) expect([takes(least), takes(least - step)]).toEqual([true, false]);
  if (above !== null) expect([takes(above), takes(above + step)]).toEqual([false, true]);
  if (most !== null) expect([takes(most), takes(most + step)]).toEqual([true, false]);
  expect(takes((least ?? above ?? 0) + 0.5)).toBe(!whole);
  expect(option.defaultValue).toBe(usual);
});

describe("other values", () => {
  const parse = (command: string, flag: string, text: string) => optionOf(command, flag).parseArg?.(text, undefined);

  test("of --columns are pairs", () => {
    expect(parse("train", "columns", "prompt=question,completion=answer")).toEqual({
      ...{ prompt: "question", completion: "answer" },
    });
    for (const wrong of ["prompt", "a=b=c", "=b", "a=", "a=b,"]) {
      expect(() => parse("train", "columns", wrong)).toThrow(
        "is not of the form key=column; give pairs such as prompt=question",
      );
    }
  });

  test("of --lr of compare are methods with rates above 0", () => {
    expect(parse("compare", "lr", "lora=1e-3, ia3=1e-2")).toEqual(
      new Map([
        ["lora", 1e-3],
        ["ia3", 1e-2],
      ]),
    );
    for (const wrong of ["lora", "lora=", "lora=0", "lora=-1", "lora=x", "lora=1=2", "lora=Infinity"]) {
      expect(() => parse("compare", "lr", wrong)).toThrow("Expected pairs of a method and a number above 0");
    }
  });

  test("of --adapter of serve are names with paths, each name once", () => {
    const { parseArg } = optionOf("serve", "adapter");
    const one = parseArg?.("a=b=c", undefined);
    expect(one).toEqual({ a: "b=c" });
    expect(parseArg?.("d=e", one)).toEqual({ a: "b=c", d: "e" });
    expect(() => parseArg?.("a=x", one)).toThrow("There are two adapters named a.");
    for (const wrong of ["a", "=b", "a="]) expect(() => parseArg?.(wrong, undefined)).toThrow("Expected name=path.");
  });

  test("of --max-body of serve are sizes", () => {
    expect([parse("serve", "max-body", "1MiB"), parse("serve", "max-body", "7")]).toEqual([2 ** 20, 7]);
    expect(() => parse("serve", "max-body", "lots")).toThrow("Expected a number of bytes, such as 256MB or 1GiB.");
  });

  test("of --memory are sizes above 0", () => {
    expect(parse("plan", "memory", "8GB")).toBe(8e9);
    expect(() => parse("plan", "memory", "0")).toThrow("Expected a size above 0, such as 8GB or 6GiB.");
  });

  test("flags are off, and choices have their defaults", () => {
    for (const command of commands) {
      for (const option of command.options) {
        if (!option.required && !option.optional) expect(option.defaultValue, option.long ?? "").toBe(undefined);
        if (option.argChoices && option.defaultValue !== undefined)
          expect(option.argChoices).toContain(option.defaultValue);
      }
    }
  });
});
