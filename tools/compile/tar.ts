const BLOCK = 512;
const encoder = new TextEncoder();

/** One member of an archive. */
export interface TarMember {
  /** Path with forward slashes, at most 255 bytes. */
  readonly path: string;
  /** Content. */
  readonly bytes: Uint8Array;
  /** True for a file that is started. */
  readonly executable?: boolean;
}

/** A POSIX ustar archive (IEEE Std 1003.1) whose bytes depend on the members alone: no times, no owners. */
export function tar(members: readonly TarMember[]): Uint8Array<ArrayBuffer> {
  const padded = (length: number) => Math.ceil(length / BLOCK) * BLOCK;
  const size = members.reduce((sum, { bytes }) => sum + BLOCK + padded(bytes.length), 2 * BLOCK);
  const archive = new Uint8Array(size);
  let at = 0;
  for (const member of members) {
    archive.set(header(member), at);
    archive.set(member.bytes, at + BLOCK);
    at += BLOCK + padded(member.bytes.length);
  }
  return archive;
}

function header({ path, bytes, executable }: TarMember): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, offset: number) => block.set(encoder.encode(text), offset);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0") + "\0";
  const [prefix, name] = split(path);
  put(name, 0);
  put(octal(executable ? 0o700 : 0o600, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(bytes.length, 11), 124);
  put(octal(0, 11), 136);
  put("        ", 148);
  put("0", 156);
  put("ustar\0" + "00", 257);
  put(prefix, 345);
  put(octal(block.reduce((sum, byte) => sum + byte, 0), 6) + " ", 148);
  return block;
}

/** A path as ustar's prefix (at most 155 bytes) and name (at most 100). */
function split(path: string): [string, string] {
  const fits = (text: string, length: number) => encoder.encode(text).length <= length;
  if (fits(path, 100)) return ["", path];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (fits(prefix, 155) && fits(name, 100)) return [prefix, name];
  }
  throw new RangeError(`the path ${path} is too long for an archive`);
}
