import assert from "node:assert/strict";
import { callerOf } from "../../../src/federation/api/rate_limit.ts";
import { withService } from "./_service.ts";

Deno.test("all addresses of one IPv6 network of 64 bits are one caller, however they are written", () => {
  const one = "2001:db8:0:1::/64";
  for (
    const address of [
      "2001:db8:0:1::1",
      "2001:0DB8:0000:0001:ffff:1:2:3",
      "2001:db8:0:1:0:0:0:0",
      "2001:db8:0:1::1%eth0",
    ]
  ) assert.equal(callerOf(address), one, address);
  assert.notEqual(callerOf("2001:db8:0:2::1"), one);
  assert.equal(callerOf("::1"), "0:0:0:0::/64");
  assert.equal(callerOf("fe80::1"), "fe80:0:0:0::/64");
});

Deno.test("an IPv4 address is a caller of its own, also where it is written as an IPv6 one", () => {
  assert.equal(callerOf("192.0.2.7"), "192.0.2.7");
  assert.equal(callerOf("::ffff:192.0.2.7"), "192.0.2.7");
  assert.equal(callerOf("unknown"), "unknown");
});

Deno.test("a new address of the same IPv6 network gets nobody around the limit of strangers", async () => {
  await withService(async ({ send }) => {
    let limited = 0;
    for (let i = 0; i < 300 && limited === 0; i++) {
      const answer = await send("GET", "/v1/status", {
        signer: "nobody",
        address: `2001:db8::${i.toString(16)}`,
      });
      if (answer.status === 429) limited = i;
    }
    assert.ok(limited > 0, "300 addresses of one network were all served");
    const other = await send("GET", "/v1/status", { signer: "nobody", address: "2001:db8:1::1" });
    assert.equal(other.status, 200);
  });
});
