import { TemplateError } from "../values/templateError.ts";
import type { Expression, Parameters, Statement } from "./nodes.ts";
import { takenNames } from "./specialNames.ts";

/** Functions that return true if a filter or a test with the given name exists. */
export interface KnownNames {
  isFilter(name: string): boolean;
  isTest(name: string): boolean;
}

/**
 * Place of a node in the template: inside a loop (`inLoop`) or inside a condition (`isSoft`). Some of Jinja's errors
 * depend on this.
 */
interface Place {
  inLoop: boolean;
  /**
   * True inside `if` statements and `a if b else c`. There, Jinja reports an unknown filter or test only when the
   * template applies it.
   */
  isSoft: boolean;
}

type Node = Statement | Expression;

/**
 * Checks a template for errors that Jinja reports before it renders the template. Examples are unknown filters and
 * tests outside conditions, `break` outside a loop, and a `for` loop that assigns to `loop`. Throws for the first
 * error.
 */
export function checkTemplate(statements: readonly Statement[], known: KnownNames): void {
  const blocks = new Set<string>();
  const visit = (node: Node, place: Place): void => {
    checkNode(node, place, known, blocks);
    for (const [child, where] of children(node, place)) visit(child, where);
  };
  for (const statement of statements) visit(statement, { inLoop: false, isSoft: false });
}

const refuse = (message: string): never => {
  throw new TemplateError("TEMPLATE_SYNTAX", message);
};

function checkNode(node: Node, { inLoop, isSoft }: Place, known: KnownNames, blocks: Set<string>): void {
  if (node.type === "filter" && !isSoft && !known.isFilter(node.name)) refuse(`No filter named '${node.name}'.`);
  if (node.type === "test" && !isSoft && !known.isTest(node.name)) refuse(`No test named '${node.name}'.`);
  if ((node.type === "break" || node.type === "continue") && !inLoop) refuse(`'${node.type}' outside of a loop`);
  if (node.type === "for" && storesLoop(node)) refuse("Can't assign to special loop variable in for-loop target");
  if ((node.type === "macro" || node.type === "callBlock") && needsCaller(node)) {
    refuse('a macro that reads "caller" must not have a parameter "caller" without a default');
  }
  if (node.type !== "block") return;
  if (blocks.has(node.name)) refuse(`block '${node.name}' defined twice`);
  blocks.add(node.name);
}

/**
 * Returns true if the body of a macro reads `caller`, but the macro also has a parameter `caller` without a default.
 */
function needsCaller({ names, defaults, body }: Parameters & { body: readonly Statement[] }): boolean {
  const at = names.indexOf("caller");
  return at >= 0 && at < names.length - defaults.length && takenNames(body).includes("caller");
}

/** Returns true if a node, or a node inside it, assigns to the variable `loop`. */
function storesLoop(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(storesLoop);
  if (typeof node !== "object" || node === null) return false;
  const { target } = node as { target?: unknown };
  return (target !== undefined && namesIn(target).includes("loop")) || Object.values(node).some(storesLoop);
}

function namesIn(target: unknown): string[] {
  const { type, name, items = [] } = target as { type: string; name?: string; items?: unknown[] };
  return type === "tuple" ? items.flatMap(namesIn) : type === "name" ? [name!] : [];
}

/** Returns the nodes directly inside a node, each with its `Place`. */
function children(node: Node, place: Place): [Node, Place][] {
  const inner: Place = { inLoop: place.inLoop, isSoft: false };
  const apart: Place = { inLoop: false, isSoft: false };
  const soft: Place = { ...place, isSoft: true };
  const at = (nodes: readonly (Node | string | undefined)[], where: Place): [Node, Place][] =>
    nodes.filter((one) => one !== undefined && typeof one !== "string").map((one) => [one as Node, where]);
  switch (node.type) {
    case "if":
      return [...node.branches.flatMap(({ test, body }) => at([test, ...body], soft)), ...at(node.otherwise, soft)];
    case "choice":
      return at([node.test, node.yes, node.no], soft);
    case "for":
      return [
        ...at([node.over], place),
        ...at([node.test], inner),
        ...at(node.body, { inLoop: true, isSoft: false }),
        ...at(node.otherwise, node.recursive ? apart : inner),
      ];
    case "macro":
      return at([...node.defaults, ...node.body], apart);
    case "callBlock":
      return [...at([node.call], place), ...at([...node.defaults, ...node.body], apart)];
    case "generation":
    case "block":
      return at(node.body, apart);
    case "with":
      return [...at(node.values, place), ...at(node.body, inner)];
    case "setBlock":
    case "filterBlock":
      return at([node.filter, ...node.body], inner);
    case "autoescape":
      return at([node.value, ...node.body], inner);
    default:
      return at(partsOf(node), place);
  }
}

/** Returns the expressions directly inside an expression, or inside a statement without a body. */
function partsOf(node: Node): (Expression | string | undefined)[] {
  switch (node.type) {
    case "output":
      return node.values;
    case "set":
      return [node.value];
    case "list":
    case "tuple":
    case "concat":
      return node.items;
    case "dict":
      return node.entries.flat();
    case "binary":
    case "and":
    case "or":
      return [node.left, node.right];
    case "compare":
      return [node.first, ...node.rest.map(([, value]) => value)];
    case "item":
      return [node.value, node.key];
    case "slice":
      return [node.value, ...node.bounds];
    case "call":
      return [node.callee, ...argumentsOf(node)];
    case "filter":
    case "test":
      return [node.value, ...argumentsOf(node)];
    case "not":
    case "unary":
    case "attribute":
      return [node.value];
    default:
      return [];
  }
}

function argumentsOf(node: Expression & { type: "call" | "filter" | "test" }): (Expression | undefined)[] {
  return [...node.args, ...node.named.map(([, value]) => value), node.rest, node.restNamed];
}
