import { VERSION } from "../../src/formats/version.ts";
import { permissionFlags } from "./permissions.ts";
import type { Recipe } from "./recipes.ts";

/** A compressed part behind the launcher. */
export interface Payload {
  /** First hexadecimal digits of the SHA-256 of the unpacked content: names its folder. */
  readonly id: string;
  /** Compressed length in bytes. */
  readonly length: number;
}

/** Digits of an offset in the launcher's text, so that the text's length does not depend on it. */
const DIGITS = 9;

/**
 * The shell program at the head of a self-extracting file. It needs sh, mkdir, rm, mv, chmod, id, tail, head, gzip and
 * tar. It unpacks once, into the first folder that belongs to this user alone and may hold programs, and then becomes
 * the runtime with exactly the recipe's permissions.
 *
 * @param recipe the program
 * @param start the start file in the folder of the programs
 * @param runtime the gzipped Deno runtime, first behind the text
 * @param programs the gzipped tar of all programs, after the runtime
 */
export function launcherText(recipe: Recipe, start: string, runtime: Payload, programs: Payload): string {
  const text = (offset: number): string => {
    const at = (value: number) => String(value).padStart(DIGITS);
    const flags = permissionFlags(recipe.permissions, "$self").map((flag) => `"${flag}"`).join(" ");
    return `#!/bin/sh
# ${recipe.name} ${VERSION} (${recipe.purpose}): one file with Deno ${Deno.version.deno} and the program inside.
# It unpacks itself once into the first usable one of: $FEDKIM_RUNTIME_DIR, $XDG_CACHE_HOME/fedkim,
# $HOME/.cache/fedkim, $XDG_RUNTIME_DIR/fedkim, $TMPDIR, /tmp, /var/tmp and /dev/shm (each: fedkim-<user id>).
set -eu
mask=$(umask)
umask 077
case $0 in
  /*) self=$0 ;;
  *) self=$PWD/$0 ;;
esac
case $self in
  *,*) echo "${recipe.name}: the path $self has a comma, which permissions cannot name: move the file" >&2; exit 1 ;;
esac

# A folder is usable when it is a real folder of this user. What lies there counts only where the folder is closed to
# others and the files are this user's own.
mine() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && [ -x "$1" ]
}
closed() {
  case $(ls -ld "$1") in d???------*) return 0 ;; *) return 1 ;; esac
}
own() {
  [ -O "$1" ] && [ ! -L "$1" ]
}
unpacked() {
  mine "$1" && closed "$1" && [ -x "$1/deno-${runtime.id}" ] && own "$1/deno-${runtime.id}" &&
    own "$1/fedkim-${programs.id}" && [ -f "$1/fedkim-${programs.id}/complete" ]
}
# Writable, and not mounted so that programs cannot start from it.
writable() {
  mkdir -p "$1" 2>/dev/null && mine "$1" || return 1
  # Open until now: whatever is there may be anybody's.
  closed "$1" || { chmod 700 "$1" && rm -rf "$1/deno-${runtime.id}" "$1/fedkim-${programs.id}"; } 2>/dev/null || return 1
  probe=$1/probe.$$
  { printf '#!/bin/sh\\nexit 0\\n' >"$probe" && chmod 700 "$probe" && "$probe"; } 2>/dev/null && usable=0 || usable=1
  rm -f "$probe" 2>/dev/null || usable=1
  return $usable
}
piece() {
  tail -c +"$1" "$self" | head -c "$2" | gzip -dc
}
# Every file and folder appears under its name only when it is whole; two starts at once do not disturb each other.
unpack() (
  new=$1/new.$$
  trap 'rm -rf "$new"' EXIT
  trap 'exit 130' INT TERM HUP
  mkdir "$new" || exit 1
  if [ ! -x "$1/deno-${runtime.id}" ] || ! own "$1/deno-${runtime.id}"; then
    piece ${at(offset)} ${runtime.length} >"$new/deno" && chmod 700 "$new/deno" &&
      mv -f "$new/deno" "$1/deno-${runtime.id}" || exit 1
  fi
  if [ ! -f "$1/fedkim-${programs.id}/complete" ]; then
    # Moved by its own name into the folder above it: onto a name that another start has just filled, mv fails and
    # moves nothing, where a target spelt out would have taken it in as a sub-folder.
    mkdir "$new/fedkim-${programs.id}" && piece ${
      at(offset + runtime.length)
    } ${programs.length} | tar -xf - -C "$new/fedkim-${programs.id}" &&
      : >"$new/fedkim-${programs.id}/complete" || exit 1
    mv "$new/fedkim-${programs.id}" "$1/" 2>"$new/refused" || [ -f "$1/fedkim-${programs.id}/complete" ] ||
      { cat "$new/refused" >&2; exit 1; }
  fi
)

user=$(id -u)
found=
for step in unpacked writable; do
  for folder in "\${FEDKIM_RUNTIME_DIR:-}" "\${XDG_CACHE_HOME:+$XDG_CACHE_HOME/fedkim}" \\
    "\${HOME:+$HOME/.cache/fedkim}" "\${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/fedkim}" \\
    "\${TMPDIR:+$TMPDIR/fedkim-$user}" "/tmp/fedkim-$user" "/var/tmp/fedkim-$user" "/dev/shm/fedkim-$user"; do
    case $folder in /*) ;; *) continue ;; esac
    if "$step" "$folder"; then
      found=$folder
      break 2
    fi
  done
done
if [ -z "$found" ]; then
  echo "${recipe.name}: no folder to unpack into: all are read-only, full, another user's, or may not hold programs." >&2
  echo "Set FEDKIM_RUNTIME_DIR to a folder of your own on a file system that is not mounted noexec." >&2
  exit 1
fi
if ! unpacked "$found"; then
  unpack "$found" || { echo "${recipe.name}: unpacking into $found failed: is the disk full?" >&2; exit 1; }
fi

umask "$mask"
export FEDKIM_EXECUTABLE="$self" DENO_NO_UPDATE_CHECK=1 DENO_DIR="$found/cache"
exec "$found/deno-${runtime.id}" run ${flags} \\
  --no-config --no-lock --no-remote --no-npm "$found/fedkim-${programs.id}/${start}" "$@"
`;
  };
  // tail counts from one.
  return text(new TextEncoder().encode(text(0)).length + 1);
}
