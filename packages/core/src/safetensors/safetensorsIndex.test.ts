import { describe, expect, it } from "vitest";
import {
  bytesSource,
  openSafetensors,
  openShardedSafetensors,
  parseSafetensorsIndex,
  SafetensorsError,
  writeSafetensors,
} from "./index.ts";

describe("sharded models", () => {
  const shard = (...names: string[]) =>
    writeSafetensors(
      names.map((name) => ({ name, dtype: "u8", shape: [1], bytes: Uint8Array.of(name.charCodeAt(0)) })),
      { format: "pt" },
    );
  const files: Record<string, Uint8Array> = {
    "m-1.safetensors": shard("a", "b", "unnamed"),
    "m-2.safetensors": shard("c"),
  };
  const openFile = (file: string) => openSafetensors(bytesSource(files[file]), file);
  const indexOf = (weight_map: unknown) => parseSafetensorsIndex(JSON.stringify({ metadata: {}, weight_map }), "index");

  it("reads as one file does, opening each shard once", async () => {
    const opened: string[] = [];
    const index = indexOf({ a: "m-1.safetensors", c: "m-2.safetensors", b: "m-1.safetensors" });
    const model = await openShardedSafetensors(index, (file) => {
      opened.push(file);
      return openFile(file);
    });
    expect(opened).toEqual(["m-1.safetensors", "m-2.safetensors"]);
    expect(model.names()).toEqual(["a", "c", "b"]);
    expect(model.metadata).toEqual({ format: "pt" });
    expect(model.has("unnamed")).toBe(false);
    expect(model.info("c")).toEqual({ dtype: "U8", shape: [1], byteLength: 1 });
    expect(await model.read("c")).toEqual({ dtype: "u8", shape: [1], bytes: Uint8Array.of(99) });
    expect(model.readParts("c", new Uint8Array(8))).toMatchObject({ dtype: "u8", shape: [1] });
    expect(await model.readStored("b")).toEqual({ dtype: "U8", shape: [1], bytes: Uint8Array.of(98) });
    await expect(model.read("unnamed")).rejects.toThrow(SafetensorsError);
    await expect(model.read("unnamed")).rejects.toThrow('the index names no tensor "unnamed"');
  });

  it("refuses an index that places a tensor where it is not", async () => {
    const index = indexOf({ a: "m-1.safetensors", d: "m-2.safetensors" });
    const opening = openShardedSafetensors(index, openFile, "model");
    await expect(opening).rejects.toThrow(SafetensorsError);
    await expect(opening).rejects.toThrow('model: m-2.safetensors does not hold the tensor "d"');
  });

  it.each([
    "../m.safetensors",
    "/etc/m.safetensors",
    "sub/m.safetensors",
    "..\\m.safetensors",
    "C:m.safetensors",
    "https:m.safetensors",
    "m.safetensors\0",
    "..",
    "",
    "m.bin",
    7,
    null,
  ])("refuses the file name %j", (file) => {
    expect(() => indexOf({ a: file })).toThrow(SafetensorsError);
    expect(() => indexOf({ a: file })).toThrow('index: tensor "a" is in');
  });

  it.each(["", "[]", "null", "7", "{}", '{"weight_map":[]}', '{"weight_map":null}'])("refuses the index %j", (json) => {
    expect(() => parseSafetensorsIndex(json)).toThrow(SafetensorsError);
  });

  it("refuses an index that names a tensor twice", () => {
    const json = '{"weight_map":{"a":"m-1.safetensors","a":"m-2.safetensors"}}';
    expect(() => parseSafetensorsIndex(json)).toThrow('names the tensor "a" twice');
  });
});
