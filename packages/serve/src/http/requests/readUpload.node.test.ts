import { describe, expect, test } from "vitest";
import { readUpload } from "./readUpload.ts";

const limits = { uploadBytes: 1000, uploadPauseSeconds: 5 };
const boundary = "x";
const field = (name: string, value: string) =>
  `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (content: string, filename = "a.jsonl", name = "file") =>
  `--x\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n\r\n${content}\r\n`;
const end = "--x--\r\n";

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly limits?: object;
  readonly take?: (content: AsyncIterable<Uint8Array>, filename: string) => Promise<string>;
}

/** Sends a body, and records the discarded files. */
async function upload(body: BodyInit, { headers = {}, limits: more = {}, take }: Sent = {}) {
  const request = new Request("http://x/", {
    ...{ method: "POST", body, duplex: "half" },
    headers: { "content-type": `multipart/form-data; boundary=${boundary}`, ...headers },
  } as RequestInit);
  const discarded: string[] = [];
  const usual = async (content: AsyncIterable<Uint8Array>, filename: string) => {
    let text = "";
    for await (const piece of content) text += new TextDecoder().decode(piece);
    return `${filename}: ${text}`;
  };
  const outcome = await readUpload(request, { ...limits, ...more }, take ?? usual, async (taken) => {
    discarded.push(taken);
  }).catch((error) => ({
    status: error.status,
    code: error.code,
    param: error.param,
    message: error.message,
    closes: error.closes,
  }));
  await new Promise((resolve) => setImmediate(resolve));
  return { outcome, discarded };
}

const refused = async (body: BodyInit, sent?: Sent) => {
  const { outcome } = await upload(body, sent);
  const { status, code, param, message } = outcome as Record<string, unknown>;
  return [status, code, param, message];
};

test("a form has its fields and its file", async () => {
  const { outcome } = await upload(field("purpose", "fine-tune") + file("abc") + field("more", "1") + end);
  expect(outcome).toMatchObject({ fields: { purpose: "fine-tune", more: "1" }, file: "a.jsonl: abc" });
  expect((await upload(field("purpose", "fine-tune") + end)).outcome).toMatchObject({ file: null });
});

test("the body is a form", async () => {
  const types = ["application/json", "multipart/form-data", "xmultipart/form-data; boundary=x"];
  for (const type of types) {
    expect(await refused("{}", { headers: { "content-type": type } })).toEqual([
      ...[415, "unsupported_media_type", null],
      `Unsupported Media Type: the body is "${type}"; send multipart/form-data.`,
    ]);
  }
  const { outcome } = await upload(file("a") + end, {
    headers: { "content-type": "Multipart/Form-Data ; boundary=x" },
  });
  expect(outcome).toMatchObject({ file: "a.jsonl: a" });
});

test("a file is as large as the limit, or is refused while it is read", async () => {
  const tooLarge = [413, "file_too_large", "file", "The file is larger than 1000 bytes."];
  expect((await upload(file("a".repeat(1000)) + end)).outcome).toMatchObject({ file: `a.jsonl: ${"a".repeat(1000)}` });
  expect(await refused(file("a".repeat(1001)) + end)).toEqual(tooLarge);
});

test("a form that is too long by its head is not read: 64 KiB go beside the file", async () => {
  const sized = (length: number) => ({ headers: { "content-length": String(length) } });
  expect((await upload(file("a") + end, sized(1000 + 65536))).outcome).toMatchObject({ file: "a.jsonl: a" });
  expect((await refused(file("a") + end, sized(1000 + 65537)))[1]).toBe("file_too_large");
});

describe("fields", () => {
  test("have names of 100 bytes and values of 1024 at most", async () => {
    const long = "has a name of over 100 bytes, or a value of over 1024.";
    const [name, value] = ["n".repeat(100), "v".repeat(1024)];
    expect((await upload(field(name, value) + end)).outcome).toMatchObject({ fields: { [name]: value } });
    expect(await refused(field("a", `${value}v`) + end)).toEqual([
      400,
      "invalid_form",
      "a",
      `The form's part 'a' ${long}`,
    ]);
    expect((await refused(field(`${name}n`, "v") + end)).slice(0, 3)).toEqual([400, "invalid_form", name]);
    expect((await refused(field("é".repeat(51), "v") + end))[1]).toBe("invalid_form");
  });

  test("are at most fifteen, each there once", async () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => field(`f${i}`, "v")).join("");
    expect(Object.keys(((await upload(many(15) + end)).outcome as { fields: object }).fields)).toHaveLength(15);
    expect(await refused(many(16) + end)).toEqual([
      ...[400, "invalid_form", "f15", "The form's part 'f15' is one field too many; send at most 15."],
    ]);
    expect(await refused(field("a", "1") + field("a", "2") + end)).toEqual([
      ...[400, "invalid_form", "a", "The form's part 'a' is there twice; send it once."],
    ]);
    expect((await upload(field("__proto__", "1") + end)).outcome).toHaveProperty("fields");
  });
});

