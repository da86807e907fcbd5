import { expect, test } from "vitest";
import { Template } from "../template.ts";

const render = (template: string): string => new Template(template).render({ d: { a: 1 }, words: ["a"] }).text;
const failure = (code: string, message: string) => expect.objectContaining({ name: "TemplateError", code, message });

// Python's type names of all values, except for the last two.
test.each([
  ["none", "NoneType"],
  ["true", "bool"],
  ["1", "int"],
  ["1.5", "float"],
  ["'a'", "str"],
  ["('a' | safe)", "Markup"],
  ["[1]", "list"],
  ["(1,)", "tuple"],
  ["d", "dict"],
  ["range(2)", "range"],
  ["d.keys()", "dict_keys"],
  ["d.values()", "dict_values"],
  ["d.items()", "dict_items"],
  ["namespace()", "Namespace"],
  ["cycler(1)", "Cycler"],
  ["joiner()", "Joiner"],
  ["([1] | map('abs'))", "sync_do_map"],
  ["range", "builtin_function_or_method"],
])("%s is of the type %s", (expression, type) => {
  expect(() => render(`{{ {} - ${expression} }}`)).toThrow(
    failure("TEMPLATE_TYPE", `unsupported operand type(s) for -: 'dict' and '${type}'`),
  );
});

test.each([
  ["1 ** 'a'", "TEMPLATE_TYPE", "unsupported operand type(s) for ** or pow(): 'int' and 'str'"],
  ["(1,) + 5", "TEMPLATE_TYPE", "unsupported operand type(s) for +: 'tuple' and 'int'"],
  ["5 + (1,)", "TEMPLATE_TYPE", "unsupported operand type(s) for +: 'int' and 'tuple'"],
  ["(1,) < 5", "TEMPLATE_TYPE", "'<' not supported between instances of 'tuple' and 'int'"],
  ["5 < (1,)", "TEMPLATE_TYPE", "'<' not supported between instances of 'int' and 'tuple'"],
  ["', '.join(5)", "TEMPLATE_TYPE", "can only join an iterable"],
  ["[1] < (1,)", "TEMPLATE_TYPE", "'<' not supported between instances of 'list' and 'tuple'"],
  ["'a' >= 1", "TEMPLATE_TYPE", "'>=' not supported between instances of 'str' and 'int'"],
  ["1 in 'a'", "TEMPLATE_TYPE", "'in <string>' requires string as left operand, not int"],
  ["-'a'", "TEMPLATE_TYPE", "bad operand type for unary -: 'str'"],
  ["5()", "TEMPLATE_TYPE", "'int' object is not callable"],
  ["namespace()()", "TEMPLATE_TYPE", "'Namespace' object is not callable"],
  ["words[1:]['a':]", "TEMPLATE_TYPE", "slice indices must be integers or None or have an __index__ method"],
  ["5[1:]", "TEMPLATE_TYPE", "'int' object is not subscriptable"],
  ["d[1:]", "TEMPLATE_TYPE", "unhashable type: 'slice'"],
  ["words[::0]", "TEMPLATE_VALUE", "slice step cannot be zero"],
  ["{[1]: 2}", "TEMPLATE_TYPE", "unhashable type: 'list'"],
  ["nope.x", "TEMPLATE_UNDEFINED", "'nope' is undefined"],
  ["none.x.y", "TEMPLATE_UNDEFINED", "'None' has no attribute 'x'"],
  ["none[0].y", "TEMPLATE_UNDEFINED", "None has no element 0"],
  ["d.x.y", "TEMPLATE_UNDEFINED", "'dict object' has no attribute 'x'"],
  ["words[5].y", "TEMPLATE_UNDEFINED", "list object has no element 5"],
  ["(1 if 0).y", "TEMPLATE_UNDEFINED", expect.stringContaining("on line 1 evaluated to false")],
  ["words.append(1)", "TEMPLATE_SECURITY", "access to attribute 'append' of 'list' object is unsafe."],
  ["d.update({})", "TEMPLATE_SECURITY", "access to attribute 'update' of 'dict' object is unsafe."],
  ["'a'.__x.y", "TEMPLATE_UNDEFINED", "'str object' has no attribute '__x'"],
  ["'a'.x__.y", "TEMPLATE_UNDEFINED", "'str object' has no attribute 'x__'"],
  ["'a'.__class__.x", "TEMPLATE_SECURITY", "access to attribute '__class__' of 'str' object is unsafe."],
  ["namespace(_a=1)", "TEMPLATE_SECURITY", "the attribute '_a' of a namespace begins with an underscore; rename it"],
  ["'a'.encode()", "TEMPLATE_UNSUPPORTED", "the method str.encode is not supported"],
  ["'a' | pprint", "TEMPLATE_UNSUPPORTED", "the filter pprint is not supported"],
  ["lipsum()", "TEMPLATE_UNSUPPORTED", "the function lipsum is not supported"],
  ["raise_exception('no')", "TEMPLATE_RAISED", "no"],
  ["'%s %s' % 'a'", "TEMPLATE_TYPE", "not enough arguments for format string"],
  ["'a' % 1", "TEMPLATE_TYPE", "not all arguments converted during string formatting"],
  ["'{:{:{:{}}}}'.format(5, '', '', '')", "TEMPLATE_VALUE", "Max string recursion exceeded"],
  ["'{'.format(1)", "TEMPLATE_VALUE", "Single '{' encountered in format string"],
  ["'a{0'.format(1)", "TEMPLATE_VALUE", "expected '}' before end of string"],
  ["'}'.format(1)", "TEMPLATE_VALUE", "Single '}' encountered in format string"],
  ["'%.1001f' % 1.5", "TEMPLATE_LIMIT", "it indents by 1001 spaces, more than 1000"],
  ["2 ** 16385", "TEMPLATE_LIMIT", "it makes an integer of more than 65536 bits"],
  ["range(0, 100001)", "TEMPLATE_LIMIT", "range() would have 100001 elements, and at most 100000 are allowed"],
  ["10 ** 4300", "TEMPLATE_VALUE", "Exceeds the limit (4300 digits) for integer string conversion"],
  ["('9' * 16385) | int", "TEMPLATE_LIMIT", "it makes an integer of more than 65536 bits"],
])("%s fails with %s: %s", (expression, code, message) => {
  expect(() => render(`{{ ${expression} }}`)).toThrow(failure(code, message));
});

