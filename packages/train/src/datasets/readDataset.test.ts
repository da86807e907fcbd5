import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ReadDatasetOptions, readDataset } from "./readDataset.ts";

type Source = Parameters<typeof readDataset>[0];
const read = (source: Source, options?: ReadDatasetOptions) => Array.fromAsync(readDataset(source, options));
const errorOf = (source: Source, options?: ReadDatasetOptions) =>
  read(source, options).then(
    () => "no error",
    (error: Error) => error.message,
  );

const examples = [
  { text: "a\nb" },
  { prompt: "p", completion: "c" },
  { messages: [{ role: "user", content: "u" }] },
] as const;
const jsonl = examples.map((example) => JSON.stringify(example)).join("\n");

describe("formats are known by their content or name", () => {
  test.each([
    ["JSONL", jsonl, {}],
    ["JSONL with blank lines, CRLF and a byte order mark", `\uFEFF\r\n${jsonl.replaceAll("\n", "\r\n\r\n")}\r\n`, {}],
    ["a JSON array", JSON.stringify(examples, null, 2), {}],
    ["a JSON array on one line", ` ${JSON.stringify(examples)}`, { name: "x.json" }],
    ["JSONL by name", jsonl, { name: "x.JSONL" }],
  ])("%s", async (_, text, options) => {
    expect(await read(text, options)).toEqual(examples);
  });

  test("text is one example, also where its name says so alone", async () => {
    expect(await read("To be,\nor not\n")).toEqual([{ text: "To be,\nor not\n" }]);
    expect(await read(jsonl, { name: "x.txt" })).toEqual([{ text: jsonl }]);
    expect(await read(jsonl, { format: "text" })).toEqual([{ text: jsonl }]);
    expect(await read('"a"\n"b"', { format: "jsonl" })).toEqual([{ text: "a" }, { text: "b" }]);
  });

  test("text in pieces that split a surrogate pair, and white space before the content", async () => {
    expect(await read(['{"text":"a\ud83d', '\ude00b"}'])).toEqual([{ text: "a\u{1f600}b" }]);
    expect(await read(["\ud83d"])).toEqual([{ text: "\ufffd" }]);
    expect(await read(["\ud83d", "\ude00", "c"], { name: "x.txt" })).toEqual([{ text: "\u{1f600}c" }]);
    expect(await read([" ", "\n", ' {"text":"a"}'])).toEqual([{ text: "a" }]);
    expect(await read(["\ufeff", "\n", ` ["a"]`])).toEqual([{ text: "a" }]);
    expect(await read([" ", "\n"])).toEqual([{ text: " \n" }]);
  });

  test("in pieces, cut anywhere", async () => {
    const pieces = fc.array(fc.nat(jsonl.length), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(pieces, async (cuts) => {
        const ends = [0, ...cuts, jsonl.length].sort((a, b) => a - b);
        const parts = ends.slice(1).map((end, i) => jsonl.slice(ends[i], end));
        expect(await read(parts)).toEqual(examples);
      }),
    );
  });
});

describe("errors name the file, the line, what was found and what is accepted", () => {
  const accepted = 'one of {"text"}, {"prompt", "completion"}, {"messages": [{"role", "content"}]}';

  test.each([
    ['{"text": "a"}\n\n{"text": 3}', "d.jsonl:3: text is 3; expected a string"],
    ['{"text": "a"}\n{"txt": "b", "n": 1}', `d.jsonl:2: found keys txt, n; an example is ${accepted}`],
    ["{}", "d.jsonl:1: found keys (none)"],
    ['{"text": "a", "messages": []}', "d.jsonl:1: found keys text, messages"],
    ['{"prompt": "a"}', "d.jsonl:1: completion is missing; expected a string"],
    ['{"messages": []}', "d.jsonl:1: messages is []; expected a list"],
    ['{"messages": [{"role": "user"}]}', "d.jsonl:1: messages[0].content is missing"],
    ['{"messages": ["hi"]}', "d.jsonl:1: messages[0].role is missing"],
    ["[1]\n", `d.jsonl:1: found [1]; an example is ${accepted}`],
    ['{"text": "a"}\n{"text": "b"', "d.jsonl:2: not valid JSON"],
    [`  {${"x".repeat(80)}`, `); found {${"x".repeat(59)}`],
    ["\n \n", "d.jsonl holds no example"],
  ])("%j", async (text, message) => {
    expect(await errorOf(text, { name: "d.jsonl" })).toContain(message);
  });

  test("an item of an array has the line on which it starts", async () => {
    const array = '[\n  {"text": "[\\"{\\n"},\n  {\n    "text":\n    "b"\n  }, "c",\n\n  {"text": ["d"]}\n]';
    expect(await errorOf(array, { name: "d.json" })).toContain('d.json:8: text is ["d"]');
    expect(await errorOf("[", { name: "d.json" })).toContain("d.json:1: not valid JSON (the array has no end)");
    expect(await errorOf("[]", { name: "d.json" })).toBe("d.json holds no example");
    expect(await errorOf('{"text": "a"}', { name: "d", format: "json" })).toContain("d: expected a JSON array");
  });

  test("the line of every item, however it is written", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue(), { minLength: 1 }), fc.nat(4), async (values, indent) => {
        const items = values.map((value) => JSON.stringify({ text: "t", other: value }, null, indent));
        const before = `[${items.join(",\n")}`;
        const line = before.split("\n").length + 1;
        expect(await errorOf(`${before},\n{"text":0}]`)).toContain(`data:${line}: text is 0`);
      }),
    );
  });

  test("empty", async () => {
    expect(await errorOf("")).toBe("data is empty");
    expect(await errorOf([], { name: "x.txt" })).toBe("x.txt is empty");
  });
});

