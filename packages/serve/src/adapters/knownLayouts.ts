import type { AdapterLayout } from "../api/adapterProvider.ts";

/**
 * Cached layout of a checked adapter. Its cache key is the configuration text (`config`) and the bytes of the weights
 * file before the tensor data (`head`).
 */
interface KnownLayout extends AdapterLayout {
  readonly config: string;
  readonly head: Uint8Array;
  /** Number of bytes of tensor data in the weights file. */
  readonly dataLength: number;
}

/** Maximum number of layouts that are kept. The least recently used are dropped. */
const most = 32;

/** Maximum number of bytes of a layout's key, so that all keys take little memory. */
const mostBytes = 1 << 18;

/**
 * Cache of layouts of checked adapters. Adapters from the same kind of training have equal configurations and headers.
 * After the first of them, only tensor values must be checked.
 */
export class KnownLayouts {
  /** Cached layouts, most recently used first. */
  readonly #known: KnownLayout[] = [];

  /** Returns the cached layout for an adapter's configuration text and weights file; undefined if it is not cached. */
  find(config: string, weights: Uint8Array): AdapterLayout | undefined {
    const at = this.#known.findIndex((known) => known.config === config && isOf(weights, known));
    if (at < 0) return undefined;
    const [found] = this.#known.splice(at, 1);
    this.#known.unshift(found);
    return found;
  }

  /** Caches the layout of an adapter's two files. Returns it, or the equal layout that was cached before. */
  add(config: string, weights: Uint8Array, layout: AdapterLayout): AdapterLayout {
    const noted = this.find(config, weights);
    if (noted) return noted;
    const dataLength = dataLengthOf(layout);
    const head = weights.slice(0, weights.length - dataLength);
    const known = { ...layout, config, head, dataLength };
    if (head.length + config.length > mostBytes) return known;
    this.#known.unshift(known);
    this.#known.length = Math.min(this.#known.length, most);
    return known;
  }
}

/** Returns the number of bytes that the tensors of a layout take in a file. */
export function dataLengthOf({ tensors }: AdapterLayout): number {
  return tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isOf(weights: Uint8Array, { head, dataLength }: KnownLayout): boolean {
  return weights.length === head.length + dataLength && startsWith(weights, head);
}

/**
 * Returns true if `bytes` begins with `head`. Compares 4 bytes at a time if `bytes` is aligned to 4 bytes; `head`
 * always is.
 */
function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  let i = 0;
  if (bytes.byteOffset % 4 === 0) {
    const [a, b] = [bytes, head].map(({ buffer, byteOffset }) => new Int32Array(buffer, byteOffset, head.length >> 2));
    for (let word = 0; word < b.length; word++) if (a[word] !== b[word]) return false;
    i = 4 * b.length;
  }
  for (; i < head.length; i++) if (bytes[i] !== head[i]) return false;
  return true;
}
