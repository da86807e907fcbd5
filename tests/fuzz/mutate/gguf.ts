import type { Random } from "@lowrank/test-support/random";
import { type Mutation, mutateBytes, overwrite } from "./bytes.ts";
import { numbers } from "./values.ts";

/** An integer in the header of a GGUF file. */
interface Field {
  readonly name: string;
  readonly at: number;
  readonly width: number;
}

const widths: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const [textType, listType] = [8, 9];

/** Lists the fields in the header of a valid GGUF file: counts, lengths, types, values, offsets. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Field[] = [];
  let at = 4;
  const next = (name: string, width: number): number => {
    fields.push({ name, at, width });
    at += width;
    return width === 8 ? Number(view.getBigUint64(at - 8, true)) : width === 4 ? view.getUint32(at - 4, true) : 0;
  };
  const text = (name: string): string => {
    const length = next(`length of ${name}`, 8);
    at += length;
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  const value = (name: string, type: number): void => {
    if (type === textType) text(name);
    else if (type !== listType) next(name, widths[type]);
    else {
      const item = next(`item type of ${name}`, 4);
      const count = next(`item count of ${name}`, 8);
      for (let i = 0; i < count; i++) value(`${name}[${i}]`, item);
    }
  };
  next("version", 4);
  const [tensors, entries] = [next("tensor count", 8), next("entry count", 8)];
  for (let i = 0; i < entries; i++) {
    const key = text(`key ${i}`);
    value(key, next(`type of ${key}`, 4));
  }
  for (let i = 0; i < tensors; i++) {
    const name = text(`name ${i}`);
    const dims = next(`dimensions of ${name}`, 4);
    for (let dim = 0; dim < dims; dim++) next(`size ${dim} of ${name}`, 8);
    next(`type of ${name}`, 4);
    next(`offset of ${name}`, 8);
  }
  return fields;
}

/** The fields of each undamaged file, cached since they are the same in every case. */
const known = new WeakMap<Uint8Array, { one: Field[]; many: Field[] }>();

function fieldsIn(good: Uint8Array): { one: Field[]; many: Field[] } {
  const found = known.get(good);
  if (found) return found;
  const all = fieldsOf(good);
  const fields = { one: all.filter(({ name }) => !name.includes("[")), many: all };
  known.set(good, fields);
  return fields;
}

/** Changes a field of a GGUF file's header, or bytes; `good` is the file before any change. */
export function mutateGguf(bytes: Uint8Array, random: Random, good: Uint8Array): Mutation {
  if (bytes.length !== good.length || random.next() < 0.3) return mutateBytes(bytes, random);
  const { one, many } = fieldsIn(good);
  const { name, at, width } = random.pick(random.next() < 0.9 ? one : many);
  const changed = new Uint8Array(bytes);
  if (width === 4 && random.next() < 0.3) {
    const value = random.pick([Number.NaN, -1, 0, 1e-30, 1e30, Number.POSITIVE_INFINITY]);
    new DataView(changed.buffer).setFloat32(at, value, true);
    return { bytes: changed, what: `${name} = f32 ${value}` };
  }
  const value = random.pick([...numbers, 4, 5, 6, 8, 9, 10, 12, 13, 64, 65]);
  overwrite(changed, at, width, value);
  return { bytes: changed, what: `${name} = ${value}` };
}
