import assert from "node:assert/strict";
import { FedKimError, missingPermission } from "../../src/formats/mod.ts";

const refused = (text: string) =>
  new Deno.errors.NotCapable(`Requires ${text}, run again with the --allow-x flag`);

Deno.test("a refusal of Deno's names the permission, what was tried and what to do, however deep it is", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'net access to "fed.example.org:443"',
      'no net access to "fed.example.org:443"',
      "--allow-net=fed.example.org:443",
    ],
    ['read access to "/srv/data"', 'no read access to "/srv/data"', "--allow-read=/srv/data"],
    ["read access to <CWD>", "no read access to <CWD>", "--allow-read"],
    ["run access", "no run access", "--allow-run"],
  ];
  for (const [text, found, needed] of cases) {
    const cause = new TypeError("fetch failed", { cause: refused(text) });
    const error = missingPermission(
      new FedKimError("NetworkError", "The aggregator cannot be reached.", { cause }),
    );
    assert.ok(error !== undefined);
    assert.deepEqual(
      [error.code, error.details.reason, error.details.found, error.details.needed],
      ["ConfigError", "permission", found, needed],
    );
    assert.match(error.details.remedy!, /supply_chain\.md/);
    assert.equal(missingPermission(error), error, "what was said once is not said again");
  }
});

Deno.test("what Deno says in other words is repeated, and other errors are none of it", () => {
  assert.equal(missingPermission(new Deno.errors.NotCapable("no"))?.details.found, "no");
  assert.equal(missingPermission(new Deno.errors.PermissionDenied("the operating system's")), undefined);
  assert.equal(missingPermission("text"), undefined);
});
