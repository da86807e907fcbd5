/** A value in the pickle of a `torch.save` file. A `Call` is a call of an allowed function, which is not executed. */
export type Pickled = null | boolean | number | string | Pickled[] | Map<Pickled, Pickled> | Global | Call | Storage;

/** The name of a Python class or function in a pickle. It is never looked up. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A function call in a pickle: the function's name and its arguments. It is not executed. */
export class Call {
  readonly name: string;
  readonly args: readonly Pickled[];

  constructor(name: string, args: readonly Pickled[]) {
    this.name = name;
    this.args = args;
  }
}

/** A reference from a pickle to tensor data in another file of the archive. */
export class Storage {
  readonly id: readonly Pickled[];

  constructor(id: readonly Pickled[]) {
    this.id = id;
  }
}

const mark = Symbol("mark");
type Slot = Pickled | typeof mark;

/**
 * Parses a pickle that consists of plain values and calls of functions that `allowed` accepts. No Python code is
 * executed. Anything else throws an error that names it. https://docs.python.org/3/library/pickletools.html
 */
export function unpickle(bytes: Uint8Array, allowed: (name: string) => boolean, label: string): Pickled {
  return new Unpickler(bytes, allowed, label).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #allowed: (name: string) => boolean;
  readonly #label: string;
  readonly #stack: Slot[] = [];
  readonly #memo = new Map<number, Slot>();
  #at = 0;

  constructor(bytes: Uint8Array, allowed: (name: string) => boolean, label: string) {
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#allowed = allowed;
    this.#label = label;
  }

  run(): Pickled {
    for (;;) {
      const start = this.#at;
      const op = this.#byte();
      if (op === 0x2e) return this.#value(); // STOP
      const step = steps.get(op);
      if (!step)
        this.fail(
          `instruction 0x${op.toString(16).padStart(2, "0")} at byte ${start} is not allowed, since a file of tensors does not need it`,
        );
      step(this);
    }
  }

  fail(what: string): never {
    throw new Error(`${this.#label}: ${what}; the file was not read. Save the adapter as safetensors`);
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (!(length >= 0 && end <= this.#bytes.length)) this.fail(`the pickle ends within a value at byte ${this.#at}`);
    this.#at = end;
    return this.#bytes.subarray(end - length, end);
  }

  #byte(): number {
    return this.take(1)[0];
  }

  /** Reads a little-endian integer of `length` bytes. */
  unsigned(length: 1 | 2 | 4): number {
    const at = this.#at;
    this.take(length);
    if (length === 1) return this.#data.getUint8(at);
    return length === 2 ? this.#data.getUint16(at, true) : this.#data.getUint32(at, true);
  }

  signed(): number {
    const at = this.#at;
    this.take(4);
    return this.#data.getInt32(at, true);
  }

  float(): number {
    const at = this.#at;
    this.take(8);
    return this.#data.getFloat64(at, false);
  }

  text(length: number): string {
    const bytes = this.take(length);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return this.fail(`the text before byte ${this.#at} is not UTF-8`);
    }
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) this.fail(`the pickle ends within a name at byte ${this.#at}`);
    const text = this.text(end - this.#at);
    this.take(1);
    return text;
  }

  push(value: Slot): void {
    this.#stack.push(value);
  }

  #value(): Pickled {
    const value = this.#stack.pop();
    if (value === undefined || value === mark) this.fail(`a value is missing before byte ${this.#at}`);
    return value;
  }

  pop(count: number): Pickled[] {
    return Array.from({ length: count }, () => this.#value()).reverse();
  }

  /** Removes and returns the values on the stack above the last MARK. */
  popMark(): Pickled[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) this.fail(`a MARK is missing before byte ${this.#at}`);
    return this.#stack.splice(at).slice(1) as Pickled[];
  }

  top(): Pickled {
    const value = this.#value();
    this.push(value);
    return value;
  }

  remember(index: number = this.#memo.size): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.fail(`memo entry ${index} is read before it is written`);
    this.push(value);
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#allowed(full)) this.fail(`it asks for ${full}, which no tensor needs`);
    this.push(new Global(full));
  }

  call(): void {
    const [callee, args] = this.pop(2);
    if (!(callee instanceof Global) || !Array.isArray(args))
      this.fail(`a call before byte ${this.#at} does not call a function`);
    this.push(callee.name === "collections.OrderedDict" && args.length === 0 ? new Map() : new Call(callee.name, args));
  }

  set(pairs: readonly Pickled[]): void {
    const map = this.top();
    if (!(map instanceof Map) || pairs.length % 2 !== 0)
      this.fail(`items before byte ${this.#at} belong to no dictionary`);
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  append(items: readonly Pickled[]): void {
    const list = this.top();
    if (!Array.isArray(list)) this.fail(`items before byte ${this.#at} belong to no list`);
    list.push(...items);
  }

  /** Ignores an object's attributes, such as state_dict's `_metadata`, which do not affect its tensors. */
  build(): void {
    this.pop(1);
    if (!(this.top() instanceof Map))
      this.fail(`attributes before byte ${this.#at} are set on something that is no dictionary`);
  }

  storage(): void {
    const [id] = this.pop(1);
    if (!Array.isArray(id)) this.fail(`the persistent id before byte ${this.#at} has an unknown form`);
    this.push(new Storage(id));
  }

  long(): void {
    let value = 0n;
    const bytes = this.take(this.unsigned(1));
    for (const [i, byte] of bytes.entries()) value |= BigInt(byte) << BigInt(8 * i);
    const number = Number(BigInt.asIntN(8 * bytes.length, value));
    if (!Number.isSafeInteger(number)) this.fail(`the number before byte ${this.#at} is too large`);
    this.push(number);
  }
}

