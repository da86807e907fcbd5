import { openFile } from "@lowrank/files";
import { sharedPath } from "@lowrank/test-support/folders";
import { expect, test } from "vitest";
import { readBlocks } from "../checkpoint/gguf/readBlocks.ts";
import { readGguf } from "./readGguf.ts";
import { decodeBlocks, encodeBlocks, type GgufEncoding } from "./types/ggmlTypes.ts";

const published = sharedPath("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", "blocks of llama.cpp");

test.skipIf(!published)("numbers that llama.cpp rounded come to the same blocks again", async () => {
  const source = await openFile(published!);
  const { tensors } = await readGguf(source, published!);
  const some = [...tensors.values()].filter(({ name }) => /^(token_embd|blk\.(0|29))\./.test(name));
  expect(new Set(some.map(({ type }) => type.name))).toEqual(new Set(["Q8_0", "Q4_1", "F32"]));
  for (const info of some) {
    const blocks = await readBlocks(source, info, published!);
    const again = encodeBlocks(info.type.name as GgufEncoding, decodeBlocks(info.type, blocks), info.name);
    expect(Buffer.compare(again, blocks), info.name).toBe(0);
  }
});
