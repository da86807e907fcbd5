/** A kernel's WGSL with one subtle error inserted, to test that the self-check finds such errors. */
export interface Break {
  /** The kind of the error and the changed WGSL, such as "wrong result: out[i] = 1.001 * (x)". */
  readonly what: string;
  readonly code: string;
}

interface Place {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Returns the position after the bracket "]" that closes the bracket "[" at `open`. */
function closing(code: string, open: number): number {
  let depth = 0;
  for (let i = open; i < code.length; i++) {
    if (code[i] === "[") depth++;
    if (code[i] === "]" && --depth === 0) return i + 1;
  }
  return code.length;
}

/** Returns the tensors that a kernel binds: their names, their element types, and whether the kernel writes them. */
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

/** Inserts errors of a thousandth into stored f32 results, and wrong bits into stored integers. */
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
        // A stored 1 is a flag that readers only compare with 0.
        u32: value === "1u" ? "0u" : `(${value}) ^ 0x2000u`,
        i32: `(${value}) ^ 1`,
      };
      if (!(type in wrong)) return [];
      const text = `${place.text}${assignment[0]}${wrong[type]}`;
      return [{ what: `wrong result: ${text}`, code: replacedAt(code, { ...place, to: end }, text) }];
    }),
  );
}

/** Inserts errors into loop bounds, so that the last element is skipped. */
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

/** Inserts errors into indices, so that the next element is accessed. */
function shiftedIndices(code: string): Break[] {
  return bindingsOf(code).flatMap(({ name }) =>
    elementsIn(code, name).map((place): Break => {
      const text = `${name}[(${place.text.slice(name.length + 1, -1)}) + 1u]`;
      return { what: `shifted index: ${text}`, code: replacedAt(code, place, text) };
    }),
  );
}

const kinds = [wrongResults, skippedEdges, shiftedIndices];

/** Returns the kernel with one error of each kind that its WGSL allows. */
export function breaksOf(code: string): Break[] {
  return kinds.flatMap((kind) => {
    const all = kind(code);
    return all.length === 0 ? [] : [all[Math.floor(all.length / 2)]];
  });
}

/**
 * Inserts an error of another variant of the kernel, if this WGSL contains the same statement; otherwise returns `code`
 * unchanged.
 */
export function withBreak(code: string, { what }: Break): string {
  return kinds.flatMap((kind) => kind(code)).find((one) => one.what === what)?.code ?? code;
}
