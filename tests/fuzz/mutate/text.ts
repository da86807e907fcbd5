import type { Random } from "@lowrank/test-support/random";
import { type Mutation, mutateBytes } from "./bytes.ts";
import { texts } from "./values.ts";

/** Pieces of templates that are slow, grow, nest or are malformed. */
const pieces = [
  "{% for i in range(100000000) %}x{% endfor %}",
  "{% for i in range(3000) %}{% for j in range(3000) %}{{ i }}{% endfor %}{% endfor %}",
  "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
  "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
  `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`,
  `${"{% if true %}".repeat(5000)}${"{% endif %}".repeat(5000)}`,
  "{{ messages[2147483648].content }}",
  "{{ messages | map(attribute='nope') | join }}",
  "{{ none.x.y }}",
  "{{ 'a' * 2147483648 }}",
  "{{ 'x' | indent(100000000) }}",
  "{{ range(0, 10, 0) }}",
  "{{ 1 / 0 }}",
  "{{ [1, 2][::0] }}",
  "{{ raise_exception('no') }}",
  "{{ strftime_now('%Y') }}",
  "{{ messages | tojson(indent=100000000) }}",
  "{% break %}",
  "{%",
  "}}",
  "{#",
  "{{ x is nope }}",
  "{{ x | nope }}",
  "{% generation %}x{% endgeneration %}",
];

/** Changes a text by its lines and words, or as bytes. */
export function mutateText(given: Uint8Array, random: Random): Mutation {
  if (random.next() < 0.3) return mutateBytes(given, random);
  const text = new TextDecoder().decode(given);
  const [at, length] = [random.below(text.length + 1), 1 + random.below(30)];
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const encode = (changed: string, what: string) => ({ bytes: new TextEncoder().encode(changed), what });
  switch (random.below(4)) {
    case 0: {
      const piece = random.pick(random.next() < 0.7 ? pieces : texts);
      const where = random.next() < 0.5 ? 0 : at;
      return encode(text.slice(0, where) + piece + text.slice(where), `${piece.slice(0, 60)} at ${where}`);
    }
    case 1:
      return encode(before + after.slice(length), `${length} characters at ${at} removed`);
    case 2:
      return encode(before + after.slice(0, length) + after, `${length} characters at ${at} twice`);
    default: {
      const lines = text.split("\n");
      const line = random.below(lines.length);
      lines.splice(line, 1, ...random.pick([[], [lines[line], lines[line]], [random.pick(texts)]]));
      return encode(lines.join("\n"), `line ${line} changed`);
    }
  }
}