/** The supported pickle instructions, by opcode. */
const steps: ReadonlyMap<number, (u: Unpickler) => void> = new Map([
  [0x80, (u) => void u.take(1)], // PROTO
  [0x95, (u) => void u.take(8)], // FRAME
  [0x28, (u) => u.push(mark)], // MARK
  [0x30, (u) => void u.pop(1)], // POP
  [0x4e, (u) => u.push(null)], // NONE
  [0x88, (u) => u.push(true)], // NEWTRUE
  [0x89, (u) => u.push(false)], // NEWFALSE
  [0x4b, (u) => u.push(u.unsigned(1))], // BININT1
  [0x4d, (u) => u.push(u.unsigned(2))], // BININT2
  [0x4a, (u) => u.push(u.signed())], // BININT
  [0x8a, (u) => u.long()], // LONG1
  [0x47, (u) => u.push(u.float())], // BINFLOAT
  [0x8c, (u) => u.push(u.text(u.unsigned(1)))], // SHORT_BINUNICODE
  [0x58, (u) => u.push(u.text(u.unsigned(4)))], // BINUNICODE
  [0x29, (u) => u.push([])], // EMPTY_TUPLE
  [0x85, (u) => u.push(u.pop(1))], // TUPLE1
  [0x86, (u) => u.push(u.pop(2))], // TUPLE2
  [0x87, (u) => u.push(u.pop(3))], // TUPLE3
  [0x74, (u) => u.push(u.popMark())], // TUPLE
  [0x5d, (u) => u.push([])], // EMPTY_LIST
  [0x61, (u) => u.append(u.pop(1))], // APPEND
  [0x65, (u) => u.append(u.popMark())], // APPENDS
  [0x7d, (u) => u.push(new Map())], // EMPTY_DICT
  [0x73, (u) => u.set(u.pop(2))], // SETITEM
  [0x75, (u) => u.set(u.popMark())], // SETITEMS
  [0x71, (u) => u.remember(u.unsigned(1))], // BINPUT
  [0x72, (u) => u.remember(u.unsigned(4))], // LONG_BINPUT
  [0x94, (u) => u.remember()], // MEMOIZE
  [0x68, (u) => u.recall(u.unsigned(1))], // BINGET
  [0x6a, (u) => u.recall(u.unsigned(4))], // LONG_BINGET
  [0x63, (u) => u.global(u.line(), u.line())], // GLOBAL
  [0x93, (u) => u.global(...(u.pop(2).map(String) as [string, string]))], // STACK_GLOBAL
  [0x51, (u) => u.storage()], // BINPERSID
  [0x52, (u) => u.call()], // REDUCE
  [0x62, (u) => u.build()], // BUILD
] as [number, (u: Unpickler) => void][]);
