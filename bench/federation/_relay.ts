/** A relay that counts every byte between sites and aggregator, headers and all. */
export interface CountingRelay {
  /** Address to connect to instead. */
  readonly url: string;
  /** Bytes in both directions so far. */
  readonly bytes: number;
  /** Ends it. */
  close(): void;
}

/** Relays TCP connections to a service. @param target its base URL */
export function countingRelay(target: string): CountingRelay {
  const { hostname, port } = new URL(target);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let bytes = 0;
  const counting = (): TransformStream<Uint8Array, Uint8Array> =>
    new TransformStream({
      transform(piece, controller) {
        bytes += piece.length;
        controller.enqueue(piece);
      },
    });
  (async () => {
    for await (const from of listener) {
      const to = await Deno.connect({ hostname, port: Number(port) });
      from.readable.pipeThrough(counting()).pipeTo(to.writable).catch(() => {});
      to.readable.pipeThrough(counting()).pipeTo(from.writable).catch(() => {});
    }
  })();
  return {
    url: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    get bytes() {
      return bytes;
    },
    close: () => listener.close(),
  };
}