describe("the file", () => {
  const other = "is a file; send one, in 'file'.";

  test("is one, under its name", async () => {
    expect(await refused(file("a", "a", "data") + end)).toEqual([
      ...[400, "invalid_form", "data", `The form's part 'data' ${other}`],
    ]);
    expect(await refused(file("a") + file("b") + end)).toEqual([
      ...[400, "invalid_form", "file", `The form's part 'file' ${other}`],
    ]);
  });

  test("has a name of at most 255 characters, without control characters", async () => {
    const name = "n".repeat(255);
    expect((await upload(file("a", name) + end)).outcome).toMatchObject({ file: `${name}: a` });
    expect(await refused(file("a", `${name}n`) + end)).toEqual([
      ...[400, "invalid_filename", "file", "The file's name has 256 characters; give at most 255."],
    ]);
    expect(await refused(file("a", "a\u0007b") + end)).toEqual([
      ...[400, "invalid_filename", "file", "The file's name holds control characters; leave them out."],
    ]);
  });

  test("that cannot be taken ends the form with that error", async () => {
    const take = async () => Promise.reject(Object.assign(new Error("full"), {}));
    const { outcome, discarded } = await upload(file("a") + end, { take });
    expect(outcome).toMatchObject({ status: 500, closes: true });
    expect(discarded).toEqual([]);
  });
});

describe("a form that breaks off", () => {
  const body = (pieces: readonly string[], last: "close" | "error" | "wait") =>
    new ReadableStream({
      async pull(controller) {
        // Gives `take` time to read.
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
        const [piece, ...rest] = pieces;
        pieces = rest;
        if (piece !== undefined) controller.enqueue(new TextEncoder().encode(piece));
        else if (last === "close") controller.close();
        else if (last === "error") controller.error(new Error("gone"));
      },
    });

  test("discards the file that was taken", async () => {
    const { outcome, discarded } = await upload(body([file("abc") + field("a", "1"), field("a", "2") + end], "close"));
    expect(outcome).toMatchObject({ code: "invalid_form", closes: true });
    expect(discarded).toEqual(["a.jsonl: abc"]);
  });

  test("is refused, within a file too", async () => {
    const cut = await upload(body([file("abc").slice(0, -3)], "close"));
    expect(cut.outcome).toMatchObject({ status: 400, code: "invalid_form", closes: true });
    expect((cut.outcome as unknown as Error).message).toMatch(/^The form cannot be read: /);
    expect(cut.discarded).toEqual([]);
    const gone = await upload(body([file("abc")], "error"));
    expect(gone.outcome).toMatchObject({ status: 400, code: "incomplete_body" });
  });

  test("is given up after a pause", async () => {
    const { outcome } = await upload(body([field("a", "1")], "wait"), { limits: { uploadPauseSeconds: 0.02 } });
    expect(outcome).toMatchObject({
      ...{ status: 408, code: "body_timeout", message: "No byte of the file has come for 0.02 seconds." },
    });
  });
});
