import { speak, type Speaker } from "./_processes.ts";
import { measureRounds } from "./_round.ts";

/** Uploads through the service beside bare ones. */
export interface MeasuredUpload {
  /** Sites that upload at once. */
  readonly sites: number;
  /** Bytes of all vectors together. */
  readonly bytes: number;
  /** Seconds until the service has all of them: signed, checked, durable, and added up. */
  readonly service: number;
  /** Seconds until a bare Hono server has read and dropped as many bytes. */
  readonly bare: number;
}

/** Uploads the vectors of a cohort, computed beforehand, through the service and then the same bytes to a bare server. */
export async function measureUpload(sites: number, dimension: number): Promise<MeasuredUpload> {
  let begun = 0;
  const [round] = await measureRounds({
    cohort: { sites, dimension, rounds: 1 },
    processes: 1,
    masks: "own",
    uploads: () => begun = performance.timeOrigin + performance.now(),
  });
  const bytes = 4 * dimension * sites;
  return {
    sites,
    bytes,
    service: (round.uploadedAt - begun) / 1000,
    bare: await bareUpload(sites, 4 * dimension),
  };
}

async function bareUpload(sites: number, bytes: number): Promise<number> {
  const started: Speaker[] = [];
  try {
    const server = speak("_bare_server.ts", []);
    started.push(server);
    const { url } = await server.hear<{ url: string }>("listening");
    const sender = speak("_bare_uploads_process.ts", [url, String(sites), String(bytes)]);
    started.push(sender);
    await sender.hear("ready");
    await sender.tell("go");
    return (await sender.hear<{ seconds: number }>("uploaded")).seconds;
  } finally {
    for (const process of started) await process.kill();
  }
}
