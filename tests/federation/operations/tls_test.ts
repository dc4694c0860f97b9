import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { generateIdentity } from "../../../src/secure_agg/mod.ts";
import type { ErrorCode, FedKimError } from "../../../src/formats/errors.ts";
import { AggregatorClient } from "../../../src/federation/aggregator_client.ts";
import { openServer } from "../../../src/federation/http_server.ts";
import { readTls, type TlsFiles } from "../../../src/federation/tls.ts";
import { outboundClient, type OutboundConfig } from "../../../src/federation/tls_client.ts";
import { opensslTest, TestAuthority } from "./_certificates.ts";

const failsWith = (code: ErrorCode, pattern: RegExp) => (error: unknown) => {
  const { code: found, message } = error as FedKimError;
  assert.equal(found, code, String(error));
  assert.match(message, pattern);
  return true;
};

/** What a site sends in these tests. */
const JOIN = { head: { sequence: 0, hash: "" } };
const BYTES = JSON.stringify(JOIN).length;

/** An address of this machine by the name that the certificates carry. */
const named = (url: string) => url.replace("127.0.0.1", "localhost");

/** Runs a body against an open server that echoes what it got. */
async function withServer(tls: TlsFiles | undefined, body: (url: string) => Promise<void>): Promise<void> {
  const server = await openServer({
    hostname: "127.0.0.1",
    port: 0,
    tls,
    handler: async (request, info) =>
      Response.json({
        bytes: (await request.arrayBuffer()).byteLength,
        from: info.remoteAddr?.hostname,
        keyid: request.headers.get("signature-input") !== null,
      }),
  });
  try {
    await body(server.url);
  } finally {
    await server.shutdown();
  }
}

/** One signed request as a site sends it. */
async function call(
  url: string,
  config: OutboundConfig,
): Promise<{ bytes: number; from: string; keyid: boolean }> {
  const http = await outboundClient(config);
  try {
    const client = new AggregatorClient(url, generateIdentity("a"), -1, new AbortController().signal, http);
    return await client.postJson("/v1/join", JOIN);
  } finally {
    http?.close();
  }
}

opensslTest(
  "a site reaches an HTTPS aggregator whose certificate is from its private authority",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    const { cert, key } = await authority.issue("server");
    await withServer({ cert, key }, async (url) => {
      assert.match(url, /^https:/);
      const answer = await call(named(url), { caFile: authority.certFile });
      assert.deepEqual(answer, { bytes: BYTES, from: "127.0.0.1", keyid: true });
    });
  },
);

opensslTest("a certificate of another authority is refused and the error says to set caFile", async (dir) => {
  const { cert, key } = await (await TestAuthority.create(dir)).issue("server");
  const foreign = await TestAuthority.create(dir, "foreign");
  await withServer({ cert, key }, async (url) => {
    await assert.rejects(call(named(url), { caFile: foreign.certFile }), failsWith("NetworkError", /caFile/));
    await assert.rejects(call(named(url), {}), failsWith("NetworkError", /caFile/));
  });
});

opensslTest(
  "with clientCa a site without a client certificate is refused, one of another authority too",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    const foreign = await (await TestAuthority.create(dir, "foreign")).issue("stranger");
    const tls = { ...await authority.issue("server"), clientCa: authority.certFile };
    await withServer(tls, async (url) => {
      const caFile = authority.certFile;
      await assert.rejects(call(named(url), { caFile }), failsWith("NetworkError", /clientCert/));
      const wrong = { caFile, clientCert: foreign.cert, clientKey: foreign.key };
      await assert.rejects(call(named(url), wrong), failsWith("NetworkError", /clientCert/));
    });
  },
);

opensslTest(
  "with clientCa a site with a certificate of that authority is served, its address known",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    const tls = { ...await authority.issue("server"), clientCa: authority.certFile };
    const { cert: clientCert, key: clientKey } = await authority.issue("site");
    await withServer(tls, async (url) => {
      const answer = await call(named(url), { caFile: authority.certFile, clientCert, clientKey });
      assert.deepEqual(answer, { bytes: BYTES, from: "127.0.0.1", keyid: true });
    });
  },
);

