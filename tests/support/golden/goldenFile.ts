import { blobSource, bytesSource, fromBytes, openSafetensors, type SafetensorsFile, type Tensor } from "@lowrank/core";
import { viewAs } from "@lowrank/core/internal";
import type { ModelFiles } from "@lowrank/files";
import { readWhole } from "./readWhole.ts";

/** A safetensors file of the golden data, read as arrays or tensors by name. */
export class GoldenFile {
  readonly #file: SafetensorsFile;

  constructor(file: SafetensorsFile) {
    this.#file = file;
  }

  /** Reads a file whole: over a network separate reads of its many tensors would be as many requests. */
  static async of(files: ModelFiles, name: string): Promise<GoldenFile> {
    return new GoldenFile(await openSafetensors(bytesSource(await readWhole(files, name)), name));
  }

  /** A file on disk (Node only). */
  static async open(path: string): Promise<GoldenFile> {
    const { openAsBlob } = await import("node:fs");
    return new GoldenFile(await openSafetensors(blobSource(await openAsBlob(path)), path));
  }

  names(prefix = ""): string[] {
    return this.#file.names().filter((name) => name.startsWith(prefix));
  }

  has(name: string): boolean {
    return this.#file.has(name);
  }

  shape(name: string): readonly number[] {
    return this.#file.info(name).shape;
  }

  async array(name: string): Promise<Float32Array | Int32Array> {
    const { bytes, dtype, shape } = await this.#file.read(name);
    const size = shape.reduce((a, b) => a * b, 1);
    return viewAs(dtype, bytes.buffer, bytes.byteOffset, size) as Float32Array | Int32Array;
  }

  async tensor(name: string): Promise<Tensor> {
    const { bytes, dtype, shape } = await this.#file.read(name);
    return fromBytes(bytes, shape, dtype);
  }
}
