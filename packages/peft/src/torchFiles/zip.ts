import type { ByteSource } from "@lowrank/core";

/** A file in a ZIP archive. */
interface ZipEntry {
  /** Compression method. 0: none; 8: deflate. */
  method: number;
  packedSize: number;
  size: number;
  /** Offset of the entry's local header in the archive. */
  offset: number;
}

/** A ZIP archive from which single files can be read (PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.4). */
export class ZipFile {
  readonly label: string;
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;

  private constructor(label: string, source: ByteSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.label = label;
    this.#source = source;
    this.#entries = entries;
  }

  /** Opens a ZIP archive. Throws if it is truncated, or if the file is not a ZIP archive. */
  static async open(source: ByteSource, label: string): Promise<ZipFile> {
    const directory = await findDirectory(source, label);
    return new ZipFile(label, source, readDirectory(directory, label));
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Reads and decompresses a file of the archive. */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`${this.label} holds no ${name}`);
    const { method, packedSize, size, offset } = entry;
    const header = view(await exactly(this.#source, offset, 30, this.label));
    if (header.getUint32(0, true) !== 0x04034b50)
      throw new Error(
        `${this.label}: there is no entry ${name} at byte ${offset}, where the ZIP directory places it; download the file again`,
      );
    const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    const packed = await exactly(this.#source, start, packedSize, this.label);
    if (method !== 0 && method !== 8) {
      throw new Error(
        `${this.label}: ${name} is compressed by method ${method}; 0 (stored) and 8 (deflate) can be read`,
      );
    }
    const bytes = method === 0 ? packed : await inflated(packed, size, `${this.label}: ${name}`);
    if (bytes.length === size) return bytes;
    throw new Error(`${this.label}: ${name} has ${bytes.length} bytes and should have ${size}`);
  }
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function exactly(source: ByteSource, offset: number, length: number, label: string): Promise<Uint8Array> {
  // Checked before reading, since a source may allocate the requested length.
  if (offset + length <= source.size) {
    const bytes = await source.read(offset, length);
    if (bytes.length === length) return bytes;
  }
  throw new Error(`${label} is cut off: it has no ${length} bytes at ${offset}`);
}

/** Largest ratio of uncompressed to compressed bytes that deflate can reach. */
const mostInflation = 1032;

/**
 * Inflates a file of `size` bytes. Reads up to one byte more, to detect excess data. `what` names the file in errors.
 */
async function inflated(packed: Uint8Array, size: number, what: string): Promise<Uint8Array> {
  if (size > packed.length * mostInflation) {
    throw new Error(
      `${what} cannot have ${size} bytes, since its compressed data have ${packed.length}; download it again`,
    );
  }
  const inflating = new DecompressionStream("deflate-raw");
  const reader = new Blob([packed.slice()]).stream().pipeThrough(inflating).getReader();
  const out = new Uint8Array(size + 1);
  let length = 0;
  try {
    for (let end = false; !end && length <= size; ) {
      const { done, value: chunk } = await reader.read();
      end = done;
      const part = chunk?.subarray(0, out.length - length) ?? new Uint8Array(0);
      out.set(part, length);
      length += part.length;
    }
    await reader.cancel();
  } catch (error) {
    throw new Error(`${what} is damaged: its bytes are no deflate stream; download it again`, { cause: error });
  }
  return out.subarray(0, length);
}

/** Reads the central directory, which lists all files. The record at the end of the archive gives its position. */
async function findDirectory(source: ByteSource, label: string): Promise<Uint8Array> {
  // The record is followed by a comment of up to 65535 bytes.
  const length = Math.min(source.size, 22 + 0xffff);
  const tail = await exactly(source, source.size - length, length, label);
  const data = view(tail);
  let at = length - 22;
  while (at >= 0 && data.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0)
    throw new Error(
      `${label} is not a ZIP archive, as torch.save writes since PyTorch 1.6; save it again with a newer PyTorch`,
    );
  let [size, offset] = [data.getUint32(at + 12, true), data.getUint32(at + 16, true)];
  if (at >= 20 && data.getUint32(at - 20, true) === 0x07064b50) {
    const record = view(await exactly(source, long(data, at - 20 + 8), 56, label));
    [size, offset] = [long(record, 40), long(record, 48)];
  }
  return exactly(source, offset, size, label);
}

const long = (data: DataView, at: number): number => Number(data.getBigUint64(at, true));

function readDirectory(directory: Uint8Array, label: string): Map<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  const data = view(directory);
  const check = (isWhole: boolean): void => {
    if (!isWhole)
      throw new Error(`${label}: the central directory of the ZIP archive is damaged; download or save the file again`);
  };
  for (let at = 0; at < directory.length; ) {
    check(at + 46 <= directory.length && data.getUint32(at, true) === 0x02014b50);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => data.getUint16(at + field, true));
    const end = at + 46 + nameLength;
    const next = end + extraLength + commentLength;
    check(next <= directory.length);
    const entry: ZipEntry = {
      method: data.getUint16(at + 10, true),
      packedSize: data.getUint32(at + 20, true),
      size: data.getUint32(at + 24, true),
      offset: data.getUint32(at + 42, true),
    };
    check(widen(entry, view(directory.subarray(end, end + extraLength))));
    const name = new TextDecoder().decode(directory.subarray(at + 46, end));
    if (data.getUint16(at + 8, true) & 1) throw new Error(`${label}: ${name} is encrypted, and cannot be read`);
    entries.set(name, entry);
    at = next;
  }
  return entries;
}

/**
 * Reads the entry's 64-bit sizes and offset from its extra field, in the order: uncompressed size, compressed size,
 * offset. The extra field contains only the values whose 32-bit field in the entry is 0xFFFFFFFF. Returns false if the
 * extra field is truncated.
 */
function widen(entry: ZipEntry, extra: DataView): boolean {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const [id, length] = [extra.getUint16(at, true), extra.getUint16(at + 2, true)];
    const end = Math.min(at + 4 + length, extra.byteLength);
    let field = at + 4;
    for (const key of id === 1 ? (["size", "packedSize", "offset"] as const) : []) {
      if (entry[key] !== 0xffffffff) continue;
      if (field + 8 > end) return false;
      entry[key] = long(extra, field);
      field += 8;
    }
    at = end;
  }
  return true;
}