test("products have up to 65536 bits, and powers of two up to 16384", () => {
  const root = "{% set a = 2 ** 16384 %}{% set b = a * a * a %}";
  expect(render(`${root}{{ b * (2 ** 16383) > 0 }}{{ b * -(2 ** 16383) < 0 }}`)).toBe("TrueTrue");
  for (const factor of ["a", "-a"]) {
    expect(() => render(`${root}{{ b * ${factor} }}`)).toThrow(
      failure("TEMPLATE_LIMIT", "it makes an integer of more than 65536 bits"),
    );
  }
});

test("integers have up to 65536 bits and 4300 digits", () => {
  expect(render("{{ (('9' * 16384) | int) > 0 }}{{ (10 ** 4299) | string | length }}")).toBe("True4300");
});

test.each([
  ["{{ 1 + }}", "unexpected the end of a tag (line 1)"],
  ["\n\n{{ 1 + }}", "unexpected the end of a tag (line 3)"],
  ["{# a\nb #}{{ 1\n+ 2\n+ }}", "unexpected the end of a tag (line 4)"],
  ["{% raw %}\n\n{% endraw %}\n{{ ) }}", "unexpected ')' (line 4)"],
  ["{{ 'a\nb' ) }}", "unexpected ')' (line 2)"],
  ["{{ ( ] }}", "unexpected ']', expected ')' (line 1)"],
  ["{{ 1", "unexpected end of template, expected the end of a tag (line 1)"],
  ["{{ $ }}", 'unexpected char "$" (line 1)'],
  ["{{ 1 2 }}", "expected the end of a tag, got integer (line 1)"],
  ["{{ 1 a }}", "expected the end of a tag, got 'a' (line 1)"],
  ["{{ a. }}", "expected name or number (line 1)"],
  ["{{ }}", "Expected an expression, got the end of a tag (line 1)"],
  ["\n{# a", "Missing end of comment tag (line 2)"],
  ["\n{% raw %}", "Missing end of raw directive (line 2)"],
  ["{% nope %}", "Encountered unknown tag 'nope' (line 1)"],
  ["{% if 1 %}\n{% nope %}", "Encountered unknown tag 'nope'; elif or else or endif was expected (line 2)"],
  ["{% set x %}{% nope %}", "Encountered unknown tag 'nope'; endset was expected (line 1)"],
  ["{% if 1 %}\na", "Unexpected end of template, expected elif or else or endif (line 2)"],
  ["{% set x %}", "Unexpected end of template, expected endset (line 1)"],
  ["{% macro m(a=1, b) %}", "non-default argument follows default argument (line 1)"],
  ["{% macro m(a, a) %}", "duplicate argument 'a' (line 1)"],
  ["{% macro none() %}", "can't assign to 'none' (line 1)"],
  ["{% call 5 %}", "expected call (line 1)"],
  ...["*a, 1", "*a, *b", "**a, *b", "**a, **b", "**a, 1", "**a, b=1", "a=1, a=2", "a=1, *b, 2"].map(
    (args): [string, string] => [`{{ m(${args}) }}`, "invalid syntax for function call expression (line 1)"],
  ),
  ["{{ m(a=1, 2) }}", "invalid syntax for function call expression (line 1)"],
  ["{{ 1 is odd is even }}", "You cannot chain multiple tests with is (line 1)"],
  ["\n{{ '\\U00110000' }}", "illegal Unicode character in a string (line 2)"],
  ["{{ 1 2 in 3 }}", "expected the end of a tag, got integer (line 1)"],
  ["{{ 1 not 2 }}", "expected the end of a tag, got 'not' (line 1)"],
  ["{{ '\\x4' }}", "the escape \\x in a string cannot be read (line 1)"],
  ["{{ 1 | nope }}", "No filter named 'nope'."],
  ["{{ 1 is nope }}", "No test named 'nope'."],
  ["{% break %}", "'break' outside of a loop"],
  [
    "{% macro m(caller) %}{{ caller }}{% endmacro %}",
    expect.stringContaining('a parameter "caller" without a default'),
  ],
])("%j is refused: %s", (template, message) => {
  expect(() => new Template(template)).toThrow(failure("TEMPLATE_SYNTAX", message));
});
