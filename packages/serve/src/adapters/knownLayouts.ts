import type { AdapterLayout } from "./adapterProvider.ts";

/** A layout with what says it: a configuration, and the bytes of a file before its data. */
interface KnownLayout extends AdapterLayout {
  readonly config: string;
  readonly head: Uint8Array;
  /** The bytes of a file's data. */
  readonly dataLength: number;
}

/** The most layouts that are known; those used longest ago give way. */
const most = 32;

/** The most bytes of a layout, so that all of them take little memory. */
const mostBytes = 1 << 18;

/**
 * Layouts of adapters that were found good. Adapters of one kind of training have the same
 * configuration and the same header, so that of the next one only the numbers need a look.
 */
export class KnownLayouts {
  /** The one used last comes first. */
  readonly #known: KnownLayout[] = [];

  /** Returns the layout of two files; undefined for one that is not known. */
  find(config: string, weights: Uint8Array): AdapterLayout | undefined {
    const at = this.#known.findIndex((known) => known.config === config && isOf(weights, known));
    if (at < 0) return undefined;
    const [found] = this.#known.splice(at, 1);
    this.#known.unshift(found);
    return found;
  }

  /** Notes the layout of two files, and returns it, or the one that was noted meanwhile. */
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

/** Returns the bytes that a layout's tensors take in a file. */
export function dataLengthOf({ tensors }: AdapterLayout): number {
  return tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isOf(weights: Uint8Array, { head, dataLength }: KnownLayout): boolean {
  return weights.length === head.length + dataLength && startsWith(weights, head);
}

/** Compares a word at a time where both lie at words. */
function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  let i = 0;
  if (bytes.byteOffset % 4 === 0 && head.byteOffset % 4 === 0) {
    const [a, b] = [bytes, head].map(({ buffer, byteOffset }) => new Int32Array(buffer, byteOffset, head.length >> 2));
    for (let word = 0; word < b.length; word++) if (a[word] !== b[word]) return false;
    i = 4 * b.length;
  }
  for (; i < head.length; i++) if (bytes[i] !== head[i]) return false;
  return true;
}