opensslTest("TLS files that are missing, no PEM, mismatched or expired are a ConfigError", async (dir) => {
  const authority = await TestAuthority.create(dir);
  const one = await authority.issue("one");
  const other = await authority.issue("other");
  const refused = (files: TlsFiles, pattern: RegExp) =>
    assert.rejects(readTls(files), failsWith("ConfigError", pattern));
  await refused({ cert: `${dir}/none.crt`, key: one.key }, /none\.crt/);
  await refused({ cert: one.key, key: one.key }, /CERTIFICATE/);
  await refused({ cert: one.cert, key: one.cert }, /PRIVATE KEY/);
  await refused({ cert: one.cert, key: other.key }, /does not belong/);
  await refused({ ...one, clientCa: `${dir}/none.crt` }, /none\.crt/);
  await Deno.writeTextFile(
    `${dir}/broken.crt`,
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  );
  await refused({ cert: `${dir}/broken.crt`, key: one.key }, /broken\.crt/);
  const expired = await authority.issue("expired", -1);
  await refused(expired, /not valid now/);
  await assert.rejects(outboundClient({ clientCert: one.cert }), failsWith("ConfigError", /clientKey/));
  await assert.rejects(outboundClient({ caFile: `${dir}/none.crt` }), failsWith("ConfigError", /none/));
  await assert.rejects(
    outboundClient({ proxy: "user:secret-word@proxy" }),
    (error: FedKimError) => error.code === "ConfigError" && !error.message.includes("secret-word"),
  );
});

/** A forward proxy that notes what it is asked for. */
async function withProxy(body: (url: string, asked: string[]) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const tunnels = new Set<{ destroy(): void }>();
  const proxy = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers["proxy-authorization"] ?? ""}`.trim());
    const forwarded = httpRequest(
      incoming.url!,
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      },
    );
    incoming.pipe(forwarded);
  });
  proxy.on("connect", (incoming, socket, head) => {
    asked.push(`CONNECT ${incoming.url}`);
    const [host, port] = incoming.url!.split(":");
    const target = connect(Number(port), host === "localhost" ? "127.0.0.1" : host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      target.write(head);
      target.pipe(socket);
      socket.pipe(target);
    });
    tunnels.add(target).add(socket);
    for (const end of [target, socket]) end.on("error", () => {});
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    await body(`127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked);
  } finally {
    for (const tunnel of tunnels) tunnel.destroy();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
}

opensslTest(
  "an HTTPS request goes through the proxy's CONNECT, and only the site's own TLS ends at the aggregator",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    await withServer(await authority.issue("server"), (url) =>
      withProxy(async (proxy, asked) => {
        const answer = await call(named(url), { caFile: authority.certFile, proxy: `http://${proxy}` });
        assert.equal(answer.bytes, BYTES);
        assert.deepEqual(asked, [`CONNECT ${new URL(named(url)).host}`]);
      }));
  },
);

Deno.test("a plain HTTP request goes through the proxy, with the user and password of its address", async () => {
  await withServer(undefined, (url) =>
    withProxy(async (proxy, asked) => {
      const answer = await call(url, { proxy: `http://site:p%40ss@${proxy}` });
      assert.equal(answer.bytes, BYTES);
      assert.deepEqual(asked, [`POST ${url}/v1/join Basic ${btoa("site:p@ss")}`]);
    }));
});

Deno.test("a port that is taken is a PortInUse", async () => {
  await withServer(undefined, async (url) => {
    const port = Number(new URL(url).port);
    const again = openServer({ hostname: "127.0.0.1", port, handler: () => new Response() });
    await assert.rejects(again, failsWith("PortInUse", new RegExp(String(port))));
  });
});

opensslTest("a port that is taken is a PortInUse with client certificates too", async (dir) => {
  const authority = await TestAuthority.create(dir);
  const tls = { ...await authority.issue("server"), clientCa: authority.certFile };
  await withServer(undefined, async (url) => {
    const port = Number(new URL(url).port);
    const again = openServer({ hostname: "127.0.0.1", port, tls, handler: () => new Response() });
    await assert.rejects(again, failsWith("PortInUse", new RegExp(String(port))));
  });
});
