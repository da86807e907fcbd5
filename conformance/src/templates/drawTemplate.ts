import { Draw } from "../draw.ts";
import { drawExpression, drawKind, type Kind } from "./drawExpression.ts";

/** A template, a conversation, and variables to render it with. */
export interface TemplateCase {
  template: string;
  messages: Record<string, unknown>[];
  addGenerationPrompt: boolean;
  variables: Record<string, unknown>;
}

/** Draws a template from a grammar, and the values of its variables. */
export function drawTemplate(seed: number): TemplateCase {
  const draw = new Draw(seed, 2);
  const writer = new Writer(draw);
  const template = writer.body(3, draw.integer(1, 4), { names: [], inLoop: false, inMacro: false });
  return { template: writer.macro() + template, ...drawContext(draw) };
}

const texts = ["", "hi", "Hello World", " pad ", "a\nb\n\nc", "aXbX", "é😀ß", "12", "<b>&</b>", "x\ty", "ABC", "a,b"];

function drawContext(draw: Draw): Omit<TemplateCase, "template"> {
  const text = (): string => draw.pick(texts);
  const list = <T>(most: number, make: () => T): T[] => Array.from({ length: draw.integer(0, most) }, make);
  const float = (): number => draw.integer(-999, 999) / 100 + 0.005;
  const message = (): Record<string, unknown> => ({
    role: draw.pick(["user", "assistant", "system"]),
    content: draw.chance(0.9) ? text() : null,
    ...draw.maybe(0.2, () => ({ name: text() })),
    ...draw.maybe(0.1, () => ({ reasoning_content: text() })),
  });
  const user = (): Record<string, unknown> => ({
    name: text(),
    ...draw.maybe(0.7, () => ({ age: draw.integer(0, 9) })),
    ...draw.maybe(0.5, () => ({ ok: draw.chance(0.5) })),
  });
  const inner = { a: draw.integer(0, 3), b: text() };
  const d = {
    name: text(),
    count: draw.integer(-3, 9),
    tags: list(3, text),
    list: list(3, () => draw.integer(0, 5)),
    inner,
    nil: null,
  };
  return {
    messages: [message(), ...list(3, message)],
    addGenerationPrompt: draw.chance(0.5),
    variables: {
      ...{ s: text(), t: text(), i: draw.integer(-5, 12), j: draw.integer(0, 4), f: float(), g: float(), nil: null },
      ...{ yes: draw.chance(0.8), no: draw.chance(0.2), words: list(4, text), lines: list(2, text), d },
      ...{ ints: list(5, () => draw.integer(-4, 9)), users: list(3, user) },
    },
  };
}

interface Place {
  names: readonly string[];
  inLoop: boolean;
  inMacro: boolean;
}

const spaces = ["", "", "", " ", "\n", "\n  ", "  \n", "text", "a b", "\n\n", "é", "{ ", "}", "%", "#"];
const iterables: readonly Kind[] = ["texts", "ints", "dicts", "text", "dict"];

class Writer {
  readonly #draw: Draw;
  #count = 0;
  #callsMacro = false;
  #callsBlock = false;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  /** Returns the macro that the whole template calls, if any. */
  macro(): string {
    if (!this.#callsMacro && this.#draw.chance(0.9)) return "";
    const place = { names: ["a", "b"], inLoop: false, inMacro: true };
    const caller = "{{ caller() if caller else '' }}";
    const usual = this.#callsBlock && this.#draw.chance(0.9) ? caller : "";
    const special = usual + this.#draw.pick(["", "", "{{ varargs }}", "{{ kwargs }}", caller]);
    return `${this.#open("macro m(a, b=2)")}${this.body(1, 2, place)}${special}${this.#open("endmacro")}`;
  }

  body(depth: number, count: number, place: Place): string {
    const all = Array.from({ length: count }, () => this.#text() + this.#part(depth, place));
    return all.join("") + this.#text();
  }

  #text(): string {
    return this.#draw.pick(spaces);
  }

  #open(tag: string): string {
    const draw = this.#draw;
    const [start, end] = [draw.pick(["", "", "-", "+"]), draw.pick(["", "", "-", "+"])];
    return `{%${start} ${tag} ${end}%}`;
  }

  #expression(kind: Kind, { names }: Place, depth = 2): string {
    return drawExpression(this.#draw, kind, depth, names);
  }

