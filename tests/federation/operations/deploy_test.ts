import assert from "node:assert/strict";
import { join } from "node:path";
import { root } from "../../_fedkim.ts";
import { MetricsConfigSchema } from "../../../src/federation/metrics_config.ts";
import { hasProgram } from "./_certificates.ts";

const deploy = join(root, "deploy");
const read = (file: string) => Deno.readTextFileSync(join(deploy, file));

/** Every file below deploy/ with its text. */
function* files(folder = ""): Generator<[string, string]> {
  for (const { name, isDirectory } of Deno.readDirSync(join(deploy, folder))) {
    if (isDirectory) yield* files(join(folder, name));
    else yield [join(folder, name), read(join(folder, name))];
  }
}

Deno.test("every image of deploy/ has a fixed version", () => {
  let images = 0;
  for (const [file, text] of files()) {
    for (const [, image] of text.matchAll(/^\s*(?:image:|FROM)\s+(\S+)/gm)) {
      images++;
      assert.ok(!/:latest$/.test(image), `${file}: ${image}`);
      if (image !== "fedkim") assert.match(image, /:[\w.-]+$/, `${file}: ${image}`);
    }
  }
  assert.ok(images >= 5);
  assert.match(read("kubernetes/kustomization.yaml"), /name: fedkim\n\s+newTag: \d+\.\d+\.\d+/);
});

Deno.test("the container runs as a numbered user who is not root, without a shell, by the pinned Deno", () => {
  const last = read("Dockerfile").split(/^FROM /m).at(-1)!;
  assert.match(last, /^gcr\.io\/distroless\//);
  assert.match(last, /^USER (\d+):\1$/m);
  assert.ok(!/^USER 0/m.test(last) && !/^RUN /m.test(last));
  assert.match(last, /^ENTRYPOINT \["/m);
  const pinned = /npx -y deno@([\d.]+)/.exec(Deno.readTextFileSync(join(root, "README.md")))![1];
  assert.match(read("Dockerfile"), new RegExp(`deno@${pinned.replaceAll(".", "\\.")} `));
});

Deno.test("ports of deploy/ are the configuration's defaults", () => {
  const metrics = MetricsConfigSchema.parse({}).port;
  const { port } = /port = (?<port>\d+)/.exec(Deno.readTextFileSync(join(root, "docs/configuration.md")))!
    .groups!;
  assert.match(read("Dockerfile"), new RegExp(`^EXPOSE ${port} ${metrics}$`, "m"));
  const pod = read("kubernetes/deployment.yaml");
  assert.match(pod, new RegExp(`name: https\\n\\s+containerPort: ${port}\\n`));
  assert.match(pod, new RegExp(`name: metrics\\n\\s+containerPort: ${metrics}\\n`));
  const policy = read("kubernetes/network_policy.yaml");
  for (const each of [port, metrics, 5432]) assert.ok(policy.includes(`port: ${each}\n`), String(each));
  assert.match(read("compose/compose.yaml"), new RegExp(`:${port}"`));
});

Deno.test("the pod has probes, limits and no rights; a replica is always left", () => {
  const pod = read("kubernetes/deployment.yaml");
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    assert.match(pod, new RegExp(`${probe}:\\n\\s+httpGet:\\n\\s+path: /(healthz|readyz)`), probe);
  }
  for (
    const line of [
      "runAsNonRoot: true",
      "readOnlyRootFilesystem: true",
      "allowPrivilegeEscalation: false",
      "type: RuntimeDefault",
      "automountServiceAccountToken: false",
      "replicas: 2",
    ]
  ) assert.ok(pod.includes(line), line);
  assert.match(pod, /drop:\n\s+- ALL/);
  assert.match(pod, /limits:\n\s+memory:/);
  assert.match(read("kubernetes/disruption_budget.yaml"), /minAvailable: 1/);
  assert.match(read("kubernetes/namespace.yaml"), /pod-security\.kubernetes\.io\/enforce: restricted/);
});

Deno.test("no secret lies in deploy/: they are references only", () => {
  for (const [file, text] of files()) {
    assert.ok(!/PRIVATE KEY|privateKey|postgres:\/\/\w+:\w+@/.test(text), file);
    assert.ok(!/^kind: Secret$/m.test(text), file);
  }
});

const kubectl = hasProgram("kubectl", "kustomize", join(deploy, "kubernetes"));
Deno.test({
  name: `kustomize accepts the folder and sets the image's version${kubectl ? "" : " (skipped: no kubectl)"}`,
  ignore: !kubectl,
  fn: async () => {
    const { stdout } = await new Deno.Command("kubectl", { args: ["kustomize", join(deploy, "kubernetes")] })
      .output();
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /image: fedkim:\d+\.\d+\.\d+/);
    assert.equal(text.match(/^kind: /gm)!.length, 8);
  },
});

/** Linters that a machine may have: their arguments, run in deploy/. */
const LINTERS: Readonly<Record<string, readonly string[]>> = {
  hadolint: ["Dockerfile"],
  yamllint: ["--strict", "."],
};

for (const [linter, args] of Object.entries(LINTERS)) {
  const installed = hasProgram(linter, "--version");
  Deno.test({
    name: `${linter} finds nothing in deploy/${installed ? "" : ` (skipped: no ${linter})`}`,
    ignore: !installed,
    fn: async () => {
      const { success, stdout } = await new Deno.Command(linter, { args: [...args], cwd: deploy }).output();
      assert.ok(success, new TextDecoder().decode(stdout));
    },
  });
}

const units = ["aggregator", "client"].map((name) => `systemd/fedkim-${name}.service`);

Deno.test("the systemd units write only to the state and cache folders and gain no rights", () => {
  for (const unit of units) {
    const text = read(unit);
    for (
      const line of [
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "PrivateTmp=yes",
        "CapabilityBoundingSet=",
        "User=fedkim",
        "UMask=0077",
        "SuccessExitStatus=130",
        "ReadWritePaths=/var/lib/fedkim /var/cache/fedkim",
      ]
    ) assert.ok(text.split("\n").includes(line), `${unit}: ${line}`);
    assert.ok(!/^MemoryDenyWriteExecute=/m.test(text), "V8 could not compile");
  }
});

const systemd = hasProgram("systemd-analyze", "--version");
Deno.test({
  name: `systemd-analyze verify knows every line of the units${
    systemd ? "" : " (skipped: no systemd-analyze)"
  }`,
  ignore: !systemd,
  fn: async () => {
    const dir = await Deno.makeTempDir();
    for (const unit of units) {
      const text = read(unit).replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
      const path = `${dir}/${unit.split("/")[1]}`;
      await Deno.writeTextFile(path, text);
      const { success, stderr } = await new Deno.Command("systemd-analyze", { args: ["verify", path] })
        .output();
      const said = new TextDecoder().decode(stderr);
      assert.ok(success && !/Unknown|Failed to parse|Invalid/i.test(said), said);
    }
    await Deno.remove(dir, { recursive: true });
  },
});
