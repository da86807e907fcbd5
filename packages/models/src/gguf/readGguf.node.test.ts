import { gguf } from "@huggingface/gguf";
import { bytesSource } from "@lowrank/core";
import { expect, test } from "vitest";
import { readGguf } from "./readGguf.ts";
import { ggufBytes } from "./testing/ggufBytes.ts";

test("a reader of another house, @huggingface/gguf, finds the same header", async () => {
  const bytes = await ggufBytes({
    metadata: new Map([
      ["general.alignment", { type: "u32", value: 64 }],
      ["words", { type: "strings", value: ["é", "", "two words"] }],
      ["scores", { type: "f32s", value: [-0.5, 3] }],
    ]),
    tensors: [
      { name: "a", type: "Q8_0", shape: [2, 64], read: async () => new Uint8Array(136) },
      { name: "b", type: "F16", shape: [3, 1, 5], read: async () => new Uint8Array(30) },
    ],
  });
  const answer = { headers: new Headers(), arrayBuffer: async () => bytes.slice().buffer };
  const theirs = await gguf("http://localhost/", { fetch: async () => answer as Response });
  const ours = await readGguf(bytesSource(bytes), "x.gguf");
  for (const [key, { value }] of ours.metadata)
    expect(value).toEqual((theirs.metadata as Record<string, unknown>)[key]);
  expect(ours.metadata.size).toBe(3);
  const places = theirs.tensorInfos.map(({ name, shape, offset }) => {
    return { name, shape: shape.map(Number).reverse(), offset: Number(theirs.tensorDataOffset + offset) };
  });
  expect(Array.from(ours.tensors.values(), ({ name, shape, offset }) => ({ name, shape, offset }))).toEqual(places);
});
