/** A throw-away certificate authority by openssl, for tests. */
export class TestAuthority {
  private constructor(
    private readonly dir: string,
    private readonly name: string,
  ) {}

  /** Makes an authority; its files lie in `dir`. */
  static async create(dir: string, name = "test authority"): Promise<TestAuthority> {
    const authority = new TestAuthority(dir, name.replaceAll(" ", "-"));
    await key(authority.keyFile);
    await openssl(
      ["req", "-x509", "-new", "-key", authority.keyFile, "-subj", `/CN=${name}`, "-days", "2"],
      ["-addext", "basicConstraints=critical,CA:TRUE", "-out", authority.certFile],
    );
    return authority;
  }

  get certFile(): string {
    return `${this.dir}/${this.name}.crt`;
  }

  get keyFile(): string {
    return `${this.dir}/${this.name}.key`;
  }

  /** A certificate for this machine with its key. */
  async issue(name: string, days = 2): Promise<{ cert: string; key: string }> {
    const file = (ending: string) => `${this.dir}/${name}.${ending}`;
    await key(file("key"));
    await openssl(["req", "-new", "-key", file("key"), "-subj", `/CN=${name}`, "-out", file("csr")]);
    await Deno.writeTextFile(file("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    await openssl(
      ["x509", "-req", "-in", file("csr"), "-CA", this.certFile, "-CAkey", this.keyFile, "-CAcreateserial"],
      ["-days", String(days), "-extfile", file("ext"), "-out", file("crt")],
    );
    return { cert: file("crt"), key: file("key") };
  }
}

/** Registers a test that needs openssl; it is skipped, with the reason in its name, where there is none. */
export function opensslTest(name: string, body: (dir: string) => Promise<void>): void {
  const missing = !hasProgram("openssl", "version");
  Deno.test({
    name: missing ? `${name} (skipped: no openssl)` : name,
    ignore: missing,
    fn: async () => {
      const dir = await Deno.makeTempDir();
      try {
        await body(dir);
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    },
  });
}

/** Whether a program can be run here. */
export function hasProgram(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

async function key(file: string): Promise<void> {
  await openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file]);
}

async function openssl(...args: string[][]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: args.flat() }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
