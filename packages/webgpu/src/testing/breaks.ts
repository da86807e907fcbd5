/** A kernel's WGSL with one subtle error in it. */
export interface Break {
  /** The error, and its position in the text: "result times 1.001: out[i] = ...". */
  readonly what: string;
  readonly code: string;
}

interface Place {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Returns the position after the bracket that closes the one at `open`. */
function closing(code: string, open: number): number {
  let depth = 0;
  for (let i = open; i < code.length; i++) {
    if (code[i] === "[") depth++;
    if (code[i] === "]" && --depth === 0) return i + 1;
  }
  return code.length;
}

/** Returns the tensors that a kernel binds, with the type of their elements. */
function bindingsOf(code: string): { name: string; type: string; writes: boolean }[] {
  const declared = code.matchAll(/var<storage, (read|read_write)> (\w+): array<([\w<>]+)>;/g);
  return [...declared].map(([, access, name, type]) => ({ name, type, writes: access === "read_write" }));
}

/** Finds expressions that access elements of a binding: `x[...]`. */
function elementsIn(code: string, name: string): Place[] {
  return [...code.matchAll(new RegExp(`(?<![\\w.])${name}\\[`, "g"))].map(({ index }) => {
    const to = closing(code, index + name.length);
    return { from: index, to, text: code.slice(index, to) };
  });
}

const replacedAt = (code: string, { from, to }: Place, text: string): string =>
  code.slice(0, from) + text + code.slice(to);

/** Results that are wrong by a thousandth, or in a bit of similar weight. */
function wrongResults(code: string): Break[] {
  const written = bindingsOf(code).filter(({ writes }) => writes);
  return written.flatMap(({ name, type }) =>
    elementsIn(code, name).flatMap((place): Break[] => {
      const end = code.indexOf(";", place.to);
      const assignment = /^ ([+*-]?)= /.exec(code.slice(place.to, end));
      if (!assignment) return [];
      const value = code.slice(place.to + assignment[0].length, end);
      // NaN times anything is NaN.
      if (value === "nan()") return [];
      const wrong: Record<string, string> = {
        f32: `1.001 * (${value})`,
        vec4f: `1.001 * (${value})`,
        // A flag is only distinguished from 0.
        u32: value === "1u" ? "0u" : `(${value}) ^ 0x2000u`,
        i32: `(${value}) ^ 1`,
      };
      if (!(type in wrong)) return [];
      const text = `${place.text}${assignment[0]}${wrong[type]}`;
      return [{ what: `wrong result: ${text}`, code: replacedAt(code, { ...place, to: end }, text) }];
    }),
  );
}

/** Loop bounds that skip the last element. */
function skippedEdges(code: string): Break[] {
  const uniforms = /struct Uniforms \{ ([^}]*) \}/.exec(code)?.[1] ?? "";
  const whole = [...uniforms.matchAll(/(\w+): u32/g)].map(([, name]) => name);
  if (whole.length === 0) return [];
  const bounds = code.matchAll(
    new RegExp(`([\\w.]+(?:\\[\\w+\\])?) (<|>=) (u\\.(?:${whole.join("|")})\\b|end\\b)`, "g"),
  );
  return [...bounds].map((match): Break => {
    const [found, left, relation, bound] = match;
    const text = `${left} + 1u ${relation} ${bound}`;
    const place = { from: match.index, to: match.index + found.length, text: found };
    return { what: `skipped edge: ${text}`, code: replacedAt(code, place, text) };
  });
}

/** Accesses to the element after the right one. */
function shiftedIndices(code: string): Break[] {
  return bindingsOf(code).flatMap(({ name }) =>
    elementsIn(code, name).map((place): Break => {
      const text = `${name}[(${place.text.slice(name.length + 1, -1)}) + 1u]`;
      return { what: `shifted index: ${text}`, code: replacedAt(code, place, text) };
    }),
  );
}

const kinds = [wrongResults, skippedEdges, shiftedIndices];

/** Returns one error of each kind that is possible in a kernel's text. */
export function breaksOf(code: string): Break[] {
  return kinds.flatMap((kind) => {
    const all = kind(code);
    return all.length === 0 ? [] : [all[Math.floor(all.length / 2)]];
  });
}

/** Applies an error found in another text, if this text contains the same statement. */
export function withBreak(code: string, { what }: Break): string {
  return kinds.flatMap((kind) => kind(code)).find((one) => one.what === what)?.code ?? code;
}