  #output(place: Place): string {
    const draw = this.#draw;
    const [start, end] = [draw.pick(["", "", "-"]), draw.pick(["", "", "-"])];
    const loop = place.inLoop && draw.chance(0.3) ? draw.pick(loopParts) : undefined;
    const name = place.names.length > 0 && draw.chance(0.4) ? draw.pick(place.names) : undefined;
    return `{{${start} ${loop ?? name ?? this.#expression(drawKind(draw), place)} ${end}}}`;
  }

  #part(depth: number, place: Place): string {
    const draw = this.#draw;
    if (depth <= 0 || draw.chance(0.4)) return this.#output(place);
    const inner = (more: Partial<Place> = {}): string =>
      this.body(depth - 1, draw.integer(1, 2), { ...place, ...more });
    const name = `v${this.#count++ % 4}`;
    const make = (kind: Kind): string => this.#expression(kind, place);
    const named = { names: [...place.names, name] };
    return draw.pick<() => string>([
      () => this.#if(place, inner),
      () => this.#if(place, inner),
      () => this.#for(name, place, inner),
      () => this.#for(name, place, inner),
      () => `${this.#open(`set ${name} = ${make(drawKind(draw))}`)}${inner(named)}`,
      () => `${this.#open(`set ${name}`)}${inner()}${this.#open("endset")}${inner(named)}`,
      () =>
        `${this.#open(`set ${name} | ${draw.pick(["upper", "trim", "length"])}`)}${inner()}${this.#open("endset")}{{ ${name} }}`,
      () => `${this.#open(`with ${name} = ${make(drawKind(draw))}`)}${inner(named)}${this.#open("endwith")}`,
      () =>
        `${this.#open(`filter ${draw.pick(["upper", "trim", "indent(2)", "replace('a', 'b')"])}`)}${inner()}${this.#open("endfilter")}`,
      () => `${draw.pick(["{% raw %}", "{%- raw -%}"])}{{ x }}{% if %}${this.#text()}${this.#open("endraw")}`,
      () => `{#${draw.pick(["", "-"])} note ${draw.pick(["", "-"])}#}`,
      () => this.#namespace(name, place, inner),
      () => this.#macroCall(place, inner),
      () => `${this.#open("generation")}${inner({ inLoop: false })}${this.#open("endgeneration")}`,
    ])();
  }

  #macroCall(place: Place, inner: (more: Partial<Place>) => string): string {
    if (place.inMacro) return this.#output(place);
    const draw = this.#draw;
    this.#callsMacro = true;
    if (draw.chance(0.4)) {
      this.#callsBlock = true;
      return `${this.#open(`call m(${this.#expression("text", place)})`)}${inner({ inLoop: false })}${this.#open("endcall")}`;
    }
    const more = draw.pick(["", "", ", b=3", ", b=s", ", 4", ", i", ", k=5", ", 4, 5"]);
    return `{{ m(${this.#expression(drawKind(draw), place)}${more}) }}`;
  }

  #if(place: Place, inner: () => string): string {
    const draw = this.#draw;
    const test = (): string => this.#expression(draw.chance(0.7) ? "bool" : drawKind(draw), place);
    const other = draw.chance(0.3) ? `${this.#open(`elif ${test()}`)}${inner()}` : "";
    const last = draw.chance(0.5) ? `${this.#open("else")}${inner()}` : "";
    return `${this.#open(`if ${test()}`)}${inner()}${other}${last}${this.#open("endif")}`;
  }

  #for(name: string, place: Place, inner: (more: Partial<Place>) => string): string {
    const draw = this.#draw;
    const isPair = draw.chance(0.15);
    const names = [...place.names, ...(isPair ? [`${name}k`, name] : [name])];
    const over = isPair ? `${this.#expression("dict", place)}.items()` : this.#expression(draw.pick(iterables), place);
    const inside = { names, inLoop: true };
    const test = draw.chance(0.2) ? ` if ${this.#expression("bool", { ...place, ...inside })}` : "";
    const leave = draw.chance(0.3)
      ? `${this.#open(`if ${this.#expression("bool", { ...place, ...inside })}`)}${this.#open(draw.pick(["break", "continue"]))}${this.#open("endif")}`
      : "";
    const last = draw.chance(0.2) ? `${this.#open("else")}${inner({})}` : "";
    const head = this.#open(`for ${isPair ? `${name}k, ${name}` : name} in ${over}${test}`);
    return `${head}${inner(inside)}${leave}${inner(inside)}${last}${this.#open("endfor")}`;
  }

  #namespace(name: string, place: Place, inner: (more: Partial<Place>) => string): string {
    const step = this.#open(`set ${name}.x = ${name}.x ${this.#draw.pick(["+ 1", "* 2", "~ 'a'"])}`);
    const set = this.#open(`set ${name} = namespace(x=${this.#expression("int", place)})`);
    const loop = `${this.#open(`for w in ${this.#expression("texts", place)}`)}${step}${inner({ inLoop: true })}${this.#open("endfor")}`;
    return `${set}${loop}{{ ${name}.x }}{{ ${name}.y }}`;
  }
}

const loopParts = [
  ...["loop.index", "loop.index0", "loop.revindex", "loop.revindex0", "loop.first", "loop.last", "loop.length"],
  ...["loop.previtem", "loop.nextitem", "loop.cycle('x', 2)", "loop.changed(s)", "loop.depth", "loop"],
] as const;
