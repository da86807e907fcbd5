import { openAsBlob } from "node:fs";
import { blobSource, fromBytes, openSafetensors, type SafetensorsFile, type Tensor, viewAs } from "@lowrank/core";

/** A golden.safetensors, read as arrays or tensors by name. */
export class GoldenFile {
  readonly #file: SafetensorsFile;

  constructor(file: SafetensorsFile) {
    this.#file = file;
  }

  static async open(path: string): Promise<GoldenFile> {
    return new GoldenFile(await openSafetensors(blobSource(await openAsBlob(path)), path));
  }

  names(prefix = ""): string[] {
    return this.#file.names().filter((name) => name.startsWith(prefix));
  }

  has(name: string): boolean {
    return this.#file.has(name);
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