describe("records of other data sets", () => {
  const chat = (...contents: string[]) => ({
    messages: contents.map((content, i) => ({ role: i % 2 ? "assistant" : "user", content })),
  });

  test("Alpaca, with or without an input, and with its text beside", async () => {
    const records = [
      { instruction: "say", input: "a", output: "b" },
      { instruction: "say", input: "", output: "b" },
      { instruction: "say", output: "b", text: "Below is an instruction ..." },
    ];
    expect(await read(JSON.stringify(records))).toEqual([chat("say\n\na", "b"), chat("say", "b"), chat("say", "b")]);
    expect(await errorOf('{"instruction": "a"}')).toContain("data:1: output is missing");
  });

  test("ShareGPT, and messages of parts", async () => {
    const turns = [
      { from: "system", value: "s" },
      { from: "human", value: "q" },
      { from: "gpt", value: "a" },
    ];
    const [first] = chat("q", "a").messages.slice(0, 1);
    expect(await read(JSON.stringify([{ conversations: turns }]))).toEqual([
      { messages: [{ role: "system", content: "s" }, first, { role: "assistant", content: "a" }] },
    ]);
    const parts = [{ role: "user", content: ["a", "b"].map((text) => ({ type: "text", text })) }];
    expect(await read(JSON.stringify([{ messages: parts }]))).toEqual([chat("ab")]);
    expect(await errorOf('{"conversations": [{"from": "gpt"}]}')).toContain("conversations[0].value is missing");
  });

  test("columns name the keys of others", async () => {
    const columns = { prompt: "question", completion: "answer" };
    const record = { question: "q", answer: "a", text: "t" };
    expect(await read(JSON.stringify([record]), { columns })).toEqual([{ prompt: "q", completion: "a" }]);
    const message = await errorOf('{"question": "q", "reply": "a"}', { columns });
    expect(message).toBe(
      "data:1: the record has no key answer, which the option columns gives for completion; the record has question, reply",
    );
  });

  test("tables, by their name, with quotes, lines in fields and blank lines", async () => {
    const csv = 'prompt,completion\r\n"a, b","c\nd ""e"""\r\n\r\nf,g\r\n';
    const expected = [
      { prompt: "a, b", completion: 'c\nd "e"' },
      { prompt: "f", completion: "g" },
    ];
    expect(await read(csv, { name: "x.csv" })).toEqual(expected);
    expect(await read("prompt\tcompletion\nf\tg\n", { name: "x.tsv" })).toEqual(expected.slice(1));
    expect(await errorOf("prompt,completion\na,b\nc\n", { name: "x.csv" })).toContain(
      "x.csv:3: the row has 1 cells, and the table has 2 columns",
    );
    expect(await errorOf('text\n"a', { name: "x.csv" })).toContain("x.csv:2: Quote Not Closed");
  });

  test("tables of more rows than are parsed together, of which one is bad", async () => {
    const rows = Array.from({ length: 600 }, (_, i) => (i === 300 ? "bad" : `"t\n${i}",${i}`));
    const skipped: string[] = [];
    const onSkip = (message: string) => void skipped.push(message);
    const options = { name: "x.csv", columns: { text: "text" }, onBadRecord: "skip", onSkip } as const;
    const found = await read(["text,n", ...rows, ""].join("\n"), options);
    const numbers = Array.from({ length: 600 }, (_, i) => i).filter((i) => i !== 300);
    expect(found).toEqual(numbers.map((i) => ({ text: `t\n${i}` })));
    expect(skipped).toEqual(["x.csv:602: the row has 1 cells, and the table has 2 columns"]);
    expect(await errorOf("text,n\n", { name: "x.csv" })).toBe("x.csv holds no example");
    expect(await errorOf("\n\n", { name: "x.csv" })).toBe("x.csv holds no example");
  });

  test("tables keep line ends in fields, whatever ends rows", async () => {
    const csv = '\uFEFFtext,n\r\n"a\r\nb",1\r\n"c\nd",2\n';
    expect(await read(csv, { name: "x.csv", columns: { text: "text" } })).toEqual([
      { text: "a\r\nb" },
      { text: "c\nd" },
    ]);
  });

  test("a last line that is cut off", async () => {
    expect(await errorOf('{"text": "a"}\n{"text": "b')).toContain("where the file ends: is it cut off?");
  });
});

