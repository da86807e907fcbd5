import type { Draw } from "../draw.ts";

/** Kinds of expressions in drawn templates. */
export type Kind = "text" | "int" | "float" | "bool" | "texts" | "ints" | "dict" | "dicts" | "none" | "nothing";

const kinds: readonly Kind[] = ["text", "int", "float", "bool", "texts", "ints", "dict", "dicts", "none", "nothing"];

/** Variables of every drawn context, by kind. */
const variables: Readonly<Record<Kind, readonly string[]>> = {
  text: ["s", "t", "messages[0].role", "messages[-1]['content']", "d.name"],
  int: ["i", "j", "d.count", "ints[0]"],
  float: ["f", "g"],
  bool: ["yes", "no", "add_generation_prompt"],
  texts: ["words", "d.tags", "lines"],
  ints: ["ints", "d['list']"],
  dict: ["d", "messages[0]", "d.inner"],
  dicts: ["messages", "users"],
  none: ["nil", "none", "d.nil"],
  nothing: ["nope", "d.nope", "ints[99]", "s.nope"],
};

const texts = [
  "",
  "a",
  "ab",
  " x ",
  "\\n",
  "A-b c",
  "é😀",
  "<&>",
  "it\\'s",
  'say "hi"',
  "aXbXc",
  "12",
  "1.5",
  "\\t\\\\",
  "ǆß",
];
const ints = ["0", "1", "2", "-1", "3", "7", "100", "-12", "1_000", "0x1f"];
const floats = ["0.0", "1.0", "2.5", "-0.5", "1e3", "1e-7", "0.1", "123456.789", "1e20"];

/**
 * Draws an expression of a kind. Occasionally draws another kind, which may be an error in Python. Slices only
 * variables: Jinja evaluates slices of constants before it runs a template, and errors in them then become undefined
 * values.
 */
export function drawExpression(draw: Draw, wanted: Kind, depth: number, names: readonly string[] = []): string {
  const kind = draw.chance(0.01) ? draw.pick(kinds) : wanted;
  if (names.length > 0 && draw.chance(0.05)) return draw.pick(names);
  const make = (inner: Kind): string => drawExpression(draw, inner, depth - 1, names);
  if (depth <= 0 || draw.chance(0.2)) return leaf(draw, kind);
  if (draw.chance(0.06)) return `(${make(kind)} if ${make("bool")}${draw.chance(0.8) ? ` else ${make(kind)}` : ""})`;
  if (draw.chance(0.04)) return `(${make(draw.pick(kinds))} | default(${make(kind)}${draw.pick(["", ", true"])}))`;
  if (draw.chance(0.03)) return `(${make(draw.pick(kinds))} ${draw.pick(["and", "or"])} ${make(kind)})`;
  return composed[kind](draw, make);
}

/** A kind that is drawn at random. */
export const drawKind = (draw: Draw): Kind => draw.pick(kinds);

function leaf(draw: Draw, kind: Kind): string {
  if (draw.chance(0.6)) return draw.pick(variables[kind]);
  if (kind === "text") return `'${draw.pick(texts)}'`;
  if (kind === "int") return draw.pick(ints);
  if (kind === "float") return draw.pick(floats);
  if (kind === "bool") return draw.pick(["true", "false", "True"]);
  if (kind === "texts") return draw.pick(["['b', 'a', 'C']", "[]", "('x', 'y')", "['', 'zz', 'é']"]);
  if (kind === "ints") return draw.pick(["[3, 1, 2]", "range(4)", "[]", "(1, 2.0, true)", "range(5, 0, -2)"]);
  if (kind === "dict") return draw.pick(["{'a': 1, 'b': 'x'}", "{}", "{1: 2, 'k': [1, none]}", "dict(a=1)"]);
  if (kind === "dicts") return "[{'name': 'x', 'age': 2}, {'name': 'Y'}]";
  return draw.pick(variables[kind]);
}

type Make = (kind: Kind) => string;
type Compose = (draw: Draw, make: Make) => string;

const apply = (value: string, filter: string): string => `(${value} | ${filter})`;

