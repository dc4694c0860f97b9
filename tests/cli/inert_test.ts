import assert from "node:assert/strict";
import fc from "fast-check";
import { inert } from "../../cli/terminal.ts";

Deno.test("on a terminal no text of others moves the cursor, hides a line or rings", () => {
  assert.equal(
    inert("site\r\x1b[2Kall is well\x1b]0;title\x07\x1b[8m\u202etxt\u009b2J"),
    "site\ufffd\ufffd[2Kall is well\ufffd]0;title\ufffd\ufffd[8m\ufffdtxt\ufffd2J",
  );
  const any = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("\x1b[2K", "\x1b[31m", "\r", "\r\n", "\b"),
  );
  fc.assert(fc.property(fc.array(any), (parts) => {
    const shown = inert(parts.join(""));
    assert.doesNotMatch(
      // deno-lint-ignore no-control-regex
      shown.replace(/\x1b\[3[1236]m/g, "").replaceAll("\r\n", ""),
      /(?![\n\t])[\p{Cc}\u202e\u2066]/u,
    );
    assert.equal(inert(shown), shown);
  }));
});

Deno.test("on a terminal tables, line feeds and the program's own colours stay as they are", () => {
  const text = "\x1b[1mname\x1b[22m\tå 健康\r\n\x1b[31merror\x1b[39m\n";
  assert.equal(inert(text), text);
});