describe("bad records", () => {
  const encoder = new TextEncoder();
  /** Encodes a text in which \u00ff represents a byte that is not UTF-8. */
  const bytes = (text: string) =>
    Uint8Array.from(encoder.encode(text).join().replaceAll("195,191", "255").split(","), Number);
  const files: [name: string, text: string, errors: string[]][] = [
    [
      "x.jsonl",
      '{"text":"a"}\n{"text":"\u00ff"}\n\n{"text":""}\n{"text":1}\n{"text":"b"}\n{"tex',
      [
        "x.jsonl:2: not UTF-8 text; save the file as UTF-8",
        "x.jsonl:4: text is empty",
        "x.jsonl:5: text is 1",
        "x.jsonl:7: not valid JSON",
      ],
    ],
    [
      "x.json",
      '[{"text":"a"},\n{"text":"\u00ff"},{"text":""},\n{"text":1},nope,\n{"text":"b"},{"text":"c',
      [
        "x.json:2: not UTF-8",
        "x.json:2: text is empty",
        "x.json:3: text is 1",
        "x.json:3: not valid JSON",
        "x.json:4: not valid JSON (the array has no end), where the file ends: is it cut off?",
      ],
    ],
    [
      "x.csv",
      'text,n\na,1\n\u00ff,2\n"",3\n4\nx"y"z,5\nb,6\n"c,7\n',
      [
        "x.csv:3: not UTF-8",
        "x.csv:4: text is empty",
        "x.csv:5: the row has 1 cells",
        "x.csv:6: ",
        "x.csv:8: Quote Not Closed",
      ],
    ],
    ["x.tsv", "text\tn\na\t1\n\u00ff\t2\nb\t3\n", ["x.tsv:3: not UTF-8"]],
  ];

  test.each(files)("%s: each is told with its line, and skipped if asked", async (name, text, errors) => {
    const skipped: string[] = [];
    const onSkip = (message: string) => void skipped.push(message);
    const columns = { text: "text" };
    for (const size of [1000, 7, 1]) {
      skipped.length = 0;
      const whole = bytes(text);
      const parts = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
        whole.slice(i * size, (i + 1) * size),
      );
      const found = await Array.fromAsync(readDataset(parts, { name, columns, onBadRecord: "skip", onSkip }));
      expect(found).toEqual([{ text: "a" }, { text: "b" }]);
      expect(skipped).toHaveLength(errors.length);
      for (const [i, error] of errors.entries()) expect(skipped[i]).toContain(error);
    }
    expect(await readDataset([bytes(text)], { name, columns }).next()).toEqual({ value: { text: "a" }, done: false });
    await expect(Array.fromAsync(readDataset([bytes(text)], { name, columns }))).rejects.toThrow(errors[0]);
  });

  test("a file of bad records alone is an error, however it is read", async () => {
    const message = await errorOf('{"text": 1}\n{"text": ""}', { name: "x.jsonl", onBadRecord: "skip" });
    expect(message).toBe("x.jsonl: all 2 records are invalid; leave onBadRecord out to see the first error");
  });
});

test("map turns other records into examples", async () => {
  const source = '{"question": "q", "answer": "a"}\n{"question": "r"}';
  const map = (record: unknown) => {
    const { question, answer } = record as Record<string, string>;
    return { prompt: question, completion: answer };
  };
  const dataset = readDataset(source, { map });
  expect((await dataset.next()).value).toEqual({ prompt: "q", completion: "a" });
  await expect(dataset.next()).rejects.toThrow("data:2: completion is missing");
});

test("broken JSON is shown up to 60 characters", async () => {
  const message = await errorOf(`{${"y".repeat(80)}`);
  expect(message.split("; found ")[1].replace(/, where the file ends.*/, "")).toBe(`{${"y".repeat(59)}`);
});
