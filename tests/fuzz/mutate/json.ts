import type { Random } from "@lowrank/test-support/random";
import { numbers, Raw, texts, values } from "./values.ts";

/** A place in a JSON value: a container and one of its keys. */
interface Place {
  readonly container: Record<string, unknown>;
  readonly key: string;
  readonly path: string;
}

const isContainer = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Raw) && Object.keys(value).length > 0;

/** Descends from the root to a random place. */
function placeIn(root: Record<string, unknown>, random: Random): Place {
  let container = root;
  for (let path = ""; ; ) {
    const key = random.pick(Object.keys(container));
    const inner = container[key];
    if (!isContainer(inner) || random.next() < 0.25) return { container, key, path: `${path}.${key}` };
    path += `.${key}`;
    container = inner;
  }
}

/** Returns a value as JSON text; `Raw` values are written unchanged. */
export function writeJson(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${writeJson(inner)}`)
    .join(",")}}`;
}

type Change = (place: Place, random: Random) => string;

function set({ container, key, path }: Place, value: unknown): string {
  container[key] = value;
  return `${path} = ${writeJson(value).slice(0, 60)}`;
}

function remove({ container, key, path }: Place): string {
  if (Array.isArray(container)) container.splice(Number(key), 1);
  else delete container[key];
  return `${path} removed`;
}

/** Gives an entry the key of another, or a slightly different one. */
function rename(place: Place, random: Random): string {
  const { container, key, path } = place;
  const other = random.pick([...Object.keys(container), `${key}s`, key.toUpperCase(), "__proto__", "0", ""]);
  const value = container[key];
  remove(place);
  Object.defineProperty(container, other, { value, enumerable: true, configurable: true, writable: true });
  return `${path} renamed ${other}`;
}

function tweak(place: Place, random: Random): string {
  const value = place.container[place.key];
  if (typeof value !== "number") return set(place, random.pick(numbers));
  return set(place, random.pick([value + 1, value - 1, -value, value * 2, value * 1e7, value / 2, value + 2 ** 31]));
}

function retext(place: Place, random: Random): string {
  const value = place.container[place.key];
  if (typeof value !== "string" || random.next() < 0.5) return set(place, random.pick(texts));
  const at = random.below(value.length + 1);
  const inserted = random.pick(["\0", "\\", "(", "*", "+", "{", "}", "%}", "{%", " ", ".", "\ud83d", "[^", "|"]);
  return set(place, random.pick([value.slice(0, at) + inserted + value.slice(at), value.slice(0, at), value + value]));
}

/** Writes an entry a second time under its key, with another value. */
function duplicate(place: Place, random: Random): string {
  const { container, key, path } = place;
  if (Array.isArray(container)) {
    container.splice(Number(key), 0, container[key]);
    return `${path} twice`;
  }
  const entries = writeJson(container).slice(1, -1);
  const again = `${JSON.stringify(key)}:${writeJson(random.pick([container[key], ...values]))}`;
  for (const other of Object.keys(container)) delete container[other];
  // The container's text is written by hand: its one key holds the entry and all other entries.
  Object.assign(container, { [key]: null });
  place.container[key] = new Raw(`null,${entries},${again}`);
  return `${path} twice, as ${again.slice(0, 60)}`;
}

function repeat({ container, key, path }: Place): string {
  const value = container[key];
  if (!Array.isArray(value))
    return set(
      { container, key, path },
      Array.from({ length: 3 }, () => value),
    );
  container[key] = Array.from({ length: 20_000 }, (_, i) => value[i % Math.max(1, value.length)] ?? i);
  return `${path} has 20000 items`;
}

function swap(place: Place, random: Random): string {
  const other = random.pick(Object.keys(place.container));
  const value = place.container[place.key];
  place.container[place.key] = place.container[other];
  place.container[other] = value;
  return `${place.path} swapped with ${other}`;
}

const changes: readonly Change[] = [
  (place, random) => set(place, random.pick(values)),
  (place, random) => set(place, random.pick(values)),
  (place, random) => set(place, random.pick(numbers)),
  tweak,
  tweak,
  retext,
  retext,
  remove,
  rename,
  duplicate,
  repeat,
  swap,
];

/** Changes one place of a JSON value and describes the change; a value without places is replaced. */
export function mutateJson(root: unknown, random: Random): { value: unknown; what: string } {
  if (!isContainer(root) || random.next() < 0.01) {
    const value = random.pick(values);
    return { value, what: `all = ${writeJson(value).slice(0, 60)}` };
  }
  return { value: root, what: random.pick(changes)(placeIn(root, random), random) };
}