const composed: Readonly<Record<Kind, Compose>> = {
  text: (draw, make) =>
    draw.pick<() => string>([
      () => `(${make("text")} ~ ${make(drawKind(draw))})`,
      () => `(${make("text")} + ${make("text")})`,
      () => `(${make("text")} * ${make("int")})`,
      () =>
        `${draw.pick(variables.text)}${draw.pick(["[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "[::2]", "[1:3]", "[5:1:-1]"])}`,
      () => `${make("text")}.${textMethod(draw, make)}`,
      () => apply(make("text"), textFilter(draw, make)),
      () => apply(make(drawKind(draw)), draw.pick(["string", "tojson", "upper", "lower"])),
      () => apply(make("dict"), draw.pick(["tojson(indent=2)", "tojson(sort_keys=true)", "string"])),
      () => apply(make(draw.pick(["texts", "ints"])), `join(${make("text")})`),
      () => `('%s|%5s|%-3d|%.2f' % (${make("text")}, ${make("text")}, ${make("int")}, ${make("float")}))`,
      () => `'{}|{:>6}|{:05.1f}|{!r}'.format(${make("text")}, ${make("int")}, ${make("float")}, ${make("text")})`,
      () => `${make("text")}.join(${make("texts")})`,
    ])(),
  int: (draw, make) =>
    draw.pick<() => string>([
      () => `(${make("int")} ${draw.pick(["+", "-", "*"])} ${make("int")})`,
      () => `(${make("int")} ${draw.pick(["//", "%"])} ${draw.pick(["3", "-3", "(j + 1)", "i"])})`,
      () => apply(make(draw.pick(["text", "texts", "ints", "dict", "dicts"])), draw.pick(["length", "count"])),
      () => apply(make(draw.pick(["text", "float", "int"])), "int"),
      () => apply(make("int"), draw.pick(["abs", "round", "int", "round(-1)"])),
      () => `-${make("int")}`,
      () => `${make("text")}.${draw.pick(["find", "count", "rfind"])}(${make("text")})`,
      () => `(${make("ints")} | list + [1]) | ${draw.pick(["sum", "max", "min", "first", "last"])}`,
      () => apply(make("text"), "wordcount"),
    ])(),
  float: (draw, make) =>
    draw.pick<() => string>([
      () => `(${make("float")} ${draw.pick(["+", "-", "*"])} ${make(draw.pick(["int", "float"]))})`,
      () => `(${make("float")} ${draw.pick(["/", "//", "%"])} ${draw.pick(["0.3", "-2", "g", "i"])})`,
      () => `(${make("int")} / ${draw.pick(["4", "3", "(j + 1)", "j"])})`,
      () =>
        apply(
          make("float"),
          draw.pick(["round(1)", "round(2)", "abs", "round", "float", "round(1, 'floor')", "round(0, 'ceil')"]),
        ),
      () => apply(make(draw.pick(["text", "int"])), "float"),
      () => `((${make("int")} | abs + 1) ** ${draw.pick(["-1", "2", "0.5", "0"])})`,
    ])(),
  bool: (draw, make) =>
    draw.pick<() => string>([
      () => `(${make("int")} ${draw.pick(["<", "<=", ">", ">=", "==", "!="])} ${make(draw.pick(["int", "float"]))})`,
      () => `(${make("text")} ${draw.pick(["<", "==", "!=", "in", "not in", ">="])} ${make("text")})`,
      () => `(${make(drawKind(draw))} ${draw.pick(["==", "!="])} ${make(drawKind(draw))})`,
      () => `(not ${make(drawKind(draw))})`,
      () => `(${make("bool")} ${draw.pick(["and", "or"])} ${make("bool")})`,
      () => `(${make(drawKind(draw))} is ${draw.pick(["", "not "])}${draw.pick(bareTests)})`,
      () => `(${make("int")} is ${draw.pick(["odd", "even", "divisibleby 3", "gt 2", "eq(1)", "lt(4)"])})`,
      () => `(${make(draw.pick(["text", "int"]))} in ${make(draw.pick(["texts", "ints", "dict"]))})`,
      () => `${make("text")}.${draw.pick(boolMethods)}`,
      () => `(${make("int")} < ${make("int")} <= ${make("int")})`,
    ])(),
  texts: (draw, make) =>
    draw.pick<() => string>([
      () =>
        `${make("text")}.${draw.pick(["split()", "split('X')", "split(' ', 1)", "rsplit('b', 1)", "splitlines()", "partition('X')"])}`,
      () =>
        apply(
          make("texts"),
          `${draw.pick(["sort", "unique", "reverse", "map('upper')", "map('trim')", "map('length')"])} | list`,
        ),
      () =>
        apply(
          make("texts"),
          draw.pick(["select | list", "reject('in', ['a', 'b']) | list", "sort(reverse=true)", "batch(2) | list"]),
        ),
      () => apply(make("text"), "list"),
      () => `(${make("texts")} | list + ${make("texts")} | list)`,
      () => `${draw.pick(variables.texts)}${draw.pick(["[1:]", "[::-1]", "[:2]", "[-2:]"])}`,
      () => `[${make("text")}, ${make(drawKind(draw))}]`,
      () =>
        apply(
          make("dicts"),
          `map(attribute='${draw.pick(["role", "name", "content"])}'${draw.pick(["", ", default='z'"])}) | list`,
        ),
      () => apply(make("dict"), draw.pick(["list", "dictsort", "items | list"])),
    ])(),
  ints: (draw, make) =>
    draw.pick<() => string>([
      () => `[${make("int")}, ${make("float")}, ${make("bool")}]`,
      () => `range(${make("int")})`,
      () => apply(make("ints"), draw.pick(["sort", "list", "unique | list", "reverse | list", "select('odd') | list"])),
      () =>
        apply(
          make("ints"),
          draw.pick(["reject('gt', 2) | list", "map('string') | list", "slice(2) | list", "batch(3, 0) | list"]),
        ),
      () => `(${make("ints")} | list + ${make("ints")} | list)`,
      () => `(${make("ints")} | list * ${draw.pick([0, 1, 2])})`,
      () => `${draw.pick(variables.ints)}${draw.pick(["[1:]", "[::-1]", "[:-1]"])}`,
    ])(),
  dict: (draw, make) =>
    draw.pick<() => string>([
      () => `{${make("text")}: ${make(drawKind(draw))}, 'z': ${make(drawKind(draw))}}`,
      () => `dict(a=${make(drawKind(draw))})`,
      () => apply(make("dicts"), draw.pick(["first", "last"])),
      () => `${make("dict")}.copy()`,
      () => `dict(${make("dict")}, k=${make("int")})`,
    ])(),
  dicts: (draw, make) =>
    draw.pick<() => string>([
      () => apply(make("dicts"), `selectattr('${draw.pick(["name", "ok", "content"])}') | list`),
      () => apply(make("dicts"), `rejectattr('role', 'equalto', ${make("text")}) | list`),
      () => apply(make("dicts"), `sort(attribute='${draw.pick(["name", "zz", "role"])}')`),
      () => `[${make("dict")}]`,
      () => `${draw.pick(variables.dicts)}${draw.pick(["[1:]", "[:1]", "[::-1]"])}`,
      () => apply(make("dicts"), `groupby('${draw.pick(["role", "name"])}') | list`),
    ])(),
  none: (_, make) => `${make("dict")}.get(${make("text")})`,
  nothing: (_, make) => `${make("dict")}[${make("text")} ~ '?']`,
};

