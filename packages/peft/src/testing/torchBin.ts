import { bytesSource, openSafetensors } from "@lowrank/core";
import { join, zipOf } from "./zip.ts";

const text = (value: string) => new TextEncoder().encode(value);
const unicode = (value: string) => join(Uint8Array.of(0x58), u32(value.length), text(value));
const global = (name: string) => text(`c${name}\n`);
const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const integer = (value: number) => join(Uint8Array.of(0x4a), u32(value));
const tuple = (...items: Uint8Array[]) => join(Uint8Array.of(0x28), ...items, Uint8Array.of(0x74));
const [persid, reduce] = [Uint8Array.of(0x51), Uint8Array.of(0x52)];

const storages: Readonly<Record<string, string>> = { F32: "FloatStorage", F16: "HalfStorage", BF16: "BFloat16Storage" };

/** Converts a safetensors file to a `torch.save` file. `torch.save` itself does not deflate. */
export async function torchBin(safetensors: Uint8Array, deflate = false): Promise<Uint8Array> {
  const file = await openSafetensors(bytesSource(safetensors));
  const data: Record<string, Uint8Array> = {};
  const items: Uint8Array[] = [];
  for (const [i, name] of file.names().entries()) {
    const { dtype, shape, bytes } = await file.readStored(name);
    const size = shape.reduce((product, n) => product * n, 1);
    const strides = shape.map((_, dim) => shape.slice(dim + 1).reduce((product, n) => product * n, 1));
    const storage = [unicode("storage"), global(`torch\n${storages[dtype]}`), unicode(`${i}`), unicode("cpu")];
    const parts = [
      join(tuple(...storage, integer(size)), persid),
      integer(0),
      tuple(...shape.map(integer)),
      tuple(...strides.map(integer)),
      Uint8Array.of(0x89), // False: it does not require gradients.
      Uint8Array.of(0x7d), // {}: it has no hooks.
    ];
    items.push(unicode(name), global("torch._utils\n_rebuild_tensor_v2"), tuple(...parts), reduce);
    data[`adapter_model/data/${i}`] = bytes;
  }
  const pickle = join(Uint8Array.of(0x80, 2, 0x7d, 0x28), ...items, Uint8Array.of(0x75, 0x2e));
  return zipOf({ "adapter_model/data.pkl": pickle, "adapter_model/byteorder": text("little"), ...data }, deflate);
}
