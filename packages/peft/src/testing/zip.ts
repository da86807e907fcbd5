/** Returns a ZIP archive of files, stored or deflated, like `zip` and Python's zipfile. */
export async function zipOf(files: Readonly<Record<string, Uint8Array>>, deflate = false): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const packed = deflate ? await deflated(bytes) : bytes;
    const common = [20, 0, deflate ? 8 : 0, 0, 0]; // Version, flags, method, time, date.
    const nameBytes = new TextEncoder().encode(name);
    const sizes = [0, packed.length, bytes.length]; // The checksum is not looked at.
    const local = join(u32(0x04034b50), u16(...common), u32(...sizes), u16(nameBytes.length, 0), nameBytes, packed);
    directory.push(
      join(
        u32(0x02014b50),
        u16(20, ...common),
        u32(...sizes),
        u16(nameBytes.length, 0, 0, 0, 0),
        u32(0, offset),
        nameBytes,
      ),
    );
    parts.push(local);
    offset += local.length;
  }
  const list = join(...directory);
  const count = directory.length;
  return join(...parts, list, u32(0x06054b50), u16(0, 0, count, count), u32(list.length, offset), u16(0));
}

async function deflated(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes.slice()]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const u16 = (...values: number[]) => new Uint8Array(Uint16Array.from(values).buffer);
const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

/** Concatenates byte arrays. */
export function join(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