const bareTests = [
  ...["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float"],
  ...["boolean", "true", "false", "lower", "upper", "callable"],
] as const;

const boolMethods = [
  ...["startswith('a')", "endswith(('b', 'X'))", "isdigit()", "isalpha()", "isupper()", "islower()", "isspace()"],
  ...["isalnum()", "istitle()", "startswith('b', 1)"],
] as const;

function textMethod(draw: Draw, make: Make): string {
  const plain = [
    ...["strip()", "lstrip()", "rstrip()", "upper()", "lower()", "title()", "capitalize()", "swapcase()"],
    ...["strip('a')", "lstrip('\\n')", "rstrip('Xc')", "zfill(4)", "center(7)", "ljust(5, '.')", "rjust(5)"],
    ...["replace('a', 'b')", "replace('', '-', 2)", "removeprefix('a')", "removesuffix('b')", "expandtabs(4)"],
    ...["splitlines()[0]", "split('X')[-1]", "casefold()"],
  ];
  return draw.chance(0.2) ? `replace(${make("text")}, ${make("text")})` : draw.pick(plain);
}

function textFilter(draw: Draw, make: Make): string {
  const plain = [
    ...[
      "trim",
      "upper",
      "lower",
      "title",
      "capitalize",
      "length",
      "reverse",
      "escape",
      "safe",
      "urlencode",
      "striptags",
    ],
    ...[
      "indent",
      "indent(2, true)",
      "indent('> ', blank=true)",
      "center(9)",
      "truncate(5)",
      "truncate(5, true, '~', 0)",
    ],
    ...["first", "last", "tojson", "string", "replace('a', 'X', 1)", "trim('a')", "list", "e", "forceescape"],
  ];
  return draw.chance(0.1) ? `replace(${make("text")}, ${make("text")})` : draw.pick(plain);
}
